"""How many pictures a GPU sees in some time: a calculation from the steps' multiplications, not a measurement.

Every stage's step is run once on torch's fake tensors, which have shapes and no numbers, and its floating-point
operations are counted (2 per multiply-add; convolutions and matrix products only). What a GPU reaches of its peak is
assumed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from reenact import spaces
from reenact.hybrid import Puppeteer
from reenact.train import losses
from reenact.train.adversary import R1_EVERY, Discriminator
from reenact.train.configuration import APART, JOINED, Configuration

UTILISATION = (0.15, 0.25)  # of the peak: what training of such networks reaches, assumed
SHARES = {"generator": APART / 2, "encoder": APART / 2, "join": JOINED}  # of the minutes of `all`


@dataclass(frozen=True)
class Networks:
    """A configuration's networks without weights, and one picture for them."""

    puppeteer: Puppeteer
    discriminator: Discriminator
    picture: Tensor  # f32 [1,3,R,R]
    crop: Tensor  # f32 [1,3,C,C]
    w_id: Tensor  # f32 [1,rows,w_dim]
    motion: Tensor  # f32 [1,M]


def networks(configuration: Configuration) -> Networks:
    """Everything that a step needs."""
    dims, encoder = configuration.dims, configuration.encoder
    return Networks(
        Puppeteer(dims, encoder).eval(),
        Discriminator(configuration.adversary_width),
        torch.empty(1, 3, dims.resolution, dims.resolution),
        torch.empty(1, 3, encoder.crop, encoder.crop),
        torch.empty(1, spaces.rows(dims), dims.w_dim, requires_grad=True),
        torch.empty(1, encoder.motion),
    )


def flops(step: Callable[[], None]) -> int:
    """The floating-point operations of a step, backward pass included."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def generator_flops(parts: Networks) -> float:
    """Stage 1 on one whole picture, with the adversary's judgement and its own learning."""

    def judged() -> None:
        model = parts.puppeteer
        drawn = model.render(model.styles(parts.w_id, model.deform_head(parts.motion)))
        answer, features = parts.discriminator(drawn)
        with torch.no_grad():
            _, wanted = parts.discriminator(parts.picture)
        _backward(losses.adversarial(answer) + losses.feature(features, wanted))

    def learnt() -> None:
        both = torch.cat([parts.picture, parts.picture])
        _backward(losses.discriminator(*parts.discriminator(both)[0].chunk(2)))

    learning = flops(learnt)
    penalty = learning / R1_EVERY  # a gradient's gradient: about twice a pass on the true one
    return flops(judged) + learning + penalty


def encoder_flops(parts: Networks) -> float:
    """Stage 2 on one picture."""
    return flops(lambda: _backward(parts.puppeteer.motion(parts.crop).square().mean()))


def join_flops(parts: Networks) -> float:
    """Stage 3 on one driver: its motion drawn, and two portraits identified."""
    model = parts.puppeteer

    def drawn() -> None:
        styles = model.styles(parts.w_id, model.deform(parts.crop))
        _backward(model.render(styles).square().mean())

    def identified() -> None:
        _backward(model.identify(parts.crop).square().mean())

    return flops(drawn) + 2 * flops(identified)


def pictures(configuration: Configuration, minutes: float, flop_s: float) -> dict[str, float]:
    """Pictures that each stage sees when `all` has these minutes and a GPU does `flop_s` a second."""
    with FakeTensorMode():
        parts = networks(configuration)
        costs = {
            "generator": generator_flops(parts),
            "encoder": encoder_flops(parts),
            "join": join_flops(parts),
        }
    return {name: SHARES[name] * minutes * 60 * flop_s / cost for name, cost in costs.items()}


def forecast(configuration: Configuration, minutes: float, peak: float) -> str:
    """The calculation as text; peak in FLOP a second."""
    lines = [
        f"calculated, not measured: {minutes:.0f} minutes of `all` on a GPU of {peak / 1e12:.0f} TFLOP/s"
    ]
    for used in UTILISATION:
        seen = pictures(configuration, minutes, used * peak)
        each = ", ".join(
            f"{name} {count / 1e6:.2f} M at {SHARES[name] * minutes * 60 * used * peak / count / 1e9:.0f} GFLOP"
            for name, count in seen.items()
        )
        lines.append(f"at {used:.0%} of it: {sum(seen.values()) / 1e6:.2f} M pictures ({each})")
    return "\n".join(lines)


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]

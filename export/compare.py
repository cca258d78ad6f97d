"""An exported graph against the networks it came from: the same numbers, or no export."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import onnx
import torch

from engines.contract import INPUT_TYPES
from engines.torch_engine import graph_shapes
from export.locate import FLOAT_TOLERANCE, LEAST_PSNR, NO_NOISE, first_difference, psnr
from export.rounded import LARGEST, rounded
from export.run_onnx import Array, runner
from export.to_onnx import NAMES
from reenact import graphs, spaces
from reenact.errors import UserError
from reenact.hybrid import Puppeteer

LEVEL_TOLERANCE = 1  # fp32, of a uint8 picture: rounding may fall on either side
LARGEST_FP16 = 3e4  # half of what fp16 holds


@dataclass(frozen=True)
class Parity:
    """How close a graph is to torch in fp32, the worst over all inputs.

    Attributes:
        max_error: largest absolute difference; of a picture: in -1..1, before it is uint8, where
            styles far too large make values far outside of that.
        psnr: dB; of a picture: cut off at -1 and 1, where the screen does; of an encoder's
            numbers: over their range.
        largest: largest number that the graph rounds to 16 bits; 0 in fp32.
    """

    max_error: float
    psnr: float
    largest: float

    def worse(self, other: "Parity") -> "Parity":
        """The worse of each number."""
        return Parity(
            max(self.max_error, other.max_error),
            min(self.psnr, other.psnr),
            max(self.largest, other.largest),
        )

    def finite(self) -> bool:
        """Whether all its numbers are: a single NaN in an output makes them infinite."""
        return all(math.isfinite(getattr(self, field.name)) for field in fields(self))


def compare(
    puppeteer: Puppeteer,
    graph: str,
    model: onnx.ModelProto,
    precision: str = "fp32",
    advance: Callable[[], None] = lambda: None,
) -> Parity:
    """Run a graph in ONNX Runtime on the CPU and the networks in torch, fp32, on the same inputs.

    The reference is the networks as they were trained, not the modules that were exported. In fp32
    the graph runs optimised and as it stands; in fp16 as it stands and with every rounding made
    (see `export.rounded`); in bf16, for which the provider has no kernels, in the latter way only.

    Args:
        puppeteer: what the graph was exported from.
        graph: one of `engines.GRAPHS`.
        model: the exported graph.
        precision: what it was exported in.
        advance: called after each of the `inputs`.

    Raises:
        UserError: they differ by more than the tolerance; it names the first layer that does.
    """
    runs = _runs(model, graph, puppeteer, precision)
    total = Parity(0.0, NO_NOISE, 0.0)
    for what, array in inputs(puppeteer, graph, model).items():
        expected = reference(puppeteer, graph, array)
        for how, run in runs.items():
            parity, sentence = _judge(graph, precision, run(array), expected)
            if sentence:
                again = partial(reference, puppeteer, graph, array)
                place = first_difference(puppeteer, graph, model, precision, array, again)
                raise UserError(
                    f"{graph}.onnx in {precision}{how} differs from torch on {what}: {sentence}; "
                    f"{place}; nothing was written"
                )
            total = total.worse(parity)
        advance()
    return total


def inputs(puppeteer: Puppeteer, graph: str, model: onnx.ModelProto) -> dict[str, Array]:
    """Return what a graph is compared on: the `examples`, and some together where it allows that."""
    single = examples(puppeteer, graph)
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        return single
    return single | {"three at once": np.concatenate(list(single.values())[:3])}


def reference(puppeteer: Puppeteer, graph: str, array: Array) -> Array:
    """Return what the networks make of an input, in fp32; of styles: the picture in -1..1."""
    entry = torch.tensor(array)
    with torch.inference_mode():
        if graph == "render":
            output = puppeteer.render(entry)
        elif graph == "encode_identity":
            output = puppeteer.identify(graphs.read_pixels(entry))
        else:
            output = puppeteer.deform(graphs.read_pixels(entry))
    result: Array = output.contiguous().numpy()
    return result


def examples(puppeteer: Puppeteer, graph: str) -> dict[str, Array]:
    """Return fixed inputs by name: ordinary ones, and far outside of what training has seen."""
    shape, _ = graph_shapes(puppeteer, graph)
    random = np.random.default_rng(20)
    if INPUT_TYPES[graph] == np.uint8:
        ramp = np.broadcast_to(np.linspace(0, 255, shape[2])[:, None], shape).astype(np.uint8)
        noise = random.integers(0, 256, shape, np.uint8)
        return {"noise": noise, "a ramp": ramp, "black": ramp * 0, "white": ramp * 0 + 255}
    with torch.inference_mode():
        mean = puppeteer.generator.w_avg.expand(1, spaces.rows(puppeteer.dims), -1)
        styles = puppeteer.generator.identity_styles(mean).numpy()
    normal = random.normal(1.0, 0.5, shape)
    spikes = normal * np.where(random.random(shape) < 0.01, 300, 1)
    styled = {
        "the mean identity": styles,
        "random styles": normal,
        "styles of both signs": normal - 1,
        "styles times 10": normal * 10,
        "styles with spikes": spikes,
    }
    return {what: array.astype(np.float32) for what, array in styled.items()}


def _runs(
    model: onnx.ModelProto, graph: str, puppeteer: Puppeteer, precision: str
) -> dict[str, Callable[[Array], list[Array]]]:
    """Ways to run a graph: each gives its output, the same before uint8, and the largest number."""
    names = [NAMES[graph][1], float_output(puppeteer, graph)]
    runs: dict[str, Callable[[Array], list[Array]]] = {}
    if precision != "bf16":
        runs[""] = runner(model, names)
    if precision == "fp32":
        runs[", not optimised,"] = runner(model, names, optimise=False)
    else:
        runs[" with its roundings"] = runner(rounded(model), [*names, LARGEST])
    return runs


def float_output(puppeteer: Puppeteer, graph: str) -> str:
    """Return the name of the value that is the graph's output in float32, a picture in -1..1."""
    return spaces.layers(puppeteer.dims)[-1].name if graph == "render" else NAMES[graph][1]


def _judge(graph: str, precision: str, got: list[Array], expected: Array) -> tuple[Parity, str]:
    """Return how close a run is to the reference, and what is wrong in words, or nothing."""
    output, numbers, largest = got[0], got[1], float(got[2]) if len(got) > 2 else 0.0
    parity = measured(graph, numbers, expected, largest)
    if not np.isfinite(expected).all():
        return parity, "torch itself gives numbers that are not finite"
    if not parity.finite():
        return parity, "it gives numbers that are not finite"
    if precision == "fp32":
        tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max()))
        if parity.max_error > tolerance:
            return parity, f"by {parity.max_error:.3g}, {tolerance:.2g} is allowed"
        return parity, _wrong_levels(output, expected) if graph == "render" else ""
    if parity.psnr < LEAST_PSNR[precision]:
        return parity, f"{parity.psnr:.1f} dB, {LEAST_PSNR[precision]:.0f} dB are asked for"
    if precision == "fp16" and parity.largest > LARGEST_FP16:
        return parity, f"it holds {parity.largest:.3g}, {LARGEST_FP16:.0f} is allowed"
    return parity, ""


def levels(picture: Array) -> Array:
    """float [N, 3, R, R] in -1..1 -> u8 [N, R, R, 3]."""
    result: Array = graphs.write_pixels(torch.from_numpy(picture)).numpy()
    return result


def _wrong_levels(output: Array, expected: Array) -> str:
    difference = int(np.abs(output.astype(int) - levels(expected)).max())
    if difference <= LEVEL_TOLERANCE:
        return ""
    return f"by {difference} levels of 255, {LEVEL_TOLERANCE} is allowed"


def measured(graph: str, got: Array, expected: Array, largest: float = 0.0) -> Parity:
    """Return how close numbers are; nothing of it is finite where one of them is not."""
    if got.shape != expected.shape or not np.isfinite(got - expected).all():
        return Parity(math.inf, -math.inf, math.inf)
    worst = float(np.abs(got.astype(np.float64) - expected).max())
    span = 2.0 if graph == "render" else float(expected.max() - expected.min())
    if graph == "render":
        got, expected = got.clip(-1, 1), expected.clip(-1, 1)
    return Parity(worst, psnr(got, expected, span), largest)

"""What every stage of training shares: a folder, a budget of minutes, snapshots, progress.

A stage is given minutes, not steps: its schedules (resolution, learning rate, weights of losses)
follow the share of the budget that is spent, so the same command suits a laptop and a data-centre
GPU. A stage that was stopped goes on from its last snapshot; the minutes it had used count.
"""

import math
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from torch import Tensor, nn

from reenact.errors import UserError
from reenact.train import distributed
from reenact.train.configuration import DEFAULT, Configuration, check_same, flat

Network = TypeVar("Network", bound=nn.Module)

DEVICE = distributed.device()

clock = time.perf_counter

SNAPSHOT_S = 180.0  # seconds between snapshots
REPORT_S = 20.0  # seconds between lines of progress


class Run:
    """One stage of training in one folder.

    `state` maps names to things with state_dict/load_state_dict (networks, optimisers). `show` is called at every
    snapshot to draw a sheet of pictures. Where several processes train, all go by the first one's clock, and it
    alone reports and writes; the folder must be one that all of them see. Going on with another configuration than
    the snapshot's raises UserError.
    """

    def __init__(
        self,
        folder: Path,
        stage: str,
        minutes: float,
        state: dict[str, Any],
        configuration: Configuration = DEFAULT,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / f"{stage}.pt"
        self.stage, self.budget_s, self.state = stage, minutes * 60, state
        self.configuration, self.used_s, self.step = configuration, 0.0, 0
        self.console = Console(quiet=distributed.rank() > 0)
        if self.file.exists():
            self._resume()
        for network in self._networks():
            distributed.share_weights(network)

    def _networks(self) -> list[nn.Module]:
        return [part for part in self.state.values() if isinstance(part, nn.Module)]

    def _resume(self) -> None:
        try:
            saved = torch.load(self.file, weights_only=True, map_location=DEVICE)
            kept = saved.get("configuration", flat(DEFAULT))  # the first snapshots knew no other
            check_same(self.configuration, kept, str(self.file))
            for name, part in self.state.items():
                part.load_state_dict(saved[name])
            self.used_s, self.step = saved["used_s"], saved["step"]
        except (RuntimeError, KeyError, ValueError, OSError, pickle.UnpicklingError) as error:
            raise UserError(
                f"cannot go on from {self.file}, which is damaged or of another version; "
                "remove it to start this stage anew"
            ) from error
        self.console.print(f"{self.stage}: going on from step {self.step}")

    def save(self) -> None:
        """Write the snapshot; the old one stays until the new one is whole. All processes call this."""
        for network in self._networks():
            distributed.average_buffers(network)
        if distributed.rank() == 0:
            snapshot = {name: part.state_dict() for name, part in self.state.items()}
            facts = {"used_s": self.used_s, "step": self.step}
            new = self.file.with_suffix(".new")
            torch.save({**snapshot, **facts, "configuration": flat(self.configuration)}, new)
            new.replace(self.file)
        distributed.agree(0)  # nobody reads the file before it is there

    def steps(self, report: Callable[[], str], show: Callable[[], None]) -> Iterator[float]:
        """Yield the share of the budget that is spent (0..1) once per step, until nothing is left."""
        distributed.seed_draws(self.step)
        last = last_report = last_snapshot = now()
        while self.used_s < self.budget_s:
            yield self.used_s / self.budget_s
            time_now = now()
            self.used_s += time_now - last
            last = time_now
            self.step += 1
            if time_now - last_report > REPORT_S:
                self._tell(report)
                last_report = time_now
            if time_now - last_snapshot > SNAPSHOT_S:
                self._keep(show)
                last = last_snapshot = now()
        self._keep(show)

    def _tell(self, report: Callable[[], str]) -> None:
        if distributed.rank() == 0:
            done = f"{self.used_s / 60:6.1f} of {self.budget_s / 60:.0f} min"
            line = f"{self.stage:9} step {self.step:6}  {done}  {report()}"
            self.console.print(line, soft_wrap=True)

    def _keep(self, show: Callable[[], None]) -> None:
        self.save()
        if distributed.rank() == 0:
            show()


def now() -> float:
    """The first process's clock in seconds, which all go by."""
    return distributed.agree(clock())


def prepare(network: Network) -> Network:
    """Put a network where the training runs, in the memory layout that convolutions are fastest in."""
    network.to(DEVICE, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def compile_if(asked: bool, network: nn.Module) -> None:
    """Have torch.compile make kernels of a network's own at its first call; its weights and their names stay."""
    if asked:
        network.compile()


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step of an optimiser down the gradient of a loss (its mean, where several processes train)."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    distributed.average_gradients(p for group in optimizer.param_groups for p in group["params"])
    optimizer.step()


def mixed_precision() -> torch.autocast:
    """bf16 for the heavy operations, on whatever device the training runs."""
    return torch.autocast(DEVICE.type, torch.bfloat16)


def learning_rate(peak: float, spent: float) -> float:
    """Short warm-up, then half a cosine down to 2 % of the peak; `spent` is the share of the budget used."""
    return (
        peak * min(1.0, 0.1 + spent / 0.02) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * spent)))
    )


class Average:
    """Exponential moving averages of named numbers, for the lines of progress.

    Tensors stay where they are until somebody looks: a step waits for no GPU.
    """

    def __init__(self) -> None:
        self.values: dict[str, float | Tensor] = {}

    def add(self, **numbers: float | Tensor) -> None:
        """Take one step's numbers in."""
        for name, number in numbers.items():
            value = number.detach() if isinstance(number, Tensor) else number
            self.values[name] = 0.98 * self.values.get(name, value) + 0.02 * value

    def __str__(self) -> str:
        return "  ".join(f"{name} {float(value):.4f}" for name, value in self.values.items())

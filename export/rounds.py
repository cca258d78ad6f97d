"""Timing things against one another: round by round, so that a busy machine slows all alike."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LEAST_ROUNDS = 3


@dataclass
class Times:
    """What each round took: `wall`, and `cpu` of all threads of this process, in s."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def ms(self) -> dict[str, float]:
        """The spread in ms."""
        wall = np.array(self.wall) * 1000
        return {
            "median_ms": round(float(np.median(wall)), 3),
            "p95_ms": round(float(np.percentile(wall, 95)), 3),
            "best_ms": round(float(wall.min()), 3),
            "cpu_ms": round(float(np.median(self.cpu)) * 1000, 3),
        }


def interleaved(
    runs: Mapping[str, Callable[[], Any]],
    rounds: int,
    seconds: float,
    advance: Callable[[], Any] = lambda: None,
) -> dict[str, Times]:
    """Run everything once a round, after a run of it that does not count.

    What ran before has emptied the caches and may still keep a thread busy; that uncounted run pays
    for it.

    Args:
        runs: what to time, by name.
        rounds: at most.
        seconds: no round begins after them, but for the first three.
        advance: called after each round.
    """
    times = {name: Times() for name in runs}
    end = time.perf_counter() + seconds
    for number in range(rounds):
        if number >= LEAST_ROUNDS and time.perf_counter() > end:
            break
        for name, run in runs.items():
            run()
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].wall.append(time.perf_counter() - wall)
            times[name].cpu.append(time.process_time() - cpu)
        advance()
    return times


def ratio(slow: Times, fast: Times) -> dict[str, float]:
    """How often `fast` fits into `slow`, in the same rounds: median and quartiles; by CPU time too."""
    wall = np.array(slow.wall) / np.array(fast.wall)
    low, middle, high = np.percentile(wall, (25, 50, 75))
    cpu = np.median(np.array(slow.cpu) / np.maximum(fast.cpu, 1e-9))
    words = {"ratio": middle, "low_quartile": low, "high_quartile": high, "cpu_ratio": cpu}
    return {name: round(float(value), 2) for name, value in words.items()}

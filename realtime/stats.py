"""How long each stage takes and how old a picture is when it is sent."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_KEPT = 36_000
"""Samples kept of each number: the last 20 minutes at 30 a second, however long it runs."""


class Stats:
    """Counts and times one run; `add` may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._begin_s = clock()
        self._stages: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._latency: deque[float] = deque(maxlen=_KEPT)
        self._first_s = self._last_s = self._begin_s
        self.frames = 0

    def add(self, stage: str, seconds: float) -> None:
        """Take one measurement of a stage."""
        with self._lock:
            self._stages[stage].append(seconds)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside."""
        begin = self._clock()
        yield
        self.add(name, self._clock() - begin)

    def sent(self, captured_s: float | None) -> None:
        """A picture went to every output; `captured_s`: of its frame, None when it had none."""
        now = self._clock()
        self._first_s = self._first_s if self.frames else now
        self._last_s = now
        self.frames += 1
        if captured_s is not None:
            self._latency.append(now - captured_s)

    def report(self, drops: int) -> dict[str, Any]:
        """The run in numbers; times in ms, None where nothing was measured."""
        with self._lock:
            stages = {name: _spread(times, "median") for name, times in self._stages.items()}
        lasted = self._last_s - self._first_s
        return {
            "fps": round((self.frames - 1) / lasted, 2) if self.frames > 1 and lasted > 0 else None,
            "latency_ms": _spread(self._latency, "p50"),
            "stages_ms": stages,
            "drops": drops,
            "frames": self.frames,
            "seconds": round(lasted, 3),
            "time_to_first_frame_ms": _ms(self._first_s - self._begin_s) if self.frames else None,
        }


def _spread(seconds: deque[float], middle: str) -> dict[str, float | None]:
    names = (middle, "p95", "p99")
    if not seconds:
        return dict.fromkeys(names)
    return dict(zip(names, map(_ms, np.percentile(list(seconds), (50, 95, 99))), strict=True))


def _ms(seconds: float) -> float:
    return round(float(seconds) * 1000, 3)

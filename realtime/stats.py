"""How long each stage takes and how old a picture is when it is sent."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

RECENT_S = 2.0
_KEPT = 9_000
"""Samples kept of each number: the last five minutes at 30 a second, however long it runs."""


@dataclass(frozen=True)
class Recent:
    """The last `RECENT_S` seconds of a run.

    Attributes:
        fps_in, fps_out: frames that came from the input and pictures that were sent, per second.
        stages_ms: the median of each stage.
        latency_ms: p50 and p95; None: no picture came from a frame.
    """

    fps_in: float = 0.0
    fps_out: float = 0.0
    stages_ms: dict[str, float] = field(default_factory=dict)
    latency_ms: tuple[float, float] | None = None


class Stats:
    """Counts and times one run; `add` may be called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._begin_s = clock()
        self._stages: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_KEPT))
        self._latency: deque[float] = deque(maxlen=_KEPT)
        self._recent: deque[tuple[float, str, float]] = deque()  # when, what, s
        self._first_s = self._last_s = self._begin_s
        self.frames = 0

    def add(self, stage: str, seconds: float) -> None:
        """Take one measurement of a stage."""
        with self._lock:
            self._stages[stage].append(seconds)
            self._note(stage, seconds, self._clock())

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
        with self._lock:
            self._note("sent", 0.0, now)
            if captured_s is not None:
                self._latency.append(now - captured_s)
                self._note("latency", now - captured_s, now)

    def recent(self) -> Recent:
        """The last two seconds, for next to nothing."""
        with self._lock:
            self._forget(self._clock())
            kept = list(self._recent)
        values, times = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
        for time_s, name, seconds in kept:
            values[name].append(seconds)
            times[name].append(time_s)
        latency = values.pop("latency", None)
        values.pop("sent", None)
        return Recent(
            _rate(times["capture"]),
            _rate(times["sent"]),
            {name: 1000 * median(seconds) for name, seconds in values.items()},
            (1000 * median(latency), 1000 * _p95(latency)) if latency else None,
        )

    def _note(self, name: str, seconds: float, now_s: float) -> None:
        self._recent.append((now_s, name, seconds))
        self._forget(now_s)

    def _forget(self, now_s: float) -> None:
        while self._recent and now_s - self._recent[0][0] > RECENT_S:
            self._recent.popleft()

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


def _rate(times: list[float]) -> float:
    return (
        (len(times) - 1) / (times[-1] - times[0])
        if len(times) > 1 and times[-1] > times[0]
        else 0.0
    )


def _p95(seconds: list[float]) -> float:
    return sorted(seconds)[min(len(seconds) - 1, int(0.95 * len(seconds)))]


def _spread(seconds: deque[float], middle: str) -> dict[str, float | None]:
    names = (middle, "p95", "p99")
    if not seconds:
        return dict.fromkeys(names)
    return dict(zip(names, map(_ms, np.percentile(list(seconds), (50, 95, 99))), strict=True))


def _ms(seconds: float) -> float:
    return round(float(seconds) * 1000, 3)

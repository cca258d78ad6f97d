"""What a process costs, and why a picture was late: memory, threads, files, waits for a core.

Linux tells for every thread how long it was ready to run and had to wait for a core
(/proc/PID/task/TID/schedstat). That separates a machine that was busy from an app that is slow.
"""

import ctypes
import gc
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_TASKS = Path("/proc/self/task")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_ASIDE = ("soak", "face", "closing")
"""Threads whose waiting holds no picture up."""
_SLOW = {"camera", "record", "calibrate"}
"""Actions that open or write a file or a device, which may cost a picture."""
_BEGIN_S, _AFTER_KEY_S, _BEFORE_S = 1.5, 1.0, 0.1


@dataclass(frozen=True)
class Cost:
    """What the process holds.

    Attributes:
        rss_mb, trimmed_mb: resident memory as it is, and after what malloc keeps was given back.
    """

    rss_mb: float
    trimmed_mb: float
    threads: int
    files: int
    names: tuple[str, ...] = ()


def rss_mb() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cost() -> Cost:
    """What the process holds when nothing is left that could be freed; takes some 50 ms."""
    gc.collect()
    before = rss_mb()
    ctypes.CDLL(None).malloc_trim(0)
    names = sorted((task / "comm").read_text().strip() for task in _TASKS.iterdir())
    files = len(os.listdir("/proc/self/fd"))
    return Cost(before, rss_mb(), len(names), files, tuple(names))


@dataclass(frozen=True)
class Gap:
    """Pictures that did not come when they were due.

    Attributes:
        where: "loop" or "camera".
        begin_s, end_s: the pictures around it, of time.perf_counter.
        pictures: how many are missing, 0: one was late.
        over_s: how much longer it was than it should be.
    """

    where: str
    begin_s: float
    end_s: float
    pictures: int
    over_s: float


@dataclass
class _Sample:
    time_s: float
    waited: dict[int, float]
    ran: dict[int, float]
    stolen_s: float


@dataclass
class Watch:
    """Samples every thread's waits, in a thread of its own, and explains gaps by them.

    Attributes:
        reasons: pictures missed or late, by (where, kind, reason).
        tell: takes what is known of each gap.
    """

    tell: Callable[[dict[str, Any]], None]
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._gaps: deque[Gap] = deque()
        self._samples: deque[_Sample] = deque(maxlen=1000)
        self._keys: deque[tuple[float, str]] = deque(maxlen=50)
        self._begin_s = 0.0
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak watch", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """A show begins with the next picture."""
        self._begin_s = 0.0

    def saw(self, time_s: float) -> None:
        """A picture came."""
        self._begin_s = self._begin_s or time_s

    def key(self, action: str) -> None:
        """A key was pressed."""
        self._keys.append((time.perf_counter(), action))

    def gap(self, gap: Gap) -> None:
        """Pictures are missing; they are explained as soon as the next sample is there."""
        self._gaps.append(gap)

    def close(self) -> None:
        self._leaving.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._leaving.wait(0.02):
            self._samples.append(_sample())
            while self._gaps and self._gaps[0].end_s < self._samples[-1].time_s:
                self._explain(self._gaps.popleft())

    def _explain(self, gap: Gap) -> None:
        first, last = self._around(gap)
        names = {thread.native_id: thread.name for thread in threading.enumerate()}
        waited = {
            names.get(task, str(task)): round(1000 * (wait - first.waited.get(task, wait)))
            for task, wait in last.waited.items()
        }
        counted = {name: ms for name, ms in waited.items() if ms and not name.startswith(_ASIDE)}
        stolen = round(1000 * (last.stolen_s - first.stolen_s))
        reason = self._reason(gap, sum(counted.values()) + stolen)
        kind = "missed" if gap.pictures else "late"
        self.reasons[(gap.where, kind, reason)] += gap.pictures or 1
        ran = {
            names.get(task, str(task)): round(1000 * (ran - first.ran.get(task, ran)))
            for task, ran in last.ran.items()
        }
        self.tell(
            {
                "where": gap.where, "at_s": round(gap.end_s, 2), "pictures": gap.pictures,
                "over_ms": round(1000 * gap.over_s), "reason": reason, 
                "waited_ms": {name: ms for name, ms in waited.items() if ms}, "ran_ms": {name: ms for name, ms in ran.items() if ms}, "stolen_ms": stolen,
                "keys": [key for at, key in list(self._keys) if -2 < at - gap.end_s < 0],
            }
        )  # fmt: skip

    def _around(self, gap: Gap) -> tuple[_Sample, _Sample]:
        before = [s for s in self._samples if s.time_s <= gap.begin_s - _BEFORE_S]
        after = [s for s in self._samples if s.time_s >= gap.end_s]
        return (before or list(self._samples))[-1 if before else 0], after[0]

    def _reason(self, gap: Gap, waited_ms: float) -> str:
        if gap.end_s - (self._begin_s or gap.end_s) < _BEGIN_S:
            return "the show begins"
        if waited_ms >= 1000 * gap.over_s / 2:
            return "no core was free"
        for at_s, action in list(self._keys):
            if action in _SLOW and -0.1 < gap.end_s - at_s < _AFTER_KEY_S + gap.over_s:
                return f"key: {action}"
        return "unexplained"


def _sample() -> _Sample:
    waited, ran = {}, {}
    for task in os.listdir(_TASKS):
        try:
            text = (_TASKS / task / "schedstat").read_text().split()
        except OSError:  # it has just ended
            continue
        ran[int(task)], waited[int(task)] = int(text[0]) / 1e9, int(text[1]) / 1e9
    stolen = int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])
    return _Sample(time.perf_counter(), waited, ran, stolen * _TICK_S)

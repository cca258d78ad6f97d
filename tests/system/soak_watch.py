"""What a process costs, and why a picture was late: memory, threads, files, waits for a core.

Linux tells for every thread how long it was ready to run and had to wait for a core
(/proc/PID/task/TID/schedstat). That separates a machine that was busy from an app that is slow.
"""

import ctypes
import gc
import os
import sys
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soak_pulse import Pulses

_TASKS = Path("/proc/self/task")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_WAY = ("capture", "MainThread", "output", "av:", "display")
"""The threads that a picture goes through one after the other, so that their waits add up: ours, the
demo's decoder, the X server that the window waits for."""
_LOCK = ("face", "keys", "closing", "engines", "soak")
"""Other threads that may hold Python's lock while they wait for a core; then all the others wait."""
_SOAKS = ("soak watch", "soak minutes", "soak hands", "pulse")
_DISPLAY = 0  # in place of a thread's id
_SLOW = {"camera", "record", "calibrate"}
"""Actions that open or write a file or a device, which may cost a picture."""
_BEGIN_S, _AFTER_KEY_S = 1.5, 1.0
FRAME_S = 1 / 30
BUSY, BEGINS, OURS, WORK, WATCHED, UNKNOWN = (
    "no core was free", "the show begins", "the app itself had every core",
    "a picture took longer than its turn", "the soak itself was at work", "unexplained",
)  # fmt: skip
_STALL_S = 0.1
"""A loop that is at work for longer does not draw one picture: it stands still."""


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


def grown_mb(rss_mb: Sequence[float]) -> float:
    """How much memory grew in a show of four minutes or more, sampled every five seconds; else 0.

    The least of the last third over the least of the first, because a recording that runs for a
    moment is no growth; without the first minute, in which everything is used for the first time.
    """
    later = rss_mb[12:]
    third = len(later) // 3
    return min(later[-third:]) - min(later[:third]) if third >= 12 else 0.0


@dataclass(frozen=True)
class Gap:
    """Pictures that did not come when they were due.

    Attributes:
        where: "loop" or "camera".
        begin_s: of time.perf_counter; when the last frame before it was captured (loop), or the last
            picture was sent (camera).
        end_s: when the next picture was sent.
        pictures: how many are missing, 0: one was late.
        over_s: how much longer it was than it should be.
    """

    where: str
    begin_s: float
    end_s: float
    pictures: int
    over_s: float


@dataclass(frozen=True)
class Sample:
    """What every thread has waited for a core and run so far, s, by its id; what a host has stolen.

    Attributes:
        places: the innermost lines of Python that each thread stood at, by its name.
        begin_s, end_s: while it was taken, in which the taker may have had to wait itself.
    """

    begin_s: float
    end_s: float
    waited: Mapping[int, float]
    ran: Mapping[int, float]
    stolen_s: float = 0.0
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Around:
    """What happened around a gap; threads by their names.

    Attributes:
        waited_ms, ran_ms: of each thread, ready for a core and on one.
        stolen_ms: that a host took from this machine, by what it tells or by the cores' pulses.
        lasted_ms: from before the gap to its end.
        show_s: since the show's first picture.
        keys: actions of keys pressed, and how long before the end of the gap, s.
        places: where each of our threads stood in one sample after the other.
    """

    waited_ms: Mapping[str, float]
    ran_ms: Mapping[str, float]
    stolen_ms: float
    lasted_ms: float
    show_s: float
    keys: Sequence[tuple[str, float]] = ()
    places: Mapping[str, Sequence[str]] = field(default_factory=dict)


def reason(gap: Gap, around: Around, cores: int) -> str:
    """Why pictures did not come: one of the constants above, or the key that cost them.

    The machine was busy if the threads on the picture's way, or one that may have held Python's lock
    meanwhile, were ready to run, and had no core, for long enough; unless our own threads were on
    them all. Enough is half of what the gap is too long, and all of it but a frame's time: however
    little a picture comes too late for its turn, it makes the gap longer by a whole frame.
    """
    if around.show_s < _BEGIN_S:
        return BEGINS
    way_ms = sum(ms for name, ms in around.waited_ms.items() if name.startswith(_WAY))
    lock = [ms for name, ms in around.waited_ms.items() if name.startswith(_LOCK)]
    enough_s = max(gap.over_s / 2, gap.over_s - FRAME_S)
    if max([way_ms, *lock]) + around.stolen_ms >= 1000 * enough_s:
        own = sum(around.ran_ms.values()) / (cores * around.lasted_ms)
        return OURS if own > 0.75 else BUSY
    # Ours are not the app's: while they explain, or Python tidies up in them, others wait for the lock.
    if sum(around.ran_ms.get(name, 0.0) for name in _SOAKS) >= 1000 * enough_s:
        return WATCHED
    at_work_ms = around.ran_ms.get("MainThread", 0.0)
    if at_work_ms >= 0.75 * around.lasted_ms and gap.over_s < _STALL_S:
        return WORK  # a slow machine, seen from the loop
    for action, ago_s in around.keys:
        if action in _SLOW and ago_s < _AFTER_KEY_S + gap.over_s:
            return f"key: {action}"
    return UNKNOWN


class Watch:
    """Samples every thread's waits, in a thread of its own, and explains gaps by them.

    Attributes:
        reasons: pictures missed or late, by (where, kind, reason).
    """

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        """`tell` takes what is known of each gap."""
        self.reasons: Counter[tuple[str, str, str]] = Counter()
        self._tell, self._gaps = tell, deque[Gap]()
        self._samples: deque[Sample] = deque(maxlen=1000)  # 20 s
        self._keys: deque[tuple[float, str]] = deque(maxlen=50)
        self._begin_s = 0.0
        self._pulses = Pulses()
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
        self._pulses.close()

    def _run(self) -> None:
        display = display_process()
        while not self._leaving.wait(0.02) or self._gaps:
            self._samples.append(_sample(display))
            while self._gaps and self._gaps[0].end_s < self._samples[-1].begin_s:
                self._explain(self._gaps.popleft())

    def _explain(self, gap: Gap) -> None:
        around = self._around(gap)
        why = reason(gap, around, os.cpu_count() or 1)
        self.reasons[(gap.where, "missed" if gap.pictures else "late", why)] += gap.pictures or 1
        self._tell(asdict(gap) | {"reason": why} | asdict(around))

    def _around(self, gap: Gap) -> Around:
        before = [s for s in self._samples if s.end_s <= gap.begin_s - FRAME_S]
        first = before[-1] if before else self._samples[0]
        last = next(s for s in self._samples if s.begin_s > gap.end_s)
        names = _thread_names()
        away_s = self._pulses.away_s(first.begin_s, last.end_s)
        return Around(
            _between(first.waited, last.waited, names),
            _between(first.ran, last.ran, names),
            round(1000 * (last.stolen_s - first.stolen_s + away_s)),
            round(1000 * (last.end_s - first.begin_s)),
            gap.end_s - (self._begin_s or gap.end_s),
            [(key, gap.end_s - at) for at, key in list(self._keys) if -0.1 < gap.end_s - at < 5],
            _places(s for s in self._samples if first.begin_s <= s.begin_s <= last.begin_s),
        )


def _between(
    first: Mapping[int, float], last: Mapping[int, float], names: Mapping[int, str]
) -> dict[str, float]:
    """How much each thread's time grew, ms; those that did not are left out."""
    grown: Counter[str] = Counter()
    for task, time_s in last.items():
        grown[names.get(task, "gone")] += 1000 * (time_s - first.get(task, 0.0))
    return {name: round(ms, 1) for name, ms in grown.items() if ms >= 0.1}


def _places(samples: Iterable[Sample]) -> dict[str, list[str]]:
    places = defaultdict(list)
    for sample in samples:
        for name, place in sample.places.items():
            places[name].append(place)
    return dict(places)


def _stands() -> dict[str, str]:
    """Where each thread stands, by its name: its innermost lines of Python, outermost first."""
    frames = sys._current_frames()
    stands = {}
    for thread in threading.enumerate():
        lines, frame = [], frames.get(thread.ident or 0)
        while frame is not None and len(lines) < 4:
            lines.append(f"{Path(frame.f_code.co_filename).stem}:{frame.f_lineno}")
            frame = frame.f_back
        stands[thread.name] = " ".join(reversed(lines))
    return stands


def _thread_names() -> dict[int, str]:
    """Python's names of our threads, the system's of a library's."""
    names = {_DISPLAY: "display"}
    for task in _TASKS.iterdir():
        with suppress(OSError):  # it has just ended
            names[int(task.name)] = (task / "comm").read_text().strip()
    ours = {thread.native_id: thread.name for thread in threading.enumerate() if thread.native_id}
    return names | ours


def display_process() -> str | None:
    """The id of the X server that windows are on, where it is on this machine."""
    number = os.environ.get("DISPLAY", "").rpartition(":")[2].partition(".")[0]
    lock = Path(f"/tmp/.X{number}-lock")
    return lock.read_text().strip() if number and lock.exists() else None


def _sample(display: str | None) -> Sample:
    begin_s, waited, ran = time.perf_counter(), {}, {}
    tasks = {int(task): _TASKS / task for task in os.listdir(_TASKS)}
    if display is not None:
        tasks[_DISPLAY] = Path("/proc", display)
    for number, task in tasks.items():
        with suppress(OSError):  # it has just ended
            text = (task / "schedstat").read_text().split()
            ran[number], waited[number] = int(text[0]) / 1e9, int(text[1]) / 1e9
    stolen = int(Path("/proc/stat").read_text().split("\n", 1)[0].split()[8])
    return Sample(begin_s, time.perf_counter(), waited, ran, stolen * _TICK_S, _stands())

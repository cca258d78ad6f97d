"""Whether each core is there: a program for each that wakes a hundred times a second, before any other may run.

    python tests/system/soak_pulse.py CORE

The kernel wakes it at once, whatever else runs; where it comes late, the host had taken the core away,
which not every host tells in /proc/stat. Prints "begin_s end_s" (time.perf_counter) for each such
time. Needs the right to run in real time, else it ends.
"""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from typing import Any

_PERIOD_S, _LATE_S = 0.01, 0.01


class Pulses:
    """When a core was away, from a pulse on each; none where real time is not allowed.

    Attributes:
        away: (begin, end) of time.perf_counter, s, of the last such times.
    """

    def __init__(self) -> None:
        self.away: deque[tuple[float, float]] = deque(maxlen=1000)
        self._programs = [self._begin(core) for core in sorted(os.sched_getaffinity(0))]

    def _begin(self, core: int) -> Any:
        program = subprocess.Popen(
            [sys.executable, __file__, str(core)], stdout=subprocess.PIPE, text=True
        )
        threading.Thread(
            target=self._read, args=(program.stdout,), name="pulse", daemon=True
        ).start()
        return program

    def _read(self, lines: Any) -> None:
        for line in lines:
            begin_s, end_s = map(float, line.split())
            self.away.append((begin_s, end_s))

    def away_s(self, begin_s: float, end_s: float) -> float:
        """For how long a core was away within this time."""
        times = [min(end, end_s) - max(begin, begin_s) for begin, end in list(self.away)]
        return sum(time_s for time_s in times if time_s > 0)

    def close(self) -> None:
        for program in self._programs:
            program.kill()
            program.wait()


def main() -> None:
    os.sched_setaffinity(0, {int(sys.argv[1])})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    except OSError:
        return  # it would wait for a core as everybody does, and prove nothing
    while os.getppid() != 1:
        due_s = time.perf_counter() + _PERIOD_S
        time.sleep(_PERIOD_S)
        now_s = time.perf_counter()
        if now_s - due_s > _LATE_S:
            print(due_s, now_s, flush=True)


if __name__ == "__main__":
    main()

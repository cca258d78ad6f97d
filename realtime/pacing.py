"""Outputs with threads of their own: none slows the loop or another, a camera never stutters."""

import math
import threading
import time
from dataclasses import dataclass, field

from realtime.mailbox import Closed, Mailbox
from realtime.outputs import Output
from realtime.puppet import Picture

_LEAVE_S = 5.0


@dataclass
class Counts:
    """What became of an output's pictures.

    Attributes:
        sent: handed over, repeats included.
        repeated: sent again because there was no newer one.
        late: sent more than half a frame's time after they were due.
        missed: moments that passed without any picture, because the output itself was too slow.
    """

    sent: int = 0
    repeated: int = 0
    late: int = 0
    missed: int = 0


@dataclass
class Ticks:
    """The moments at which an output wants a picture: begin, begin + 1/fps, ...

    Attributes:
        fps: how many a second.
        counts: takes late and missed moments.
    """

    fps: float
    counts: Counts = field(default_factory=Counts)
    _begin_s: float | None = None
    _number: int = 0

    def next_s(self, now_s: float) -> float:
        """When the next picture is due; moments that are wholly over are passed by and counted."""
        if self._begin_s is None:
            self._begin_s = now_s
        due_s = self._begin_s + self._number / self.fps
        over = math.floor((now_s - due_s) * self.fps)
        if over >= 1:
            self.counts.missed += over
            self._number += over
            due_s += over / self.fps
        return due_s

    def sent(self, now_s: float) -> None:
        """The picture that was due went out at `now_s`."""
        begin_s = self._begin_s if self._begin_s is not None else now_s
        self.counts.sent += 1
        self.counts.late += now_s - (begin_s + self._number / self.fps) > 0.5 / self.fps
        self._number += 1


class Aside:
    """An output in a thread of its own; it gets the newest picture whenever it is ready for one."""

    def __init__(self, output: Output) -> None:
        self.label, self.size, self.fps = output.label, output.size, output.fps
        self.counts = Counts()
        self._output = output
        self._newest: Mailbox[Picture] = Mailbox()
        self._leaving = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def open(self, width: int, height: int, fps: float) -> None:
        self._output.open(width, height, self.fps or fps)
        self.label = self._output.label
        # Not before: a thread that never runs keeps its output, and its canvas, in a cycle.
        self._thread = threading.Thread(target=self._run, name=f"output {self.label}", daemon=True)
        self._thread.start()

    def send(self, picture: Picture) -> None:
        """Take a picture in next to no time. Raises what the output itself raised meanwhile."""
        if self._error is not None:
            raise self._error
        self._newest.put(picture)

    @property
    def done(self) -> bool:
        return self._output.done

    def close(self, keep: bool) -> None:
        """End the thread, with the last picture sent, and close the output."""
        self._newest.close()
        self._leaving.set()
        if self._thread is not None:
            self._thread.join(_LEAVE_S)
        self.counts.missed += self._newest.drops if self.fps is None else 0
        self._output.close(keep)
        error, self._error = self._error, None
        if keep and error is not None:
            raise error

    def _run(self) -> None:
        try:
            self._deliver()
        except Closed:
            pass
        except BaseException as error:
            self._error = error

    def _deliver(self) -> None:
        while (picture := self._newest.take()) is not None:
            self._output.send(picture)
            self.counts.sent += 1


class OnClock(Aside):
    """An output that gets a picture at every tick of its own clock, the last one again if need be.

    A virtual camera fed like this never stalls or stutters when the model or the input does.
    """

    def _deliver(self) -> None:
        assert self.fps is not None
        picture = self._newest.take()
        ticks = Ticks(self.fps, self.counts)
        while picture is not None and not self._leaving.is_set():
            due_s = ticks.next_s(time.perf_counter())
            self._leaving.wait(max(0.0, due_s - time.perf_counter()))
            newest = self._newest.take(0)
            self.counts.repeated += newest is None
            picture = newest or picture
            self._output.send(picture)
            ticks.sent(time.perf_counter())

"""The loop: newest frame, where is the face, what does it do, draw that, send it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from realtime.faces import Faces
from realtime.frames import Frame
from realtime.outputs import Output
from realtime.puppet import Picture, Puppet
from realtime.sources import Ended, Source
from realtime.stats import Stats
from reenact.face import cut

PATIENCE_S = 0.5
"""An input silent for so long shows no face any more; the outputs must not starve."""


@dataclass(frozen=True)
class Limits:
    """When to stop by itself: after so many pictures, or seconds of them; None: never."""

    frames: int | None = None
    seconds: float | None = None


class Show:
    """Everything that takes part, until the curtain falls."""

    def __init__(
        self,
        source: Source,
        faces: Faces,
        puppet: Puppet,
        outputs: Sequence[Output],
        stats: Stats,
        ahead: bool = False,
    ) -> None:
        """`ahead`: a frame is drawn beside looking at the next one, and so sent one frame later."""
        self._source, self._faces, self._puppet = source, faces, puppet
        self._outputs, self._stats = outputs, stats
        self._drive = puppet.drive_ahead if ahead else puppet.drive
        self._captured_s: deque[float | None] = deque()  # of the frames that were not sent yet
        self._time_s = 0.0

    def run(
        self,
        limits: Limits,
        stop: threading.Event,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Drive the puppet until the input or the user ends it, or a limit is reached.

        On an error every output is left with a card, and the error goes on.
        """
        begin_s: float | None = None
        try:
            while not stop.is_set() and not self._over(limits, begin_s, clock()):
                try:
                    frame = self._source.take(PATIENCE_S)
                except Ended:
                    if self._send(self._puppet.last_ahead()):
                        self._stats.sent(self._captured_s.popleft())
                    return
                self._captured_s.append(frame.captured_s if frame else None)
                with self._stats.stage("frame"):
                    sent = self._send(self._picture(frame, clock()))
                if sent:
                    self._stats.sent(self._captured_s.popleft())
                begin_s = clock() if begin_s is None else begin_s
        except BaseException:
            self._say_that_it_stopped()
            raise

    def _picture(self, frame: Frame | None, now_s: float) -> Picture | None:
        self._time_s = max(self._time_s, frame.time_s if frame else now_s)
        if frame is None:
            return self._drive(None, self._time_s)
        with self._stats.stage("face"):
            window = self._faces.follow(frame)
        if window is None:
            return self._drive(None, self._time_s)
        with self._stats.stage("crop"):
            crop = cut(frame.image, window, self._puppet.crop)
        return self._drive(crop, self._time_s)

    def _send(self, picture: Picture | None) -> bool:
        """Send it to every output, if there is one."""
        if picture is None:
            return False
        with self._stats.stage("send"):
            for output in self._outputs:
                output.send(picture)
        return True

    def _say_that_it_stopped(self) -> None:
        card = self._puppet.card("stopped", self._time_s)
        for output in self._outputs:
            with suppress(Exception):  # the first error is the one to tell
                output.send(card)

    def _over(self, limits: Limits, begin_s: float | None, now_s: float) -> bool:
        if limits.frames is not None and self._stats.frames >= limits.frames:
            return True
        if limits.seconds is not None and begin_s is not None:
            return now_s - begin_s >= limits.seconds
        return any(output.done for output in self._outputs)

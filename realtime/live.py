"""The loop: newest frame, where is the face, what does it do, draw that, send it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import cv2
import numpy as np

from realtime.controls import Controls
from realtime.faces import Faces
from realtime.frames import Frame, Image
from realtime.hud import Scene
from realtime.outputs import Output
from realtime.puppet import Picture, Puppet
from realtime.sources import Ended, Source
from realtime.stats import Stats
from reenact.face import cut

PATIENCE_S = 0.5
"""An input silent for so long shows no face any more; the outputs must not starve."""

_WINDOW_PER_FACE = 1.5
"""The encoders' window is so much larger than the face in it."""


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
        controls: Controls,
        scene: Scene | None = None,
        ahead: bool = False,
    ) -> None:
        """Nothing runs before `run`.

        Args:
            controls: asked once per frame what the user wants.
            scene: is told once per frame what happens, for the HUD.
            ahead: a frame is drawn beside looking at the next one, and so sent one frame later.
        """
        self._source, self._faces, self._puppet = source, faces, puppet
        self._outputs, self._stats = outputs, stats
        self._controls, self._scene = controls, scene or Scene()
        self._drive = puppet.drive_ahead if ahead else puppet.drive
        self._captured_s: deque[float | None] = deque()  # of the frames that were not sent yet
        self._time_s, self._calibrating = 0.0, False

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
        state = self._controls.now
        self._puppet.obey(state)
        self._scene.face = None
        crop = self._crop(frame, state.mirror_driver) if frame is not None else None
        picture = self._drive(crop, self._time_s)
        self._keep_to_the_calibrated()
        self._tell()
        return picture

    def _crop(self, frame: Frame, mirror: bool) -> Image | None:
        """The driver's face, u8 [C,C,3]; None where there is none."""
        if mirror:
            frame = replace(frame, image=np.asarray(cv2.flip(frame.image, 1), np.uint8))
        with self._stats.stage("face"):
            window = self._faces.follow(frame, self._puppet.roll)
        if window is None:
            return None
        self._scene.face = window.side / _WINDOW_PER_FACE / min(frame.image.shape[:2])
        with self._stats.stage("crop"):
            upright = replace(window, angle=self._puppet.roll)
            return cut(frame.image, upright, self._puppet.crop)

    def _keep_to_the_calibrated(self) -> None:
        """Anybody may be calibrated; from then on they are the only one who is followed."""
        calibrating = self._puppet.countdown(self._time_s) is not None
        if calibrating is not self._calibrating:
            self._calibrating = calibrating
            self._faces.keep_to(not calibrating)

    def _tell(self) -> None:
        scene = self._scene
        scene.strangers = self._faces.strangers
        scene.state, scene.time_s = self._puppet.state, self._time_s
        scene.countdown_s = self._puppet.countdown(self._time_s)
        scene.drops, scene.trouble = self._source.drops, self._source.trouble

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
        if limits.seconds is not None and begin_s is not None and now_s - begin_s >= limits.seconds:
            return True
        return self._controls.now.leave or any(output.done for output in self._outputs)

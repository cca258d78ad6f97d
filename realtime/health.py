"""What is wrong with a camera's picture, in words that help: black, frozen, dark, slow."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from realtime.frames import Image

_WATCHED_S = 1.0
_BLACK, _DARK = 8.0, 40.0  # mean level of 0..255
_FLAT = 4.0  # standard deviation
_SLOW = 0.7  # of the rate that was asked for


@dataclass(frozen=True)
class Look:
    """One frame: when, its mean and spread of levels, whether it equals the one before."""

    time_s: float
    level: float
    spread: float
    same: bool


class CameraHealth:
    """Watches frames go by; costs next to nothing, because it looks at every 8th pixel each way."""

    def __init__(self, fps: float) -> None:
        """`fps`: what was asked for."""
        self._fps = fps
        self._looks: deque[Look] = deque()
        self._before: Image | None = None

    def see(self, image: Image, time_s: float) -> str | None:
        """Take a frame u8 [H,W,3]; say what is wrong with the last second, None: nothing."""
        pixels = image[::8, ::8]
        before, self._before = self._before, pixels.copy()
        same = before is not None and np.array_equal(before, pixels)
        self._looks.append(Look(time_s, float(pixels.mean()), float(pixels.std()), same))
        while time_s - self._looks[0].time_s > 2 * _WATCHED_S:
            self._looks.popleft()
        if time_s - self._looks[0].time_s < _WATCHED_S:
            return None
        return self._verdict()

    def forget(self) -> None:
        """Begin anew: it may be another camera."""
        self._looks.clear()
        self._before = None

    def _verdict(self) -> str | None:
        looks = list(self._looks)
        lasted = looks[-1].time_s - looks[0].time_s
        rate = (len(looks) - 1) / lasted
        level = float(np.median([look.level for look in looks]))
        spread = float(np.median([look.spread for look in looks]))
        if level < _BLACK and spread < _FLAT:
            return "the camera's picture is black: open its shutter, or choose another with --input"
        if all(look.same for look in looks[1:]):
            return "the camera's picture stands still: plug it in again"
        slow = rate < _SLOW * self._fps
        if level < _DARK:
            also = f", and the camera delivers {rate:.0f} fps because of it" if slow else ""
            return f"it is too dark{also}: more light on your face helps"
        if slow:
            return f"the camera delivers {rate:.0f} of {self._fps:.0f} fps: close what else uses it"
        return None

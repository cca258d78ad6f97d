"""What stands around the avatar where an output's proportions are not a square's."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from realtime.controls import State
from realtime.frames import Image
from realtime.outputs import Output
from realtime.puppet import Picture, card
from realtime.smoothing import eased
from realtime.stats import Stats
from reenact.errors import UserError
from reenact.pictures import read_picture

PLAIN, GREEN = (38, 40, 46), (0, 177, 64)
_BLUR = 0.06  # of the height, standard deviation


def backdrop(text: str, avatar: Image) -> Image:
    """What stands behind the avatar, u8 [h,w,3] RGB of any size.

    Args:
        text: "plain", "green", "blur" (the avatar's own thumbnail, blurred) or a picture file.
        avatar: the thumbnail, u8 [h,w,3] RGB.

    Raises:
        UserError: no such picture, or none that can be read.
    """
    if text in ("plain", "green"):
        return np.full((1, 1, 3), PLAIN if text == "plain" else GREEN, np.uint8)
    if text != "blur":
        return _picture(Path(text))
    soft = cv2.GaussianBlur(avatar, (0, 0), _BLUR * len(avatar))
    return np.asarray(soft // 4 * 3, np.uint8)  # darker, so that the avatar stands out


def _picture(path: Path) -> Image:
    if not path.is_file():
        raise UserError(
            f"the background {path} is not there: give a picture, or plain, blur or green"
        )
    try:
        return read_picture(path)
    except UserError as error:
        raise UserError(f"no background: {error}; or give plain, blur or green") from error


def covering(image: Image, width: int, height: int) -> Image:
    """The middle of u8 [h,w,3], scaled so that it fills u8 [height,width,3] without distortion.

    Cut first, for a new avatar's still is scaled between two pictures of the virtual camera.
    """
    high, wide = image.shape[:2]
    scale = max(width / wide, height / high)
    kept_wide, kept_high = max(1, round(width / scale)), max(1, round(height / scale))
    left, top = (wide - kept_wide) // 2, (high - kept_high) // 2
    middle = image[top : top + kept_high, left : left + kept_wide]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (width, height), interpolation=method), np.uint8)


class Placed:
    """An output whose pictures are put onto a still of its size; the last thing before it.

    Here, and nowhere else, the user's blank card takes the place of every picture, so that it needs
    no new frame, no model and no other output to come into force.

    Attributes:
        output: where they go.
    """

    def __init__(
        self,
        output: Output,
        behind: Sequence[Image],
        stats: Stats,
        state: Callable[[], State],
        size: tuple[int, int] | None = None,
        swap: bool = False,
        fade_s: float = 0.0,
    ) -> None:
        """Nothing is opened.

        Args:
            output: where pictures go.
            behind: for each avatar, see `backdrop`.
            stats: takes the time it costs.
            state: what the user wants now.
            size: px; None: the output's own.
            swap: left for right once more than the user's `mirror` says.
            fade_s: how long what is behind one avatar takes to become the next one's.
        """
        self.label, self.fps = output.label, output.fps
        self.size = size or output.size
        self.output, self._behind, self._stats = output, behind, stats
        self._state, self._swap, self._fade_s = state, swap, fade_s

    def open(self, width: int, height: int, fps: float) -> None:
        self._width, self._height = self.size or (width, height)
        self._avatar = self._state().avatar
        self._still = self._before = self._covering(self._avatar)
        self._begin_s = -math.inf
        self.output.open(self._width, self._height, fps)
        self.label = self.output.label

    def send(self, picture: Picture) -> None:
        with self._stats.stage("fit"):
            whole = self._whole(picture)
        self.output.send(whole)

    def _whole(self, picture: Picture) -> Picture:
        state = self._state()
        if state.blank:
            return card("", self._width, self._height, picture.time_s)
        if state.avatar != self._avatar:
            self._before, self._begin_s = self._around(picture.time_s), picture.time_s
            self._avatar, self._still = state.avatar, self._covering(state.avatar)
        return picture.onto(self._around(picture.time_s), state.mirror != self._swap)

    def _around(self, time_s: float) -> Image:
        """What is behind the avatar at a time; another's for a moment after a change."""
        passed_s = time_s - self._begin_s
        if passed_s >= self._fade_s:
            return self._still
        share = eased(passed_s / self._fade_s)
        return np.asarray(cv2.addWeighted(self._still, share, self._before, 1 - share, 0), np.uint8)

    def _covering(self, avatar: int) -> Image:
        return covering(self._behind[avatar], self._width, self._height)

    @property
    def done(self) -> bool:
        return self.output.done

    def close(self, keep: bool) -> None:
        self.output.close(keep)

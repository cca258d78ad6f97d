"""Which pixels are the face: find it, keep a steady square window on it, cut that window out.

The encoders see an upright square of the picture, the window that FFHQ's alignment would take but
without removing the roll of the head: the deformation carries roll. A window is laid from the box
of a Haar cascade, which needs neither a download nor a GPU.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from reenact.errors import UserError

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """What the frontal cascade calls a face: a square by its centre and side, px of the picture."""

    cx: float
    cy: float
    side: float


@dataclass(frozen=True)
class Window:
    """The square that the encoders see, by its centre and side, px; it may overhang the picture.

    It is turned by `angle`, rad, counter-clockwise, with the head in it.
    """

    cx: float
    cy: float
    side: float
    angle: float = 0.0


Fits = Callable[[Box], bool]


def anybody(box: Box) -> bool:
    """Any face will do."""
    return True


# FFHQ's window (Karras et al. 2019): centre = eyes + 0.1 (mouth - eyes), half side =
# max(2.0 eye distance, 1.8 eyes-to-mouth). Against the frontal cascade's box on 545 frames of seven
# videos and six portraits, with a face mesh for the eyes and the mouth: centre (+0.00, -0.056) of
# the box's side, side 1.48 times the box's; from one face to the next these spread by 0.010, 0.014
# and 0.13, within a video by 0.008, 0.009 and 0.08. The six webcam-like videos alone: side 1.54.
_CENTRE_DOWN = -0.056
_SIDE = 1.52


def window_of_box(box: Box) -> Window:
    """Lay the window that FFHQ's alignment would take, give or take 8 % of its side."""
    return Window(box.cx, box.cy + _CENTRE_DOWN * box.side, _SIDE * box.side)


def cut(image: Image, window: Window, size: int) -> Image:
    """Cut a window out of u8 [H,W,3] and scale it to u8 [size,size,3].

    Outside the picture its edge is repeated. Sub-pixel windows move the result smoothly; shrinking
    to less than half averages areas first, so that nothing flickers.
    """
    shrink = max(1, int(window.side / size))
    cos, sin = math.cos(window.angle), math.sin(window.angle)
    cx, cy, reach = window.cx, window.cy, window.side * (cos + abs(sin))
    if shrink > 1:
        x0, x1 = _span(cx - reach / 2, reach, shrink, image.shape[1])
        y0, y1 = _span(cy - reach / 2, reach, shrink, image.shape[0])
        small = (max(1, (x1 - x0) // shrink), max(1, (y1 - y0) // shrink))
        image = _image(cv2.resize(image[y0:y1, x0:x1], small, interpolation=cv2.INTER_AREA))
        cx, cy = (cx - x0) / shrink, (cy - y0) / shrink
    scale = window.side / shrink / size
    # Pixel centres lie at half numbers: target x is (x + 1/2 - size/2) scale from the centre.
    first = scale * (0.5 - size / 2)
    turn = np.array([[cos, sin], [-sin, cos]])
    offset = turn @ (first, first) + (cx - 0.5, cy - 0.5)
    matrix = np.column_stack((scale * turn, offset))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return _image(
        cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    )


def _span(start: float, length: float, step: int, limit: int) -> tuple[int, int]:
    """The part of a picture's side that a window needs: whole steps, at least one, inside."""
    low = min(max(math.floor(start) - step, 0), max(limit - step, 0))
    steps = max(1, (min(math.ceil(start + length) + step, limit) - low) // step)
    return low, min(low + steps * step, limit)


def _image(array: npt.NDArray[np.generic] | cv2.typing.MatLike) -> Image:
    return np.asarray(array, np.uint8)


class FaceFinder:
    """Finds one face with OpenCV's Haar cascades: the one nearest to the last, else the largest.

    Whoever looks for somebody says which of the faces `fits`; they are asked about in that order.

    Beside the last face a search takes 3 to 5 ms, anywhere in the picture 15 to 40 ms and up to
    150 ms when there is none. Not to be shared by threads.

    Raises:
        UserError: this OpenCV has no cascades.
    """

    _WIDE = (256, 640)
    """Longest side of the copy searched, px: faces down to 1/10 of it, then down to 1/27."""
    _NEAR_FACE = 80
    """The last face becomes this large, px; 48 is a third faster and noisier by half."""
    _SMALLER, _LARGER = 0.7, 1.4
    """What the face may have become beside the last one."""
    _UPRIGHT = math.radians(8)
    """Up to this roll nothing is turned."""

    def __init__(self) -> None:
        self._frontal = cascade("haarcascade_frontalface_alt2.xml")
        self._profile = cascade("haarcascade_profileface.xml")
        self._last: Box | None = None

    def find(self, image: Image) -> Box | None:
        """Find the face in u8 [H,W,3] RGB, or None."""
        return self.find_near(image) or self.find_anywhere(image)

    def find_near(self, image: Image, fits: Fits = anybody, roll: float = 0.0) -> Box | None:
        """Find the face beside the last one and of about its size: frontal, else in profile.

        The cascades know upright heads and see things in others; with a `roll` (rad,
        counter-clockwise, of the last face) the search is turned with it.
        """
        last = self._last
        if last is None:
            return None
        rolled = abs(roll) >= self._UPRIGHT
        grey, back = self._turned(last, image, roll) if rolled else self._beside(last, image)
        if min(grey.shape) < 2:
            return None
        for boxes in (self._frontals, self._left_profiles, self._right_profiles):
            box = self._keep([back(found) for found in boxes(grey)], fits)
            if box is not None:
                return box
        return None

    def _beside(self, last: Box, image: Image) -> tuple[Image, Callable[[Box], Box]]:
        """What is around the last face, grey, scaled; and the way of a box in it back."""
        x0, y0 = max(0, int(last.cx - last.side)), max(0, int(last.cy - last.side))
        part = image[y0 : int(last.cy + last.side) + 1, x0 : int(last.cx + last.side) + 1]
        if min(part.shape[:2]) < 2:
            return _image(part[..., 0]), lambda box: box
        scale = self._NEAR_FACE / last.side

        def back(box: Box) -> Box:
            return Box(x0 + box.cx / scale, y0 + box.cy / scale, box.side / scale)

        return grey_copy(part, scale), back

    def _turned(self, last: Box, image: Image, roll: float) -> tuple[Image, Callable[[Box], Box]]:
        """As `_beside`, turned so that a head of that roll is upright."""
        window = Window(last.cx, last.cy, 2 * last.side, roll)
        scale, cos, sin = self._NEAR_FACE / last.side, math.cos(roll), math.sin(roll)

        def back(box: Box) -> Box:
            x, y = box.cx / scale - last.side, box.cy / scale - last.side
            return Box(last.cx + cos * x + sin * y, last.cy - sin * x + cos * y, box.side / scale)

        return grey_copy(cut(image, window, 2 * self._NEAR_FACE), 1.0), back

    def find_anywhere(self, image: Image, fits: Fits = anybody) -> Box | None:
        """Find a frontal face anywhere in u8 [H,W,3] RGB."""
        longest = max(image.shape[:2])
        for side in self._WIDE:
            scale = min(1.0, side / longest)
            boxes = _detect(self._frontal, grey_copy(image, scale), 4, 24, side)
            found = [Box(each.cx / scale, each.cy / scale, each.side / scale) for each in boxes]
            box = self._keep(found, fits)
            if box is not None or scale == 1.0:
                return box
        return None

    def forget(self) -> None:
        """Let go of the last face: the next one may be anybody, anywhere."""
        self._last = None

    def _keep(self, found: list[Box], fits: Fits) -> Box | None:
        """The first that fits, which becomes the last face."""
        last = self._last
        for box in sorted(found, key=lambda box: _far(box, last)):
            if fits(box):
                self._last = box
                return box
        return None

    def _frontals(self, grey: Image) -> list[Box]:
        return self._near(self._frontal, grey)

    def _left_profiles(self, grey: Image) -> list[Box]:
        # Measured where both cascades see a face: the profile's box is larger and takes in the back
        # of the head. Made into the box that the frontal cascade would have given.
        return [
            Box(box.cx - 0.14 * box.side, box.cy, 0.86 * box.side)
            for box in self._near(self._profile, grey)
        ]

    def _right_profiles(self, grey: Image) -> list[Box]:
        mirrored = self._left_profiles(np.ascontiguousarray(grey[:, ::-1]))
        return [Box(grey.shape[1] - box.cx, box.cy, box.side) for box in mirrored]

    def _near(self, cascade: cv2.CascadeClassifier, grey: Image) -> list[Box]:
        face = self._NEAR_FACE
        return _detect(cascade, grey, 3, int(self._SMALLER * face), int(self._LARGER * face))


def _far(box: Box, last: Box | None) -> float:
    """How far a face is from the last one; before the first, how small it is."""
    return -box.side if last is None else math.hypot(box.cx - last.cx, box.cy - last.cy)


def cascade(name: str) -> cv2.CascadeClassifier:
    path = Path(cv2.__file__).parent / "data" / name
    if not path.is_file():  # as with some systems' own OpenCV
        raise UserError(
            f"OpenCV {cv2.__version__} came without {name}, which finds the face: "
            'run `pip install --force-reinstall "opencv-python<5"`'
        )
    return cv2.CascadeClassifier(str(path))


def grey_copy(image: Image, scale: float) -> Image:
    """A grey copy of u8 [H,W,3] RGB, scaled first: converting is the dearer step."""
    if scale != 1.0:
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = _image(cv2.resize(image, size, interpolation=method))
    return _image(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def _detect(
    cascade: cv2.CascadeClassifier, grey: Image, neighbours: int, smallest: int, largest: int
) -> list[Box]:
    """Run a cascade; fewer agreeing `neighbours` find more faces, and more noise."""
    boxes = cascade.detectMultiScale(
        grey, 1.1, neighbours, minSize=(smallest, smallest), maxSize=(largest, largest)
    )
    return [Box(x + w / 2, y + h / 2, float(w)) for x, y, w, h in boxes]


class WindowTracker:
    """Makes a steady window out of noisy ones, so that the head moves and the window does not.

    The goal is the median of the last detections with play: it moves only as far as it must to stay
    within a dead band of them (the encoders are trained to bear that offset). The band is wide, for
    a nod moves the features of a face, and a window that goes with them hides it: docs/following.md
    has the figures. The window follows the goal exponentially, which cannot overshoot, and faster
    when the face is far off.
    """

    _BAND = np.array([0.075, 0.075, 0.15])
    """Dead band: of the side for the centre, and of the logarithm of the side."""
    _MEDIAN_OF = 3
    _FAR = 0.08
    _SLOW_S, _FAST_S = 0.15, 0.06
    """Time constants: near the goal, and from `_FAR` on."""

    def __init__(self) -> None:
        self._recent: deque[npt.NDArray[np.float64]] = deque(maxlen=self._MEDIAN_OF)
        self._goal = np.zeros(3)
        self._now = np.zeros(3)
        self._time_s: float | None = None

    def see(self, window: Window) -> None:
        """Take a detected window; the first is taken at its word, the next ones refine it."""
        first = not self._recent
        self._recent.append(np.array([window.cx, window.cy, math.log(window.side)]))
        median = np.median(np.array(self._recent), axis=0)
        band = self._BAND * (math.exp(median[2]), math.exp(median[2]), 1.0)
        if len(self._recent) < self._MEDIAN_OF:
            band = 0.0 * band
        self._goal = np.clip(self._goal, median - band, median + band)
        if first:
            self._now, self._time_s = self._goal.copy(), None

    def window(self, time_s: float) -> Window | None:
        """The window to look through at a time (never before the last one), None before `see`."""
        if not self._recent:
            return None
        if self._time_s is not None:
            passed = max(0.0, time_s - self._time_s)
            error = (self._goal - self._now) / (math.exp(self._now[2]), math.exp(self._now[2]), 1)
            constant = self._FAST_S if np.abs(error).max() > self._FAR else self._SLOW_S
            self._now += (self._goal - self._now) * -math.expm1(-passed / constant)
        self._time_s = time_s
        return Window(float(self._now[0]), float(self._now[1]), math.exp(self._now[2]))

    def forget(self) -> None:
        """Start afresh with the next detection."""
        self._recent.clear()


def likeness(first: Image, second: Image) -> float:
    """Normalised correlation of two patches of one shape, -1..1; 0 where one of them is flat."""
    a, b = (patch.astype(np.float32).ravel() for patch in (first, second))
    a, b = a - a.mean(), b - b.mean()
    length = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / length if length > a.size else 0.0  # flat: less than a grey level

"""The roll of the head: the encoder sees it upright, the network draws what it draws well of it.

Measured with real drivers that were turned by +-20 degrees: seen as they are, the roll leaks into
yaw, pitch and the face, and beyond some 15 degrees the starter's faces smear.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from realtime.frames import Image
from reenact.motion_basis import USUAL_ROLL, MotionBasis

Vector = npt.NDArray[np.float32]

_NECK = 0.85
"""Height of the point that pictures are turned about, of their side: heads fill them."""


class Roll:
    """Roll out of the crop, into S_F, and of that the rest into a turn of the picture.

    Attributes:
        angle: rad, of the head in the camera's picture as far as it is known; positive is
            counter-clockwise. The crop is to be turned back by it.
    """

    DRAWN = math.radians(10)
    """How much of it the network draws; the rest is a turn of the picture."""
    _MOST = math.radians(40)
    _PLAY = math.radians(10)
    """What may be left of it in the crop: what the encoder was trained on, and reads as well."""
    _STEP = 0.5
    """How much of what is left beyond that the next crop is turned by."""

    def __init__(self, basis: MotionBasis | None) -> None:
        """Without a basis nothing is turned, and the network draws whatever roll it is given."""
        self.angle = 0.0
        self._reading: Vector | None = None
        if basis is not None and "head roll" in basis.names:
            row = basis.names.index("head roll")
            self._direction = basis.directions[row] / np.float32(USUAL_ROLL)
            self._reading = basis.readings[row] * np.float32(USUAL_ROLL)

    def whole(self, deformation: Vector) -> Vector:
        """S_F of a crop that was turned back by `angle` -> S_F of the head as it is."""
        if self._reading is None:
            return deformation
        left, turned = float(self._reading @ deformation), self.angle
        beyond = left - _within(left, self._PLAY)
        self.angle = _within(turned + self._STEP * beyond, self._MOST)
        whole: Vector = deformation + np.float32(turned) * self._direction
        return whole

    def split(self, deformation: Vector) -> tuple[Vector, float]:
        """S_F -> what the network is to draw of it, and the rad that its picture is to be turned."""
        if self._reading is None:
            return deformation, 0.0
        roll = float(self._reading @ deformation)
        rest = roll - _within(roll, self.DRAWN)
        if rest == 0:
            return deformation, 0.0
        return deformation - np.float32(rest) * self._direction, rest

    def forget(self) -> None:
        """The next face may be upright."""
        self.angle = 0.0


def _within(angle: float, most: float) -> float:
    return min(max(angle, -most), most)


def turned(pixels: Image, angle: float) -> Image:
    """A square picture u8 [R,R,3] turned about the neck by rad, counter-clockwise.

    What comes into it is its own edge, but for a line that generators leave at the border.
    """
    if angle == 0:
        return pixels
    side = len(pixels)
    border = max(1, side // 64)
    matrix = cv2.getRotationMatrix2D((side / 2, _NECK * side), math.degrees(angle), 1.0)
    matrix[:, 2] += border * matrix[:, :2].sum(axis=1)
    inner = pixels[border:-border, border:-border]
    return np.asarray(
        cv2.warpAffine(inner, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )

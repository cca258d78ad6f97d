"""How much an avatar looks like its portrait: three measures of the face, and a word for users.

Compared are the crop and the avatar drawn with the crop's own deformation, so that both hold the
head and the mouth alike. What is left is who it is, and how well the generator can draw them.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reenact.avatar import Avatar
from reenact.face import Image
from reenact.portrait_model import PortraitModel

Floats = npt.NDArray[np.float32]

_SIDE = 128  # px, at which faces are compared: finer than that is skin and canvas, not who it is
_FACE = ((0.50, 0.56), (0.27, 0.37))  # centre and half axes of the face in the FFHQ window
_PSNR, _SSIM, _DETAIL = (13.2, 20.6), (0.34, 0.88), (0.11, 0.75)
"""Medians over 66 pairs of talking heads: two people in the same pose; a frame and what the drawn
webcam made of it (2026-11-22)."""
CLOSE, SO_SO = 65, 40
BLURRED = 0.5  # detail that three of four such webcams keep
_BLUR = 1.5  # px, of SSIM's Gaussian window (Wang et al. 2004), and of what is no detail


@dataclass(frozen=True)
class Likeness:
    """How near a drawing comes to a portrait.

    Attributes:
        psnr: dB, of the face.
        ssim: structural similarity of the face in grey (Wang et al. 2004), 1 = the same.
        detail: how much of what is finer than 1/40 of the crop is there and in its place, 1 = all.
        cycle: how far W_ID moves when the drawing is encoded again, by its distance from the mean;
            0 = it returns, 1 = as far as the mean itself.
    """

    psnr: float
    ssim: float
    detail: float
    cycle: float

    @property
    def score(self) -> int:
        """0 = like another person in the same pose, 100 = like a webcam's picture of the same."""
        parts = ((self.psnr, *_PSNR), (self.ssim, *_SSIM), (self.detail, *_DETAIL))
        shares = (min(1.0, max(0.0, (x - low) / (high - low))) for x, low, high in parts)
        return round(100 * sum(shares) / len(parts))

    @property
    def word(self) -> str:
        """What to call it."""
        if self.score >= CLOSE:
            return "close" if self.detail >= BLURRED else "close, but blurred"
        return "so-so" if self.score >= SO_SO else "only the type"


def measure(model: PortraitModel, avatar: Avatar, portrait: Image) -> Likeness:
    """Compare an avatar with the crop u8 [R,R,3] of its portrait, R any size."""
    drawn = model.draw(avatar, model.deform(scaled(portrait, model.crop)))
    again = model.identify(scaled(drawn, model.portrait_crop))
    from_mean = float(np.linalg.norm(avatar.identity - model.mean))
    moved = float(np.linalg.norm(again - avatar.identity))
    return Likeness(*compare(portrait, drawn), moved / max(from_mean, 1e-6))


def compare(portrait: Image, drawn: Image) -> tuple[float, float, float]:
    """PSNR (dB), SSIM and detail of the faces in two crops u8 [.,.,3], each of any size."""
    first, second = (scaled(image, _SIDE).astype(np.float32) for image in (portrait, drawn))
    face = _face()
    error = float(np.square(first - second)[face].mean())
    psnr = 10 * math.log10(255**2 / max(error, 1e-3))
    a, b = (np.asarray(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY), np.float32) for i in (first, second))
    fine_a, fine_b = ((grey - _mean(grey))[face] for grey in (a, b))
    both = np.square(fine_a).mean() + np.square(fine_b).mean()
    detail = 2 * float((fine_a * fine_b).mean()) / float(both + 1e-6)
    return psnr, float(_ssim(a, b)[face].mean()), detail


def scaled(image: Image, side: int) -> Image:
    """A square u8 [.,.,3] as u8 [side,side,3]."""
    method = cv2.INTER_AREA if len(image) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def _face() -> npt.NDArray[np.bool_]:
    y, x = (np.mgrid[:_SIDE, :_SIDE] + 0.5) / _SIDE
    (cx, cy), (across, along) = _FACE
    return np.asarray(((x - cx) / across) ** 2 + ((y - cy) / along) ** 2 <= 1)


def _mean(values: Floats) -> Floats:
    """Around each pixel of f32 [H,W]."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), _BLUR), np.float32)


def _ssim(first: Floats, second: Floats) -> Floats:
    """The map of structural similarity of two grey pictures f32 [H,W] in 0..255."""
    a, b = _mean(first), _mean(second)
    var_a, var_b = _mean(first * first) - a * a, _mean(second * second) - b * b
    both = _mean(first * second) - a * b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * a * b + c1) * (2 * both + c2) / ((a * a + b * b + c1) * (var_a + var_b + c2))
    return np.asarray(similarity, np.float32)

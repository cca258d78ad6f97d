"""How far a picture is from the right one: L1, PSNR and SSIM, where it counts."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.surfaces import LABELS

Floats = npt.NDArray[np.float32]
Pictures = npt.NDArray[np.uint8]

_SIGMA, _C1, _C2 = 1.5, (0.01 * 255) ** 2, (0.03 * 255) ** 2


@dataclass(frozen=True)
class Likeness:
    """Of pictures [...] to the right ones, f32 [...] each: l1 in 0..255, psnr in dB, ssim -1..1."""

    l1: Floats
    psnr: Floats
    ssim: Floats


def face_of(labels: Pictures) -> npt.NDArray[np.bool_]:
    """Where labels u8 [...,S,S] say skin, brow, eye or mouth."""
    return labels >= LABELS["skin"]


def likeness(pictures: Pictures, truth: Pictures, where: npt.NDArray[np.bool_]) -> Likeness:
    """Compare pictures u8 [...,S,S,3] with the right ones in the pixels bool [...,S,S]; leading sizes broadcast."""
    leading, size = np.broadcast_shapes(pictures.shape[:-3], truth.shape[:-3]), truth.shape[-3:]
    pairs = zip(
        np.broadcast_to(pictures, leading + size).reshape(-1, *size),
        np.broadcast_to(truth, leading + size).reshape(-1, *size),
        np.broadcast_to(where, leading + size[:2]).reshape(-1, *size[:2]),
        strict=True,
    )
    numbers = np.array([_compare(*pair) for pair in pairs], np.float32)
    return Likeness(*numbers.T.reshape(3, *leading))


def _compare(
    picture: Pictures, truth: Pictures, where: npt.NDArray[np.bool_]
) -> tuple[float, float, float]:
    difference = (picture.astype(np.float32) - truth)[where]
    square = max(float(np.square(difference).mean()), 1e-3)  # equal pictures: 78 dB, not infinity
    psnr = 10 * np.log10(255**2 / square)
    return (
        float(np.abs(difference).mean()),
        float(psnr),
        float(ssim_map(picture, truth)[where].mean()),
    )


def ssim_map(a: Pictures, b: Pictures) -> Floats:
    """Structural similarity f32 [S,S,3] around each pixel of two pictures u8 [S,S,3].

    Wang et al. 2004, with their Gaussian window of 11 pixels and 1.5 pixels deviation, each colour by itself.
    """
    x, y = a.astype(np.float32), b.astype(np.float32)

    def mean(picture: Floats) -> Floats:
        blurred = cv2.GaussianBlur(picture, (11, 11), _SIGMA, borderType=cv2.BORDER_REFLECT)
        return np.asarray(blurred, np.float32)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    numerator = (2 * mx * my + _C1) * (2 * cov + _C2)
    return np.asarray(numerator / ((mx**2 + my**2 + _C1) * (vx + vy + _C2)), np.float32)

"""Light on a small sensor and what a webcam's processor makes of it: exposure, noise, colours, tone."""

import math

import cv2
import numpy as np

from reenact.talking_heads.raster import Floats, compiled

_STEPS = 1023  # of the tone curve, evenly spaced in the square root of linear light


def _srgb_to_linear() -> Floats:
    """sRGB's own curve (IEC 61966-2-1) for the 256 display values."""
    v = np.arange(256) / 255
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


LINEAR = _srgb_to_linear()
"""f32[256]: display value -> linear light."""


def tone_curve(contrast: float, black: float, knee: float) -> Floats:
    """f32[1024]: linear light (at k is (k/1023)^2 * 2) -> display value 0..255.

    sRGB's curve; contrast scales it around middle grey, black lifts its foot (flare), knee (0..0.5)
    bends the upper end, so that highlights up to twice white are compressed instead of cut.
    """
    x = (np.arange(_STEPS + 1) / _STEPS) ** 2 * 2
    shoulder = 1 - knee
    bent = shoulder + knee * np.tanh((x - shoulder) / max(knee, 1e-3))
    x = np.where(x > shoulder, bent, x).clip(0, 1)
    v = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    v = 0.45 + contrast * (v - 0.45)
    return np.asarray(255 * (black + (1 - black) * v).clip(0, 1), np.float32)


def grain(rng: np.random.Generator, height: int, width: int, size: float, chroma: float) -> Floats:
    """Noise f32[h,w,3] of standard deviation about 1 in brightness and `chroma` in colour.

    Demosaicing and denoising leave it correlated: over `size` px in brightness, and twice as coarse
    in colour.
    """
    luma = rng.standard_normal((height, width), np.float32)
    colour = rng.standard_normal(((height + 1) // 2, (width + 1) // 2, 3), np.float32)
    if size > 0.2:
        luma = np.asarray(cv2.GaussianBlur(luma, (0, 0), size) * _norm(size), np.float32)
        colour = np.asarray(cv2.GaussianBlur(colour, (0, 0), size) * _norm(size), np.float32)
    coarse = cv2.resize(colour * chroma, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(coarse + luma[..., None], np.float32)


def _norm(sigma: float) -> float:
    """What brings white noise back to its deviation after a Gaussian blur by sigma."""
    kernel = cv2.getGaussianKernel(2 * math.ceil(4 * sigma) + 1, sigma)
    return float(1 / (kernel**2).sum())


@compiled
def develop(
    picture: Floats,
    gain: Floats,
    balance: Floats,
    noise: Floats,
    shot: float,
    read: float,
    curve: Floats,
    saturation: float,
    out: Floats,
) -> None:
    """Linear light f32[h,w,3] -> display values 0..255, f32[h,w,3].

    gain f32[h,w]: exposure and vignetting; balance f32[3]: of the colours; noise f32[h,w,3] of unit
    deviation is scaled to the variance shot x + read^2 (Foi et al. 2008, "Practical
    Poissonian-Gaussian noise modeling"); curve: see tone_curve.
    """
    height, width, _ = picture.shape
    for y in range(height):
        for x in range(width):
            for c in range(3):
                v = picture[y, x, c] * gain[y, x] * balance[c]
                v += noise[y, x, c] * math.sqrt(shot * v + read * read)
                k = min(math.sqrt(max(v, 0.0) * 0.5) * _STEPS, _STEPS - 0.001)
                i = int(k)
                out[y, x, c] = curve[i] + (curve[i + 1] - curve[i]) * (k - i)
            grey = 0.3 * out[y, x, 0] + 0.59 * out[y, x, 1] + 0.11 * out[y, x, 2]
            for c in range(3):
                out[y, x, c] = grey + (out[y, x, c] - grey) * saturation


def sharpen(picture: Floats, amount: float, radius: float) -> Floats:
    """Unsharp mask: what cheap webcams do to hide their lens; leaves halos."""
    if amount <= 0:
        return picture
    soft = cv2.GaussianBlur(picture, (0, 0), radius)
    return np.asarray(cv2.addWeighted(picture, 1 + amount, soft, -amount, 0), np.float32)

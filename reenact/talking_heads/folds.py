"""Where the folds of creases.py lie, drawn by position on the base mesh."""

import numpy as np

from reenact.talking_heads.creases import FOLDS
from reenact.talking_heads.face_map import Face, Values, ramp, slopes
from reenact.talking_heads.raster import Bytes, Floats
from reenact.talking_heads.strands import noise

# Depth of a full fold in dm, in the order of FOLDS.
_DEPTH = np.array([8.0, 9.0, 6.0, 7.0, 5.0, 7.0, 6.0, 5.0, 4.0, 7.0]) * 1e-3


def crease_maps(face: Face, rng: np.random.Generator, finer: float) -> tuple[Floats, Bytes]:
    """Slopes and darkness f32[512,512,3] of all folds pressed in fully; which fold u8[512,512].

    Nobody's folds are quite symmetrical: `rng` bends them. finer: 0..1, how much fine lines show.
    """
    size = face.x.shape[0]
    bend = 0.010 * np.stack([noise(rng, size, (14, 14), 2) for _ in range(2)])
    x, y = face.side + bend[0], face.y + bend[1]
    lines: list[Values] = [_DRAWN[fold](x, y, rng) * (face.z > 0.35) for fold in FOLDS]
    fine = 0.3 * finer * noise(rng, size, (24, 24), 2)  # no fold is equally deep all along
    depth = np.stack([d * line for d, line in zip(_DEPTH, lines, strict=True)])
    owner = depth.argmax(0)
    deepest = depth.max(0) * np.clip(0.8 + fine, 0.2, 1.2)
    left, up = slopes(face, -deepest)
    dark = np.clip(np.max(lines, 0), 0, 1) ** 1.4
    return np.ascontiguousarray(np.dstack([left, up, dark]), np.float32), owner.astype(np.uint8)


def _valley(distance: Values, width: float) -> Values:
    """Profile across a fold, 1 at its bottom: sharp below, soft shoulders."""
    t = np.abs(distance) / width
    return np.asarray(np.exp(-t * np.sqrt(1 + t * t)))


def _forehead(x: Values, y: Values, rng: np.random.Generator) -> Values:
    arch = 0.03 * np.sin(2.6 * (np.abs(x) / 0.4) ** 1.5)  # lines run parallel to the brows
    level = y - arch
    low = 7.49 + rng.uniform(-0.015, 0.015)
    total = np.zeros_like(x)
    for k in range(int(rng.integers(3, 6))):
        at = low + k * 0.062 + rng.uniform(-0.01, 0.01)
        strength = rng.uniform(0.5, 1.0)
        total = np.maximum(total, strength * _valley(level - at, 0.013))
    return total * ramp(0.50, 0.30, x) * ramp(7.44, 7.50, y) * ramp(7.86, 7.76, y)


def _frown(x: Values, y: Values, rng: np.random.Generator) -> Values:
    stand = 0.055 + rng.uniform(-0.012, 0.012) + 0.12 * (y - 7.36)
    second = stand + 0.05
    lines = np.maximum(_valley(x - stand, 0.014), 0.45 * _valley(x - second, 0.012))
    return np.asarray(lines * ramp(7.30, 7.36, y) * ramp(7.50, 7.42, y))


def _nose(x: Values, y: Values, rng: np.random.Generator) -> Values:
    lines = np.zeros_like(x)
    for at, strength in ((7.28, 0.9), (7.23, 0.7), (7.18, 0.5)):
        lines = np.maximum(lines, strength * _valley(y - at - 0.5 * x * x, 0.011))
    side = _valley(x - 0.13 - 0.35 * (7.2 - y), 0.016) * ramp(7.28, 7.22, y) * ramp(7.02, 7.1, y)
    middle = lines * ramp(0.13, 0.08, x) * ramp(7.12, 7.15, y)
    return np.asarray(np.maximum(middle, 0.7 * side))


def _crow(x: Values, y: Values, rng: np.random.Generator) -> Values:
    dx, dy = x - 0.40, y - 7.275
    radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    lines = np.zeros_like(x)
    for at in (-0.55, -0.22, 0.08, 0.38):
        at += rng.uniform(-0.07, 0.07)
        lines = np.maximum(lines, rng.uniform(0.6, 1) * _valley((angle - at) * radius, 0.009))
    return lines * ramp(0.085, 0.12, radius) * ramp(0.22, 0.15, radius)


def _under_eye(x: Values, y: Values, rng: np.random.Generator) -> Values:
    lines = np.zeros_like(x)
    for drop, strength in ((0.035, 0.7), (0.065, 1.0), (0.1, 0.5)):
        arc = 7.245 - drop - rng.uniform(0, 0.006) + 0.9 * (x - 0.29) ** 2
        lines = np.maximum(lines, strength * _valley(y - arc, 0.010))
    return lines * ramp(0.14, 0.20, x) * ramp(0.47, 0.40, x)


def _nasolabial(x: Values, y: Values, rng: np.random.Generator) -> Values:
    wide = rng.uniform(-0.01, 0.015)
    line = np.interp(y, (6.54, 6.66, 6.78, 6.90, 6.95), (0.365, 0.345, 0.275, 0.195, 0.175))
    fold = _valley(x - line - wide, 0.030)
    return fold * ramp(6.57, 6.68, y) * ramp(6.95, 6.90, y)


def _mouth(x: Values, y: Values, rng: np.random.Generator) -> Values:
    """Brackets beside the corners of the mouth, and the lines of a drooping mouth below them."""
    out = 0.345 + rng.uniform(-0.01, 0.02) - 1.1 * (y - 6.60) ** 2
    bracket = 0.7 * _valley(x - out - 0.05, 0.020) * ramp(6.50, 6.56, y) * ramp(6.72, 6.66, y)
    droop = np.interp(y, (6.36, 6.48, 6.60), (0.325, 0.315, 0.285))
    lower = 0.8 * _valley(x - droop, 0.020) * ramp(6.36, 6.46, y) * ramp(6.61, 6.58, y)
    return np.asarray(np.maximum(bracket, lower))


def _chin(x: Values, y: Values, rng: np.random.Generator) -> Values:
    size = x.shape[0]
    dimples = np.clip(noise(rng, size, (110, 110), 2), 0, 2.0) * 0.4
    fold = 0.8 * _valley(y - 6.455 - 0.25 * x * x, 0.016) * ramp(0.24, 0.12, x)
    place = np.exp(-((x / 0.15) ** 2) - ((y - 6.33) / 0.08) ** 2)
    return np.asarray(np.maximum(dimples * place, fold))


def _lips(x: Values, y: Values, rng: np.random.Generator) -> Values:
    """Lines that run into the lips, above and below."""
    lines = np.zeros_like(x)
    for k in range(7):
        at = 0.03 + 0.036 * k + rng.uniform(-0.008, 0.008)
        lean = at * (1 + 0.9 * np.abs(y - 6.61))
        lines = np.maximum(lines, rng.uniform(0.5, 1) * _valley(x - lean, 0.009))
    upper = ramp(6.655, 6.68, y) * ramp(6.775, 6.735, y)
    lower = ramp(6.545, 6.53, y) * ramp(6.465, 6.49, y)
    return np.asarray(lines * np.maximum(upper, lower))


def _neck(x: Values, y: Values, rng: np.random.Generator) -> Values:
    rings = np.zeros_like(x)
    for at in (6.02, 5.86, 5.70):
        level = y - at - rng.uniform(-0.03, 0.03) - 0.12 * x * x
        rings = np.maximum(rings, rng.uniform(0.4, 0.9) * _valley(level, 0.02))
    return rings * ramp(6.12, 6.04, y) * ramp(0.62, 0.4, x)


_DRAWN = {
    "forehead": _forehead,
    "frown": _frown,
    "nose": _nose,
    "crow": _crow,
    "under_eye": _under_eye,
    "nasolabial": _nasolabial,
    "mouth": _mouth,
    "chin": _chin,
    "lips": _lips,
    "neck": _neck,
}

"""Beards: single hairs, so dense or sparse that any style ends as softly as it does on people."""

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.face_map import SKIN_SIZE, Face, Values, blurred, lip_top, ramp
from reenact.talking_heads.raster import Floats
from reenact.talking_heads.strands import noise

BEARD_STYLES = ("full", "goatee", "moustache", "circle", "chinstrap")
STYLE_ODDS = (0.62, 0.10, 0.08, 0.12, 0.08)
_SCALE = 3  # hairs are drawn this much larger
_LEVELS = (110, 230, 70, 160, 255, 90)
_FRACTION = 4  # bits of cv2's sub-pixel coordinates


class Beard(NamedTuple):
    """What grows on each texel, f32[512,512] in 0..1."""

    hairs: Floats  # how much of it hairs cover
    ground: Floats  # how dense they are around it
    tone: Floats  # how bright its hairs are beside others


def grow_beard(face: Face, rng: np.random.Generator, beard: float, style: str) -> Beard:
    """beard: 0 shaven .. 0.15 stubble .. 1 long; style: one of BEARD_STYLES."""
    place = _place(face, rng, style)
    soft = blurred(place, 3.0)
    if beard <= 0:
        nothing = np.zeros_like(place)
        return Beard(nothing, np.asarray(0.35 * soft, np.float32), nothing)
    # Hairs shrink towards the edge of the beard and get fewer there.
    count = int(9000 + 12000 * min(beard, 1.0))
    length = 0.010 + 0.055 * beard**1.3  # dm
    tone = _hairs(face, soft, rng, count, length)
    hairs = np.asarray(np.minimum(2.5 * tone, 1) * min(0.4 + 0.8 * beard, 1), np.float32)
    if beard < 0.3:  # cut hairs are finer than a texel
        hairs = blurred(hairs, 0.7)
    ground = np.clip(0.35 * soft + blurred(hairs, 3.0), 0, 1)
    return Beard(hairs, np.asarray(ground, np.float32), tone)


def _place(face: Face, rng: np.random.Generator, style: str) -> Floats:
    """Where hairs grow, 0..1."""
    side, wander = face.side, 0.03 * noise(rng, SKIN_SIZE, (40, 40), 2)
    y = face.y + wander
    cheek_line = np.interp(
        side, (0.0, 0.22, 0.36, 0.50, 0.62, 0.72), (6.60, 6.62, 6.66, 6.80, 7.02, 7.18)
    )
    jaw_line = np.interp(side, (0, 0.2, 0.4, 0.5, 0.6, 0.7), (6.19, 6.21, 6.32, 6.42, 6.6, 6.8))
    cheeks = ramp(0.05, -0.10, y - cheek_line) * ramp(0.0, 0.35, face.z)
    cheeks = cheeks * ramp(-0.06, 0.02, y - jaw_line) * (1 - face.cavity)
    lip_line = lip_top(side)
    moustache = ramp(0.0, 0.016, face.y - lip_line) * ramp(6.85, 6.80, y + 0.22 * side)
    moustache *= ramp(0.36, 0.26, side) * (face.z > 1.1) * (0.7 + 0.3 * ramp(0.01, 0.05, side))
    around = ramp(0.045, 0.09, _mouth_distance(face))
    soul = np.exp(-((side / 0.06) ** 2) - ((face.y - 6.46) / 0.05) ** 2)
    beside_soul = 1 - 0.75 * np.exp(-(((side - 0.13) / 0.07) ** 2) - ((face.y - 6.46) / 0.05) ** 2)
    jaw = cheeks * np.maximum(around, soul) * beside_soul
    chin = ramp(0.34, 0.14, side + wander) * ramp(6.62, 6.54, y)
    bracket = ramp(0.42, 0.28, side + wander) * ramp(6.75, 6.66, y) * ramp(6.40, 6.52, y)
    strap = ramp(0.20, 0.10, y - np.interp(side, (0, 0.3, 0.6, 0.72), (6.15, 6.25, 6.55, 6.9)))
    place = {
        "full": np.maximum(jaw, moustache),
        "goatee": np.maximum(jaw * chin, moustache * 0.25),
        "moustache": moustache,
        "circle": np.maximum(jaw * np.maximum(chin, bracket), moustache),
        "chinstrap": jaw * strap,
    }[style]
    return np.asarray(np.clip(place, 0, 1), np.float32)


def _mouth_distance(face: Face) -> Floats:
    """Distance from the lips' middle in dm, 0 on the lips."""
    out = np.hypot(np.maximum(face.side - 0.20, 0), np.maximum(np.abs(face.y - 6.61) - 0.05, 0))
    return np.asarray(out, np.float32)


def _hairs(
    face: Face, density: Values, rng: np.random.Generator, count: int, length: float
) -> Floats:
    """Draw hairs with roots where they are likely; how much light they give, 0..1."""
    total = np.cumsum(density, dtype=np.float64).ravel()
    texel = np.searchsorted(total, rng.random(count) * total[-1])
    row, column = np.divmod(np.minimum(texel, density.size - 1), SKIN_SIZE)
    grown = density[row, column]
    left = np.sign(face.x[row, column]) * _lean(face, row, column) + rng.normal(0, 0.28, count)
    reach = length * (0.55 + 0.45 * grown) * rng.uniform(0.6, 1.3, count) * _SCALE / 0.0055
    root = np.stack([column, row], 1) * _SCALE + rng.uniform(0, _SCALE, (count, 2))
    bend = left + rng.normal(0, 0.25, count)
    middle = root + 0.5 * reach[:, None] * np.stack([np.sin(left), np.cos(left)], 1)
    tip = middle + 0.5 * reach[:, None] * np.stack([np.sin(bend), np.cos(bend)], 1)
    paths = np.stack([root, middle, tip], 1) * (1 << _FRACTION)
    canvas = np.zeros((SKIN_SIZE * _SCALE,) * 2, np.uint8)
    bundles = np.array_split(paths.round().astype(np.int32), 2 * len(_LEVELS))
    for bundle, level in zip(bundles, 2 * _LEVELS, strict=True):
        cv2.polylines(canvas, list(bundle), False, level, 1, cv2.LINE_AA, _FRACTION)
    small = cv2.resize(canvas, (SKIN_SIZE, SKIN_SIZE), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) / 255)


def _lean(face: Face, row: npt.NDArray[np.int64], column: npt.NDArray[np.int64]) -> Floats:
    """Angle of growth from straight down towards the ears, rad."""
    side, y = face.side[row, column], face.y[row, column]
    moustache = (y > 6.65) & (side < 0.33)
    return np.where(moustache, 0.35 + 2.6 * side, -0.15 + 0.35 * ramp(6.9, 6.2, y)).astype(
        np.float32
    )

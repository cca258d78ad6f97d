"""What a face does as ten numbers, taken from its landmarks: pose, mouth, eyes, brows, gaze.

The same formulas measure the renderer's own landmarks and those that a face tracker finds in a
picture, so that the two may be compared over time.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float64]  # [T,3] or [T]

POSE = ("yaw", "pitch", "roll")
FACE = ("mouth_open", "mouth_width", "eye_left", "eye_right", "brow", "gaze_x", "gaze_y")
MEASURES = (*POSE, *FACE)

_SIDED = (
    *("eye inner corner", "eye outer corner", "upper lid middle", "lower lid middle", "iris"),
    *("brow middle", "mouth corner", "ear front"),
)
_SIDES = ("left", "right")
USED = (
    *("forehead top", "chin bottom", "upper lip bottom", "lower lip top"),
    *(f"{side} {name}" for side in _SIDES for name in _SIDED),
)
"""The landmarks (see landmarks.LANDMARKS) that the measures are made of."""


def measures(points: Mapping[str, npt.ArrayLike]) -> Vectors:
    """The MEASURES f64[T,10] of the landmarks in USED, each [T,3]: x right, y down, z away.

    yaw, pitch, roll in rad: positive to the subject's right (the picture's left), down, and
    clockwise in the picture. The rest are ratios of lengths of the face: openings over the face's
    height or the eye's width, the mouth's width over that of the eyes, the brows' height over the
    lids, and the pupils' way from the middle of the eye, along and down the face, in eye widths.
    """
    p = {name: np.asarray(points[name], np.float64) for name in USED}
    across, down, into = _axes(p)
    height = _length(p["chin bottom"] - p["forehead top"])
    width = _length(p["left eye outer corner"] - p["right eye outer corner"])
    brow = sum(_length(p[f"{s} brow middle"] - p[f"{s} upper lid middle"]) for s in _SIDES)
    gaze = 0.5 * sum(_pupil(p, side) for side in _SIDES)
    return np.stack(
        [
            np.arctan2(into[:, 0], into[:, 2]),
            np.arctan2(-into[:, 1], np.hypot(into[:, 0], into[:, 2])),
            np.arctan2(across[:, 1], across[:, 0]),
            _length(p["upper lip bottom"] - p["lower lip top"]) / height,
            _length(p["left mouth corner"] - p["right mouth corner"]) / width,
            _opening(p, "left"),
            _opening(p, "right"),
            0.5 * brow / height,
            (gaze * across).sum(1),
            (gaze * down).sum(1),
        ],
        axis=1,
    )


def _axes(p: Mapping[str, Vectors]) -> tuple[Vectors, Vectors, Vectors]:
    """The head's axes: to the subject's left, down to the chin, and from the face into the head."""
    eyes = p["left eye outer corner"] - p["right eye outer corner"]
    across = _unit(eyes + p["left ear front"] - p["right ear front"])
    down = p["chin bottom"] - p["forehead top"]
    down = _unit(down - across * (across * down).sum(1, keepdims=True))
    return across, down, np.cross(across, down)


def _opening(p: Mapping[str, Vectors], side: str) -> Vectors:
    """How far the lids of an eye are apart, in widths of that eye."""
    lids = _length(p[f"{side} upper lid middle"] - p[f"{side} lower lid middle"])
    return lids / _length(p[f"{side} eye inner corner"] - p[f"{side} eye outer corner"])


def _pupil(p: Mapping[str, Vectors], side: str) -> Vectors:
    """The way of a pupil from the middle between the eye's corners, in widths of that eye."""
    inner, outer = p[f"{side} eye inner corner"], p[f"{side} eye outer corner"]
    return (p[f"{side} iris"] - 0.5 * (inner + outer)) / _length(inner - outer)[:, None]


def _length(vectors: Vectors) -> Vectors:
    return np.asarray(np.linalg.norm(vectors, axis=-1))


def _unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / _length(vectors)[:, None])

"""Named points of a face, found once on the meshes: in three dimensions, and so in any picture."""

from collections.abc import Mapping, Sequence

import numpy as np

from reenact.talking_heads.formats import Floats, Ints
from reenact.talking_heads.rig import Part, Posed

Point = tuple[float, float, float]

# Where the points lie on MakeHuman's base mesh, dm: x to the subject's left, y up, z to the front.
# Of a pair of sides the left is given. The nearest vertex of the skin is taken.
_PAIRS: Mapping[str, Point] = {
    "eye inner corner": (0.203, 7.275, 1.369),
    "eye outer corner": (0.4428, 7.2826, 1.3539),
    "upper lid inner": (0.2353, 7.3097, 1.3949),
    "upper lid middle": (0.311, 7.3315, 1.4107),
    "upper lid outer": (0.385, 7.324, 1.398),
    "lower lid inner": (0.250, 7.249, 1.394),
    "lower lid middle": (0.3109, 7.2395, 1.4046),
    "lower lid outer": (0.385, 7.248, 1.383),
    "brow inner": (0.106, 7.41, 1.493),
    "brow middle": (0.277, 7.433, 1.438),
    "brow outer": (0.477, 7.419, 1.334),
    "nose wing": (0.176, 6.89, 1.469),
    "nostril": (0.085, 6.835, 1.530),
    "cheek bone": (0.471, 7.095, 1.338),
    "cheek": (0.504, 6.749, 1.246),
    "mouth corner": (0.2391, 6.6143, 1.4354),
    "upper lip peak": (0.05, 6.705, 1.585),
    "upper lip outer": (0.1755, 6.6645, 1.527),
    "upper lip inner": (0.120, 6.610, 1.530),
    "lower lip inner": (0.120, 6.603, 1.520),
    "lower lip outer": (0.128, 6.541, 1.517),
    "temple": (0.649, 7.494, 1.007),
    "ear front": (0.729, 7.141, 0.613),
    "ear top": (0.822, 7.3475, 0.483),
    "ear lobe": (0.706, 6.87, 0.489),
    "jaw angle": (0.539, 6.614, 0.658),
    "jaw middle": (0.443, 6.388, 1.001),
    "jaw front": (0.230, 6.220, 1.270),
}
_MIDDLE: Mapping[str, Point] = {
    "forehead top": (0.0, 8.014, 1.395),
    "forehead": (0.0, 7.719, 1.514),
    "between brows": (0.0, 7.466, 1.524),
    "nose bridge": (0.0, 7.292, 1.508),
    "nose ridge": (0.0, 7.105, 1.583),
    "nose tip": (0.0, 6.9385, 1.680),
    "nose base": (0.0, 6.805, 1.573),
    "upper lip top": (0.0, 6.696, 1.597),
    "upper lip bottom": (0.0, 6.6081, 1.553),
    "lower lip top": (0.0, 6.6014, 1.5396),
    "lower lip bottom": (0.0, 6.5271, 1.562),
    "chin crease": (0.0, 6.430, 1.491),
    "chin front": (0.0, 6.327, 1.499),
    "chin bottom": (0.0, 6.177, 1.403),
}
SIDES = ("left", "right")
_INNER = ("left eye", "right eye", "mouth", "left iris", "right iris")
_ON_SKIN = (*_MIDDLE, *(f"{side} {name}" for side in SIDES for name in _PAIRS))

LANDMARKS = (*_INNER, *_ON_SKIN)
"""The names, in the order of every array of landmarks. Left and right are the subject's.

"left eye", "right eye" are the eyeballs' middles and "mouth" lies between its corners: these three
define the window (see scene.window_camera). "left iris", "right iris" are the pupils. The others
lie on the skin; a hair or the other side of the head may hide them in the picture.
"""


def rows(*names: str) -> Ints:
    """Where the named landmarks stand in an array of landmarks, i32[N]."""
    return np.array([LANDMARKS.index(name) for name in names], np.int32)


class LandmarkFinder:
    """The vertices of a rig's parts that the landmarks lie on; equal for everybody but for eyes."""

    def __init__(self, parts: Sequence[Part]) -> None:
        starts = dict(
            zip(
                (part.name for part in parts),
                np.cumsum([0, *(len(part.rest) for part in parts)]).tolist(),
                strict=False,
            )
        )
        by_name = {part.name: part for part in parts}
        self._skin = starts["skin"] + _nearest(by_name["skin"].rest, _canonical())
        self._pupils = [starts["eyes"] + ring for ring in _pupils(by_name["eyes"].rest)]

    def __call__(self, posed: Posed) -> Floats:
        """The landmarks of a pose of that rig, f32[L,3] in dm."""
        pupils = [posed.positions[ring].mean(0) for ring in self._pupils]
        inner = np.stack([posed.eye_left, posed.eye_right, posed.mouth, *pupils])
        return np.concatenate([inner, posed.positions[self._skin]]).astype(np.float32)


def _canonical() -> Floats:
    """The points of _ON_SKIN on the base mesh, f32[N,3]."""
    left = np.array(list(_PAIRS.values()))
    points = [np.array(list(_MIDDLE.values())), left, left * [-1, 1, 1]]
    return np.concatenate(points).astype(np.float32)


def _nearest(rest: Floats, points: Floats) -> Ints:
    distances = ((rest[None] - points[:, None]) ** 2).sum(-1)
    return np.asarray(distances.argmin(1), np.int32)


def _pupils(rest: Floats) -> list[Ints]:
    """The vertices around the front pole of the left and of the right eyeball."""
    found = []
    for of_side in (rest[:, 0] > 0, rest[:, 0] <= 0):
        side = np.flatnonzero(of_side)
        middle = 0.5 * (rest[side].min(0) + rest[side].max(0))
        front = side[rest[side, 2] > middle[2]]
        from_axis = ((rest[front] - middle)[:, :2] ** 2).sum(1)
        found.append(front[np.argsort(from_axis, kind="stable")[:4]].astype(np.int32))
    return found

"""What each material is made of at a point: colour, gloss, normal."""

import math
from typing import NamedTuple

from reenact.talking_heads.optics import bilinear, normalise, smooth
from reenact.talking_heads.raster import (
    CAVITY,
    TEETH,
    Bytes,
    Floats,
    inlined,
    value_noise,
)

LABELS = {"background": 0, "hair": 1, "skin": 2, "brow": 3, "eye": 4, "mouth": 5}
"""What a pixel shows. "hair" also holds cloth and glasses, "mouth" the lips, "eye" the lashes."""

HEAD_AXIS = 0.35  # z (dm) of the upright axis that the skin is unrolled around
SKIN_TOP, SKIN_HEIGHT = 8.15, 2.85  # y range (dm) of the skin map
IRIS_SPAN = 1.3  # the iris map reaches this many iris radii from its centre

_UNROLL = 1.6  # how much denser the skin map is in front than behind


class Paint(NamedTuple):
    """A person's colours in linear light, f32: maps [H,W,C] and single colours [3]."""

    skin: Floats  # [512,512,4] albedo and gloss, unrolled by `skin_coordinates`
    marks: Bytes  # [512,512] label of the skin: skin, brow or mouth
    iris: Floats  # [128,128,3]
    lash: Floats  # [h,w] alpha
    hair: Floats  # [h,w,4] alpha and colour of locks
    hair_lean: float  # how far the normals of hair lean outwards from the head
    lash_colour: Floats
    tooth: Floats
    tongue: Floats
    cloth: Floats  # [2,3]: ground and stripe
    stripes: float  # per dm; 0 = plain
    frame: Floats
    roughness: float
    eye_radius: float  # dm


class Light(NamedTuple):
    """Key (throws the shadow), fill and rim lamp, and the room."""

    directions: Floats  # [3,3] towards each lamp
    colours: Floats  # [3,3]
    harmonics: Floats  # [9,3]
    exposure: Floats  # [3] exposure times white balance


class Shot(NamedTuple):
    """What changes from frame to frame besides the triangles."""

    camera: Floats  # [3] its position
    eye_left: Floats
    eye_right: Floats
    mouth: Floats
    middle: Floats  # [3] of the head
    head: Floats  # [3,3] head rotation
    jaw: float
    shadow_matrix: Floats  # [3,4] position -> x, y (texels) and affine depth in the shadow map
    reach: float  # radius of the ambient occlusion in samples


@inlined
def skin_coordinates(x: float, y: float, z: float) -> tuple[float, float]:
    """Canonical position (dm) -> (u, v) of the skin map in [0, 1]: a cylinder, larger in front."""
    turn = math.atan2(x, z - HEAD_AXIS) * (1.0 / math.pi)
    u = turn * (1.0 + _UNROLL) / (1.0 + _UNROLL * abs(turn))
    return 0.5 + 0.5 * u, (SKIN_TOP - y) * (1.0 / SKIN_HEIGHT)


# A surface is f32[9]: albedo [0:3], specular weight [3], roughness [4], occlusion [5],
# wrap per channel [6:9]. A point `at` is f32[11], see shade.interpolate.


@inlined
def put(
    surface: Floats, colour: Floats, shade: float, specular: float, roughness: float, wrap: float
) -> None:
    """Fill a surface with a plain colour."""
    for c in range(3):
        surface[c] = colour[c] * shade
        surface[6 + c] = wrap
    surface[3] = specular
    surface[4] = roughness
    surface[5] = 1.0


@inlined
def skin_surface(at: Floats, paint: Paint, texel: Floats, surface: Floats) -> int:
    """Albedo and gloss from the skin map; returns the label found there."""
    u, v = skin_coordinates(at[8], at[9], at[10])
    bilinear(paint.skin, u, v, texel)
    put(surface, texel, 1.0, texel[3], paint.roughness, 0.12)
    surface[6] = 0.36
    surface[7] = 0.20
    n = paint.marks.shape[0]
    row, column = min(max(int(v * n), 0), n - 1), min(max(int(u * n), 0), n - 1)
    return int(paint.marks[row, column])


@inlined
def eye_surface(at: Floats, paint: Paint, shot: Shot, texel: Floats, surface: Floats) -> None:
    """Iris or white, darker under the lids and in the corners; the normal becomes a ball's."""
    left = (
        (at[0] - shot.eye_left[0]) ** 2
        + (at[1] - shot.eye_left[1]) ** 2
        + (at[2] - shot.eye_left[2]) ** 2
    )
    right = (
        (at[0] - shot.eye_right[0]) ** 2
        + (at[1] - shot.eye_right[1]) ** 2
        + (at[2] - shot.eye_right[2]) ** 2
    )
    centre = shot.eye_left if left < right else shot.eye_right
    for c in range(3):
        at[3 + c] = at[c] - centre[c]
    x = (
        shot.head[0, 0] * at[3] + shot.head[1, 0] * at[4] + shot.head[2, 0] * at[5]
    ) / paint.eye_radius
    y = (
        shot.head[0, 1] * at[3] + shot.head[1, 1] * at[4] + shot.head[2, 1] * at[5]
    ) / paint.eye_radius
    normalise(at[3:6])
    span = 0.5 / IRIS_SPAN
    bilinear(paint.iris, 0.5 + span * at[6], 0.5 - span * at[7], texel)
    put(surface, texel, 1.0, 0.9, 0.14, 0.2)
    open_ = (
        1.0
        - 0.60 * smooth(0.12, 0.75, y)
        - 0.25 * smooth(0.25, 0.8, -y)
        - 0.30 * smooth(0.45, 1.0, abs(x))
    )
    surface[5] = max(open_, 0.2)


@inlined
def mouth_surface(m: int, at: Floats, paint: Paint, shot: Shot, surface: Floats) -> None:
    """Teeth, tongue and cavity: darker the deeper they lie and the further from the middle."""
    x, y, z = at[0] - shot.mouth[0], at[1] - shot.mouth[1], at[2] - shot.mouth[2]
    side = abs(shot.head[0, 0] * x + shot.head[1, 0] * y + shot.head[2, 0] * z)
    front = shot.head[0, 2] * x + shot.head[1, 2] * y + shot.head[2, 2] * z
    colour = paint.tooth
    if m != TEETH:
        colour = paint.tongue
    put(surface, colour, 0.55 if m == CAVITY else 1.0, 0.5, 0.3, 0.3)
    surface[5] = (
        smooth(-0.55, -0.02, front)
        * (0.6 + 0.5 * shot.jaw)
        * (1.0 - 0.7 * smooth(0.12, 0.32, side))
    )


@inlined
def cloth_surface(at: Floats, paint: Paint, surface: Floats) -> None:
    """A woven ground, with stripes if the person wears them."""
    weave = 0.88 + 0.24 * value_noise(at[8] * 42.0, at[9] * 42.0, 21)
    striped = paint.stripes > 0 and (at[9] * paint.stripes) % 1.0 < 0.35
    put(surface, paint.cloth[1 if striped else 0], weave, 0.15, 0.75, 0.1)


@inlined
def hair_surface(at: Floats, paint: Paint, shot: Shot, texel: Floats, surface: Floats) -> None:
    """Strands; their normal leans outwards from the head: cards then look like one volume."""
    bilinear(paint.hair, at[6], at[7], texel)
    put(surface, texel[1:4], 1.0, 0.0, 0.5, 0.25)
    x, y, z = at[0] - shot.middle[0], at[1] - shot.middle[1], at[2] - shot.middle[2]
    lean = paint.hair_lean / math.sqrt(x * x + y * y + z * z + 1e-6)
    at[3] += lean * x
    at[4] += lean * y
    at[5] += lean * z
    normalise(at[3:6])

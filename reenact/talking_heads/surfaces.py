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
IRIS_SPAN = 2.2  # the iris map reaches this many iris radii from its centre: all the white seen

_UNROLL = 1.6  # how much denser the skin map is in front than behind


class Paint(NamedTuple):
    """A person's colours in linear light, f32: maps [H,W,C] and single colours [3]."""

    skin: Floats  # [512,512,7] unrolled by `skin_coordinates`: albedo, gloss, roughness, slopes
    marks: Bytes  # [512,512] label of the skin: skin, brow or mouth
    folds: Floats  # [512,512,3] slopes and darkness of the folds pressed in fully
    fold: Bytes  # [512,512] which of creases.FOLDS lies there
    creases: Floats  # [K] how deep the folds are at rest
    crease_gain: float  # how much an expression adds
    iris: Floats  # [192,192,3]
    lash: Floats  # [h,w] alpha
    hair: Floats  # [h,w,4] alpha and colour of locks
    hair_lean: float  # how far the normals of hair lean outwards from the head
    lash_colour: Floats
    tooth: Floats
    gum: Floats
    tongue: Floats
    cloth: Floats  # [2,3]: ground and stripe
    stripes: float  # per dm; 0 = plain
    worn: Floats  # [S,5] colour, specular weight, roughness of accessories.SURFACES
    lens: Floats  # [3] what glasses let through
    eye_radius: float  # dm


class Light(NamedTuple):
    """Key (throws the shadow), fill and rim lamp, and the room."""

    directions: Floats  # [3,3] towards each lamp
    colours: Floats  # [3,3]
    harmonics: Floats  # [9,3]
    exposure: Floats  # [3] exposure times white balance
    penumbra: float  # texels of the shadow map between its taps: 1 hard .. 3.5 soft


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
    creases: Floats  # [K] how deep the folds are now, left and right in turn, see creases.CREASES


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
def skin_surface(
    at: Floats, fine: Floats, paint: Paint, shot: Shot, texel: Floats, surface: Floats
) -> int:
    """Colour, shine and relief from the skin map and its folds; returns the label found there."""
    u, v = skin_coordinates(at[8], at[9], at[10])
    bilinear(paint.skin, u, v, texel[0:7])
    bilinear(paint.folds, u, v, texel[7:10])
    n = paint.marks.shape[0]
    row, column = min(max(int(v * n), 0), n - 1), min(max(int(u * n), 0), n - 1)
    fold = 2 * int(paint.fold[row, column])
    right = smooth(-0.10, 0.10, -at[8])
    depth = shot.creases[fold] * (1.0 - right) + shot.creases[fold + 1] * right
    put(surface, texel, 1.0, texel[3], texel[4], 0.12)
    surface[6] = 0.36
    surface[7] = 0.20
    dark = depth * texel[9]
    surface[0] *= 1.0 - 0.26 * dark
    surface[1] *= 1.0 - 0.36 * dark
    surface[2] *= 1.0 - 0.36 * dark
    surface[3] *= 1.0 - 0.7 * min(dark, 1.0)
    surface[5] = 1.0 - 0.25 * min(dark, 1.0)
    tilt(at, fine, shot, texel[5] + depth * texel[7], texel[6] + depth * texel[8])
    return int(paint.marks[row, column])


@inlined
def tilt(at: Floats, fine: Floats, shot: Shot, left: float, up: float) -> None:
    """fine[0:3] = the normal where the relief rises to the left and upwards by these slopes.

    The directions are those of the skin's unrolled rest pose, turned with the head.
    """
    z = at[10] - HEAD_AXIS
    scale = left / math.sqrt(at[8] * at[8] + z * z + 1e-6)
    for c in range(3):
        towards = shot.head[c, 0] * z - shot.head[c, 2] * at[8]
        fine[c] = at[3 + c] - scale * towards - up * shot.head[c, 1]
    normalise(fine[0:3])


@inlined
def eye_surface(
    at: Floats,
    fine: Floats,
    view: Floats,
    paint: Paint,
    shot: Shot,
    lids: tuple[float, float],
    texel: Floats,
    surface: Floats,
) -> None:
    """Iris or white on a ball; a cornea bulges over the iris, which lies deeper and is hollow.

    lids: how far the upper and the lower lid are, 0 at the lid .. 1.
    """
    left = right = 0.0
    for c in range(3):
        left += (at[c] - shot.eye_left[c]) ** 2
        right += (at[c] - shot.eye_right[c]) ** 2
    centre = shot.eye_left if left < right else shot.eye_right
    for c in range(3):
        at[3 + c] = at[c] - centre[c]
    x = shot.head[0, 0] * at[3] + shot.head[1, 0] * at[4] + shot.head[2, 0] * at[5]
    inner = (-x if left < right else x) / paint.eye_radius
    normalise(at[3:6])
    r2 = at[6] * at[6] + at[7] * at[7]
    inside = 1.0 - smooth(0.85, 1.1, r2)
    facing = max(at[3] * view[0] + at[4] * view[1] + at[5] * view[2], 0.3)
    shift_x = shift_y = 0.0
    for c in range(3):  # refraction: the iris is seen as if it lay deeper
        along = view[c] / facing - at[3 + c]
        shift_x += along * shot.head[c, 0]
        shift_y += along * shot.head[c, 1]
        bulge = (at[6] * shot.head[c, 0] + at[7] * shot.head[c, 1]) * inside
        fine[c] = at[3 + c] + 0.23 * bulge
        at[3 + c] -= 0.75 * bulge
    normalise(fine[0:3])
    normalise(at[3:6])
    span = 0.5 / IRIS_SPAN
    deep = 0.30 * max(1.0 - r2, 0.0)
    bilinear(
        paint.iris,
        0.5 + span * (at[6] - deep * shift_x),
        0.5 - span * (at[7] - deep * shift_y),
        texel,
    )
    put(surface, texel, 1.0, 0.9, 0.16, 0.35)
    pink = smooth(0.78, 0.98, inner)
    shade = (0.42 + 0.58 * smooth(-0.1, 1.0, lids[0])) * (0.78 + 0.22 * smooth(-0.2, 0.7, lids[1]))
    shade *= 1.0 - 0.35 * smooth(0.55, 1.0, abs(inner))
    surface[0] *= 1.0 - 0.15 * pink
    surface[1] *= 1.0 - 0.55 * pink
    surface[2] *= 1.0 - 0.55 * pink
    surface[5] = shade


@inlined
def mouth_surface(m: int, at: Floats, paint: Paint, shot: Shot, surface: Floats) -> None:
    """Teeth, gums, tongue and cavity: darker the deeper they lie and the further from the middle.

    Of teeth at[6] tells tooth (1) from gum (0), at[7] runs from a tooth's root (0) to its tip (1).
    """
    x, y, z = at[0] - shot.mouth[0], at[1] - shot.mouth[1], at[2] - shot.mouth[2]
    side = abs(shot.head[0, 0] * x + shot.head[1, 0] * y + shot.head[2, 0] * z)
    front = shot.head[0, 2] * x + shot.head[1, 2] * y + shot.head[2, 2] * z
    deep = smooth(-0.50, -0.06, front) * (1.0 - 0.65 * smooth(0.12, 0.30, side))
    if m != TEETH:
        put(surface, paint.tongue, 0.45 if m == CAVITY else 0.85, 0.5, 0.35, 0.3)
        surface[5] = deep * deep * (0.6 + 0.4 * shot.jaw)
        return
    put(surface, paint.tooth if at[6] > 0.5 else paint.gum, 1.0, 0.6, 0.3, 0.3)
    if at[6] > 0.5:  # yellower at the root, greyer at the translucent tip
        root = 1.0 - smooth(0.0, 0.5, at[7])
        tip = smooth(0.75, 1.0, at[7])
        surface[0] *= 1.0 - 0.10 * tip
        surface[1] *= 1.0 - 0.06 * root - 0.06 * tip
        surface[2] *= 1.0 - 0.18 * root
    surface[5] = deep * (0.85 + 0.15 * shot.jaw)


@inlined
def cloth_surface(at: Floats, paint: Paint, surface: Floats) -> None:
    """A woven ground, with stripes if the person wears them."""
    weave = 0.88 + 0.24 * value_noise(at[8] * 42.0, at[9] * 42.0, 21)
    striped = paint.stripes > 0 and (at[9] * paint.stripes) % 1.0 < 0.35
    put(surface, paint.cloth[1 if striped else 0], weave, 0.15, 0.75, 0.1)


@inlined
def worn_surface(at: Floats, paint: Paint, surface: Floats) -> None:
    """Frames, hats and so on: which surface and the ribs of a knit come with the mesh."""
    worn = paint.worn[int(at[6] + 0.5)]
    ribs = 1.0 - 0.4 * (1.0 - abs(math.sin(math.pi * at[7])))
    if worn[4] > 0.7:  # cloth
        ribs *= 0.85 + 0.3 * value_noise(at[8] * 42.0, at[9] * 42.0, 22)
    put(surface, worn, ribs, worn[3], worn[4], 0.1)


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

"""The skin map, unrolled around the head and painted by position on the base mesh.

Distances are decimetres, colours linear light; layers of colour are added in log light, where a
pigment is a direction (Lambert and Beer): melanin browns, haemoglobin reddens.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads import strands
from reenact.talking_heads.beard import BEARD_STYLES, Beard, grow_beard
from reenact.talking_heads.face_map import (
    MOUTH_LINE,
    SKIN_SIZE,
    Face,
    Values,
    lips,
    ramp,
    spot,
)
from reenact.talking_heads.locks import EYES, Hairline, growth
from reenact.talking_heads.person import Person
from reenact.talking_heads.raster import Floats
from reenact.talking_heads.strands import noise
from reenact.talking_heads.surfaces import skin_coordinates

# Albedo from light to dark skin (linear light), by tone 0..1.
_TONES = np.array([0.0, 0.15, 0.35, 0.55, 0.75, 1.0])
_SKIN = np.array(
    [
        [0.600, 0.420, 0.358],
        [0.540, 0.345, 0.274],
        [0.430, 0.259, 0.192],
        [0.300, 0.168, 0.116],
        [0.185, 0.100, 0.073],
        [0.078, 0.044, 0.033],
    ]
)
_BLOOD = np.array([-0.03, -0.26, -0.20])
_MELANIN = np.array([-0.30, -0.52, -0.66])
_SHADE = np.array([-0.30, -0.40, -0.42])  # light that comes out of a furrow is red
_LIPSTICKS = np.array(
    [
        [0.36, 0.17, 0.13],
        [0.40, 0.13, 0.13],
        [0.46, 0.14, 0.10],
        [0.38, 0.035, 0.04],
        [0.26, 0.04, 0.07],
        [0.19, 0.06, 0.045],
    ]
)
_EYE_SHADOWS = np.array(
    [[-0.45, -0.65, -0.70], [-0.60, -0.80, -0.55], [-0.35, -0.60, -0.45], [-0.75, -0.70, -0.60]]
)

Layers = list[tuple[Values, Sequence[float] | npt.NDArray[np.float64]]]


class Skin(NamedTuple):
    """What the painter hands on, f32[512,512] or [512,512,3]."""

    albedo: Floats
    height: Floats  # relief, dm
    gloss: Floats  # weight of the highlight
    roughness: Floats
    lip: Floats  # 1 on the lips


def paint_skin(
    face: Face, look: Mapping[str, float], person: Person, rng: np.random.Generator
) -> Skin:
    """Skin, lips, make-up and beard of a person; brows are painted on later."""
    streams = rng.spawn(4)
    beard = grow_beard(face, streams[0], person.beard, _beard_style(look)) if person.male else None
    lip = lips(face)
    albedo = _albedo(face, look, person, lip, beard, streams[1])
    height, gloss, roughness = _relief(face, look, lip, beard, streams[2])
    return Skin(albedo, height, gloss, roughness, lip)


def _beard_style(look: Mapping[str, float]) -> str:
    return BEARD_STYLES[int(look["beard_style"])]


def _albedo(
    face: Face,
    look: Mapping[str, float],
    person: Person,
    lip: Floats,
    beard: Beard | None,
    rng: np.random.Generator,
) -> Floats:
    """Albedo f32[512,512,3]."""
    tone = look["melanin"]
    base = np.array([np.interp(tone, _TONES, np.log(_SKIN[:, c])) for c in range(3)])
    base += look["warmth"] * np.array([0.02, 0.01, -0.08]) + 0.22 * look["redness"] * _BLOOD
    layers = _blood(face, look, rng) + _pigment(face, look, rng) + _make_up(face, look)
    planes = np.empty((3, *face.x.shape), np.float32)
    colours = np.array([colour for _, colour in layers], np.float32)
    for plane, start, shares in zip(planes, base, colours.T, strict=True):
        plane[:] = start
        for (mask, _), share in zip(
            layers, shares, strict=True
        ):  # BLAS is not bit for bit the same
            plane += mask * share
    logs = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
    logs = _colour_lips(logs, face, look, lip)
    if beard is not None:
        logs = _colour_beard(logs, beard, person, lip)
    scalp = _scalp(face, person.hairline, rng) * (0.75 if person.hair != "none" else 0.25)
    return np.asarray(np.exp(_mix(logs, scalp, np.asarray(person.hair_rgb) * 0.8 + 0.008)))


def _mix(logs: Floats, cover: Values, colour: npt.NDArray[np.float64]) -> Floats:
    """Cover log colours f32[512,512,3] partly, cover f32[512,512], with a colour [3]."""
    mixed = logs + cover[..., None].astype(np.float32) * (np.log(colour).astype(np.float32) - logs)
    return np.asarray(mixed, np.float32)


def _blood(face: Face, look: Mapping[str, float], rng: np.random.Generator) -> Layers:
    """Where skin is thin or well supplied it is redder; patches of several sizes."""
    light = 1.0 - 0.65 * look["melanin"]
    calm = 1 - 0.5 * min(1.0, look["liner"] * 2)  # foundation evens the skin
    red = light * (0.6 + 0.4 * look["redness"])
    ears = spot(face, 0.85, 7.1, 0.14, 0.3) * ramp(0.6, 0.2, face.z)
    patches = noise(rng, SKIN_SIZE, (14, 14), 2)
    cheeks = spot(face, 0.43, 6.96, 0.20, 0.16) * (1 + 0.35 * patches)
    nose = spot(face, 0.0, 6.93, 0.13, 0.11) * (0.35 + 0.9 * look["nose_red"])
    wings = spot(face, 0.155, 6.87, 0.045, 0.06)
    return [
        (cheeks * red * calm, 1.0 * _BLOOD),
        (nose * red * calm, 0.9 * _BLOOD),
        (wings * light, 0.7 * _BLOOD),
        (spot(face, 0.0, 6.29, 0.16, 0.10) * red, 0.35 * _BLOOD),
        (ears * light, 0.9 * _BLOOD),
        (spot(face, 0.0, 7.62, 0.45, 0.2), (0.015, 0.01, -0.05)),  # foreheads are yellower
        (patches * look["mottling"] * calm * light, 0.16 * _BLOOD),
        (noise(rng, SKIN_SIZE, (52, 52), 2) * look["mottling"] * calm, 0.12 * _BLOOD),
    ]


def _pigment(face: Face, look: Mapping[str, float], rng: np.random.Generator) -> Layers:
    """Melanin: lids, uneven tan, freckles, sun spots, moles; and the shade of furrows."""
    tone = look["melanin"]
    lid = spot(face, 0.31, 7.35, 0.17, 0.045)
    bags = ramp(0.0, 0.035, face.lid) * ramp(0.14, 0.05, face.lid) * ramp(7.29, 7.24, face.y)
    inner = 0.6 + 0.4 * ramp(0.40, 0.22, face.side)
    crease = np.exp(-(((face.y - _lid_crease(face)) / 0.009) ** 2)) * _lid_span(face)
    rim = ramp(0.022, 0.004, face.lid) * (face.lid < 0.03)
    return [
        (lid * (0.5 + tone), 0.30 * _MELANIN + 0.35 * _BLOOD),
        (bags * inner * look["bags"] * (face.z > 1.0), (-0.17, -0.27, -0.20)),
        (crease * look["lid_crease"], 1.1 * _SHADE),
        (rim, (-0.22, -0.38, -0.34)),
        (face.cavity, 1.5 * _SHADE),
        (ramp(6.32, 6.12, face.y) * ramp(0.0, 0.5, face.z), 0.9 * _SHADE),  # under the chin
        (noise(rng, SKIN_SIZE, (26, 26), 3) * look["mottling"], 0.07 * _MELANIN),
        (noise(rng, SKIN_SIZE, (150, 150), 2) * look["mottling"], 0.045 * _MELANIN),
        (_freckles(face, rng) * look["freckles"], 1.0 * _MELANIN),
        (_sun_spots(face, rng) * look["sun_spots"] * (1 - tone), 0.75 * _MELANIN),
        (_moles(face, rng, int(look["moles"])), (-0.6, -0.9, -1.0)),
    ]


def _lid_crease(face: Face) -> Floats:
    """Height of the fold above the upper lid."""
    return np.asarray(7.366 - 1.1 * (face.side - 0.30) ** 2, np.float32)


def _lid_span(face: Face) -> Floats:
    return ramp(0.16, 0.22, face.side) * ramp(0.48, 0.42, face.side) * (face.z > 0.9)


def _make_up(face: Face, look: Mapping[str, float]) -> Layers:
    """Blush, eye shadow, liner."""
    upper = ramp(7.285, 7.30, face.y) * (face.z > 1.0)
    shadow = upper * ramp(0.075, 0.02, face.lid) + 0.5 * spot(face, 0.36, 7.385, 0.13, 0.045)
    line = upper * ramp(0.026 + 0.014 * look["liner"], 0.014, face.lid)
    wing = spot(face, 0.475, 7.315, 0.035, 0.012) * max(look["liner"] - 0.6, 0)
    lower = (1 - upper) * ramp(0.022, 0.012, face.lid) * (face.lid < 0.05)
    hue = _EYE_SHADOWS[int(look["shadow_hue"] * 3.999)]
    blush = spot(face, 0.47, 7.00, 0.17, 0.12) * look["blush"] * (1 - 0.5 * look["melanin"])
    return [
        (blush, 0.8 * _BLOOD),
        (np.minimum(shadow, 1), hue * look["eye_shadow"]),
        (np.maximum(line, 2 * wing) * look["liner"], (-2.0, -2.0, -1.9)),
        (lower * look["liner"], (-0.5, -0.55, -0.5)),
    ]


def _colour_lips(logs: Floats, face: Face, look: Mapping[str, float], lip: Floats) -> Floats:
    """Lips: the skin's colour with more blood, mixed towards a lipstick; the line between them."""
    tone = look["melanin"]
    natural = np.array([-0.14, -0.60, -0.42]) * (1 - tone) + np.array([-0.14, -0.30, -0.10]) * tone
    inner = np.exp(-((face.side / 0.16) ** 2) - ((face.y - 6.575) / 0.03) ** 2)
    logs = logs + lip[..., None] * np.asarray(natural - 0.22 * look["lip_dark"], np.float32)
    logs += (lip * inner)[..., None] * np.array([0.10, 0.02 + 0.1 * tone, 0.04], np.float32)
    stick = _LIPSTICKS[int(look["shadow_hue"] * 5.999)] * (1 - 0.35 * tone)
    strength = max(look["lip_tint"] - 0.4, 0.0) / 0.6
    logs = _mix(logs, lip * strength**0.7 * 0.85, stick)
    reach = (face.side < 0.25) & (face.z > 1.2)
    line = np.exp(-(((face.y - MOUTH_LINE) / 0.009) ** 2)) * reach
    corners = spot(face, 0.262, 6.612, 0.022, 0.016)
    dark = (line * 0.45 + corners * 0.5)[..., None] * (0.8, 1.1, 1.1)
    return np.asarray(logs - dark, np.float32)


def _colour_beard(logs: Floats, beard: Beard, person: Person, lip: Floats) -> Floats:
    """Hairs over the shade of those still in the skin; dark hair shows more."""
    hair = np.asarray(person.hair_rgb) * (0.85, 0.80, 0.78) + 0.006
    dark = float(np.clip(np.log(0.45 / hair.mean()) / 3.5, 0, 1))
    bare = 1 - 0.9 * lip
    shade = (beard.ground * bare * dark)[..., None] * (-0.30, -0.24, -0.17)
    logs = np.asarray(logs + shade, np.float32)
    if person.beard > 0:
        logs = _mix(logs, beard.ground * bare * dark * min(0.6, person.beard), hair * 1.3)
        logs = _mix(logs, np.minimum(beard.hairs * bare, 0.88), hair)
        logs += (beard.hairs * bare * (1.5 * beard.tone - 0.55))[..., None]
    return logs


def _freckles(face: Face, rng: np.random.Generator) -> Floats:
    """Dots of two sizes on nose and cheeks, sparser on the forehead."""
    total = np.zeros_like(face.x)
    for share, blur in ((0.006, 0.8), (0.0018, 1.4)):
        dots = (rng.random(face.x.shape) < share).astype(np.float32)
        dots *= rng.uniform(0.4, 1.0, face.x.shape).astype(np.float32)
        total += cv2.GaussianBlur(dots, (0, 0), blur) * (2 * np.pi * blur * blur)
    place = spot(face, 0.26, 7.04, 0.30, 0.15) + 0.35 * spot(face, 0.1, 7.6, 0.45, 0.22)
    return np.asarray(np.minimum(total, 1.2) * place, np.float32)


def _sun_spots(face: Face, rng: np.random.Generator) -> Floats:
    """Blots of age on forehead, temples and cheekbones."""
    blots = ramp(1.55, 2.3, noise(rng, SKIN_SIZE, (70, 70), 2))
    place = spot(face, 0.52, 7.12, 0.22, 0.22) + spot(face, 0.25, 7.68, 0.4, 0.16)
    return np.asarray(blots * np.minimum(place, 1), np.float32)


def _moles(face: Face, rng: np.random.Generator, count: int) -> Floats:
    total = np.zeros_like(face.x)
    for _ in range(count):
        x, y = rng.uniform(-0.5, 0.5), rng.uniform(6.4, 7.7)
        distance = (face.x - x) ** 2 + (face.y - y) ** 2
        size = rng.uniform(0.007, 0.014)
        total += np.exp(-distance / size**2) * (face.z > 0.5) * rng.uniform(0.3, 0.9)
    return np.minimum(total, 1)


def _relief(
    face: Face,
    look: Mapping[str, float],
    lip: Floats,
    beard: Beard | None,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats]:
    """Height (dm), gloss and roughness, f32[512,512] each."""
    pores = noise(rng, SKIN_SIZE, (220, 220), 2)
    oily = np.minimum(
        spot(face, 0.0, 7.60, 0.34, 0.20)
        + spot(face, 0.0, 7.08, 0.07, 0.22)
        + spot(face, 0.0, 6.95, 0.11, 0.08)
        + 0.4 * spot(face, 0.44, 7.10, 0.14, 0.07)
        + 0.7 * spot(face, 0.0, 6.32, 0.12, 0.08),
        1.0,
    )
    coarse = 0.4 + 0.6 * spot(face, 0.2, 7.0, 0.3, 0.2)
    height = 0.0006 * look["pores"] * coarse * pores * (1 - lip)
    across_lips = noise(rng, SKIN_SIZE, (8, 190), 1)
    height += lip * (0.0022 * across_lips)
    height += 0.010 * cv2.GaussianBlur(lip, (0, 0), 2.5)
    height -= (
        0.007
        * np.exp(-(((face.y - _lid_crease(face)) / 0.010) ** 2))
        * (_lid_span(face) * look["lid_crease"])
    )
    gloss = (
        0.20 + 0.26 * oily * look["oil"] + 0.04 * pores * coarse + lip * (0.1 + 0.5 * look["gloss"])
    )
    gloss *= 1 - 0.9 * face.cavity
    roughness = look["roughness"] + 0.08 - 0.12 * oily * look["oil"]
    roughness -= lip * (0.06 + 0.16 * look["gloss"])
    if beard is not None:
        height += 0.004 * beard.hairs
        gloss *= 1 - 0.7 * beard.hairs
    return height.astype(np.float32), gloss.astype(np.float32), roughness.astype(np.float32)


def _scalp(face: Face, line: Hairline, rng: np.random.Generator) -> Floats:
    """Where hair grows on the head: its roots shade the skin."""
    grain = 0.012 * noise(rng, SKIN_SIZE, (64, 64), 1)
    x, y, z = (a.astype(np.float64) for a in (face.x, face.y + grain, face.z))
    return growth(x, y - EYES[1], z - EYES[2], line).astype(np.float32)


def paint_brows(
    albedo: Floats,
    face: Face,
    look: Mapping[str, float],
    hair_colour: npt.NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Draw the brows on the albedo: curved strokes over a soft ground.

    Returns the albedo f32[512,512,3] and how thick the brows are, f32[512,512] in 0..1, smooth.
    """
    scale = 4
    canvas = np.zeros((SKIN_SIZE * scale, SKIN_SIZE * scale), np.uint8)
    for side in (1.0, -1.0):
        for path, weight in strands.brow_strokes(rng, look):
            z = np.interp(
                path[:, 0], (0.1, 0.2, 0.3, 0.4, 0.5, 0.6), (1.49, 1.48, 1.44, 1.40, 1.33, 1.19)
            )
            points = [
                skin_coordinates(side * p[0], p[1], d)
                for p, d in zip(path.astype(float), z, strict=True)
            ]
            pixels = np.round(np.array(points) * SKIN_SIZE * scale * 16).astype(np.int32)
            cv2.polylines(canvas, [pixels], False, int(255 * weight), 4, cv2.LINE_AA, 4)
    hairs = (
        cv2.resize(canvas, (SKIN_SIZE, SKIN_SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
        / 255
    )
    ground = cv2.GaussianBlur(hairs, (0, 0), 3.0)
    cover = np.clip((0.75 * hairs + 0.55 * ground) * (0.45 + 0.5 * look["brow_density"]), 0, 0.92)
    hair_colour = 0.65 * hair_colour + 0.35 * hair_colour.mean() * np.array(
        [1.5, 0.95, 0.6]
    )  # grey looks blue on skin
    colour = (hair_colour * min(0.55, 0.13 / hair_colour.max()) + 0.006).astype(np.float32)
    mixed = np.exp(np.log(albedo) * (1 - cover[..., None]) + np.log(colour) * cover[..., None])
    return np.asarray(mixed, np.float32), np.asarray(ground / ground.max(), np.float32)

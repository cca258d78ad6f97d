"""The skin map, unrolled around the head and painted by position on the base mesh.

It fits every identity, because all of them are shaped from that mesh. Distances are decimetres,
colours linear light; layers of colour are added in log light.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads import strands
from reenact.talking_heads.locks import EYES, Hairline, growth
from reenact.talking_heads.person import Person
from reenact.talking_heads.raster import CLOTH, Floats, Ints, visibility
from reenact.talking_heads.rig import Part
from reenact.talking_heads.strands import noise
from reenact.talking_heads.surfaces import HEAD_AXIS, skin_coordinates

SKIN_SIZE = 512
# Albedo from light to dark skin (linear light), by tone 0..1.
_TONES = np.array([0.0, 0.3, 0.55, 0.8, 1.0])
_SKIN = np.array(
    [
        [0.74, 0.465, 0.365],
        [0.60, 0.345, 0.240],
        [0.41, 0.213, 0.130],
        [0.240, 0.115, 0.066],
        [0.125, 0.060, 0.036],
    ]
)
_LIP_TOP = (
    (0.0, 0.05, 0.10, 0.14, 0.18, 0.21, 0.24, 0.27),
    (6.700, 6.710, 6.706, 6.697, 6.682, 6.664, 6.644, 6.614),
)
_LIP_LOW = (
    (0.0, 0.05, 0.10, 0.15, 0.19, 0.23, 0.27),
    (6.522, 6.524, 6.530, 6.541, 6.556, 6.578, 6.612),
)
_MOUTH_LINE = 6.616


class Face:
    """Where each texel of the skin map lies on the base mesh: x, y, z f32[512,512], dm."""

    def __init__(self, skin: Part) -> None:
        n = SKIN_SIZE
        rest = np.ascontiguousarray(skin.rest, np.float32)
        flat = np.array([skin_coordinates(*p) for p in rest.astype(np.float64)], np.float32)
        radius = np.hypot(rest[:, 0], rest[:, 2] - HEAD_AXIS)
        screen = np.column_stack([flat * n, radius + 1.0]).astype(np.float32)
        across = np.ptp(flat[skin.triangles, 0], axis=1)
        triangles = np.ascontiguousarray(skin.triangles[across < 0.3])
        depth, index = np.empty((n, n), np.float32), np.empty((n, n), np.int32)
        nothing = np.zeros((1, 1), np.float32)
        cloth = np.full(len(triangles), CLOTH, np.uint8)  # drawn from both sides
        visibility(
            triangles,
            cloth,
            screen,
            flat,
            (nothing, nothing),
            False,
            depth,
            index,
        )
        self.x, self.y, self.z = self._positions(triangles, screen, rest, index)
        self.side = np.abs(self.x)

    @staticmethod
    def _positions(
        triangles: Ints, screen: Floats, rest: Floats, index: Ints
    ) -> tuple[Floats, Floats, Floats]:
        """Positions on the triangle seen at each texel; on a plain cylinder where there is none."""
        n = SKIN_SIZE
        v, u = np.mgrid[0:n, 0:n].astype(np.float32) + 0.5
        corners = triangles[np.maximum(index, 0)]
        a, b, c = (screen[corners[..., k], :2] for k in range(3))
        p = np.stack([u, v], -1)
        wa = _cross(b - p, c - p) / _cross(b - a, c - a)
        wb = _cross(c - p, a - p) / _cross(b - a, c - a)
        weights = np.stack([wa, wb, 1 - wa - wb], -1)
        position = np.einsum("vuk,vukc->vuc", weights, rest[corners])
        position[index < 0] = 0
        angle = np.pi * np.linspace(
            -1, 1, n
        )  # unseen texels: behind the head or in the eyes; colour as on a cylinder
        position[..., 0] = np.where(index < 0, np.sin(angle)[None, :], position[..., 0])
        position[..., 1] = np.where(index < 0, 8.15 - 2.85 * (v / n), position[..., 1])
        position[..., 2] = np.where(index < 0, np.cos(angle)[None, :], position[..., 2])
        return position[..., 0], position[..., 1], position[..., 2]


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], np.float32)


def ramp(low: float, high: float, x: npt.NDArray[np.floating[Any]]) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high` (either order)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def spot(face: Face, x: float, y: float, width: float, height: float) -> Floats:
    """A soft spot on both sides of the face, 1 in its middle."""
    return np.asarray(
        np.exp(-(((face.side - x) / width) ** 2) - ((face.y - y) / height) ** 2)
        * ramp(-0.1, 0.5, face.z),
        np.float32,
    )


def lips(face: Face) -> Floats:
    """1 on the lips, soft outline."""
    top = np.interp(face.side, *_LIP_TOP)
    low = np.interp(face.side, *_LIP_LOW)
    inside = np.minimum(top - face.y, face.y - low)
    return ramp(-0.008, 0.012, inside) * (face.side < 0.275) * (face.z > 1.2)


def paint_skin(
    face: Face, look: Mapping[str, float], person: Person, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Albedo f32[512,512,3] without brows, and the lip mask f32[512,512]. Painted in log light."""
    tone = look["melanin"]
    base = np.array([np.interp(tone, _TONES, np.log(_SKIN[:, c])) for c in range(3)])
    base += look["warmth"] * np.array([0.02, 0.01, -0.08]) + look["redness"] * np.array(
        [0.0, -0.06, -0.03]
    )
    layers: list[tuple[Floats, Sequence[float]]] = []
    light = 1.0 - 0.6 * tone
    cheeks = spot(face, 0.46, 6.98, 0.20, 0.15)
    layers.append((cheeks * (0.25 + 0.75 * look["blush"]) * light, (-0.01, -0.22, -0.15)))
    layers.append(
        (
            spot(face, 0.0, 6.95, 0.13, 0.12) * light * (0.2 + 0.8 * look["nose_red"]),
            (0.0, -0.12, -0.09),
        )
    )
    layers.append(
        (spot(face, 0.85, 7.1, 0.14, 0.3) * ramp(0.6, 0.2, face.z) * light, (0.0, -0.18, -0.12))
    )
    layers.append((spot(face, 0.31, 7.31, 0.18, 0.09), (-0.10, -0.16, -0.15)))
    layers.append(
        (spot(face, 0.30, 7.155, 0.14, 0.035), tuple(-look["bags"] * np.array([0.16, 0.24, 0.20])))
    )
    shadow = (
        np.array([[-0.5, -0.9, -0.8], [-0.7, -0.8, -0.5]])[int(look["shadow_hue"] > 0.5)]
        * look["eye_shadow"]
        * 0.6
    )
    layers.append((spot(face, 0.32, 7.345, 0.15, 0.055), tuple(shadow)))
    layers.append((_wrinkles(face) * look["wrinkles"], (-0.22, -0.30, -0.30)))
    layers.append((_mottling(rng, 24) * look["mottling"], (0.008, 0.035, 0.035)))
    layers.append((_mottling(rng, 90) * look["mottling"], (0.014, 0.018, 0.020)))
    layers.append((_freckles(face, rng) * look["freckles"], (-0.25, -0.5, -0.65)))
    layers.append((_moles(face, rng, int(look["moles"])), (-0.6, -0.9, -1.0)))
    log_albedo = np.broadcast_to(base, (*face.x.shape, 3)).astype(np.float32)
    for mask, colour in layers:
        log_albedo += mask[..., None] * np.asarray(colour, np.float32)
    lip = lips(face)
    log_albedo += lip[..., None] * _lip_tint(look, tone)
    line = np.exp(-(((face.y - _MOUTH_LINE) / 0.008) ** 2)) * (face.side < 0.25) * (face.z > 1.2)
    log_albedo -= line[..., None] * np.float32(0.35)
    hairy = _beard(face, rng) * (1 - lip) * person.beard + _scalp(face, person.hairline, rng) * (
        0.75 if person.hair != "none" else 0.25
    )
    stubble = np.log(np.clip(np.asarray(person.hair_rgb) * 0.8 + 0.008, 0.004, 0.5)).astype(
        np.float32
    )
    hairy = np.clip(hairy, 0, 0.88)[..., None]
    return np.exp(log_albedo * (1 - hairy) + stubble * hairy), lip


def _lip_tint(look: Mapping[str, float], tone: float) -> Floats:
    """Offset of the lips from the skin, log light: natural, towards a lipstick."""
    natural = np.array([-0.12, -0.50, -0.36]) * (1 - tone) + np.array([0.02, -0.22, -0.12]) * tone
    rose, red, plum = (
        np.array([0.0, -0.75, -0.35]),
        np.array([0.05, -1.5, -1.2]),
        np.array([-0.35, -1.1, -0.6]),
    )
    stick = (rose, red, plum)[int(look["shadow_hue"] * 2.999)]
    strength = 0.8 * max(look["lip_tint"] - 0.2, 0.0)
    return np.asarray(natural + (stick - natural) * strength - 0.25 * look["lip_dark"], np.float32)


def _mottling(rng: np.random.Generator, cells: int) -> Floats:
    return noise(rng, SKIN_SIZE, (cells, cells), 2)


def _freckles(face: Face, rng: np.random.Generator) -> Floats:
    dots = cv2.GaussianBlur((rng.random(face.x.shape) > 0.992).astype(np.float32), (0, 0), 1.2)
    place = spot(face, 0.30, 7.05, 0.32, 0.17)
    return np.asarray(dots / dots.max() * place, np.float32)


def _moles(face: Face, rng: np.random.Generator, count: int) -> Floats:
    total = np.zeros_like(face.x)
    for _ in range(count):
        x, y = rng.uniform(-0.5, 0.5), rng.uniform(6.4, 7.7)
        distance = (face.x - x) ** 2 + (face.y - y) ** 2
        total += np.exp(-distance / 0.011**2) * (face.z > 0.5) * rng.uniform(0.3, 0.9)
    return np.minimum(total, 1)


def _wrinkles(face: Face) -> Floats:
    """Fine lines of age: forehead, beside the eyes, from nose to mouth."""
    waves = 0.012 * np.sin(face.x * 9)
    forehead = sum(np.exp(-(((face.y - y - waves) / 0.010) ** 2)) for y in (7.60, 7.67, 7.74))
    fold_x = np.interp(face.y, (6.58, 6.72, 6.88), (0.33, 0.27, 0.19))
    fold = (
        np.exp(-(((face.side - fold_x) / 0.014) ** 2))
        * ramp(6.54, 6.64, face.y)
        * ramp(6.92, 6.84, face.y)
    )
    angle = np.arctan2(face.y - 7.28, face.side - 0.40)
    crow = np.cos(angle * 12) ** 6 * spot(face, 0.56, 7.27, 0.06, 0.08) * (np.abs(angle) < 0.8)
    total = forehead * (face.side < 0.4) * 0.5 + fold * 0.9 + crow * 0.6
    return np.asarray(total * (face.z > 0.6), np.float32)


def _beard(face: Face, rng: np.random.Generator) -> Floats:
    """Where a beard grows, with the grain of its hairs."""
    cheek_line = np.interp(face.side, (0.0, 0.25, 0.45, 0.62, 0.72), (6.60, 6.66, 6.74, 6.98, 7.15))
    jaw = (
        ramp(0.03, -0.07, face.y - cheek_line) * ramp(6.02, 6.18, face.y) * ramp(0.05, 0.4, face.z)
    )
    gap = np.exp(-(((face.side / 0.27) ** 2 + ((face.y - 6.615) / 0.115) ** 2) ** 3))
    moustache_low = np.interp(face.side, *_LIP_TOP) - 0.005
    moustache = ramp(0.0, 0.02, face.y - moustache_low) * ramp(
        6.815, 6.775, face.y + 0.25 * np.maximum(face.side - 0.1, 0)
    )
    moustache *= ramp(0.33, 0.27, face.side) * (face.z > 1.2)
    grain = np.clip(0.85 + 0.12 * noise(rng, SKIN_SIZE, (128, 128), 2), 0.4, 1.2)
    return np.asarray(np.maximum(jaw * (1 - gap), moustache) * grain, np.float32)


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

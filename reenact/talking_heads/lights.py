"""Lamps: how people in front of webcams are lit, from an overcast window to a streamer's neon."""

import colorsys
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.surfaces import Light

Vector = npt.NDArray[np.float64]
Range = tuple[float, float]


@dataclass(frozen=True)
class _Kind:
    """Ranges from which one kind of lighting is drawn; strengths are linear light, any unit."""

    odds: float
    azimuth: Range  # rad, key lamp from the front to the side
    elevation: Range  # rad above the eyes
    key: Range
    kelvin: Range  # colour temperature of the key
    fill: Range
    rim: Range
    room: Range  # light from everywhere
    room_kelvin: Range
    above: Range  # how much of the room's light comes from the ceiling
    face: Range  # brightness of the face in the picture, 1 = well exposed
    behind: Range  # light on the background beside that on the face
    coloured: bool = False  # key and fill have strong colours of their own
    penumbra: Range = (1.0, 2.5)  # softness of the key's shadow, see Light


_KINDS = {
    "soft": _Kind(
        0.17, (0.1, 0.9), (0.3, 0.9), (0.3, 0.8), (4500, 7000), (0.05, 0.3), (0.0, 0.3),
        (0.5, 0.8), (4000, 7000), (0.1, 0.35), (0.9, 1.2), (0.5, 1.1), penumbra=(2.0, 3.5),
    ),
    "window": _Kind(
        0.18, (0.6, 1.35), (0.05, 0.6), (1.1, 1.9), (5500, 7500), (0.0, 0.15), (0.0, 0.3),
        (0.22, 0.45), (4400, 6500), (0.0, 0.2), (0.8, 1.15), (0.25, 0.8), penumbra=(1.3, 3.5),
    ),
    "ceiling": _Kind(
        0.14, (0.0, 1.0), (0.75, 1.2), (0.7, 1.3), (3700, 5500), (0.0, 0.2), (0.0, 0.5),
        (0.35, 0.55), (3700, 5500), (0.3, 0.55), (0.8, 1.1), (0.5, 1.0), penumbra=(1.5, 3.0),
    ),
    "studio": _Kind(
        0.11, (0.3, 0.9), (0.35, 0.75), (1.0, 1.3), (4800, 6000), (0.15, 0.5), (0.3, 1.4),
        (0.3, 0.5), (4800, 6000), (0.1, 0.3), (0.95, 1.2), (0.15, 1.0),
    ),
    "warm": _Kind(
        0.09, (0.3, 1.2), (0.1, 0.6), (0.8, 1.3), (3000, 3700), (0.0, 0.25), (0.0, 0.5),
        (0.3, 0.5), (3000, 4000), (0.1, 0.3), (0.75, 1.1), (0.3, 0.8),
    ),
    "screen": _Kind(
        0.08, (0.0, 0.4), (-0.5, 0.0), (0.7, 1.1), (6500, 9500), (0.0, 0.2), (0.0, 0.5),
        (0.15, 0.3), (3600, 6500), (0.0, 0.2), (0.5, 0.95), (0.06, 0.35), penumbra=(2.0, 3.5),
    ),
    "golden": _Kind(
        0.06, (0.5, 1.25), (0.08, 0.4), (1.4, 2.2), (3100, 4200), (0.0, 0.1), (0.0, 1.0),
        (0.35, 0.55), (5000, 6600), (0.1, 0.3), (0.85, 1.15), (0.5, 1.0), penumbra=(1.0, 1.3),
    ),
    "neon": _Kind(
        0.05, (0.5, 1.2), (0.0, 0.5), (0.7, 1.2), (5000, 6500), (0.4, 0.9), (0.0, 1.0),
        (0.2, 0.4), (4000, 7000), (0.0, 0.2), (0.6, 1.0), (0.1, 0.4), True,
    ),
    "rim": _Kind(
        0.05, (0.2, 1.0), (0.2, 0.7), (0.1, 0.4), (5000, 7000), (0.0, 0.15), (1.2, 2.5),
        (0.45, 0.6), (4500, 7000), (0.1, 0.3), (0.5, 0.85), (1.3, 2.6),
    ),
    "low_key": _Kind(
        0.04, (0.8, 1.4), (0.1, 0.6), (1.3, 1.8), (4000, 6000), (0.0, 0.08), (0.0, 1.2),
        (0.1, 0.2), (4000, 6000), (0.0, 0.2), (0.55, 0.9), (0.03, 0.15),
    ),
    "high_key": _Kind(
        0.02, (0.0, 0.4), (0.1, 0.5), (0.6, 1.0), (5200, 6500), (0.3, 0.6), (0.2, 0.8),
        (0.7, 0.9), (5200, 6500), (0.1, 0.2), (1.25, 1.7), (1.2, 2.2), penumbra=(2.0, 3.5),
    ),
    "night": _Kind(
        0.01, (0.2, 1.1), (0.1, 0.8), (0.6, 1.0), (3000, 4500), (0.0, 0.2), (0.0, 0.8),
        (0.15, 0.3), (3000, 7000), (0.1, 0.4), (0.4, 0.8), (0.05, 0.3),
    ),
}  # fmt: skip
LIGHTS = tuple(_KINDS)
LIGHT_ODDS = tuple(kind.odds for kind in _KINDS.values())

_WAVELENGTHS = np.array([660.0, 550.0, 441.0])  # nm; 2700 K then is sRGB's 1 : 0.39 : 0.10
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Lighting:
    """Lamps on the person, and the light that falls on what is behind."""

    light: Light
    behind: Vector  # [3] linear light on the background, times the exposure
    side: float  # > 0: the key lamp is on the right of the picture


def black_body(kelvin: float) -> Vector:
    """Colour [3] of light of a temperature beside daylight (6500 K), luminance 1: Planck's law."""
    second = 1.4388e7 / _WAVELENGTHS  # nm K
    colour = np.expm1(second / 6500.0) / np.expm1(second / kelvin)
    return np.asarray(colour / (colour @ _LUMINANCE))


def draw_light(name: str, rng: np.random.Generator) -> Lighting:
    """Draw the lamps of a kind, one of LIGHTS."""
    kind = _KINDS[name]
    side = float(rng.choice([-1.0, 1.0]))
    azimuth = rng.uniform(*kind.azimuth)
    directions = np.stack(
        [
            _direction(side * azimuth, rng.uniform(*kind.elevation)),
            _direction(-side * rng.uniform(0.5, 1.3), rng.uniform(-0.1, 0.5)),
            _direction(rng.choice([-1.0, 1.0]) * rng.uniform(2.1, 2.8), rng.uniform(0.2, 0.8)),
        ]
    )
    tint, other = black_body(rng.uniform(*kind.kelvin)), black_body(rng.uniform(*kind.room_kelvin))
    third = black_body(rng.uniform(3300, 7500))
    if kind.coloured:
        tint, third = _two_colours(rng)
    colours = np.stack(
        [
            tint * rng.uniform(*kind.key),
            (third if kind.coloured else other) * rng.uniform(*kind.fill),
            third * rng.uniform(*kind.rim),
        ]
    )
    harmonics = _room_light(other * rng.uniform(*kind.room), rng.uniform(*kind.above), rng)
    harmonics[3] += side * 0.12 * colours[0] * np.sin(azimuth)  # walls beside the key throw back
    received = _on_a_face(directions, colours, harmonics)
    adapted = rng.uniform(0.0, 0.25) if kind.coloured else rng.uniform(0.5, 0.95)
    level = float(received.mean())
    balance = (received / level) ** -adapted * np.exp(rng.normal(0, 0.025, 3))
    balance /= (balance * received).mean() / level
    # balanced here rather than in the exposure, or shade would saturate unbalanced colours
    colours, harmonics = colours * balance, harmonics * balance
    exposure = np.full(3, rng.uniform(*kind.face) / level)
    arrays = (directions, colours, harmonics, exposure)
    wall = harmonics[0] + 0.35 * (third * balance if kind.coloured else colours[0])
    wall = wall / (wall @ _LUMINANCE) * level * rng.uniform(*kind.behind)
    made = (np.ascontiguousarray(a, np.float32) for a in arrays)
    towards, lamps, room, exposed = made
    light = Light(towards, lamps, room, exposed, float(rng.uniform(*kind.penumbra)))
    return Lighting(light, wall * exposure, side)


def _two_colours(rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Lamps of two clearly different hues, with some white in them as skin would show."""
    hue = float(rng.uniform())
    hues = (hue, (hue + float(rng.uniform(0.25, 0.75))) % 1.0)
    pair = [
        0.15 + 1.0 * np.array(colorsys.hsv_to_rgb(h, float(rng.uniform(0.6, 1.0)), 1.0))
        for h in hues
    ]
    return np.asarray(pair[0] / pair[0].mean()), np.asarray(pair[1] / pair[1].mean())


def _direction(azimuth: float, elevation: float) -> Vector:
    flat = np.cos(elevation)
    return np.array([np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat])


def _room_light(level: Vector, above: float, rng: np.random.Generator) -> Vector:
    """Nine harmonics [9,3] in the order of optics.ambient: even, more from above, a bit uneven."""
    harmonics = np.zeros((9, 3))
    harmonics[0] = level
    harmonics[1] = level * above
    harmonics[2] = level * rng.uniform(0.05, 0.25)
    harmonics[3] = level * rng.normal(0, 0.12)
    harmonics[4:] = level * rng.normal(0, 0.04, (5, 1))
    return harmonics


def _on_a_face(directions: Vector, colours: Vector, harmonics: Vector) -> Vector:
    """Mean light [3] on the front of a face: what exposure and white balance measure."""
    normals = np.array([(0, 0, 1), (0.6, 0, 0.8), (-0.6, 0, 0.8), (0, 0.5, 0.86), (0, -0.4, 0.92)])
    lamps = np.maximum((normals @ directions.T + 0.2) / 1.2, 0)
    x, y, z = normals.T[..., None]
    room = harmonics[0] + harmonics[1] * y + harmonics[2] * z + harmonics[3] * x
    return np.asarray((lamps @ colours + room).mean(0))

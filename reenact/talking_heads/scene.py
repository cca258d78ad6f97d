"""What is around a person: camera window, lamps, background."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.raster import SAMPLES, Floats
from reenact.talking_heads.rig import Posed
from reenact.talking_heads.surfaces import Light

LIGHTS = ("soft", "window", "studio", "warm", "night")
BACKGROUNDS = ("plain", "gradient", "room")
SHADOW_SIZE = 256

_FIELD_OF_VIEW = 0.32  # rad; a portrait lens
_SHADOW_HALF = 1.6  # dm around the head that the shadow map covers
_LIGHT_ODDS = (0.36, 0.26, 0.18, 0.12, 0.08)
_BACKGROUND_ODDS = (0.25, 0.35, 0.40)

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """A fixed camera: matrix f32[3,4] maps positions (dm) to (x w, y w, w), in pixels, y down."""

    matrix: Floats
    position: Floats  # [3] dm
    pixels_per_dm: float

    def project(self, points: Floats) -> Floats:
        """Pixels f32[N,2] of points f32[N,3]."""
        image = points @ self.matrix[:, :3].T + self.matrix[:, 3]
        return np.asarray(image[:, :2] / image[:, 2:], np.float32)

    def screen(self, positions: Floats) -> Floats:
        """(x, y in samples, 1/w) f32[V,3] for the rasteriser."""
        image = positions @ self.matrix[:, :3].T + self.matrix[:, 3]
        inverse = 1 / image[:, 2:]
        return np.concatenate([image[:, :2] * inverse * SAMPLES, inverse], 1).astype(np.float32)


@dataclass(frozen=True)
class Scene:
    """Lamps and background (f32[s,s,3], display values 0..1)."""

    light: Light
    background: Floats


def window_camera(
    neutral: Posed, size: int, zoom: float = 1.0, shift: tuple[float, float] = (0, 0)
) -> Camera:
    """The camera whose picture is FFHQ's window around a neutral face.

    As Karras et al. 2019 without the roll: centre = middle of the eyes + 0.1 eye-to-mouth, half
    side = max(2.0 eye distance, 1.8 eye-to-mouth), measured in the image.
    zoom > 1 widens the window; shift moves it by (right, down) half sides.
    """
    middle = 0.5 * (neutral.eye_left + neutral.eye_right).astype(np.float64)
    distance = 1.9 / np.tan(_FIELD_OF_VIEW / 2)
    position = middle + np.array([0.0, -0.15, distance])

    def plane(point: Floats) -> Vector:
        offset = point - position
        return np.asarray([offset[0] / -offset[2], -offset[1] / -offset[2]])

    left, right, mouth = plane(neutral.eye_left), plane(neutral.eye_right), plane(neutral.mouth)
    eyes = 0.5 * (left + right)
    down = mouth - eyes
    half = max(2.0 * float(np.linalg.norm(left - right)), 1.8 * float(np.linalg.norm(down))) * zoom
    centre = eyes + 0.1 * down + np.asarray(shift) * half
    focal = size / (2 * half)
    rows = np.array([[focal, 0, 0], [0, -focal, 0], [0, 0, -1.0]])
    rows[:2] += np.outer(size / 2 - focal * centre, [0, 0, -1.0])
    matrix = np.column_stack([rows, -rows @ position]).astype(np.float32)
    return Camera(matrix, position.astype(np.float32), float(focal / distance))


def shadow_matrix(light: Light, head: Floats) -> Floats:
    """f32[3,4]: position -> x, y in texels and a depth near 10 that grows towards the key lamp."""
    towards = light.directions[0].astype(np.float64)
    across = np.cross([0.0, 1.0, 0.01], towards)
    across /= np.linalg.norm(across)
    rows = np.stack([across, np.cross(towards, across), towards])
    scale = SHADOW_SIZE / (2 * _SHADOW_HALF)
    rows[:2] *= scale
    rows[1] *= -1  # keeps front faces turning the same way as in the picture
    offset = np.array([SHADOW_SIZE / 2, SHADOW_SIZE / 2, 10.0]) - rows @ head
    return np.column_stack([rows, offset]).astype(np.float32)


def make_scene(seed: int, size: int, wish: Mapping[str, Any] | None = None) -> Scene:
    """Draw lamps and background for size x size pixels.

    wish may name a "light" (one of LIGHTS) and a "background" (one of BACKGROUNDS); UserError if
    there is no such thing.
    """
    wish = wish or {}
    rng = np.random.default_rng([seed, 9])
    light = str(rng.choice(LIGHTS, p=_LIGHT_ODDS))
    background = str(rng.choice(BACKGROUNDS, p=_BACKGROUND_ODDS))
    light, background = wish.get("light", light), wish.get("background", background)
    for name, known in ((light, LIGHTS), (background, BACKGROUNDS)):
        if name not in known:
            raise UserError(
                f"'{name}' is no light or background here; choose one of {', '.join(known)}."
            )
    return Scene(
        _light(light, np.random.default_rng([seed, 10])), _background(background, rng, size)
    )


def _colour(warmth: float) -> Vector:
    """White light made warmer (> 0) or cooler (< 0)."""
    return np.array([1 + 0.35 * warmth, 1 + 0.02 * warmth, 1 - 0.4 * warmth])


def _direction(azimuth: float, elevation: float) -> Vector:
    flat = np.cos(elevation)
    return np.array([np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat])


def _light(kind: str, rng: np.random.Generator) -> Light:
    """Lamps of a kind; the key always comes from above and in front enough to light both eyes."""
    index = LIGHTS.index(kind)
    key_strength = (0.75, 1.25, 1.15, 1.05, 0.95)[index]
    room = (0.60, 0.40, 0.42, 0.42, 0.32)[index]
    warmth = (0.0, -0.15, 0.0, 0.55, rng.choice([-0.6, 0.5]))[index] + rng.normal(0, 0.12)
    side = rng.choice([-1.0, 1.0])
    azimuth = side * rng.uniform(0.15, 1.0)
    elevation = rng.uniform(0.25, 0.85)
    directions = np.stack(
        [
            _direction(azimuth, elevation),
            _direction(-side * rng.uniform(0.5, 1.3), rng.uniform(-0.1, 0.5)),
            _direction(rng.choice([-1.0, 1.0]) * rng.uniform(2.1, 2.8), rng.uniform(0.2, 0.8)),
        ]
    )
    colours = np.stack(
        [
            _colour(warmth) * key_strength,
            _colour(rng.normal(0, 0.25)) * rng.uniform(0.10, 0.40),
            _colour(rng.normal(0, 0.3)) * (rng.uniform(0.3, 1.3) if rng.random() < 0.5 else 0.1),
        ]
    )
    harmonics = np.zeros((9, 3))
    harmonics[0] = _colour(rng.normal(0, 0.15)) * room * rng.uniform(0.9, 1.15)
    harmonics[1] = harmonics[0] * rng.uniform(0.12, 0.35)
    harmonics[2] = harmonics[0] * rng.uniform(0.05, 0.25)
    harmonics[3] = harmonics[0] * rng.normal(0, 0.12)
    harmonics[4:] = harmonics[0] * rng.normal(0, 0.04, (5, 1))
    exposure = rng.uniform(0.95, 1.2) / _brightness(directions, colours, harmonics)
    balance = np.exp(rng.normal(0, 0.025, 3)) * exposure
    arrays = (directions, colours, harmonics, balance)
    return Light(*(np.ascontiguousarray(a, np.float32) for a in arrays))


def _brightness(directions: Vector, colours: Vector, harmonics: Vector) -> float:
    """Mean light on the front of a face: what an automatic exposure would measure."""
    total = 0.0
    for normal in ((0, 0, 1), (0.6, 0, 0.8), (-0.6, 0, 0.8), (0, 0.5, 0.86), (0, -0.4, 0.92)):
        lamps = np.maximum((directions @ np.array(normal) + 0.2) / 1.2, 0)
        x, y, z = normal
        room = harmonics[0] + harmonics[1] * y + harmonics[2] * z + harmonics[3] * x
        total += float((lamps @ colours + room).mean()) / 5
    return total


def _background(kind: str, rng: np.random.Generator, size: int) -> Floats:
    """One soft colour, a gradient of two, or the blurred shapes of a room."""
    base = float(rng.uniform(0.15, 0.85))
    first, second = (
        np.clip(base * rng.uniform(0.7, 1.3) * np.exp(rng.normal(0, 0.07, 3)), 0.04, 0.95)
        for _ in range(2)
    )
    if kind == "plain":
        return np.ascontiguousarray(np.broadcast_to(first, (size, size, 3)), np.float32)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    blend = np.clip(0.5 + x * np.cos(angle) + y * np.sin(angle), 0, 1)[..., None]
    picture = (first * (1 - blend) + second * blend).astype(np.float32)
    return _room(picture, rng) if kind == "room" else picture


def _room(picture: Floats, rng: np.random.Generator) -> Floats:
    """Furniture, pictures and windows out of focus: upright blurred boxes, some brighter."""
    size = picture.shape[0]
    mean = picture.mean((0, 1))
    for _ in range(int(rng.integers(4, 12))):
        x, y = rng.uniform(-0.2, 1.0, 2) * size
        width, height = rng.uniform(0.1, 0.5, 2) * size
        colour = np.clip(mean * np.exp(rng.normal(0, 0.3) + rng.normal(0, 0.07, 3)), 0.03, 0.97)
        corner, opposite = (int(x), int(y)), (int(x + width), int(y + height))
        cv2.rectangle(picture, corner, opposite, [float(c) for c in colour], -1)
    return np.asarray(
        cv2.GaussianBlur(picture, (0, 0), size * float(rng.uniform(0.015, 0.05))), np.float32
    )

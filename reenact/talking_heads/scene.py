"""What is around a person: camera window, lamps, background."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.lights import LIGHT_ODDS, LIGHTS, draw_light
from reenact.talking_heads.optics import tone
from reenact.talking_heads.raster import SAMPLES, Floats, compiled
from reenact.talking_heads.rig import Posed
from reenact.talking_heads.rooms import BACKGROUND_ODDS, BACKGROUNDS, paint_background
from reenact.talking_heads.surfaces import Light

SHADOW_SIZE = 256

_FIELD_OF_VIEW = 0.32  # rad; a portrait lens
_SHADOW_HALF = 1.6  # dm around the head that the shadow map covers
_DAYLIGHT = ("soft", "window", "golden", "rim", "high_key", "studio", "ceiling")

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
    """Lamps and background (f32[s,s,3], display values 0..1), and the kinds they are of."""

    light: Light
    background: Floats
    light_kind: str
    background_kind: str


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
    light = str(wish.get("light", rng.choice(LIGHTS, p=LIGHT_ODDS)))
    if light not in LIGHTS:
        raise UserError(f"'{light}' is no light here; choose one of {', '.join(LIGHTS)}.")
    background = str(wish.get("background", _place(light, rng)))
    if background not in BACKGROUNDS:
        raise UserError(
            f"'{background}' is no background here; choose one of {', '.join(BACKGROUNDS)}."
        )
    lamps = draw_light(light, np.random.default_rng([seed, 10]))
    picture = paint_background(background, np.random.default_rng([seed, 11]), size, lamps.side)
    _expose(picture, lamps.behind.astype(np.float32))
    return Scene(lamps.light, picture, light, background)


def _place(light: str, rng: np.random.Generator) -> str:
    """A background where such a light is to be expected."""
    never = {"bokeh" if light in _DAYLIGHT else "outdoors"}
    odds = np.array(
        [0 if b in never else p for b, p in zip(BACKGROUNDS, BACKGROUND_ODDS, strict=True)]
    )
    return str(rng.choice(BACKGROUNDS, p=odds / odds.sum()))


@compiled
def _expose(picture: Floats, light: Floats) -> None:
    """Reflectances under a light f32[3] become display values in [0, 1], in place."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            for c in range(3):
                picture[y, x, c] = min(tone(max(picture[y, x, c], 0.0) * light[c]), 1.0)

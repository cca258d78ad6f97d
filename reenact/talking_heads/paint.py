"""What skin, eyes, hair and clothes are coloured with: painted from numbers, no picture files."""

from collections.abc import Mapping, Sequence

import numpy as np

from reenact.talking_heads import strands
from reenact.talking_heads.person import Person
from reenact.talking_heads.raster import Floats
from reenact.talking_heads.rig import Part
from reenact.talking_heads.skin import Face, paint_brows, paint_skin, ramp, spot
from reenact.talking_heads.surfaces import IRIS_SPAN, LABELS, Paint

_IRIS_SIZE = 128
_IRIS_RADIUS = 0.46  # of the eyeball


def paint_person(person: Person, parts: Sequence[Part], face: Face) -> Paint:
    """All colours of a person; `parts` are his rig's, `face` comes from the same skin mesh."""
    look = full_look(person)
    rng = np.random.default_rng([person.seed, 7])
    by_name = {part.name: part for part in parts}
    hair_colour = np.array(person.hair_rgb) * (1.0, 0.92, 0.93)  # or blond looks green
    albedo, lip = paint_skin(face, look, person, rng)
    albedo, brow = paint_brows(albedo, face, look, hair_colour, rng)
    gloss = 0.42 + 0.30 * spot(face, 0.0, 7.0, 0.30, 0.5) + lip * 0.4 * look["gloss"]
    marks = np.full(lip.shape, LABELS["skin"], np.uint8)
    marks[brow > 0.35] = LABELS["brow"]
    marks[lip > 0.5] = LABELS["mouth"]
    frame = person.glasses.rgb if person.glasses else (0.0, 0.0, 0.0)
    return Paint(
        skin=np.ascontiguousarray(np.dstack([albedo, gloss]), np.float32),
        marks=marks,
        iris=iris_map(person.eye_rgb, person.seed, look["eye_white"]),
        lash=strands.lash_map(person.seed, look["lashes"]),
        hair=strands.lock_map(person.seed, hair_colour, person.dye),
        hair_lean=0.8 + 1.2 * (person.haircut.coil if person.haircut else 0.0),
        lash_colour=np.asarray(0.25 * hair_colour * (1 - look["lashes"]) + 0.006, np.float32),
        tooth=np.asarray(np.array([0.80, 0.76, 0.68]) * look["teeth_white"], np.float32),
        tongue=np.array([0.46, 0.17, 0.15], np.float32),
        cloth=_cloth(look, rng),
        stripes=float(rng.uniform(1.5, 4.0)) if rng.random() < 0.25 else 0.0,
        frame=np.asarray(frame, np.float32),
        roughness=look["roughness"],
        eye_radius=_eye_radius(by_name["eyes"].rest),
    )


def full_look(person: Person) -> dict[str, float]:
    """The painter's numbers: the person's, and some that only matter here, drawn from the seed."""
    rng = np.random.default_rng([person.seed, 6])
    female = 1 - person.gender
    drawn = {
        "lashes": 0.25 + 0.45 * female,
        "eye_white": rng.uniform(0.60, 0.72),
        "teeth_white": rng.uniform(0.85, 1.1),
    }
    return {**drawn, **person.look}


def iris_map(colour: Sequence[float], seed: int, white: float) -> Floats:
    """Pupil, iris with its dark ring, white: f32[128,128,3], out to IRIS_SPAN iris radii."""
    rng = np.random.default_rng([seed, 8])
    n = _IRIS_SIZE
    y, x = (np.mgrid[0:n, 0:n].astype(np.float32) + 0.5) / n * 2 * IRIS_SPAN - IRIS_SPAN
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    fibres = (
        sum(
            rng.uniform(0.3, 1) * np.cos(k * angle + rng.uniform(0, 6.3))
            for k in (5, 9, 14, 23, 31)
        )
        * 0.06
    )
    inner = np.exp(-(((radius - 0.45) / 0.2) ** 2))
    shade = (
        (1.0 + fibres + 0.5 * inner)
        * (1 - 0.75 * ramp(0.70, 1.0, radius))
        * (1.0 + 0.25 * (y / IRIS_SPAN))
    )
    warm = np.array([1.25, 1.0, 0.7])
    tint = np.asarray(colour) * (1 + inner[..., None] * (warm - 1) * 0.5)
    iris = np.maximum(tint * 0.62 * shade[..., None], 0.004)
    sclera = np.array([1.0, 0.95, 0.92]) * white
    edge = ramp(0.96, 1.10, radius)[..., None]
    pupil = ramp(0.36, 0.44, radius)[..., None]
    eye = (iris * pupil + 0.003 * (1 - pupil)) * (1 - edge) + sclera * edge
    return np.ascontiguousarray(eye, np.float32)


def eye_centres(rest: Floats) -> Floats:
    """Middles of the left and the right eyeball, f32[2,3], of eye vertices f32[V,3]."""
    sides = (rest[rest[:, 0] > 0], rest[rest[:, 0] <= 0])
    return np.stack([0.5 * (side.min(0) + side.max(0)) for side in sides])


def eye_coordinates(rest: Floats) -> Floats:
    """(x, y) of eye vertices f32[V,3] in iris radii from the middle of their iris.

    The back of the ball is moved outwards, where the map is white.
    """
    offset = rest - eye_centres(rest)[(rest[:, 0] <= 0).astype(int)]
    scale = np.where(offset[:, 2:] > 0, 1, 3) / (_eye_radius(rest) * _IRIS_RADIUS)
    return np.asarray(offset[:, :2] * scale, np.float32)


def _eye_radius(rest: Floats) -> float:
    """Half the height of an eyeball, dm."""
    return float(0.5 * np.ptp(rest[rest[:, 0] > 0, 1]))


def _cloth(look: Mapping[str, float], rng: np.random.Generator) -> Floats:
    """Ground and stripe colours f32[2,3]."""
    ground = np.array([look["cloth_red"], look["cloth_green"], look["cloth_blue"]])
    stripe = ground * np.exp(rng.normal(0, 0.6))
    return np.asarray(np.clip([ground, stripe], 0.01, 0.8), np.float32)

"""What skin, eyes, hair and clothes are coloured with: painted from numbers, no picture files."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from reenact.talking_heads import strands
from reenact.talking_heads.beard import BEARD_STYLES, STYLE_ODDS
from reenact.talking_heads.creases import aged_creases
from reenact.talking_heads.face_map import TEXEL_DOWN, Face, blurred, ramp, slopes
from reenact.talking_heads.folds import crease_maps
from reenact.talking_heads.person import Person
from reenact.talking_heads.raster import SAMPLES, Floats, Ints
from reenact.talking_heads.rig import Part
from reenact.talking_heads.skin import paint_brows, paint_skin
from reenact.talking_heads.surfaces import IRIS_SPAN, LABELS, Light, Paint

_IRIS_SIZE = 192
_IRIS_RADIUS = 0.46  # of the eyeball
_CROWN_TRIANGLES = 200  # a crown has fewer, a gum more
_SHARPNESS = 0.45  # deviation of a pixel's filter in pixels
_METERED = 0.22  # luminance of the skin that an exposure is made for


def paint_person(person: Person, parts: Sequence[Part], face: Face) -> Paint:
    """All colours of a person; `parts` are his rig's, `face` comes from the same skin mesh."""
    look = full_look(person)
    rng = np.random.default_rng([person.seed, 7])
    by_name = {part.name: part for part in parts}
    hair_colour = np.array(person.hair_rgb) * (1.0, 0.92, 0.93)  # or blond looks green
    skin = paint_skin(face, look, person, np.random.default_rng([person.seed, 12]))
    albedo, brow = paint_brows(skin.albedo, face, look, hair_colour, rng)
    marks = np.full(skin.lip.shape, LABELS["skin"], np.uint8)
    marks[brow > 0.35] = LABELS["brow"]
    marks[skin.lip > 0.5] = LABELS["mouth"]
    dim = 1 - 0.3 * look["melanin"]  # or the eyes glow when a dark skin is exposed for
    relief = (skin.gloss, skin.roughness, *slopes(face, skin.height))
    folds, fold = crease_maps(face, np.random.default_rng([person.seed, 13]), look["wrinkles"])
    return Paint(
        skin=np.ascontiguousarray(np.dstack([albedo, *relief]), np.float32),
        marks=marks,
        folds=folds,
        fold=fold,
        creases=aged_creases(look["wrinkles"]),
        crease_gain=0.4 + 0.6 * look["wrinkles"],
        iris=iris_map(
            np.asarray(person.eye_rgb) * dim,
            person.seed,
            look["eye_white"] * dim,
            look["pupil"],
        ),
        lash=strands.lash_map(person.seed, look["lashes"]),
        hair=strands.lock_map(person.seed, hair_colour, person.dye),
        hair_lean=0.8 + 1.2 * (person.haircut.coil if person.haircut else 0.0),
        lash_colour=np.asarray(0.25 * hair_colour * (1 - look["lashes"]) + 0.006, np.float32),
        tooth=np.asarray(np.array([0.64, 0.585, 0.49]) * look["teeth_white"], np.float32),
        gum=np.array([0.42, 0.155, 0.14], np.float32) * np.float32(1 - 0.4 * look["melanin"]),
        tongue=np.array([0.46, 0.17, 0.15], np.float32),
        cloth=_cloth(look, rng),
        stripes=float(rng.uniform(1.5, 4.0)) if rng.random() < 0.25 else 0.0,
        worn=np.hstack([person.outfit.colours, person.outfit.glosses]).astype(np.float32),
        lens=np.asarray(person.glasses.tint if person.glasses else (1, 1, 1), np.float32),
        eye_radius=_eye_radius(by_name["eyes"].rest),
    )


def full_look(person: Person) -> dict[str, float]:
    """The painter's numbers: the person's, and some that only matter here, drawn from the seed."""
    rng = np.random.default_rng([person.seed, 6])
    female = 1 - person.gender
    drawn = {
        "lashes": 0.2 + 0.6 * female,
        "eye_white": rng.uniform(0.48, 0.62),
        "teeth_white": rng.uniform(0.85, 1.1),
        "pupil": rng.uniform(0.30, 0.48),  # of the iris
        "pores": rng.uniform(0.5, 1.3) * (0.8 + 0.4 * person.gender),
        "oil": rng.uniform(0.2, 1.0),
        "lid_crease": rng.uniform(0.5, 1.0) * (1 - 0.75 * person.ethnicity["asian"]),
        "sun_spots": max(0.0, rng.uniform(-0.3, 0.4) + person.age),
        "beard_style": int(rng.choice(len(BEARD_STYLES), p=STYLE_ODDS)) * (person.beard > 0.2),
    }
    return {**drawn, **person.look}


def iris_map(colour: npt.ArrayLike, seed: int, white: float, pupil: float) -> Floats:
    """Pupil, iris, white and its vessels: f32[192,192,3], out to IRIS_SPAN iris radii."""
    rng = np.random.default_rng([seed, 8])
    n = _IRIS_SIZE
    y, x = (np.mgrid[0:n, 0:n].astype(np.float32) + 0.5) / n * 2 * IRIS_SPAN - IRIS_SPAN
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    fibres = sum(
        rng.uniform(0.3, 1) * np.cos(k * angle + rng.uniform(0, 6.3) + 1.5 * radius)
        for k in (5, 9, 14, 23, 31, 41)
    )
    collar = pupil + 0.16 + 0.02 * np.cos(7 * angle + rng.uniform(0, 6.3))
    collarette = np.exp(-(((radius - collar) / 0.06) ** 2))
    inner = ramp(collar + 0.12, collar - 0.05, radius)[..., None]
    ring = 1 - 0.8 * ramp(0.74, 0.97, radius)
    shade = (1.0 + 0.07 * fibres + 0.35 * collarette) * ring
    tint = np.asarray(colour) * (1 + inner * (np.array([1.2, 1.0, 0.7]) - 1) * 0.5)
    iris = np.maximum(tint * 0.48 * shade[..., None], 0.004)
    edge = ramp(0.93, 1.08, radius)[..., None]
    hole = ramp(pupil + 0.02, pupil - 0.05, radius)[..., None]
    eye = (iris * (1 - hole) + 0.003 * hole) * (1 - edge) + _sclera(x, y, rng, white) * edge
    return np.ascontiguousarray(eye, np.float32)


def _sclera(x: Floats, y: Floats, rng: np.random.Generator, white: float) -> Floats:
    """The white f32[192,192,3]: not quite white, pinker to the corners, with fine vessels."""
    corner = ramp(1.15, 2.2, np.abs(x))
    wave = strands.noise(rng, _IRIS_SIZE, (9, 5), 3)
    vessels = np.exp(-((wave / 0.07) ** 2)) * corner * rng.uniform(0.15, 0.6)
    blood = (0.16 * corner + 0.35 * vessels)[..., None] * np.array([0.25, 1.0, 0.9])
    return np.asarray(np.array([1.0, 0.955, 0.92]) * white * np.exp(-blood), np.float32)


def tooth_coordinates(rest: Floats, triangles: Ints) -> Floats:
    """(1 tooth, 0 gum; root to tip in [0, 1]) of teeth vertices f32[V,3], triangles i32[F,3].

    Each crown is a piece of its own; the pieces of gums and palate are larger.
    """
    uv = np.zeros((len(rest), 2), np.float32)
    for piece in strands.islands(triangles, len(rest)):
        members = np.unique(piece)
        y = rest[members, 1]
        upper = y.mean() > np.median(rest[:, 1])
        along = (y.max() - y if upper else y - y.min()) / max(float(np.ptp(y)), 1e-6)
        uv[members, 0] = len(piece) < _CROWN_TRIANGLES
        uv[members, 1] = along
    return uv


def prefiltered(paint: Paint, pixels_per_dm: float) -> Paint:
    """The paint as fine as a picture of this scale can show (eyes: as its samples can).

    Finer maps would sparkle when people move.
    """
    sigma = _SHARPNESS / (TEXEL_DOWN * pixels_per_dm)
    iris_texel = paint.eye_radius * _IRIS_RADIUS * 2 * IRIS_SPAN / _IRIS_SIZE
    iris_sigma = _SHARPNESS / (SAMPLES * iris_texel * pixels_per_dm)
    return paint._replace(
        skin=blurred(paint.skin, sigma),
        folds=blurred(paint.folds, sigma),
        iris=blurred(paint.iris, iris_sigma),
    )


def metered(light: Light, paint: Paint) -> Light:
    """The light with an exposure that a camera would choose for this skin: a part of the way."""
    n = paint.skin.shape[0]
    face = paint.skin[n // 8 : n * 5 // 8, n * 3 // 8 : n * 5 // 8, :3].mean((0, 1))
    share = (_METERED / float(face @ (0.2126, 0.7152, 0.0722))) ** 0.35
    return light._replace(exposure=np.asarray(light.exposure * share, np.float32))


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

"""People drawn from a seed: the shape of a head and its friendly face at rest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reenact.errors import UserError
from reenact.talking_heads.accessories import Outfit
from reenact.talking_heads.formats import Floats
from reenact.talking_heads.glasses import Glasses
from reenact.talking_heads.haircuts import Dye
from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.locks import Haircut, Hairline
from reenact.talking_heads.pack import ETHNICITIES
from reenact.talking_heads.style import STYLE_CHOICES, Rgb, draw_style

Rng = np.random.Generator

FACE_SHAPES = (
    "oval",
    "round",
    "rectangular",
    "square",
    "triangular",
    "invertedtriangular",
    "diamond",
)

# A slider pulls to the first of a pair of targets when positive, to the second when negative.
_OPPOSITES = {
    "incr": "decr",
    "up": "down",
    "in": "out",
    "forward": "backward",
    "convex": "concave",
    "uncompress": "compress",
    "l": "r",
}
# Mean slider values. MakeHuman's neutral looks stern: lift brows and mouth corners, open the eyes.
_FRIENDLY = {
    "eyebrows-trans": 0.10,
    "eyebrows-angle": 0.06,
    "mouth-angles": 0.18,
    "l-eye-scale": 0.14,
    "l-eye-height2": 0.08,
}
_FEMALE = {
    "chin-width": -0.34,
    "chin-bones": -0.32,
    "chin-height": -0.12,
    "chin-prominent": -0.10,
    "nose-scale-horiz": -0.20,
    "nose-scale-vert": -0.20,
    "nose-hump": -0.14,
    "nose-width3": -0.10,
    "mouth-upperlip-volume": 0.26,
    "mouth-lowerlip-volume": 0.20,
    "mouth-scale-horiz": -0.06,
    "neck-scale-horiz": -0.36,
    "neck-scale-depth": -0.15,
    "eyebrows-trans": 0.14,
    "l-eye-scale": 0.26,
    "l-cheek-bones": 0.12,
    "l-cheek-volume": 0.08,
    "head-scale-horiz": -0.06,
    "head-scale-vert": -0.08,
}
_MALE = {
    "chin-width": 0.10,
    "chin-bones": 0.12,
    "chin-prominent": 0.08,
    "neck-scale-horiz": 0.15,
    "eyebrows-trans": -0.06,
    "nose-scale-vert": 0.05,
}
_UNUSED_SLIDERS = ("neck-scale-vert", "neck-trans", "head-age", "asymm")
# Standard deviations of the sliders by the start of their names; the first that matches counts.
_SPREADS = (
    ("asym-eye", 0.10),
    ("asym", 0.13),
    ("head-trans", 0.12),
    ("head-", 0.17),
    ("mouth-scale-depth", 0.10),
    ("mouth-trans-forward", 0.10),
    ("mouth-trans", 0.14),
    ("nose-trans", 0.14),
    ("forehead-trans", 0.14),
    ("eyebrows-angle", 0.12),
    ("eyebrows-trans", 0.12),
    ("l-eye-corner", 0.12),
    ("l-eye-eyefold-angle", 0.12),
    ("l-eye-trans", 0.12),
    ("l-eye", 0.17),
    ("l-cheek-trans", 0.14),
    ("l-ear-trans", 0.08),
    ("l-ear", 0.12),
    ("", 0.20),
)
_SLIDER_LIMIT = 0.75
_UNEVEN = 0.08  # how much the sliders of the two sides differ

# The resting expression: pose unit -> mean (female, male), standard deviation; both sides alike.
_REST = (
    ("InnerBrowUp", 0.10, 0.05, 0.05),
    ("OuterBrowUp", 0.12, 0.08, 0.07),
    ("MouthPullUp", 0.28, 0.25, 0.08),
    ("MouthPullSide", 0.12, 0.09, 0.06),
    ("CheekUp", 0.12, 0.10, 0.06),
    ("UpperLidOpen", 0.10, 0.06, 0.07),
)

WISHES = ("gender", "age", "ethnicity", "muscle", "weight", "sliders", "rest", *STYLE_CHOICES)


@dataclass(frozen=True)
class Person:
    """Someone who does not exist."""

    seed: int
    vertices: Floats  # [K,3] the base mesh in this person's shape, dm
    targets: dict[str, float]  # weights of MakeHuman's targets above 0: `vertices` in other words
    rest: Floats  # [U] pose units of the face at rest
    gender: float  # 0 female .. 1 male
    age: float  # 0 young adult .. 1 very old
    ethnicity: dict[str, float]  # african, asian, caucasian; sum 1
    muscle: float  # 0..1
    weight: float  # 0..1
    hair: str  # a name in haircuts.CUTS or haircuts.SHAVEN
    haircut: Haircut | None
    hairline: Hairline
    dye: Dye
    hair_color: str
    hair_rgb: Rgb  # linear light
    eye_color: str
    eye_rgb: Rgb  # linear light
    brow: str  # a name in brows.BROWS
    lash: str  # names of meshes
    teeth: str
    cloth: str
    glasses: Glasses | None
    outfit: Outfit
    beard: float  # 0 shaven .. 1 full
    look: dict[str, float]  # numbers for the painter, see _look

    @property
    def male(self) -> bool:
        """Whether this is a man."""
        return self.gender > 0.5


def sample_person(data: HeadData, seed: int, wish: Mapping[str, Any] | None = None) -> Person:
    """Draw the person of a seed; the same seed and wish give the same person.

    `wish` fixes single choices, named in WISHES: gender "female"/"male" or 0..1; age, muscle,
    weight, beard 0..1; ethnicity {name: share}; sliders {name: value}; rest {unit: weight}; glasses
    bool, a name in GLASSES or Glasses; look, haircut, hairline, dye {name: number}, the latter
    three fields of the dataclasses Haircut, Hairline, Dye; names for the others. UserError for what
    there is not, which lists what there is.
    """
    asked = dict(wish or {})
    _check(data, asked)
    body, face, style = np.random.default_rng(seed).spawn(3)
    traits = _traits(body, asked)
    targets = _macro_targets(**{k: traits[k] for k in ("gender", "age", "ethnicity")})
    targets |= _build_targets(**{k: traits[k] for k in ("gender", "age", "muscle", "weight")})
    targets |= _detail_targets(data, face, traits["gender"], asked.get("sliders", {}))
    rest = _resting_face(data, face, traits["gender"], asked.get("rest", {}))
    return Person(
        seed=seed,
        vertices=_shape(data, targets),
        targets={name: weight for name, weight in targets.items() if weight > 0},
        rest=rest,
        **traits,
        **draw_style(style, traits["gender"] > 0.5, traits["age"], traits["ethnicity"], asked),
    )


def _check(data: HeadData, asked: Mapping[str, Any]) -> None:
    """Raise a UserError for a wish, or a name within one, that there is not."""
    known: dict[str, tuple[Any, Iterable[str]]] = {
        "wish": (asked, WISHES),
        "ethnicity": (asked.get("ethnicity", ()), ETHNICITIES),
        "slider": (asked.get("sliders", ()), sliders(data)),
        "pose unit": (asked.get("rest", ()), data.units),
    }
    gender = asked.get("gender", 0)
    if isinstance(gender, str):
        known["gender"] = ([gender], ("female", "male"))
    for kind, (names, valid) in known.items():
        for name in names:
            if name not in valid:
                raise UserError(f"There is no {kind} {name!r}: choose from {', '.join(valid)}.")


def _traits(rng: Rng, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Sex (clearly one), age, ancestry, build: drawn, unless wished."""
    of_sex, of_kin, of_age, of_build = rng.spawn(4)
    gender = float(of_sex.uniform(0.9, 1.0) if of_sex.random() < 0.5 else of_sex.uniform(0.0, 0.06))
    gender = asked.get("gender", gender)
    if isinstance(gender, str):
        gender = float(gender == "male")
    kin = dict(zip(ETHNICITIES, of_kin.dirichlet([0.35] * len(ETHNICITIES)).tolist(), strict=True))
    kin = asked.get("ethnicity", kin)
    total = sum(float(kin.get(name, 0.0)) for name in ETHNICITIES)
    age = float(min(of_age.beta(1.1, 2.8) * 0.9, 0.75))
    mean, deviation = (0.55, 0.2) if gender > 0.5 else (0.36, 0.12)
    muscle = float(np.clip(mean + deviation * of_build.normal(), 0.1, 0.95))
    weight = float(np.clip(0.03 + 0.94 * of_build.beta(2.0, 2.2), 0, 1))
    return {
        "gender": gender,
        "ethnicity": {name: float(kin.get(name, 0.0)) / total for name in ETHNICITIES},
        "age": asked.get("age", age),
        "muscle": asked.get("muscle", muscle),
        "weight": asked.get("weight", weight),
    }


def _macro_targets(gender: float, age: float, ethnicity: dict[str, float]) -> dict[str, float]:
    """Weights of the ancestry targets, e.g. asian-female-young."""
    return {
        f"{name}-{sex}-{time}": share * of_sex * of_time
        for name, share in ethnicity.items()
        for sex, of_sex in (("male", gender), ("female", 1 - gender))
        for time, of_time in (("young", 1 - age), ("old", age))
    }


def _build_targets(gender: float, age: float, muscle: float, weight: float) -> dict[str, float]:
    """Weights of the targets of muscle and fat: linear between min, average and max."""

    def steps(x: float) -> tuple[tuple[str, float], ...]:
        return (
            ("min", max(0.0, 1 - 2 * x)),
            ("average", 1 - abs(2 * x - 1)),
            ("max", max(0.0, 2 * x - 1)),
        )

    return {
        f"universal-{sex}-{time}-{strong}muscle-{heavy}weight": of_sex * of_time * m * w
        for sex, of_sex in (("male", gender), ("female", 1 - gender))
        for time, of_time in (("young", 1 - age), ("old", age))
        for strong, m in steps(muscle)
        for heavy, w in steps(weight)
    }


def sliders(data: HeadData) -> dict[str, tuple[str, str]]:
    """The detail sliders: name -> the targets of its positive and its negative end.

    l- and r- are sides; asym- pulls both sides apart; a form has no negative end: "".
    """
    found = {f"head-{form}": (f"head-{form}", "") for form in FACE_SHAPES}
    for name in sorted(data.targets):
        stem, _, end = name.rpartition("-")
        other = f"{stem}-{_OPPOSITES.get(end, '')}"
        if other in data.targets and not name.startswith(_UNUSED_SLIDERS):
            found[stem] = (name, other)
        elif "-ear-shape-" in name:
            found[name] = (name, "")
    return found


def _detail_targets(
    data: HeadData, rng: Rng, gender: float, asked: Mapping[str, float]
) -> dict[str, float]:
    """Weights of the detail targets: every slider drawn around a friendly mean, slightly uneven."""
    values = _slider_values(sliders(data), rng, gender)
    for name, value in asked.items():
        values[name] = value
        if name.startswith("l-") and "r-" + name[2:] not in asked:
            values["r-" + name[2:]] = value
    weights: dict[str, float] = {}
    for name, (up, down) in sliders(data).items():
        value = float(np.clip(values[name], -_SLIDER_LIMIT, _SLIDER_LIMIT))
        if up if value > 0 else down:
            weights[up if value > 0 else down] = abs(value)
    return weights


def _slider_values(names: Iterable[str], rng: Rng, gender: float) -> dict[str, float]:
    """A value for every slider; a right side follows its left."""
    means = _slider_means(gender)
    spread, pull = rng.uniform(0.6, 1.25), rng.uniform(0.6, 1.2)  # some are more remarkable
    calm = 0.75 if gender < 0.5 else 1.0  # women's faces vary less in what reads as manly
    values: dict[str, float] = {}
    for name in names:
        normal = rng.normal()
        if name.startswith("r-"):
            values[name] = values["l-" + name[2:]] + _UNEVEN * normal
            continue
        deviation = next(value for start, value in _SPREADS if name.startswith(start)) * spread
        if name.startswith(("chin", "head", "nose", "cheek", "neck", "forehead")):
            deviation *= calm
        values[name] = means.get(name, 0.0) * pull + deviation * normal
    form = f"head-{rng.choice(FACE_SHAPES)}"
    for shape in FACE_SHAPES:
        values[f"head-{shape}"] = 0.0
    values[form] = float(rng.uniform(0, 0.5))
    return values


def _slider_means(gender: float) -> dict[str, float]:
    of_sex = _MALE if gender > 0.5 else _FEMALE
    return {
        name: _FRIENDLY.get(name, 0.0) + of_sex.get(name, 0.0) for name in {*_FRIENDLY, *of_sex}
    }


def _shape(data: HeadData, targets: Mapping[str, float]) -> Floats:
    vertices = data.base.copy()
    for name, weight in targets.items():
        if weight > 1e-3 and name in data.targets:
            moved, offsets = data.targets[name]
            vertices[moved] += np.float32(weight) * offsets
    return vertices


def _resting_face(data: HeadData, rng: Rng, gender: float, asked: Mapping[str, float]) -> Floats:
    """The pose units f32[U] of a relaxed, friendly face; both sides nearly alike."""
    rest = np.zeros(len(data.units), np.float32)
    for name, female, male, deviation in _REST:
        value = rng.normal(male if gender > 0.5 else female, deviation)
        for side in ("Left", "Right"):
            unit = f"Mouth{side}{name[5:]}" if name.startswith("Mouth") else f"{side}{name}"
            rest[data.units.index(unit)] = max(0.0, value + rng.normal(0, 0.02))
    for unit, weight in asked.items():
        rest[data.units.index(unit)] = weight
    return rest

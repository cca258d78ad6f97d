"""What a person wears and how they are coloured: hair, eyes, glasses, clothes, make-up."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

import numpy as np

from reenact.errors import UserError
from reenact.talking_heads import haircuts
from reenact.talking_heads.accessories import (
    AUDIO,
    COLLARS,
    EARRINGS,
    HATS,
    Outfit,
    colour_outfit,
    draw_outfit,
)
from reenact.talking_heads.brows import BROWS, brow_form, draw_brow
from reenact.talking_heads.glasses import GLASSES, Glasses, draw_glasses
from reenact.talking_heads.haircuts import CUTS, Dye
from reenact.talking_heads.locks import Haircut, Hairline
from reenact.talking_heads.pack import CLOTHES, LASHES, TEETH

Rgb = tuple[float, float, float]
Rng = np.random.Generator
Numbers = TypeVar("Numbers", Haircut, Hairline, Dye)

# Linear-light reflectances.
HAIR_COLORS: dict[str, Rgb] = {
    "black": (0.012, 0.010, 0.010),
    "dark": (0.030, 0.019, 0.013),
    "brown": (0.075, 0.042, 0.023),
    "light brown": (0.170, 0.100, 0.055),
    "blond": (0.420, 0.290, 0.150),
    "red": (0.230, 0.075, 0.025),
    "grey": (0.300, 0.290, 0.280),
    "white": (0.500, 0.490, 0.470),
}
EYE_COLORS: dict[str, Rgb] = {
    "dark brown": (0.040, 0.020, 0.012),
    "brown": (0.100, 0.045, 0.020),
    "amber": (0.200, 0.100, 0.035),
    "hazel": (0.170, 0.130, 0.055),
    "green": (0.150, 0.200, 0.105),
    "blue": (0.140, 0.250, 0.390),
    "grey": (0.270, 0.310, 0.340),
}

STYLE_CHOICES = (
    *("hair", "hair_color", "eye_color", "brow", "lash", "teeth", "cloth"),
    *("glasses", "beard", "look", "hat", "audio", "earrings", "collar"),
    *("haircut", "hairline", "dye"),
)
_NAMES: dict[str, tuple[str, ...]] = {
    "hair": (*CUTS, *haircuts.SHAVEN),
    "hair_color": tuple(HAIR_COLORS),
    "eye_color": tuple(EYE_COLORS),
    "brow": tuple(BROWS),
    "lash": LASHES,
    "teeth": TEETH,
    "cloth": CLOTHES,
    "hat": HATS,
    "audio": AUDIO,
    "earrings": EARRINGS,
    "collar": COLLARS,
}


def draw_style(
    rng: Rng, male: bool, age: float, ethnicity: Mapping[str, float], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a Person that are not shape; `asked` fixes some (see sample_person).

    Everything is drawn whatever is asked, so that one wish does not change the other choices.
    """
    for kind, names in _NAMES.items():
        if asked.get(kind, names[0]) not in names:
            raise UserError(f"There is no {kind} {asked[kind]!r}: choose from {', '.join(names)}.")
    locks, colours, face, clothes, on_nose, painted, brow, worn = rng.spawn(8)
    style = _draw_hair(locks, male, age, ethnicity, asked)
    style |= {
        "eye_color": _eye_color(colours, ethnicity),
        "brow": draw_brow(brow, male),
        "lash": str(face.choice(LASHES)),
        "teeth": str(face.choice(TEETH)),
        "cloth": str(
            clothes.choice([n for n in CLOTHES if n.startswith("male" if male else "female")])
        ),
        "beard": float(face.choice([0, 0.12, 0.25, 0.5, 0.9], p=[0.35, 0.25, 0.15, 0.13, 0.12])),
    }
    if not male:
        style["beard"] = 0.0
    style |= {name: asked[name] for name in (*_NAMES, "beard") if name in style and name in asked}
    style["eye_rgb"] = _vary(colours, EYE_COLORS[style["eye_color"]], 0.15, 0.06)
    style["glasses"] = _draw_glasses(on_nose, age, asked)
    style["outfit"] = _draw_outfit(worn, male, style["glasses"], asked)
    look = _draw_look(painted, male, age, ethnicity)
    look |= brow_form(brow, style["brow"], male)
    for name in asked.get("look", {}):
        if name not in look:
            raise UserError(f"There is no look {name!r}: choose from {', '.join(look)}.")
    style["look"] = {**look, **asked.get("look", {})}
    return style


def _draw_hair(
    rng: Rng, male: bool, age: float, ethnicity: Mapping[str, float], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Cut, hairline and colours."""
    cut, line, colour, dyed = rng.spawn(4)
    african = ethnicity["african"]
    hairline = haircuts.draw_hairline(line, male, age)
    name, on_top = haircuts.draw_hair(cut, male, african), str(cut.choice(haircuts.BALDING))
    name = asked.get("hair", on_top if hairline.bald else name)
    if "hair" in asked and name not in haircuts.BALDING:
        hairline = replace(hairline, bald=0.0)
    color = asked.get("hair_color", _hair_color(colour, age, ethnicity))
    natural = color not in ("grey", "white")
    if name in haircuts.SHAVEN:  # without long hair over it, a hairline shows how soft it is
        hairline = replace(hairline, soft=0.22)
    own = haircuts.vary(cut, CUTS[name], african) if name in CUTS else None
    return {
        "hair": name,
        "haircut": _adjusted("haircut", own, asked) if own else None,
        "hairline": _adjusted("hairline", hairline, asked),
        "hair_color": color,
        "hair_rgb": _vary(colour, HAIR_COLORS[color], 0.18, 0.05),
        "dye": _adjusted("dye", haircuts.draw_dye(dyed, male, age, natural), asked),
    }


def _adjusted(kind: str, drawn: Numbers, asked: Mapping[str, Any]) -> Numbers:
    """A dataclass of numbers with those that are wished; UserError for a name it has not."""
    known = [field.name for field in fields(drawn)]
    for name in asked.get(kind, {}):
        if name not in known:
            raise UserError(f"There is no {kind} {name!r}: choose from {', '.join(known)}.")
    return replace(drawn, **asked.get(kind, {}))


def _draw_glasses(rng: Rng, age: float, asked: Mapping[str, Any]) -> Glasses | None:
    wears, name = rng.random() < 0.14 + 0.3 * age, str(rng.choice(list(GLASSES)))
    wish = asked.get("glasses", bool(wears))
    if isinstance(wish, str) and wish not in GLASSES:
        raise UserError(f"There is no glasses {wish!r}: choose from {', '.join(GLASSES)}.")
    pair = draw_glasses(rng, GLASSES[wish if isinstance(wish, str) else name])
    return wish if isinstance(wish, Glasses) else pair if wish else None


def _draw_outfit(rng: Rng, male: bool, glasses: Glasses | None, asked: Mapping[str, Any]) -> Outfit:
    drawn = draw_outfit(rng, male)
    colours, glosses = colour_outfit(rng, glasses.rgb if glasses else (0.0, 0.0, 0.0))
    chosen = {name: str(asked.get(name, value)) for name, value in drawn.items()}
    if chosen["hat"] != "none" and "audio" not in asked and chosen["audio"] == "headphones":
        chosen["audio"] = "none"
    return Outfit(**chosen, colours=colours, glosses=glosses)


def _pick(rng: Rng, chances: Mapping[str, float]) -> str:
    weights = np.array(list(chances.values()))
    return str(rng.choice(list(chances), p=weights / weights.sum()))


def _vary(rng: Rng, rgb: Rgb, brightness: float, tint: float) -> Rgb:
    """The colour, a little lighter or darker and a little tinted; both as log deviations."""
    red, green, blue = np.array(rgb) * np.exp(rng.normal(0, brightness) + rng.normal(0, tint, 3))
    return float(red), float(green), float(blue)


def _hair_color(rng: Rng, age: float, ethnicity: Mapping[str, float]) -> str:
    old = rng.random() < 0.55 and age > 0.46
    turned = _pick(rng, {"grey": 0.6, "white": 0.4})
    if old:
        return turned
    if ethnicity["caucasian"] > 0.6:
        shares = (0.08, 0.20, 0.27, 0.17, 0.18, 0.10)
    elif ethnicity["african"] > 0.45:
        shares = (0.60, 0.30, 0.10, 0.0, 0.0, 0.0)
    else:
        shares = (0.36, 0.36, 0.18, 0.05, 0.02, 0.03)
    return _pick(rng, dict(zip(HAIR_COLORS, shares, strict=False)))


def _eye_color(rng: Rng, ethnicity: Mapping[str, float]) -> str:
    light = max(0.0, ethnicity["caucasian"] - 0.35)
    shares = (1.3 - light, 1.2, 0.25, 0.5 * light + 0.05, 0.8 * light, 1.6 * light, 0.8 * light)
    return _pick(rng, dict(zip(EYE_COLORS, shares, strict=True)))


def _draw_look(
    rng: Rng, male: bool, age: float, ethnicity: Mapping[str, float]
) -> dict[str, float]:
    """Numbers for the painter, 0..1 unless said otherwise.

    melanin: 0 palest .. 1 darkest skin; redness, warmth: -1..1; mottling; roughness: of the skin's
    shine; lip_tint, lip_dark, gloss, blush, eye_shadow, shadow_hue, liner: make-up or nature;
    nose_red, bags, freckles, moles (a count), wrinkles; brow_density, brow_... (see brows.py); cloth_red, cloth_green,
    cloth_blue: linear light.
    """
    african, asian = ethnicity["african"], ethnicity["asian"]
    made_up = (not male) and rng.random() < 0.7
    freckled = rng.random() < 0.2 * ethnicity["caucasian"]
    shadowed = made_up and rng.random() < 0.6
    numbers = {
        "melanin": np.clip(0.80 * african + 0.24 * asian + 0.12 + rng.normal(0, 0.07), 0, 1),
        "redness": np.clip(rng.normal(0.1, 0.35) - 0.4 * african - 0.2 * asian, -1, 1),
        "warmth": np.clip(rng.normal(0.1 + 0.3 * asian, 0.3), -1, 1),
        "mottling": rng.uniform(0.2, 1.0),
        "roughness": rng.uniform(0.33, 0.5),
        "lip_tint": rng.uniform(0.45, 1.0) if made_up else rng.uniform(0.1, 0.4),
        "lip_dark": rng.uniform(0.0, 0.6) if made_up else rng.uniform(0.0, 0.3),
        "gloss": rng.uniform(0.1, 0.7) if made_up else rng.uniform(0.0, 0.25),
        "blush": rng.uniform(0.2, 1.0) if made_up else rng.uniform(0.0, 0.5),
        "eye_shadow": rng.uniform(0.2, 1.0) if shadowed else 0.0,
        "shadow_hue": rng.random(),
        "liner": rng.uniform(0.3, 1.0) if made_up else 0.0,
        "nose_red": rng.uniform(0.0, 1.0),
        "bags": rng.uniform(0.0, 0.5) + 0.5 * age,
        "freckles": rng.uniform(0.3, 1.0) if freckled else 0.0,
        "moles": rng.integers(0, 5),
        "wrinkles": np.clip(1.3 * age + rng.normal(0, 0.05), 0, 1),
        "brow_density": rng.uniform(0.6, 1.0) if male else rng.uniform(0.35, 0.75),
    }
    cloth = np.clip(rng.uniform(0.02, 0.7) * np.exp(rng.normal(0, 0.45, 3)), 0.01, 0.9)
    numbers |= dict(zip(("cloth_red", "cloth_green", "cloth_blue"), cloth, strict=True))
    return {name: float(value) for name, value in numbers.items()}

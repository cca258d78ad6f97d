"""Folds of the skin: which of them an expression presses in (where they lie: folds.py).

Age leaves the same folds behind that expressions make, so there is one map for both: how deep a
fold is at a moment is the person's share plus the expression's. The terms are those of the facial
action coding system (Ekman and Friesen 1978): raised brows furrow the forehead, corrugator frowns
stand between the brows, zygomaticus deepens the nasolabial folds, orbicularis oculi the crow's feet.
"""

from collections.abc import Mapping

import numpy as np

from reenact.talking_heads.expressions import UNITS
from reenact.talking_heads.formats import Floats

FOLDS = (
    *("forehead", "frown", "nose", "crow", "under_eye"),
    *("nasolabial", "mouth", "chin", "lips", "neck"),
)
CREASES = tuple(f"{fold}_{side}" for fold in FOLDS for side in ("left", "right"))

# Weights of the units that press a fold in, and how much they do before it shows. "*" is the fold's
# side (Left, Right); "~" the other one.
_PRESSED: Mapping[str, tuple[Mapping[str, float], float]] = {
    "forehead": ({"*OuterBrowUp": 0.75, "*InnerBrowUp": 0.65, "*BrowDown": -0.5}, 0.30),
    "frown": ({"*BrowDown": 0.8, "~BrowDown": 0.35, "*InnerBrowUp": 0.15}, 0.10),
    "nose": ({"NoseWrinkler": 1.0, "*BrowDown": 0.15}, 0.15),
    "crow": ({"*LowerLidUp": 0.7, "Mouth*PullUp": 0.8, "*CheekUp": 0.4}, 0.30),
    "under_eye": (
        {"*LowerLidUp": 0.8, "Mouth*PullUp": 0.4, "*CheekUp": 0.4, "NoseWrinkler": 0.2},
        0.25,
    ),
    "nasolabial": (
        {
            **{"Mouth*PullUp": 0.8, "Mouth*PullSide": 0.3, "*CheekUp": 0.2},
            **{"UpperLipUp": 0.4, "NoseWrinkler": 0.5, "NasolabialDeepener": 0.8},
        },
        0.30,
    ),
    "mouth": ({"Mouth*PullSide": 1.0, "Mouth*PullUp": 0.6, "Mouth*PullDown": 0.5}, 0.30),
    "chin": ({"lowerLipUp": 1.1, "Mouth*PullDown": 0.3}, 0.15),
    "lips": (
        {"LipsKiss": 1.0, "LipsPress": 0.3, "lowerLipBackward": 0.3, "UpperLipBackward": 0.3},
        0.20,
    ),
    "neck": ({"Mouth*Platysma": 1.0}, 0.20),
}
# What age leaves of each fold, 0..1.
_AGEING = np.array([0.75, 0.6, 0.15, 0.8, 0.8, 1.0, 0.8, 0.25, 0.55, 0.9], np.float32)


def _pressing() -> tuple[Floats, Floats]:
    """The weights f32[K,U] and what is taken off f32[K]."""
    weights = np.zeros((len(CREASES), len(UNITS)), np.float32)
    threshold = np.zeros(len(CREASES), np.float32)
    for k, crease in enumerate(CREASES):
        fold, _, side = crease.rpartition("_")
        names = ("Left", "Right") if side == "left" else ("Right", "Left")
        units, threshold[k] = _PRESSED[fold]
        for unit, weight in units.items():
            unit = unit.replace("*", names[0]).replace("~", names[1])
            weights[k, UNITS.index(unit)] = weight
    return weights, threshold


_WEIGHTS, _THRESHOLD = _pressing()


def creases(units: Floats) -> Floats:
    """How far an expression presses each fold in: units f32[len(UNITS)] -> f32[len(CREASES)], 0..1.

    In the order of CREASES. `units` are all that moves the face, the resting expression included.
    """
    pressed = (_WEIGHTS @ np.clip(units, 0, None) - _THRESHOLD) / (1 - _THRESHOLD)
    return np.asarray(np.clip(pressed, 0, 1), np.float32)


def aged_creases(wrinkles: float) -> Floats:
    """The folds f32[len(CREASES)] of a face at rest; wrinkles: 0 young .. 1 old."""
    return np.repeat(_AGEING * wrinkles, 2).astype(np.float32)

"""What faces do with their units: visemes, and gestures of mouth, eyes and brows."""

from collections.abc import Mapping

from reenact.talking_heads.expressions import SIDES, USED_UNITS, Weights


def both(**weights: float) -> dict[str, float]:
    """The same weights on both sides: pulls are the mouth's, the rest the eyes' and brows'."""
    return {
        (f"Mouth{side}{name}" if name.startswith("Pull") else f"{side}{name}"): weight
        for name, weight in weights.items()
        for side in SIDES
    }


def one_sided(side: str, gesture: Mapping[str, float]) -> dict[str, float]:
    """A gesture of which only one side is made."""
    other = SIDES[1 - SIDES.index(side)]
    return {name: weight for name, weight in gesture.items() if other not in name}


# Visemes: weights, half width in s (how early the lips begin), strength against the neighbours.
VISEMES: dict[str, tuple[Weights, float, float]] = {
    "aa": ({"JawDrop": 0.80, "lowerLipDown": 0.10}, 0.09, 1.0),
    "ah": ({"JawDrop": 0.5}, 0.08, 0.8),
    "eh": (both(PullSide=0.25) | {"JawDrop": 0.30, "lowerLipDown": 0.1}, 0.08, 0.9),
    "ee": (both(PullSide=0.5) | {"JawDrop": 0.12, "UpperLipUp": 0.2, "lowerLipDown": 0.3}, 0.09, 1),
    "oh": ({"JawDrop": 0.35, "LipsKiss": 0.5}, 0.10, 1.0),
    "oo": ({"JawDrop": 0.06, "LipsKiss": 0.9}, 0.11, 0.9),
    "sh": (
        {"JawDrop": 0.05, "LipsKiss": 0.5, "UpperLipUp": 0.3, "lowerLipDown": 0.35},
        0.08,
        0.9,
    ),
    "mm": ({"LipsPress": 0.5, "lowerLipUp": 0.1}, 0.045, 3.0),
    "ff": ({"JawDrop": 0.05, "LipsPress": 0.25, "UpperLipUp": 0.35}, 0.05, 2.0),
    "ss": (
        both(PullSide=0.2) | {"JawDrop": 0.06, "lowerLipDown": 0.35, "UpperLipUp": 0.1},
        0.06,
        1,
    ),
    "ll": ({"JawDrop": 0.25, "lowerLipDown": 0.1}, 0.06, 0.6),
}

_SMILE = both(PullUp=0.7, LowerLidUp=0.25)
_WIDE_SMILE = both(PullUp=0.9, PullSide=0.8)
_GRIN = both(PullUp=0.9, PullSide=0.5, LowerLidUp=0.35) | {"UpperLipUp": 0.5, "lowerLipDown": 0.2}
_LAUGH = both(PullUp=1.0, LowerLidUp=0.5) | {"UpperLipUp": 0.5, "JawDrop": 0.45}

MOUTHS: tuple[Weights, ...] = (
    *(_SMILE,) * 3,
    *(_WIDE_SMILE,) * 3,
    *(_GRIN,) * 3,
    *(_LAUGH,) * 2,
    *(one_sided(side, _SMILE) for side in SIDES),
    both(PullDown=1.0),
    both(PullDown=0.7) | {"lowerLipUp": 0.7},
    {"lowerLipUp": 0.9},
    {"NoseWrinkler": 0.9, "UpperLipUp": 0.5},
    {"NoseWrinkler": 0.8, "UpperLipUp": 0.3} | both(BrowDown=0.5, LowerLidUp=0.3),
    {"UpperLipUp": 0.8, "lowerLipDown": 0.8},
    {"CheeksPump": 1.0},
    {"LipsKiss": 1.0},
    {"LipsKiss": 0.7, "JawDrop": 0.3},
    {"JawDrop": 0.4, "TongueOut": 0.8},
    {"MouthMoveLeft": 1.0},
    {"MouthMoveRight": 1.0},
    {"JawDrop": 0.5} | both(InnerBrowUp=0.8, OuterBrowUp=1.0, UpperLidOpen=0.9),
    both(InnerBrowUp=0.8, PullDown=0.6) | {"lowerLipUp": 0.3},
    both(BrowDown=0.8, LowerLidUp=0.3) | {"LipsPress": 0.5},
)
"""Gestures of the mouth; a few of a whole face: surprise, sadness, anger, disgust."""

WIDTHS: tuple[Weights, ...] = (
    *(both(PullSide=1.0),) * 3,
    *(one_sided(side, both(PullSide=1.0)) for side in SIDES),
    *({"LipsKiss": 0.9},) * 3,
    *({"LipsPress": 1.0},) * 2,
)
"""How a closed mouth becomes wider, narrower or thinner without any feeling."""

BROWS: tuple[Weights, ...] = (
    *(both(InnerBrowUp=0.8, OuterBrowUp=1.0),) * 3,
    *(both(BrowDown=1.0),) * 2,
    both(InnerBrowUp=1.0),
    both(InnerBrowUp=0.7, BrowDown=0.6),
    both(OuterBrowUp=1.0),
    *(one_sided(side, both(OuterBrowUp=1.0, InnerBrowUp=0.6)) for side in SIDES),
    *(one_sided(side, both(OuterBrowUp=1.0)) for side in SIDES),
    *(one_sided(side, both(InnerBrowUp=1.0)) for side in SIDES),
    *(one_sided(side, both(BrowDown=1.0)) for side in SIDES),
    {"LeftOuterBrowUp": 1.0, "LeftInnerBrowUp": 0.5, "RightBrowDown": 0.8},
    {"RightOuterBrowUp": 1.0, "RightInnerBrowUp": 0.5, "LeftBrowDown": 0.8},
)

JAWS: tuple[Weights, ...] = ({"JawDrop": 1.0},)
SHUT: tuple[Weights, ...] = (both(UpperLidClosed=1.0),)
WINKS: tuple[Weights, ...] = tuple(
    one_sided(side, gesture)
    for side in SIDES
    for gesture in (
        both(UpperLidClosed=1.0, LowerLidUp=0.4),
        both(UpperLidClosed=1.0, LowerLidUp=0.7, PullUp=0.5),
    )
)
WIDE: tuple[Weights, ...] = (
    both(UpperLidOpen=1.0),
    *(one_sided(side, both(UpperLidOpen=1.0)) for side in SIDES),
)
SQUINTS: tuple[Weights, ...] = (
    both(LowerLidUp=1.0),
    both(LowerLidUp=0.9, UpperLidClosed=0.25),
    *(one_sided(side, both(LowerLidUp=1.0)) for side in SIDES),
)
SINGLES: tuple[Weights, ...] = tuple({name: 1.0} for name in USED_UNITS)

"""What faces do: the pose units, and visemes, emotions and brows as weights of them."""

from collections.abc import Mapping

Weights = Mapping[str, float]

# The pose units in the order of MakeHuman's file.
UNITS = (
    "Rest",
    *("LeftBrowDown", "RightBrowDown", "LeftOuterBrowUp", "RightOuterBrowUp"),
    *("LeftInnerBrowUp", "RightInnerBrowUp", "NoseWrinkler"),
    *("LeftUpperLidOpen", "RightUpperLidOpen", "LeftUpperLidClosed", "RightUpperLidClosed"),
    *(
        "LeftLowerLidUp",
        "RightLowerLidUp",
        "LeftEyeDown",
        "RightEyeDown",
        "LeftEyeUp",
        "RightEyeUp",
    ),
    *("LeftEyeturnRight", "RightEyeturnRight", "LeftEyeturnLeft", "RightEyeturnLeft"),
    *("LeftCheekUp", "RightCheekUp", "CheeksPump", "CheeksSuck", "NasolabialDeepener"),
    *("ChinLeft", "ChinRight", "ChinDown", "ChinForward"),
    *("lowerLipUp", "lowerLipDown", "lowerLipBackward", "lowerLipForward"),
    *("UpperLipUp", "UpperLipBackward", "UpperLipForward", "UpperLipStretched"),
    *("JawDrop", "JawDropStretched", "LipsKiss", "MouthMoveLeft", "MouthMoveRight"),
    *("MouthLeftPullUp", "MouthRightPullUp", "MouthLeftPullSide", "MouthRightPullSide"),
    *("MouthLeftPullDown", "MouthRightPullDown", "MouthLeftPlatysma", "MouthRightPlatysma"),
    *("TongueOut", "TongueUshape", "TongueUp", "TongueDown", "TongueLeft", "TongueRight"),
    *("TonguePointUp", "TonguePointDown"),
)

SIDES = ("Left", "Right")
MOUTH_PULLS = ("PullUp", "PullSide", "Platysma")

# The units that motions use: what a webcam can see and no other unit shows as well.
USED_UNITS = (
    *(f"{side}{name}" for name in ("BrowDown", "OuterBrowUp", "InnerBrowUp") for side in SIDES),
    *("NoseWrinkler",),
    *(
        f"{side}{name}"
        for name in ("UpperLidOpen", "UpperLidClosed", "LowerLidUp")
        for side in SIDES
    ),
    *(
        "LeftCheekUp",
        "RightCheekUp",
        "CheeksPump",
        "CheeksSuck",
        "ChinLeft",
        "ChinRight",
        "ChinForward",
    ),
    *("lowerLipUp", "lowerLipDown", "lowerLipBackward"),
    *("UpperLipUp", "UpperLipBackward", "JawDrop", "LipsKiss", "MouthMoveLeft", "MouthMoveRight"),
    *(f"Mouth{side}{way}" for way in MOUTH_PULLS for side in SIDES),
    *("TongueOut",),
)


def both(**weights: float) -> dict[str, float]:
    """The same weights on both sides: pulls and platysma are the mouth's, the rest the eyes'."""
    return {
        (f"Mouth{side}{name}" if name.startswith("P") else f"{side}{name}"): weight
        for name, weight in weights.items()
        for side in SIDES
    }


# Visemes: weights, half width in s (how early the lips begin), strength against the neighbours.
VISEMES: dict[str, tuple[Weights, float, float]] = {
    "aa": ({"JawDrop": 0.60, "lowerLipDown": 0.15}, 0.08, 1.0),
    "ah": ({"JawDrop": 0.38}, 0.08, 0.8),
    "ee": (
        both(PullSide=0.5) | {"JawDrop": 0.15, "UpperLipUp": 0.3, "lowerLipDown": 0.3},
        0.09,
        1.0,
    ),
    "oo": ({"JawDrop": 0.25, "LipsKiss": 0.8}, 0.10, 1.0),
    "uu": ({"JawDrop": 0.05, "LipsKiss": 1.0}, 0.11, 0.8),
    "mm": ({"lowerLipUp": 0.3, "UpperLipBackward": 0.2, "lowerLipBackward": 0.2}, 0.045, 3.0),
    "ff": ({"JawDrop": 0.05, "lowerLipBackward": 0.4, "UpperLipUp": 0.3}, 0.05, 2.0),
    "ss": (
        both(PullSide=0.25) | {"JawDrop": 0.08, "lowerLipDown": 0.4, "UpperLipUp": 0.2},
        0.06,
        0.9,
    ),
    "ll": ({"JawDrop": 0.28}, 0.06, 0.6),
}
_SMILE = both(PullUp=0.48, PullSide=0.40, CheekUp=0.5, LowerLidUp=0.35)
EMOTIONS: tuple[Weights, ...] = (
    *(_SMILE,) * 4,
    both(PullUp=0.6, PullSide=0.5, CheekUp=0.6, LowerLidUp=0.4)
    | {"JawDrop": 0.12, "UpperLipUp": 0.5},
    both(PullUp=0.62, PullSide=0.5, CheekUp=0.7, LowerLidUp=0.5)
    | {"JawDrop": 0.4, "UpperLipUp": 0.5},
    both(InnerBrowUp=0.8, OuterBrowUp=1.0, UpperLidOpen=0.9) | {"JawDrop": 0.55},
    both(InnerBrowUp=0.8, Platysma=0.6) | {"lowerLipUp": 0.3},
    both(BrowDown=0.8, LowerLidUp=0.3) | {"NoseWrinkler": 0.2, "lowerLipUp": 0.3},
    both(BrowDown=0.5) | {"NoseWrinkler": 0.8, "UpperLipUp": 0.6},
    both(Platysma=0.9) | {"lowerLipUp": 0.4},
    {"CheeksPump": 0.9, "lowerLipUp": 0.2},
    {"CheeksSuck": 0.9, "LipsKiss": 0.5},
    {"LipsKiss": 1.0},
    {"LipsKiss": 0.7, "JawDrop": 0.3},
    {"lowerLipUp": 0.5, "lowerLipBackward": 0.5, "UpperLipBackward": 0.5},
    {"UpperLipUp": 0.7, "lowerLipDown": 0.8},
    {"MouthMoveLeft": 0.8},
    {"MouthMoveRight": 0.8},
    {"JawDrop": 0.35, "TongueOut": 0.8},
    {"LeftUpperLidClosed": 1.0, "LeftLowerLidUp": 0.5, "LeftCheekUp": 0.5, "MouthLeftPullUp": 0.4},
    {
        "RightUpperLidClosed": 1.0,
        "RightLowerLidUp": 0.5,
        "RightCheekUp": 0.5,
        "MouthRightPullUp": 0.4,
    },
    {"MouthLeftPullUp": 0.6, "MouthLeftPullSide": 0.5, "LeftCheekUp": 0.4},
    {"MouthRightPullUp": 0.6, "MouthRightPullSide": 0.5, "RightCheekUp": 0.4},
)
BROW_MOVES: tuple[Weights, ...] = (
    *(both(InnerBrowUp=0.7, OuterBrowUp=1.0),) * 3,
    *(both(BrowDown=1.0),) * 3,
    both(InnerBrowUp=1.0),
    both(OuterBrowUp=1.0),
    {"LeftOuterBrowUp": 1.0, "LeftInnerBrowUp": 0.6},
    {"RightOuterBrowUp": 1.0, "RightInnerBrowUp": 0.6},
    {"LeftOuterBrowUp": 1.0, "LeftInnerBrowUp": 0.5, "RightBrowDown": 0.8},
    {"RightOuterBrowUp": 1.0, "RightInnerBrowUp": 0.5, "LeftBrowDown": 0.8},
)
SHUT = both(UpperLidClosed=1.0)
LEFT_SHUT: Weights = {"LeftUpperLidClosed": 1.0, "LeftLowerLidUp": 0.3}
RIGHT_SHUT: Weights = {"RightUpperLidClosed": 1.0, "RightLowerLidUp": 0.3}
WIDE = both(UpperLidOpen=1.0)
SQUINT = both(LowerLidUp=0.9, UpperLidClosed=0.25)
SINGLES: tuple[Weights, ...] = tuple({name: 1.0} for name in USED_UNITS)

"""The units that a face is moved with, and what each is made of: bones and expression targets.

MakeHuman's 60 pose units turn bones, its expression targets move the skin, lips and lids in ways
that bones cannot: folds, rounded and thin lips, lids that meet. A unit of ours mixes the two.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from reenact.talking_heads.formats import Floats

Weights = Mapping[str, float]

# The pose units in the order of MakeHuman's file, and more that the expression targets make.
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
    # What no pose unit is.
    "LipsPress",
)
POSE_UNITS = 60  # so many of them are MakeHuman's
SIDES = ("Left", "Right")

# The units that motions use: what a webcam can see and no other unit shows as well.
USED_UNITS = (
    *(f"{side}{name}" for name in ("BrowDown", "OuterBrowUp", "InnerBrowUp") for side in SIDES),
    "NoseWrinkler",
    *(
        f"{side}{name}"
        for name in ("UpperLidOpen", "UpperLidClosed", "LowerLidUp")
        for side in SIDES
    ),
    *("CheeksPump", "JawDrop", "LipsKiss", "LipsPress", "UpperLipUp", "lowerLipDown", "lowerLipUp"),
    *("MouthMoveLeft", "MouthMoveRight"),
    *(f"Mouth{side}{way}" for way in ("PullUp", "PullSide", "PullDown") for side in SIDES),
    "TongueOut",
)


def _sided(**weights: Weights) -> dict[str, Weights]:
    """The same entry for both sides: X stands for Left or Right, x for left or right."""
    return {
        unit.replace("X", side): {
            name.replace("X", side).replace("-x-", f"-{side.lower()}-"): weight
            for name, weight in mix.items()
        }
        for unit, mix in weights.items()
        for side in SIDES
    }


def _halves(**weights: float) -> dict[str, float]:
    """Both halves of morphs: mouth_open=1 is {"mouth-left-open": 1, "mouth-right-open": 1}."""
    return {
        f"{name.split('_')[0]}-{side}-{'-'.join(name.split('_')[1:])}": weight
        for name, weight in weights.items()
        for side in ("left", "right")
    }


# What a unit is made of where its bones alone do not do: bones of units, and morphs.
MIX: dict[str, Weights] = {
    **_sided(
        XBrowDown={"XBrowDown": 0.7, "eyebrows-x-down": 0.6},
        XOuterBrowUp={"XOuterBrowUp": 0.9, "eyebrows-x-extern-up": 0.7},
        XInnerBrowUp={"XInnerBrowUp": 0.9, "eyebrows-x-inner-up": 0.7},
        XUpperLidClosed={"XUpperLidClosed": 0.5, "eye-x-closure": 0.5},
        XUpperLidOpen={"XUpperLidOpen": 0.8, "eye-x-opened-up": 0.8},
        XLowerLidUp={"XLowerLidUp": 0.7, "XCheekUp": 0.5, "eye-x-slit": 0.3},
        MouthXPullUp={"MouthXPullUp": 0.1, "XCheekUp": 0.5, "mouth-x-corner-puller": 1.2},
        MouthXPullSide={"MouthXPullSide": 0.35, "mouth-x-retraction": 1.4},
        MouthXPullDown={"MouthXPullDown": 0.3, "mouth-x-depression": 0.9},
    ),
    "NoseWrinkler": {"NoseWrinkler": 0.6}
    | _halves(nose_elevation=1.0, nose_compression=1.0, mouth_elevation=0.15),
    "UpperLipUp": {"UpperLipUp": 0.3} | _halves(mouth_elevation=0.8),
    "lowerLipDown": {"lowerLipDown": 0.3} | _halves(mouth_depression_retraction=0.8),
    "lowerLipUp": {"lowerLipUp": 0.6} | _halves(mouth_eversion=0.5),
    "LipsKiss": {"LipsKiss": 0.15} | _halves(mouth_pursing=0.9),
    "LipsPress": {"lowerLipBackward": 0.3, "UpperLipBackward": 0.3, "lowerLipUp": 0.2}
    | _halves(mouth_compression=0.7, mouth_depression=0.45),
    "JawDrop": {"JawDrop": 0.85} | _halves(mouth_open=0.2, mouth_elevation=0.2),
    "MouthMoveLeft": {"MouthMoveLeft": 0.9, "ChinLeft": 0.4},
    "MouthMoveRight": {"MouthMoveRight": 0.9, "ChinRight": 0.4},
    "CheeksPump": {"CheeksPump": 0.75},
}


# What two units add when both are there, as the product of their weights.
TOGETHER: dict[tuple[str, str], Weights] = {
    # A laugh bares the upper teeth, but not twice.
    ("MouthLeftPullUp", "JawDrop"): {"mouth-left-upward-retraction": 0.7},
    ("MouthRightPullUp", "JawDrop"): {"mouth-right-upward-retraction": 0.7},
    ("UpperLipUp", "JawDrop"): _halves(mouth_elevation=-0.6),
    # An open mouth, or one that smiles, cannot be stretched as wide as a closed one.
    ("MouthLeftPullSide", "JawDrop"): {"mouth-left-retraction": -0.8},
    ("MouthRightPullSide", "JawDrop"): {"mouth-right-retraction": -0.8},
    ("MouthLeftPullUp", "MouthLeftPullSide"): {"mouth-left-retraction": -0.5},
    ("MouthRightPullUp", "MouthRightPullSide"): {"mouth-right-retraction": -0.5},
    # A pucker leaves little of a smile.
    ("MouthLeftPullUp", "LipsKiss"): {"mouth-left-corner-puller": -0.6},
    ("MouthRightPullUp", "LipsKiss"): {"mouth-right-corner-puller": -0.6},
}
_PAIRS = np.array([[UNITS.index(name) for name in pair] for pair in TOGETHER])


def with_products(units: Floats) -> Floats:
    """Unit weights f32[U] followed by the products f32[C] of those in TOGETHER."""
    return np.concatenate([units, units[_PAIRS[:, 0]] * units[_PAIRS[:, 1]]])


def shares(morphs: Sequence[str]) -> tuple[Floats, Floats]:
    """How far units and their products turn the bones of the pose units f32[U+C,60] and which
    morphs they take f32[U+C,M]; a unit without an entry in MIX is its own bones."""
    rows = [MIX.get(unit, {unit: 1.0}) for unit in UNITS] + list(TOGETHER.values())
    columns = (UNITS[:POSE_UNITS], morphs)
    bones, shapes = (
        np.array([[row.get(name, 0.0) for name in names] for row in rows], np.float32)
        for names in columns
    )
    return bones, shapes

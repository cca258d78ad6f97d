"""What a person is like in a few numbers: what edits are to change, known for every rendered person."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.motion import FACTORS, UNITS
from reenact.talking_heads.shards import read_description, shard_folder

Floats = npt.NDArray[np.float32]

TRAITS = ("age", "beard", "make-up", "smile", "hair colour", "skin tone", "glasses")
"""0..1 each but for hair colour, the logarithm of its lightness; more skin tone is darker."""

_MAKE_UP = ("lip_tint", "blush", "eye_shadow", "liner")
_SMILE = ("MouthLeftPullUp", "MouthRightPullUp")


def person_traits(person: Mapping[str, Any]) -> list[float]:
    """TRAITS of a person's parameters, with the smile of the face at rest."""
    return [
        person["age"],
        person["beard"],
        float(np.mean([person["look"][name] for name in _MAKE_UP])),
        float(np.mean([person["rest"][UNITS.index(name)] for name in _SMILE])),
        float(np.log(np.mean(person["hair_rgb"]))),
        person["look"]["melanin"],
        float(person["glasses"] is not None),
    ]


def read_traits(folder: Path, factors: Floats) -> Floats:
    """TRAITS f32 [N,7] of each frame of a data set; `factors` [N,F] add to the smile.

    Raises UserError where the set does not tell its people's parameters.
    """
    description = read_description(folder)
    rows: list[list[float]] = []
    try:
        for shard in range(description["shards"]):
            file = shard_folder(folder, shard) / "parameters.json"
            drawn = json.loads(file.read_text(encoding="utf-8"))
            rows += [person_traits(one["person"]) for one in drawn]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"{folder} does not say who its people are ({error}); render it again with this version"
        ) from error
    traits = np.repeat(np.array(rows, np.float32), description["frames per clip"], axis=0)
    smile = factors[:, [FACTORS.index(name) for name in _SMILE]].mean(1)
    traits[:, TRAITS.index("smile")] += smile
    return traits

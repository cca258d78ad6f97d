"""What a person is like in a few numbers, one for each edit that is learnt: known for every rendered frame."""

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.motion import FACTORS, UNITS
from reenact.train import edits
from reenact.train.data import Frames

TRAITS = (*edits.TRAITS, "smile")


def known_traits(frames: Frames) -> npt.NDArray[np.float32]:
    """TRAITS f32 [N,K] of each frame of a data set; the smile is what the mouth does now, and its rest."""
    people, whose = np.unique(frames.person, return_inverse=True)
    looks = [frames.looks[int(who)] for who in people]
    rest = [
        [look.get(f"person.rest.{UNITS.index(unit)}", 0.0) for unit in edits.SMILE]
        for look in looks
    ]
    now = frames.factors[:, [FACTORS.index(unit) for unit in edits.SMILE]]
    smile = now.mean(1) + np.array(rest).mean(1)[whose]
    return np.concatenate([edits.traits(looks)[whose], smile[:, None]], 1).astype(np.float32)

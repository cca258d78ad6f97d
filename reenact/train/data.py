"""Rendered talking heads on disk, as `python -m reenact.talking_heads dataset` writes them.

A data set is a folder of .npy files that are mapped into memory, one row per frame; `person` and `motion` say who
and which clip a frame shows, so that the same motion on two people can be paired frame by frame.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reenact.errors import UserError
from reenact.train.run import DEVICE

Index = npt.NDArray[np.intp]
"""Rows of a data set, ascending."""


@dataclass(frozen=True)
class Frames:
    """N frames of talking heads."""

    frames: npt.NDArray[np.uint8]  # [N,S,S,3] RGB
    labels: npt.NDArray[np.uint8]  # [N,S,S] part ids, see talking_heads.surfaces.LABELS
    factors: npt.NDArray[np.float32]  # [N,F] the deformation's known factors
    person: npt.NDArray[np.int32]  # [N]
    motion: npt.NDArray[np.int32]  # [N]
    landmarks: npt.NDArray[np.float32]  # [N,L,2] pixels, see landmarks.LANDMARKS

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def size(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.frames.shape[1])


def load_frames(folder: Path) -> Frames:
    """Map a data set's files into memory; a missing or unreadable one raises UserError."""
    arrays = {}
    for name in Frames.__dataclass_fields__:
        file = folder / f"{name}.npy"
        try:
            arrays[name] = np.load(file, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise UserError(
                f"cannot read {file} ({error}); make the data set with "
                f"`python -m reenact.talking_heads dataset --out {folder}`"
            ) from error
    if len({len(a) for a in arrays.values()}) != 1:
        raise UserError(f"{folder}: its files differ in length; render the data set again")
    return Frames(**arrays)


def pictures(frames: Frames, index: Index) -> Tensor:
    """Rows of a data set as a network sees them: f32 [n,3,S,S] in -1..1."""
    batch = torch.from_numpy(frames.frames[index]).to(DEVICE)
    return batch.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1


def pair_index(avatars: Frames, people: Frames) -> npt.NDArray[np.intp]:
    """Which avatar frame shows the motion of which person frame.

    Returns [A,N]: row of `avatars` for avatar a and person frame n, -1 where that avatar was not rendered in that
    motion. Frames of a clip stand in order of time in both sets.
    """
    names = np.unique(avatars.person)
    rows = np.full((len(names), len(people)), -1, np.intp)
    for a, name in enumerate(names):
        for motion in np.unique(avatars.motion[avatars.person == name]):
            mine = np.flatnonzero((avatars.person == name) & (avatars.motion == motion))
            for driver in np.unique(people.person[people.motion == motion]):
                theirs = np.flatnonzero((people.person == driver) & (people.motion == motion))
                rows[a, theirs] = mine
    return rows

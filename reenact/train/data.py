"""Rendered talking heads on disk, as `python -m reenact.talking_heads dataset` writes them.

On a CPU pictures stay compressed, in files that are mapped into memory. On a GPU they are decoded once into its own
memory where they fit, and nothing but row numbers goes there afterwards. `person` and `motion` say who and which clip
a frame shows, so that the same motion on two people can be paired frame by frame.
"""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reenact.errors import UserError
from reenact.talking_heads.motion import FACTORS
from reenact.talking_heads.shards import Pictures, read_arrays, read_description
from reenact.train import augment
from reenact.train.looks import Look, read_looks
from reenact.train.run import DEVICE

Index = npt.NDArray[np.intp]
"""Rows of a data set, ascending."""


SHARE = 0.25  # of a GPU's free memory, for one kind of pictures at most
CHUNK = 256  # pictures decoded at a time


class Resident(Pictures):
    """N pictures of one kind, decoded: u8 [N,S,S,3] or u8 [N,S,S], where the training runs."""

    def __init__(self, pictures: Pictures, device: torch.device) -> None:
        self.shape = pictures.shape
        size = (len(pictures), *pictures.shape)
        self.pictures = torch.empty(size, dtype=torch.uint8, device=device)
        chunks = np.array_split(np.arange(len(pictures)), -(-len(pictures) // CHUNK))
        with ThreadPoolExecutor() as pool:  # decoding lets other threads run
            for rows, decoded in zip(chunks, pool.map(pictures.__getitem__, chunks), strict=True):
                self.pictures[rows[0] : rows[-1] + 1] = torch.from_numpy(decoded).to(device)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: Index) -> npt.NDArray[np.uint8]:
        return np.asarray(self.there(rows).cpu().numpy(), np.uint8)

    def there(self, rows: Index) -> Tensor:
        """The pictures of some rows, in their order; they stay where they are."""
        return self.pictures[torch.from_numpy(rows).to(self.pictures.device)]


def nearest(pictures: Pictures) -> Pictures:
    """These pictures in the memory of the GPU that trains, where there is one and they fit."""
    if DEVICE.type != "cuda":
        return pictures
    free, _ = torch.cuda.mem_get_info(DEVICE)
    fits = len(pictures) * math.prod(pictures.shape) < SHARE * free
    return Resident(pictures, DEVICE) if fits else pictures


@dataclass(frozen=True)
class Frames:
    """N frames of talking heads."""

    frames: Pictures  # u8 [N,S,S,3] RGB
    camera: Pictures | None  # the same as a webcam filmed it, if it did
    labels: Pictures  # u8 [N,S,S] part ids, see talking_heads.surfaces.LABELS
    factors: npt.NDArray[np.float32]  # [N,F] the deformation's known factors
    person: npt.NDArray[np.int64]  # [N]
    motion: npt.NDArray[np.int64]  # [N]
    looks: Mapping[int, Look]  # of each person
    size: int  # side of the pictures in pixels

    def __len__(self) -> int:
        return len(self.frames)


def load_frames(folder: Path) -> Frames:
    """Map a data set's files into memory; a missing, unreadable or unfinished one raises UserError."""
    description = read_description(folder)
    if tuple(description.get("factors", ())) != FACTORS:
        raise UserError(
            f"{folder} was rendered with other factors than this version trains on; "
            f"render it again with `python -m reenact.talking_heads dataset`"
        )
    arrays = read_arrays(folder, description)
    return Frames(
        frames=nearest(arrays["frames"]),
        camera=nearest(arrays["camera"]) if "camera" in arrays else None,
        labels=nearest(arrays["labels"]),
        factors=arrays["factors"],
        person=arrays["person"],
        motion=arrays["motion"],
        looks=read_looks(folder, description["shards"]),
        size=description["size"],
    )


def unseen_people(people: Frames) -> npt.NDArray[np.int64]:
    """The last fortieth of the people (two at least): no stage ever trains on them."""
    names = np.unique(people.person)
    return names[-max(2, len(names) // 40) :]


def pictures(frames: Frames, index: Index) -> Tensor:
    """Rows of a data set as a network draws them: f32 [n,3,S,S] in -1..1."""
    return to_tensor(fetch(frames.frames, index))


def seen(
    frames: Frames, index: Index, side: int, roll: float = augment.ROLL, together: int = 1
) -> tuple[Tensor, Tensor]:
    """Rows of a data set as an encoder sees them [n,3,side,side], and the turn of each head [n] in radians.

    The camera's pictures in a loosely held window (see augment.jitter_window, also for `together`), or a quick
    imitation where nothing was filmed.
    """
    if frames.camera is None:
        return augment.camera(pictures(frames, index), roll, side, together)
    return augment.jitter_window(to_tensor(fetch(frames.camera, index)), roll, side, together)


def labels(frames: Frames, index: Index) -> Tensor:
    """Part ids u8 [n,S,S] of some rows, where the training runs."""
    return fetch(frames.labels, index)


def fetch(pictures: Pictures, index: Index) -> Tensor:
    """Some rows of pictures, u8, where the training runs."""
    if isinstance(pictures, Resident):
        return pictures.there(index)
    return torch.from_numpy(pictures[index]).to(DEVICE)


def to_tensor(batch: Tensor) -> Tensor:
    """u8 [n,S,S,3] -> f32 [n,3,S,S] in -1..1, where it is."""
    return batch.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1


def moments(frames: Frames, rows: Index, clips: int) -> Index:
    """Two moments each of so many clips among these rows, drawn at random; ascending, a clip's moments together."""
    begins = np.flatnonzero(
        np.diff(frames.person[rows], prepend=-1) | np.diff(frames.motion[rows], prepend=-1)
    )
    lengths = np.diff(begins, append=len(rows))
    chosen = np.sort(np.random.choice(len(begins), clips, replace=clips > len(begins)))
    two = [np.sort(np.random.choice(lengths[k], 2, replace=lengths[k] < 2)) for k in chosen]
    index: Index = rows[(begins[chosen, None] + two).ravel()]
    return index


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

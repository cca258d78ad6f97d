"""Your own clips as data: a folder of videos of faces -> clips of aligned crops, without factors and labels.

The files are those of the rendered data sets (see talking_heads.shards): `person` is the number of the video, `motion`
that of the clip. What is cut out is the window that the live app would look through.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.face import FaceFinder, Image, WindowTracker, cut, window_of_box
from reenact.talking_heads import shards
from reenact.train.data import Index, nearest

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
KIND = "clips"
FRAMES = 24  # of a clip, at most
LEAST = 4  # of a clip: fewer show hardly any motion
STRIDE = 3  # frames of the video from one to the next
SHARD = 32  # clips


@dataclass(frozen=True)
class Clips:
    """N frames of somebody's clips."""

    frames: shards.Pictures  # u8 [N,S,S,3] RGB
    video: npt.NDArray[np.int64]  # [N]
    clip: npt.NDArray[np.int64]  # [N], all different
    names: tuple[str, ...]  # of the videos
    size: int  # side of the pictures in pixels

    def rows(self, clip: int) -> Index:
        """The rows of a clip, in order of time."""
        return np.flatnonzero(self.clip == clip)


def load_clips(folder: Path) -> Clips:
    """Open a folder that `write_clips` wrote; UserError for anything else."""
    description = shards.read_description(folder)
    if description.get("kind") != KIND:
        raise UserError(
            f"{folder} holds rendered people, not clips; cut your own with "
            "`python -m reenact.train clips FOLDER --out DIR`"
        )
    arrays = shards.read_arrays(folder, description)
    return Clips(
        nearest(arrays["frames"]),
        arrays["person"],
        arrays["motion"],
        tuple(description["videos"]),
        description["size"],
    )


def write_clips(folder: Path, out: Path, size: int) -> Iterator[tuple[str, int]]:
    """Cut the faces out of all videos of a folder; yields each video's name and its number of clips.

    Raises UserError where there is no video or no face in any, and where `out` holds anything.
    """
    videos = sorted(p for p in folder.glob("*") if p.suffix.lower() in SUFFIXES)
    if not videos:
        raise UserError(f"there is no video in {folder} ({', '.join(SUFFIXES)}); name another")
    _new_folder(out)
    files: list[Path] = []
    for number, video in enumerate(videos):
        before = len(files)
        for pictures in runs(faces(video, size)):
            files.append(out / f"{len(files):05d}.npz")
            _save(files[-1], pictures, number, len(files) - 1)
        yield video.name, len(files) - before
    if not files:
        raise UserError(f"no face was found in the videos of {folder}; check that they show one")
    for k in range(0, len(files), SHARD):
        shards.pack_shard(files[k : k + SHARD], shards.shard_folder(out, k // SHARD))
    description = _describe([v.name for v in videos], len(files), size)
    shards.write_whole(out / "dataset.json", json.dumps(description, indent=1).encode())


def faces(video: Path, size: int) -> Iterator[Image | None]:
    """Every STRIDE-th frame's face in a steady window, u8 [size,size,3] RGB; None where there is none."""
    capture = cv2.VideoCapture(str(video))
    finder, tracker, number = FaceFinder(), WindowTracker(), 0
    fps = capture.get(cv2.CAP_PROP_FPS) or 25.0
    while (read := capture.read())[0]:
        if number % STRIDE == 0:
            image = np.ascontiguousarray(np.asarray(read[1], np.uint8)[..., ::-1])
            yield _face(image, finder, tracker, number / fps, size)
        number += 1
    capture.release()


def _face(
    image: Image, finder: FaceFinder, tracker: WindowTracker, time_s: float, size: int
) -> Image | None:
    box = finder.find(image)
    if box is None:
        finder.forget()
        tracker.forget()
        return None
    tracker.see(window_of_box(box))
    window = tracker.window(time_s)
    return None if window is None else cut(image, window, size)


def runs(pictures: Iterator[Image | None]) -> Iterator[npt.NDArray[np.uint8]]:
    """Stretches without a gap, u8 [T,S,S,3], LEAST <= T <= FRAMES."""
    run: list[Image] = []
    for picture in pictures:
        if picture is not None:
            run.append(picture)
        if run and (picture is None or len(run) == FRAMES):
            if len(run) >= LEAST:
                yield np.stack(run)
            run = []
    if len(run) >= LEAST:
        yield np.stack(run)


def _save(file: Path, pictures: npt.NDArray[np.uint8], video: int, clip: int) -> None:
    numbers = {"person": video, "motion": clip}
    arrays = {name: np.full(len(pictures), n, np.int64) for name, n in numbers.items()}
    shards.save_arrays(file, {"frames": pictures}, arrays, {})


def _new_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = any(out.iterdir())
    except OSError as error:
        raise UserError(f"cannot write into {out} ({error}); choose another --out") from error
    if taken:
        raise UserError(f"{out} is not empty; choose another --out, or remove it first")


def _describe(videos: Sequence[str], clips: int, size: int) -> dict[str, Any]:
    return {
        "format": shards.FORMAT,
        "kind": KIND,
        "complete": True,
        "videos": list(videos),
        "clips": clips,
        "clips per shard": SHARD,
        "shards": -(-clips // SHARD),
        "size": size,
        "pictures": ["frames"],
        "arrays": ["person", "motion"],
    }

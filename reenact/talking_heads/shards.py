"""Rendered clips on disk: how a data set's files are written and read back.

    DIR/dataset.json             what the data set is; "complete" is true once every clip is there
    DIR/00000/frames.npy         u8[bytes]: compressed pictures, one after the other
    DIR/00000/frames_ends.npy    i64[N]: where each of them ends
    DIR/00000/factors.npy ...    f32[N,F], one row per frame; so landmarks, person, motion
    DIR/00000/parameters.json    one object per clip: all that was drawn
    DIR/clips/00007.npz          finished clips of shards that are not whole yet

Frames are JPEGs of quality 98 without colour subsampling: 46 dB from what was rendered, a fifth of
the bytes, half a millisecond to read. So a data set stays in memory where raw arrays would be read
from the disk; docs/benchmarks.md has the figures. The camera's pictures went through worse and get
quality 95; alpha and labels are PNGs and exact.
"""

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads.clip import Clip
from reenact.talking_heads.raster import Bytes

FORMAT = 1  # of the files; raise it whenever they change

_COLOUR_444 = (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)
_EXACT = (".png", (cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE))
_CODECS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "frames": (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 98, *_COLOUR_444)),
    "camera": (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 95, *_COLOUR_444)),
    "alpha": _EXACT,
    "labels": _EXACT,
}
_CLIP_ARRAYS = ("factors", "landmarks", "person", "motion")

Arrays = dict[str, npt.NDArray[Any]]


class Pictures:
    """N pictures of one kind, u8[N,S,S,3] or u8[N,S,S], decoded when they are asked for."""

    def __init__(self, shards: Sequence[Path], name: str) -> None:
        self._bytes = [_map(folder / f"{name}.npy") for folder in shards]
        ends = [_map(folder / f"{name}_ends.npy") for folder in shards]
        self._ends = np.concatenate(ends)
        self._begins = np.concatenate([np.concatenate([[0], e[:-1]]) for e in ends])
        self._shard = np.repeat(np.arange(len(ends)), [len(e) for e in ends])
        self.shape = self._decode(0).shape  # of one picture

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, rows: npt.NDArray[np.intp]) -> Bytes:
        """The pictures of some rows, in their order."""
        pictures = np.empty((len(rows), *self.shape), np.uint8)
        for picture, row in zip(pictures, rows, strict=True):
            picture[:] = self._decode(int(row))
        return pictures

    def _decode(self, row: int) -> Bytes:
        data = self._bytes[self._shard[row]][self._begins[row] : self._ends[row]]
        decoded = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if decoded is None:
            raise UserError(f"picture {row} of a data set is damaged; render the set again")
        picture = np.asarray(decoded, np.uint8)
        return picture if picture.ndim == 2 else picture[..., ::-1]


def save_clip(file: Path, clip: Clip, person: int, motion: int) -> None:
    """Write one clip and its seeds into a file that appears when it is whole."""
    count = len(clip.frames)
    arrays: Arrays = {
        "factors": clip.factors,
        "landmarks": clip.landmarks,
        "person": np.full(count, person, np.int64),
        "motion": np.full(count, motion, np.int64),
    }
    pictures = {name: getattr(clip, name) for name in _CODECS if getattr(clip, name) is not None}
    save_arrays(file, pictures, arrays, clip.parameters)


def save_arrays(
    file: Path,
    pictures: Mapping[str, Bytes],
    arrays: Mapping[str, npt.NDArray[Any]],
    parameters: Mapping[str, Any],
) -> None:
    """Write a clip's pictures u8[T,S,S,3] by their kind, and arrays with a row per frame, likewise."""
    facts = np.frombuffer(json.dumps(parameters).encode(), np.uint8)
    content: Arrays = {**arrays, "parameters": facts}
    for name, frames in pictures.items():
        content[name], content[f"{name}_ends"] = _encode(name, frames)
    written = io.BytesIO()
    np.savez(written, allow_pickle=False, **content)
    write_whole(file, written.getvalue())


def pack_shard(files: Sequence[Path], folder: Path) -> None:
    """Join clips into a shard, in the order given; the folder appears when it is whole."""
    clips = [_read_clip(file) for file in files]
    part = folder.with_suffix(".part")
    part.mkdir(exist_ok=True)
    for name in clips[0]:
        if name in _CODECS:
            lengths = [np.diff(clip[f"{name}_ends"], prepend=0) for clip in clips]
            np.save(part / f"{name}_ends.npy", np.cumsum(np.concatenate(lengths)))
        if name in _CODECS or name in _CLIP_ARRAYS:
            np.save(part / f"{name}.npy", np.concatenate([clip[name] for clip in clips]))
    parameters = [json.loads(clip["parameters"].tobytes()) for clip in clips]
    (part / "parameters.json").write_text(json.dumps(parameters))
    part.replace(folder)
    for file in files:
        file.unlink()


def shard_folder(folder: Path, shard: int) -> Path:
    """Where a data set keeps its shard of a number."""
    return folder / f"{shard:05d}"


def read_description(folder: Path) -> dict[str, Any]:
    """The dataset.json of a whole data set; UserError where it is missing, unfinished or of
    another format.
    """
    command = f"`python -m reenact.talking_heads dataset --out {folder}`"
    try:
        description = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read a data set in {folder} ({error}); make one with {command}"
        ) from error
    if description.get("format") != FORMAT:
        raise UserError(f"{folder} is of another format than this version reads; run {command}")
    if not description["complete"]:
        raise UserError(f"{folder} is unfinished; run the command that began it again to go on")
    return dict(description)


def read_arrays(folder: Path, description: Mapping[str, Any]) -> dict[str, Any]:
    """Everything in a whole data set by name: Pictures, and arrays with a row per frame."""
    shards = [shard_folder(folder, k) for k in range(description["shards"])]
    try:
        arrays: dict[str, Any] = {name: Pictures(shards, name) for name in description["pictures"]}
        for name in description.get("arrays", _CLIP_ARRAYS):
            arrays[name] = np.concatenate([_map(shard / f"{name}.npy") for shard in shards])
    except (OSError, ValueError) as error:
        raise UserError(
            f"a file of the data set {folder} is missing or damaged ({error}); render it again"
        ) from error
    return arrays


def write_whole(file: Path, content: bytes) -> None:
    """Write a file in one step: it appears whole, or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _encode(name: str, pictures: Bytes) -> tuple[Bytes, npt.NDArray[np.int64]]:
    suffix, options = _CODECS[name]
    coded = [cv2.imencode(suffix, p[..., ::-1] if p.ndim == 3 else p, options)[1] for p in pictures]
    return np.concatenate(coded), np.cumsum([len(c) for c in coded]).astype(np.int64)


def _read_clip(file: Path) -> Arrays:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _map(file: Path) -> npt.NDArray[Any]:
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))

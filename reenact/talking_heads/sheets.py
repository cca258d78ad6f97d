"""Pictures to look at: sheets of people, faces and pairs, filmstrips and videos of clips."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from reenact.errors import UserError
from reenact.talking_heads.clip import Clip, render_clip
from reenact.talking_heads.expressions import UNITS, Weights
from reenact.talking_heads.gestures import both
from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.motion import neutral_motion, sample_motion
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.raster import Bytes
from reenact.talking_heads.studio import Studio


class Face(NamedTuple):
    """Something that a face does: units, head (yaw, pitch, roll, rad), gaze (yaw, pitch, rad)."""

    name: str
    units: Weights
    head: tuple[float, float, float] = (0, 0, 0)
    gaze: tuple[float, float] = (0, 0)


_SMILE = both(PullUp=0.8, PullSide=0.2, LowerLidUp=0.3)
_LAUGH = both(PullUp=1.0, PullSide=0.3, LowerLidUp=0.5)
FACES = (
    Face("rest", {}),
    Face("smile", _SMILE, (0.1, 0, 0.05)),
    Face("laugh", {**_LAUGH, "JawDrop": 0.45, "UpperLipUp": 0.5}, (-0.08, -0.06, -0.04)),
    Face("open", {"JawDrop": 0.8}, (0, -0.1, 0)),
    Face("shut", both(UpperLidClosed=1.0)),
    Face("pucker", {"LipsKiss": 1.0}, (-0.15, 0, 0)),
    Face("brows up, aside", both(InnerBrowUp=0.8, OuterBrowUp=0.9), (0, 0.05, 0), (0.4, 0)),
    Face("turned", {"JawDrop": 0.15}, (0.6, 0.08, -0.1), (0.1, 0)),
)

_PAIR_FRAMES = 5  # a moment of motion, so that a moving head is smeared and a codec has settled
_GAP = 2  # px between the tiles of a sheet


def portraits(data: HeadData, seeds: Sequence[int], size: int) -> Iterator[Bytes]:
    """One picture of each person at rest, u8[s,s,3], with the seed's number."""
    for seed in seeds:
        studio = Studio(data, sample_person(data, seed), seed, size)
        yield caption(show(studio, FACES[0]), str(seed))


def expressions(data: HeadData, seeds: Sequence[int], size: int) -> Iterator[list[Bytes]]:
    """Each person with all FACES, u8[s,s,3] each; the first sheet row names them."""
    for row, seed in enumerate(seeds):
        studio = Studio(data, sample_person(data, seed), seed, size)
        pictures = [show(studio, face) for face in FACES]
        if row == 0:
            pictures = [
                caption(picture, face.name, top=True)
                for picture, face in zip(pictures, FACES, strict=True)
            ]
        yield [caption(pictures[0], str(seed)), *pictures[1:]]


def pairs(data: HeadData, seeds: Sequence[int], size: int) -> Iterator[Bytes]:
    """A moment of each seed's motion, clean and beside it as its camera saw it, u8[s,2s,3]."""
    for seed in seeds:
        motion = sample_motion(seed, _PAIR_FRAMES)
        clip = render_clip(data, seed, motion, size, seed, filmed_at=25)
        assert clip.camera is not None  # it was filmed
        yield np.concatenate([caption(clip.frames[-1], str(seed)), clip.camera[-1]], 1)


def show(studio: Studio, face: Face) -> Bytes:
    """A face of a studio's person, u8[s,s,3]."""
    units = neutral_motion(1).units[0]
    for name, weight in face.units.items():
        units[UNITS.index(name)] = weight
    head, gaze = np.array(face.head, np.float32), np.array(face.gaze, np.float32)
    return studio.render(studio.rig.pose(units, head, gaze)).rgb


def grid(tiles: Sequence[Bytes], columns: int) -> Bytes:
    """Tiles of one size in rows of `columns`, left to right, on black."""
    height, width = tiles[0].shape[:2]
    lines = -(-len(tiles) // columns)
    across, down = columns * (width + _GAP) - _GAP, lines * (height + _GAP) - _GAP
    sheet = np.zeros((down, across, 3), np.uint8)
    for k, tile in enumerate(tiles):
        y, x = (k // columns) * (height + _GAP), (k % columns) * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet


def caption(picture: Bytes, text: str, *, top: bool = False) -> Bytes:
    """The picture with small words at its lower (or upper) left."""
    scale = max(0.35, picture.shape[0] / 512)
    at = (int(10 * scale), int(28 * scale) if top else picture.shape[0] - int(12 * scale))
    written = picture.copy()
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            written, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA
        )
    return written


def filmstrip(clip: Clip, count: int = 10) -> Bytes:
    """`count` moments of a clip in a row; below them what the camera saw, where there was one."""
    moments = np.linspace(0, len(clip.frames) - 1, min(count, len(clip.frames))).astype(int)
    tiles = [clip.frames[t] for t in moments]
    if clip.camera is not None:
        tiles += [clip.camera[t] for t in moments]
    return grid(tiles, len(moments))


def check_output(path: Path, *suffixes: str) -> None:
    """Raise a UserError, before any work, for a file that could not be written afterwards."""
    if path.suffix.lower() not in suffixes:
        raise UserError(f"{path} should end in {' or '.join(suffixes)}; give another name.")
    if not path.parent.is_dir():
        raise UserError(f"There is no folder {path.parent} to write {path.name} into; create it.")


def write_picture(path: Path, picture: Bytes) -> None:
    """Write u8[h,w,3] RGB as PNG or JPEG, as the name's end says. UserError where that fails."""
    lossy = path.suffix.lower() != ".png"  # OpenCV warns of a quality where there is none
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if lossy else []
    _, data = cv2.imencode(path.suffix, picture[..., ::-1], options)
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise UserError(f"Cannot write {path} ({error}); give another name.") from error


def write_video(path: Path, frames: Bytes, fps: int) -> None:
    """Write u8[T,h,w,3] RGB (even sides) as h264; the file appears when it is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        with av.open(str(part), "w", format="mp4") as file:
            stream = file.add_stream("libx264", rate=fps, options={"crf": "18"})
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt = "yuv420p"
            for picture in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            file.mux(stream.encode())
        part.replace(path)
    except OSError as error:
        raise UserError(f"Cannot write {path} ({error}); give another name.") from error
    finally:
        part.unlink(missing_ok=True)

"""A small model without networks, and scripted inputs, for the tests of the live rooms.

The fake encoder averages its crop, so the deformation shows what was seen; the fake renderer draws
the styles it is given, so a picture shows what was added. Nothing is random, nothing sleeps.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from engines import ModelInfo
from realtime.frames import Frame, Image
from realtime.models import Model
from realtime.puppet import Picture
from realtime.sources import Ended
from reenact.avatar import Avatar, save_avatar
from reenact.face import Box, Fits, Window, anybody
from reenact.spaces import Dims, deformation_count, style_count

DIMS = Dims(resolution=32, channel_base=64, channel_max=8, w_dim=8, z_dim=8)
CROP = 24
GREY = 60
"""What the fake renderer paints for the avatar's own neutral."""


class FakeEncode:
    name, device = "fake", "nowhere"
    input_shape: tuple[int, ...] = (1, CROP, CROP, 3)
    output_shape: tuple[int, ...] = (1, deformation_count(DIMS))

    def __init__(self) -> None:
        self.seen: list[Image] = []
        self.closed = 0

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        assert array.dtype == np.uint8 and array.shape == self.input_shape
        self.seen.append(array[0])
        return np.full(self.output_shape, array.mean() / 255, np.float32)

    def close(self) -> None:
        self.closed += 1


class FakeRender:
    """Paints GREY + 100 times what the deformation added (0..1); fails when told to."""

    name, device = "fake", "nowhere"
    input_shape: tuple[int, ...] = (1, style_count(DIMS))
    output_shape: tuple[int, ...] = (1, DIMS.resolution, DIMS.resolution, 3)

    def __init__(self, fails_at: int | None = None) -> None:
        self.calls, self.fails_at, self.closed = 0, fails_at, 0

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        assert array.dtype == np.float32 and array.shape == self.input_shape
        self.calls += 1
        if self.fails_at is not None and self.calls >= self.fails_at:
            raise RuntimeError("the device is gone")
        level = GREY + 100 * (array[0, 0] - 1)  # the avatar's styles are 1
        return np.full(self.output_shape, np.clip(round(float(level)), 0, 255), np.uint8)

    def close(self) -> None:
        self.closed += 1


def a_model(fails_at: int | None = None) -> Model:
    info = ModelInfo("f00d", DIMS, CROP, "CC0-1.0")
    return Model(info, FakeEncode(), FakeRender(fails_at), "fake", "fake: it is a test")


def an_avatar(fingerprint: str = "f00d") -> Avatar:
    styles = np.ones(style_count(DIMS), np.float32)
    identity = np.ones((8, DIMS.w_dim), np.float32)
    thumbnail = np.zeros((16, 16, 3), np.uint8)
    return Avatar("Testa", identity, styles, thumbnail, fingerprint, "CC0-1.0", "synthetic")


def avatar_file(folder: Path) -> Path:
    path = folder / "testa.avatar"
    save_avatar(an_avatar(), path)
    return path


@dataclass
class Clock:
    """A clock that only moves when told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ScriptedSource:
    """Gives the frames of a script (None: nothing came in time), then ends or raises."""

    script: Iterable[Frame | None | BaseException]
    fps: float = 25.0
    drops: int = 0
    closed: int = 0
    trouble: str | None = None

    def __post_init__(self) -> None:
        self._left = iter(self.script)

    def take(self, timeout_s: float) -> Frame | None:
        for step in self._left:
            if isinstance(step, BaseException):
                raise step
            return step
        raise Ended

    def close(self) -> None:
        self.closed += 1


@dataclass
class ScriptedFaces:
    """A window in the middle of every frame whose index is in `seen`; notes whom it is to keep to."""

    seen: Iterable[int]
    kept: list[bool] = field(default_factory=list)
    strangers: bool = False

    def follow(self, frame: Frame, roll: float = 0.0) -> Window | None:
        height, width = frame.image.shape[:2]
        return Window(width / 2, height / 2, height / 2) if frame.index in self.seen else None

    def keep_to(self, one: bool) -> None:
        self.kept.append(one)

    def close(self) -> None:
        pass


@dataclass
class ScriptedFinder:
    """Finds what the script says, look by look, if that fits; then nothing."""

    script: list[Box | None]
    forgotten: int = 0
    near: bool = True

    def find_near(self, image: Image, fits: Fits = anybody, roll: float = 0.0) -> Box | None:
        return self._next(fits) if self.near else None

    def find_anywhere(self, image: Image, fits: Fits = anybody) -> Box | None:
        return self._next(fits) if not self.near else None

    def _next(self, fits: Fits) -> Box | None:
        box = self.script.pop(0) if self.script else None
        return box if box is not None and fits(box) else None

    def forget(self) -> None:
        self.forgotten += 1


@dataclass
class Recorder:
    """An output that remembers."""

    label: str = "recorder"
    fails_at: int | None = None
    done: bool = False
    pixels: list[Image] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    size: tuple[int, int] | None = None
    fps: float | None = None
    opened: tuple[int, int, float] | None = None

    def open(self, width: int, height: int, fps: float) -> None:
        self.opened = (width, height, fps)

    def send(self, picture: Picture) -> None:
        assert isinstance(picture, Picture)
        self.pixels.append(picture.pixels.copy())
        self.times.append(picture.time_s)
        if self.fails_at is not None and len(self.pixels) == self.fails_at:
            raise OSError("the cable is out")

    def close(self, keep: bool) -> None:
        self.kept.append(keep)


def frame(index: int, level: int = 200, fps: float = 25.0, size: int = 64) -> Frame:
    """A flat picture of a grey level, `index` frames after second 0."""
    time_s = index / fps
    return Frame(np.full((size, size, 3), level, np.uint8), time_s, time_s, index)


def write_video(path: Path, images: Iterable[Image], fps: int = 25) -> Path:
    """Write u8 [H,W,3] RGB pictures as h264."""
    images = list(images)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "10"})
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = images[0].shape[:2]
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def read_video(path: Path) -> list[Image]:
    """All frames of a file as u8 [H,W,3] RGB."""
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]

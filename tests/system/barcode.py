"""A counter in a picture: painted by the webcam, read and painted again by a model.

A model without networks: `encode` reads the counter in the crop of the face, `render` paints it.
What it draws goes the way of every picture, so the counter shows how long that takes.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from live_fakes import DIMS

from engines import ModelInfo
from realtime.frames import Frame, Image
from realtime.models import Model
from reenact.avatar import Avatar, save_avatar
from reenact.face import Window
from reenact.spaces import deformation_count, style_count

BARS = 12  # eleven bits, and one that makes the number of white bars even
COUNTS = 2 ** (BARS - 1)
SIDE, CROP = 256, 192
_TOP, _BOTTOM = 0.86, 0.97  # of the picture, whose whole width the bars take
_DIMS = replace(DIMS, resolution=SIDE)


def bars(counter: int) -> list[bool]:
    """Which bars are white."""
    bits = [bool(counter >> k & 1) for k in range(BARS - 1)]
    return [*bits, sum(bits) % 2 == 1]


def counter_in(line: npt.NDArray[Any]) -> int | None:
    """The counter in a line of grey levels that the bars fill; None where it is none."""
    places = ((np.arange(BARS) + 0.5) * len(line) / BARS).astype(int)
    bits = [bool(level > 128) for level in line[places]]
    return sum(bit << k for k, bit in enumerate(bits[:-1])) if sum(bits) % 2 == 0 else None


def painted(counter: int, width: int, height: int) -> Image:
    """The bars, u8 [height,width,3]."""
    level = np.where(bars(counter), 255, 0).astype(np.uint8)
    places = np.arange(width) * BARS // width
    return np.broadcast_to(level[places][None, :, None], (height, width, 3)).copy()


def held(picture: Image, counter: int) -> Image:
    """A picture u8 [H,W,3] with a counter where the crop of `StillFace` has its lower edge."""
    height, width = picture.shape[:2]
    top, bottom = int(_TOP * height), int(_BOTTOM * height)
    picture = picture.copy()
    picture[top:bottom] = painted(counter, width, bottom - top)
    return picture


class StillFace:
    """The whole of a square picture is the face's window; see `realtime.faces.Faces`."""

    strangers = False

    def keep_to(self, one: bool) -> None:
        pass

    def follow(self, frame: Frame, roll: float = 0.0) -> Window | None:
        height, width = frame.image.shape[:2]
        return Window(width / 2, height / 2, height)

    def close(self) -> None:
        pass


class BarcodeModel:
    """Both halves of the model; the counter goes from one to the other."""

    def __init__(self) -> None:
        self.counter = 0

    def encode(self, crop: Image) -> None:
        line = crop[int((_TOP + _BOTTOM) / 2 * CROP)].mean(axis=-1)
        counter = counter_in(line)
        self.counter = self.counter if counter is None else counter

    def render(self) -> Image:
        return painted(self.counter, SIDE, SIDE)


class Half:
    """One of its networks; see `engines.Engine`."""

    name, device = "barcode", "nowhere"

    def __init__(self, model: BarcodeModel, encodes: bool) -> None:
        count = style_count(_DIMS)
        self.input_shape = (1, CROP, CROP, 3) if encodes else (1, count)
        self.output_shape = (1, deformation_count(_DIMS)) if encodes else (1, SIDE, SIDE, 3)
        self._model, self._encodes = model, encodes

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        assert array.shape == self.input_shape
        if not self._encodes:
            return self._model.render()[None]
        self._model.encode(array[0])
        return np.zeros(self.output_shape, np.float32)

    def close(self) -> None:
        pass


def load(backend: str, threads: int | None) -> Model:
    """As `realtime.models.load_model`."""
    info, both = ModelInfo("f00d", _DIMS, CROP, "CC0-1.0"), BarcodeModel()
    return Model(info, Half(both, True), Half(both, False), "barcode", "barcode: it is a test")


def avatar_file(folder: Path) -> Path:
    """An avatar for it."""
    rows = 2 * SIDE.bit_length() - 4
    styles = np.ones(style_count(_DIMS), np.float32)
    identity = np.ones((rows, _DIMS.w_dim), np.float32)
    thumbnail = np.zeros((16, 16, 3), np.uint8)
    path = folder / "testa.avatar"
    save_avatar(Avatar("Testa", identity, styles, thumbnail, "f00d", "CC0-1.0", "synthetic"), path)
    return path

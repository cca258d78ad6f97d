"""How an input is opened and read, frame by frame."""

import errno
import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from realtime.cameras import OFFER, PICTURES, Input
from realtime.frames import Image
from reenact.errors import UserError
from reenact.pictures import read_picture

CAMERA_SIZE = (640, 480)
"""What a camera is asked for: the encoder's square is 192 px, more only costs time to unpack."""
_USUAL_FPS = 30.0


class Capture(Protocol):
    """What is read from: OpenCV's VideoCapture, or `_Pictures`."""

    def isOpened(self) -> bool: ...
    def grab(self) -> bool: ...
    def retrieve(self) -> tuple[bool, cv2.typing.MatLike | None]: ...
    def read(self) -> tuple[bool, cv2.typing.MatLike | None]: ...
    def get(self, propId: int, /) -> float: ...
    def set(self, propId: int, value: float, /) -> bool: ...
    def release(self) -> None: ...


class Reader:
    """Reads an input frame by frame, as u8 [H,W,3] RGB; OpenCV's BGR ends here.

    Attributes:
        fps: frames a second; for cameras a claim.
    """

    def __init__(self, capture: Capture, peeked: Image | None) -> None:
        """`peeked`: a frame that was read already and is to be given again, first."""
        self._capture, self._peeked = capture, peeked
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else _USUAL_FPS

    @property
    def coding(self) -> str:
        """How a camera packs its pictures, e.g. MJPG; empty where it does not say."""
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        text = code.to_bytes(4, "little", signed=False) if code > 0 else b""
        return text.decode("ascii", "ignore").strip("\0 ")

    def grab(self) -> bool:
        """Step to the next frame without looking at it; False at the end."""
        if self._peeked is not None:
            return True
        return self._capture.grab()

    def retrieve(self) -> Image | None:
        """The frame stepped to; None where it cannot be decoded."""
        image, self._peeked = self._peeked, None
        return image if image is not None else _rgb(*self._capture.retrieve())

    def skip(self) -> bool:
        """Pass over the next frame; False at the end."""
        stepped, self._peeked = self.grab(), None
        return stepped

    def read(self) -> Image | None:
        """The next frame, None at the end."""
        return self.retrieve() if self.grab() else None

    def rewind(self) -> None:
        """Begin a file again."""
        self._peeked = None
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)

    def close(self) -> None:
        """Give the camera or the file back; may be called twice."""
        self._capture.release()


def open_input(what: Input, size: tuple[int, int] = CAMERA_SIZE) -> Reader:
    """Open an input and read its first frame, so that a broken one is known at once.

    Args:
        what: the input.
        size: width and height asked of a camera, px; it may deliver others.

    Raises:
        UserError: busy, forbidden, unreadable or empty.
    """
    if what.kind == "camera":
        return _open_camera(what, size)
    if what.kind == "stream":
        return _open_stream(what)
    if not what.path or not what.path.exists():
        raise UserError(f"there is no {what.path}: this copy came without the demo; use --input 0")
    capture: Capture = (
        _Pictures(what.path)
        if what.kind in ("folder", "picture")
        else cv2.VideoCapture(str(what.path), cv2.CAP_FFMPEG)
    )
    first = _rgb(*capture.read()) if capture.isOpened() else None
    if first is None:
        state = "holds no pictures" if capture.isOpened() else "is not a video that can be read"
        if what.path.stat().st_size == 0:
            state = "is empty"
        elif not os.access(what.path, os.R_OK):
            state = "may not be read by this user"
        capture.release()
        raise UserError(f"{what.path} {state}: give another file, {OFFER}")
    return Reader(capture, first)


def _open_camera(what: Input, size: tuple[int, int]) -> Reader:
    if what.path is None:
        capture = cv2.VideoCapture(what.index)
    else:
        _check_permission(what.path)
        # Without this OpenCV tries every backend, FFmpeg among them, and complains at length.
        capture = cv2.VideoCapture(str(what.path), cv2.CAP_V4L2)
    if capture.isOpened():
        # Uncompressed, many cameras manage 10 pictures a second over USB 2. What they do not know
        # they ignore, whatever `set` says.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        capture.set(cv2.CAP_PROP_FPS, _USUAL_FPS)
    first = _rgb(*capture.read()) if capture.isOpened() else None
    if first is None:
        capture.release()
        raise UserError(
            f"the camera {what.label} gives no pictures: it is busy, or not a camera; "
            f"close the program that uses it or choose another with --input, {OFFER}"
        )
    return Reader(capture, None)  # the first frame is old by the time the show begins


def _open_stream(what: Input) -> Reader:
    capture = cv2.VideoCapture(what.url, cv2.CAP_FFMPEG)
    if not capture.isOpened() or not capture.read()[0]:
        capture.release()
        raise UserError(f"the stream {what.label} gives no pictures: check its address, {OFFER}")
    return Reader(capture, None)


class _Pictures:
    """Pictures as a video: one, or those of a folder in the order of their names."""

    def __init__(self, path: Path) -> None:
        inside = path.iterdir() if path.is_dir() else [path]
        self._files = sorted(file for file in inside if file.suffix.lower() in PICTURES)
        self._next = 0

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        self._next += 1
        return self._next <= len(self._files)

    def retrieve(self) -> tuple[bool, cv2.typing.MatLike | None]:
        try:
            image = read_picture(self._files[self._next - 1])
        except UserError:
            if len(self._files) == 1:
                raise
            return False, None
        return True, cv2.cvtColor(image, cv2.COLOR_RGB2BGR)

    def read(self) -> tuple[bool, cv2.typing.MatLike | None]:
        return self.retrieve() if self.grab() else (False, None)

    def get(self, propId: int, /) -> float:
        return 0.0  # it has no rate of its own

    def set(self, propId: int, value: float, /) -> bool:
        self._next = int(value)
        return True

    def release(self) -> None:
        pass


def _check_permission(device: Path) -> None:
    try:
        os.close(os.open(device, os.O_RDWR | os.O_NONBLOCK))
    except PermissionError as error:
        raise UserError(
            f"this user may not open the camera {device}: "
            "run `sudo usermod -aG video $USER`, then log out and in"
        ) from error
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise UserError(
                f"the camera {device} is busy: close the program that uses it, {OFFER}"
            ) from error
        raise UserError(f"cannot open the camera {device}: {error.strerror}; {OFFER}") from error


def _rgb(ok: bool, image: cv2.typing.MatLike | None) -> Image | None:
    if not ok or image is None or image.size == 0:
        return None
    if image.ndim == 2:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)

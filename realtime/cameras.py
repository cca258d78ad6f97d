"""What an input is: a camera by index, name or path, a video file, a picture, or the demo."""

import errno
import os
import stat
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

import reenact
from realtime.frames import Image
from reenact.errors import UserError

DEMO = Path(reenact.__file__).parent / "starter" / "demo.mp4"
OFFER = "or try `python run_live.py --input demo`"

_DEV, _SYSFS = Path("/dev"), Path("/sys/class/video4linux")
_USUAL_FPS = 30.0
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Input:
    """What `--input` means.

    Attributes:
        kind: what it is; a "picture" is a video of one frame, the "demo" begins again at its end.
        label: as the user may read it.
        path: of the file or, on Linux, of the camera's device; None: a camera by `index`.
        index: of a camera where those have no paths.
    """

    kind: Literal["camera", "video", "picture", "demo"]
    label: str
    path: Path | None
    index: int = 0


class Reader:
    """Reads an input frame by frame, as u8 [H,W,3] RGB; OpenCV's BGR ends here.

    Attributes:
        fps: frames a second; for cameras a claim.
    """

    def __init__(self, capture: cv2.VideoCapture, peeked: Image | None) -> None:
        """`peeked`: a frame that was read already and is to be given again, first."""
        self._capture, self._peeked = capture, peeked
        fps = capture.get(cv2.CAP_PROP_FPS)
        self.fps = fps if 1 <= fps <= 240 else _USUAL_FPS

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


def find_input(text: str) -> Input:
    """Understand `--input`: "demo", an index, a path of a device, a file, or a camera's name.

    Raises:
        UserError: there is no such thing; the sentence says what there is.
    """
    if text == "demo":
        return Input("demo", "demo", DEMO)
    if text.isdecimal():
        device = _DEV / f"video{text}"
        if sys.platform != "linux":
            return Input("camera", f"camera {text}", None, int(text))
        if not device.exists():
            raise UserError(f"there is no camera {text} (no {device}); {_what_there_is()}")
        return Input("camera", str(device), device)
    if text.startswith("/dev/"):
        if not Path(text).exists():
            raise UserError(f"there is no camera {text}; {_what_there_is()}")
        return Input("camera", text, Path(text))
    path = Path(text)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _by_name(text)
    except OSError as error:  # forbidden, or too long for a name
        raise UserError(f"cannot read {text}: {error.strerror}; name another, {OFFER}") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"the input {text} is a folder: name one video in it, {OFFER}")
    return Input("picture" if path.suffix.lower() in _PICTURES else "video", path.name, path)


def open_input(what: Input) -> Reader:
    """Open an input and read its first frame, so that a broken one is known at once.

    Raises:
        UserError: busy, forbidden, unreadable or empty.
    """
    if what.kind == "camera":
        return _open_camera(what)
    if not what.path or not what.path.is_file():
        raise UserError(f"there is no {what.path}: this copy came without the demo; use --input 0")
    capture = cv2.VideoCapture(str(what.path), cv2.CAP_FFMPEG)
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


def camera_names() -> dict[Path, str]:
    """The V4L2 devices of this machine by path, each with its name."""
    places = sorted(_SYSFS.glob("video*"), key=lambda place: (len(place.name), place.name))
    return {_DEV / place.name: (place / "name").read_text().strip() for place in places}


def _by_name(text: str) -> Input:
    wanted = text.casefold()
    names = {path: name.casefold() for path, name in camera_names().items()}
    found = [path for path, name in names.items() if name == wanted]
    found = found or [path for path, name in names.items() if wanted in name]
    if not found:
        raise UserError(f"there is no file and no camera called {text!r}; {_what_there_is()}")
    return Input("camera", f"{text} ({found[0]})", found[0])


def _what_there_is() -> str:
    cameras = ", ".join(f"{path} ({name})" for path, name in camera_names().items())
    if cameras:
        return f"there are {cameras}: use --input with one of these, {OFFER}"
    return f"no camera is connected to this machine: connect one, {OFFER}"


def _open_camera(what: Input) -> Reader:
    if what.path is None:
        capture = cv2.VideoCapture(what.index)
    else:
        _check_permission(what.path)
        # Without this OpenCV tries every backend, FFmpeg among them, and complains at length.
        capture = cv2.VideoCapture(str(what.path), cv2.CAP_V4L2)
    first = _rgb(*capture.read()) if capture.isOpened() else None
    if first is None:
        capture.release()
        raise UserError(
            f"the camera {what.label} gives no pictures: it is busy, or not a camera; "
            f"close the program that uses it or choose another with --input, {OFFER}"
        )
    return Reader(capture, None)  # the first frame is old by the time the show begins


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


def same_file(path: Path, other: Path | None) -> bool:
    """Whether two paths lead to one file or device."""
    if other is None:
        return False
    with suppress(OSError):
        return path.samefile(other)
    return path.absolute() == other.absolute()

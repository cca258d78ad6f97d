"""Where pictures go: a window, a virtual camera, a file, nowhere, or several of these at once."""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from realtime.frames import Image
from realtime.keys import key_of
from realtime.puppet import Picture
from realtime.recording import VideoFile
from realtime.virtual_camera import VirtualCamera
from reenact.errors import UserError

TITLE = "Reenact"
_WINDOW = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
_KINDS = "window, vcam, vcam:/dev/videoN, vcam:NAME, FILE.mp4 or none"


class Output(Protocol):
    """One place that pictures go to. Made cheaply, which refuses what cannot work; opened later.

    Attributes:
        label: as the user may read it.
        size: width and height that its viewers expect, px; None: as rendered.
        fps: how often they expect a picture, whether there is a new one or not; None: when there is.
    """

    @property
    def label(self) -> str: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    @property
    def fps(self) -> float | None: ...

    def open(self, width: int, height: int, fps: float) -> None:
        """Get ready for pictures of a size, px.

        Raises:
            UserError: it is not possible, and why.
        """
        ...

    def send(self, picture: Picture) -> None:
        """Show a picture."""
        ...

    @property
    def done(self) -> bool:
        """Whether the user closed it."""
        ...

    def close(self, keep: bool) -> None:
        """Leave nothing open; what was not to be kept leaves no trace. May be called twice."""
        ...


def parse_outputs(texts: Sequence[str], source: Path | None) -> list[Output]:
    """Understand every `--output`.

    Args:
        texts: see the module.
        source: the file or device that is the input, which must not be written to.

    Raises:
        UserError: an unknown output, one that is the input, twice the same, or no display.
    """
    outputs: list[Output] = []
    for text in texts:
        if text == "none":
            outputs.append(Nowhere())
        elif text == "window":
            outputs.append(Window())
        elif text == "vcam" or text.startswith("vcam:"):
            outputs.append(VirtualCamera(text[5:] or None, source))
        elif text.lower().endswith(".mp4"):
            outputs.append(VideoFile(Path(text), source))
        else:
            raise UserError(f"there is no output {text!r}: use --output {_KINDS}")
    labels = [output.label for output in outputs]
    for label in labels:
        if labels.count(label) > 1:
            raise UserError(f"the output {label} is given twice: name each only once")
    return outputs


def parse_size(text: str) -> tuple[int, int]:
    """Understand `--size`: "N" or "WxH", px.

    Raises:
        UserError: not numbers, odd, or out of 16 to 4096.
    """
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise UserError(f"the size {text!r} is not a size: use --size 512 or --size 1280x720")
    width, height = int(parts[0]), int(parts[-1])
    if width % 2 or height % 2:
        even = "x".join(str(int(part) + int(part) % 2) for part in parts)
        raise UserError(
            f"the size {text} is odd, which video formats cannot hold: use --size {even}"
        )
    if not all(16 <= side <= 4096 for side in (width, height)):
        raise UserError(f"the size {text} is not between 16 and 4096 px: use --size 512")
    return width, height


class Nowhere:
    """Takes every picture and shows none: for measuring."""

    label, size, fps = "none", None, None
    done = False

    def open(self, width: int, height: int, fps: float) -> None:
        pass

    def send(self, picture: Picture) -> None:
        pass

    def close(self, keep: bool) -> None:
        pass


class Window:
    """A window on the screen: the picture, large enough to read, and what is written over it.

    Attributes:
        pressed: takes the name of each key that is pressed in it.
        draw: gives what to show, u8 [H,W,3] RGB, of a copy of the picture.
    """

    label, size, fps = "window", None, None
    _HIGH = 512  # px at least, as shown
    pressed: Callable[[str], None]
    draw: Callable[[Image], Image]

    def __init__(self) -> None:
        """Raises UserError where there is no display: the GUI library would end the process."""
        self.done, self._open = False, False
        self.pressed, self.draw = (lambda key: None), (lambda pixels: pixels)
        self._shape: tuple[int, ...] = ()
        if sys.platform == "linux" and not _answers(os.environ.get("DISPLAY", "")):
            raise UserError(
                "there is no display to open a window on: "
                "use --output vcam, --output FILE.mp4 or --output none"
            )

    def open(self, width: int, height: int, fps: float) -> None:
        try:
            cv2.namedWindow(TITLE, _WINDOW)
        except cv2.error as error:
            raise UserError(
                "this OpenCV cannot open windows: run `pip install --force-reinstall "
                '"opencv-python<5"`, or use --output vcam or FILE.mp4'
            ) from error
        self._open = True

    def send(self, picture: Picture) -> None:
        shown = self.draw(_enlarged(picture.pixels, self._HIGH))
        if shown.shape != self._shape:
            self._shape = shown.shape
            cv2.resizeWindow(TITLE, shown.shape[1], shown.shape[0])
        cv2.imshow(TITLE, cv2.cvtColor(shown, cv2.COLOR_RGB2BGR))
        key = key_of(cv2.waitKeyEx(1) & 0xFFFF)  # waitKey's byte takes an arrow for Q; -1: none
        if key is not None:
            self.pressed(key)
        self.done = self.done or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1

    def close(self, keep: bool) -> None:
        if self._open:
            self._open = False
            with suppress(cv2.error):  # the user was quicker
                cv2.destroyWindow(TITLE)
                cv2.waitKey(1)


def _enlarged(pixels: Image, high: int) -> Image:
    """A copy of u8 [H,W,3], at least so high."""
    height, width = pixels.shape[:2]
    if height >= high:
        return pixels.copy()
    size = (round(width * high / height), high)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _answers(display: str) -> bool:
    """Whether an X server is behind $DISPLAY ("[host]:number[.screen]")."""
    host, _, number = display.rpartition(":")
    number = number.partition(".")[0]
    if not number.isdecimal():
        return False
    if host not in ("", "unix"):
        return True  # over a network: believed
    for name in (f"/tmp/.X11-unix/X{number}", f"\0/tmp/.X11-unix/X{number}"):
        with socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(name)
            return True
    return False

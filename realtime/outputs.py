"""Where pictures go: a window, a virtual camera, a file, nowhere, or several of these at once."""

import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from realtime.cameras import camera_names
from realtime.puppet import Picture
from reenact.errors import UserError

TITLE = "Reenact"
MARK = "synthetic: made with Reenact"
_WINDOW = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
_KINDS = "window, vcam, vcam:/dev/videoN, FILE.mp4 or none"
_VIRTUAL = Path("/sys/devices/virtual/video4linux")
_LOOPBACK = "sudo modprobe v4l2loopback video_nr=10 card_label=Reenact exclusive_caps=1"


class Output(Protocol):
    """One place that pictures go to. Made cheaply, which refuses what cannot work; opened later."""

    label: str

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

    label = "none"
    done = False

    def open(self, width: int, height: int, fps: float) -> None:
        pass

    def send(self, picture: Picture) -> None:
        pass

    def close(self, keep: bool) -> None:
        pass


class Window:
    """A window on the screen; Esc, q or its cross end the show."""

    label = "window"

    def __init__(self) -> None:
        """Raises UserError where there is no display: the GUI library would end the process."""
        self.done, self._open = False, False
        if sys.platform == "linux" and not _answers(os.environ.get("DISPLAY", "")):
            raise UserError(
                "there is no display to open a window on: "
                "use --output vcam, --output FILE.mp4 or --output none"
            )

    def open(self, width: int, height: int, fps: float) -> None:
        try:
            cv2.namedWindow(TITLE, _WINDOW)
            cv2.resizeWindow(TITLE, max(width, 512), max(height, 512 * height // width))
        except cv2.error as error:
            raise UserError(
                "this OpenCV cannot open windows: run `pip install --force-reinstall "
                '"opencv-python<5"`, or use --output vcam or FILE.mp4'
            ) from error
        self._open = True

    def send(self, picture: Picture) -> None:
        cv2.imshow(TITLE, picture.pixels[:, :, ::-1])
        key = cv2.waitKey(1) & 0xFF
        closed = cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        self.done = self.done or closed or key in (27, ord("q"))

    def close(self, keep: bool) -> None:
        if self._open:
            self._open = False
            with suppress(cv2.error):  # the user was quicker
                cv2.destroyWindow(TITLE)
                cv2.waitKey(1)


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


class VirtualCamera:
    """A camera that other programs see (pyvirtualcam: v4l2loopback, OBS, Unity Capture)."""

    done = False

    def __init__(self, device: str | None, source: Path | None) -> None:
        """`device`: None takes the first free one that is not the input."""
        if device and _same(Path(device), source):
            raise UserError(f"the output {device} is also the input: write to another camera")
        self.label = f"vcam:{device}" if device else "vcam"
        self._device, self._source = device, source
        self._camera: Any = None

    def open(self, width: int, height: int, fps: float) -> None:
        if width % 2 or height % 2:
            raise UserError(f"{width}x{height} is odd, which cameras cannot be: use --size 512")
        try:
            import pyvirtualcam
        except ImportError as error:
            raise UserError(
                f"the virtual camera needs pyvirtualcam ({error}): run `pip install -e .`"
            ) from error
        failed: Exception | None = None
        for device in self._candidates():
            try:
                self._camera = pyvirtualcam.Camera(width, height, fps, device=device)
            except (RuntimeError, OSError, ValueError) as error:
                failed = error
            else:
                self.label = f"vcam:{self._camera.device}"
                return
        raise UserError(self._advice(failed)) from failed

    def send(self, picture: Picture) -> None:
        self._camera.send(picture.pixels)

    def close(self, keep: bool) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None

    def _candidates(self) -> list[str | None]:
        """Devices to try. Left alone the library takes the first: it may be the webcam."""
        if self._device or sys.platform != "linux":
            return [self._device]
        found = [path for path in camera_names() if (_VIRTUAL / path.name).exists()]
        return [str(path) for path in found if not _same(path, self._source)]

    def _advice(self, error: Exception | None) -> str:
        reason = f" ({error})" if error else ""
        if sys.platform != "linux":
            return (
                f"there is no virtual camera to write to{reason}: install OBS Studio "
                "and start its virtual camera once"
            )
        if not _VIRTUAL.exists():
            return (
                "there is no virtual-camera driver on this machine: "
                f"run `sudo apt install v4l2loopback-dkms && {_LOOPBACK}`"
            )
        what = self._device or "any virtual camera"
        return (
            f"cannot write to {what}{reason}: close the program that writes to it, or make the "
            f"camera anew with `sudo modprobe -r v4l2loopback && {_LOOPBACK}`"
        )


class VideoFile:
    """An h264 file, written beside its final name and moved there whole at the end.

    Pictures keep their times, so that a recording of a live show plays at the show's speed.
    """

    done = False
    _TICK = Fraction(1, 90_000)  # s; a multiple of every usual frame's time

    def __init__(self, path: Path, source: Path | None) -> None:
        if _same(path, source):
            raise UserError(f"the output {path} is also the input: name another file")
        # Unlike Path.is_dir these do not raise where this user may not look.
        if os.path.isdir(path):
            raise UserError(f"the output {path} is a folder: name a file in it")
        if not os.path.isdir(path.parent):
            raise UserError(
                f"cannot write {path}, there is no folder {path.parent}: "
                f"run `mkdir -p {path.parent}`"
            )
        self.label = str(path)
        self._path = path
        self._part = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        self._container: Any = None
        self._begin_s = 0.0
        self._last = -1

    def open(self, width: int, height: int, fps: float) -> None:
        if width % 2 or height % 2:
            raise UserError(f"{width}x{height} is odd, which h264 cannot hold: use --size 512")
        import av  # 0.1 s; only for files

        try:
            self._part.touch()
            self._container = av.open(str(self._part), "w")
        except OSError as error:
            raise UserError(
                f"cannot write {self._path}: {error.strerror}; choose another folder"
            ) from error
        self._container.metadata["comment"] = MARK
        rate = Fraction(fps).limit_denominator(1001)
        options = {"crf": "16", "preset": "veryfast"}
        self._stream = self._container.add_stream("libx264", rate=rate, options=options)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        # Said aloud: players take a large picture for BT.709 otherwise, and change its colours.
        self._stream.codec_context.colorspace = av.video.reformatter.Colorspace.ITU601
        self._stream.codec_context.color_range = av.video.reformatter.ColorRange.MPEG
        self._stream.thread_count = 1  # the networks need the others
        self._stream.codec_context.time_base = self._TICK

    def send(self, picture: Picture) -> None:
        import av

        if self._last < 0:
            self._begin_s = picture.time_s
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture.pixels), format="rgb24")
        ticks = round((picture.time_s - self._begin_s) / self._TICK)
        frame.pts = self._last = max(ticks, self._last + 1)
        frame.time_base = self._TICK
        try:
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise self._broken_off(error) from error

    def close(self, keep: bool) -> None:
        container, self._container = self._container, None
        if container is None:
            self._part.unlink(missing_ok=True)
            return
        try:
            if keep and self._last >= 0:
                container.mux(self._stream.encode(None))
            container.close()
            if keep and self._last >= 0:
                os.replace(self._part, self._path)
        except OSError as error:
            raise self._broken_off(error) from error
        finally:
            self._part.unlink(missing_ok=True)

    def _broken_off(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self._path}: {error.strerror}; free some space and try again"
        )


def _same(path: Path, other: Path | None) -> bool:
    if other is None:
        return False
    with suppress(OSError):
        return path.samefile(other)
    return path.absolute() == other.absolute()

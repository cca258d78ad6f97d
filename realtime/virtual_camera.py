"""A camera that other programs see (pyvirtualcam: v4l2loopback, OBS, Unity Capture)."""

import sys
from pathlib import Path
from typing import Any

from realtime import v4l2
from realtime.cameras import camera_names, same_file
from realtime.puppet import Picture
from reenact.errors import UserError

_VIRTUAL = Path("/sys/devices/virtual/video4linux")
_LOOPBACK = "sudo modprobe v4l2loopback video_nr=10 card_label=Reenact exclusive_caps=1"


class VirtualCamera:
    """A camera that other programs see (pyvirtualcam: v4l2loopback, OBS, Unity Capture)."""

    size, fps = (1280, 720), 30.0  # what calls and OBS ask for
    done = False

    def __init__(self, device: str | None, source: Path | None) -> None:
        """`device`: a path or a name; None takes the first free one that is not the input."""
        if device and same_file(Path(device), source):
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
        if sys.platform != "linux" or (self._device or "").startswith("/"):
            return [self._device]
        found = {path: name for path, name in camera_names().items() if self._ours(path)}
        wanted = (self._device or "").casefold()
        same = [path for path, name in found.items() if name.casefold() == wanted]
        some = [path for path, name in found.items() if wanted in name.casefold()]
        return [str(path) for path in same or some]

    def _ours(self, path: Path) -> bool:
        """Whether a device is one that programs may write to, and not the input."""
        return (_VIRTUAL / path.name).exists() and not same_file(path, self._source)

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
        if any(_hangs(Path(device)) for device in self._candidates() if device):
            return (
                "the virtual camera's driver hangs: v4l2loopback 0.12.7 with exclusive_caps=1 can be "
                f"written to only once; run `sudo modprobe -r v4l2loopback && {_LOOPBACK}`, and "
                "see `python -m realtime.doctor --only 'virtual camera'` for a newer driver"
            )
        if self._device and not self._candidates():
            names = [
                f"{path} ({name})" for path, name in camera_names().items() if self._ours(path)
            ]
            there = f"there are {', '.join(names)}" if names else "there is none to write to"
            return f"no virtual camera is called {self._device!r}: {there}"
        what = self._device or "any virtual camera"
        return (
            f"cannot write to {what}{reason}: close the program that writes to it, or make the "
            f"camera anew with `sudo modprobe -r v4l2loopback && {_LOOPBACK}`"
        )


def _hangs(device: Path) -> bool:
    """Whether a device neither takes nor gives pictures: it is neither idle nor in use."""
    try:
        return not v4l2.capabilities(device) & (v4l2.CAPTURE | v4l2.OUTPUT)
    except OSError:
        return False

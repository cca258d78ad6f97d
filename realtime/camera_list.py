"""What each camera really delivers: opened, read for a second, and measured."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from realtime.cameras import OWN, Input, camera_names
from realtime.frames import Image
from realtime.health import CameraHealth
from realtime.readers import Reader, open_input
from reenact.errors import UserError

_MEASURED_S = 1.5
_WARM_UP = 3  # frames: the first ones come late, or from before
_TRIED = 6  # numbers, where cameras have no names


@dataclass(frozen=True)
class Measured:
    """What came from a camera.

    Attributes:
        image: the last frame, u8 [H,W,3] RGB.
        coding: how it was packed, e.g. MJPG.
        fps: how many came a second.
        complaint: what is wrong with it, in words (see `realtime.health`); None: nothing.
    """

    image: Image
    coding: str
    fps: float
    complaint: str | None

    def __str__(self) -> str:
        height, width = self.image.shape[:2]
        level = float(self.image.mean())
        return (
            f"{width}x{height} {self.coding} at {self.fps:.0f} fps, brightness {level:.0f} of 255"
        )


def describe_cameras(size: tuple[int, int]) -> Iterator[str]:
    """A line for each camera: path, name, and what came when `size` (px) was asked for."""
    found = False
    for what in candidates():
        try:
            reader = open_input(what, size)
        except UserError as error:
            if what.name:
                found = True
                yield f"{what.label}  {what.name}: {error}"
            continue
        found = True
        try:
            found_here = measure(reader) or "opens, but gives no pictures"
            yield f"{what.label}  {what.name or 'camera'}: {found_here}"
        finally:
            reader.close()
    if not found:
        yield "no camera is connected; try `python run_live.py --input demo`"


def candidates() -> Iterator[Input]:
    """Every camera that may be there, but never our own virtual one."""
    if sys.platform != "linux":
        yield from (Input("camera", f"camera {k}", None, k) for k in range(_TRIED))
    for path, name in camera_names().items():
        if not name.startswith(OWN):
            yield Input("camera", str(path), path, name=name)


def measure(reader: Reader) -> Measured | None:
    """Read a camera for a moment; None when next to nothing came."""
    times: list[float] = []
    image, complaint, health = None, None, CameraHealth(reader.fps)
    end_s = time.perf_counter() + _MEASURED_S
    while time.perf_counter() < end_s and (newest := reader.read()) is not None:
        image = newest
        times.append(time.perf_counter())
        complaint = health.see(image, times[-1])
    times = times[_WARM_UP:]
    if image is None or len(times) < 2:
        return None
    rate = (len(times) - 1) / (times[-1] - times[0])
    return Measured(image, reader.coding, rate, complaint)

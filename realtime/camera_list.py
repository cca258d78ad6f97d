"""What each camera really delivers: opened, read for a second, and measured."""

import sys
import time
from collections.abc import Iterator

from realtime.cameras import OWN, Input, camera_names
from realtime.readers import Reader, open_input
from reenact.errors import UserError

_MEASURED_S = 1.5
_WARM_UP = 3  # frames: the first ones come late, or from before
_TRIED = 6  # numbers, where cameras have no names


def describe_cameras(size: tuple[int, int]) -> Iterator[str]:
    """A line for each camera: path, name, and what came when `size` (px) was asked for."""
    found = False
    for what in _candidates():
        try:
            reader = open_input(what, size)
        except UserError as error:
            if what.name:
                found = True
                yield f"{what.label}  {what.name}: {error}"
            continue
        found = True
        try:
            yield f"{what.label}  {what.name or 'camera'}: {measured(reader)}"
        finally:
            reader.close()
    if not found:
        yield "no camera is connected; try `python run_live.py --input demo`"


def _candidates() -> Iterator[Input]:
    if sys.platform != "linux":
        yield from (Input("camera", f"camera {k}", None, k) for k in range(_TRIED))
    for path, name in camera_names().items():
        if not name.startswith(OWN):
            yield Input("camera", str(path), path, name=name)


def measured(reader: Reader) -> str:
    """Size, coding, rate and brightness of what a camera gives."""
    times, level, shape = [], 0.0, (0, 0)
    end_s = time.perf_counter() + _MEASURED_S
    while time.perf_counter() < end_s:
        image = reader.read()
        if image is None:
            break
        times.append(time.perf_counter())
        level, shape = float(image.mean()), image.shape[:2]
    times = times[_WARM_UP:]
    if len(times) < 2:
        return "opens, but gives no pictures"
    rate = (len(times) - 1) / (times[-1] - times[0])
    return f"{shape[1]}x{shape[0]} {reader.coding} at {rate:.0f} fps, brightness {level:.0f} of 255"

"""What the doctor looks at outside: cameras, and the virtual camera that other programs see."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep

import numpy as np

from realtime import v4l2
from realtime.advice import advice
from realtime.camera_list import Measured, candidates, measure
from realtime.cameras import Input, camera_names, find_input
from realtime.findings import Asked, Finding, State, ok, told
from realtime.pacing import OnClock
from realtime.puppet import Picture, card
from realtime.readers import open_input
from realtime.virtual_camera import VirtualCamera
from reenact.errors import UserError
from reenact.face import FaceFinder

VIRTUAL = Path("/sys/devices/virtual/video4linux")
LOOPBACK = Path("/sys/module/v4l2loopback")
_SIZE, _FPS = (1280, 720), 30.0
_PATIENCE_S = 3.0
_ALIKE = 8.0  # levels of 255 that a picture may differ when it is read back


def cameras(asked: Asked) -> Iterator[Finding]:
    """Every camera, or the one asked for: does it open, what does it really deliver."""
    if asked.camera is None:
        inputs, lack = [what for what in candidates() if _delivers(what)], State.WARNING
    else:
        lack = State.PROBLEM
        try:
            inputs = [find_input(asked.camera)]
        except UserError as error:
            yield told(error, lack, "there is nothing to follow", advice("no camera"))
            return
        if not inputs[0].live:
            yield ok(f"the input is {inputs[0].label}: no camera is needed")
            return
    none = True
    for what in inputs:
        for finding in _camera(what, lack):
            none = False
            yield finding
    if none:
        why = "without one only files and the demo can drive the avatar"
        yield Finding(lack, "no camera is connected", why, advice("no camera"))


def _delivers(what: Input) -> bool:
    """Whether it is a camera at all; Linux lists metadata and virtual outputs beside them."""
    if what.path is None:
        return True
    try:
        return bool(v4l2.capabilities(what.path) & v4l2.CAPTURE)
    except OSError:  # opening it properly says why
        return True


def _camera(what: Input, lack: State) -> Iterator[Finding]:
    label = f"{what.label} {what.name}".strip()
    try:
        reader = open_input(what)
    except UserError as error:
        if what.path is not None or lack is State.PROBLEM:  # else it was a number that was tried
            yield told(error, lack, "it cannot drive the avatar", advice("camera refused"))
        return
    try:
        seen = measure(reader)
    finally:
        reader.close()
    if seen is None:
        what_, why = f"{label} opens, but gives no pictures", "it cannot drive the avatar"
        yield Finding(lack, what_, why, advice("camera refused"))
        return
    yield _judged(label, seen)
    yield _face(label, seen)


def _judged(label: str, seen: Measured) -> Finding:
    if seen.complaint is None:
        return ok(f"{label}: {seen}")
    why = "the avatar can only do what the camera shows"
    return Finding(State.WARNING, f"{label}: {seen}; {seen.complaint}", why, advice("cameras"))


def _face(label: str, seen: Measured) -> Finding:
    box = FaceFinder().find(seen.image)
    if box is None:
        why = "without a face the avatar stays neutral; sit before it and run this again"
        return Finding(State.WARNING, f"{label}: no face in its picture", why, advice("cameras"))
    share = 100 * box.side / seen.image.shape[0]
    return ok(f"{label}: a face, {share:.0f} % of the picture's height")


def virtual_camera(asked: Asked) -> Iterator[Finding]:
    """Driver, device and, if asked for or known to be harmless, pictures sent and read back."""
    lack = asked.lack_of("vcam")
    if sys.platform != "linux":
        yield _sent(None, lack)
        return
    named = [Path(output[5:]) for output in asked.outputs if output.startswith("vcam:")]
    devices = named or [path for path in camera_names() if (VIRTUAL / path.name).exists()]
    if not devices:
        driver = "has no device" if LOOPBACK.exists() else "is not loaded"
        topic = "virtual camera anew" if LOOPBACK.exists() else "no virtual camera"
        why = "other programs see the avatar through it (--output vcam)"
        yield Finding(lack, f"the driver v4l2loopback {driver}", why, advice(topic))
    if devices and (old := _old_driver()):
        why = "after a program that wrote to it ends, nobody can write to it again"
        yield Finding(State.WARNING, f"{old} with exclusive_caps=1", why, advice("newer loopback"))
    for device in devices:
        yield from _loopback(device, asked, lack)


def _old_driver() -> str | None:
    """v4l2loopback 0.12 with exclusive_caps: it cannot be opened a second time (seen in 0.12.7)."""
    version = _parameter("version")
    exclusive = "Y" in _parameter("parameters/exclusive_caps")
    return f"v4l2loopback {version}" if exclusive and version.startswith("0.12.") else None


def _loopback(device: Path, asked: Asked, lack: State) -> Iterator[Finding]:
    name = f"{device} {camera_names().get(device, '')}".strip()
    try:
        able = v4l2.capabilities(device)
    except OSError as error:
        topic = "camera refused" if isinstance(error, PermissionError) else "virtual camera anew"
        what = f"{name} cannot be opened: {error.strerror}"
        yield Finding(lack, what, "the app cannot write to it", advice(topic))
        return
    if not able & (v4l2.CAPTURE | v4l2.OUTPUT):
        why = "v4l2loopback 0.12.7 with exclusive_caps=1 does this after its first use"
        what = f"{name} takes no pictures any more: its driver hangs"
        lines = (*advice("virtual camera anew"), *advice("newer loopback"))
        yield Finding(lack, what, why, lines)
    elif not able & v4l2.OUTPUT:
        yield ok(f"{name}: another program writes to it now")
    else:
        if able & v4l2.CAPTURE:
            why = "browsers and some call apps do not list it; OBS does"
            what = f"{name} is made without exclusive_caps=1"
            yield Finding(State.WARNING, what, why, advice("virtual camera anew"))
        yield from _tried(device, name, asked, lack)


def _tried(device: Path, name: str, asked: Asked, lack: State) -> Iterator[Finding]:
    """Really send pictures, unless that might leave an old driver unusable and nobody asked."""
    if _old_driver() or not (_parameter("version") or lack is State.PROBLEM):
        yield ok(f"{name}: free to write to (try it with --output vcam:{device})")
        return
    yield _sent(device, lack)
    with suppress(OSError):
        if not v4l2.capabilities(device) & (v4l2.CAPTURE | v4l2.OUTPUT):
            why = "v4l2loopback 0.12.7 with exclusive_caps=1 does this"
            what = f"{name} can be written to only once: now its driver hangs"
            lines = (*advice("virtual camera anew"), *advice("newer loopback"))
            yield Finding(lack, what, why, lines)


def _sent(device: Path | None, lack: State) -> Finding:
    """Pictures of a card sent for a moment; on Linux also read back."""
    output = OnClock(VirtualCamera(str(device) if device else None, None))
    picture = card("Reenact", *_SIZE, 0.0)
    try:
        output.open(*_SIZE, _FPS)
    except UserError as error:
        output.close(keep=False)
        why = "other programs see the avatar through it (--output vcam)"
        return told(error, lack, why, advice("no virtual camera"))
    try:
        output.send(picture)
        _wait_for(output)  # before the first one, nothing can be read
        if device is None:
            return ok(f"{output.label}: opens for {_SIZE[0]}x{_SIZE[1]} at {_FPS:.0f} fps")
        return _read_back(device, picture, lack)
    finally:
        output.close(keep=False)


def _wait_for(output: OnClock) -> None:
    end_s = perf_counter() + _PATIENCE_S
    while output.counts.sent < 2 and perf_counter() < end_s:
        sleep(1 / _FPS)


def _read_back(device: Path, picture: Picture, lack: State) -> Finding:
    why = "what other programs would see is not what was sent"
    try:
        reader = open_input(Input("camera", str(device), device), _SIZE)
    except UserError as error:
        return told(error, lack, why, advice("virtual camera anew"))
    try:
        seen = measure(reader)
    finally:
        reader.close()
    if seen is None or seen.image.shape != picture.pixels.shape:
        what = f"{device}: nothing of the right size is read back"
        return Finding(lack, what, why, advice("virtual camera anew"))
    differs = float(np.abs(seen.image.astype(np.int16) - picture.pixels).mean())
    height, width = seen.image.shape[:2]
    words = f"{device}: {width}x{height} at {seen.fps:.0f} fps read back"
    if differs > _ALIKE:
        what = f"{words}, {differs:.0f} levels beside what was sent"
        return Finding(lack, what, why, advice("virtual camera anew"))
    return ok(f"{words}, as sent")


def _parameter(name: str) -> str:
    """What the driver says of itself; empty where it does not."""
    try:
        return (LOOPBACK / name).read_text().strip()
    except OSError:
        return ""

"""What the doctor looks at in the app itself: model, engines, face finder, files, and a real run."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

from engines import GRAPHS, ModelInfo, backends, model_info
from engines.built import BUILT, engines_in, state_of
from realtime.advice import advice
from realtime.calibration import load_calibration
from realtime.cameras import find_input
from realtime.checkups_install import ROOT
from realtime.findings import Asked, Finding, State, ok, told
from realtime.models import STARTER
from realtime.outputs import parse_outputs
from realtime.readers import open_input
from realtime.settings import default_file
from reenact.avatar import check_fits, load_avatar, starter_avatars, user_avatars
from reenact.errors import UserError
from reenact.face import FaceFinder
from reenact.folders import settings_folder
from reenact.motion_basis import FILE, load_basis
from reenact.spaces import deformation_count, style_count

_PROBE_S, _SHOW_S = 180, 120
_LEAST_FREE = 2e9  # bytes
_SLOW = 24.0  # fps
_POINTER = b"version https://git-lfs"


def model(asked: Asked) -> Iterator[Finding]:
    """The starter's files: whole, of one generator, and its avatars and basis fit."""
    mend = advice("starter")
    for graph in GRAPHS:
        file = STARTER / f"{graph}.onnx"
        if file.is_file() and file.read_bytes()[: len(_POINTER)] == _POINTER:
            why = "a pointer was downloaded in place of the file, so there are no weights"
            yield Finding(State.PROBLEM, f"{file.name} is a Git LFS pointer", why, mend)
            return
    try:
        info = model_info(STARTER)
    except UserError as error:
        yield told(error, State.PROBLEM, "without the networks there is no picture", mend)
        return
    yield ok(
        f"the three networks are whole and of one generator ({info.fingerprint[:8]}), "
        f"{info.dims.resolution}x{info.dims.resolution} px, {info.license}"
    )
    yield from _avatars(info)
    yield from _basis(info)


def _avatars(info: ModelInfo) -> Iterator[Finding]:
    fitting, shipped = [], starter_avatars()
    for name, path in (user_avatars() | shipped).items():
        try:
            check_fits(load_avatar(path), info.fingerprint, style_count(info.dims))
        except UserError as error:
            lines = advice("starter") if name in shipped else ()
            yield told(error, State.WARNING, "this avatar cannot be shown", lines)
        else:
            fitting.append(name)
    if fitting:
        yield ok(f"avatars that fit: {', '.join(fitting)}")
    else:
        why = "the app has nobody to show, unless --avatar names a file"
        yield Finding(State.PROBLEM, "no avatar fits", why, advice("starter"))


def _basis(info: ModelInfo) -> Iterator[Finding]:
    why = "gains and limits of pose, mouth, eyes and brows do nothing without it"
    try:
        basis = load_basis(STARTER / FILE)
    except UserError as error:
        yield told(error, State.WARNING, why, advice("starter"))
        return
    if basis.fingerprint == info.fingerprint:
        yield ok("the motion basis fits")
    else:
        what = f"{FILE} belongs to another generator ({basis.fingerprint[:8]})"
        yield Finding(State.WARNING, what, why, advice("starter"))


@dataclass(frozen=True)
class Probe:
    """How a backend did: the device it really ran on and its times, or why it failed."""

    device: str = ""
    encode_ms: float = 0.0
    render_ms: float = 0.0
    failed: str = ""

    @property
    def frame_ms(self) -> float:
        """What a frame costs."""
        return self.encode_ms + self.render_ms


@cache
def probed() -> dict[str, Probe]:
    """Every backend that is installed, tried once, each in a process of its own."""
    present = [name for name, missing in backends().items() if missing is None]
    return {name: _probe(name) for name in present}


def _probe(backend: str) -> Probe:
    command = [sys.executable, "-m", "realtime.engine_probe", backend]
    try:
        run = _run(command, _PROBE_S)
    except subprocess.TimeoutExpired:
        return Probe(failed=f"it hangs: nothing came in {_PROBE_S} s")
    if run.returncode == 0:
        return Probe(**json.loads(run.stdout.splitlines()[-1]))
    if run.returncode < 0:  # on Windows a crash is a number above
        return Probe(failed=f"it crashes ({signal.Signals(-run.returncode).name})")
    return Probe(failed=_last_line(run.stderr))


def fastest() -> str | None:
    """The backend with the cheapest frame; None where none works."""
    working = {name: probe for name, probe in probed().items() if not probe.failed}
    return min(working, key=lambda name: working[name].frame_ms, default=None)


def engines(asked: Asked) -> Iterator[Finding]:
    """Each backend: does it load, what does it really run on, how fast."""
    best = fastest()
    for name, probe in probed().items():
        if probe.failed:
            lines = advice("backend", backend=best) if best else advice("engine")
            why = "the app must not use it here"
            yield Finding(State.WARNING, f"{name}: {probe.failed}", why, lines)
        else:
            yield ok(
                f"{name} on {probe.device}: encode {probe.encode_ms:.1f} ms, render "
                f"{probe.render_ms:.1f} ms{'; the fastest here' if name == best else ''}"
            )
    absent = [name for name, missing in backends().items() if missing is not None]
    if absent:
        yield ok(f"not installed: {', '.join(absent)}")
    if best is None:
        why = "without an engine there is no picture"
        yield Finding(State.PROBLEM, "no engine works here", why, advice("engine"))


def nvidia(asked: Asked) -> Iterator[Finding]:
    """Whether there is an NVIDIA card, and TensorRT for it."""
    from engines.cuda import open_cuda

    if shutil.which("nvidia-smi") is None:
        yield ok("no NVIDIA driver here: the networks run without CUDA and TensorRT")
        return
    why = "its card draws a picture in a fraction of the time a CPU takes"
    lacking = {name: backends()[name] for name in ("tensorrt", "tensorrt-rtx")}
    if all(lacking.values()):
        what = "NVIDIA's driver is here, but neither TensorRT nor TensorRT-RTX"
        yield Finding(State.WARNING, what, why, advice("nvidia"))
        return
    try:
        gpu = open_cuda().gpu
    except UserError as error:
        yield told(error, State.WARNING, why)
    else:
        yield ok(f"{gpu.name}, {gpu.memory / 2**30:.0f} GiB, CUDA {gpu.cuda}")


def passports(asked: Asked) -> Iterator[Finding]:
    """Every engine that was built, against its passport."""
    built = [*engines_in(BUILT), *engines_in(STARTER)]
    for engine in built:
        state, name = state_of(engine), f"{engine.parent.name}/{engine.name}"
        if state.good:
            yield ok(f"{name}: {state.words}")
        else:
            why = "an engine that does not match is not loaded; the app takes another"
            yield Finding(State.WARNING, f"{name} {state.words}", why, advice("passport"))
    if not built:
        yield ok("no engine was built ahead; only TensorRT needs that")


def face_finder(asked: Asked) -> Iterator[Finding]:
    """Whether a face is found in the demo."""
    try:
        finder, reader = FaceFinder(), open_input(find_input("demo"))
    except UserError as error:
        yield told(error, State.PROBLEM, "without it nobody is followed", advice("opencv"))
        return
    images = [image for _ in range(5) if (image := reader.read()) is not None]
    reader.close()
    begin_s = perf_counter()
    found = sum(finder.find(image) is not None for image in images)
    took_ms = 1000 * (perf_counter() - begin_s) / len(images)
    words = f"found the face in {found} of {len(images)} frames of the demo, {took_ms:.0f} ms each"
    if 2 * found > len(images):
        yield ok(words)
    else:
        why = "whoever is not found is not followed"
        yield Finding(State.PROBLEM, words, why, advice("opencv"))


def display(asked: Asked) -> Iterator[Finding]:
    """Whether a window can be opened: one is, for a moment."""
    try:
        (window,) = parse_outputs(["window"], None)
        window.open(256, 256, 30.0)
        window.close(keep=False)
    except UserError as error:
        yield told(
            error, asked.lack_of("window"), "only --output window needs it", advice("display")
        )
    else:
        yield ok("a window opens")


def settings(asked: Asked) -> Iterator[Finding]:
    """Whether the app understands the settings of the file and of the environment."""
    run = _run([sys.executable, "run_live.py", "--show-settings"], _SHOW_S)
    if run.returncode:
        error = UserError(_last_line(run.stderr))
        yield told(error, State.PROBLEM, "the app does not start with it", advice("settings"))
    elif default_file().exists():
        yield ok(f"{default_file()} is valid")
    else:
        yield ok(f"no settings file ({default_file()}): the defaults hold")


def calibrations(asked: Asked) -> Iterator[Finding]:
    """Whether the neutral faces that were kept can still be used."""
    files = sorted((settings_folder() / "calibrations").glob("*.calibration"))
    if not files:
        yield ok("none is kept yet; --calibrate makes one")
        return
    info = model_info(STARTER)
    for file in files:
        try:
            known = load_calibration(file, info.fingerprint, deformation_count(info.dims))
        except UserError as error:
            yield told(error, State.WARNING, "--relative begins anew", advice("calibrate"))
            continue
        if known is None:
            what, why = f"{file.name} is of another generator", "--relative begins anew"
            yield Finding(State.WARNING, what, why, advice("calibrate"))
        else:
            yield ok(f"{known.person} before {known.camera}")


def disk(asked: Asked) -> Iterator[Finding]:
    """Whether there is room for a recording in this folder."""
    free = shutil.disk_usage(Path.cwd()).free
    words = f"{free / 1e9:.1f} GB free in this folder"
    if free < _LEAST_FREE:
        why = "a recording that runs out of room is lost"
        yield Finding(State.WARNING, words, why, advice("disk"))
    else:
        yield ok(words)


def show(asked: Asked) -> Iterator[Finding]:
    """Two seconds of the demo through the real loop."""
    backend = fastest()
    if backend is None:
        yield Finding(State.PROBLEM, "not tried: no engine works", "", ())
        return
    demo = [sys.executable, "run_live.py", "--input", "demo", "--output", "none", "--json"]
    run = _run([*demo, "--seconds", "2", "--backend", backend], _SHOW_S)
    if run.returncode:
        error = UserError(_last_line(run.stderr))
        yield told(error, State.PROBLEM, "this is the app itself", advice("demo"))
        return
    yield _judged(json.loads(run.stdout.splitlines()[-1]), backend)


def _judged(report: dict[str, Any], backend: str) -> Finding:
    if report["fps"] is None:
        what, why = f"{report['frames']} pictures in two seconds", "that is no live picture"
        return Finding(State.PROBLEM, what, why, advice("demo"))
    latency = report["latency_ms"]
    words = (
        f"{report['fps']:.0f} fps on {backend}, {report['drops']} dropped, "
        f"{latency['p50']:.0f} ms from capture to sent, 95 % within {latency['p95']:.0f} ms"
    )
    if report["fps"] >= _SLOW:
        return ok(words)
    why = "motion looks jerky; close other programs, or use a machine with a faster CPU or a GPU"
    return Finding(State.WARNING, words, why, advice("demo"))


def _run(command: list[str], limit_s: float) -> "subprocess.CompletedProcess[str]":
    """Run a command of ours; the keys that are pressed meanwhile are not for it."""
    quiet = subprocess.DEVNULL
    return subprocess.run(
        command, cwd=ROOT, stdin=quiet, capture_output=True, text=True, timeout=limit_s
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines() or ["it ended without a word"]
    return lines[-1].removeprefix("error: ")

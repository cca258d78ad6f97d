"""From the words of the command line to a running show, and everything closed behind it."""

import itertools
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import cv2

from engines import Overlapping
from realtime.calibration import (
    Calibration,
    calibration_file,
    load_calibration,
    save_calibration,
)
from realtime.cameras import Input, find_again, find_input
from realtime.canvas import Placed, backdrop
from realtime.expression import Expression, Taste, Vector
from realtime.faces import FaceFollower, Faces, FaceThread, InlineFaces
from realtime.live import Limits, Show
from realtime.models import Model, load_model
from realtime.outputs import Nowhere, Output, Window, parse_outputs, parse_size
from realtime.pacing import Aside, OnClock
from realtime.puppet import Puppet
from realtime.readers import CAMERA_SIZE, open_input
from realtime.settings import settings_folder
from realtime.sources import CameraFeed, EveryFrame, FileFeed, Live, Source
from realtime.stats import Stats
from reenact.avatar import Avatar, find_avatar, load_avatar, starter_avatars
from reenact.edits import edited, load_edit
from reenact.errors import UserError
from reenact.motion_basis import GROUPS
from reenact.spaces import deformation_count


@dataclass(frozen=True)
class Options:
    """What the command line asks for; the words are explained in `run_live.py --help`."""

    input: str = "0"
    outputs: Sequence[str] = ("window",)
    avatar: str | None = None
    edits: Sequence[str] = ()
    backend: str = "auto"
    max_frames: int | None = None
    every_frame: bool = False
    seconds: float | None = None
    size: str | None = None
    background: str = "blur"
    mirror_output: bool = False
    camera_size: str | None = None
    smooth: float = 0.5
    gain_pose: float = 1.0
    gain_mouth: float = 1.0
    gain_eyes: float = 1.0
    gain_brows: float = 1.0
    relative: bool = False
    auto_neutral: bool = False
    calibrate: bool = False
    person: str = "me"
    threads: int | None = None


Loader = Callable[[str, int | None], Model]


def run(
    options: Options, announce: Callable[[str], None], loader: Loader = load_model
) -> dict[str, Any]:
    """Run a show to its end and report it in numbers (see `Stats.report`).

    What can be refused is refused before anything slow or visible happens; an output file appears
    only when the whole show went well.

    Args:
        options: what to do.
        announce: takes one line that says what runs where and why.
        loader: makes the model ready; `realtime.models.load_model`.

    Raises:
        UserError: anything in `options` cannot be done here.
        KeyboardInterrupt: Ctrl-C before the show began.
    """
    cv2.setNumThreads(1)  # the networks have the cores
    stats = Stats()
    what = find_input(options.input)
    asked = camera_size(options.camera_size)
    limits = _limits(options)
    every_frame = _every_frame(options, what)
    avatar = _edited(load_avatar(_avatar_file(options.avatar)), options.edits)
    outputs = _outputs(options, what, avatar, stats, live=not every_frame)
    with _ctrl_c() as stop, ExitStack() as stack:
        source = _source(what, asked, stats, every_frame, note)
        stack.callback(source.close)
        model = loader(options.backend, options.threads)
        stack.callback(model.close)
        if stop.is_set():
            raise KeyboardInterrupt
        puppet = _puppet(options, what, model, avatar, stats)
        with _opened(outputs, puppet, source.fps):
            announce(_line(model, avatar, what, outputs))
            faces = _faces(every_frame, stats)
            stack.callback(faces.close)
            if isinstance(source, Live):
                source.start()
            ahead = every_frame and isinstance(model.render, Overlapping)  # live, newest wins
            Show(source, faces, puppet, outputs, stats, ahead).run(limits, stop)
            if not puppet.faces and not stop.is_set():
                _miss_the_face(what, every_frame)
        report = stats.report(source.drops)
    counts = {o.label: asdict(o.counts) for o in outputs if isinstance(o, Aside)}
    return report | {"outputs": counts, "backend": model.backend, "backend_reason": model.reason}


def _puppet(options: Options, what: Input, model: Model, avatar: Avatar, stats: Stats) -> Puppet:
    """The avatar on its strings, with what is known of the driver's neutral face."""
    fingerprint, size = model.info.fingerprint, deformation_count(model.info.dims)
    camera = what.name or what.label
    file = calibration_file(settings_folder() / "calibrations", camera, options.person)
    known = load_calibration(file, fingerprint, size) if options.relative else None
    gains = {name: getattr(options, f"gain_{name}") for name in GROUPS}
    taste = Taste(options.smooth, gains, options.relative, options.auto_neutral)
    expression = Expression(taste, model.basis, known.neutral if known else None)

    def keep(neutral: Vector) -> None:
        save_calibration(Calibration(neutral, fingerprint, camera, options.person), file)
        note(f"calibrated; kept in {file}")

    if options.calibrate or (options.relative and not known and not options.auto_neutral):
        expression.calibrator.start()
        note("calibrating: look straight at the camera with your face at rest for five seconds")
    return Puppet(model, avatar, stats, expression, keep)


def camera_size(text: str | None) -> tuple[int, int]:
    """What a camera is asked for, px; UserError for what is no size."""
    return parse_size(text) if text else CAMERA_SIZE


def _outputs(
    options: Options, what: Input, avatar: Avatar, stats: Stats, live: bool
) -> list[Output]:
    """The outputs, each with its canvas; live, those that can have a thread of their own do."""
    size = parse_size(options.size) if options.size is not None else None
    behind = backdrop(options.background, avatar.thumbnail)
    outputs: list[Output] = []
    for output in parse_outputs(options.outputs, what.path):
        placed = Placed(output, behind, stats, size, options.mirror_output)
        if not live or isinstance(output, Window | Nowhere):  # windows are the main thread's
            outputs.append(placed)
        else:
            outputs.append(Aside(placed) if placed.fps is None else OnClock(placed))
    return outputs


def _limits(options: Options) -> Limits:
    if options.max_frames is not None and options.max_frames < 1:
        raise UserError(f"--max-frames is {options.max_frames}: give 1 or more")
    if options.seconds is not None and not options.seconds > 0:
        raise UserError(f"--seconds is {options.seconds:g}: give a number above 0")
    if not 0 <= options.smooth <= 1:
        raise UserError(f"--smooth is {options.smooth:g}: give a number from 0 to 1")
    for name in GROUPS:
        gain = getattr(options, f"gain_{name}")
        if not 0 <= gain <= 4:
            raise UserError(f"--gain-{name} is {gain:g}: give a number from 0 to 4")
    if options.threads is not None and options.threads < 1:
        raise UserError(f"--threads is {options.threads}: give 1 or more")
    return Limits(options.max_frames, options.seconds)


def _every_frame(options: Options, what: Input) -> bool:
    if options.every_frame and what.live:
        raise UserError("--every-frame is for files, a camera does not wait: leave it out")
    return options.every_frame or what.kind == "picture"


def _avatar_file(name: str | None) -> Path:
    if name is not None:
        return find_avatar(name)
    for path in starter_avatars().values():
        return path
    raise UserError("this copy came without avatars: name a file with --avatar FILE.avatar")


def _edited(avatar: Avatar, words: Sequence[str]) -> Avatar:
    """The avatar with its edits, each as FILE=STRENGTH; costs nothing per frame."""
    edits = []
    for word in words:
        file, _, strength = word.rpartition("=")
        try:
            amount = float(strength)
        except ValueError:
            amount = math.nan
        if not file or not math.isfinite(amount):
            raise UserError(f"--edit {word}: give a file and how much of it, like smile.edit=0.8")
        edits.append((load_edit(Path(file)), amount))
    return replace(avatar, styles=edited(avatar.styles, avatar.fingerprint, edits))


def _source(
    what: Input,
    size: tuple[int, int],
    stats: Stats,
    every_frame: bool,
    note: Callable[[str], None],
) -> Source:
    reader = open_input(what, size)
    if every_frame:
        return EveryFrame(reader, stats)
    if what.live:
        return Live(CameraFeed(reader, lambda: open_input(find_again(what), size), stats, note))
    return Live(FileFeed(reader, stats, again=what.kind == "demo"))


def _faces(every_frame: bool, stats: Stats) -> Faces:
    return (InlineFaces if every_frame else FaceThread)(FaceFollower(), stats)


@contextmanager
def _opened(outputs: Sequence[Output], puppet: Puppet, fps: float) -> Iterator[None]:
    """The outputs, open; kept when all went well, else without a trace."""
    keep, opened = False, list[Output]()
    try:
        for output in outputs:
            opened.append(output)
            output.open(puppet.width, puppet.height, fps)
        yield
        keep = True
    finally:
        with ExitStack() as stack:  # closes them all, whatever one of them has to say
            for output in opened:
                stack.callback(output.close, keep)


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C or a polite kill sets, so that things end between two pictures.

    An exception in the midst of anything is no way to end: a library that is being loaded may
    swallow it, and a recording that is being finished would be lost.
    """
    stop, times = threading.Event(), itertools.count(1)

    def handle(_: int, __: FrameType | None) -> None:
        stop.set()
        if next(times) > 2:  # once, once more by impatience; now something hangs
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield stop
        return
    before = {which: signal.signal(which, handle) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _miss_the_face(what: Input, every_frame: bool) -> None:
    if every_frame:
        raise UserError(
            f"there is no face in {what.label} that could be found, so nothing was written: "
            "give one where a face looks at the camera and is not small"
        )
    note(f"no face was found in {what.label}")


def note(sentence: str) -> None:
    """Tell the user something beside the show."""
    print(f"note: {sentence}", file=sys.stderr, flush=True)


def _line(model: Model, avatar: Avatar, what: Input, outputs: Sequence[Output]) -> str:
    where = ", ".join(output.label for output in outputs)
    what_runs = f"avatar {avatar.name} | input {what.label} | output {where}"
    return f"{model.reason} | {what_runs} | Ctrl-C ends it"

"""From the words of the command line to a running show, and everything closed behind it."""

import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import cv2

from engines import Overlapping
from realtime.calibration import (
    Calibration,
    Keeper,
    calibration_file,
    load_calibration,
)
from realtime.cameras import Input, find_again, find_input
from realtime.canvas import Placed, backdrop
from realtime.controls import Cast, Controls
from realtime.expression import Expression, Vector
from realtime.faces import FaceFollower, Faces, FaceThread, InlineFaces
from realtime.hud import Hud, Scene
from realtime.identity import Identity
from realtime.keys import KeyMap
from realtime.live import Show
from realtime.models import Model, load_model
from realtime.options import (
    Options,
    avatars,
    begin_state,
    camera_size,
    dials,
    edits_of,
    every_frame,
    show_limits,
)
from realtime.outputs import Nowhere, Output, Window, parse_outputs, parse_size
from realtime.pacing import Aside, OnClock
from realtime.puppet import Puppet
from realtime.readers import open_input
from realtime.recording import VideoFile
from realtime.sources import CameraFeed, EveryFrame, FileFeed, Live, Source
from realtime.stats import Stats
from realtime.switched import Switched, recording_file
from realtime.terminal import terminal_keys
from realtime.virtual_camera import VirtualCamera
from reenact.avatar import Avatar
from reenact.errors import UserError
from reenact.folders import settings_folder
from reenact.spaces import deformation_count

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
    stats, scene, keys = Stats(), Scene(), KeyMap(options.keys)
    what = find_input(options.input)
    asked = camera_size(options.camera_size)
    limits, each = show_limits(options), every_frame(options, what)
    people = avatars(options.avatar)
    edits = edits_of(options.edits, people[0].fingerprint)
    identity = Identity(people, [edit for edit, _ in edits], options.fade)
    controls = Controls(begin_state(options, edits))
    tell = partial(_tell, controls)
    outputs = _outputs(options, what, people, stats, controls, tell, live=not each)
    with _ctrl_c() as stop, ExitStack() as stack:
        source = _source(what, asked, stats, each, tell)
        stack.callback(source.close)
        model = loader(options.backend, options.threads)
        stack.callback(model.close)
        if stop.is_set():
            raise KeyboardInterrupt
        names = [avatar.name for avatar in people]
        controls.cast = Cast(names, dials(edits), gains=model.basis is not None)
        puppet = _puppet(options, what, model, identity, stats, tell, stack)
        stack.callback(puppet.close)
        with (
            _opened(outputs, puppet, source.fps),
            _keys(keys, controls, outputs, each) as there_are,
        ):
            _draw_over_windows(outputs, _hud(scene, controls, stats, model, keys))
            announce(_line(model, people[0], what, outputs, keys if there_are else None))
            faces = _faces(each, stats)
            stack.callback(faces.close)
            if isinstance(source, Live):
                source.start()
            ahead = each and isinstance(model.render, Overlapping)  # live, newest wins
            show = Show(source, faces, puppet, outputs, stats, controls, scene, ahead)
            show.run(limits, stop)
            if not puppet.faces and not stop.is_set() and not controls.now.leave:
                _miss_the_face(what, each)
        report = stats.report(source.drops)
    counts = {o.label: asdict(o.counts) for o in outputs if isinstance(o, Aside | Switched)}
    counts = {label: made for label, made in counts.items() if made["sent"] or made["missed"]}
    return report | {"outputs": counts, "backend": model.backend, "backend_reason": model.reason}


def _puppet(
    options: Options,
    what: Input,
    model: Model,
    identity: Identity,
    stats: Stats,
    tell: Callable[[str], None],
    stack: ExitStack,
) -> Puppet:
    """The avatars on their strings, with what is known of the driver's neutral face."""
    fingerprint, size = model.info.fingerprint, deformation_count(model.info.dims)
    camera = what.name or what.label
    file = calibration_file(settings_folder() / "calibrations", camera, options.person)
    try:
        known = load_calibration(file, fingerprint, size)
    except UserError as error:  # no reason not to start: it can be made anew by a key
        tell(str(error))
        known = None
    expression = Expression(options.taste, model.basis, known.neutral if known else None)
    keeper = Keeper(file, tell)
    stack.callback(keeper.close)

    def keep(neutral: Vector) -> None:
        keeper.keep(Calibration(neutral, fingerprint, camera, options.person))

    begins = options.relative and not known and not options.auto_neutral
    if begins:
        expression.calibrator.start()
    if options.calibrate or begins:
        tell("calibrating: look straight at the camera with your face at rest for five seconds")
    return Puppet(model, identity, stats, expression, keep, tell)


def _outputs(
    options: Options,
    what: Input,
    people: Sequence[Avatar],
    stats: Stats,
    controls: Controls,
    tell: Callable[[str], None],
    live: bool,
) -> list[Output]:
    """The outputs, each with its canvas, and those that a key may add."""
    size = parse_size(options.size) if options.size is not None else None
    behind = [backdrop(options.background, avatar.thumbnail) for avatar in people]

    def placed(output: Output) -> Output:
        """On its canvas; live, in a thread of its own if it can have one."""
        window = isinstance(output, Window)
        swap = window and options.mirror_preview
        whole = Placed(output, behind, stats, lambda: controls.now, size, swap, options.fade)
        if not live or window or isinstance(output, Nowhere):  # windows are the main thread's
            return whole
        return Aside(whole) if whole.fps is None else OnClock(whole)

    def recording() -> Output:
        return placed(VideoFile(recording_file(Path(options.record_to)), None))

    outputs, cameras = list[Output](), list[VirtualCamera]()
    for output in parse_outputs(options.outputs, what.path):
        if isinstance(output, VirtualCamera):
            cameras.append(output)
        else:
            outputs.append(placed(output))
    for camera in cameras or [VirtualCamera(None, what.path)]:
        outputs.append(Switched("camera", partial(placed, camera), controls, tell))
    return [*outputs, Switched("recording", recording, controls, tell)]


def _hud(scene: Scene, controls: Controls, stats: Stats, model: Model, keys: KeyMap) -> Hud:
    encode, render = (f"{engine.name} {engine.device}" for engine in (model.encode, model.render))
    stages = (
        "capture",
        "find",
        "crop",
        "encode",
        "smooth",
        "add",
        "render",
        "fit",
        "send",
        "frame",
    )
    runs = {"encode": encode, "render": render, "frame": "in all"}
    devices = [(stage, runs.get(stage, "CPU")) for stage in stages]
    return Hud(scene, lambda: controls.now, stats.recent, devices, keys.lines())


def _draw_over_windows(outputs: Sequence[Output], hud: Hud) -> None:
    for window in _windows(outputs):
        window.draw = hud.draw


def _windows(outputs: Sequence[Output]) -> list[Window]:
    within = [output.output for output in outputs if isinstance(output, Placed)]
    return [output for output in within if isinstance(output, Window)]


@contextmanager
def _keys(
    keys: KeyMap, controls: Controls, outputs: Sequence[Output], each: bool
) -> Iterator[bool]:
    """Keys from the window or else, live, from the terminal; gives whether there are any."""

    def press(key: str) -> None:
        action = keys.action(key)
        if action is not None:
            controls.act(action)

    def press_in_terminal(key: str) -> None:
        press(key)
        if keys.action(key) == "help":
            note("\n".join(f"{names:12} {words}" for names, words in keys.lines()))

    windows = _windows(outputs)
    for window in windows:
        window.pressed = press
    if windows or each:
        if windows:
            controls.say(f"{keys.of('help')} lists the keys")
        yield bool(windows)
        return
    controls.told = note
    with terminal_keys(press_in_terminal) as there_are:
        yield there_are


def _source(
    what: Input,
    size: tuple[int, int],
    stats: Stats,
    each: bool,
    note: Callable[[str], None],
) -> Source:
    reader = open_input(what, size)
    if each:
        return EveryFrame(reader, stats)
    if what.live:
        return Live(CameraFeed(reader, lambda: open_input(find_again(what), size), stats, note))
    return Live(FileFeed(reader, stats, again=what.kind == "demo"))


def _faces(each: bool, stats: Stats) -> Faces:
    return (InlineFaces if each else FaceThread)(FaceFollower(), stats)


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


def _miss_the_face(what: Input, each: bool) -> None:
    if each:
        raise UserError(
            f"there is no face in {what.label} that could be found, so nothing was written: "
            "give one where a face looks at the camera and is not small"
        )
    note(f"no face was found in {what.label}")


def note(sentence: str) -> None:
    """Tell the user something beside the show."""
    print(f"note: {sentence}", file=sys.stderr, flush=True)


def _tell(controls: Controls, sentence: str) -> None:
    """Tell the user something, in the window, too."""
    note(sentence)
    controls.say(sentence)


def _line(
    model: Model, avatar: Avatar, what: Input, outputs: Sequence[Output], keys: KeyMap | None
) -> str:
    used = [output for output in outputs if not isinstance(output, Switched) or output.used]
    where = ", ".join(output.label for output in used)
    what_runs = f"avatar {avatar.name} | input {what.label} | output {where}"
    listed = f"{keys.of('help')} lists the keys, " if keys else ""
    return f"{model.reason} | {what_runs} | {listed}Ctrl-C ends it"

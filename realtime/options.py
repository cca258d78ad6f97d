"""What the command line asks for, and what of it can be refused before anything runs."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realtime.cameras import Input
from realtime.controls import HUD, EditDial, State
from realtime.expression import Taste
from realtime.live import Limits
from realtime.outputs import parse_size
from realtime.readers import CAMERA_SIZE
from reenact.avatar import SUFFIX, Avatar, find_avatar, load_avatar, starter_avatars, user_avatars
from reenact.edits import Edit, load_edit, starter_edits
from reenact.errors import UserError
from reenact.motion_basis import GROUPS


@dataclass(frozen=True)
class Options:
    """What the command line asks for; the words are explained in `run_live.py --help`."""

    input: str = "0"
    outputs: Sequence[str] = ("window",)
    avatar: Sequence[str] = ()
    edits: Sequence[str] = ()
    backend: str = "auto"
    max_frames: int | None = None
    every_frame: bool = False
    seconds: float | None = None
    size: str | None = None
    background: str = "blur"
    mirror_output: bool = False
    mirror_preview: bool = False
    mirror_driver: bool = False
    fade: float = 0.3
    hud: str = "fps"
    record_to: str = "."
    keys: Mapping[str, str] = field(default_factory=dict)
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

    @property
    def taste(self) -> Taste:
        """How the driver wants to be followed at the beginning."""
        gains = {name: getattr(self, f"gain_{name}") for name in GROUPS}
        return Taste(self.smooth, gains, self.relative, self.auto_neutral)


def camera_size(text: str | None) -> tuple[int, int]:
    """What a camera is asked for, px; UserError for what is no size."""
    return parse_size(text) if text else CAMERA_SIZE


def show_limits(options: Options) -> Limits:
    """When to stop by itself; UserError for any number that is out of its range."""
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
    if not 0 <= options.fade <= 10:
        raise UserError(f"--fade is {options.fade:g}: give seconds from 0 (at once) to 10")
    return Limits(options.max_frames, options.seconds)


def every_frame(options: Options, what: Input) -> bool:
    """Whether each frame is rendered exactly once; UserError for an input that does not wait."""
    if options.every_frame and what.live:
        raise UserError("--every-frame is for files, a camera does not wait: leave it out")
    return options.every_frame or what.kind == "picture"


def begin_state(options: Options, edits: Sequence[tuple[Edit, float]]) -> State:
    """What holds before the first key; UserError for what is no `--hud` or `--record-to`."""
    if options.hud not in HUD:
        raise UserError(f"there is no display {options.hud!r}: use --hud {', '.join(HUD)}")
    if not os.path.isdir(options.record_to):
        raise UserError(
            f"there is no folder {options.record_to} to record to: "
            f"run `mkdir -p {options.record_to}`, or name another with --record-to"
        )
    return State(
        strengths=tuple(strength for _, strength in edits),
        taste=options.taste,
        mirror=options.mirror_output,
        mirror_driver=options.mirror_driver,
        camera=any(text.partition(":")[0] == "vcam" for text in options.outputs),
        hud=HUD.index(options.hud),
        calibrations=int(options.calibrate),
    )


def avatars(words: Sequence[str]) -> list[Avatar]:
    """The avatars to choose from: those that were named, then those that ship and the user's own.

    Of the last two only those that fit to the named ones; one of the user's that is damaged is left
    out (`reenact avatar list` says so).

    Args:
        words: names of avatars, .avatar files, or folders of these.

    Raises:
        UserError: one is not there or damaged, or there is none at all.
    """
    paths = [path for word in words for path in _avatar_files(word)]
    named = [load_avatar(path) for path in paths]
    shipped = [load_avatar(path) for path in starter_avatars().values() if path not in paths]
    if not named and not shipped:
        raise UserError("this copy came without avatars: name a file with --avatar FILE.avatar")
    own = [_loaded(path) for path in user_avatars().values() if path not in paths]
    first = (named or shipped)[0].fingerprint
    others = (avatar for avatar in [*shipped, *own] if avatar is not None)
    return named + [avatar for avatar in others if avatar.fingerprint == first]


def _loaded(path: Path) -> Avatar | None:
    try:
        return load_avatar(path)
    except UserError:
        return None


def _avatar_files(word: str) -> list[Path]:
    if not os.path.isdir(word):
        return [find_avatar(word)]
    files = sorted(Path(word).glob(f"*{SUFFIX}"))
    if not files:
        raise UserError(f"the folder {word} holds no {SUFFIX} files: name one that does")
    return files


def edits_of(words: Sequence[str], fingerprint: str) -> list[tuple[Edit, float]]:
    """The edits to turn and their strengths: those named, then (at 0) those that ship for the generator.

    Args:
        words: each NAME=STRENGTH of an edit that ships, or FILE=STRENGTH.
        fingerprint: of the generator.

    Raises:
        UserError: a word that says neither, or a file that is no edit.
    """
    shipped = starter_edits()
    edits: list[tuple[Edit, float]] = []
    for word in words:
        file, _, strength = word.rpartition("=")
        try:
            amount = float(strength)
        except ValueError:
            amount = math.nan
        if not file or not math.isfinite(amount):
            raise UserError(f"--edit {word}: give a file and how much of it, like smile.edit=0.8")
        edits.append((load_edit(shipped.pop(file, Path(file))), amount))
    others = (load_edit(path) for path in shipped.values())
    return edits + [(edit, 0.0) for edit in others if edit.fingerprint == fingerprint]


def dials(edits: Sequence[tuple[Edit, float]]) -> list[EditDial]:
    """What can be turned of them."""
    return [EditDial(edit.name, *map(float, edit.limits)) for edit, _ in edits]

"""What a user can change while the show runs: one state, and the actions that lead to the next one.

The loop reads `Controls.now` once per frame; outputs read it whenever they send. Keys, from whatever
thread, call `act`. A state never changes, so that whoever reads one sees all of it.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from realtime.expression import Taste

HUD = ("off", "fps", "all")
"""How much is written over the preview."""
_STEP = 0.1
_MOST_GAIN = 4.0


@dataclass(frozen=True)
class EditDial:
    """An edit that can be turned: its name, and the lowest and highest strength."""

    name: str
    lowest: float
    highest: float


@dataclass(frozen=True)
class Cast:
    """What there is to choose from.

    Attributes:
        avatars: their names.
        edits: those that were loaded.
        gains: whether the model knows which motion is the mouth's.
    """

    avatars: Sequence[str] = ("avatar",)
    edits: Sequence[EditDial] = ()
    gains: bool = False


@dataclass(frozen=True)
class State:
    """Everything a user can change.

    Attributes:
        avatar: which of the cast's.
        strengths: of each of the cast's edits.
        edit: the edit that is being turned.
        taste: how the driver is followed.
        mirror, mirror_driver: swap left and right of what goes out, of what the camera sees.
        paused: the avatar holds still.
        blank: nothing goes out but a plain card; wins over everything.
        camera, recording: whether the virtual camera and a recording are wanted.
        hud: place in HUD; `help`: whether the keys are listed.
        calibrations: how often calibration was asked for.
        leave: the show is to end.
        said: what was changed last, in words; `changes`: how often something was.
    """

    avatar: int = 0
    strengths: tuple[float, ...] = ()
    edit: int = 0
    taste: Taste = field(default_factory=Taste)
    mirror: bool = False
    mirror_driver: bool = False
    paused: bool = False
    blank: bool = False
    camera: bool = False
    recording: bool = False
    hud: int = 1
    help: bool = False
    calibrations: int = 0
    leave: bool = False
    said: str = ""
    changes: int = 0


Change = Callable[[Cast, State], State]


@dataclass(frozen=True)
class Action:
    """Something a key can do: in words, and from one state to the next."""

    words: str
    change: Change


class Controls:
    """The state of the show, changed from any thread.

    Attributes:
        now: the state; reading it costs nothing and needs no lock.
        cast: what there is to choose from; known before the first key.
        told: takes, where there is no HUD, what was changed.
    """

    def __init__(self, begin: State | None = None, cast: Cast | None = None) -> None:
        self.now, self.cast = begin or State(), cast or Cast()
        self.told: Callable[[str], None] = lambda sentence: None
        self._lock = threading.Lock()

    def act(self, action: str) -> None:
        """Do what one of ACTIONS does."""
        with self._lock:
            state = ACTIONS[action].change(self.cast, self.now)
            self.now = replace(state, changes=state.changes + 1)
        if state.said:
            self.told(state.said)

    def say(self, sentence: str) -> None:
        """Let the HUD show a sentence."""
        with self._lock:
            self.now = replace(self.now, said=sentence, changes=self.now.changes + 1)

    def give_up(self, what: str) -> None:
        """Turn "camera" or "recording" off, because it cannot be."""
        off: dict[str, Any] = {what: False}
        with self._lock:
            self.now = replace(self.now, **off)


def _flip(name: str, on: str, off: str) -> Change:
    def change(_: Cast, state: State) -> State:
        value = not getattr(state, name)
        flipped: dict[str, Any] = {name: value}
        return replace(state, said=on if value else off, **flipped)

    return change


def _avatar(number: int) -> Change:
    def change(cast: Cast, state: State) -> State:
        if number >= len(cast.avatars):
            return replace(state, said=f"there is no avatar {number + 1}")
        return replace(state, avatar=number, said=cast.avatars[number])

    return change


def _next_avatar(step: int) -> Change:
    def change(cast: Cast, state: State) -> State:
        number = (state.avatar + step) % len(cast.avatars)
        return replace(state, avatar=number, said=cast.avatars[number])

    return change


def _relative(_: Cast, state: State) -> State:
    relative = not state.taste.relative
    said = "relative: from your own neutral face" if relative else "absolute: as you look"
    return replace(state, taste=replace(state.taste, relative=relative), said=said)


def _calibrate(_: Cast, state: State) -> State:
    said = "look straight at the camera, your face at rest"
    return replace(state, calibrations=state.calibrations + 1, paused=False, said=said)


def _gain(step: float) -> Change:
    def change(cast: Cast, state: State) -> State:
        if not cast.gains:
            return replace(state, said="this model cannot tell the mouth's motion: no gain")
        gain = _within(state.taste.gains["mouth"] + step, 0, _MOST_GAIN)
        gains: Mapping[str, float] = {**state.taste.gains, "mouth": gain}
        return replace(state, taste=replace(state.taste, gains=gains), said=f"mouth x {gain:.1f}")

    return change


def _smooth(step: float) -> Change:
    def change(_: Cast, state: State) -> State:
        smooth = _within(state.taste.smooth + step, 0, 1)
        return replace(
            state, taste=replace(state.taste, smooth=smooth), said=f"smoothing {smooth:.1f}"
        )

    return change


def _next_edit(cast: Cast, state: State) -> State:
    if not cast.edits:
        return _no_edits(state)
    number = (state.edit + 1) % len(cast.edits)
    return replace(state, edit=number, said=_turned(cast, state, number))


def _turn(step: float) -> Change:
    def change(cast: Cast, state: State) -> State:
        if not cast.edits:
            return _no_edits(state)
        dial, strengths = cast.edits[state.edit], list(state.strengths)
        strengths[state.edit] = _within(strengths[state.edit] + step, dial.lowest, dial.highest)
        state = replace(state, strengths=tuple(strengths))
        return replace(state, said=_turned(cast, state, state.edit))

    return change


def _turned(cast: Cast, state: State, number: int) -> str:
    return f"{cast.edits[number].name} {state.strengths[number]:+.1f}"


def _no_edits(state: State) -> State:
    return replace(state, said="no edits are loaded: begin with --edit FILE=STRENGTH")


def _hud(_: Cast, state: State) -> State:
    return replace(state, hud=(state.hud + 1) % len(HUD), said="")


def _help(_: Cast, state: State) -> State:
    return replace(state, help=not state.help, said="")


def _leave(_: Cast, state: State) -> State:
    return replace(state, leave=True, said="")


def _within(value: float, lowest: float, highest: float) -> float:
    return round(min(max(value, lowest), highest), 3)


ACTIONS: Mapping[str, Action] = {
    **{f"avatar-{n}": Action(f"avatar {n}", _avatar(n - 1)) for n in range(1, 10)},
    "previous-avatar": Action("previous avatar", _next_avatar(-1)),
    "next-avatar": Action("next avatar", _next_avatar(1)),
    "calibrate": Action("calibrate", _calibrate),
    "relative": Action("relative or absolute motion", _relative),
    "mirror": Action("mirror the output", _flip("mirror", "mirrored", "not mirrored")),
    "mirror-driver": Action(
        "mirror the camera",
        _flip("mirror_driver", "the camera is mirrored", "the camera is not mirrored"),
    ),
    "pause": Action("pause: hold still", _flip("paused", "paused", "it goes on")),
    "blank": Action(
        "blank card, at once", _flip("blank", "blank: nobody sees the avatar", "the avatar is back")
    ),
    "camera": Action(
        "virtual camera on or off",
        _flip("camera", "virtual camera on", "virtual camera off"),
    ),
    "record": Action("record", _flip("recording", "recording", "recording ends")),
    "mouth-less": Action("mouth: less", _gain(-_STEP)),
    "mouth-more": Action("mouth: more", _gain(_STEP)),
    "smooth-less": Action("smoothing: less", _smooth(-_STEP)),
    "smooth-more": Action("smoothing: more", _smooth(_STEP)),
    "next-edit": Action("next edit", _next_edit),
    "edit-less": Action("edit: less", _turn(-_STEP)),
    "edit-more": Action("edit: more", _turn(_STEP)),
    "hud": Action("display: off, fps, all", _hud),
    "help": Action("these keys", _help),
    "quit": Action("end", _leave),
}

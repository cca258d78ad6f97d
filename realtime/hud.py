"""What is written over the preview: what runs where, how fast, and what the user should know.

Only the preview window draws it; virtual cameras and recordings never see it.
"""

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from realtime.controls import HUD, State
from realtime.frames import Image
from realtime.state import FaceState
from realtime.stats import Recent

_FONT, _EDGE = cv2.FONT_HERSHEY_SIMPLEX, 12
_GROUND, _DIM, _BRIGHT = (24, 26, 31), (150, 156, 168), (232, 235, 240)
_GREEN, _AMBER, _RED = (104, 211, 145), (244, 190, 84), (240, 98, 92)
_STATES = {
    FaceState.TRACK: (_GREEN, "following"),
    FaceState.HOLD: (_AMBER, "face lost: holding"),
    FaceState.NEUTRAL: (_AMBER, "face lost: going neutral"),
    FaceState.SEARCH: (_RED, "looking for a face"),
}
_SMALL_FACE = 0.17
"""Of the picture's shorter side; below, the encoder sees little of it."""
_PANEL, _LINE = 300, 20  # px


@dataclass
class Scene:
    """What happens in the loop now; written and read by its thread only.

    Attributes:
        state: whether a face is followed.
        face: its size, of the picture's shorter side; None: no face.
        time_s: of the frame.
        countdown_s: until calibration looks, 0 while it does; None: it is not at it.
        drops: frames of the input that nobody will see.
        trouble: what is wrong with the input, in words.
        strangers: whether there are faces, but not the one that was calibrated.
    """

    state: FaceState = FaceState.SEARCH
    face: float | None = None
    time_s: float = 0.0
    countdown_s: float | None = None
    drops: int = 0
    trouble: str | None = None
    strangers: bool = False


class Hud:
    """Draws over the preview. Its numbers change four times a second, or nobody could read them."""

    _EVERY_S, _SAID_S = 0.25, 3.0

    def __init__(
        self,
        scene: Scene,
        state: Callable[[], State],
        recent: Callable[[], Recent],
        devices: Sequence[tuple[str, str]],
        keys: Sequence[tuple[str, str]],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """What it shows.

        Args:
            scene, state, recent: asked whenever it is drawn.
            devices: the stages, in order, each with what it runs on.
            keys: each with what it does.
        """
        self._scene, self._state, self._recent = scene, state, recent
        self._devices, self._keys, self._clock = devices, keys, clock
        self._numbers, self._drawn_s = Recent(), -np.inf
        self._panel: Image = np.zeros((0, 0, 3), np.uint8)
        self._list: Image = self._panel
        self._changes, self._said_s = 0, -np.inf

    def draw(self, pixels: Image) -> Image:
        """Draw over u8 [H,W,3] RGB, in place; gives it, or a wider picture with a panel beside it."""
        state, now_s = self._state(), self._clock()
        level = HUD[state.hud]
        due = now_s - self._drawn_s >= self._EVERY_S or len(self._panel) != len(pixels)
        if due and level != "off":
            self._numbers, self._drawn_s = self._recent(), now_s
        if level == "fps":
            self._bar(pixels)
        if state.help:
            self._help(pixels)
        self._notice(pixels, state, now_s)
        self._count(pixels)
        if level != "all":
            return pixels
        if due:
            self._panel = self._side(len(pixels), state)
        return np.hstack((pixels, self._panel))

    def _bar(self, pixels: Image) -> None:
        """One line on top: state and speed."""
        _darken(pixels[:30])
        self._following(pixels, 20)
        speed = f"{self._numbers.fps_out:.0f} fps"
        _write(pixels, speed, (pixels.shape[1] - _EDGE - _width(speed), 20), _BRIGHT)

    def _following(self, pixels: Image, base: int) -> None:
        paused = (_AMBER, "paused")
        colour, words = paused if self._state().paused else _STATES[self._scene.state]
        cv2.circle(pixels, (_EDGE + 5, base - 5), 5, colour, -1, cv2.LINE_AA)
        _write(pixels, words, (_EDGE + 18, base), _BRIGHT)

    def _notice(self, pixels: Image, state: State, now_s: float) -> None:
        """At the bottom what was changed last, or what should be changed."""
        if state.changes != self._changes:
            self._changes, self._said_s = state.changes, now_s
        words, colour = self._hint() if HUD[state.hud] != "off" else None, _AMBER
        if state.said and now_s - self._said_s < self._SAID_S:
            words, colour = state.said, _BRIGHT
        for name, standing in (("paused", "paused"), ("blank", "BLANK: nobody sees the avatar")):
            if getattr(state, name):
                words, colour = standing, _RED if state.blank else _AMBER
        if words:
            _darken(pixels[-34:])
            room = pixels.shape[1] - 2 * _EDGE
            _write(pixels, words, (_EDGE, len(pixels) - 12), colour, room=room)
        if state.recording:
            cv2.circle(pixels, (pixels.shape[1] - 20, len(pixels) - 17), 6, _RED, -1, cv2.LINE_AA)

    def _hint(self) -> str | None:
        face = self._scene.face
        if self._scene.trouble is not None:
            return self._scene.trouble
        if self._scene.strangers:
            return "only who was calibrated is followed: calibrate to be followed"
        if face is None or face >= _SMALL_FACE:
            return None
        return f"your face is {100 * face:.0f} % of the picture: come closer"

    def _count(self, pixels: Image) -> None:
        """The calibration's countdown, in the middle."""
        left_s = self._scene.countdown_s
        if left_s is None:
            return
        text = f"{int(np.ceil(left_s))}" if left_s > 0 else "hold still"
        scale = 4.0 if left_s > 0 else 1.4
        (wide, high), _ = cv2.getTextSize(text, _FONT, scale, 6)
        place = ((pixels.shape[1] - wide) // 2, (len(pixels) + high) // 2)
        for colour, thick in ((_GROUND, 14), (_BRIGHT, 5)):
            cv2.putText(pixels, text, place, _FONT, scale, colour, thick, cv2.LINE_AA)

    def _help(self, pixels: Image) -> None:
        """Every key, over the darkened picture."""
        if self._list.shape != pixels.shape:
            self._list = np.zeros_like(pixels)
            step = min(24, (len(pixels) - 90) // len(self._keys))
            left = max(_EDGE, (pixels.shape[1] - 400) // 2)
            for number, (key, words) in enumerate(self._keys):
                base = 52 + number * step
                _write(self._list, key, (left, base), _AMBER)
                _write(self._list, words, (left + 120, base), _BRIGHT)
        _darken(pixels)
        cv2.max(pixels, self._list, pixels)

    def _side(self, high: int, state: State) -> Image:
        """The panel: everything there is to know, u8 [high,_PANEL,3]."""
        panel = np.full((high, _PANEL, 3), _GROUND, np.uint8)
        recent, base = self._numbers, 30
        self._following(panel, base)
        latency = recent.latency_ms
        face = self._scene.face
        rows = [
            ("fps in / out", f"{recent.fps_in:.1f} / {recent.fps_out:.1f}"),
            ("latency p50 / p95", f"{latency[0]:.0f} / {latency[1]:.0f} ms" if latency else "-"),
            ("frames dropped", str(self._scene.drops)),
            ("face, of the picture", f"{100 * face:.0f} %" if face else "-"),
            ("mouth / smoothing", f"{state.taste.gains['mouth']:.1f} / {state.taste.smooth:.1f}"),
            ("motion", "relative" if state.taste.relative else "absolute"),
            ("camera / recording", f"{_on(state.camera)} / {_on(state.recording)}"),
        ]
        for label, value in rows:
            base += _LINE
            _row(panel, base, label, value)
        base += _LINE // 2
        for stage, device in self._devices:
            milliseconds = recent.stages_ms.get(stage)
            if milliseconds is not None:
                base += _LINE
                _row(panel, base, f"{stage}  {device}", f"{milliseconds:.1f} ms")
        return panel


def _on(wanted: bool) -> str:
    return "on" if wanted else "off"


def _row(panel: Image, base: int, label: str, value: str) -> None:
    left = panel.shape[1] - _EDGE - _width(value)
    _write(panel, label, (_EDGE, base), _DIM, room=left - _EDGE - 8)
    _write(panel, value, (left, base), _BRIGHT)


def _darken(pixels: Image) -> None:
    np.right_shift(pixels, 2, out=pixels)


def _width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, 0.45, 1)[0][0]


def _write(
    pixels: Image,
    text: str,
    place: tuple[int, int],
    colour: tuple[int, int, int] = _DIM,
    room: int | None = None,
) -> None:
    """A line at a place of its base line; smaller and then cut where there is not room enough, px."""
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()  # all it can draw
    wide, scale = _width(text), 0.45
    if room is not None and wide > room:
        scale = max(0.34, 0.45 * room / wide)
        text = text[: int(len(text) * room / (wide * scale / 0.45))]
    cv2.putText(pixels, text, place, _FONT, scale, colour, 1, cv2.LINE_AA)

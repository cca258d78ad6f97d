"""The HUD: what it says, when, that it is cheap, and that only the preview carries it."""

import time

import numpy as np
import pytest
from live_fakes import Clock

from realtime import hud as module
from realtime.controls import HUD, Controls, State
from realtime.frames import Image
from realtime.hud import Hud, Scene
from realtime.keys import KeyMap
from realtime.state import FaceState
from realtime.stats import RECENT_S, Recent, Stats

DEVICES = [("encode", "openvino CPU bf16"), ("render", "tensorrt-rtx NVIDIA GeForce RTX 4070 fp16")]
NUMBERS = Recent(29.97, 28.5, {"encode": 4.25, "render": 9.75}, (21.4, 33.6))


class Written:
    """A HUD whose words are noted as they are drawn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: State | None = None) -> None:
        self.words: list[str] = []
        self.clock, self.scene, self.asked = Clock(), Scene(), 0
        self.controls = Controls(state or State(hud=HUD.index("all")))
        put = module.cv2.putText

        def note(pixels: Image, text: str, *rest: object) -> Image:
            self.words.append(text)
            return put(pixels, text, *rest)  # type: ignore[call-overload, no-any-return]

        monkeypatch.setattr(module.cv2, "putText", note)
        lines = KeyMap().lines()
        self.hud = Hud(
            self.scene, lambda: self.controls.now, self.recent, DEVICES, lines, self.clock
        )

    def recent(self) -> Recent:
        self.asked += 1
        return NUMBERS

    def draw(self, height: int = 512, width: int = 512) -> Image:
        self.words.clear()
        return self.hud.draw(np.full((height, width, 3), 90, np.uint8))


def test_the_panel_says_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    written.scene.drops, written.scene.face = 17, 0.31
    written.scene.state = FaceState.TRACK
    picture = written.draw()
    assert picture.shape[0] == 512 and picture.shape[1] > 700
    words = " | ".join(written.words)
    for part in ("following", "30.0 / 28.5", "21 / 34 ms", "17", "31 %", "absolute", "off / off"):
        assert part in words
    for part in ("openvino CPU bf16", "4.2 ms", "tensorrt-rtx NVIDIA", "9.8 ms"):
        assert part in words


@pytest.mark.parametrize(
    ("level", "words"), [("off", ""), ("fps", "looking for a face|28 fps"), ("all", "latency")]
)
def test_levels(monkeypatch: pytest.MonkeyPatch, level: str, words: str) -> None:
    written = Written(monkeypatch, State(hud=HUD.index(level)))
    picture = written.draw()
    assert words in "|".join(written.words) and bool(written.words) is bool(words)
    assert (picture[100:400, :512] == 90).all(), "the face is left free"
    assert bool((picture == 90).all()) is (level == "off")


@pytest.mark.parametrize("state", list(FaceState))
def test_every_state_has_words(monkeypatch: pytest.MonkeyPatch, state: FaceState) -> None:
    written = Written(monkeypatch, State(hud=1))
    written.scene.state = state
    written.draw()
    assert written.words[0] == module._STATES[state][1]


def test_a_pause_is_no_lost_face(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, State(hud=1, paused=True))
    written.scene.state = FaceState.HOLD
    written.draw()
    assert written.words[0] == "paused"


def test_numbers_change_four_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch)
    for _ in range(60):
        written.draw()
        written.clock.now += 1 / 30
    assert 7 <= written.asked <= 9


def test_what_was_changed_is_said_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, State(hud=0))
    written.controls.act("mirror")
    written.draw()
    assert written.words == ["mirrored"]
    written.clock.now += 2.9
    written.draw()
    assert written.words == ["mirrored"]
    written.clock.now += 0.2
    written.draw()
    assert written.words == []


def test_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, State(hud=1))
    written.scene.face = 0.09
    written.draw()
    assert "your face is 9 % of the picture: come closer" in written.words
    written.scene.trouble = "it is too dark, and the camera delivers 8 fps because of it"
    written.draw()
    assert written.scene.trouble in written.words
    written.scene.trouble, written.scene.face = None, 0.5
    written.draw()
    assert len(written.words) == 2
    written.scene.strangers, written.scene.face = True, None
    written.draw()
    assert "only who was calibrated is followed: calibrate to be followed" in written.words


def test_blank_and_pause_are_said_as_long_as_they_last(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, State(hud=0, paused=True))
    written.draw()
    assert written.words == ["paused"]
    written.controls.act("blank")
    written.clock.now += 99
    written.draw()
    assert written.words == ["BLANK: nobody sees the avatar"]


@pytest.mark.parametrize(
    ("left_s", "text"), [(3.0, "3"), (2.01, "3"), (0.4, "1"), (0.0, "hold still")]
)
def test_the_countdown(monkeypatch: pytest.MonkeyPatch, left_s: float, text: str) -> None:
    written = Written(monkeypatch, State(hud=0))
    written.scene.countdown_s = left_s
    picture = written.draw()
    assert set(written.words) == {text}
    assert (picture[200:300, 150:360] != 90).any()


@pytest.mark.parametrize("size", [(512, 512), (720, 1280), (512, 910)])
def test_the_keys_are_listed_on_the_picture(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    written = Written(monkeypatch, State(hud=0, help=True))
    picture = written.draw(*size)
    assert {words for _, words in KeyMap().lines()} <= set(written.words)
    assert picture.max() > 200 and np.median(picture) < 30
    written.draw(*size)
    assert not written.words, "drawn once"


def test_names_it_cannot_draw_and_long_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(monkeypatch, State(hud=0))
    written.controls.say("Zoë 東京")
    written.draw()
    assert written.words == ["Zoe "]
    written.controls.say("a very long sentence " * 20)
    written.draw()
    assert 20 < len(written.words[0]) < 130


@pytest.mark.parametrize("level", ["fps", "all"])
def test_it_costs_less_than_a_millisecond(level: str) -> None:
    state = State(hud=HUD.index(level), said="daniel", changes=1, recording=True)
    devices = [(stage, "CPU") for stage in "abcdefghij"]
    recent = Recent(30, 30, {stage: 1.0 for stage, _ in devices}, (20, 30))
    clock = Clock()
    hud = Hud(Scene(), lambda: state, lambda: recent, devices, [], clock)
    pixels = np.full((512, 512, 3), 90, np.uint8)
    hud.draw(pixels.copy())
    begin = time.process_time()
    for _ in range(300):
        clock.now += 1 / 30
        hud.draw(pixels)
    spent_ms = 1000 * (time.process_time() - begin) / 300
    assert spent_ms < 5, "0.3 ms of a quiet core; room for a busy one, none for a redraw each time"


def test_the_last_two_seconds() -> None:
    clock = Clock(0.0)
    stats = Stats(clock)
    for index in range(100):
        clock.now = index / 25
        slow = index >= 40
        stats.add("capture", 0.001)
        stats.add("render", 0.02 if slow else 0.01)
        stats.sent(clock.now - (0.05 if slow else 0.01))
    recent = stats.recent()
    assert recent.fps_in == pytest.approx(25) and recent.fps_out == pytest.approx(25)
    assert recent.stages_ms == pytest.approx({"capture": 1, "render": 20})
    assert recent.latency_ms == pytest.approx((50, 50))
    assert len(stats._recent) <= 4 * (25 * RECENT_S + 1), "it does not grow"
    clock.now += 10
    assert stats.recent() == Recent()
    assert stats.report(0)["stages_ms"]["render"]["median"] == 20, "of the whole run"


def test_percentiles_of_the_last_two_seconds() -> None:
    clock = Clock(0.0)
    stats = Stats(clock)
    for index in range(40):
        clock.now = index / 25
        stats.sent(clock.now - (0.2 if index >= 36 else 0.02))
    assert stats.recent().latency_ms == pytest.approx((20, 200))

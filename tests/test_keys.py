"""Keys: from the window and from the terminal to what they do, and changed by the settings file."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from live_fakes import a_model, avatar_file, read_video, write_video

import realtime.app
import realtime.options
from realtime import cameras, outputs, terminal
from realtime.app import Options, run
from realtime.canvas import PLAIN
from realtime.controls import ACTIONS, Controls
from realtime.frames import Image
from realtime.keys import KEYS, KeyMap, key_of
from realtime.outputs import Nowhere
from realtime.puppet import Picture
from realtime.recording import MARK
from realtime.settings import resolve
from realtime.terminal import keys_in, terminal_keys
from reenact.errors import UserError

PATIENCE_S = 10.0


@pytest.mark.parametrize(
    ("code", "name"),
    [(27, "esc"), (9, "tab"), (13, "enter"), (10, "enter"), (32, "space"), (8, "back")]
    + [(ord(text), text.lower()) for text in "aA19?[];'+-="]
    + [(0, None), (200, None)],
)
def test_names_of_keys(code: int, name: str | None) -> None:
    assert key_of(code) == name


def test_the_keys_people_know() -> None:
    keys = KeyMap()
    known = {"1": "avatar-1", "9": "avatar-9", "a": "previous-avatar", "d": "next-avatar"}
    known |= {"x": "calibrate", "r": "relative", "m": "mirror", "p": "pause", "b": "blank"}
    known |= {"v": "camera", "g": "record", "i": "hud", "[": "mouth-less", "]": "mouth-more"}
    known |= {";": "smooth-less", "'": "smooth-more", "e": "next-edit", "tab": "next-edit"}
    known |= {"+": "edit-more", "-": "edit-less", "?": "help", "esc": "quit", "q": "quit"}
    assert {key: keys.action(key) for key in known} == known
    assert keys.action("z") is None and keys.action(None) is None


def test_keys_can_be_changed() -> None:
    keys = KeyMap({"record": "o", "blank": "Space", "pause": "b"})
    assert (keys.action("o"), keys.action("space"), keys.action("b")) == (
        "record",
        "blank",
        "pause",
    )
    assert keys.action("g") is None and keys.action("p") is None
    assert ("O", "record") in keys.lines() and ("Space", "blank card, at once") in keys.lines()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"recrod": "o"}, r"action 'recrod' that there is not: did you mean record\?"),
        ({"avatar-10": "o"}, "action 'avatar-10' that there is not"),
        ({"record": "m"}, "the key 'm' would be both 'mirror' and 'record'"),
        ({"record": "o", "pause": "O"}, "the key 'o' would be both 'pause' and 'record'"),
        ({"record": "ctrl"}, "gives 'record' the key 'ctrl': give one character, or .*tab"),
        ({"record": ""}, "gives 'record' the key ''"),
        ({"record": "ü"}, "gives 'record' the key 'ü'"),
    ],
)
def test_what_cannot_be_is_said(changed: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        KeyMap(changed)


def test_every_key_is_listed() -> None:
    listed = " ".join(keys for keys, _ in KeyMap().lines())
    for action, names in KEYS.items():
        if not action.startswith("avatar-"):
            assert all(name.casefold() in listed.casefold() for name in names)
    assert len(KeyMap().lines()) == len(ACTIONS) - 8, "avatars have one line"


def test_keys_in_the_settings_file(tmp_path: Path) -> None:
    import run_live

    file = tmp_path / "settings.toml"
    file.write_text(
        '[keys]\nrecord = "o"\n[profiles.call]\nfade = 0\n[profiles.call.keys]\nhud = "h"\n'
    )
    words = ["--settings", str(file)]
    assert resolve(run_live.parser(), words, {})["keys"].value == {"record": "o"}
    setting = resolve(run_live.parser(), [*words, "--profile", "call"], {})["keys"]
    assert setting.value == {"record": "o", "hud": "h"} and setting.source == "profile call"
    for bad in ('keys = "o"', "[keys]\nrecord = 7", "[profiles.x]\nkeys = 3"):
        file.write_text(bad)
        with pytest.raises(UserError, match="must be a table of keys by action"):
            resolve(run_live.parser(), [*words, *(["--profile", "x"] if "x" in bad else [])], {})


# A window


LEFT, NUM_LOCK = 0xFF51, 0x100000
"""What OpenCV calls an arrow (its lowest byte is Q's), and what GTK adds to every key."""


class Screen:
    """What OpenCV would show, and the keys somebody presses there."""

    def __init__(self, presses: dict[int, str | int]) -> None:
        self.presses, self.shown, self.open = presses, list[Image](), True

    def put_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("namedWindow", "resizeWindow", "destroyWindow"):
            monkeypatch.setattr(outputs.cv2, name, lambda *words: None)
        monkeypatch.setattr(outputs.cv2, "imshow", lambda title, image: self.shown.append(image))
        monkeypatch.setattr(outputs.cv2, "waitKeyEx", self._key)
        monkeypatch.setattr(outputs.cv2, "getWindowProperty", lambda *words: float(self.open))
        monkeypatch.setattr(outputs, "_answers", lambda display: True)

    def _key(self, _: int) -> int:
        key = self.presses.get(len(self.shown), -1)
        return ord(key) if isinstance(key, str) else key


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A film, an avatar and no face."""
    film = write_video(tmp_path / "film.mp4", [np.full((48, 64, 3), 9, np.uint8)] * 40)
    monkeypatch.setattr(cameras, "DEMO", film)
    (tmp_path / "starter").mkdir()
    avatars = {"testa": avatar_file(tmp_path / "starter")}
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: avatars)
    return tmp_path


def play(film: str | Path, outs: list[str], **words: object) -> dict[str, object]:
    options = Options(str(film), outs, **words)  # type: ignore[arg-type]
    return run(options, lambda line: None, lambda backend, threads: a_model())


def test_keys_pressed_in_the_window_act_in_the_whole_app(
    stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen({3: "b", 5: "B", 7: "v", 9: "i", 10: LEFT, 12: 27 | NUM_LOCK})
    screen.put_up(monkeypatch)
    report = play("demo", ["window"], hud="off")
    assert report["frames"] == 12, "Esc"
    cards = [bool((image[:400] == PLAIN[::-1]).all()) for image in screen.shown]
    assert cards == [3 <= k < 5 for k in range(12)], "no picture between the key and the card"
    assert {image.shape[:2] for image in screen.shown[:9]} == {(512, 512)}


@pytest.mark.parametrize("size", ["512", "32"])
def test_only_the_window_carries_the_hud(
    stage: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    def made(name: str, outs: list[str], **words: object) -> list[Image]:
        file = str(stage / name)
        play(stage / "film.mp4", [file, *outs], every_frame=True, size=size, **words)
        return read_video(Path(file))

    screen = Screen({2: "?", 4: "i", 20: "q"})
    screen.put_up(monkeypatch)
    with_hud = made("a.mp4", ["window"], hud="all")
    monkeypatch.setattr(realtime.app, "_miss_the_face", lambda *words: None)
    without = made("b.mp4", [])
    assert len(with_hud) == 20 and np.ptp(screen.shown[0]) > 100, "it was there"
    np.testing.assert_array_equal(with_hud, without[:20])


def test_the_cross_of_the_window_ends_the_show(
    stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen({})
    screen.put_up(monkeypatch)
    screen.open = False
    assert play("demo", ["window"])["frames"] == 1


def test_changed_keys_act_in_the_whole_app(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen({3: 27, 4: "q", 6: "o"})
    screen.put_up(monkeypatch)
    assert play("demo", ["window"], keys={"quit": "o"})["frames"] == 6
    with pytest.raises(UserError, match="did you mean quit"):
        play("demo", ["window"], keys={"quitt": "o"})


CODES = {"tab": 9, "enter": 13, "esc": 27, "space": 32, "back": 8}


def test_every_key_acts_in_the_whole_app(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key there is, one a picture, the one that ends it last."""
    pairs = [(key, action) for action, keys in KEYS.items() for key in keys if action != "quit"]
    pairs.append((KEYS["quit"][0], "quit"))
    done: list[tuple[str, bool]] = []

    class Noted(Controls):
        def act(self, action: str) -> None:
            before = self.now
            super().act(action)
            expected = ACTIONS[action].change(self.cast, before)
            done.append((action, self.now == replace(expected, changes=before.changes + 1)))

    monkeypatch.setattr(realtime.app, "Controls", Noted)
    screen = Screen({3 + k: CODES.get(key, ord(key[0])) for k, (key, _) in enumerate(pairs)})
    screen.put_up(monkeypatch)
    report = play("demo", ["window"], record_to=str(stage), hud="off")
    assert done == [(action, True) for _, action in pairs]
    assert report["frames"] == 2 + len(pairs)


def test_a_recording_by_key_and_its_end_by_esc(
    stage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen({3: "g", 20: 27})
    screen.put_up(monkeypatch)
    play("demo", ["window"], record_to=str(stage / "starter"))
    (file,) = (stage / "starter").glob("reenact-*.mp4")
    assert file.stat().st_size > 500
    with pytest.raises(UserError, match="no folder .* to record to: run `mkdir -p"):
        play("demo", ["window"], record_to=str(stage / "gone"))


def test_ctrl_c_leaves_a_whole_recording(stage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen({3: "g"})
    screen.put_up(monkeypatch)
    key = screen._key

    def press_or_interrupt(wait: int) -> int:
        if len(screen.shown) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return key(wait)

    monkeypatch.setattr(outputs.cv2, "waitKeyEx", press_or_interrupt)
    report = play("demo", ["window"], record_to=str(stage / "starter"))
    (file,) = (stage / "starter").glob("reenact-*.mp4")
    with av.open(str(file)) as container:
        assert container.metadata["comment"] == MARK
        pictures = sum(1 for _ in container.decode(video=0))
    counts = report["outputs"][str(file)]  # type: ignore[index]
    assert 1 <= pictures == counts["sent"] and report["frames"] == 20
    assert len(list((stage / "starter").iterdir())) == 2, "nothing half-written"


@pytest.mark.parametrize("each", [True, False])
def test_the_window_does_not_need_a_live_input(
    stage: Path, monkeypatch: pytest.MonkeyPatch, each: bool
) -> None:
    screen = Screen({2: "q"})
    screen.put_up(monkeypatch)
    report = play(stage / "film.mp4", ["window"], every_frame=each)
    assert report["frames"] == 2


# A terminal


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        (b"b", ["b"]),
        (b"\x1b", ["esc"]),
        (b"\x1b[A\x1bOP\x1b[15~\x1b[1;5C", []),
        (b"\x1bx", []),
        (b"m\x1b[Bp", ["m", "p"]),
        ("ü?\t\n".encode(), ["?", "tab", "enter"]),
    ],
)
def test_arrows_are_not_esc(typed: bytes, keys: list[str]) -> None:
    assert keys_in(typed) == keys


@pytest.fixture
def tty() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    yield ours, theirs
    for end in (ours, theirs):
        os.close(end)


def test_keys_come_from_the_terminal_which_is_restored(tty: tuple[int, int]) -> None:
    import termios

    ours, theirs = tty
    before = termios.tcgetattr(theirs)
    pressed: list[str] = []
    three = threading.Event()

    def press(key: str) -> None:
        pressed.append(key)
        if len(pressed) == 3:
            three.set()

    with terminal_keys(press, theirs) as there_are:
        assert there_are
        now = termios.tcgetattr(theirs)
        assert not now[3] & (termios.ICANON | termios.ECHO), "at once, and not shown"
        assert now[3] & termios.ISIG, "Ctrl-C stays what it is"
        os.write(ours, b"1\x1b[Ab")
        os.write(ours, b"?")
        assert three.wait(PATIENCE_S)
    assert pressed == ["1", "b", "?"]
    assert termios.tcgetattr(theirs) == before
    assert "keys" not in {thread.name for thread in threading.enumerate()}


def test_the_terminal_is_restored_after_an_error(tty: tuple[int, int]) -> None:
    import termios

    before = termios.tcgetattr(tty[1])
    with pytest.raises(RuntimeError), terminal_keys(print, tty[1]):
        raise RuntimeError("the device is gone")
    assert termios.tcgetattr(tty[1]) == before


@pytest.mark.skipif(sys.platform == "win32", reason="terminals are different there")
def test_without_a_terminal_or_behind_one_there_are_no_keys(
    tty: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal_keys(print) as there_are:  # pytest's standard input
        assert not there_are
    monkeypatch.setattr(terminal.os, "tcgetpgrp", lambda fd: os.getpgrp() + 1)
    with terminal_keys(print, tty[1]) as there_are:
        assert not there_are, "in the background it would be stopped"


def test_keys_typed_in_a_terminal_act_in_the_whole_app(
    stage: Path, tty: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = tty
    sent: list[bool] = []

    def send(self: Nowhere, picture: Picture) -> None:
        sent.append(bool((picture.pixels == PLAIN).all()))
        if len(sent) == 3:
            os.write(ours, b"b")
        if sent[-1] and len(sent) > 3 and not sent[-2]:
            os.write(ours, b"\x1b")

    monkeypatch.setattr(terminal, "_standard_input", lambda: theirs)
    monkeypatch.setattr(Nowhere, "send", send)
    said: list[str] = []
    monkeypatch.setattr(realtime.app, "note", said.append)
    play("demo", ["none"], seconds=PATIENCE_S)
    assert sent[0] is False and sent[-1] is True and len(sent) < 200
    assert "blank: nobody sees the avatar" in said


class Console:
    """Windows' msvcrt with keys typed before."""

    def __init__(self, typed: str) -> None:
        self.typed, self.empty = list(typed), threading.Event()

    def kbhit(self) -> bool:
        if not self.typed:
            self.empty.set()
        return bool(self.typed)

    def getwch(self) -> str:
        return self.typed.pop(0)


def test_keys_of_a_windows_console(monkeypatch: pytest.MonkeyPatch) -> None:
    console, pressed = Console("b\xe0H\x00;?"), list[str]()
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", console)
    monkeypatch.setattr(terminal, "_standard_input", lambda: 0)
    with terminal_keys(pressed.append) as there_are:
        assert there_are and console.empty.wait(PATIENCE_S)
    assert pressed == ["b", "?"]

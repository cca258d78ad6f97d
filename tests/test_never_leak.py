"""No pixel of the camera reaches an output: not in any state, not at the start, a loss or an error.

The camera is poisoned: every pixel of it has one colour that neither the avatar nor a card has.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from live_fakes import (
    Clock,
    FakeEncode,
    Recorder,
    ScriptedFaces,
    ScriptedSource,
    a_model,
    an_avatar,
    avatar_file,
    read_video,
    write_video,
)

import realtime.app
import realtime.options
from realtime import outputs
from realtime.app import Options
from realtime.app import run as run_app
from realtime.canvas import Placed, backdrop
from realtime.controls import ACTIONS, HUD, Cast, Controls, State
from realtime.expression import Expression, Taste
from realtime.frames import Frame, Image
from realtime.hud import Hud, Scene
from realtime.identity import Identity
from realtime.keys import KeyMap
from realtime.live import Limits, Show
from realtime.outputs import Output, Window
from realtime.pacing import Aside
from realtime.puppet import Puppet
from realtime.recording import VideoFile
from realtime.state import FaceState
from realtime.stats import Stats
from realtime.switched import Switched, recording_file
from reenact.face import Box, FaceFinder

POISON = np.array([255, 0, 255], np.uint8)


def poisoned(index: int) -> Frame:
    return Frame(np.broadcast_to(POISON, (96, 128, 3)).copy(), index / 25, index / 25, index)


def carries_poison(image: Image) -> bool:
    """Whether any pixel comes near the colour; h264 and chroma subsampling move it by far less."""
    red, green, blue = np.moveaxis(image, -1, 0)
    return bool(((red > 255 - 60) & (green < 60) & (blue > 255 - 60)).any())


class Watching(Puppet):
    """Remembers which states it was in."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.states: set[FaceState] = set()

    def drive(self, crop: Image | None, time_s: float):  # type: ignore[no-untyped-def]
        picture = super().drive(crop, time_s)
        self.states.add(self.state)
        return picture


def run(
    path: Path,
    script: Sequence[Frame | None | BaseException],
    seen: Sequence[int],
    fails_at: int | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[Recorder, Watching, BaseException | None]:
    """A show to its end or error, into a recorder and a real file, which is kept either way."""
    stats, recorder = Stats(), Recorder()
    puppet = Watching(
        a_model(fails_at), Identity([an_avatar()]), stats, Expression(Taste(0.5), None)
    )
    behind = [backdrop("blur", an_avatar().thumbnail)]
    controls = Controls(State(mirror=True))
    file, shown = (
        Placed(output, behind, stats, lambda: controls.now, size)
        for output in (VideoFile(path, None), recorder)
    )
    file.open(puppet.width, puppet.height, 25.0)
    shown.open(puppet.width, puppet.height, 25.0)
    show = Show(ScriptedSource(script), ScriptedFaces(seen), puppet, [shown, file], stats, controls)
    error: BaseException | None = None
    try:
        show.run(Limits(), threading.Event(), Clock(10.0))
    except (RuntimeError, ConnectionError) as caught:
        error = caught
    file.close(keep=True)
    return recorder, puppet, error


def everything_shown(recorder: Recorder, path: Path) -> Iterator[Image]:
    yield from recorder.pixels
    decoded = read_video(path)
    assert len(decoded) == len(recorder.pixels)
    yield from decoded


def test_the_test_can_fail() -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    assert not carries_poison(image)
    image[3, 5] = (240, 12, 243)
    assert carries_poison(image)


@pytest.mark.parametrize("size", [None, (128, 64), (64, 64)])
def test_in_no_state(tmp_path: Path, size: tuple[int, int] | None) -> None:
    seen = [*range(10, 30), *range(80, 90)]  # search, track, hold, neutral, search, track ...
    frames = [poisoned(index) for index in range(140)]
    recorder, puppet, error = run(tmp_path / "out.mp4", frames, seen, size=size)
    assert error is None
    assert puppet.states == set(FaceState)
    assert len(recorder.pixels) == 140
    assert not any(map(carries_poison, everything_shown(recorder, tmp_path / "out.mp4")))


@pytest.mark.parametrize("last", [0, 3, 12])
def test_not_when_the_input_stops(tmp_path: Path, last: int) -> None:
    frames = [*map(poisoned, range(last)), None, None]
    recorder, _, _ = run(tmp_path / "out.mp4", frames, range(99))
    assert len(recorder.pixels) == last + 2
    assert not any(map(carries_poison, everything_shown(recorder, tmp_path / "out.mp4")))


@pytest.mark.parametrize("fails_at", [1, 2, 15])
def test_not_when_the_engine_fails(tmp_path: Path, fails_at: int) -> None:
    recorder, _, error = run(tmp_path / "out.mp4", [*map(poisoned, range(30))], range(99), fails_at)
    assert isinstance(error, RuntimeError)
    assert len(recorder.pixels) == fails_at, "the last one is the card"
    assert not any(map(carries_poison, everything_shown(recorder, tmp_path / "out.mp4")))


def test_not_when_the_camera_is_pulled_out(tmp_path: Path) -> None:
    script = [*map(poisoned, range(5)), ConnectionError("unplugged")]
    recorder, _, error = run(tmp_path / "out.mp4", script, range(99))
    assert isinstance(error, ConnectionError)
    assert not any(map(carries_poison, everything_shown(recorder, tmp_path / "out.mp4")))


ALL = [action for action in ACTIONS if action != "quit"]
TOGETHER = {
    "pause": ["pause"],
    "blank": ["blank"],
    "switching": ["next-avatar"],
    "fading, mirrored": ["avatar-2", "mirror", "mirror-driver"],
    "the keys listed": ["help"],
    "calibrating": ["calibrate", "relative"],
    "recording": ["record"],
    "virtual camera": ["camera"],
    "all of them": ALL,
}


def window(seen: list[Image], monkeypatch: pytest.MonkeyPatch) -> Window:
    """A window of which everything that would be on the screen is kept, u8 [H,W,3] RGB."""
    for name in ("namedWindow", "resizeWindow", "destroyWindow"):
        monkeypatch.setattr(outputs.cv2, name, lambda *words: None)
    monkeypatch.setattr(outputs.cv2, "waitKeyEx", lambda wait: -1)
    monkeypatch.setattr(outputs.cv2, "getWindowProperty", lambda *words: 1.0)
    monkeypatch.setattr(outputs.cv2, "imshow", lambda title, image: seen.append(image[..., ::-1]))
    monkeypatch.setattr(outputs, "_answers", lambda display: True)
    return Window()


@pytest.mark.parametrize("acts", TOGETHER.values(), ids=list(TOGETHER))
def test_with_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, acts: list[str]) -> None:
    """Keys at random moments; the face comes and goes; everything is shown and recorded."""
    random, stats, scene = np.random.default_rng(7), Stats(Clock(0.0)), Scene()
    people = [an_avatar(), replace(an_avatar(), name="other")]
    controls = Controls(State(hud=HUD.index("all")), Cast(["one", "other"]))
    puppet = Puppet(a_model(), Identity(people, fade_s=0.3), stats, Expression(Taste(), None))
    behind = [backdrop("blur", avatar.thumbnail) for avatar in people]
    on_screen: list[Image] = []
    cameras: list[Recorder] = []

    def placed(output: Output, swap: bool = False) -> Placed:
        return Placed(output, behind, stats, lambda: controls.now, (64, 64), swap)

    def camera() -> Placed:
        cameras.append(Recorder())
        return placed(cameras[-1])

    def recording() -> Aside:
        return Aside(placed(VideoFile(recording_file(tmp_path), None)))

    shown = window(on_screen, monkeypatch)
    shown.draw = Hud(
        scene, lambda: controls.now, stats.recent, [("render", "CPU")], KeyMap().lines(), Clock()
    ).draw
    whole = [placed(shown, swap=True)]
    whole += [Switched("camera", camera, controls), Switched("recording", recording, controls)]

    def script() -> Iterator[Frame]:
        for index in range(120):
            if random.random() < 0.2:
                controls.act(acts[random.integers(len(acts))])
            yield poisoned(index)

    faces = ScriptedFaces([*range(10, 40), *range(60, 110)])
    show = Show(ScriptedSource(script()), faces, puppet, whole, stats, controls, scene)
    for output in whole:
        output.open(puppet.width, puppet.height, 25.0)
    show.run(Limits(), threading.Event(), Clock(0.0))
    for output in whole:
        output.close(keep=True)
    recorded = [image for file in tmp_path.glob("*.mp4") for image in read_video(file)]
    sent = [image for camera in cameras for image in camera.pixels]
    assert len(on_screen) == 120
    assert bool(recorded) is ("record" in acts) and bool(sent) is ("camera" in acts)
    assert not any(map(carries_poison, [*on_screen, *recorded, *sent]))


def test_an_output_does_not_take_a_frame(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "out.mp4", None)
    file.open(128, 96, 25.0)
    with pytest.raises(AttributeError):
        file.send(poisoned(0))  # type: ignore[arg-type]
    file.close(keep=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("every_frame", [True, False])
def test_not_in_the_whole_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_frame: bool
) -> None:
    film = write_video(tmp_path / "poison.mp4", [poisoned(index).image for index in range(30)])
    looks = iter([None, *[Box(64, 48, 40)] * 6, *[None] * 99])
    monkeypatch.setattr(FaceFinder, "find_near", lambda self, *_: None)
    monkeypatch.setattr(FaceFinder, "find_anywhere", lambda self, *_: next(looks, None))
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: {"t": avatar_file(tmp_path)})
    model = a_model()
    options = Options(str(film), [str(tmp_path / "out.mp4")], every_frame=every_frame)
    report = run_app(options, lambda line: None, lambda backend, threads: model)
    assert isinstance(model.encode, FakeEncode)
    assert all(map(carries_poison, model.encode.seen)), "it was seen"
    assert model.encode.seen or not every_frame
    pictures = read_video(tmp_path / "out.mp4")
    assert 0 < len(pictures) <= report["frames"]
    assert len(pictures) == report["frames"] or not every_frame
    assert not any(map(carries_poison, pictures))

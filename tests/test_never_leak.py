"""No pixel of the camera reaches an output: not in any state, not at the start, a loss or an error.

The camera is poisoned: every pixel of it has one colour that neither the avatar nor a card has.
"""

import threading
from collections.abc import Iterator, Sequence
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
from realtime.app import Options
from realtime.app import run as run_app
from realtime.canvas import Placed, backdrop
from realtime.expression import Expression, Taste
from realtime.frames import Frame, Image
from realtime.live import Limits, Show
from realtime.puppet import Puppet
from realtime.recording import VideoFile
from realtime.state import FaceState
from realtime.stats import Stats
from reenact.face import Box, FaceFinder

POISON = np.array([255, 0, 255], np.uint8)


def poisoned(index: int) -> Frame:
    return Frame(np.broadcast_to(POISON, (96, 128, 3)).copy(), index / 25, index / 25, index)


def carries_poison(image: Image) -> bool:
    """Whether any pixel comes near the colour; h264 and chroma subsampling move it by far less."""
    distance = np.abs(image.astype(int) - POISON).max(axis=-1)
    return bool((distance < 60).any())


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
    puppet = Watching(a_model(fails_at), an_avatar(), stats, Expression(Taste(0.5), None))
    behind = backdrop("blur", an_avatar().thumbnail)
    file, shown = (
        Placed(output, behind, stats, size, mirror=True)
        for output in (VideoFile(path, None), recorder)
    )
    file.open(puppet.width, puppet.height, 25.0)
    shown.open(puppet.width, puppet.height, 25.0)
    show = Show(ScriptedSource(script), ScriptedFaces(seen), puppet, [shown, file], stats)
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
    monkeypatch.setattr(FaceFinder, "find_near", lambda self, image: None)
    monkeypatch.setattr(FaceFinder, "find_anywhere", lambda self, image: next(looks, None))
    monkeypatch.setattr(realtime.app, "starter_avatars", lambda: {"t": avatar_file(tmp_path)})
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

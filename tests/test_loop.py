"""The loop and its counts: what goes to the outputs, when it ends, what it measures."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from live_fakes import (
    CROP,
    GREY,
    Clock,
    FakeEncode,
    FakeRender,
    Recorder,
    ScriptedFaces,
    ScriptedSource,
    a_model,
    an_avatar,
    frame,
)

from realtime.controls import Controls, State
from realtime.expression import Expression, Taste
from realtime.frames import Frame
from realtime.identity import Identity
from realtime.live import Limits, Show
from realtime.models import Model
from realtime.outputs import Output
from realtime.puppet import Picture, Puppet
from realtime.sources import Live
from realtime.stats import Stats


class Stage:
    """A show on a scripted stage."""

    def __init__(
        self,
        script: Sequence[Frame | None | BaseException],
        seen: Sequence[int] = (),
        outputs: Sequence[Output] = (),
        model: Model | None = None,
        clock: Clock | None = None,
        ahead: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.stats = Stats(self.clock)
        self.recorder = Recorder()
        self.model = model or a_model()
        self.source = ScriptedSource(script)
        self.puppet = Puppet(
            self.model, Identity([an_avatar()]), self.stats, Expression(Taste(0.0), None)
        )
        self.controls = Controls(State(taste=Taste(0.0)))
        self.stop = threading.Event()
        everything = [self.recorder, *outputs]
        faces = ScriptedFaces(seen)
        self.show = Show(
            self.source, faces, self.puppet, everything, self.stats, self.controls, ahead=ahead
        )

    def run(self, frames: int | None = None, seconds: float | None = None) -> list[int]:
        self.show.run(Limits(frames, seconds), self.stop, self.clock)
        return [int(pixels[0, 0, 0]) for pixels in self.recorder.pixels]


def test_each_frame_becomes_one_picture_with_its_time() -> None:
    stage = Stage([frame(k, level=255) for k in range(5)], seen=range(2, 5))
    assert stage.run() == [GREY, GREY, GREY + 100, GREY + 100, GREY + 100]
    assert stage.recorder.times == [k / 25 for k in range(5)]


class RenderAhead(FakeRender):
    """Draws while its caller does something else; remembers what was done meanwhile."""

    def __init__(self, done: list[str], fails_at: int | None = None) -> None:
        super().__init__(fails_at)
        self.done, self.array = done, None

    def start(self, array: Any) -> None:
        assert self.array is None
        self.array = array.copy()
        self.done.append("start")

    def finish(self) -> Any:
        array, self.array = self.array, None
        self.done.append("finish")
        return self(array)


class EncodeAhead(FakeEncode):
    def __init__(self, done: list[str]) -> None:
        super().__init__()
        self.done = done

    def __call__(self, array: Any) -> Any:
        self.done.append("encode")
        return super().__call__(array)


@pytest.mark.parametrize(("frames", "sent"), [(None, 5), (1, 1), (3, 3)])
def test_a_frame_is_drawn_beside_looking_at_the_next(frames: int | None, sent: int) -> None:
    done: list[str] = []
    model = replace(a_model(), encode=EncodeAhead(done), render=RenderAhead(done))
    script = [frame(k, level=51 * k) for k in range(5)]
    stage = Stage(script, seen=range(1, 5), model=model, ahead=True)
    alike = Stage(script, seen=range(1, 5))
    assert stage.run(frames) == alike.run(frames) and len(stage.recorder.times) == sent
    assert stage.recorder.times == alike.recorder.times
    assert stage.stats.frames == sent
    assert done[:6] == ["start", "encode", "finish", "start", "encode", "finish"][: len(done)]


def test_an_error_ahead_leaves_a_card() -> None:
    model = replace(a_model(), render=RenderAhead([], fails_at=3))
    stage = Stage([frame(k) for k in range(9)], model=model, ahead=True)
    with pytest.raises(RuntimeError, match="the device is gone"):
        stage.run()
    assert len(stage.recorder.pixels) == 3  # two pictures and the card


def test_the_encoder_sees_the_window() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:48, 16:48] = 250
    model = a_model()
    Stage([Frame(image, 0, 0, 0)], seen=[0], model=model).run()
    assert isinstance(model.encode, FakeEncode)
    assert model.encode.seen[0].shape == (CROP, CROP, 3)
    assert model.encode.seen[0][2:-2, 2:-2].min() == 250


def test_every_output_gets_every_picture() -> None:
    others = [Recorder(), Recorder()]
    stage = Stage([frame(k) for k in range(4)], outputs=others)
    stage.run()
    assert [len(output.pixels) for output in (stage.recorder, *others)] == [4, 4, 4]


def test_a_silent_input_lets_the_avatar_go_neutral() -> None:
    clock = Clock(0.04)

    class Silent(ScriptedSource):
        def take(self, timeout_s: float) -> Frame | None:
            found = super().take(timeout_s)
            clock.now += timeout_s if found is None else 0
            return found

    stage = Stage([], clock=clock)
    stage.source = Silent([frame(0, level=255), *[None] * 5])
    faces = ScriptedFaces([0])
    Show(stage.source, faces, stage.puppet, [stage.recorder], stage.stats, stage.controls).run(
        Limits(), stage.stop, clock
    )
    levels = [int(pixels[0, 0, 0]) for pixels in stage.recorder.pixels]
    assert levels[0] == GREY + 100 and levels[-1] == GREY
    assert stage.recorder.times == sorted(stage.recorder.times)


def test_time_never_runs_backwards() -> None:
    stage = Stage([frame(3), frame(1), frame(4)])
    stage.run()
    assert stage.recorder.times == [3 / 25, 3 / 25, 4 / 25]


@pytest.mark.parametrize(("frames", "sent"), [(1, 1), (3, 3), (99, 6), (None, 6)])
def test_it_stops_after_so_many_pictures(frames: int | None, sent: int) -> None:
    assert len(Stage([frame(k) for k in range(6)]).run(frames=frames)) == sent


def test_it_stops_after_so_many_seconds_of_pictures() -> None:
    clock = Clock()

    class Ticking(Recorder):
        def send(self, picture: object) -> None:
            clock.now += 0.5

    stage = Stage([frame(k) for k in range(9)], outputs=[Ticking()], clock=clock)
    assert len(stage.run(seconds=2.0)) == 5, "the first is at second 0"


def test_whoever_is_calibrated_is_who_is_followed_from_then_on() -> None:
    stage = Stage([frame(k, level=51) for k in range(300)], seen=range(300))
    faces = stage.show._faces
    assert isinstance(faces, ScriptedFaces)
    faces.strangers = True
    told: list[bool] = []
    send = stage.recorder.send

    def press(picture: Picture) -> None:
        send(picture)
        told.append(stage.show._scene.strangers)
        if len(told) in (10, 200):
            assert faces.kept == [False, True][: 2 * (len(told) > 10)]
            stage.controls.act("calibrate")

    stage.recorder.send = press  # type: ignore[method-assign]
    stage.run()
    assert faces.kept == [False, True, False], "anybody may be calibrated; the second is under way"
    assert all(told)


def test_it_stops_when_told_to_and_when_a_window_is_closed() -> None:
    stage = Stage([frame(k) for k in range(9)])
    stage.stop.set()
    assert stage.run() == []
    assert Stage([frame(k) for k in range(9)], outputs=[Recorder(done=True)]).run() == []
    assert Stage([frame(k) for k in range(9)], outputs=[Closed()]).run(seconds=99.0) == [GREY]


class Closed(Recorder):
    """A window that its user closes after the first picture."""

    def send(self, picture: Picture) -> None:
        super().send(picture)
        self.done = True


@pytest.mark.parametrize("where", ["source", "engine", "output"])
def test_an_error_leaves_a_card_and_goes_on(where: str) -> None:
    script: list[Frame | None | BaseException] = [frame(k) for k in range(9)]
    model, broken = a_model(), Recorder()
    if where == "source":
        script[3] = ConnectionError("unplugged")
    elif where == "engine":
        model = a_model(fails_at=4)
    else:
        broken = Recorder(fails_at=3)
    stage = Stage(script, outputs=[broken], model=model)
    with pytest.raises((ConnectionError, RuntimeError, OSError)):
        stage.run()
    assert len(stage.recorder.pixels) == 4
    assert stage.recorder.pixels[-1].std() > 0, "the avatar is flat here, the card is not"


def test_every_output_gets_the_card_though_the_first_is_broken() -> None:
    class Broken(Recorder):
        def send(self, picture: Picture) -> None:
            raise OSError("the cable is out")

    stage = Stage([frame(0)])
    show = Show(
        stage.source,
        ScriptedFaces([]),
        stage.puppet,
        [Broken(), stage.recorder],
        Stats(),
        stage.controls,
    )
    with pytest.raises(OSError, match="cable"):
        show.run(Limits(), stage.stop)
    assert len(stage.recorder.pixels) == 1


def test_latency_is_from_capture_to_sent_and_stages_are_timed() -> None:
    clock = Clock(0.0)

    class Slow(Recorder):
        def send(self, picture: object) -> None:
            clock.now += 0.015

    class Timed(ScriptedSource):
        def take(self, timeout_s: float) -> Frame | None:
            found = super().take(timeout_s)
            assert isinstance(found, Frame)
            clock.now = found.captured_s + 0.005
            return found

    stage = Stage([], outputs=[Slow()], clock=clock)
    source = Timed([frame(k) for k in range(1, 51)], drops=7)
    show = Show(source, ScriptedFaces([]), stage.puppet, [Slow()], stage.stats, stage.controls)
    show.run(Limits(50), stage.stop, clock)
    report = stage.stats.report(source.drops)
    assert report["latency_ms"] == pytest.approx({"p50": 20, "p95": 20, "p99": 20})
    assert report["stages_ms"]["send"]["median"] == pytest.approx(15)
    assert {"face", "add", "render", "send"} <= set(report["stages_ms"])
    assert report["fps"] == pytest.approx(25)
    assert (report["frames"], report["drops"]) == (50, 7)
    assert report["seconds"] == pytest.approx(49 / 25)
    assert report["time_to_first_frame_ms"] == pytest.approx(60)


class Idle:
    fps, late, trouble = 25.0, 0, None

    def run(self, put: object, leaving: threading.Event) -> None:
        pass

    def close(self) -> None:
        pass


class Camera(Live):
    """25 frames a second by a clock of the test's; they come whether or not anybody takes them."""

    def __init__(self, clock: Clock, count: int) -> None:
        super().__init__(Idle())
        self._clock, self._left = clock, [frame(k) for k in range(count)]

    def take(self, timeout_s: float) -> Frame | None:
        if self._left:  # an empty mailbox is waited at
            self._clock.now = max(self._clock.now, self._left[0].captured_s)
        while self._left and self._left[0].captured_s <= self._clock.now:
            self._mailbox.put(self._left.pop(0))
        if not self._left:
            self._mailbox.close()
        return super().take(0)


@pytest.mark.parametrize(
    ("frame_s", "shown"),
    [
        (0.03, [0, 1, 2, 3, 4, 5, 6, 7]),
        (0.055, [0, 1, 2, 4, 5, 6, 8, 9]),
        (0.115, [0, 2, 5, 8, 11, 14, 17, 20]),
        (0.305, [0, 7, 15, 22, 30, 38, 45, 53]),
    ],
)
def test_the_newest_frame_wins_and_every_other_is_counted(frame_s: float, shown: list[int]) -> None:
    clock = Clock(0.0)

    class Slow(Recorder):
        def send(self, picture: Picture) -> None:
            super().send(picture)
            clock.now += frame_s

    camera, slow, stage = Camera(clock, 99), Slow(), Stage([], clock=clock)
    show = Show(camera, ScriptedFaces([]), stage.puppet, [slow], stage.stats, stage.controls)
    show.run(Limits(8), stage.stop, clock)
    assert [round(time_s * 25) for time_s in slow.times] == shown
    report = stage.stats.report(camera.drops)
    assert (report["frames"], report["drops"]) == (8, shown[-1] - 7)
    assert report["latency_ms"]["p99"] <= 1000 * frame_s + 40, "never older than one frame"


def test_a_report_of_nothing_is_a_report() -> None:
    report = Stats().report(0)
    assert report["frames"] == 0 and report["fps"] is None
    assert report["latency_ms"] == {"p50": None, "p95": None, "p99": None}


def test_percentiles() -> None:
    stats = Stats()
    for number in range(101):
        stats.add("stage", number / 1000)
    assert stats.report(0)["stages_ms"]["stage"] == {"median": 50, "p95": 95, "p99": 99}


def test_a_run_of_days_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.stats._KEPT", 10)
    stats = Stats()
    for number in range(50):
        stats.add("stage", number / 1000)
    assert stats.report(0)["stages_ms"]["stage"]["median"] == pytest.approx(44.5)

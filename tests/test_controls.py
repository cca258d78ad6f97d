"""What a user can change: every action, and its effect on what the real loop shows."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import av
import numpy as np
import pytest
from live_fakes import (
    CROP,
    DIMS,
    GREY,
    Clock,
    FakeEncode,
    Recorder,
    ScriptedFaces,
    ScriptedSource,
    a_model,
    an_avatar,
    frame,
    read_video,
)

from realtime.canvas import PLAIN, Placed, backdrop
from realtime.controls import ACTIONS, HUD, Cast, Controls, EditDial, State
from realtime.expression import Expression, Taste
from realtime.frames import Frame, Image
from realtime.hud import Scene
from realtime.identity import Identity
from realtime.keys import KEYS
from realtime.live import Limits, Show
from realtime.pacing import Aside, OnClock
from realtime.puppet import Puppet
from realtime.recording import MARK, VideoFile
from realtime.state import FaceState
from realtime.stats import Stats
from realtime.switched import Switched, recording_file
from reenact.avatar import Avatar
from reenact.edits import Edit, edited
from reenact.errors import UserError
from reenact.motion_basis import MotionBasis
from reenact.spaces import deformation_count, style_count

LIGHTER = Edit(
    "lighter",
    np.full(style_count(DIMS), 0.2, np.float32),
    np.array([-1, 1], np.float32),
    "f00d",
    "CC0-1.0",
)


def avatar(number: int) -> Avatar:
    """Painted 20 levels lighter than the one before it."""
    styles = np.full(style_count(DIMS), 1 + 0.2 * number, np.float32)
    return replace(an_avatar(), name=f"avatar {number}", styles=styles)


def mouth_basis() -> MotionBasis:
    """One factor: all of S_F moves with the mouth."""
    size = deformation_count(DIMS)
    ones = np.ones((1, size), np.float32)
    limits = np.array([[-9, 9]], np.float32)
    return MotionBasis(("jawOpen",), ones / size, ones, limits, "f00d")


class Stage:
    """The real loop with three avatars and an edit; actions happen before the frames named."""

    def __init__(
        self,
        script: Sequence[Frame | None],
        acts: dict[int, Sequence[str]],
        seen: Sequence[int] = range(1000),
        fade_s: float = 0.0,
        basis: MotionBasis | None = None,
        begin: State | None = None,
        more: Callable[[Controls], Sequence[object]] = lambda controls: (),
    ) -> None:
        begin = begin or State(taste=Taste(0.0))
        cast = Cast(["a", "b", "c"], [EditDial("lighter", -1, 1)], basis is not None)
        self.controls = Controls(replace(begin, strengths=(0.0,)), cast)
        self.clock, self.scene, self.recorder = Clock(0.0), Scene(), Recorder()
        stats = Stats(self.clock)
        self.model = a_model()
        self.people = [avatar(number) for number in range(3)]
        self.puppet = Puppet(
            self.model,
            Identity(self.people, [LIGHTER], fade_s),
            stats,
            Expression(begin.taste, basis),
        )
        behind = [backdrop("green", an_avatar().thumbnail)] * 3
        placed = Placed(self.recorder, behind, stats, lambda: self.controls.now, (64, 32))
        self.outputs = [placed, *more(self.controls)]
        self.source = ScriptedSource(self._played(script, acts))
        faces = ScriptedFaces(seen)
        self.show = Show(
            self.source, faces, self.puppet, self.outputs, stats, self.controls, self.scene
        )

    def _played(self, script: Sequence[Frame | None], acts: dict[int, Sequence[str]]):  # type: ignore[no-untyped-def]
        for number, step in enumerate(script):
            for action in acts.get(number, ()):
                self.controls.act(action)
            yield step

    def run(self) -> list[int]:
        """The level of the avatar in each picture."""
        for output in self.outputs:
            output.open(DIMS.resolution, DIMS.resolution, 25.0)
        try:
            self.show.run(Limits(), threading.Event(), self.clock)
        finally:
            for output in self.outputs:
                output.close(True)
        return [int(pixels[16, 32, 0]) for pixels in self.recorder.pixels]


def frames(count: int, level: int = 0) -> list[Frame]:
    return [frame(index, level) for index in range(count)]


def test_every_action_has_a_key_and_every_key_an_action() -> None:
    assert set(KEYS) == set(ACTIONS)


def test_avatars_switch_with_the_very_next_picture() -> None:
    acts = {2: ["avatar-3"], 4: ["next-avatar"], 6: ["previous-avatar"], 7: ["avatar-2"]}
    stage = Stage(frames(9), acts)
    expected = [0, 0, 40, 40, 0, 0, 40, 20, 20]
    assert stage.run() == [GREY + level for level in expected]


def test_an_avatar_that_is_not_there_is_said() -> None:
    stage = Stage(frames(2), {1: ["avatar-9"]})
    assert stage.run() == [GREY, GREY]
    assert stage.controls.now.said == "there is no avatar 9"


def test_a_fade_begins_with_the_next_picture_ends_in_time_and_never_turns_back() -> None:
    stage = Stage(frames(20), {5: ["avatar-3"]}, fade_s=0.3)
    levels = stage.run()
    assert levels[:5] == [GREY] * 5 and levels[5] > GREY
    assert levels[10] < GREY + 40 and levels[12:] == [GREY + 40] * 8, "0.3 s after picture 4"
    assert levels == sorted(levels)


def test_a_fade_that_is_cut_short_goes_on_from_where_it_was() -> None:
    levels = Stage(frames(30), {5: ["avatar-3"], 9: ["avatar-1"]}, fade_s=0.3).run()
    assert np.abs(np.diff(levels)).max() <= 40 * 0.04 / 0.3 * np.pi / 2 + 1
    assert GREY + 10 < max(levels) < GREY + 40 and levels[-1] == GREY


def test_fading_styles_is_fading_w_plus() -> None:
    torch = pytest.importorskip("torch")
    from reenact.generator import Generator

    torch.manual_seed(2)
    generator = Generator(DIMS).eval().requires_grad_(False)
    ends = torch.randn(2, 8, DIMS.w_dim)
    styles = generator.identity_styles(ends).numpy()
    people = [replace(an_avatar(), styles=one) for one in styles]
    identity = Identity(people, fade_s=1.0)
    identity.styles(0.0)
    identity.choose(1, ())
    for time_s in (0.0, 0.2, 0.5, 0.9, 1.0):
        share = 0.5 - 0.5 * np.cos(np.pi * time_s)
        mixed = generator.identity_styles(torch.lerp(ends[:1], ends[1:], share))[0].numpy()
        np.testing.assert_allclose(identity.styles(time_s), mixed, atol=1e-5)


def test_edits_turn_within_their_limits_and_stay_on_every_avatar() -> None:
    acts = {1: ["edit-more"] * 3, 2: ["edit-more"] * 20, 3: ["avatar-2"], 4: ["edit-less"] * 30}
    assert Stage(frames(5), acts).run() == [GREY, GREY + 6, GREY + 20, GREY + 40, GREY]


def test_an_edit_is_added_when_it_is_turned_and_not_once_per_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def counted(*args: object) -> object:
        calls.append(1)
        return edited(*args)  # type: ignore[arg-type]

    stage = Stage(frames(50), {10: ["edit-more"], 20: ["edit-more"]})
    monkeypatch.setattr("realtime.identity.edited", counted)
    stage.run()
    assert len(calls) == 2


def test_the_next_edit_is_chosen_and_without_edits_that_is_said() -> None:
    controls = Controls(
        State(strengths=(0.0, 0.5)), Cast(edits=[EditDial("age", -1, 1), EditDial("smile", 0, 1)])
    )
    controls.act("next-edit")
    controls.act("edit-more")
    assert controls.now.strengths == (0.0, 0.6) and controls.now.said == "smile +0.6"
    controls.act("next-edit")
    assert controls.now.edit == 0
    for action in ("next-edit", "edit-more", "edit-less"):
        none = Controls()
        none.act(action)
        assert "--edit" in none.now.said


def test_pause_holds_and_goes_on_without_a_jump() -> None:
    script = [frame(k, level=255 if k < 5 else 0) for k in range(60)]
    levels = Stage(script, {3: ["pause"], 30: ["pause"]}).run()
    assert levels[:30] == [GREY + 100] * 30
    assert levels[-1] == GREY and levels == sorted(levels, reverse=True)
    assert -min(np.diff(levels)) <= 100 / 5 * 1.6


def test_pause_without_a_face_afterwards_eases_to_neutral() -> None:
    stage = Stage(
        [frame(k, level=255) for k in range(80)], {3: ["pause"], 30: ["pause"]}, range(25)
    )
    levels = stage.run()
    assert levels[:30] == [GREY + 100] * 30 and levels[-1] == GREY
    assert -min(np.diff(levels)) <= 9 and stage.scene.state is FaceState.SEARCH


def test_avatars_can_be_changed_in_a_pause() -> None:
    levels = Stage(frames(6, level=255), {2: ["pause"], 4: ["avatar-2"]}).run()
    assert levels == [GREY + 100] * 4 + [GREY + 120] * 2


def test_mirror_swaps_the_output_at_once() -> None:
    stage = Stage(frames(4), {2: ["mirror"], 3: ["mirror"]})
    drawn = np.zeros((DIMS.resolution, DIMS.resolution, 3), np.uint8)
    drawn[:, :8] = 200
    stage.puppet._renders._engines[0] = _Drawn(stage.model.render, drawn)  # type: ignore[assignment]
    stage.run()
    left = [bool(pixels[16, 18, 0] > 100) for pixels in stage.recorder.pixels]
    assert left == [True, True, False, True]


class _Drawn:
    """An engine that draws one picture."""

    def __init__(self, engine: object, pixels: Image) -> None:
        self._engine, self._pixels = engine, pixels

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def __call__(self, array: object) -> Image:
        return self._pixels[None].copy()


def test_the_preview_can_be_swapped_apart() -> None:
    drawn = np.zeros((32, 32, 3), np.uint8)
    drawn[:, :8] = 200
    from realtime.puppet import _MAKER, Picture

    for mirror in (False, True):
        shown = []
        for swap in (False, True):
            recorder = Recorder()
            state = State(mirror=mirror)
            placed = Placed(recorder, [drawn], Stats(), lambda s=state: s, None, swap)  # type: ignore[misc]
            placed.open(32, 32, 25.0)
            placed.send(Picture(_MAKER, drawn.copy(), 0.0))
            shown.append(recorder.pixels[0])
        np.testing.assert_array_equal(shown[0], shown[1][:, ::-1])
        assert bool(shown[0][0, 0, 0]) is not mirror


def test_the_driver_is_mirrored_before_the_face_is_looked_for() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32] = 250
    seen: list[Image] = []

    class Faces(ScriptedFaces):
        def follow(self, frame: Frame, roll: float = 0.0):  # type: ignore[no-untyped-def]
            seen.append(frame.image)
            return super().follow(frame, roll)

    stage = Stage([Frame(image, k / 25, k / 25, k) for k in range(2)], {1: ["mirror-driver"]})
    stage.show._faces = Faces(range(9))
    stage.run()
    np.testing.assert_array_equal(seen[1], image[:, ::-1])
    assert isinstance(stage.model.encode, FakeEncode)
    first, second = stage.model.encode.seen
    assert first.shape == (CROP, CROP, 3) and first[:, :10].min() > 200 > second[:, :10].max()


def test_calibrate_counts_down_finds_the_neutral_face_and_relative_uses_it() -> None:
    acts = {5: ["calibrate"], 150: ["relative"], 160: ["relative"]}
    stage = Stage(frames(170, level=51), acts)
    counted: list[float | None] = []
    tell = stage.show._tell

    def told() -> None:
        tell()
        counted.append(stage.scene.countdown_s)

    stage.show._tell = told  # type: ignore[method-assign]
    levels = stage.run()
    assert counted[4] is None and counted[5] == 3.0 and counted[85] == 0.0
    assert counted[145] is None
    assert (levels[140], levels[159], levels[169]) == (GREY + 20, GREY, GREY + 20)
    assert levels[150:160] == sorted(levels[150:160], reverse=True), "eased"
    assert levels[150] > GREY + 10


def test_relative_without_a_neutral_face_looks_for_one() -> None:
    stage = Stage(frames(170, level=51), {5: ["relative"]})
    levels = stage.run()
    assert (levels[20], levels[-1]) == (GREY + 20, GREY)


def test_calibrating_ends_a_pause() -> None:
    controls = Controls(State(paused=True))
    controls.act("calibrate")
    assert not controls.now.paused


def test_mouth_gain_acts_at_once_and_within_its_range() -> None:
    acts = {1: ["mouth-more"] * 5, 2: ["mouth-less"] * 60, 3: ["mouth-more"] * 10}
    slow = [frame(k, level=102, fps=0.1) for k in range(4)]  # nothing is left to smooth
    levels = Stage(slow, acts, basis=mouth_basis()).run()
    assert levels == pytest.approx([GREY + 40, GREY + 60, GREY, GREY + 40], abs=1)


def test_a_model_without_a_basis_says_that_it_has_no_gain() -> None:
    controls = Controls()
    controls.act("mouth-more")
    assert "no gain" in controls.now.said and controls.now.taste.gains["mouth"] == 1


def test_smoothing_acts_at_once() -> None:
    reached = []
    for acts in ({}, {30: ["smooth-more"] * 10}):
        script = [frame(k, level=51 if k < 30 else 102) for k in range(31)]
        reached.append(Stage(script, acts).run()[-1])
    assert reached[0] > reached[1] + 5
    controls = Controls(State(taste=Taste(0.95)))
    controls.act("smooth-more")
    assert controls.now.taste.smooth == 1.0
    controls.act("smooth-less")
    assert controls.now.taste.smooth == 0.9


def test_the_end_is_between_two_pictures() -> None:
    assert len(Stage(frames(9), {4: ["quit"]}).run()) == 5


def test_the_display_has_its_levels_and_the_list() -> None:
    controls, levels = Controls(), []
    for _ in range(3):
        controls.act("hud")
        levels.append(HUD[controls.now.hud])
    assert levels == ["all", "off", "fps"]
    controls.act("help")
    assert controls.now.help


# Panic


@pytest.mark.parametrize("with_it", [[], ["pause"], ["avatar-3"], ["mirror"], ["calibrate"]])
def test_blank_wins_over_everything(with_it: list[str]) -> None:
    acts = {3: [*with_it, "blank"], 6: ["avatar-2", "edit-more"], 9: ["blank"]}
    stage = Stage(frames(12, level=255), acts, fade_s=0.3)
    stage.run()
    cards = [bool((pixels == PLAIN).all()) for pixels in stage.recorder.pixels]
    assert cards == [3 <= k < 9 for k in range(12)]


def test_blank_holds_even_for_the_card_of_an_error() -> None:
    stage = Stage([*frames(4), None], {2: ["blank"]})
    stage.model.render.fails_at = 4  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError):
        stage.run()
    assert all((pixels == PLAIN).all() for pixels in stage.recorder.pixels[2:])


def test_blank_reaches_a_clocked_output_without_a_new_frame() -> None:
    """The loop may hang in a driver; what is repeated meanwhile must be the card."""
    blank_was_sent, some_was_sent = threading.Event(), threading.Event()

    class Camera(Recorder):
        def send(self, picture) -> None:  # type: ignore[no-untyped-def]
            some_was_sent.set()
            if (picture.pixels == PLAIN).all():
                blank_was_sent.set()

    controls = Controls()
    placed = Placed(
        Camera(fps=200.0), [np.zeros((1, 1, 3), np.uint8)], Stats(), lambda: controls.now
    )
    clocked = OnClock(placed)
    clocked.open(32, 32, 25.0)
    from realtime.puppet import _MAKER, Picture

    clocked.send(Picture(_MAKER, np.full((32, 32, 3), 99, np.uint8), 0.0))
    assert some_was_sent.wait(10) and not blank_was_sent.is_set()
    controls.act("blank")
    assert blank_was_sent.wait(10)
    clocked.close(keep=True)


# Outputs that come and go


class Camera(Recorder):
    """A virtual camera of which every life is remembered."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__(label="vcam")
        self.fails = fails

    def open(self, width: int, height: int, fps: float) -> None:
        if self.fails:
            raise UserError("there is no driver: install it")
        super().open(width, height, fps)


def settled(switched: Switched) -> None:
    for thread in switched._closing:
        thread.join(10)


def test_the_virtual_camera_comes_and_goes() -> None:
    made: list[Camera] = []

    def make() -> Camera:
        made.append(Camera())
        return made[-1]

    def more(controls: Controls) -> list[Switched]:
        return [Switched("camera", make, controls)]

    stage = Stage([], {}, more=more)
    (switched,) = stage.outputs[1:]
    assert isinstance(switched, Switched)
    script = frames(9)

    def played():  # type: ignore[no-untyped-def]
        for number, step in enumerate(script):
            if number in (2, 4, 6):
                settled(switched)
                stage.controls.act("camera")
            yield step

    stage.source._left = played()
    stage.run()
    assert [len(camera.pixels) for camera in made] == [2, 3]
    assert [camera.kept for camera in made] == [[True], [True]]


def test_what_came_and_went_often_leaves_no_thread_and_its_counts() -> None:
    made: list[Recorder] = []

    def make() -> Aside:
        made.append(Recorder())
        return Aside(made[-1])

    stage = Stage([], {}, more=lambda controls: [Switched("camera", make, controls)])
    (switched,) = stage.outputs[1:]
    assert isinstance(switched, Switched)

    def played():  # type: ignore[no-untyped-def]
        for number in range(60):
            settled(switched)
            stage.controls.act("camera")
            yield frame(number, 0)

    stage.source._left = played()
    before = threading.active_count()
    stage.run()
    assert len(made) == 30 and threading.active_count() == before
    assert all(camera.kept == [True] for camera in made)
    assert switched.counts.sent == sum(len(camera.pixels) for camera in made) == 30


def test_a_camera_that_cannot_be_is_said_and_the_show_goes_on() -> None:
    stage = Stage(
        frames(6),
        {2: ["camera"]},
        more=lambda c: [Switched("camera", lambda: Camera(True), c, c.say)],
    )
    assert len(stage.run()) == 6
    assert not stage.controls.now.camera and "no driver" in stage.controls.now.said


def test_a_camera_asked_for_on_the_command_line_must_be() -> None:
    begin = State(camera=True)
    stage = Stage(
        frames(6),
        {},
        begin=begin,
        more=lambda c: [Switched("camera", lambda: Camera(True), c, c.say)],
    )
    with pytest.raises(UserError, match="no driver"):
        stage.run()


def recordings(folder: Path) -> Callable[[Controls], list[Switched]]:
    def more(controls: Controls) -> list[Switched]:
        def make() -> Aside:
            file = VideoFile(recording_file(folder), None)
            behind = [np.zeros((1, 1, 3), np.uint8)] * 3
            return Aside(Placed(file, behind, Stats(), lambda: controls.now))

        return [Switched("recording", make, controls, controls.say)]

    return more


def whole(path: Path) -> bool:
    with av.open(str(path)) as container:
        return bool(container.metadata["comment"] == MARK)


def test_each_recording_is_a_new_whole_file_with_its_mark(tmp_path: Path) -> None:
    stage = Stage(frames(12), {2: ["record"], 5: ["record"]}, more=recordings(tmp_path))
    (switched,) = stage.outputs[1:]
    again = Stage(frames(12), {7: ["record"]}, more=recordings(tmp_path))
    stage.run()
    again.run()  # the end of the show ends the recording
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2 and all(map(whole, files)) and all(map(read_video, files))
    assert isinstance(switched, Switched) and switched.label.endswith(".mp4")
    assert stage.controls.now.said == f"saved {switched.label}"
    assert switched.counts.sent >= 1


def test_a_recording_begun_by_a_key_outlives_an_error(tmp_path: Path) -> None:
    stage = Stage(frames(12), {2: ["record"]}, more=recordings(tmp_path))
    stage.model.render.fails_at = 8  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError):
        stage.run()
    (file,) = tmp_path.iterdir()
    assert whole(file) and read_video(file)


def test_a_recording_that_cannot_be_is_said(tmp_path: Path) -> None:
    stage = Stage(frames(5), {2: ["record"]}, more=recordings(tmp_path / "gone"))
    assert len(stage.run()) == 5
    assert not stage.controls.now.recording and "no folder" in stage.controls.now.said


def test_recordings_are_named_by_date_and_time_and_never_overwritten(tmp_path: Path) -> None:
    def now() -> datetime:
        return datetime(2026, 11, 22, 20, 5, 9)

    first = recording_file(tmp_path, now)
    assert first.name == "reenact-2026-11-22-200509.mp4"
    first.touch()
    assert recording_file(tmp_path, now).name == "reenact-2026-11-22-200509-2.mp4"


def test_actions_from_many_threads_are_all_counted() -> None:
    controls = Controls(State(taste=Taste(0.0)))
    work = [
        threading.Thread(target=lambda: [controls.act("next-avatar") for _ in range(500)])
        for _ in range(4)
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert controls.now.changes == 2000

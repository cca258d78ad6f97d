"""Where to look: patience with a face that turns away, inline and from a thread."""

import threading
from pathlib import Path

import numpy as np
import pytest
from live_fakes import ScriptedFinder, frame
from test_face import frames

from realtime.faces import FaceFollower, FaceThread, InlineFaces
from realtime.frames import Frame, Image
from realtime.stats import Stats
from reenact.face import Box, FaceFinder, Fits, anybody

HERE = Box(32, 32, 20)
ELSEWHERE = Box(50, 50, 8)


def scene(seed: int) -> Image:
    """A picture that looks like itself and like no other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.ascontiguousarray(coarse.repeat(8, axis=0).repeat(8, axis=1))


def looks(finder: ScriptedFinder, *steps: tuple[Image, float]) -> list[bool]:
    follower = FaceFollower(finder)
    return [follower.look(image, time_s) for image, time_s in steps]


def test_no_face_no_window() -> None:
    follower = FaceFollower(ScriptedFinder([]))
    assert not follower.look(scene(0), 0.0)
    assert follower.window(0.0) is None


def test_a_face_gives_a_window_around_it() -> None:
    follower = FaceFollower(ScriptedFinder([HERE]))
    assert follower.look(scene(0), 0.0)
    window = follower.window(0.0)
    assert window is not None
    assert abs(window.cx - 32) < 1 and 25 < window.side < 35


def test_a_face_that_turns_away_keeps_its_window_for_two_seconds() -> None:
    finder = ScriptedFinder([HERE])
    times = (0.0, 0.1, 1.0, 2.0, 2.1, 2.2)
    assert looks(finder, *((scene(0), time_s) for time_s in times)) == [True] * 4 + [False] * 2


def test_an_empty_chair_is_seen_at_once() -> None:
    assert looks(ScriptedFinder([HERE]), (scene(0), 0.0), (scene(1), 0.1)) == [True, False]


def test_a_poster_does_not_become_the_driver_while_the_driver_turns_away() -> None:
    class Poster(ScriptedFinder):
        def find_anywhere(self, image: Image, fits: Fits = anybody) -> Box | None:
            return ELSEWHERE

    follower = FaceFollower(Poster([HERE]))
    for step in range(10):
        assert follower.look(scene(0), step / 10)
        window = follower.window(step / 10)
        assert window is not None and abs(window.cx - HERE.cx) < 1


def test_another_face_elsewhere_is_taken_up_at_once_after_a_loss() -> None:
    finder = ScriptedFinder([HERE, None, ELSEWHERE], near=False)
    follower = FaceFollower(finder)
    assert follower.look(scene(0), 0.0)
    assert not follower.look(scene(1), 0.1)
    assert follower.window(0.1) is None
    assert follower.look(scene(1), 0.2)
    window = follower.window(0.2)
    assert window is not None
    assert abs(window.cx - ELSEWHERE.cx) < 0.5 and window.side < 16


def test_whose_face_it_was_is_forgotten_after_two_seconds() -> None:
    finder = ScriptedFinder([HERE])
    looks(finder, (scene(0), 0.0), (scene(1), 1.0))
    assert finder.forgotten == 0
    finder = ScriptedFinder([HERE])
    looks(finder, (scene(0), 0.0), (scene(1), 1.0), (scene(1), 2.1), (scene(1), 2.2))
    assert finder.forgotten == 1


LEFT, RIGHT = Box(32, 48, 30), Box(96, 48, 30)


def couple(left: int | None, right: int | None) -> Image:
    """A room u8 [96,128,3] with somebody on the left and somebody on the right, by number."""
    room = np.full((96, 128, 3), 110, np.uint8)
    for who, box in ((left, LEFT), (right, RIGHT)):
        if who is not None:
            x, y = int(box.cx) - 32, int(box.cy) - 32
            room[y : y + 64, x : x + 64] = scene(who)
    return room


def kept_to(finder: ScriptedFinder) -> FaceFollower:
    """A follower that keeps to number 1, who sits on the left."""
    finder.script.insert(0, LEFT)
    follower = FaceFollower(finder)
    follower.keep_to(True)
    assert follower.look(couple(1, None), 0.0) and not follower.strangers
    return follower


def where(follower: FaceFollower, time_s: float) -> float | None:
    window = follower.window(time_s)
    return window.cx if window is not None else None


def test_somebody_else_does_not_take_over() -> None:
    follower = kept_to(ScriptedFinder([RIGHT, RIGHT], near=False))
    for time_s in (0.1, 0.2):
        assert not follower.look(couple(None, 2), time_s)
        assert where(follower, time_s) is None and follower.strangers


def test_who_steps_in_between_is_not_taken_for_them() -> None:
    """Not even at the very place, where patience would hold on to what looks alike."""
    follower = kept_to(ScriptedFinder([LEFT]))
    room = couple(1, None)
    room[30:60, 16:48] = scene(2)[:30, :32]
    assert not follower.look(room, 0.1) and follower.strangers


def test_they_are_taken_up_again_wherever_they_return() -> None:
    follower = kept_to(ScriptedFinder([LEFT, RIGHT], near=False))
    assert not follower.look(couple(2, None), 1.0)
    assert follower.look(couple(2, 1), 9.0) and not follower.strangers
    assert where(follower, 9.0) == pytest.approx(RIGHT.cx, abs=1)


def test_whoever_is_calibrated_next_is_followed_from_then_on() -> None:
    follower = kept_to(ScriptedFinder([RIGHT, RIGHT, RIGHT, LEFT]))
    assert not follower.look(couple(1, 2), 0.1)
    follower.keep_to(False)
    assert follower.look(couple(1, 2), 0.2), "anybody"
    follower.keep_to(True)
    assert follower.look(couple(1, 2), 0.3)
    assert not follower.look(couple(1, None), 0.4), "the first one is a stranger now"


def test_the_nearest_that_fits_is_found_near_and_anywhere() -> None:
    finder, image = FaceFinder(), next(frames("drivers/d20.mp4", 1))
    pair = np.ascontiguousarray(np.hstack([image, image]))
    middle = image.shape[1]
    box = finder.find_anywhere(pair, lambda box: box.cx > middle)
    assert box is not None and box.cx > middle
    assert finder.find_near(pair, lambda box: box.cx < middle) is None
    other = finder.find_anywhere(pair, lambda box: box.cx < middle)
    assert other is not None and other.cx == pytest.approx(box.cx - middle, abs=10)
    assert finder.find_anywhere(pair, lambda box: False) is None
    near = finder.find_near(pair, lambda box: True)
    assert near is not None and near.cx < middle, "who did not fit was not remembered"


def test_inline_it_looks_in_every_second_frame_while_there_is_a_face() -> None:
    finder = ScriptedFinder([None, HERE, *[HERE] * 9], near=False)
    stats = Stats()
    faces = InlineFaces(FaceFollower(finder), stats)
    windows = [faces.follow(frame(index)) for index in range(10)]
    assert [window is not None for window in windows] == [False] + [True] * 9
    assert len(finder.script) == 11 - 6, "frames 0, 1, 2, 4, 6, 8"


class Knocking(ScriptedFinder):
    """Says when it was asked."""

    def __init__(self, script: list[Box | None]) -> None:
        super().__init__(script)
        self.asked = threading.Event()

    def find_near(self, image: Image, fits: Fits = anybody, roll: float = 0.0) -> Box | None:
        found = super().find_near(image, fits, roll)
        self.asked.set()
        return found


def test_the_thread_looks_while_the_loop_goes_on() -> None:
    finder, stats = Knocking([HERE]), Stats()
    follower = FaceFollower(finder)
    faces = FaceThread(follower, stats)
    assert faces.follow(frame(0)) is None, "the loop does not wait"
    assert finder.asked.wait(5)
    faces.close()
    faces.close()
    assert not faces._thread.is_alive()
    assert faces.follow(frame(1)) is not None
    assert stats.report(0)["stages_ms"]["find"]["median"] is not None


def test_an_error_in_the_thread_reaches_the_loop() -> None:
    class Broken(ScriptedFinder):
        def find_near(self, image: Image, fits: Fits = anybody, roll: float = 0.0) -> Box | None:
            raise RuntimeError("no cascade")

    faces = FaceThread(FaceFollower(Broken([])), Stats())
    faces.follow(frame(0))
    faces._thread.join(5)
    with pytest.raises(RuntimeError, match="no cascade"):
        faces.follow(frame(1))
    faces.close()


def test_inline_it_is_the_same_every_time() -> None:
    def windows() -> list[object]:
        faces = InlineFaces(FaceFollower(), Stats())
        return [
            faces.follow(Frame(image, k / 25, k / 25, k))
            for k, image in enumerate(frames(str(Path("drivers") / "d20.mp4"), 4))
        ]

    assert windows() == windows()

"""The window on the face: where it lies, what is cut out of it, how steady it is."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reenact.errors import UserError
from reenact.face import (
    Box,
    FaceFinder,
    Image,
    Window,
    WindowTracker,
    cut,
    likeness,
    window_of_box,
)


def ramp(height: int, width: int) -> Image:
    """A picture whose red is x and whose green is y, in steps of one grey level per two pixels."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.arange(width) // 2
    image[..., 1] = (np.arange(height) // 2)[:, None]
    return image


def centres(window: Window, size: int) -> npt.NDArray[np.float64]:
    """Where the pixel centres of a cut lie in the picture, along x."""
    return window.cx - window.side / 2 + (np.arange(size) + 0.5) * window.side / size - 0.5


@pytest.mark.parametrize("side", [50.0, 96.0, 130.7, 250.0, 430.3])
def test_a_cut_shows_the_window(side: float) -> None:
    window = Window(240.3, 250.6, side)
    out = cut(ramp(500, 480), window, 96)
    assert out.shape == (96, 96, 3) and out.dtype == np.uint8
    expected = centres(window, 96) / 2 - 0.25  # the ramp's own steps are on average 1/4 low
    assert np.abs(out[48, :, 0] - expected).max() < 1.1
    assert np.abs(out[:, 48, 1] - (expected + 10.3 / 2)).max() < 1.1


@pytest.mark.parametrize("side", [100.0, 300.0])
def test_outside_the_picture_its_edge_is_repeated(side: float) -> None:
    image = ramp(200, 160)
    out = cut(image, Window(0, 0, side), 50)
    assert out[:25, :25].max() <= 1
    far = cut(image, Window(400, 400, side), 50)
    assert np.abs(far.astype(int) - image[-1, -1]).max() <= 1
    assert cut(image[:1, :1], Window(0, 0, side), 50).shape == (50, 50, 3)


def test_shrinking_averages_what_it_leaves_out() -> None:
    lines = np.zeros((400, 400, 3), np.uint8)
    lines[:, ::2] = 200
    out = cut(lines, Window(200, 200, 384), 96)
    assert np.abs(out.astype(int) - 100).max() <= 2


def test_a_window_moves_the_cut_by_parts_of_a_pixel() -> None:
    image = np.zeros((120, 120, 3), np.uint8)
    image[..., 0] = 2 * np.arange(120)
    cuts = [cut(image, Window(60 + dx, 60, 50), 50)[25, :, 0].mean() for dx in (0, 0.5, 1)]
    assert np.diff(cuts) == pytest.approx([1, 1], abs=0.1)


# Eyes and mouth (centres, px) in the first frame of a video, as a face mesh sees them.
LANDMARKS = {
    "d0.mp4": ((209.2, 251.6), (304.5, 252.7), (255.4, 370.8)),
    "d3.mp4": ((209.0, 257.3), (337.1, 259.9), (268.9, 406.4)),
    "d14.mp4": ((160.5, 276.2), (280.3, 281.7), (216.8, 383.3)),
    "d20.mp4": ((202.7, 265.1), (287.2, 272.0), (237.4, 356.7)),
}


def ffhq_window(name: str) -> Window:
    """FFHQ's published alignment, without its rotation."""
    left, right, mouth = (np.array(point) for point in LANDMARKS[name])
    eyes = (left + right) / 2
    centre = eyes + 0.1 * (mouth - eyes)
    half = max(2.0 * np.linalg.norm(right - left), 1.8 * np.linalg.norm(mouth - eyes))
    return Window(float(centre[0]), float(centre[1]), float(2 * half))


def media(name: str) -> Path:
    folder = os.environ.get("REENACT_MEDIA")
    if not folder:
        pytest.skip("REENACT_MEDIA is not set: no videos of real faces")
    return Path(folder) / name


def frames(name: str, every: int) -> Iterator[Image]:
    video = cv2.VideoCapture(str(media(name)), cv2.CAP_FFMPEG)
    index = 0
    while video.grab():
        if index % every == 0:
            yield np.asarray(cv2.cvtColor(video.retrieve()[1], cv2.COLOR_BGR2RGB), np.uint8)
        index += 1
    video.release()


@pytest.mark.parametrize("name", LANDMARKS)
def test_the_window_is_where_ffhq_would_lay_it(name: str) -> None:
    box = FaceFinder().find(next(frames("drivers/" + name, 1)))
    assert box is not None
    window, expected = window_of_box(box), ffhq_window(name)
    assert abs(window.cx - expected.cx) < 0.05 * expected.side
    assert abs(window.cy - expected.cy) < 0.05 * expected.side
    assert abs(math.log(window.side / expected.side)) < 0.15


@pytest.mark.parametrize("name", ["drivers/d12.mp4", "drivers/s20.mp4"])
def test_a_moving_face_is_followed(name: str) -> None:
    finder = FaceFinder()
    boxes = [finder.find(image) for image in frames(name, 12)]
    assert sum(box is not None for box in boxes) >= 0.95 * len(boxes)


def test_a_small_face_in_a_large_picture_is_found() -> None:
    box = FaceFinder().find(next(frames("drivers/s13.mp4", 1)))  # a whole person
    assert box is not None
    assert 60 < box.side < 150 and box.cy < 250


def test_beside_the_last_face_and_turned_away_it_is_found_in_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = next(frames("drivers/d0.mp4", 1))
    finder = FaceFinder()
    frontal = finder.find(image)
    monkeypatch.setattr(FaceFinder, "_frontals", lambda self, grey: [])
    profile, mirrored = finder.find_near(image), finder.find_near(image[:, ::-1])
    assert frontal is not None and profile is not None and mirrored is not None
    for box, cx in ((profile, frontal.cx), (mirrored, image.shape[1] - frontal.cx)):
        assert abs(box.cx - cx) < 0.08 * frontal.side
        assert abs(box.cy - frontal.cy) < 0.08 * frontal.side
        assert abs(math.log(box.side / frontal.side)) < 0.25


def test_of_two_faces_the_larger_then_the_one_that_was_followed() -> None:
    face = next(frames("drivers/d0.mp4", 1))
    small = np.asarray(cv2.resize(face, (300, 300)), np.uint8)
    scene = np.zeros((512, 1100, 3), np.uint8)
    scene[:512, :512] = face
    scene[100:400, 700:1000] = small
    finder = FaceFinder()
    first = finder.find(scene)
    assert first is not None and first.cx < 512
    scene[:512, :512] = small.mean()
    second = finder.find(scene)
    assert second is not None and second.cx > 600
    scene[:512, :512] = face
    third = finder.find(scene)
    assert third is not None and third.cx > 600, "it went over to another face"
    finder.forget()
    fourth = finder.find(scene)
    assert fourth is not None and fourth.cx < 512


@pytest.mark.parametrize("shape", [(480, 640, 3), (2, 2, 3), (1, 500, 3)])
def test_no_face_is_none(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    assert FaceFinder().find(noise) is None


def test_an_opencv_without_cascades_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(UserError, match="came without haarcascade.*pip install"):
        FaceFinder()


Track = Callable[[int], tuple[float, float, float]]


def tracked(track: Track, steps: int, noise: float = 0.0) -> npt.NDArray[np.float64]:
    """Windows over time for a track of (x, y, side) per step of 1/30 s, a detection in each."""
    random, tracker, path = np.random.default_rng(3), WindowTracker(), []
    for step in range(steps):
        x, y, side = track(step)
        dx, dy, scale = random.normal(0, noise, 3)
        tracker.see(Window(x + dx * side, y + dy * side, side * math.exp(scale)))
        window = tracker.window(step / 30)
        assert window is not None
        path.append((window.cx, window.cy, window.side))
    return np.array(path)


BAND = 100 * float(WindowTracker._BAND[0])  # px, of a window of 100 px


def test_before_the_first_detection_there_is_no_window() -> None:
    assert WindowTracker().window(0.0) is None


def test_noise_does_not_move_it() -> None:
    path = tracked(lambda step: (300, 200, 100), 600, noise=0.015)[30:]
    assert np.abs(np.diff(path, axis=0)).sum(axis=0).max() < 3.0, "100 px window, 19 seconds"
    assert np.abs(path - (300, 200, 100)).max() < 4.0


def test_a_step_is_followed_without_overshoot() -> None:
    path = tracked(lambda step: (300 if step < 30 else 360, 200, 100), 150)
    x = path[30:, 0]
    assert (np.diff(x) >= -1e-9).all() and x.max() <= 360
    assert x[10] > 340, "a third of a second later"
    assert x[-1] == pytest.approx(360 - BAND, abs=0.5), "within the dead band"


def test_a_drift_is_followed_within_the_band_and_the_lag() -> None:
    path = tracked(lambda step: (300 + step, 200, 100 + step / 10), 200, noise=0.01)
    lag = 300 + np.arange(200) - path[:, 0]
    assert 0 < lag[60:].max() < BAND + 0.25 * 30 + 4, "30 px a second"
    assert (np.diff(path[10:, 0]) > -0.05).all()


def test_a_swaying_head_near_the_band_does_not_make_it_swing_wider() -> None:
    path = tracked(lambda step: (300 + 2 * BAND * math.sin(step / 5), 200, 100), 400)[100:]
    assert np.ptp(path[:, 0]) < 2 * (2 * BAND - BAND) + 0.5


def test_a_nod_does_not_move_it() -> None:
    path = tracked(lambda step: (300, 200 + 0.9 * BAND * math.sin(step / 5), 100), 400)[10:]
    assert np.ptp(path[:, 1]) < 1.0


def test_one_false_detection_is_ignored() -> None:
    path = tracked(lambda step: (300 if step != 60 else 420, 200, 100), 120)
    assert np.abs(path[:, 0] - 300).max() < 0.1


def test_a_new_face_is_taken_at_once_after_forgetting() -> None:
    tracker = WindowTracker()
    for step in range(10):
        tracker.see(Window(100, 100, 50))
        tracker.window(step / 30)
    tracker.forget()
    assert tracker.window(0.4) is None
    tracker.see(Window(400, 300, 90))
    window = tracker.window(0.5)
    assert window is not None
    assert (window.cx, window.cy, window.side) == pytest.approx((400, 300, 90))


@pytest.mark.parametrize("degrees", [-30, -15, 15, 30])
def test_a_rolled_face_is_found_where_it_is_when_its_roll_is_known(degrees: int) -> None:
    image = next(frames("drivers/d10.mp4", 1))
    finder = FaceFinder()
    upright = finder.find(image)
    assert upright is not None
    middle = (image.shape[1] / 2, image.shape[0] / 2)
    matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
    turned = np.asarray(cv2.warpAffine(image, matrix, image.shape[1::-1]), np.uint8)
    x, y = matrix @ (upright.cx, upright.cy, 1)
    finder._last = Box(x + 0.2 * upright.side, y - 0.1 * upright.side, 1.1 * upright.side)
    box = finder.find_near(turned, roll=math.radians(degrees))
    assert box is not None
    assert math.hypot(box.cx - x, box.cy - y) < 0.06 * upright.side
    assert box.side == pytest.approx(upright.side, rel=0.12)


def test_likeness() -> None:
    random = np.random.default_rng(0)
    patch, other = random.integers(20, 200, (2, 24, 24), np.uint8)
    assert likeness(patch, patch) == pytest.approx(1)
    assert likeness(patch, (patch // 2 + 30).astype(np.uint8)) > 0.99, "brightness does not matter"
    assert likeness(patch, 255 - patch) == pytest.approx(-1)
    assert abs(likeness(patch, other)) < 0.2
    assert likeness(patch, np.full_like(patch, 7)) == 0

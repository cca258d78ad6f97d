"""What is wrong with a camera is said in words that help, and nothing is said of a good one."""

from collections.abc import Callable

import numpy as np
import pytest

from realtime.frames import Image
from realtime.health import CameraHealth

RANDOM = np.random.default_rng(0)


def noisy(level: float, spread: float = 30.0) -> Image:
    """A picture whose levels lie around one."""
    return RANDOM.normal(level, spread, (96, 128, 3)).clip(0, 255).astype(np.uint8)


def said(picture: Callable[[], Image], fps: float, seconds: float = 3.0) -> str | None:
    health, words = CameraHealth(30.0), None
    for k in range(int(seconds * fps)):
        words = health.see(picture(), 100 + k / fps)
    return words


@pytest.mark.parametrize("fps", [22, 30, 60])
@pytest.mark.parametrize("level", [60, 128, 230])
def test_a_good_picture(level: float, fps: float) -> None:
    assert said(lambda: noisy(level), fps) is None


def test_nothing_is_said_before_a_second_has_passed() -> None:
    assert said(lambda: noisy(2, 1), 30, 0.9) is None


def test_black() -> None:
    assert "is black" in str(said(lambda: noisy(2, 1), 30))


def test_frozen() -> None:
    still = noisy(120)
    assert "stands still" in str(said(lambda: still, 30))


def test_a_dark_room_is_neither_black_nor_slow_without_being_said() -> None:
    assert said(lambda: noisy(25, 12), 30) == "it is too dark: more light on your face helps"
    words = said(lambda: noisy(25, 12), 8)
    assert words is not None and "delivers 8 fps because of it" in words


def test_slow_in_good_light() -> None:
    words = said(lambda: noisy(120), 10)
    assert words is not None and words.startswith("the camera delivers 10 of 30 fps")


def test_another_camera_begins_anew() -> None:
    health = CameraHealth(30.0)
    for k in range(60):
        health.see(noisy(2, 1), k / 30)
    health.forget()
    assert health.see(noisy(120), 2.0) is None

"""What stands around the avatar: plain, blurred, green or a picture of one's own."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from live_fakes import Recorder

from realtime.canvas import GREEN, PLAIN, Placed, backdrop, covering
from realtime.controls import Cast, Controls, State
from realtime.frames import Image
from realtime.puppet import _MAKER, Picture
from realtime.stats import Stats
from reenact.errors import UserError


def thumbnail() -> Image:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32] = (200, 100, 40)
    return image


def shown(text: str, size: tuple[int, int], mirror: bool = False) -> Image:
    """A grey avatar with a white left edge, on a canvas."""
    recorder, stats = Recorder(), Stats()
    output = Placed(
        recorder, [backdrop(text, thumbnail())], stats, lambda: State(mirror=mirror), size
    )
    output.open(32, 32, 25.0)
    assert recorder.opened == (*size, 25.0)
    pixels = np.full((32, 32, 3), 128, np.uint8)
    pixels[:, :4] = 255
    output.send(Picture(_MAKER, pixels, 0.0))
    assert "fit" in stats.report(0)["stages_ms"]
    return recorder.pixels[0]


@pytest.mark.parametrize(("text", "colour"), [("plain", PLAIN), ("green", GREEN)])
def test_one_colour(text: str, colour: tuple[int, int, int]) -> None:
    picture = shown(text, (128, 72))
    assert (picture[:, :28] == colour).all() and (picture[:, 100:] == colour).all()
    assert (picture[:, 40:100] == 128).all(), "the avatar is as high as the picture, in its middle"
    assert (picture[:, 29:36] == 255).all()


def test_blur_is_the_avatars_own_soft_picture() -> None:
    picture = shown("blur", (128, 72)).astype(int)
    assert picture[:, 5].mean() > picture[:, 120].mean() + 50
    assert np.abs(np.diff(picture[:, :20], axis=1)).max() < 12


def test_a_picture_of_ones_own_fills_and_is_not_distorted(tmp_path: Path) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    cv2.circle(image, (50, 50), 20, (0, 0, 255), -1)  # red, in OpenCV's order
    cv2.imwrite(str(tmp_path / "room.png"), image)
    still = covering(backdrop(str(tmp_path / "room.png"), thumbnail()), 160, 80)
    red = still[..., 0] > 128
    assert still.shape == (80, 160, 3) and still[..., 2].max() == 0
    assert np.ptp(np.flatnonzero(red.any(0))) == pytest.approx(np.ptp(np.flatnonzero(red.any(1))))


def test_mirrored_output() -> None:
    np.testing.assert_array_equal(
        shown("plain", (128, 72), mirror=True)[:, 28:100],
        shown("plain", (128, 72))[:, 28:100][:, ::-1],
    )


def test_what_is_behind_fades_with_the_avatar() -> None:
    recorder, controls = Recorder(), Controls(State(), Cast(["one", "other"]))
    behind = [np.full((1, 1, 3), level, np.uint8) for level in (0, 200)]
    placed = Placed(recorder, behind, Stats(), lambda: controls.now, (128, 72), fade_s=0.3)
    placed.open(32, 32, 25.0)
    for number in range(20):
        if number == 5:
            controls.act("avatar-2")
        placed.send(Picture(_MAKER, np.full((32, 32, 3), 128, np.uint8), number / 25))
    levels = [int(pixels[0, 0, 0]) for pixels in recorder.pixels]
    assert levels[:6] == [0] * 6 and levels[13:] == [200] * 7 and levels == sorted(levels)
    assert 20 < levels[8] < 180 and all(pixels[36, 64, 0] == 128 for pixels in recorder.pixels)


def test_as_rendered_there_is_nothing_around_it() -> None:
    assert shown("green", (32, 32))[:, 4:].tolist() == [[[128] * 3] * 28] * 32


@pytest.mark.parametrize(("name", "words"), [("no.png", "is not there"), ("text.png", "be read")])
def test_a_background_that_is_none(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(UserError, match=words):
        backdrop(str(tmp_path / name), thumbnail())

"""The puppet does what the face does, holds, eases to neutral; only it makes pictures."""

from dataclasses import replace

import numpy as np
import pytest
from live_fakes import CROP, DIMS, GREY, FakeEncode, a_model, an_avatar

from realtime.expression import Expression, Taste
from realtime.frames import Image
from realtime.identity import Identity
from realtime.puppet import Picture, Puppet, card, placed
from realtime.state import FaceState
from realtime.stats import Stats
from reenact.errors import UserError


def a_puppet(smooth: float = 0.0) -> Puppet:
    return Puppet(a_model(), Identity([an_avatar()]), Stats(), Expression(Taste(smooth), None))


def crop(level: int) -> Image:
    return np.full((CROP, CROP, 3), level, np.uint8)


def grey(picture: Picture) -> int:
    assert np.ptp(picture.pixels) == 0
    return int(picture.pixels[0, 0, 0])


def test_without_a_face_it_is_neutral() -> None:
    picture = a_puppet().drive(None, 0.0)
    assert grey(picture) == GREY
    assert picture.pixels.shape == (DIMS.resolution, DIMS.resolution, 3)


def test_it_does_what_the_face_does() -> None:
    puppet = a_puppet()
    levels = [grey(puppet.drive(crop(level), k * 10.0)) for k, level in enumerate((255, 51, 153))]
    assert levels == pytest.approx([GREY + 100, GREY + 20, GREY + 60], abs=1)


def test_the_encoder_sees_the_crop_as_it_is() -> None:
    model = a_model()
    image = np.arange(CROP * CROP * 3, dtype=np.int64).reshape(CROP, CROP, 3).astype(np.uint8)
    Puppet(model, Identity([an_avatar()]), Stats(), Expression(Taste(), None)).drive(image, 0.0)
    assert isinstance(model.encode, FakeEncode)
    assert (model.encode.seen[0] == image).all()


def test_a_lost_face_is_held_then_eased_to_neutral_without_a_jump() -> None:
    puppet = a_puppet()
    puppet.drive(crop(255), 0.0)
    levels, states = [], []
    for step in range(1, 60):
        levels.append(grey(puppet.drive(None, step / 30)))
        states.append(puppet.state)
    assert levels[:14] == [GREY + 100] * 14, "half a second"
    assert levels[-1] == GREY
    assert states[0] is FaceState.HOLD and states[20] is FaceState.NEUTRAL
    assert states[-1] is FaceState.SEARCH
    assert levels == sorted(levels, reverse=True)
    assert -min(np.diff(levels)) <= 9


@pytest.mark.parametrize("away", [3, 20, 28, 60])
def test_a_face_that_returns_does_not_make_it_jump(away: int) -> None:
    puppet = a_puppet()
    levels = [grey(puppet.drive(crop(255), 0.0))]
    for step in range(1, 120):
        lost = step <= away
        levels.append(grey(puppet.drive(None if lost else crop(0), step / 30)))
    assert levels[-1] == GREY
    frames = min(away, 6)  # 0.2 s; an eased way is half as steep again in its middle
    assert np.abs(np.diff(levels)).max() <= 100 / frames * 1.6


def test_smoothing_is_a_matter_of_degree() -> None:
    reached = []
    for smooth in (0.0, 0.5, 1.0):
        puppet = a_puppet(smooth)
        for step in range(30):
            puppet.drive(crop(51), step / 30)
        reached.append([grey(puppet.drive(crop(102), (30 + k) / 30)) for k in range(2)][-1])
    assert reached[0] > reached[1] > reached[2]
    assert reached[0] >= GREY + 38
    assert reached[2] <= GREY + 28


def test_only_the_first_ten_convolutions_are_deformed() -> None:
    model, seen = a_model(), []
    render = model.render
    spy = replace(model, render=_Spy(render, seen))
    Puppet(spy, Identity([an_avatar()]), Stats(), Expression(Taste(), None)).drive(crop(255), 0.0)
    from reenact.spaces import deformed_layers

    expected = np.ones(render.input_shape[1], np.float32)
    for layer in deformed_layers(DIMS):
        expected[layer.styles] += 1
    assert np.allclose(seen[0], expected)


class _Spy:
    def __init__(self, engine: object, seen: list[object]) -> None:
        self._engine, self._seen = engine, seen

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def __call__(self, array: object) -> object:
        self._seen.append(array[0].copy())  # type: ignore[index]
        return self._engine(array)  # type: ignore[operator]


def test_a_foreign_avatar_is_refused() -> None:
    with pytest.raises(UserError, match="another generator"):
        Puppet(a_model(), Identity([an_avatar("another")]), Stats(), Expression(Taste(), None))


def test_nobody_else_makes_pictures() -> None:
    with pytest.raises(TypeError):
        Picture(object(), np.zeros((2, 2, 3), np.uint8), 0.0)


def test_a_picture_cannot_be_painted_over() -> None:
    picture = a_puppet().drive(None, 0.0)
    with pytest.raises(ValueError):
        picture.pixels[0] = 0
    with pytest.raises(AttributeError):
        picture.image = None  # type: ignore[attr-defined]


def test_a_card_has_the_size_of_the_pictures() -> None:
    picture = a_puppet().card("stopped", 1.5)
    assert picture.pixels.shape == (32, 32, 3) and picture.time_s == 1.5
    assert np.ptp(card("stopped", 320, 180, 0.0).pixels) > 100, "there is a text on it"
    assert np.ptp(card("", 64, 64, 0.0).pixels.reshape(-1, 3), axis=0).max() == 0


@pytest.mark.parametrize(
    ("size", "bars"), [((64, 64), (0, 0)), ((128, 64), (32, 0)), ((64, 128), (0, 32))]
)
def test_placing_keeps_proportions(size: tuple[int, int], bars: tuple[int, int]) -> None:
    still = np.full((size[1], size[0], 3), 7, np.uint8)
    out = placed(np.full((32, 32, 3), 90, np.uint8), still)
    inner = out[bars[1] : size[1] - bars[1], bars[0] : size[0] - bars[0]]
    assert out.shape == still.shape and (inner == 90).all()
    assert (out == 7).sum() == out.size - inner.size, "around it is the still"
    assert (still == 7).all()


def test_placing_on_its_own_size_changes_nothing() -> None:
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    np.testing.assert_array_equal(placed(pixels, np.zeros_like(pixels)), pixels)


def test_a_mirrored_picture_swaps_left_and_right() -> None:
    picture = a_puppet().card("stopped", 0.0)
    mirrored = picture.onto(np.zeros_like(picture.pixels), mirror=True)
    np.testing.assert_array_equal(mirrored.pixels, picture.pixels[:, ::-1])
    with pytest.raises(ValueError):
        mirrored.pixels[0] = 0

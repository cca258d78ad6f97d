"""The roll of the head: out of the crop, into the deformation, the rest into a turn."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from live_fakes import a_model, an_avatar

from realtime.expression import Expression, Taste
from realtime.frames import Image
from realtime.identity import Identity
from realtime.puppet import Puppet
from realtime.roll import Roll, Vector, turned
from realtime.stats import Stats
from reenact.face import Window, cut
from reenact.motion_basis import USUAL_ROLL, MotionBasis
from reenact.spaces import deformation_count
from reenact.talking_heads.motion import FACTORS, factor_scale

D = deformation_count(a_model().info.dims)


def a_basis() -> MotionBasis:
    """S_F's first number is yaw, its second roll, in standard deviations."""
    rows = np.zeros((2, D), np.float32)
    rows[0, 0] = rows[1, 1] = 1
    limits = np.array([[-9, 9], [-9, 9]], np.float32)
    return MotionBasis(("head yaw", "head roll"), rows, rows, limits, "f00d")


def seen(roll: Roll, head: float) -> Vector:
    """What a perfect encoder says of a crop that was turned back by `roll.angle`."""
    deformation = np.zeros(D, np.float32)
    deformation[:2] = 0.7, (head - roll.angle) / USUAL_ROLL
    return deformation


def test_the_unit_is_trainings() -> None:
    scale = float(factor_scale()[FACTORS.index("head roll")])
    assert scale == pytest.approx(USUAL_ROLL, rel=0.01)


@pytest.mark.parametrize("head", [math.radians(a) for a in (-35, -12, 3, 20)])
def test_the_crop_becomes_upright_and_nothing_of_the_roll_is_lost(head: float) -> None:
    roll = Roll(a_basis())
    for _ in range(20):
        whole = roll.whole(seen(roll, head))
        np.testing.assert_allclose(whole[:2], [0.7, head / USUAL_ROLL], atol=1e-4)
    assert abs(head - roll.angle) < math.radians(10.2), "what is left in the crop"
    assert roll.angle == 0 or abs(head) > math.radians(10), "a head held upright turns nothing"
    roll.forget()
    assert roll.angle == 0


def test_it_turns_no_further_than_a_face_is_found() -> None:
    roll = Roll(a_basis())
    for _ in range(50):
        roll.whole(seen(roll, 2.0))
    assert roll.angle == pytest.approx(math.radians(40))


@pytest.mark.parametrize(("degrees", "rest"), [(0, 0), (9, 0), (-9, 0), (18, 8), (-22, -12)])
def test_the_network_draws_ten_degrees_and_the_rest_is_a_turn(degrees: float, rest: float) -> None:
    roll, deformation = Roll(a_basis()), np.zeros(D, np.float32)
    deformation[:3] = 0.4, math.radians(degrees) / USUAL_ROLL, 5
    drawn, turn = roll.split(deformation)
    assert math.degrees(turn) == pytest.approx(rest, abs=0.01)
    expected = [0.4, math.radians(degrees - rest) / USUAL_ROLL, 5]
    np.testing.assert_allclose(drawn[:3], expected, atol=1e-4)


def test_without_a_basis_nothing_is_turned() -> None:
    roll, deformation = Roll(None), np.full(D, 9, np.float32)
    assert roll.whole(deformation) is deformation and roll.angle == 0
    assert roll.split(deformation) == (deformation, 0.0)


def test_a_picture_turns_about_the_neck_counter_clockwise_and_its_border_does_not_come_in() -> None:
    picture = np.full((128, 128, 3), 90, np.uint8)
    picture[[0, -1]] = picture[:, [0, -1]] = 255
    cv2.circle(picture, (64, 30), 5, (200, 0, 0), -1)
    shown = turned(picture, math.radians(15))
    y, x = np.argwhere(shown[..., 1] < 60).mean(axis=0)
    distance = 0.85 * 128 - 30
    assert x == pytest.approx(64 - distance * math.sin(math.radians(15)), abs=1)
    assert y == pytest.approx(0.85 * 128 - distance * math.cos(math.radians(15)), abs=1)
    assert shown[..., 1].max() == 90 and shown.shape == picture.shape
    assert turned(picture, 0.0) is picture


def face(angle: float, size: int) -> Image:
    """A bar that is upright when the head's angle is 0, thick end down."""
    image = np.zeros((size, size, 3), np.uint8)
    middle, up = np.array([size / 2, size / 2]), np.array([-math.sin(angle), -math.cos(angle)])
    for share in np.linspace(-0.25, 0.25, 100):
        place = middle + share * size * up
        radius = int(size * (0.06 - 0.15 * share))
        cv2.circle(image, (round(place[0]), round(place[1])), radius, (255, 255, 255), -1)
    return image


@pytest.mark.parametrize("size", [80, 640])
@pytest.mark.parametrize("degrees", [-35, 12])
def test_a_turned_window_shows_the_head_upright(degrees: float, size: int) -> None:
    """Also where the picture is shrunk first."""
    angle = math.radians(degrees)
    upright = cut(face(0, size), Window(size / 2, size / 2, 0.8 * size), 48).astype(int)
    back = cut(face(angle, size), Window(size / 2, size / 2, 0.8 * size, angle), 48).astype(int)
    assert np.abs(back - upright).mean() < 8
    assert (
        np.abs(cut(face(angle, size), Window(size / 2, size / 2, 0.8 * size), 48) - upright).mean()
        > 12
    )


def test_the_puppet_asks_for_an_upright_crop_while_there_is_a_face() -> None:
    basis = replace(a_basis(), readings=3 * a_basis().readings)
    model = replace(a_model(), basis=basis)  # a white crop is rolled by three standard deviations
    expression = Expression(Taste(smooth=0), basis)
    puppet = Puppet(model, Identity([an_avatar()]), Stats(), expression)
    crop = np.full((puppet.crop, puppet.crop, 3), 255, np.uint8)
    assert puppet.roll == 0
    puppet.drive(crop, 0.0)
    first = puppet.roll
    assert first > 0
    puppet.drive(crop, 0.04)
    assert puppet.roll > first
    for k in range(2, 80):
        puppet.drive(None, k * 0.04)
    assert puppet.roll == 0

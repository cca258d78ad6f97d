"""Talking heads: what faces do over time, and that no factor is a sign of another."""

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("scipy", reason="talking heads need the extra 'train'")

from reenact.talking_heads import motion
from reenact.talking_heads.motion import FACTORS, UNITS, Motion

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def many() -> list[Motion]:
    return [motion.sample_motion(seed, 24, stride=12) for seed in range(250)]


def test_motion_is_a_function_of_its_seed() -> None:
    one, two, other = (motion.sample_motion(seed, 20) for seed in (4, 4, 5))
    np.testing.assert_array_equal(motion.factors(one), motion.factors(two))
    assert np.abs(motion.factors(one) - motion.factors(other)).max() > 0.1
    assert one.units.shape == (20, len(UNITS))
    assert one.head.shape == (20, 3) and one.gaze.shape == (20, 2)
    assert not motion.factors(motion.neutral_motion(3)).any()


def test_motion_does_not_depend_on_how_it_is_sampled() -> None:
    fine, long, slow = (motion.sample_motion(7, *how) for how in ((60, 30), (200, 30), (12, 6)))
    np.testing.assert_allclose(motion.factors(long)[:60], motion.factors(fine), atol=1e-6)
    np.testing.assert_allclose(motion.factors(fine)[::5], motion.factors(slow), atol=1e-6)


@pytest.mark.parametrize("fps", [25, 30])
def test_motion_is_smooth(fps: int) -> None:
    """No jumps: the second difference stays far below the range of a unit, lids and eyes apart."""
    steps = (fps / 25) ** 2
    lids = np.array(["UpperLid" in name for name in UNITS])
    for seed in range(25):
        one = motion.sample_motion(seed, 4 * fps, fps)
        jerk = np.abs(np.diff(one.units, 2, axis=0)) * steps
        assert jerk[:, ~lids].max() < 0.55
        assert jerk[:, lids].max() < 1.3, "a blink takes three frames or more"
        assert np.abs(np.diff(one.head, 2, axis=0)).max() * steps < 0.06
        assert np.abs(np.diff(one.head, axis=0)).max() < 0.2
        assert np.abs(np.diff(one.gaze, axis=0)).max() < 0.9


def test_motions_cover_what_faces_do(many: list[Motion]) -> None:
    units = np.concatenate([one.units for one in many])
    column = {name: units[:, i] for i, name in enumerate(UNITS)}
    left, right = column["LeftUpperLidClosed"], column["RightUpperLidClosed"]
    assert 0.12 < np.mean(np.maximum(left, right) >= 0.5) < 0.30
    winks = (np.maximum(left, right) > 0.8) & (np.minimum(left, right) < 0.3)
    assert np.mean(winks) > 0.02
    for name, share in {
        "JawDrop": 0.1,
        "LipsKiss": 0.08,
        "LipsPress": 0.03,
        "MouthLeftPullUp": 0.06,
        "MouthRightPullSide": 0.06,
        "LeftUpperLidOpen": 0.05,
        "RightLowerLidUp": 0.06,
        "LeftOuterBrowUp": 0.06,
        "RightBrowDown": 0.04,
    }.items():
        assert np.mean(column[name] > 0.5) > share, name
    assert units.min() >= 0 and units.max() <= 1.15


def test_heads_and_eyes_turn_as_far_as_they_should(many: list[Motion]) -> None:
    head, gaze = (np.concatenate([getattr(one, n) for one in many]) for n in ("head", "gaze"))
    np.testing.assert_allclose(head.std(0), [0.24, 0.16, 0.125], rtol=0.15)
    assert np.all(np.abs(head).max(0) <= np.radians([45, 30, 30]))
    assert np.all(np.abs(head).max(0) > np.radians([38, 25, 25]))
    usual = np.median([one.head.std(0) for one in many], axis=0)
    assert np.all(usual < [0.15, 0.11, 0.08]), "most people sit before a webcam"
    assert np.all(np.abs(gaze).max(0) <= np.radians([35.1, 22.1]))
    reach = np.mean(np.abs(gaze) > 0.5 * np.radians([35, 22]), axis=0)
    assert reach[0] == pytest.approx(reach[1], rel=0.15), "up and down as often as to the sides"


def test_lids_follow_the_eyes(many: list[Motion]) -> None:
    units = np.concatenate([one.units for one in many])
    pitch = np.concatenate([one.gaze[:, 1] for one in many])
    closed = units[:, UNITS.index("LeftUpperLidClosed")]
    opened = units[:, UNITS.index("LeftUpperLidOpen")]
    assert closed[pitch > 0.25].min() > 0.2
    assert np.median(opened[pitch < -0.25]) > np.median(opened[np.abs(pitch) < 0.05]) + 0.15


def test_factors_are_independent(many: list[Motion]) -> None:
    """Only the two sides of a face, which anatomy couples, may go together more than a little."""
    values = np.concatenate([motion.factors(one) for one in many])
    correlation = np.abs(np.corrcoef(values.T)) - np.eye(len(FACTORS))
    place = {name: i for i, name in enumerate(FACTORS)}
    assert correlation[place["gaze yaw"], place["head yaw"]] < 0.15
    assert correlation[place["JawDrop"], place["LeftOuterBrowUp"]] < 0.2
    for name, i in place.items():
        twin = place.get(name.replace("Left", "Right"), i) if "Left" in name else i
        if twin != i and not name.startswith("MouthMove"):
            assert correlation[i, twin] < 0.8, name
            correlation[i, twin] = correlation[twin, i] = 0
    assert correlation.max() < 0.6


def test_factor_scale_covers_every_factor() -> None:
    scale = motion.factor_scale()
    assert scale.shape == (len(FACTORS),) and scale.dtype == np.float32
    assert scale.min() > 0.02 and scale.max() < 1
    assert FACTORS[-5:] == ("head yaw", "head pitch", "head roll", "gaze yaw", "gaze pitch")

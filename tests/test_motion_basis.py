"""Gains act on their own group only, limits hold, and files are what they say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engines import load_engine
from realtime.cameras import find_input
from realtime.faces import FaceFollower, InlineFaces
from realtime.frames import Frame
from realtime.models import STARTER
from realtime.readers import open_input
from realtime.stats import Stats
from reenact.errors import UserError
from reenact.face import cut
from reenact.motion_basis import (
    FILE,
    GROUPS,
    MotionBasis,
    Shaper,
    Vector,
    group,
    load_basis,
    save_basis,
)

NAMES = ("head yaw", "JawDrop", "LeftUpperLidClosed", "gaze pitch", "RightBrowDown")


@pytest.fixture
def basis() -> MotionBasis:
    """Five factors that move along directions of their own, in 40 numbers."""
    random = np.random.default_rng(1)
    directions = random.normal(size=(5, 40)).astype(np.float32)
    readings = np.linalg.pinv(directions).T.astype(np.float32)
    limits = np.array([[-3, 3]] * 5, np.float32)
    return MotionBasis(NAMES, readings, directions, limits, "f00d")


def test_every_factor_has_a_group() -> None:
    assert [group(name) for name in NAMES] == ["pose", "mouth", "eyes", "eyes", "brows"]


def shaped(basis: MotionBasis, amounts: list[float], **gains: float) -> Vector:
    """The amounts after shaping a deformation of these."""
    shaper = Shaper(basis, dict.fromkeys(GROUPS, 1.0) | gains)
    return basis.readings @ shaper(np.float32(amounts) @ basis.directions)


@pytest.mark.parametrize("which", GROUPS)
def test_a_gain_scales_its_group_only(basis: MotionBasis, which: str) -> None:
    amounts = [1.0, -0.5, 0.7, 0.3, -1.0]
    factors = [1.8 if group(name) == which else 1.0 for name in NAMES]
    np.testing.assert_allclose(
        shaped(basis, amounts, **{which: 1.8}), np.multiply(amounts, factors), atol=1e-4
    )


def test_nothing_leaves_the_trained_range(basis: MotionBasis) -> None:
    np.testing.assert_allclose(
        shaped(basis, [9, -9, 2, 2, 0], eyes=2.0), [3, -3, 3, 3, 0], atol=1e-4
    )


def test_what_no_factor_explains_stays(basis: MotionBasis) -> None:
    random = np.random.default_rng(2).normal(size=40).astype(np.float32)
    rest = random - (basis.readings @ random) @ basis.directions
    shaper = Shaper(basis, dict.fromkeys(GROUPS, 2.0))
    np.testing.assert_allclose(shaper(rest), rest, atol=1e-4)


def test_a_file_keeps_it(basis: MotionBasis, tmp_path: Path) -> None:
    save_basis(basis, tmp_path / FILE)
    loaded = load_basis(tmp_path / FILE)
    assert (loaded.names, loaded.fingerprint) == (NAMES, "f00d")
    np.testing.assert_array_equal(loaded.readings, basis.readings)
    np.testing.assert_array_equal(loaded.directions, basis.directions)


def test_a_file_with_too_few_names_is_refused(basis: MotionBasis, tmp_path: Path) -> None:
    save_basis(replace(basis, names=NAMES[:3]), tmp_path / FILE)
    with pytest.raises(UserError, match="3 names"):
        load_basis(tmp_path / FILE)


def test_the_starters_basis_separates_the_groups() -> None:
    """In what the encoder sees in the demo a gain doubles its own group and leaves the others."""
    basis = load_basis(STARTER / FILE)
    assert {group(name) for name in basis.names} == set(GROUPS)
    wide = replace(basis, limits=basis.limits * 100)
    seen = demo_deformations()
    before = seen @ basis.readings.T
    for which in GROUPS:
        shaper = Shaper(wide, dict.fromkeys(GROUPS, 1.0) | {which: 2.0})
        after = np.stack([shaper(deformation) for deformation in seen]) @ basis.readings.T
        for other in GROUPS:
            rows = [k for k, name in enumerate(basis.names) if group(name) == other]
            slope = np.sum(after[:, rows] * before[:, rows]) / np.sum(before[:, rows] ** 2)
            assert slope == pytest.approx(2.0 if other == which else 1.0, abs=0.25), (which, other)


def demo_deformations() -> npt.NDArray[np.float32]:
    """S_F [N,D] of some frames of the demo."""
    pytest.importorskip("onnxruntime")
    encode = load_engine(STARTER, "encode_deformation", "onnxruntime", threads=1)
    reader, follower, stats = open_input(find_input("demo")), FaceFollower(), Stats()
    faces, seen = InlineFaces(follower, stats), []
    for index in range(60):
        image = reader.read()
        assert image is not None
        window = faces.follow(Frame(image, index / 30, index / 30, index))
        if window is not None and index % 3 == 0:
            seen.append(encode(cut(image, window, encode.input_shape[1])[None])[0])
    assert len(seen) > 10
    return np.stack(seen)

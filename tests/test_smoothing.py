"""The One-Euro filter: calm at rest, quick in motion."""

import numpy as np
import numpy.typing as npt
import pytest

from realtime.smoothing import OneEuro, Way


def smoothed(values: npt.NDArray[np.float32], filter: OneEuro) -> npt.NDArray[np.float32]:
    return np.array([filter(value, step / 30) for step, value in enumerate(values)], np.float32)


def test_the_first_value_passes() -> None:
    value = np.array([1, -2], np.float32)
    assert (OneEuro(1, 0)(value, 5.0) == value).all()


def test_noise_is_calmed_and_the_mean_kept() -> None:
    noisy = np.random.default_rng(0).normal(3, 0.1, (300, 50)).astype(np.float32)
    out = smoothed(noisy, OneEuro(1, 0.5))[60:]
    assert out.dtype == np.float32
    assert np.diff(out, axis=0).std() < 0.2 * np.diff(noisy, axis=0).std()
    assert out.mean() == pytest.approx(3, abs=0.02)


def test_speed_opens_it() -> None:
    step = np.concatenate([np.full((30, 8), 0.2), np.full((30, 8), 1)]).astype(np.float32)
    slow = smoothed(step, OneEuro(1, 0))[33, 0]
    quick = smoothed(step, OneEuro(1, 4))[33, 0]
    assert slow < 0.8 and quick > 0.93


def test_the_unit_of_the_vector_does_not_matter() -> None:
    values = np.random.default_rng(1).normal(1, 1, (60, 8)).astype(np.float32)
    small, large = (smoothed(values * unit, OneEuro(1, 2)) / unit for unit in (0.01, 100))
    assert np.allclose(small, large, rtol=1e-3, atol=1e-4)


def test_the_rate_of_the_frames_hardly_matters() -> None:
    coarse, fine = OneEuro(1, 0), OneEuro(1, 0)
    for step in range(31):
        coarse(np.array([float(step > 0)]), step / 30)
        fine(np.array([float(step > 0)]), 2 * step / 60)
        fine(np.array([float(step > 0)]), (2 * step + 1) / 60)
    end = np.array([1.0])
    assert coarse(end, 2)[0] == pytest.approx(fine(end, 2)[0], abs=0.02)


def test_a_second_value_at_the_same_time_changes_nothing() -> None:
    filter = OneEuro(1, 1)
    first = filter(np.ones(3), 1.0)
    assert (filter(np.zeros(3), 1.0) == first).all()
    assert (filter(np.zeros(3), 0.9) == first).all()


def test_forgetting_takes_the_next_as_it_comes() -> None:
    filter = OneEuro(0.1, 0)
    filter(np.zeros(3), 0.0)
    filter.forget()
    assert (filter(np.ones(3), 0.1) == 1).all()


def test_the_way_from_one_to_the_next() -> None:
    here, there = np.zeros(2, np.float32), np.array([1, -2], np.float32)
    way = Way(0.5)
    assert way(here, 1.0) is here, "the first at once"
    assert way(here, 1.5) is here
    np.testing.assert_allclose(way(there, 1.75), there / 2, atol=1e-6)
    np.testing.assert_allclose(way(here, 1.75), there / 2, atol=1e-6, err_msg="from where it was")
    np.testing.assert_allclose(way(here, 2.0), there / 4, atol=1e-6)
    assert way(here, 2.25) is here and way(here, 99.0) is here
    way.forget()
    assert way(there, 99.1) is there

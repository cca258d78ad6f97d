"""The neutral face: found among blinks and words, kept for each camera and person, used."""

import threading
from pathlib import Path

import numpy as np
import pytest

import realtime.calibration
from realtime.calibration import (
    Calibration,
    Calibrator,
    Keeper,
    Phase,
    StillNeutral,
    calibration_file,
    load_calibration,
    middle,
    save_calibration,
)
from realtime.expression import Expression, Taste, Vector
from reenact.errors import UserError

NEUTRAL = np.array([0.5, -1.0, 2.0, 0.0], np.float32)


def frames(count: int, noise: float = 0.02) -> list[Vector]:
    """Faces at rest, every fourth one blinking."""
    random = np.random.default_rng(0)
    made = [NEUTRAL + random.normal(0, noise, 4).astype(np.float32) for _ in range(count)]
    for k in range(0, count, 4):
        made[k] = made[k] + np.float32([0, 3, 0, 3])
    return made


def test_a_countdown_then_frames_then_the_neutral_face() -> None:
    calibrator, found, phases = Calibrator(), None, []
    assert calibrator.see(NEUTRAL, 9.0) is None, "not asked to"
    calibrator.start()
    for k, seen in enumerate(frames(150)):
        time_s = 10 + k / 25
        found = calibrator.see(seen, time_s)
        phases.append(calibrator.phase)
        if found is not None:
            break
    assert found is not None and np.abs(found - NEUTRAL).max() < 0.02
    assert phases[:74] == [Phase.COUNTDOWN] * 74, "three seconds"
    assert phases[80] is Phase.LOOKING and phases[-1] is Phase.IDLE
    assert len(phases) == pytest.approx(25 * 4.5, abs=3)


def test_the_countdown_counts_down() -> None:
    calibrator = Calibrator()
    calibrator.start()
    calibrator.see(None, 10.0)
    assert [calibrator.left_s(10 + k) for k in range(5)] == [3, 2, 1, 0, 0]


def test_frames_without_a_face_do_not_count() -> None:
    calibrator = Calibrator()
    calibrator.start()
    results = [calibrator.see(None, k / 25) for k in range(200)]
    assert not any(found is not None for found in results)
    results = [calibrator.see(NEUTRAL, 8 + k / 25) for k in range(Calibrator.LEAST)]
    assert results[-1] is not None and calibrator.phase is Phase.IDLE


def test_it_can_be_left_and_begun_again() -> None:
    calibrator = Calibrator()
    calibrator.start()
    calibrator.see(NEUTRAL, 0.0)
    calibrator.cancel()
    assert all(calibrator.see(NEUTRAL, k / 25) is None for k in range(300))
    calibrator.start()
    assert any(calibrator.see(NEUTRAL, 20 + k / 25) is not None for k in range(150))


def test_the_middle_leaves_out_what_is_far() -> None:
    seen = np.float32([[0], [0.1], [-0.1], [50], [-60]])
    assert np.abs(middle(seen)).max() < 0.11


def test_a_file_for_each_camera_and_person(tmp_path: Path) -> None:
    files = {
        calibration_file(tmp_path, camera, person)
        for camera in ("HD Webcam", "USB: C920/2")
        for person in ("me", "Zoë")
    }
    assert len(files) == 4 and all(file.parent == tmp_path for file in files)
    file = tmp_path / "new" / "a.calibration"
    save_calibration(Calibration(NEUTRAL, "f00d", "HD Webcam", "me"), file)
    found = load_calibration(file, "f00d", 4)
    assert found is not None and found.camera == "HD Webcam"
    np.testing.assert_array_equal(found.neutral, NEUTRAL)
    assert load_calibration(file, "beef", 4) is None, "of another generator"
    assert load_calibration(file, "f00d", 5) is None
    assert load_calibration(tmp_path / "no.calibration", "f00d", 4) is None
    file.write_bytes(b"broken")
    with pytest.raises(UserError, match="calibrate again"):
        load_calibration(file, "f00d", 4)


def test_the_show_does_not_wait_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = threading.Event()

    def save(calibration: Calibration, path: Path) -> None:
        slow.wait(10)
        save_calibration(calibration, path)

    monkeypatch.setattr(realtime.calibration, "save_calibration", save)
    file, told = tmp_path / "a.calibration", list[str]()
    keeper = Keeper(file, told.append)
    keeper.keep(Calibration(NEUTRAL, "f00d", "HD Webcam", "me"))
    assert not told and not file.exists(), "it is still being written"
    slow.set()
    keeper.close()
    assert told == [f"calibrated; kept in {file}"]
    assert load_calibration(file, "f00d", 4) is not None


def test_a_calibration_that_cannot_be_kept_holds_for_this_show(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told = list[str]()
    keeper = Keeper(tmp_path / "file" / "a.calibration", told.append)
    keeper.keep(Calibration(NEUTRAL, "f00d", "HD Webcam", "me"))
    keeper.close()
    assert len(told) == 1 and told[0].startswith("calibrated, but for this time only: cannot make")


def test_absolute_is_what_was_seen_and_relative_is_from_the_neutral_face() -> None:
    moved = NEUTRAL + np.float32([1, 0, 0, 0])
    for relative, expected in ((False, moved), (True, moved - NEUTRAL)):
        expression = Expression(Taste(smooth=0, relative=relative), None, NEUTRAL)
        np.testing.assert_allclose(expression(moved, 0.0), expected)


def test_a_calibration_takes_effect_with_the_next_frame() -> None:
    expression = Expression(Taste(smooth=0, relative=True), None)
    np.testing.assert_allclose(expression(NEUTRAL, 0.0), NEUTRAL)
    expression.calibrator.start()
    found = [expression.see(NEUTRAL, 1 + k / 25) for k in range(120)]
    assert sum(neutral is not None for neutral in found) == 1
    expression.forget()
    np.testing.assert_allclose(expression(NEUTRAL, 9.0), 0 * NEUTRAL, atol=1e-6)


def test_another_origin_is_eased_to_not_jumped_to() -> None:
    expression = Expression(Taste(smooth=0), None, NEUTRAL)
    np.testing.assert_allclose(expression(NEUTRAL, 0.0), NEUTRAL)
    expression.follow(Taste(smooth=0, relative=True))
    shown = [float(expression(NEUTRAL, k / 25)[2]) for k in range(1, 12)]
    assert shown == sorted(shown, reverse=True) and shown[0] > 0.85 * NEUTRAL[2]
    assert max(np.abs(np.diff(shown))) < 0.3 * NEUTRAL[2]
    assert shown[-1] == pytest.approx(0, abs=1e-2) and shown[4] > 0.2
    expression.forget()  # another face: nothing to ease from
    np.testing.assert_allclose(expression(2 * NEUTRAL, 9.0), NEUTRAL)


def test_gains_need_a_basis() -> None:
    with pytest.raises(UserError, match="motion.basis, which --gain-mouth needs"):
        Expression(Taste(gains={"pose": 1.0, "mouth": 1.5, "eyes": 1.0, "brows": 1.0}), None)


def test_a_face_that_keeps_still_becomes_neutral_step_by_step() -> None:
    still, neutral = StillNeutral(), np.zeros(4, np.float32)
    random = np.random.default_rng(4)
    for k in range(200):  # it moves: nothing happens
        neutral = still.see(random.normal(0, 1, 4).astype(np.float32), neutral, k / 25)
    np.testing.assert_array_equal(neutral, 0)
    distances = []
    for k in range(200, 900):
        resting = NEUTRAL + random.normal(0, 0.02, 4).astype(np.float32)
        neutral = still.see(resting, neutral, k / 25)
        distances.append(float(np.linalg.norm(neutral - NEUTRAL)))
    assert distances[-1] < 0.2 * distances[0]
    assert max(np.diff(distances)) < 0.05, "never away from it"

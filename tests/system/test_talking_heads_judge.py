"""MediaPipe's face mesh, trained on real faces, sees in the pictures what the labels say.

REENACT_JUDGE names a Python with mediapipe==0.10.14 (see judge_talking_heads.py, whose full run
this is a small piece of); thresholds are lower by what so few clips may miss by chance.
"""

import os
from pathlib import Path

import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)
if "REENACT_JUDGE" not in os.environ:
    pytest.skip("REENACT_JUDGE is not set: no Python with MediaPipe", allow_module_level=True)

from reenact.talking_heads.head_data import load_head_data
from tests.system.judge_talking_heads import (
    ASKED,
    ASKED_SEEN,
    eyes_only,
    judge_faces,
    judge_labels,
)


@pytest.mark.slow
def test_a_face_is_found_in_random_frames(tmp_path: Path) -> None:
    result = judge_faces(load_head_data(), 1000, 40, 256, tmp_path)
    assert result["seen"] >= ASKED_SEEN - 0.03, result["missed_seeds"]


@pytest.mark.slow
def test_what_is_seen_follows_the_labels(tmp_path: Path) -> None:
    seeds = range(1000, 1006)
    found = judge_labels(load_head_data(), seeds, 80, 256, tmp_path / "labels.npz")["all"]
    for name, asked in ASKED.items():
        if not name.startswith("gaze"):
            assert found[name]["pooled"] >= asked - 0.1, (name, found[name])


@pytest.mark.slow
def test_what_is_seen_of_the_eyes_follows_their_gaze(tmp_path: Path) -> None:
    seeds = range(1000, 1004)
    found = judge_labels(load_head_data(), seeds, 40, 256, tmp_path / "gaze.npz", eyes_only)["all"]
    for name in ("gaze_x", "gaze_y"):
        assert found[name]["pooled"] >= ASKED[name], (name, found[name])

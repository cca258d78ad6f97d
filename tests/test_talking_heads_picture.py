"""The pictures of the talking heads: the same from the same seeds, and showing what the factors say."""

import json
import os

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)

from reenact.errors import UserError
from reenact.talking_heads.clip import LABELS, render_clip
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.landmarks import LANDMARKS, rows
from reenact.talking_heads.motion import UNITS, sample_motion
from reenact.talking_heads.parameters import plain
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.scene import make_scene
from reenact.talking_heads.studio import Frame, Studio

SIZE = 96


@pytest.fixture(scope="module")
def data() -> HeadData:
    return load_head_data()


@pytest.fixture(scope="module")
def studio(data: HeadData) -> Studio:
    wish = {"hair": "crop", "glasses": False, "beard": 0.0}
    return Studio(data, sample_person(data, 3, wish), 3, SIZE)


def pose(
    studio: Studio, gaze: tuple[float, float] = (0, 0), yaw: float = 0, **units: float
) -> Frame:
    weights = np.zeros(len(UNITS), np.float32)
    for name, value in units.items():
        weights[UNITS.index(name)] = value
    head = np.array([yaw, 0, 0], np.float32)
    return studio.render(studio.rig.pose(weights, head, np.array(gaze, np.float32)))


def changed(a: Frame, b: Frame) -> npt.NDArray[np.bool_]:
    """Where two pictures differ clearly, [s,s]."""
    return np.asarray(np.abs(a.rgb.astype(int) - b.rgb).max(-1) > 24)


def test_equal_seeds_give_equal_bytes_and_others_do_not(data: HeadData) -> None:
    motion = sample_motion(5, 3, stride=6)
    one, two = (render_clip(data, 11, motion, SIZE, 2) for _ in range(2))
    for name in ("frames", "alpha", "labels", "factors", "landmarks"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    other = render_clip(data, 12, motion, SIZE, 2)
    np.testing.assert_array_equal(one.factors, other.factors)
    assert (one.frames != other.frames).mean() > 0.3
    assert one.frames.shape == (3, SIZE, SIZE, 3) and one.landmarks.shape == (3, len(LANDMARKS), 2)


def test_pair_of_clean_and_filmed_lines_up(data: HeadData) -> None:
    motion, wish = sample_motion(5, 3), {"camera": {"severity": 0.0, "distortion": 0.0}}
    clean = render_clip(data, 11, motion, SIZE, 2, wish)
    clip = render_clip(data, 11, motion, SIZE, 2, wish, filmed_at=25)
    assert clean.camera is None and clip.camera is not None
    assert clip.camera.shape == clip.frames.shape and clip.camera.dtype == np.uint8
    np.testing.assert_array_equal(clean.frames, clip.frames)
    assert (clip.frames != clip.camera).mean() > 0.2
    seen, drawn = clip.camera[1].mean(-1), clip.frames[1].mean(-1)
    middle = slice(8, -8)

    def likeness(right: int, down: int) -> float:
        moved = np.roll(drawn, (down, right), (0, 1))
        return float(np.corrcoef(moved[middle, middle].flat, seen[middle, middle].flat)[0, 1])

    shifts = [(x, y) for x in range(-3, 4) for y in range(-3, 4)]
    assert max(shifts, key=lambda shift: likeness(*shift)) == (0, 0)
    assert clip.parameters["camera"]["severity"] == 0 and clean.parameters["camera"] is None


def test_parameters_are_json_without_pictures(data: HeadData) -> None:
    parameters = render_clip(data, 11, sample_motion(5, 1), SIZE, 2).parameters
    assert json.loads(json.dumps(parameters, allow_nan=False)) == parameters
    assert parameters["person"]["seed"] == 11 and len(parameters["person"]["targets"]) > 100
    assert "vertices" not in parameters["person"] and "background" not in parameters["scene"]
    with pytest.raises(TypeError, match="set"):
        plain({"a": {1, 2}})


def test_closing_one_eye_changes_that_eye_only(studio: Studio) -> None:
    left, right = studio.landmarks(studio.neutral)[rows("left eye", "right eye")]
    assert left[0] > right[0] + 15  # the subject's left is on the right of the picture
    difference = changed(pose(studio), pose(studio, LeftUpperLidClosed=1.0))
    y, x = np.nonzero(difference)
    assert len(x) > 15
    assert np.abs(x - left[0]).max() < 16 and np.abs(y - left[1]).max() < 12
    eye = LABELS["eye"]
    assert (pose(studio, LeftUpperLidClosed=1.0).labels == eye).sum() < 0.8 * (
        pose(studio).labels == eye
    ).sum()


def test_gaze_moves_the_dark_of_the_eyes(studio: Studio) -> None:
    def dark(gaze: float) -> float:
        frame = pose(studio, gaze=(gaze, 0))
        weight = (frame.labels == LABELS["eye"]) * (255.0 - frame.rgb.mean(-1)) ** 2
        return float((weight.sum(0) * np.arange(SIZE)).sum() / weight.sum())

    assert (
        dark(0.4) > dark(0.0) + 0.3 > dark(-0.4) + 0.6
    )  # positive yaw looks to the subject's left


def test_opening_the_jaw_opens_the_mouth(studio: Studio) -> None:
    areas = [(pose(studio, JawDrop=k).labels == LABELS["mouth"]).sum() for k in (0.0, 0.3, 0.6)]
    assert areas[0] * 1.2 < areas[1] and areas[1] * 1.1 < areas[2]


def test_all_labels_are_seen_where_they_belong(studio: Studio) -> None:
    frame = pose(studio, JawDrop=0.2)
    share = {name: (frame.labels == k).mean() for name, k in LABELS.items()}
    assert share["background"] > 0.2 and share["skin"] > 0.2 and share["hair"] > 0.05
    assert min(share["brow"], share["eye"], share["mouth"]) > 0.003
    height = {
        name: np.nonzero(frame.labels == LABELS[name])[0].mean()
        for name in ("brow", "eye", "mouth")
    }
    assert height["brow"] < height["eye"] < height["mouth"]


def test_alpha_tells_the_person_from_the_background(data: HeadData, studio: Studio) -> None:
    frame = pose(studio)
    assert (frame.alpha[:3, :3] == 0).all() and frame.alpha[SIZE // 2, SIZE // 2] == 255
    np.testing.assert_array_equal(frame.labels[frame.alpha == 0], 0)
    assert (frame.labels[frame.alpha == 255] > 0).all()
    background = make_scene(3, SIZE).background
    empty = frame.alpha == 0
    np.testing.assert_allclose(frame.rgb[empty], background[empty] * 255, atol=1)


def test_window_is_ffhqs(studio: Studio) -> None:
    points = studio.landmarks(studio.neutral).astype(float)
    left, right, mouth = points[rows("left eye", "right eye", "mouth")]
    eyes, down = 0.5 * (left + right), mouth - 0.5 * (left + right)
    half = max(2.0 * np.linalg.norm(left - right), 1.8 * np.linalg.norm(down))
    assert half == pytest.approx(SIZE / 2, rel=1e-3)
    np.testing.assert_allclose(eyes + 0.1 * down, [SIZE / 2, SIZE / 2], atol=0.05)


def test_unknown_light_is_named(data: HeadData) -> None:
    with pytest.raises(UserError, match="disco"):
        make_scene(1, SIZE, {"light": "disco"})

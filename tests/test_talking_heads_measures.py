"""The measures of a face: angles are angles, ratios do not depend on pose, place or size."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reenact.talking_heads.measures import FACE, MEASURES, POSE, USED, measures

Points = dict[str, npt.NDArray[np.float64]]

# A face in a picture's axes: x right, y down, z away. Its left side is on the right of the picture.
_SIDE = {
    "eye inner corner": (1.5, 0.0, 0.2),
    "eye outer corner": (4.5, 0.0, 1.0),
    "upper lid middle": (3.0, -0.5, 0.0),
    "lower lid middle": (3.0, 0.5, 0.0),
    "iris": (3.0, 0.0, -0.2),
    "brow middle": (3.0, -2.0, 0.0),
    "mouth corner": (2.0, 7.0, 0.5),
    "ear front": (7.0, 1.0, 6.0),
}
_MIDDLE = {
    "forehead top": (0.0, -7.0, 0.0),
    "chin bottom": (0.0, 11.0, 0.0),
    "upper lip bottom": (0.0, 6.9, -0.5),
    "lower lip top": (0.0, 7.1, -0.5),
}


def face() -> Points:
    points = {name: np.array(place) for name, place in _MIDDLE.items()}
    for name, place in _SIDE.items():
        points[f"left {name}"] = np.array(place)
        points[f"right {name}"] = np.array(place) * (-1, 1, 1)
    assert set(points) == set(USED)
    return points


def measure(points: Points) -> dict[str, float]:
    row = measures({name: point[None] for name, point in points.items()})
    assert row.shape == (1, len(MEASURES))
    return dict(zip(MEASURES, row[0].tolist(), strict=True))


def moved(name: str, by: tuple[float, float, float]) -> dict[str, float]:
    points = face()
    points[name] = points[name] + by
    return measure(points)


def test_a_face_straight_ahead_has_no_angles() -> None:
    straight = measure(face())
    assert [straight[name] for name in POSE] == pytest.approx([0, 0, 0], abs=1e-12)
    assert straight["gaze_x"] == pytest.approx(0) and straight["gaze_y"] == pytest.approx(0)
    assert straight["mouth_open"] == pytest.approx(0.2 / 18)
    assert straight["mouth_width"] == pytest.approx(4 / 9)
    assert straight["eye_left"] == pytest.approx(1 / np.hypot(3, 0.8))
    assert straight["brow"] == pytest.approx(1.5 / 18)


# Rotation vectors in a picture's axes (x right, y down, z away).
@pytest.mark.parametrize(
    ("axis", "name"), [((0, 1, 0), "yaw"), ((1, 0, 0), "pitch"), ((0, 0, 1), "roll")]
)
@pytest.mark.parametrize("angle", [-0.5, 0.2, 0.6])
def test_turning_the_head_is_seen_and_changes_nothing_else(
    axis: tuple[int, int, int], name: str, angle: float
) -> None:
    turn, _ = cv2.Rodrigues(np.array(axis) * angle)
    straight = measure(face())
    found = measure({key: 3.0 * turn @ point + (50, 60, 70) for key, point in face().items()})
    assert found[name] == pytest.approx(angle)
    for other in set(POSE) - {name}:
        assert found[other] == pytest.approx(0, abs=1e-9)
    assert [found[key] for key in FACE] == pytest.approx([straight[key] for key in FACE])


@pytest.mark.parametrize(
    ("landmark", "by", "name", "sign"),
    [
        ("left upper lid middle", (0, 0.4, 0), "eye_left", -1),
        ("right upper lid middle", (0, 0.4, 0), "eye_right", -1),
        ("lower lip top", (0, 1.0, 0), "mouth_open", 1),
        ("left mouth corner", (0.5, 0, 0), "mouth_width", 1),
        ("right brow middle", (0, -0.5, 0), "brow", 1),
        ("left iris", (0.5, 0, 0), "gaze_x", 1),
        ("right iris", (0, 0.3, 0), "gaze_y", 1),
    ],
)
def test_each_measure_follows_its_own_point(
    landmark: str, by: tuple[float, float, float], name: str, sign: int
) -> None:
    straight, changed = measure(face()), moved(landmark, by)
    assert sign * (changed[name] - straight[name]) > 0.01
    for other in set(MEASURES) - {name, "brow" if "lid" in landmark else name}:
        assert changed[other] == pytest.approx(straight[other], abs=1e-9)

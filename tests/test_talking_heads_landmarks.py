"""Landmarks lie where their names say, and follow the face."""

import os

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)

from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.landmarks import LANDMARKS, LandmarkFinder, rows
from reenact.talking_heads.measures import MEASURES, USED, measures
from reenact.talking_heads.motion import UNITS
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.rig import Rig
from reenact.talking_heads.scene import window_camera

Points = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def data() -> HeadData:
    return load_head_data()


class Face:
    """A person who can be asked for landmarks, in dm and in pixels of a 100 px window."""

    def __init__(self, data: HeadData, seed: int) -> None:
        self.rig = Rig(data, sample_person(data, seed))
        self.find = LandmarkFinder(self.rig.parts)

    def points(
        self,
        head: tuple[float, float, float] = (0, 0, 0),
        gaze: tuple[float, float] = (0, 0),
        **units: float,
    ) -> Points:
        weights = np.zeros(len(UNITS), np.float32)
        for name, value in units.items():
            weights[UNITS.index(name)] = value
        return self.find(self.rig.pose(weights, np.float32(head), np.float32(gaze)))

    def pixels(self) -> Points:
        still = (np.zeros(len(UNITS)), np.zeros(3), np.zeros(2))
        posed = self.rig.pose(*(part.astype(np.float32) for part in still))
        return window_camera(posed, 100).project(self.find(posed))


def at(points: Points, name: str) -> Points:
    return np.asarray(points[LANDMARKS.index(name)])


@pytest.mark.parametrize("seed", range(8))
def test_points_lie_on_their_side_in_order_and_in_the_picture(data: HeadData, seed: int) -> None:
    face = Face(data, seed)
    points, pixels = face.points(), face.pixels()
    assert points.shape == (len(LANDMARKS), 3) and len(set(LANDMARKS)) == len(LANDMARKS)
    for name, (x, _, _) in zip(LANDMARKS, points, strict=True):
        side = name.split()[0]
        assert (x > 0.02) if side == "left" else (x < -0.02) if side == "right" else abs(x) < 0.05
    assert pixels.min() > 0 and pixels.max() < 100
    assert at(pixels, "left eye")[0] > at(pixels, "right eye")[0]  # his left is on our right
    down = ("forehead top", "forehead", "nose bridge", "nose tip", "nose base", "upper lip top")
    down += ("lower lip bottom", "chin front", "chin bottom")
    assert (np.diff(pixels[rows(*down), 1]) > 0).all()
    for side in ("left", "right"):
        column = [f"{side} {name}" for name in ("brow middle", "upper lid middle", "iris")]
        column += [f"{side} {name}" for name in ("lower lid middle", "mouth corner")]
        assert (np.diff(pixels[rows(*column), 1]) > 0).all()


def test_the_other_side_is_the_mirror_image(data: HeadData) -> None:
    from reenact.talking_heads.landmarks import _canonical, _nearest

    skin = Rig(data, sample_person(data, 0)).parts[0].rest
    found = skin[_nearest(skin, _canonical())]
    names = LANDMARKS[5:]
    for i, name in enumerate(names):
        if name.startswith("left"):
            other = names.index(name.replace("left", "right"))
            np.testing.assert_allclose(found[i] * [-1, 1, 1], found[other], atol=2e-3)
    assert np.abs(found - _canonical()).max() < 0.02  # the table says where they really are


def test_points_move_with_what_they_are_on(data: HeadData) -> None:
    face = Face(data, 3)
    still = face.points()
    shut = np.abs(face.points(LeftUpperLidClosed=1.0) - still).max(1)
    moved = {name for name, far in zip(LANDMARKS, shut, strict=True) if far > 0.02}
    assert moved == {f"left upper lid {where}" for where in ("inner", "middle", "outer")}
    wide = face.points(JawDrop=0.8) - still
    assert at(wide, "lower lip top")[1] < -0.1 and at(wide, "chin bottom")[1] < -0.05
    assert abs(at(wide, "upper lip bottom")[1]) < 0.03 and abs(at(wide, "nose tip")[1]) < 5e-3
    turned = face.points(gaze=(0.4, 0.0)) - still  # to his left
    assert at(turned, "left iris")[0] > 0.02 and at(turned, "right iris")[0] > 0.02
    down = face.points(gaze=(0.0, 0.25)) - still
    assert at(down, "left iris")[1] < -0.01 and at(down, "right iris")[1] < -0.01
    yawed = face.points(head=(0.4, 0, 0)) - still
    assert at(yawed, "nose tip")[0] > 0.2


def measured(points: Points) -> dict[str, float]:
    turned = (points * [1, -1, -1])[None]
    row = measures({name: turned[:, LANDMARKS.index(name)] for name in USED})[0]
    return dict(zip(MEASURES, row.tolist(), strict=True))


@pytest.mark.parametrize("seed", [2, 5, 9])
def test_measures_of_the_landmarks_say_what_the_face_does(data: HeadData, seed: int) -> None:
    face = Face(data, seed)
    still = measured(face.points())
    for side, other in (("Left", "right"), ("Right", "left")):
        shut = measured(face.points(**{f"{side}UpperLidClosed": 1.0}))
        assert shut[f"eye_{side.lower()}"] < 0.35 * still[f"eye_{side.lower()}"]
        assert shut[f"eye_{other}"] == pytest.approx(still[f"eye_{other}"], abs=1e-4)
    assert measured(face.points(JawDrop=0.6))["mouth_open"] > still["mouth_open"] + 0.05
    assert measured(face.points(LipsKiss=1.0))["mouth_width"] < 0.9 * still["mouth_width"]
    brows = {f"{s}{b}BrowUp": 1.0 for s in ("Left", "Right") for b in ("Inner", "Outer")}
    assert measured(face.points(**brows))["brow"] > still["brow"] + 0.01
    assert measured(face.points(gaze=(0.3, 0)))["gaze_x"] > still["gaze_x"] + 0.05  # to his left
    assert measured(face.points(gaze=(0, 0.2)))["gaze_y"] > still["gaze_y"] + 0.03  # down
    yaw, pitch, roll = (
        measured(face.points(head=head))[name] - still[name]
        for head, name in (((0.3, 0, 0), "yaw"), ((0, 0.3, 0), "pitch"), ((0, 0, 0.3), "roll"))
    )
    assert [yaw, pitch, roll] == pytest.approx([-0.3, 0.3, -0.3], abs=0.03)

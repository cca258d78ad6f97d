"""Talking heads: whoever makes whatever face, it stays whole, and every factor can be told."""

import os

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba", reason="talking heads need the extra 'train'")
pytest.importorskip("scipy", reason="talking heads need the extra 'train'")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)

from reenact.talking_heads import motion, raster
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.landmarks import LandmarkFinder, rows
from reenact.talking_heads.motion import UNITS, USED_UNITS
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.raster import CAVITY, EYES, MATERIALS, TEETH
from reenact.talking_heads.rig import Rig
from reenact.talking_heads.scene import window_camera

SIZE = 192  # samples: a picture of 96 px
NOTHING = 255
LIPS = rows(
    *("left mouth corner", "right mouth corner", "upper lip top", "lower lip bottom"),
    *(
        f"{side} {name}"
        for side in ("left", "right")
        for name in ("upper lip peak", "upper lip outer", "lower lip outer")
    ),
)
EYE = [
    rows(
        *(f"{side} eye {name} corner" for name in ("inner", "outer")),
        *(
            f"{side} {lid} lid {name}"
            for lid in ("upper", "lower")
            for name in ("inner", "middle", "outer")
        ),
    )
    for side in ("left", "right")
]
CHIN = rows("chin bottom")[0]

Seen = npt.NDArray[np.uint8]


class Face:
    """A bald person's skin, mouth and eyes as the rasteriser sees them, without any paint."""

    def __init__(self, data: HeadData, seed: int) -> None:
        self.rig = Rig(data, sample_person(data, seed, {"hair": "none", "glasses": False}))
        triangles, material, start = [], [], 0
        for part in self.rig.parts:
            if part.name in ("skin", "cavity", "eyes", "teeth", "tongue"):
                clear = (part.uv[:, 0] > 0.82) & (part.uv[:, 1] < 0.2) & (part.name == "eyes")
                drawn = part.triangles[~clear[part.triangles].all(1)]  # without the cornea
                triangles.append(drawn + start)
                material.append(np.full(len(drawn), MATERIALS[part.name], np.uint8))
            start += len(part.rest)
        self.triangles, self.material = np.concatenate(triangles), np.concatenate(material)
        self.uv = np.zeros((start, 2), np.float32)
        self.find = LandmarkFinder(self.rig.parts)
        self.camera = window_camera(self.rig.pose(*still()), SIZE // raster.SAMPLES)

    def see(self, units: motion.Floats, head: motion.Floats, gaze: motion.Floats) -> Seen:
        """The material of each sample, NOTHING where there is none; sets `points` as well."""
        posed = self.rig.pose(units, head, gaze)
        depth, index = np.empty((SIZE, SIZE), np.float32), np.empty((SIZE, SIZE), np.int32)
        nothing = np.zeros((1, 1), np.float32)
        screen = self.camera.screen(posed.positions)
        raster.visibility(
            self.triangles, self.material, screen, self.uv, (nothing, nothing), False, depth, index
        )
        self.points = self.camera.project(self.find(posed)) * raster.SAMPLES
        return np.where(index < 0, np.uint8(NOTHING), self.material[np.maximum(index, 0)])


def still(**units: float) -> tuple[motion.Floats, motion.Floats, motion.Floats]:
    one = motion.neutral_motion(1)
    for name, weight in units.items():
        one.units[0, UNITS.index(name)] = weight
    return one.units[0], one.head[0], one.gaze[0]


def around(points: motion.Floats, grow: int = 3) -> npt.NDArray[np.bool_]:
    """The samples in or near the hull of points in samples."""
    area = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillConvexPoly(area, cv2.convexHull(np.round(points).astype(np.int32)), (1,))
    return cv2.dilate(area, np.ones((2 * grow + 1, 2 * grow + 1), np.uint8)) > 0


def holes(seen: Seen, chin: float) -> int:
    """Samples of nothing above the chin that the person surrounds."""
    _, pieces = cv2.connectedComponents((seen == NOTHING).astype(np.uint8), connectivity=8)
    edge = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
    return int((~np.isin(pieces, edge) & (seen == NOTHING))[: max(int(chin), 0)].sum())


@pytest.fixture(scope="module")
def data() -> HeadData:
    return load_head_data()


def test_no_hole_in_200_faces_with_strong_expressions(data: HeadData) -> None:
    """A pixel of 96 px is four samples: as much as may show where the lips are seen edge-on."""

    for seed in range(200):
        face = Face(data, seed)
        moved = motion.sample_motion(seed, 60, stride=20)
        for t in np.argsort(-moved.units.sum(1))[:3]:  # where the face does most
            seen = face.see(moved.units[t], moved.head[t], moved.gaze[t])
            where = f"person {seed}, frame {t}"
            assert holes(seen, float(face.points[CHIN, 1])) == 0, where
            inner = np.isin(seen, (TEETH, CAVITY)) & ~around(face.points[LIPS])
            assert inner.sum() <= 4, f"{where}: the mouth shows outside the lips"
            eyes = (seen == EYES) & ~around(face.points[EYE[0]]) & ~around(face.points[EYE[1]])
            assert eyes.sum() <= 4, f"{where}: an eye shows outside its lids"
        shut = face.see(*still(LeftUpperLidClosed=1.0, RightUpperLidClosed=1.0))
        assert not (shut == EYES).any(), f"person {seed}: an eye shows through closed lids"


def test_closing_one_eye_leaves_the_other_open(data: HeadData) -> None:
    for seed in range(12):
        face = Face(data, seed)
        opened = face.see(*still()) == EYES
        middle = face.points[rows("nose bridge")[0], 0]
        left = np.arange(SIZE)[None] > middle  # the subject's left is the picture's right
        shut = face.see(*still(LeftUpperLidClosed=1.0)) == EYES
        assert opened[left & opened].sum() > 30 and not (shut & left).any()
        np.testing.assert_array_equal(shut & ~left, opened & ~left)


def test_no_two_factors_are_alike(data: HeadData) -> None:
    """What a unit does to the skin (the tongue's: to the tongue) is far from what another does."""
    for seed in (3, 17, 31):
        rig = Rig(data, sample_person(data, seed))
        rest = rig.pose(*still()).positions
        ways = np.array(
            [(rig.pose(*still(**{u: 0.8})).positions - rest).ravel() for u in USED_UNITS]
        )
        assert np.linalg.norm(ways, axis=1).min() > 0.2, "too small to be seen"
        skin = ways[: USED_UNITS.index("TongueOut"), : 3 * len(rig.parts[0].rest)]
        unit = skin / np.linalg.norm(skin, axis=1, keepdims=True)
        alike = unit @ unit.T - np.eye(len(unit))  # below 0 where one undoes the other
        i, j = np.unravel_index(alike.argmax(), alike.shape)
        assert alike.max() < 0.8, f"{USED_UNITS[i]} is like {USED_UNITS[j]}"

"""Skin, folds, beards and eyes: painted the same from the same seed, each where it belongs."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba")
pytest.importorskip("scipy")

if "REENACT_MAKEHUMAN" not in os.environ:
    pytest.skip("REENACT_MAKEHUMAN is not set: no MakeHuman data", allow_module_level=True)

from reenact.talking_heads.beard import BEARD_STYLES, grow_beard
from reenact.talking_heads.creases import CREASES, FOLDS, creases
from reenact.talking_heads.expressions import UNITS
from reenact.talking_heads.face_map import Face
from reenact.talking_heads.folds import crease_maps
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.optics import lit_fraction
from reenact.talking_heads.paint import full_look, iris_map, paint_person, tooth_coordinates
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.rig import Rig
from reenact.talking_heads.studio import Frame, Studio
from reenact.talking_heads.surfaces import LABELS, Paint

SIZE = 128
BARE = {"hair": "none", "glasses": False, "beard": 0.0}


@pytest.fixture(scope="module")
def data() -> HeadData:
    return load_head_data()


@pytest.fixture(scope="module")
def face(data: HeadData) -> Face:
    return Face(data)


@pytest.fixture(scope="module")
def studio(data: HeadData) -> Studio:
    return Studio(data, sample_person(data, 3, BARE), 3, SIZE)


def paint(data: HeadData, face: Face, seed: int, wish: Mapping[str, Any]) -> Paint:
    person = sample_person(data, seed, wish)
    return paint_person(person, Rig(data, person).parts, face)


def units(**weights: float) -> npt.NDArray[np.float32]:
    values = np.zeros(len(UNITS), np.float32)
    for name, value in weights.items():
        values[UNITS.index(name)] = value
    return values


def pressed(studio: Studio, *names: str) -> Frame:
    """The face at rest with only these folds pressed in."""
    depth = np.array([float(name in names) for name in CREASES], np.float32)
    posed = studio.neutral
    return studio.render(type(posed)(**{**vars(posed), "creases": depth}))


def test_the_same_person_is_painted_the_same(data: HeadData, face: Face) -> None:
    wish = {"gender": "male", "beard": 0.6}
    one, two = paint(data, face, 5, wish), paint(data, face, 5, wish)
    for name in ("skin", "folds", "fold", "iris"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    assert np.abs(one.skin - paint(data, face, 6, wish).skin).mean() > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_everything_painted_is_a_number(data: HeadData, face: Face, seed: int) -> None:
    look = {"wrinkles": 1.0, "freckles": 1.0, "moles": 4, "liner": 1.0, "eye_shadow": 1.0}
    painted = paint(data, face, seed, {"beard": 0.5, "look": look})
    for values in (painted.skin, painted.folds, painted.iris, painted.creases):
        assert np.isfinite(values).all()
    albedo, (gloss, roughness) = painted.skin[..., :3], np.moveaxis(painted.skin[..., 3:5], -1, 0)
    assert albedo.min() > 0 and albedo.max() < 1
    assert gloss.min() >= 0 and roughness.min() > 0.1 and roughness.max() < 1
    assert np.abs(painted.skin[..., 5:]).max() < 1 and painted.fold.max() < len(FOLDS)


def test_more_melanin_is_darker_skin(data: HeadData, face: Face) -> None:
    cheek = (face.side > 0.3) & (face.side < 0.4) & (np.abs(face.y - 7.0) < 0.05) & (face.z > 1)
    colours = [
        paint(data, face, 4, {"gender": "female", "look": {"melanin": tone}})
        .skin[cheek, :3]
        .mean(0)
        for tone in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert (np.diff(colours, axis=0) < 0).all()
    for red, green, blue in colours:
        assert red > green > blue and red < 2.9 * blue  # skin, and never orange


def test_folds_follow_their_units_and_sides() -> None:
    assert len(CREASES) == 2 * len(FOLDS)
    quiet = creases(units())
    assert quiet.shape == (len(CREASES),) and quiet.dtype == np.float32 and not quiet.any()
    smile = dict(zip(CREASES, creases(units(MouthLeftPullUp=0.8, LeftLowerLidUp=0.4)), strict=True))
    assert smile["nasolabial_left"] > 0.4 and smile["crow_left"] > 0.3
    assert not any(value for name, value in smile.items() if name.endswith("right"))
    raised = dict(zip(CREASES, creases(units(RightOuterBrowUp=1, RightInnerBrowUp=1)), strict=True))
    assert raised["forehead_right"] > 0.9 and raised["forehead_left"] == 0
    everything = creases(np.ones(len(UNITS), np.float32))
    assert everything.min() >= 0 and everything.max() <= 1


@pytest.mark.parametrize("fold", [f for f in FOLDS if f != "neck"])
def test_a_fold_shows_only_in_its_place(studio: Studio, fold: str) -> None:
    posed = studio.neutral
    middle = studio.camera.project(np.stack([posed.eye_left, posed.eye_right]))[:, 0].mean()
    smooth = pressed(studio)
    for side in ("left", "right"):
        folded = pressed(studio, f"{fold}_{side}")
        difference = np.abs(folded.rgb.astype(int) - smooth.rgb).max(-1)
        y, x = np.nonzero(difference > 4)
        assert len(x) > 4
        on_side = x > middle - 5 if side == "left" else x < middle + 5  # a soft middle
        assert on_side.mean() > 0.97
        assert np.ptp(y) < {"crow": 0.25, "forehead": 0.3, "chin": 0.3}.get(fold, 0.35) * SIZE
        np.testing.assert_array_equal(folded.labels, smooth.labels)


def test_folds_have_one_owner_and_end_softly(face: Face) -> None:
    maps, owner = crease_maps(face, np.random.default_rng(1), 0.5)
    dark = maps[..., 2]
    edges = (owner[:, 1:] != owner[:, :-1]) & (np.abs(face.y[:, 1:] - 7) < 0.9)
    assert np.minimum(dark[:, 1:], dark[:, :-1])[edges].mean() < 0.12  # a change of owner is unseen


def test_a_beard_changes_only_where_beards_grow(data: HeadData, face: Face) -> None:
    shaven, bearded = (
        paint(data, face, 8, {"gender": "male", "beard": beard, "hair_color": "dark"})
        for beard in (0.0, 0.9)
    )
    ratio = bearded.skin[..., :3].mean(-1) / shaven.skin[..., :3].mean(-1)
    above = (face.y > 7.35) & (face.z > 0)
    np.testing.assert_allclose(ratio[above], 1, atol=0.02)
    chin = (face.side < 0.2) & (np.abs(face.y - 6.35) < 0.05) & (face.z > 1)
    assert ratio[chin].mean() < 0.6
    lips = (face.side < 0.15) & (np.abs(face.y - 6.57) < 0.02) & (face.z > 1.2)
    assert ratio[lips].mean() > 0.9


def test_styles_of_beard_differ_and_hairs_thin_out_at_the_edge(face: Face) -> None:
    grown = {s: grow_beard(face, np.random.default_rng(2), 0.7, s).hairs for s in BEARD_STYLES}
    amount = {style: float(hairs.sum()) for style, hairs in grown.items()}
    assert amount["full"] > 1.3 * amount["circle"] and len({*amount.values()}) == len(BEARD_STYLES)
    cheek = (face.side > 0.45) & (face.side < 0.55) & (face.z > 0.3)
    heights = [grown["full"][cheek & (np.abs(face.y - y) < 0.02)].mean() for y in (6.5, 6.85, 7.1)]
    assert heights[0] > heights[1] > heights[2] and heights[2] < 0.02
    longer = [
        grow_beard(face, np.random.default_rng(2), b, "full").hairs.mean() for b in (0.1, 0.9)
    ]
    assert longer[1] > 1.5 * longer[0]


@pytest.mark.parametrize("trait", ["freckles", "bags", "eye_shadow", "liner", "blush", "lip_tint"])
def test_a_trait_changes_its_place(data: HeadData, face: Face, trait: str) -> None:
    without, with_ = (
        paint(data, face, 9, {"gender": "female", "look": {trait: v, "melanin": 0.2}}).skin[..., :3]
        for v in (0.0, 1.0)
    )
    y, x = np.nonzero(np.abs(np.log(with_ / without)).max(-1) > 0.15)
    places = {
        "freckles": (6.75, 7.95),
        "bags": (7.05, 7.32),
        "eye_shadow": (7.25, 7.47),
        "liner": (7.2, 7.40),
        "blush": (6.8, 7.15),
        "lip_tint": (6.5, 6.73),
    }
    low, high = places[trait]
    assert len(y) > 40 and low < face.y[y, x].min() and face.y[y, x].max() < high


def test_an_iris_is_darker_at_its_rim_and_the_white_is_not_white() -> None:
    eye = iris_map((0.14, 0.25, 0.39), 1, 0.55, 0.4)
    n = eye.shape[0]
    row = eye[n // 2, n // 2 :, :].mean(-1)
    radius = (np.arange(len(row)) + 0.5) / (n / 2) * 2.2
    pupil, iris, rim, white = (
        row[(radius > a) & (radius < b)].mean()
        for a, b in ((0, 0.3), (0.55, 0.75), (0.88, 0.97), (1.2, 1.6))
    )
    assert pupil < rim < iris < white < 0.6
    corner = eye[n // 2 - 4 : n // 2 + 4, :6].mean((0, 1))
    assert corner[1] / corner[0] < 0.95  # pinker


def test_crowns_are_told_from_gums(data: HeadData) -> None:
    teeth = next(p for p in Rig(data, sample_person(data, 1)).parts if p.name == "teeth")
    uv = tooth_coordinates(teeth.rest, teeth.triangles)
    assert set(np.unique(uv[:, 0])) == {0.0, 1.0} and uv[:, 1].min() >= 0 and uv[:, 1].max() <= 1
    crown = uv[:, 0] == 1
    middle = np.median(teeth.rest[:, 1])
    assert (
        np.abs(teeth.rest[crown, 1] - middle).mean() < np.abs(teeth.rest[~crown, 1] - middle).mean()
    )


def test_own_numbers_are_drawn_from_the_seed(data: HeadData) -> None:
    looks = [full_look(sample_person(data, seed)) for seed in (1, 1, 2)]
    assert looks[0] == looks[1] != looks[2]


def test_a_wide_lamp_throws_a_soft_shadow() -> None:
    """The fraction of light changes more slowly across a soft shadow's edge."""
    steepest = []
    for spread in (1.0, 3.0):
        depth = np.zeros((64, 64), np.float32)
        depth[:, 32:] = 5.0  # nearer to the lamp than the surface, and so in its way
        matrix = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], np.float32)
        lit = []
        for x in np.linspace(20, 44, 200):
            at = np.array([x, 32, 1, 0, 0, 0], np.float32)
            lit.append(lit_fraction(depth, matrix, at, spread))
        assert lit[0] == pytest.approx(1) and lit[-1] == pytest.approx(0)
        steepest.append(-np.diff(lit).min())
    assert steepest[1] < 0.5 * steepest[0]


def test_eyes_do_not_flicker_when_a_head_turns_slowly(data: HeadData) -> None:
    """Second differences between frames stay small: a change of gaze must not drown in them."""
    studio = Studio(data, sample_person(data, 9, BARE), 9, 256)
    frames = [
        studio.render(
            studio.rig.pose(
                units(), np.array([0.1 + 0.003 * k, 0, 0], np.float32), np.zeros(2, np.float32)
            )
        )
        for k in range(5)
    ]
    luma = np.stack([f.rgb for f in frames]).mean(-1)
    jumps = np.abs(luma[2:] - 2 * luma[1:-1] + luma[:-2])
    eyes, skin = (np.all([f.labels == LABELS[k] for f in frames], 0) for k in ("eye", "skin"))
    assert jumps[:, eyes].mean() < 9 and jumps[:, skin].mean() < 2

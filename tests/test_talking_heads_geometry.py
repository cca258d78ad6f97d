"""Talking heads: the readers, the packed data, people, the rig and the motions."""

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba", reason="talking heads need the extra 'train'")
pytest.importorskip("scipy", reason="talking heads need the extra 'train'")

from scipy.spatial.transform import Rotation

from reenact.errors import UserError
from reenact.talking_heads import formats, pack
from reenact.talking_heads.expressions import POSE_UNITS, UNITS, USED_UNITS
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.person import sample_person, sliders
from reenact.talking_heads.rig import Posed, Rig

SOURCE = os.environ.get("REENACT_MAKEHUMAN", "")
needs_data = pytest.mark.skipif(not SOURCE, reason="REENACT_MAKEHUMAN names no folder")
Array = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def data(cache: Path) -> HeadData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REENACT_CACHE", str(cache))
        return load_head_data()


@pytest.fixture(scope="module")
def rig(data: HeadData) -> Rig:
    return Rig(data, sample_person(data, 3, {"glasses": True, "hair": "crop"}))


def pose(
    rig: Rig,
    units: dict[str, float] | None = None,
    head: tuple[float, float, float] = (0, 0, 0),
    gaze: tuple[float, float] = (0, 0),
) -> Posed:
    weights = np.zeros(len(UNITS), np.float32)
    for name, weight in (units or {}).items():
        weights[UNITS.index(name)] = weight
    return rig.pose(weights, np.array(head, np.float32), np.array(gaze, np.float32))


def moved(rig: Rig, part: str, **change: object) -> tuple[Array, Array]:
    """How far each vertex of a part moves, f32[V], and where it was, f32[V,3]."""
    before, after = pose(rig), pose(rig, **change)  # type: ignore[arg-type]
    start = 0
    for one in rig.parts:
        if one.name == part:
            span = slice(start, start + len(one.rest))
            return (
                np.linalg.norm(after.positions[span] - before.positions[span], axis=1),
                before.positions[span],
            )
        start += len(one.rest)
    raise AssertionError(part)


# ---- formats


def test_obj_fans_polygons_and_keeps_groups(tmp_path: Path) -> None:
    file = tmp_path / "a.obj"
    file.write_text(
        "# a square\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 1\n"
        "g body\nf 1/1 2/1 3/2 4/2\ng other\nf 1 2 3\n"
    )
    mesh = formats.read_obj(file)
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 2, 3], [0, 1, 2]]
    assert mesh.face_uvs.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]
    assert mesh.groups.tolist() == ["body", "body", "other"]


def test_clothing_reads_rigid_vertices_late_headers_and_ranges(tmp_path: Path) -> None:
    file = tmp_path / "a.mhclo"
    file.write_text(
        "x_scale 5 6 2.0\nverts 0\n7\n1 2 3 0.5 0.25 0.25 0.1 0.2 0.3\n"
        "z_scale 8 9 4.0\ndelete_verts\n3 5 - 7 9\n"
    )
    binding = formats.read_clothing(file)
    assert binding.refs.tolist() == [[7, 7, 7], [1, 2, 3]]
    assert binding.weights.tolist() == [[1, 0, 0], [0.5, 0.25, 0.25]]
    assert binding.scale_refs.tolist() == [[5, 6], [0, 0], [8, 9]]
    assert binding.scale_lengths.tolist() == [2, 1, 4]
    assert binding.hidden.tolist() == [3, 5, 6, 7, 9]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.obj", "v 0 0 0\nv 1 0\n"),
        ("a.obj", "v 0 0 0\nv 1 0 0\nv 1 1 0\nf 1 2 9\n"),
        ("a.target", "12 0.1 0.2\n"),
        ("a.mhclo", "verts 0\n1 2 3 0.5\n"),
        ("a.mhclo", "name nothing\n"),
        ("a.mhskel", '{"bones": {"a": {"parent": "b", "head": "x"}}, "joints": {}}'),
        ("a.mhw", "{"),
    ],
)
def test_damaged_file_is_named(tmp_path: Path, name: str, text: str) -> None:
    readers = {
        ".obj": formats.read_obj,
        ".target": formats.read_target,
        ".mhclo": formats.read_clothing,
        ".mhskel": formats.read_skeleton,
        ".mhw": formats.read_weights,
    }
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UserError, match=f"{name} is damaged.*README"):
        readers[file.suffix](file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone.obj is missing.*REENACT_MAKEHUMAN"):
        formats.read_obj(tmp_path / "gone.obj")


# ---- the packed data


def test_no_folder_and_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REENACT_CACHE", str(tmp_path))
    monkeypatch.delenv("REENACT_MAKEHUMAN", raising=False)
    with pytest.raises(UserError, match="README.*REENACT_MAKEHUMAN"):
        load_head_data()
    with pytest.raises(UserError, match="is missing.*README"):
        load_head_data(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def linked(folder: Path) -> Path:
    """A copy of the MakeHuman data, of links, in which single files may be spoilt."""
    for file in pack.files(Path(SOURCE)):
        link = folder / file.relative_to(SOURCE)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return folder


DATA = "makehuman/makehuman/data"


@needs_data
@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        (f"{DATA}/targets/expression/units/asian/mouth-open.target", "half a line"),
        (f"{DATA}/targets/expression/units/african/eye-left-slit.target", "another mesh"),
        (f"{DATA}/poseunits/face-poseunits.bvh", "half"),
        (f"{DATA}/poseunits/face-poseunits.json", "half"),
        (f"{DATA}/rigs/default_weights.mhw", "noise"),
        ("makehuman-assets/base/tongue/tongue01/tongue01.obj", "half"),
    ],
)
def test_damaged_data_is_named_and_writes_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, spoil: str
) -> None:
    file = linked(tmp_path / "data") / name
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(
        {
            "half": whole[: len(whole) // 2],
            "half a line": whole + b"12 0.5\n",
            "another mesh": whole + b"99999 0.1 0.1 0.1\n",
            "noise": np.random.default_rng(1).bytes(4000),
        }[spoil]
    )
    monkeypatch.setenv("REENACT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match=f"{file.name} is damaged.*README"):
        load_head_data(tmp_path / "data")
    assert not (tmp_path / "cache").exists()


@needs_data
def test_missing_data_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REENACT_CACHE", str(tmp_path / "cache"))
    folder = linked(tmp_path / "data")
    target = folder / DATA / "targets/expression/units/caucasian/mouth-pursing.target"
    target.unlink()
    with pytest.raises(UserError, match="mouth-pursing.target is missing.*README"):
        load_head_data(folder)


@needs_data
def test_cache_serves_without_the_folder(
    data: HeadData, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REENACT_CACHE", str(cache))
    monkeypatch.delenv("REENACT_MAKEHUMAN")
    again = load_head_data()
    assert again.bones == data.bones and again.units == data.units
    assert list(again.meshes) == list(data.meshes)
    np.testing.assert_array_equal(again.base, data.base)
    np.testing.assert_array_equal(again.meshes["tongue01"].offsets, data.meshes["tongue01"].offsets)
    np.testing.assert_array_equal(again.targets["head-oval"][1], data.targets["head-oval"][1])
    shutil.copy(cache / "head_data.npz", tmp_path)
    with (tmp_path / "head_data.npz").open("r+b") as file:
        file.truncate(100_000)
    monkeypatch.setenv("REENACT_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="REENACT_MAKEHUMAN"):
        load_head_data()


@needs_data
def test_meshes_are_consistent(data: HeadData) -> None:
    for name, mesh in data.meshes.items():
        assert mesh.triangles.max() < len(mesh.uv) == len(mesh.position_of), name
        assert mesh.position_of.max() + 1 == len(mesh.refs) == len(mesh.bones), name
        assert mesh.refs.min() >= 0 and mesh.refs.max() < len(data.base), name
        assert mesh.bones.min() >= 0 and mesh.bones.max() < len(data.bones), name
        np.testing.assert_allclose(mesh.bone_weights.sum(1), 1, atol=1e-5)
    assert np.all(data.parents < np.arange(len(data.bones)))


# ---- people


@needs_data
def test_person_is_a_function_of_seed_and_wish(data: HeadData) -> None:
    one, two, other = (sample_person(data, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.vertices, two.vertices)
    np.testing.assert_array_equal(one.rest, two.rest)
    assert (one.look, one.hair, one.hair_rgb, one.glasses) == (
        two.look,
        two.hair,
        two.hair_rgb,
        two.glasses,
    )
    assert np.abs(one.vertices - other.vertices).max() > 0.02


@needs_data
def test_wish_changes_only_what_it_names(data: HeadData) -> None:
    plain = sample_person(data, 8)
    wished = sample_person(
        data, 8, {"hair": "none", "glasses": True, "look": {"melanin": 0.9}, "eye_color": "blue"}
    )
    assert wished.hair == "none" and wished.glasses is not None and wished.eye_color == "blue"
    assert wished.look == {**plain.look, "melanin": 0.9}
    np.testing.assert_array_equal(wished.vertices, plain.vertices)
    assert (wished.brow, wished.cloth, wished.hair_color) == (
        plain.brow,
        plain.cloth,
        plain.hair_color,
    )
    woman = sample_person(data, 8, {"gender": "female", "ethnicity": {"asian": 2, "african": 2}})
    assert not woman.male and woman.beard == 0
    assert woman.ethnicity == {"african": 0.5, "asian": 0.5, "caucasian": 0.0}
    wide = sample_person(data, 8, {"sliders": {"chin-width": 0.7}})
    assert np.abs(wide.vertices - plain.vertices).max() > 0.01


@needs_data
@pytest.mark.parametrize(
    "wish",
    [
        {"hat": True},
        {"hair": "mohawk"},
        {"sliders": {"horns": 1}},
        {"rest": {"Grin": 1}},
        {"gender": "robot"},
        {"ethnicity": {"martian": 1}},
        {"look": {"aura": 1}},
    ],
)
def test_impossible_wish(data: HeadData, wish: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"no .*(hat|mohawk|horns|Grin|robot|martian|aura)"):
        sample_person(data, 1, wish)


@needs_data
def test_people_vary_and_smile(data: HeadData) -> None:
    people = [sample_person(data, seed) for seed in range(60)]
    assert 15 < sum(person.male for person in people) < 45
    assert 2 <= sum(person.glasses is not None for person in people) <= 20
    assert len({person.hair for person in people}) >= 15
    smiles = np.mean([person.rest[UNITS.index("MouthLeftPullUp")] for person in people])
    assert smiles > 0.1
    shapes = np.stack([person.vertices for person in people])
    assert shapes.std(0).max() > 0.05
    assert len(sliders(data)) > 150


# ---- the rig


@needs_data
def test_rig_is_deterministic_and_well_formed(rig: Rig) -> None:
    names = ["skin", "cavity", "eyes", "teeth", "tongue", "lash", "cloth", "hair", "frame", "lens"]
    assert [part.name for part in rig.parts] == names
    first, second = (pose(rig, {"JawDrop": 0.5}, (0.3, 0.1, -0.1)) for _ in range(2))
    np.testing.assert_array_equal(first.positions, second.positions)
    assert first.positions.dtype == first.normals.dtype == np.float32
    assert len(first.positions) == sum(len(part.rest) for part in rig.parts)
    for part in rig.parts:
        assert part.rest.dtype == np.float32 and part.triangles.dtype == np.int32
        assert part.triangles.max() < len(part.uv) == len(part.rest)
    np.testing.assert_allclose(np.linalg.norm(first.normals, axis=1).max(), 1, atol=1e-4)
    assert np.isfinite(first.positions).all()
    assert first.jaw == pytest.approx(0.5)


@needs_data
def test_skin_is_whole_and_faces_outwards(rig: Rig) -> None:
    posed = pose(rig)
    skin = len(rig.parts[0].rest)
    position, normal = posed.positions[:skin], posed.normals[:skin]
    nose = np.argmax(position[:, 2] - 10 * np.abs(position[:, 1] - posed.head[1] + 0.35))
    assert normal[nose, 2] > 0.3
    assert posed.eye_left[0] > 0.2 and posed.eye_right[0] < -0.2
    assert posed.mouth[1] < posed.eye_left[1] - 0.4
    assert abs(posed.mouth[0]) < 0.03


# Where the skin of a unit lies on the base mesh: the lowest and the highest y, dm; a unit of one
# side keeps to that side.
REGIONS = {
    "Brow": (7.25, 7.85),
    "UpperLid": (7.25, 7.40),
    "LowerLid": (6.45, 7.30),
    "Nose": (6.65, 7.75),
    "Jaw": (5.70, 7.12),
    "": (6.10, 7.18),  # lips, cheeks and chin
}


@needs_data
@pytest.mark.parametrize("unit", USED_UNITS)
def test_a_unit_moves_its_region_only(rig: Rig, unit: str) -> None:
    distance, _ = moved(rig, "skin", units={unit: 1.0})
    low, high = next(span for name, span in REGIONS.items() if name in unit)
    x, y, _ = rig.parts[0].rest.T
    inside = (y > low) & (y < high)
    if unit.startswith(("Left", "MouthLeft")):
        inside &= x > -0.10
    elif unit.startswith(("Right", "MouthRight")):
        inside &= x < 0.10
    assert distance[~inside].max() < 0.02
    assert unit == "TongueOut" or distance[inside].max() > 0.05


@needs_data
@pytest.mark.parametrize("side", ["Left", "Right"])
@pytest.mark.parametrize("unit", ["UpperLidClosed", "UpperLidOpen"])
def test_a_lid_is_that_of_its_own_eye(rig: Rig, side: str, unit: str) -> None:
    distance, where = moved(rig, "skin", units={f"{side}{unit}": 1.0})
    posed = pose(rig)
    own = posed.eye_left if side == "Left" else posed.eye_right
    assert np.linalg.norm(where[distance > 0.02] - own, axis=1).max() < 0.5
    other = posed.eye_right if side == "Left" else posed.eye_left
    assert distance[np.linalg.norm(where - other, axis=1) < 0.3].max() < 1e-4


@needs_data
def test_jaw_moves_the_chin_not_the_forehead(rig: Rig) -> None:
    distance, where = moved(rig, "skin", units={"JawDrop": 1.0})
    posed = pose(rig)
    chin = where[:, 1] < posed.mouth[1] - 0.2
    front = where[:, 2] > posed.mouth[2] - 0.3
    assert distance[chin & front].max() > 0.15
    forehead = (where[:, 1] > posed.eye_left[1] + 0.1) & (where[:, 2] > posed.eye_left[2] - 0.1)
    assert distance[forehead].max() < 5e-3


@needs_data
def test_gaze_turns_the_pupils(rig: Rig) -> None:
    def pupil(gaze: tuple[float, float]) -> Array:
        posed, start = pose(rig, gaze=gaze), sum(len(part.rest) for part in rig.parts[:2])
        eyes = posed.positions[start : start + len(rig.parts[2].rest)]
        rest = rig.parts[2].rest
        left = rest[:, 0] > 0
        return np.asarray(eyes[left][np.argmax(rest[left, 2])] - posed.eye_left)

    ahead = pupil((0, 0))
    assert pupil((0.3, 0))[0] > ahead[0] + 0.02  # to the subject's left
    assert pupil((0, 0.3))[1] < ahead[1] - 0.02  # down
    for yaw, pitch in np.radians([(30, 0), (-30, 0), (0, 20), (0, -20), (30, -20)]):
        turned = Rotation.from_rotvec([pitch, yaw, 0]).apply(ahead)
        np.testing.assert_allclose(pupil((yaw, pitch)), turned, atol=1e-3)  # as far as asked


@needs_data
def test_head_turns_as_asked(rig: Rig) -> None:
    def axes(head: tuple[float, float, float]) -> tuple[Array, Array]:
        rotation = pose(rig, head=head).head_rotation
        return rotation[:, 2], rotation[:, 1]

    np.testing.assert_allclose(axes((0.4, 0, 0))[0], [np.sin(0.4), 0, np.cos(0.4)], atol=1e-5)
    assert axes((0, 0.4, 0))[0][1] == pytest.approx(-np.sin(0.4), abs=1e-5)  # looks down
    assert axes((0, 0, 0.4))[1][0] == pytest.approx(-np.sin(0.4), abs=1e-5)  # to the right


@needs_data
def test_every_factor_moves_something(rig: Rig) -> None:
    neutral = pose(rig).positions
    for name in USED_UNITS:
        assert np.abs(pose(rig, {name: 0.5}).positions - neutral).max() > 0.008, name
    for i in range(3):
        turn = [0.0, 0.0, 0.0]
        turn[i] = 0.2
        assert np.abs(pose(rig, head=(turn[0], turn[1], turn[2])).positions - neutral).max() > 0.1
    for gaze in ((0.2, 0.0), (0.0, 0.2)):
        assert np.abs(pose(rig, gaze=gaze).positions - neutral).max() > 0.02


@needs_data
def test_units_begin_with_those_of_the_file(data: HeadData) -> None:
    assert data.units == UNITS[:POSE_UNITS]

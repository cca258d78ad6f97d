"""Readers of the MakeHuman data files (.obj .target .mhclo .mhskel .mhw, pose units).

Lengths are MakeHuman decimetres, y up, z to the front, x to the subject's left. Every reader
raises UserError, naming the file, when the file is missing or does not hold what it should.
"""

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from reenact.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

# The pose units are made in a z-up world: (x, y, z) there is (x, z, -y) here.
_Z_UP_TO_Y_UP = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Obj:
    """A triangulated Wavefront mesh: corners index positions and uvs separately."""

    positions: Floats  # [P,3]
    uvs: Floats  # [T,2]
    faces: Ints  # [F,3] into positions
    face_uvs: Ints  # [F,3] into uvs
    groups: npt.NDArray[np.str_]  # [F] name of the group of each triangle


@dataclass(frozen=True)
class Clothing:
    """How a mesh hangs on the base mesh: vertex = sum(weights * base[refs]) + offsets * scale."""

    refs: Ints  # [P,3] base vertices
    weights: Floats  # [P,3]
    offsets: Floats  # [P,3]
    scale_refs: Ints  # [3,2] per axis two base vertices; scale = their distance / scale_lengths
    scale_lengths: Floats  # [3]
    hidden: Ints  # base vertices that this piece covers


@dataclass(frozen=True)
class Skeleton:
    """Bones in parent-before-child order; a joint sits at the mean of its base vertices."""

    names: tuple[str, ...]
    parents: tuple[int, ...]  # -1 for a root
    joints: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PoseUnits:
    """Bone rotations of each facial pose unit, less those of the rest pose."""

    names: tuple[str, ...]  # [U]
    bones: tuple[str, ...]  # [B]
    rotations: Floats  # [U,B,3] rotation vectors, rad


def missing(path: Path) -> UserError:
    """The error for a file or folder of the MakeHuman data that is not there."""
    return UserError(
        f"{path} is missing: clone the makehuman and makehuman-assets repositories as the README's"
        " 'Synthetic people' section shows and set REENACT_MAKEHUMAN to the folder that holds both."
    )


def damaged(path: Path, why: str) -> UserError:
    """The error for a file of the MakeHuman data that does not hold what it should."""
    return UserError(
        f"{path} is damaged ({why}): clone the MakeHuman data again as the README's"
        " 'Synthetic people' section shows."
    )


def _naming_the_file(read: Callable[P, R]) -> Callable[P, R]:
    """Turn whatever a reader trips over into a UserError that names the file (argument 1)."""

    @functools.wraps(read)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        path = Path(str(args[0]))
        try:
            return read(*args, **kwargs)
        except FileNotFoundError as error:
            raise missing(Path(error.filename or path)) from error
        except (OSError, ValueError, IndexError, KeyError, TypeError) as error:
            raise damaged(path, f"{type(error).__name__}: {error}") from error

    return wrapped


def _rows(path: Path) -> Iterator[list[str]]:
    """The words of each line that is neither empty nor a comment."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if words and not words[0].startswith("#"):
                yield words


@_naming_the_file
def read_obj(path: Path) -> Obj:
    """Read a mesh; polygons become triangle fans, a missing uv becomes (0, 0)."""
    positions: list[list[str]] = []
    uvs: list[list[str]] = []
    triangles: list[list[int]] = []
    groups: list[str] = []
    group = ""
    for words in _rows(path):
        if words[0] == "v":
            positions.append(words[1:4])
        elif words[0] == "vt":
            uvs.append(words[1:3])
        elif words[0] == "g":
            group = words[1] if len(words) > 1 else ""
        elif words[0] == "f":
            fan = _fan([_corner(word) for word in words[1:]])
            triangles += fan
            groups += [group] * len(fan)
    corners = np.array(triangles, np.int32).reshape(-1, 3, 2)
    mesh = Obj(
        np.array(positions, np.float32).reshape(-1, 3),
        np.array(uvs or [["0", "0"]], np.float32).reshape(-1, 2),
        np.ascontiguousarray(corners[..., 0]),
        np.ascontiguousarray(corners[..., 1]),
        np.array(groups),
    )
    _check_mesh(mesh)
    return mesh


def _corner(word: str) -> tuple[int, int]:
    """`position/uv/normal`, counted from one, as zero-based (position, uv)."""
    position, _, rest = word.partition("/")
    uv = rest.partition("/")[0]
    return int(position) - 1, int(uv) - 1 if uv else 0


def _fan(corners: list[tuple[int, int]]) -> list[list[int]]:
    """A polygon as triangles [p0, t0, p1, t1, p2, t2] around its first corner."""
    first = corners[0]
    return [[*first, *a, *b] for a, b in zip(corners[1:-1], corners[2:], strict=True)]


def _check_mesh(mesh: Obj) -> None:
    if not len(mesh.faces):
        raise ValueError("no faces")
    for index, values in ((mesh.faces, mesh.positions), (mesh.face_uvs, mesh.uvs)):
        if index.min() < 0 or index.max() >= len(values):
            raise ValueError("a face names a vertex that is not there")


@_naming_the_file
def read_target(path: Path) -> tuple[Ints, Floats]:
    """Read a shape target: base vertices i32[N] and how far each moves f32[N,3]; none is legal."""
    rows = [[float(word) for word in words[:4]] for words in _rows(path)]
    if any(len(row) != 4 for row in rows):
        raise ValueError("a line that is not `vertex dx dy dz`")
    table = np.array(rows, np.float64).reshape(-1, 4)
    return table[:, 0].astype(np.int32), table[:, 1:].astype(np.float32)


@_naming_the_file
def read_clothing(path: Path) -> Clothing:
    """Read a .mhclo; header lines may follow `verts`, a line with one index is a rigid vertex."""
    scale_refs = np.zeros((3, 2), np.int32)
    scale_lengths = np.ones(3, np.float32)
    vertices: list[list[float]] = []
    hidden: list[int] = []
    section = ""
    for words in _rows(path):
        head = words[0]
        if head in ("x_scale", "y_scale", "z_scale"):
            axis = "xyz".index(head[0])
            scale_refs[axis] = int(words[1]), int(words[2])
            scale_lengths[axis] = float(words[3])
        elif head in ("verts", "delete_verts"):
            section = head
        elif section == "verts" and head[0].isdigit():
            vertices.append(_bound_vertex(words))
        elif section == "delete_verts" and head[0].isdigit():
            hidden += _vertex_ranges(words)
    table = np.array(vertices, np.float64).reshape(-1, 9)
    if not len(table):
        raise ValueError("no bound vertices")
    return Clothing(
        table[:, :3].astype(np.int32),
        table[:, 3:6].astype(np.float32),
        table[:, 6:].astype(np.float32),
        scale_refs,
        scale_lengths,
        np.array(hidden, np.int32),
    )


def _bound_vertex(words: list[str]) -> list[float]:
    """One line of `verts`: three base vertices, three weights, an offset."""
    numbers = [float(word) for word in words]
    if len(numbers) == 1:
        return [numbers[0]] * 3 + [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    if len(numbers) not in (6, 9):
        raise ValueError(f"a bound vertex of {len(numbers)} numbers")
    return numbers + [0.0] * (9 - len(numbers))


def _vertex_ranges(words: list[str]) -> list[int]:
    """`3 5 - 7 9` as [3, 5, 6, 7, 9]."""
    vertices: list[int] = []
    after_dash = False
    for word in words:
        if word == "-":
            after_dash = True
        elif after_dash:
            vertices += range(vertices[-1] + 1, int(word) + 1)
            after_dash = False
        else:
            vertices.append(int(word))
    return vertices


@_naming_the_file
def read_skeleton(path: Path) -> Skeleton:
    """Read a .mhskel: the bones, each after its parent, and the joint at each bone's head."""
    table = json.loads(path.read_text(encoding="utf-8"))
    waiting = dict(table["bones"])
    order: dict[str, int] = {}
    parents: list[int] = []
    joints: list[tuple[int, ...]] = []
    while waiting:
        ready = [n for n, bone in waiting.items() if bone["parent"] in {None, *order}]
        if not ready:
            raise ValueError("bones without a root")
        for name in ready:
            bone = waiting.pop(name)
            order[name] = len(order)
            parents.append(-1 if bone["parent"] is None else order[bone["parent"]])
            joints.append(tuple(int(vertex) for vertex in table["joints"][bone["head"]]))
    return Skeleton(tuple(order), tuple(parents), tuple(joints))


@_naming_the_file
def read_weights(path: Path) -> dict[str, tuple[Ints, Floats]]:
    """Read a .mhw: for each bone the base vertices that it moves and how much."""
    table = json.loads(path.read_text(encoding="utf-8"))["weights"]
    weights = {}
    for bone, pairs in table.items():
        rows = np.array(pairs, np.float64).reshape(-1, 2)
        weights[str(bone)] = rows[:, 0].astype(np.int32), rows[:, 1].astype(np.float32)
    return weights


@_naming_the_file
def read_pose_units(motion_path: Path, names_path: Path) -> PoseUnits:
    """Read the facial pose units: frame i of the .bvh is name i of the .json, frame 0 is at rest.

    The channels are X, Y, Z rotations about the axes of a z-up world: R = C (Rx Ry Rz) C^T.
    """
    names = _read_unit_names(names_path)
    bones, frames = _read_bvh(motion_path)
    if len(frames) < len(names):
        raise ValueError(f"{len(frames)} frames for {len(names)} pose units")
    angles = frames[: len(names), 3:].reshape(-1, 3)
    matrices = Rotation.from_euler("XYZ", angles, degrees=True).as_matrix()
    turned = _Z_UP_TO_Y_UP @ matrices @ _Z_UP_TO_Y_UP.T
    vectors = Rotation.from_matrix(turned).as_rotvec().reshape(len(names), len(bones), 3)
    return PoseUnits(names, bones, (vectors - vectors[:1]).astype(np.float32))


@_naming_the_file
def _read_unit_names(path: Path) -> tuple[str, ...]:
    return tuple(json.loads(path.read_text(encoding="utf-8"))["framemapping"])


def _read_bvh(path: Path) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """The joints of a .bvh in file order and its frames f64[N, 3 + 3 * joints]."""
    bones: list[str] = []
    frames: list[list[str]] = []
    in_motion = False
    for words in _rows(path):
        if words[0] == "MOTION":
            in_motion = True
        elif not in_motion and words[0] in ("ROOT", "JOINT"):
            bones.append(words[1])
        elif in_motion and words[0] not in ("Frames:", "Frame"):
            frames.append(words)
    return tuple(bones), np.array(frames, np.float64).reshape(-1, 3 + 3 * len(bones))

"""Pose a person: pose units, head rotation and gaze move bones, the bones move the meshes."""

from dataclasses import dataclass

import numba
import numpy as np

from reenact.talking_heads.creases import creases
from reenact.talking_heads.expressions import SIDES, UNITS, shares, with_products
from reenact.talking_heads.formats import Floats, Ints
from reenact.talking_heads.head_data import HeadData, Mesh
from reenact.talking_heads.made import made_parts
from reenact.talking_heads.morphs import lid_reach, make_morphs
from reenact.talking_heads.person import Person

# How a head rotation is shared along the neck.
_NECK = {"neck01": 0.15, "neck02": 0.20, "neck03": 0.25, "head": 0.40}
# MakeHuman rests with its arms spread; this angle brings the shoulders down, in rad.
_ARM_DROP = 0.55
# The corners of the mouth and the middle of the head, in the base mesh, in dm.
_MOUTH_CORNER = np.array([0.254, 6.622, 1.437], np.float32)
_HEAD_MIDDLE = np.array([0.0, 0.25, 0.35], np.float32)  # from the head's joint
# Slightly smaller teeth and tongue, set back: they must not pierce the lips of a strong expression.
_TEETH_SCALE = np.array([0.94, 1.0, 0.97])
_TEETH_SHIFT = np.array([0.0, 0.0, -0.025])
_LIDS = [tuple(UNITS.index(f"{side}UpperLid{way}") for way in ("Closed", "Open")) for side in SIDES]
_EYE_BONES = ("eye.L", "eye.R")


@dataclass(frozen=True)
class Part:
    """One mesh to draw."""

    name: str  # skin, cavity, eyes, teeth, tongue, lash, cloth, hair, frame or lens
    uv: Floats  # [V,2]
    triangles: Ints  # [F,3] into this part's vertices
    rest: Floats  # [V,3] dm: skin, cavity on the base mesh; others on the person - the eyes' middle


@dataclass(frozen=True)
class Posed:
    """One posed head, in MakeHuman's decimetres; the parts' vertices follow one another."""

    positions: Floats  # [sum V,3]
    normals: Floats  # [sum V,3] unit
    eye_left: Floats  # [3] the eyeballs' centres; left and right are the subject's
    eye_right: Floats  # [3]
    mouth: Floats  # [3] middle between the corners
    head: Floats  # [3] the middle of the head
    head_rotation: Floats  # [3,3]
    jaw: float  # how far the jaw is dropped, about 0..1
    creases: Floats  # [K] how far folds of the skin are pressed in, see creases.CREASES


class Rig:
    """A person made ready to be posed: about a millisecond per pose."""

    def __init__(self, data: HeadData, person: Person) -> None:
        self._data, self._person = data, person
        self._joints = data.joints(person.vertices)
        eyes = self._joints[[data.bone(name) for name in _EYE_BONES]].mean(0)
        worn = _worn(data, person, eyes)
        self.parts = [_part(data, person, name, mesh, rest - eyes) for name, mesh, rest in worn]
        meshes = [mesh for _, mesh, _ in worn]
        self._join(meshes, [rest for _, _, rest in worn])
        self._morphs = make_morphs(data, person.ethnicity, meshes)
        reach = {f"{s}UpperLidClosed": lid_reach(data, person.vertices, s.lower()) for s in SIDES}
        self._reach = np.array([reach.get(name, 1.0) for name in UNITS], np.float32)
        self._bone_share, self._morph_share = shares(self._morphs.names)
        self._corners = _mouth_corners(data)

    def _join(self, meshes: list[Mesh], rests: list[Floats]) -> None:
        """Put all meshes behind one another, so that one call moves them all."""
        starts = np.cumsum([0, *(len(rest) for rest in rests)]).astype(np.int32)
        self._rest = np.ascontiguousarray(np.concatenate(rests), np.float32)
        self._bones = np.concatenate([mesh.bones for mesh in meshes])
        self._weights = np.concatenate([mesh.bone_weights for mesh in meshes])
        self._gather = np.concatenate(
            [mesh.position_of + start for mesh, start in zip(meshes, starts, strict=False)]
        )
        self._faces = np.concatenate(
            [
                mesh.position_of[mesh.triangles] + start
                for mesh, start in zip(meshes, starts, strict=False)
            ]
        )

    def pose(self, units: Floats, head: Floats, gaze: Floats) -> Posed:
        """Pose the head.

        units f32[U] weights of the pose units; head f32[3] yaw, pitch, roll and gaze f32[2] yaw,
        pitch (in the head) in rad. Positive yaw turns to the subject's left, positive pitch looks
        down, positive roll tips the head to the subject's right shoulder.
        """
        data = self._data
        weights = with_products(_with_rest(units, self._person.rest) * self._reach)
        rotations = self._bone_rotations(weights @ self._bone_share, head, gaze)
        rest = self._morphs.move(self._rest, weights @ self._morph_share)
        bones = np.empty((len(data.bones), 3, 4), np.float32)
        _chain(rotations, self._joints, data.parents, bones)
        positions, normals = np.empty_like(self._rest), np.empty_like(self._rest)
        _skin(rest, self._bones, self._weights, bones, self._faces, positions, normals)
        rotation = bones[data.bone("head"), :, :3].copy()
        eye_left, eye_right = (self._joint(bones, name) for name in _EYE_BONES)
        return Posed(
            positions=positions[self._gather],
            normals=normals[self._gather],
            eye_left=eye_left,
            eye_right=eye_right,
            mouth=positions[self._corners].mean(0),
            head=self._joint(bones, "head") + rotation @ _HEAD_MIDDLE,
            head_rotation=rotation,
            jaw=float(units[UNITS.index("JawDrop")]),
            creases=creases(_with_rest(units, self._person.rest)),
        )

    def _joint(self, bones: Floats, name: str) -> Floats:
        bone = self._data.bone(name)
        return np.asarray(bones[bone, :, :3] @ self._joints[bone] + bones[bone, :, 3], np.float32)

    def _bone_rotations(self, units: Floats, head: Floats, gaze: Floats) -> Floats:
        """The rotation vectors f32[B,3] of the bones: pose units blend as weighted vectors."""
        data = self._data
        rotations = np.tensordot(units, data.unit_rotations, axes=1)
        turn = np.array([head[1], head[0], head[2]], np.float32)  # pitch about x, yaw y, roll z
        for name, share in _NECK.items():
            rotations[data.bone(name)] += share * turn
        for name in _EYE_BONES:
            rotations[data.bone(name)] = gaze[1], gaze[0], 0.0
        for name, angle in (("upperarm01.L", -_ARM_DROP), ("upperarm01.R", _ARM_DROP)):
            rotations[data.bone(name), 2] += angle
        return np.asarray(rotations, np.float32)


def _with_rest(units: Floats, rest: Floats) -> Floats:
    """Add the face at rest, less where the motion does the same; closing lids beat opening ones."""
    weights = units.copy()
    weights[: len(rest)] += rest * (1 - np.clip(units[: len(rest)], 0, 1))
    for shut, opened in _LIDS:
        weights[opened] *= 1 - min(max(float(units[shut]), 0.0), 1.0)
    return weights


def _worn(data: HeadData, person: Person, eyes: Floats) -> list[tuple[str, Mesh, Floats]]:
    """The parts of a person in drawing order: name, mesh, rest positions f32[P,3]."""
    names = {
        "skin": "skin",
        "cavity": "cavity",
        "eyes": "eyes",
        "teeth": person.teeth,
        "tongue": "tongue01",
        "lash": person.lash,
        "cloth": person.cloth,
    }
    worn = []
    for part, name in names.items():
        mesh = data.meshes[name]
        rest = mesh.fit(person.vertices)
        worn.append((part, mesh, _shrunk(rest) if part in ("teeth", "tongue") else rest))
    worn += made_parts(data, person, eyes)
    return worn


def _shrunk(rest: Floats) -> Floats:
    middle = rest.mean(0)
    return np.asarray((rest - middle) * _TEETH_SCALE + middle + _TEETH_SHIFT, np.float32)


def _part(data: HeadData, person: Person, name: str, mesh: Mesh, rest: Floats) -> Part:
    triangles = mesh.triangles
    if name in ("skin", "cavity"):
        rest = mesh.fit(data.base)
    if name == "skin":  # what the clothes cover would only poke through them
        hidden = np.isin(mesh.refs[:, 0], data.meshes[person.cloth].hides)
        triangles = triangles[~hidden[mesh.position_of[triangles]].all(1)]
    return Part(name, mesh.uv, triangles, np.asarray(rest[mesh.position_of], np.float32))


def _mouth_corners(data: HeadData) -> Ints:
    """The skin's vertices at both corners of the mouth, i32[2]."""
    skin = data.meshes["skin"].fit(data.base)
    sides = (_MOUTH_CORNER, _MOUTH_CORNER * [-1, 1, 1])
    return np.array([np.argmin(((skin - c) ** 2).sum(1)) for c in sides], np.int32)


def _chain_python(rotations: Floats, joints: Floats, parents: Ints, bones: Floats) -> None:
    """Fill bones f32[B,3,4], rest to posed space: each turns about its joint, then as its parent.

    Rodrigues' formula: R = I + sin(a) K + (1 - cos(a)) K^2, K the cross product with the unit axis.
    """
    local = np.empty((3, 3), np.float32)
    for b in range(len(parents)):
        x, y, z = rotations[b]
        square = x * x + y * y + z * z
        angle = np.sqrt(square)
        s = np.sin(angle) / angle if angle > 1e-6 else np.float32(1)
        c = (1 - np.cos(angle)) / square if angle > 1e-6 else np.float32(0.5)
        local[0, 0], local[0, 1], local[0, 2] = (
            1 - c * (y * y + z * z),
            c * x * y - s * z,
            c * x * z + s * y,
        )
        local[1, 0], local[1, 1], local[1, 2] = (
            c * x * y + s * z,
            1 - c * (x * x + z * z),
            c * y * z - s * x,
        )
        local[2, 0], local[2, 1], local[2, 2] = (
            c * x * z - s * y,
            c * y * z + s * x,
            1 - c * (x * x + y * y),
        )
        shift = joints[b] - local @ joints[b]
        p = parents[b]
        if p < 0:
            bones[b, :, :3] = local
            bones[b, :, 3] = shift
        else:
            turn = np.ascontiguousarray(bones[p, :, :3])
            bones[b, :, :3] = turn @ local
            bones[b, :, 3] = turn @ shift + bones[p, :, 3]


def _skin_python(
    rest: Floats,
    influences: Ints,
    weights: Floats,
    bones: Floats,
    faces: Ints,
    posed: Floats,
    normals: Floats,
) -> None:
    """Linear blend skinning of rest f32[P,3] into posed, and unit normals weighted by area."""
    for v in range(len(rest)):
        x, y, z = rest[v, 0], rest[v, 1], rest[v, 2]
        a = b = c = np.float32(0)
        for k in range(influences.shape[1]):
            w = weights[v, k]
            if w == 0:
                break  # the strongest come first
            m = bones[influences[v, k]]
            a += w * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
            b += w * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
            c += w * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        posed[v, 0], posed[v, 1], posed[v, 2] = a, b, c
        normals[v, 0] = normals[v, 1] = normals[v, 2] = np.float32(0)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = posed[j, 0] - posed[i, 0], posed[j, 1] - posed[i, 1], posed[j, 2] - posed[i, 2]
        vx, vy, vz = posed[k, 0] - posed[i, 0], posed[k, 1] - posed[i, 1], posed[k, 2] - posed[i, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for v in (i, j, k):
            normals[v, 0] += nx
            normals[v, 1] += ny
            normals[v, 2] += nz
    for v in range(len(rest)):
        square = normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2
        scale = np.float32(1) / np.sqrt(square + np.float32(1e-20))
        normals[v, 0] *= scale
        normals[v, 1] *= scale
        normals[v, 2] *= scale


_chain = numba.njit(cache=True, fastmath=True)(_chain_python)
_skin = numba.njit(cache=True, fastmath=True)(_skin_python)

"""Cut the MakeHuman data to the head: bound meshes, bones, shape targets, pose units.

The base mesh is cut to the vertices that something here uses, and they are renumbered;
`HeadData.base` holds them in the new order, and every index below counts in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from reenact.talking_heads import formats
from reenact.talking_heads.formats import Floats, Ints

CLOTHES = (
    *("female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_sportsuit01"),
    *(f"male_casualsuit{i:02d}" for i in range(1, 7)),
    *("male_elegantsuit01", "male_worksuit01"),
)
LASHES = tuple(f"eyelashes{i:02d}" for i in range(1, 5))
TEETH = ("teeth_base", *(f"teeth_shape{i:02d}" for i in range(1, 6)))

ETHNICITIES = ("african", "asian", "caucasian")
INFLUENCES = 8  # bones that move one vertex, at most

_DETAILS = (
    *("head", "nose", "eyes", "mouth", "chin", "cheek"),
    *("ears", "eyebrows", "forehead", "neck", "asym"),
)
_SIDES = ("left", "right")
_BROW_TARGETS = ("down", "extern-up", "inner-up", "up")
_MOUTH_TARGETS = (
    *("compression", "corner-puller", "depression", "depression-retraction", "elevation"),
    *("eversion", "open", "parling", "part-later", "protusion", "pursing", "retraction"),
    "upward-retraction",
)
_FOLDERS = {"clothes": CLOTHES, "eyelashes": LASHES}
_FOLDERS |= {"teeth": TEETH, "tongue": ("tongue01",)}


@dataclass(frozen=True)
class Mesh:
    """A mesh bound to the base mesh: it fits any person's shape and moves with the bones.

    Positions are shared where uvs are not, so that normals are smooth over uv seams: render vertex
    i has uv[i] and position position_of[i].
    """

    uv: Floats  # [V,2]
    triangles: Ints  # [F,3] into the render vertices
    position_of: Ints  # [V]
    refs: Ints  # [P,3]; position = sum(ref_weights * base[refs]) + offsets * scale
    ref_weights: Floats  # [P,3]
    offsets: Floats  # [P,3]
    scale_refs: Ints  # [3,2]
    scale_lengths: Floats  # [3]
    bones: Ints  # [P,8] strongest first
    bone_weights: Floats  # [P,8] sum 1
    hides: Ints  # base vertices that this mesh covers (clothes)

    def fit(self, vertices: Floats) -> Floats:
        """The rest positions f32[P,3] on a body of the shape `vertices` f32[K,3]."""
        ends = vertices[self.scale_refs]
        axes = np.arange(3)
        span = np.abs(ends[axes, 0, axes] - ends[axes, 1, axes])
        bound = np.einsum("pk,pkc->pc", self.ref_weights, vertices[self.refs])
        return np.asarray(bound + self.offsets * (span / self.scale_lengths), np.float32)


@dataclass(frozen=True)
class HeadData:
    """The packed data. K base vertices, B bones, U pose units."""

    base: Floats  # [K,3] dm
    bones: tuple[str, ...]  # parents come first
    parents: Ints  # [B], -1 for the root
    joint_vertices: Ints  # the base vertices around each joint, bone after bone
    joint_starts: Ints  # [B] where each bone's begin
    units: tuple[str, ...]
    unit_rotations: Floats  # [U,B,3] rotation vectors, rad
    targets: dict[str, tuple[Ints, Floats]]  # name -> vertices [N], offsets [N,3] dm
    expressions: dict[str, tuple[Ints, Floats]]  # the same; names like african-mouth-open
    meshes: dict[str, Mesh]  # skin, cavity, eyes, tongue01 and the names in the lists above

    def joints(self, vertices: Floats) -> Floats:
        """Where each bone turns, f32[B,3], in a body of the shape `vertices`."""
        sums = np.add.reduceat(vertices[self.joint_vertices], self.joint_starts)
        counts = np.diff(self.joint_starts, append=len(self.joint_vertices))
        return np.asarray(sums / counts[:, None], np.float32)

    def bone(self, name: str) -> int:
        """The index of a bone."""
        return self.bones.index(name)


# ---- where the files are


def _body(source: Path) -> Path:
    return source / "makehuman" / "makehuman" / "data"


def _mesh_files(source: Path) -> dict[str, Path]:
    """The path of each mesh's files, without the suffixes .mhclo and .obj."""
    assets = source / "makehuman-assets" / "base"
    paths = {
        name: assets / folder / name / name for folder, names in _FOLDERS.items() for name in names
    }
    return {"eyes": _body(source) / "eyes" / "high-poly" / "high-poly", **paths}


def macro_targets() -> list[str]:
    """The targets of adult bodies: ancestry x sex x age, and sex x age x muscle x weight."""
    ends = [f"{sex}-{age}" for sex in ("female", "male") for age in ("young", "old")]
    sizes = ("min", "average", "max")
    builds = [f"{muscle}muscle-{weight}weight" for muscle in sizes for weight in sizes]
    ancestries = [f"{name}-{end}" for name in ETHNICITIES for end in ends]
    return ancestries + [f"universal-{end}-{build}" for end in ends for build in builds]


def _target_files(source: Path) -> list[Path]:
    folder = _body(source) / "targets"
    details: list[Path] = []
    for name in _DETAILS:
        found = sorted((folder / name).glob("*.target"))
        if not found:
            raise formats.missing(folder / name)
        details += found
    return details + [folder / "macrodetails" / f"{name}.target" for name in macro_targets()]


def _expression_files(source: Path) -> dict[str, Path]:
    """The targets of expressions, made for faces of each ancestry: african-mouth-open, ..."""
    folder = _body(source) / "targets" / "expression" / "units"
    names = [f"eye-{side}-{what}" for side in _SIDES for what in ("closure", "opened-up", "slit")]
    names += [f"eyebrows-{side}-{what}" for side in _SIDES for what in _BROW_TARGETS]
    names += [f"nose-{side}-{what}" for side in _SIDES for what in ("dilatation", "elevation")]
    names += [f"mouth-{what}" for what in _MOUTH_TARGETS]
    names += ["nose-compression", "nose-depression", "neck-platysma"]
    return {f"{e}-{name}": folder / e / f"{name}.target" for e in ETHNICITIES for name in names}


def files(source: Path) -> list[Path]:
    """Every file read from the folder that holds the two clones; UserError for a missing folder."""
    body = _body(source)
    names = ("3dobjs/base.obj", "rigs/default.mhskel", "rigs/default_weights.mhw")
    units = ("poseunits/face-poseunits.bvh", "poseunits/face-poseunits.json")
    meshes = [Path(f"{p}{s}") for p in _mesh_files(source).values() for s in (".mhclo", ".obj")]
    targets = _target_files(source) + list(_expression_files(source).values())
    return [body / name for name in (*names, *units)] + meshes + targets


# ---- packing


@dataclass(frozen=True)
class _Body:
    """The whole body, before it is cut."""

    mesh: formats.Obj
    skeleton: formats.Skeleton
    weights: sparse.csr_array  # [vertices, bones], rows sum to 1


def pack(source: Path) -> HeadData:
    """Read the folder that holds the two clones; UserError names a missing or damaged file."""
    units = formats.read_pose_units(
        _body(source) / "poseunits" / "face-poseunits.bvh",
        _body(source) / "poseunits" / "face-poseunits.json",
    )
    body = _read_body(source)
    targets = {path.stem: _read_target(path, body) for path in _target_files(source)}
    expressions = {
        name: _read_target(path, body) for name, path in _expression_files(source).items()
    }
    meshes = dict(_body_parts(body))
    for name, path in _mesh_files(source).items():
        meshes[name] = _bound_mesh(body, name, path)
    return _cut(body, meshes, targets, expressions, units)


def _read_body(source: Path) -> _Body:
    folder = _body(source)
    mesh = formats.read_obj(folder / "3dobjs" / "base.obj")
    skeleton = formats.read_skeleton(folder / "rigs" / "default.mhskel")
    path = folder / "rigs" / "default_weights.mhw"
    count = len(mesh.positions)
    weights = sparse.lil_array((count, len(skeleton.names)), dtype=np.float32)
    for bone, (vertices, values) in formats.read_weights(path).items():
        if bone not in skeleton.names or vertices.max(initial=0) >= count:
            raise formats.damaged(path, f"bone {bone} does not fit the skeleton and the mesh")
        weights[vertices, [skeleton.names.index(bone)]] = values
    weights = weights.tocsr()
    loose = np.asarray(weights.sum(axis=1)).ravel() == 0
    weights[np.flatnonzero(loose), 0] = 1.0  # what no bone moves stays with the root
    sums = np.asarray(weights.sum(axis=1)).ravel()
    return _Body(mesh, skeleton, sparse.diags_array(1 / sums, format="csr") @ weights)


def _body_parts(body: _Body) -> Iterator[tuple[str, Mesh]]:
    """The skin down to the shoulders, and the mouth's cavity, which is drawn apart from it."""
    mesh = body.mesh
    centres = mesh.positions[mesh.faces].mean(1)
    x, y = np.abs(centres[:, 0]), centres[:, 1]
    u, v = mesh.uvs[mesh.face_uvs].mean(1).T
    skin = (mesh.groups == "body") & (y > 4.0) & (x < 2.6)
    cavity = skin & (u > 0.75) & (u < 0.925) & (v < 0.135) & (y > 6.0) & (x < 0.4)
    for name, keep in (("skin", skin & ~cavity), ("cavity", cavity)):
        uv, triangles, position_of, used = _weld(mesh, keep)
        refs = np.repeat(used[:, None], 3, axis=1).astype(np.int32)
        own = np.tile(np.array([1, 0, 0], np.float32), (len(used), 1))
        still = (np.zeros((len(used), 3), np.float32), np.zeros((3, 2), np.int32), np.ones(3, "f4"))
        bones, weights = _strongest(body.weights[used])
        hides = np.zeros(0, np.int32)
        yield name, Mesh(uv, triangles, position_of, refs, own, *still, bones, weights, hides)


def _bound_mesh(body: _Body, name: str, path: Path) -> Mesh:
    """A mesh with its .mhclo, cropped to what a picture of a head can show."""
    mesh = formats.read_obj(path.with_suffix(".obj"))
    binding = formats.read_clothing(path.with_suffix(".mhclo"))
    limit = len(body.mesh.positions)
    highest = max(
        array.max(initial=0) for array in (binding.refs, binding.scale_refs, binding.hidden)
    )
    if len(binding.refs) != len(mesh.positions) or highest >= limit:
        why = "it does not fit its mesh or the base mesh"
        raise formats.damaged(path.with_suffix(".mhclo"), why)
    fitted = np.einsum("pk,pkc->pc", binding.weights, body.mesh.positions[binding.refs])
    x, y, z = (fitted + binding.offsets)[mesh.faces].mean(1).T
    keep = np.ones(len(x), bool)
    if name in CLOTHES:
        keep = (y > 3.4) & (np.abs(x) < 2.8)
    elif name in TEETH:
        keep = z > 1.0  # without the molars: they are a fifth of all triangles and never seen
    uv, triangles, position_of, used = _weld(mesh, keep)
    refs, shares = binding.refs[used], binding.weights[used]
    rows = np.repeat(np.arange(len(used)), 3)
    pulls = np.clip(shares, 0, None).ravel()
    follow = sparse.csr_array((pulls, (rows, refs.ravel())), shape=(len(used), limit))
    bones, weights = _strongest(follow @ body.weights)
    scale = (binding.scale_refs, binding.scale_lengths)
    fit = (refs, shares, binding.offsets[used], *scale)
    return Mesh(uv, triangles, position_of, *fit, bones, weights, binding.hidden)


def _weld(mesh: formats.Obj, keep: npt.NDArray[np.bool_]) -> tuple[Floats, Ints, Ints, Ints]:
    """The kept faces as render vertices: uv, triangles, position_of, and the positions in use."""
    corners = np.stack([mesh.faces[keep].ravel(), mesh.face_uvs[keep].ravel()], axis=1)
    vertices, triangles = np.unique(corners, axis=0, return_inverse=True)
    used, position_of = np.unique(vertices[:, 0], return_inverse=True)
    return (
        mesh.uvs[vertices[:, 1]],
        triangles.reshape(-1, 3).astype(np.int32),
        position_of.astype(np.int32),
        used.astype(np.int32),
    )


def _strongest(weights: sparse.csr_array) -> tuple[Ints, Floats]:
    """The few bones that matter most to each row, and their weights made to sum to 1."""
    dense = weights.toarray()
    bones = np.argsort(-dense, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(dense, bones, axis=1)
    kept /= kept.sum(1, keepdims=True)
    return bones.astype(np.int32), kept.astype(np.float32)


def _read_target(path: Path, body: _Body) -> tuple[Ints, Floats]:
    vertices, offsets = formats.read_target(path)
    if vertices.min(initial=0) < 0 or vertices.max(initial=0) >= len(body.mesh.positions):
        raise formats.damaged(path, "it moves a vertex that the base mesh does not have")
    return vertices, offsets


def _cut(
    body: _Body,
    meshes: dict[str, Mesh],
    targets: dict[str, tuple[Ints, Floats]],
    expressions: dict[str, tuple[Ints, Floats]],
    units: formats.PoseUnits,
) -> HeadData:
    """Keep the bones that move something here and the base vertices in use, and renumber both."""
    bones = _used_bones(body.skeleton, meshes)
    new_bone = np.full(len(body.skeleton.names), -1, np.int32)
    new_bone[bones] = np.arange(len(bones))
    joints = [body.skeleton.joints[bone] for bone in bones]
    needed = [np.concatenate([m.refs.ravel(), m.scale_refs.ravel()]) for m in meshes.values()]
    kept = np.unique(np.concatenate([*needed, *(np.array(joint, np.int32) for joint in joints)]))
    new = np.full(len(body.mesh.positions), -1, np.int32)
    new[kept] = np.arange(len(kept))
    names = tuple(body.skeleton.names[bone] for bone in bones)
    rotations = np.zeros((len(units.names), len(names), 3), np.float32)
    for i, name in enumerate(names):
        if name in units.bones:
            rotations[:, i] = units.rotations[:, units.bones.index(name)]
    parents = np.array([body.skeleton.parents[bone] for bone in bones], np.int32)
    return HeadData(
        body.mesh.positions[kept],
        names,
        np.where(parents < 0, np.int32(-1), new_bone[parents]),
        np.concatenate([new[list(joint)] for joint in joints]),
        np.cumsum([0, *(len(joint) for joint in joints[:-1])]).astype(np.int32),
        units.names,
        rotations,
        _cut_targets(targets, new),
        _cut_targets(expressions, new),
        {name: _renumber(mesh, new, new_bone) for name, mesh in meshes.items()},
    )


def _used_bones(skeleton: formats.Skeleton, meshes: dict[str, Mesh]) -> list[int]:
    """The bones that move a vertex of some mesh, and their ancestors, in order."""
    used: set[int] = set()
    for mesh in meshes.values():
        for bone in np.unique(mesh.bones[mesh.bone_weights > 0]).tolist():
            while bone >= 0 and bone not in used:
                used.add(bone)
                bone = skeleton.parents[bone]
    return sorted(used)


def _cut_targets(
    targets: dict[str, tuple[Ints, Floats]], new: Ints
) -> dict[str, tuple[Ints, Floats]]:
    """The targets that still move something, on the kept vertices."""
    kept: dict[str, tuple[Ints, Floats]] = {}
    for name, (old, offsets) in targets.items():
        vertices = new[old]
        moving = (vertices >= 0) & (np.abs(offsets).max(1) > 1e-4)
        if moving.any():
            kept[name] = vertices[moving], offsets[moving]
    return kept


def _renumber(mesh: Mesh, new: Ints, new_bone: Ints) -> Mesh:
    moved = np.where(mesh.bone_weights > 0, new_bone[mesh.bones], np.int32(0))
    hides = new[mesh.hides]
    return replace(
        mesh,
        refs=new[mesh.refs],
        scale_refs=new[mesh.scale_refs],
        bones=moved,
        hides=hides[hides >= 0],
    )

"""Meshes made anew for each head: grown hair and what a person wears; they follow the bones."""

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.formats import Floats, Ints
from reenact.talking_heads.head_data import HeadData, Mesh
from reenact.talking_heads.locks import Scalp, grow, ribbons
from reenact.talking_heads.person import Person

Array = npt.NDArray[np.float64]

# How what hangs below the chin follows the neck: y (dm from the eyes) where each bone takes over.
_HANG = (("head", -0.75), ("neck03", -1.0), ("neck02", -1.2), ("neck01", -1.4), ("spine01", -1.7))


def free_mesh(data: HeadData, points: Array, uv: Array, triangles: Ints, eyes: Floats) -> Mesh:
    """A mesh that is not bound to the base mesh; points f64[P,3] are relative to `eyes` f32[3].

    What lies above the chin turns with the head; below, the bones of the neck take over.
    """
    count = len(points)
    levels = np.array([y for _, y in _HANG])
    place = np.interp(-points[:, 1], -levels, np.arange(len(levels)))
    low = np.minimum(place.astype(int), len(levels) - 2)
    share = place - low
    names = np.array([data.bone(name) for name, _ in _HANG])
    bones, weights = np.zeros((count, 8), np.int32), np.zeros((count, 8), np.float32)
    bones[:, 0], bones[:, 1] = names[low], names[low + 1]
    weights[:, 0], weights[:, 1] = 1 - share, share
    swap = share == 1  # a weight of 0 ends the list
    bones[swap, 0], weights[swap, 0], weights[swap, 1] = bones[swap, 1], 1, 0
    return Mesh(
        uv=np.asarray(uv, np.float32),
        triangles=triangles,
        position_of=np.arange(count, dtype=np.int32),
        refs=np.zeros((count, 3), np.int32),
        ref_weights=np.zeros((count, 3), np.float32),
        offsets=np.asarray(points + eyes, np.float32),
        scale_refs=np.zeros((3, 2), np.int32),
        scale_lengths=np.ones(3, np.float32),
        bones=bones,
        bone_weights=weights,
        hides=np.zeros(0, np.int32),
    )


def grown_hair(data: HeadData, person: Person, eyes: Floats) -> tuple[Mesh, Floats] | None:
    """The person's hair where it is grown: a mesh and its rest positions f32[P,3], or None."""
    if person.haircut is None:
        return None
    rng = np.random.default_rng([person.seed, 21])
    locks = grow(scalp(data, person.vertices, eyes), person.haircut, person.hairline, rng)
    points, uv, triangles = ribbons(locks, rng)
    mesh = free_mesh(data, points, uv, triangles, eyes)
    return mesh, mesh.offsets


def scalp(data: HeadData, vertices: Floats, eyes: Floats) -> Scalp:
    """The skin of the head `vertices` f32[K,3] whose eyes' middle is `eyes` f32[3]."""
    skin = data.meshes["skin"]
    points = (skin.fit(vertices) - eyes).astype(np.float64)
    base_eyes = data.joints(data.base)[[data.bone("eye.L"), data.bone("eye.R")]].mean(0)
    average = (skin.fit(data.base) - base_eyes).astype(np.float64)
    triangles = skin.position_of[skin.triangles].astype(np.int64)
    a, b, c = (points[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, triangles[:, k], face)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    ears = _ears(data)[skin.refs[:, 0]]
    return Scalp(average, points, normals, triangles, ears)


def _ears(data: HeadData) -> npt.NDArray[np.bool_]:
    """Which base vertices belong to an ear: what the sliders of its parts move."""
    found = np.zeros(len(data.base), bool)
    for name in ("l-ear-wing-incr", "l-ear-flap-incr", "r-ear-wing-incr", "r-ear-flap-incr"):
        moved, offsets = data.targets[name]
        size = np.linalg.norm(offsets, axis=1)
        found[moved[size > 0.1 * size.max()]] = True
    return found

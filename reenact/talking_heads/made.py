"""Meshes made anew for each head: grown hair and what a person wears; they follow the bones."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.accessories import SURFACES, accessories
from reenact.talking_heads.formats import Floats, Ints
from reenact.talking_heads.glasses import spectacles
from reenact.talking_heads.head_data import HeadData, Mesh
from reenact.talking_heads.locks import Haircut, Hairline, Scalp, grow, press, ribbons
from reenact.talking_heads.person import Person
from reenact.talking_heads.shapes import join

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


def made_parts(data: HeadData, person: Person, eyes: Floats) -> list[tuple[str, Mesh, Floats]]:
    """Hair, frame (with all that is worn) and lenses: name, mesh, rest positions f32[P,3]."""
    skin = scalp(data, person.vertices, eyes)
    parts: list[tuple[str, Mesh, Floats]] = []
    lines = None
    if person.haircut is not None:
        rng = np.random.default_rng([person.seed, 21])
        locks = grow(skin, *_below(person), rng)
        lines = locks.lines.reshape(-1, 3)
        if person.outfit.audio == "headphones":
            press(locks.lines, skin)
        parts.append(_part("hair", data, *ribbons(locks, rng), eyes))
    worn = accessories(skin, person.outfit, lines)
    if person.glasses is not None:
        joints = data.joints(person.vertices)
        apart = float(joints[data.bone("eye.L"), 0] - joints[data.bone("eye.R"), 0])
        frame, lenses = spectacles(skin, apart, person.glasses)
        worn.append(("frame", frame))
    if worn:
        points, triangles, pattern = join([shape for _, shape in worn])
        which = [np.full(len(s[0]), SURFACES.index(name), float) for name, s in worn]
        uv = np.column_stack([np.concatenate(which), pattern])
        parts.append(_part("frame", data, points, uv, triangles, eyes))
    if person.glasses is not None:
        parts.append(_part("lens", data, lenses[0], np.zeros((len(lenses[0]), 2)), lenses[1], eyes))
    return parts


def _part(
    name: str,
    data: HeadData,
    points: Array,
    uv: Array,
    triangles: npt.NDArray[np.integer[Any]],
    eyes: Floats,
) -> tuple[str, Mesh, Floats]:
    mesh = free_mesh(data, points, uv, triangles.astype(np.int32), eyes)
    return name, mesh, mesh.offsets


def _below(person: Person) -> tuple[Haircut, Hairline]:
    """Cut and hairline as the hat leaves them."""
    cut, line = person.haircut, person.hairline
    assert cut is not None
    if person.outfit.hat == "none":
        return cut, line
    flat = replace(cut, fringe=0.0, sweep=0.0, lift=min(cut.lift, 0.12), back=0.0)
    return replace(flat, volume=min(cut.volume, 0.08)), replace(line, hat=True)


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

"""The expression targets as they move one person's meshes, each side of the face by itself."""

from dataclasses import dataclass

import numba
import numpy as np
from scipy.spatial import KDTree

from reenact.talking_heads.formats import Floats, Ints
from reenact.talking_heads.head_data import HeadData, Mesh

_HALF_BLEND = 0.10  # dm from the middle of the face over which one side fades into the other
_LID_EDGE, _LID_STILL, _LID_MEETS = 0.06, 0.03, 0.013  # dm: how the lids' edges are told
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Morphs:
    """M morphs of P positions: morph m moves vertices[starts[m]:starts[m + 1]] by as many offsets.

    Names are those of MakeHuman's files with a side in them: mouth-left-open, eye-right-slit.
    """

    names: tuple[str, ...]  # [M]
    starts: Ints  # [M+1]
    vertices: Ints  # [N]
    offsets: Floats  # [N,3] dm

    def move(self, rest: Floats, weights: Floats) -> Floats:
        """rest f32[P,3] moved by the morphs' weights f32[M]."""
        moved = rest.copy()
        _move(weights, self.starts, self.vertices, self.offsets, moved)
        return moved


def make_morphs(data: HeadData, ethnicity: dict[str, float], meshes: list[Mesh]) -> Morphs:
    """Morphs of the meshes' positions, one mesh after another, blended by ancestry.

    A target without a side in its name becomes two that add up to it.
    """
    names = sorted({name.partition("-")[2] for name in data.expressions})
    sided: dict[str, Floats] = {}
    for name in names:
        offsets = np.zeros_like(data.base)
        for ancestry, share in ethnicity.items():
            vertices, moves = data.expressions[f"{ancestry}-{name}"]
            offsets[vertices] += np.float32(share) * moves
        sided |= _by_side(name, offsets, data.base[:, 0])
    refs = np.concatenate([mesh.refs for mesh in meshes])
    pulls = np.concatenate([mesh.ref_weights for mesh in meshes])
    anywhere = np.any([offsets.any(1) for offsets in sided.values()], axis=0)
    movable = np.flatnonzero((anywhere[refs] & (pulls != 0)).any(1)).astype(np.int32)
    found = [_bound(offsets, refs, pulls, movable) for offsets in sided.values()]
    return Morphs(
        tuple(sided),
        np.cumsum([0, *(len(vertices) for vertices, _ in found)]).astype(np.int32),
        np.concatenate([vertices for vertices, _ in found]),
        np.concatenate([offsets for _, offsets in found]),
    )


def _by_side(name: str, offsets: Floats, x: Floats) -> dict[str, Floats]:
    if any(f"-{side}-" in name for side in _SIDES):
        return {name: offsets}
    t = np.clip(x / (2 * _HALF_BLEND) + 0.5, 0, 1)
    left = (t * t * (3 - 2 * t))[:, None].astype(np.float32)
    part, _, what = name.partition("-")
    return {f"{part}-left-{what}": offsets * left, f"{part}-right-{what}": offsets * (1 - left)}


def _bound(offsets: Floats, refs: Ints, pulls: Floats, movable: Ints) -> tuple[Ints, Floats]:
    """Which of the `movable` positions i32[N] take the base vertices' offsets f32[K,3], how far."""
    bound = np.einsum("pk,pkc->pc", pulls[movable], offsets[refs[movable]])
    moved = np.abs(bound).max(1) > 1e-5
    return movable[moved], np.asarray(bound[moved], np.float32)


def lid_reach(data: HeadData, vertices: Floats, side: str) -> float:
    """How far the upper lid of a head f32[K,3] must come down, the base mesh's way being 1.

    The morph of a closing eye lays the upper lid's edge on the lower lid of the base mesh: which
    vertex meets which is found there, and how far apart they are is measured here.
    """
    moved, offsets = data.expressions[f"caucasian-eye-{side}-closure"]
    skin = data.meshes["skin"].refs[:, 0]
    way = np.zeros_like(data.base)
    way[moved] = offsets
    upper, still = skin[way[skin, 1] < -_LID_EDGE], skin[way[skin, 1] > -_LID_STILL]
    apart, nearest = KDTree(data.base[still]).query((data.base + way)[upper])
    upper, lower = upper[apart < _LID_MEETS], still[nearest[apart < _LID_MEETS]]
    here, there = (v[upper, 1] - v[lower, 1] for v in (vertices, data.base))
    return float((here / there).max())


def _move_python(
    weights: Floats, starts: Ints, vertices: Ints, offsets: Floats, moved: Floats
) -> None:
    """Add to moved f32[P,3] what each morph of a weight other than 0 contributes."""
    for m in range(len(weights)):
        if weights[m] != 0:
            for n in range(starts[m], starts[m + 1]):
                for axis in range(3):
                    moved[vertices[n], axis] += weights[m] * offsets[n, axis]


_move = numba.njit(cache=True, fastmath=True)(_move_python)

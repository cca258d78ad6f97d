"""Painted hair: the strands of locks and their colours, lashes, and the strokes of the brows."""

import math
from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from reenact.talking_heads.haircuts import Dye
from reenact.talking_heads.locks import SLOTS
from reenact.talking_heads.raster import Floats, Ints

_LASH_SIZE = (48, 384)  # height (root to tip), width (along the lid)
_LOCK_SIZE = (128, 512)
_FINER = 2  # times as fine is it drawn
_STRANDS = 24  # of a lock
_GREY = np.array([0.20, 0.195, 0.19])


def noise(rng: np.random.Generator, size: int, cells: tuple[int, int], octaves: int = 3) -> Floats:
    """Smooth noise f32[size,size], mean 0, deviation 1; cells = coarsest octave's (down, across)."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        shape = (min(size, cells[0] << octave), min(size, cells[1] << octave))
        grid = rng.standard_normal(shape).astype(np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) * 0.6**octave
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def lock_map(seed: int, rgb: npt.NDArray[np.float64], dye: Dye) -> Floats:
    """Alpha and colour f32[128,512,4] of locks.SLOTS locks side by side, roots on top.

    rgb f64[3]: the hair's reflectance in linear light.
    """
    rng = np.random.default_rng([seed, 22])
    height, width = _LOCK_SIZE
    big = (height * _FINER, width * _FINER)
    cover, shade = np.zeros(big, np.uint8), np.full(big, 128, np.uint8)
    kind = np.zeros((*big, 3), np.uint8)
    paths, reach = _strands(rng, width * _FINER / SLOTS, height * _FINER)
    count = len(paths)
    thick = rng.integers(2, 6, count).tolist()
    tone = np.clip(128 + rng.normal(0, 34, count), 20, 235).tolist()
    lighter = (255.0 * (rng.random(count) < dye.highlights)).tolist()
    grey = np.clip(rng.normal(dye.grey, 0.6 * min(dye.grey, 0.3), count), 0, 1) * 255
    mixed = dye.highlights > 0 or dye.grey > 0
    for k, path in enumerate(paths):
        pixels = path[: reach[k]]
        cv2.polylines(shade, [pixels], False, tone[k], thick[k], cv2.LINE_AA, 4)
        cv2.polylines(cover, [pixels], False, 255, thick[k], cv2.LINE_AA, 4)
        if mixed:
            colour = (lighter[k], float(grey[k]), 0)
            cv2.polylines(kind, [pixels], False, colour, thick[k], cv2.LINE_8, 4)
    alpha, tones, kinds = (
        cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for image in (cover, shade, kind)
    )
    depth = np.repeat(np.linspace(0.62, 1.12, SLOTS), width // SLOTS)[None, :]
    along = np.linspace(0, 1, height)[:, None]
    root = 1 - (0.28 + 0.4 * dye.roots) * np.clip(1 - along / (0.25 + 0.4 * dye.roots), 0, 1)
    tip = 1 + 1.2 * dye.tips * np.clip(along * 1.6 - 0.6, 0, 1)
    brightness = (0.55 + 0.90 * tones) * depth * root * tip
    lighter = rgb * np.array([2.0, 1.9, 1.7]) + 0.02
    colour = rgb + (lighter - rgb) * kinds[..., :1]
    colour = colour + (_GREY - colour) * kinds[..., 1:2]
    return np.ascontiguousarray(
        np.dstack([alpha, np.minimum(colour * brightness[..., None], 0.75)]), np.float32
    )


def _strands(
    rng: np.random.Generator, slot: float, height: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """The strands of all locks in 1/16 pixels, i32[S,12,2], and how many of the points are drawn.

    The inner locks have more of them: they are closed.
    """
    of_slot = np.repeat(np.arange(SLOTS), [_STRANDS + 2 * (SLOTS - k) for k in range(SLOTS)])
    count = len(of_slot)
    t = np.linspace(0, 1, 12)
    x = np.clip(rng.normal(0, 0.22, count), -0.46, 0.46)[:, None]
    waves, phase = rng.uniform(3, 9, (count, 1)), rng.uniform(0, 6.3, (count, 1))
    drawn = x * (1 - 0.45 * t) + 0.03 * np.sin(waves * t + phase) * t
    across = of_slot[:, None] * slot + slot * (0.5 + drawn)
    paths = np.stack([across, np.broadcast_to(t * height, across.shape)], -1)
    share = 1 - 0.35 * rng.random(count) ** 1.5 - 0.15 * np.abs(x[:, 0])
    reach = np.maximum(2, (share * len(t)).astype(int))
    return np.round(paths * 16).astype(np.int32), reach


def islands(triangles: Ints, vertices: int) -> list[Ints]:
    """The triangles of each piece of a mesh that shares no vertex with the others."""
    ends = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]]])
    graph = sparse.coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (vertices, vertices))
    count, label = csgraph.connected_components(graph, directed=False)
    of_triangle = label[triangles[:, 0]]
    return [triangles[of_triangle == k] for k in range(count) if (of_triangle == k).any()]


def lash_coordinates(rest: Floats, triangles: Ints, eyes: Floats) -> Floats:
    """(along the lid, root to tip) in the halves of `lash_map` for lash vertices f32[V,3].

    triangles i32[F,3]; eyes f32[2,3]: the eyeballs' centres.
    """
    uv = np.zeros((len(rest), 2), np.float32)
    for piece in islands(triangles, len(rest)):
        members = np.unique(piece)
        points = rest[members]
        centre = eyes[np.argmin(np.abs(eyes[:, 0] - points[:, 0].mean()))]
        along = np.abs(points[:, 0])
        along = (along - along.min()) / np.ptp(along)
        radius = np.linalg.norm(points - centre, axis=1)
        near = np.abs(along[:, None] - along[None, :]) < 0.08
        root = np.where(near, radius[None, :], np.inf).min(1)
        tip = np.where(near, radius[None, :], -np.inf).max(1)
        uv[members, 0] = along
        out = (radius - root) / np.maximum(tip - root, 1e-3)
        lower = points[:, 1].mean() < centre[1] - 0.02
        uv[members, 1] = 0.5 * np.clip(out, 0, 0.98) + 0.5 * lower
    return uv


def lash_map(seed: int, strength: float) -> Floats:
    """Alpha f32[96,384]: above a dark root line and lashes, below the fine lower lashes."""
    rng = np.random.default_rng(seed)
    height, width = _LASH_SIZE
    t = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    s = np.linspace(0, 1, width, dtype=np.float32)[None, :]
    root = np.clip(1.5 - 6 * t, 0, 1) * (0.75 + 0.25 * strength)
    ends = np.clip(np.minimum(s - 0.02, 0.93 - s) * 7, 0, 1)  # none in the corners of the eye
    upper = root + _lashes(rng, 44, 0.3, 0.6, 3) * (1.1 - t) * (0.3 + 0.6 * strength)
    lower = _lashes(rng, 30, 0.1, 0.3, 2) * (1.1 - t) * (0.12 + 0.4 * strength)
    maps = np.concatenate([upper, lower * np.clip((s - 0.25) * 3, 0, 1)])
    return np.asarray(np.clip(maps, 0, 1) * ends, np.float32)


def _lashes(rng: np.random.Generator, count: int, short: float, long: float, thick: int) -> Floats:
    """Strokes from the lid (row 0) outwards, f32[48,384]; lengths are shares of the height."""
    height, width = _LASH_SIZE
    canvas = np.zeros((height * 2, width * 2), np.uint8)
    for k in range(count):
        x = (k + rng.uniform(0.2, 0.8)) / count * width * 2
        length = rng.uniform(short, long) * height * 2
        lean = rng.normal(0, 5)
        cv2.line(canvas, (int(x), 0), (int(x + lean), int(length)), 255, thick, cv2.LINE_AA)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small.astype(np.float32) / 255)


def brow_strokes(
    rng: np.random.Generator, form: Mapping[str, float], strokes: int = 84
) -> list[tuple[Floats, float]]:
    """Hairs of one brow (x > 0) on the base face: list of (points f32[5,2] in dm, weight 0..1).

    form: see brows.BROWS; lengths in dm. Hairs stand at the nose and lie down along the brow.
    """
    result = []
    for k in range(strokes):
        s = (k + rng.uniform(0, 1)) / strokes
        half = 0.5 * form["brow_thickness"] * _brow_width(s, form["brow_taper"])
        root = _brow_line(s, form) + np.array([0.0, half * rng.uniform(-1.0, 0.55)])
        slope = _brow_line(min(s + 0.05, 1), form) - _brow_line(max(s - 0.05, 0), form)
        tilt = math.atan2(slope[1], slope[0]) + 1.15 - 1.05 * min(s / 0.4, 1.0)
        tilt += rng.normal(0, 0.12 + 0.1 * form["brow_wild"])
        length = rng.uniform(0.045, 0.075) * (1 - 0.3 * s) * (1 + 0.25 * form["brow_wild"])
        t = np.linspace(0, 1, 5)[:, None]
        bend = tilt - 0.5 * t
        path = root + t * length * np.concatenate([np.cos(bend), np.sin(bend)], 1)
        result.append((np.asarray(path, np.float32), float(rng.uniform(0.55, 1.0))))
    return result


def _brow_line(s: float, form: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Middle of the brow at s in [0, 1] from the nose to the temple, canonical x, y in dm."""
    start = 0.115 + form["brow_gap"]
    x = start + (0.475 * form["brow_length"]) * s
    y = np.interp(s, (0, 0.2, 0.45, 0.65, 0.85, 1), (7.415, 7.440, 7.458, 7.457, 7.430, 7.385))
    peak = form["brow_peak"]
    rise = s / peak if s < peak else (1 - s) / (1 - peak)
    lift = form["brow_arch"] * math.sin(0.5 * math.pi * rise) ** (1 + form["brow_corner"])
    return np.array([x, y + lift + form["brow_slant"] * (s - 0.5)])


def _brow_width(s: float, taper: float) -> float:
    tail = 0.7 - 0.25 * taper
    return float(np.interp(s, (0, 0.08, 0.35, 0.7, 1), (0.75, 1, 1, tail, 0.12)))

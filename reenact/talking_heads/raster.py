"""Which triangle is seen at each sample: a numba rasteriser with alpha-tested hair.

Depth is kept as 1/w (w = distance from the camera in decimetres): it is linear on the screen, larger
is nearer, and it is what perspective-correct interpolation needs (Blinn, "Hyperbolic interpolation",
1992). The shadow map uses the same code with an affine depth. No randomness per pixel: an alpha
between 0 and 1 covers a fixed number of the four samples of a pixel, so that equal scenes give equal
pictures and neighbouring frames do not sparkle.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

SKIN, CAVITY, EYES, TEETH, TONGUE, LASH, HAIR, CLOTH, FRAME, LENS = range(10)
MATERIALS = {
    "skin": SKIN,
    "cavity": CAVITY,
    "eyes": EYES,
    "teeth": TEETH,
    "tongue": TONGUE,
    "lash": LASH,
    "hair": HAIR,
    "cloth": CLOTH,
    "frame": FRAME,
    "lens": LENS,
}
"""Part name -> material. Brows are painted on the skin, so their part is not drawn."""

SAMPLES = 2
"""Samples per pixel along each axis."""

_SHADOW_THROWERS = (SKIN, HAIR, CLOTH, FRAME)
_MOUTH_PARTS = (CAVITY, TEETH, TONGUE)
_CARDS = (LASH, HAIR)  # with an alpha
_PUSH_BACK = np.float32(0.045)  # dm: teeth and cavity lie deeper, or gums poke through lips
_PULL_FORWARD = np.float32(0.03)  # dm: lashes lie on the lower lid when the eye is shut, not in it

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile with numba, keep the machine code on disk, and keep the Python type."""
    return cast(F, numba.njit(cache=True, fastmath=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """Like `compiled`, for small functions in pixel loops: passing arrays costs more than they do."""
    return cast(
        F, numba.njit(cache=True, fastmath=True, error_model="numpy", forceinline=True)(function)
    )


class Geometry(NamedTuple):
    """All drawn triangles of a person."""

    triangles: Ints  # [F,3]
    material: Bytes  # [F]
    uv: Floats  # [V,2]; what it means depends on the material, see paint.py
    rest: Floats  # [V,3] as in `Part`


@inlined
def lattice(x: int, y: int, salt: int) -> float:
    """A fixed pseudo-random number in [0, 1) for a lattice point (integer hash)."""
    h = (x * 374761393 + y * 668265263 + salt * 69069) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((h ^ (h >> 16)) & 0xFFFF) * (1.0 / 65536.0)


@inlined
def value_noise(x: float, y: float, salt: int) -> float:
    """Smooth noise in [0, 1) with unit cell size (lattice values, smoothstep between them)."""
    i, j = int(math.floor(x)), int(math.floor(y))
    u, v = x - i, y - j
    u *= u * (3.0 - 2.0 * u)
    v *= v * (3.0 - 2.0 * v)
    top = lattice(i, j, salt) * (1.0 - u) + lattice(i + 1, j, salt) * u
    low = lattice(i, j + 1, salt) * (1.0 - u) + lattice(i + 1, j + 1, salt) * u
    return top * (1.0 - v) + low * v


@inlined
def nearest(texture: Floats, u: float, v: float) -> float:
    """One texel of a [H,W] map, clamped at the edges."""
    x = min(max(int(u * texture.shape[1]), 0), texture.shape[1] - 1)
    y = min(max(int(v * texture.shape[0]), 0), texture.shape[0] - 1)
    return float(texture[y, x])


@inlined
def coverage(
    corners: tuple[int, int, int],
    weights: tuple[float, float, float],
    material: int,
    uv: Floats,
    alphas: tuple[Floats, Floats],
) -> float:
    """Alpha of a lock or lash at barycentric `weights`; alphas = (lash map, hair map)."""
    a, b, c = corners
    p, q, r = weights
    u = p * uv[a, 0] + q * uv[b, 0] + r * uv[c, 0]
    v = p * uv[a, 1] + q * uv[b, 1] + r * uv[c, 1]
    return nearest(alphas[0] if material == LASH else alphas[1], u, v)


@compiled
def visibility(
    triangles: Ints,
    material: Bytes,
    screen: Floats,
    uv: Floats,
    alphas: tuple[Floats, Floats],
    shadow: bool,
    depth: Floats,
    index: Ints,
) -> None:
    """Fill depth f32[n,n] (1/w, 0 = nothing) and index i32[n,n] (triangle, -1 = nothing).

    screen f32[V,3]: x, y in samples (y down) and 1/w. alphas: the lash map and the hair map.
    `shadow` keeps only what throws shadows, seen from both sides.
    """
    depth[:] = 0
    index[:] = -1
    n = depth.shape[0]
    for f in range(len(triangles)):
        m = material[f]
        if shadow and (m not in _SHADOW_THROWERS or (m == HAIR and (f >> 4) & 1)):
            continue  # half of the locks throw shadow enough
        a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
        area = (screen[b, 0] - screen[a, 0]) * (screen[c, 1] - screen[a, 1])
        area -= (screen[b, 1] - screen[a, 1]) * (screen[c, 0] - screen[a, 0])
        behind = area > 0 and m <= TONGUE and not shadow  # y is down: areas in front are negative
        if area == 0 or behind:
            continue
        x_low = min(screen[a, 0], screen[b, 0], screen[c, 0])
        x_high = max(screen[a, 0], screen[b, 0], screen[c, 0])
        y_low = min(screen[a, 1], screen[b, 1], screen[c, 1])
        y_high = max(screen[a, 1], screen[b, 1], screen[c, 1])
        if x_high < 0.5 or y_high < 0.5 or x_low > n - 0.5 or y_low > n - 0.5:
            continue
        x0 = max(0, int(math.ceil(x_low - np.float32(0.5))))
        x1 = min(n - 1, int(math.floor(x_high - np.float32(0.5))))
        y0 = max(0, int(math.ceil(y_low - np.float32(0.5))))
        y1 = min(n - 1, int(math.floor(y_high - np.float32(0.5))))
        if x0 <= x1 and y0 <= y1:
            box, scale = (x0, x1, y0, y1), np.float32(1) / area
            cards = (uv, alphas)
            _fill(f, (a, b, c), m, box, scale, screen, cards, shadow, depth, index)


@inlined
def _fill(
    f: int,
    corners: tuple[int, int, int],
    m: int,
    box: tuple[int, int, int, int],
    scale: float,
    screen: Floats,
    cards: tuple[Floats, tuple[Floats, Floats]],
    shadow: bool,
    depth: Floats,
    index: Ints,
) -> None:
    """Scan one triangle over its bounding box (x0, x1, y0, y1), inclusive."""
    a, b, c = corners
    zero = np.float32(0)
    bx, by, cx, cy = screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
    ax, ay = screen[a, 0], screen[a, 1]
    za, zb, zc = screen[a, 2], screen[b, 2], screen[c, 2]
    if m in _MOUTH_PARTS or m == LASH:
        shift = _PULL_FORWARD if m == LASH else -_PUSH_BACK
        za += shift * za * za
        zb += shift * zb * zb
        zc += shift * zc * zc
    step_a = (by - cy) * scale
    step_b = (cy - ay) * scale
    step_c = -step_a - step_b
    x0, x1, y0, y1 = box
    px = np.float32(x0) + np.float32(0.5)
    for y in range(y0, y1 + 1):
        py = np.float32(y) + np.float32(0.5)
        wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * scale
        wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * scale
        first, last = 0, x1 - x0  # locks are thin and slanted: most of their boxes is empty
        for w, step in ((wa, step_a), (wb, step_b), (np.float32(1) - wa - wb, step_c)):
            if step > zero:
                first = max(first, int(min(-w / step, np.float32(x1))) - 1)
            elif step < zero:
                last = min(last, int(min(w / -step, np.float32(x1))) + 1)
        wa += np.float32(first) * step_a
        wb += np.float32(first) * step_b
        for x in range(x0 + first, x0 + last + 1):
            wc = np.float32(1) - wa - wb
            if wa >= zero and wb >= zero and wc >= zero:
                z = wa * za + wb * zb + wc * zc
                if z > depth[y, x]:
                    seen = True
                    if m in _CARDS:
                        # Cards are small: perspective within one can be left out.
                        alpha = coverage(corners, (wa, wb, wc), m, *cards)
                        # Samples of a pixel get the thresholds 1/8, 3/8, 5/8, 7/8: ordered dither.
                        dither = (y & 1) * 2 + ((x + y) & 1)
                        seen = alpha > (0.4 if shadow else 0.125 + 0.25 * dither)
                    if seen:
                        depth[y, x] = z
                        index[y, x] = f
            wa += step_a
            wb += step_b

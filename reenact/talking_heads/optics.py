"""The light laws of the renderer, one number at a time: reflection, ambient light, shadow, tone."""

import math

import numpy as np

from reenact.talking_heads.raster import Floats, inlined

_ANGLES = np.arange(12) * (math.pi / 3) + np.repeat([0.0, math.pi / 6], 6)
_TAPS = (
    np.repeat([0.45, 1.0], 6)[:, None] * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
).astype(np.float32)


@inlined
def smooth(low: float, high: float, x: float) -> float:
    """Smoothstep from 0 at `low` to 1 at `high`."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


@inlined
def bilinear(texture: Floats, u: float, v: float, out: Floats) -> None:
    """out[c] = texture [H,W,C] at (u, v) in [0, 1], clamped at the edges."""
    height, width, channels = texture.shape
    x = min(max(u * width - 0.5, 0.0), width - 1.001)
    y = min(max(v * height - 0.5, 0.0), height - 1.001)
    i, j = int(x), int(y)
    fx, fy = x - i, y - j
    for c in range(channels):
        top = texture[j, i, c] + (texture[j, i + 1, c] - texture[j, i, c]) * fx
        low = texture[j + 1, i, c] + (texture[j + 1, i + 1, c] - texture[j + 1, i, c]) * fx
        out[c] = top + (low - top) * fy


@inlined
def normalise(v: Floats) -> None:
    """Scale a vector [3] to length 1, in place."""
    scale = 1.0 / math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2] + 1e-12)
    v[0] *= scale
    v[1] *= scale
    v[2] *= scale


@inlined
def wrapped(cosine: float, wrap: float) -> float:
    """Diffuse light that reaches `wrap` beyond the terminator, with a soft shoulder."""
    x = min(max((cosine + wrap) / (1.0 + wrap), 0.0), 1.0)
    return x * (0.55 + 0.45 * x * (3.0 - 2.0 * x))


@inlined
def highlight(normal: Floats, view: Floats, lamp: Floats, roughness: float) -> float:
    """GGX reflection of a lamp, times the cosine; Fresnel 0.04 at normal incidence; capped at 3.

    Times pi, because a lamp of colour 1 makes a white surface that faces it as bright as 1.
    """
    nl = normal[0] * lamp[0] + normal[1] * lamp[1] + normal[2] * lamp[2]
    if nl <= 0.0:
        return 0.0
    hx, hy, hz = view[0] + lamp[0], view[1] + lamp[1], view[2] + lamp[2]
    scale = 1.0 / math.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
    nh = max((normal[0] * hx + normal[1] * hy + normal[2] * hz) * scale, 0.0)
    vh = max((view[0] * hx + view[1] * hy + view[2] * hz) * scale, 0.0)
    nv = max(normal[0] * view[0] + normal[1] * view[1] + normal[2] * view[2], 0.05)
    a2 = roughness * roughness * roughness * roughness
    d = nh * nh * (a2 - 1.0) + 1.0
    k = (roughness + 1.0) * (roughness + 1.0) * 0.125
    masking = 4.0 * (nl * (1.0 - k) + k) * (nv * (1.0 - k) + k)
    o = 1.0 - vh
    fresnel = 0.04 + 0.96 * o * o * o * o * o
    return float(min(a2 * fresnel * nl / (d * d * masking), 3.0))


@inlined
def ambient(harmonics: Floats, c: int, n: Floats) -> float:
    """Light of the room (nine spherical harmonics) in channel c on a surface with normal n."""
    x, y, z = n[0], n[1], n[2]
    value = harmonics[0, c] + harmonics[1, c] * y + harmonics[2, c] * z + harmonics[3, c] * x
    value += harmonics[4, c] * x * y + harmonics[5, c] * y * z + harmonics[7, c] * x * z
    value += harmonics[6, c] * (3.0 * z * z - 1.0) + harmonics[8, c] * (x * x - y * y)
    return float(max(value, 0.0))


@inlined
def openness(depth: Floats, x: int, y: int, reach: float) -> float:
    """Ambient occlusion, 1 = open: twelve taps within `reach` samples, fixed, or frames sparkle."""
    n = depth.shape[0]
    here = 1.0 / depth[y, x]
    hidden = 0.0
    for tap in range(12):
        i = int(x + reach * _TAPS[tap, 0])
        j = int(y + reach * _TAPS[tap, 1])
        if 0 <= i < n and 0 <= j < n and depth[j, i] > 0:
            nearer = here - 1.0 / depth[j, i]
            if nearer > 0.012:
                hidden += smooth(0.012, 0.06, nearer) * (1.0 - smooth(0.18, 0.5, nearer))
    return 1.0 - 0.6 / 12.0 * hidden


@inlined
def lit_fraction(shadow_depth: Floats, matrix: Floats, at: Floats, spread: float) -> float:
    """How much of the key lamp reaches at[0:3] (normal at[3:6]), 0..1.

    4x4 taps, `spread` texels of the shadow map apart, weighted so that the result is smooth while
    things move. Wider taps need more distance from the surface.
    """
    off = 0.010 + 0.005 * spread
    x, y, z = at[0] + at[3] * off, at[1] + at[4] * off, at[2] + at[5] * off
    sx = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3] - 0.5
    sy = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3] - 0.5
    sz = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
    sz += 0.004 + 0.008 * spread
    i, j = int(math.floor(sx / spread)), int(math.floor(sy / spread))
    n = shadow_depth.shape[0]
    last = int((n - 1) / spread) - 3
    if i < 1 or j < 1 or i > last or j > last:
        return 1.0
    fx, fy = sx / spread - i, sy / spread - j
    total = 0.0
    for row in range(-1, 3):
        wy = 1.0 - fy if row == -1 else (fy if row == 2 else 1.0)
        v = int((j + row) * spread + 0.5)
        for column in range(-1, 3):
            if shadow_depth[v, int((i + column) * spread + 0.5)] < sz:
                total += wy * (1.0 - fx if column == -1 else (fx if column == 2 else 1.0))
    return total * (1.0 / 9.0)


@inlined
def tone(x: float) -> float:
    """Linear light -> display value in [0, 1]: a filmic curve with a gentle toe, then sRGB's.

    The first is Narkowicz's form (2015) with softer constants, the second a fit by three roots,
    error < 0.004 (Ian Taylor, "sRGB approximations for HLSL").
    """
    x = min(x * (2.51 * x + 0.12) / (x * (2.43 * x + 0.65) + 0.15), 1.0)
    a = math.sqrt(x)
    b = math.sqrt(a)
    return max(
        0.662002687 * a + 0.684122060 * b - 0.323583601 * math.sqrt(b) - 0.0225411470 * x, 0.0
    )

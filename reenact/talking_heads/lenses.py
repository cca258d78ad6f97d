"""Lenses of glasses: they tint what is behind them and mirror lamps and room faintly."""

import math

import numpy as np

from reenact.talking_heads.optics import ambient, highlight, normalise, tone
from reenact.talking_heads.raster import SAMPLES, Bytes, Floats, Geometry, Ints, compiled
from reenact.talking_heads.shade import Buffers, interpolate
from reenact.talking_heads.surfaces import Light, Shot

_MIRRORED = 0.35  # share of the room's reflection that a coated lens keeps
_ROUGHNESS = 0.10


@compiled
def glaze(
    b: Buffers,
    lenses: Geometry,
    depth: Floats,
    seen: Ints,
    tint: Floats,
    light: Light,
    shot: Shot,
    rgb: Bytes,
) -> None:
    """Lay lenses over the picture rgb u8[s,s,3].

    depth f32[n,n] and seen i32[n,n]: their visibility pass; tint f32[3].
    """
    size = rgb.shape[0]
    at, view, mirror = np.zeros(11, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    for y in range(size):
        for x in range(size):
            count, f = 0, -1
            for sy in range(y * SAMPLES, (y + 1) * SAMPLES):
                for sx in range(x * SAMPLES, (x + 1) * SAMPLES):
                    if seen[sy, sx] >= 0 and depth[sy, sx] > b.depth[sy, sx]:
                        count += 1
                        f = seen[sy, sx]
            if count == 0:
                continue
            interpolate(
                lenses.triangles[f], (x + 0.5) * SAMPLES, (y + 0.5) * SAMPLES, b, lenses, at
            )
            for c in range(3):
                view[c] = shot.camera[c] - at[c]
            normalise(view)
            facing = at[3] * view[0] + at[4] * view[1] + at[5] * view[2]
            if facing < 0:
                facing = -facing
                for c in range(3, 6):
                    at[c] = -at[c]
            for c in range(3):
                mirror[c] = 2.0 * facing * at[3 + c] - view[c]
            fresnel = 0.04 + 0.96 * (1.0 - facing) ** 5
            share = count / (SAMPLES * SAMPLES)
            for c in range(3):
                glow = max(ambient(light.harmonics, c, mirror), 0.0) * fresnel * _MIRRORED
                for k in range(3):
                    gleam = highlight(at[3:6], view, light.directions[k], _ROUGHNESS)
                    glow += 0.5 * gleam * light.colours[k, c]
                seen_through = rgb[y, x, c] * tint[c] / 255.0
                mirrored = tone(glow * light.exposure[c])
                lit = math.sqrt(seen_through * seen_through + mirrored * mirrored)  # light adds
                value = rgb[y, x, c] + (255.0 * min(lit, 1.0) - rgb[y, x, c]) * share
                rgb[y, x, c] = int(value + 0.5)

"""Colour of every pixel: deferred shading in linear light.

Each material is shaded once per pixel it is seen in, only eyes at all their samples.

Skin: diffuse light wrapped around the terminator and blind to fine relief, more in red than in blue
(stand-ins for light that travels under the skin; the second is "blended normals", Ma et al. 2007),
and a GGX highlight on the fine relief. Hair: two Kajiya-Kay lobes. Eyes: painted
iris, shade of the lids, a catchlight.
"""

import math
from typing import NamedTuple

import numpy as np

from reenact.talking_heads.optics import (
    ambient,
    highlight,
    lit_fraction,
    normalise,
    openness,
    smooth,
    tone,
    wrapped,
)
from reenact.talking_heads.raster import (
    CLOTH,
    EYES,
    FRAME,
    HAIR,
    LASH,
    SAMPLES,
    SKIN,
    TEETH,
    TONGUE,
    Bytes,
    Floats,
    Geometry,
    Ints,
    compiled,
    inlined,
    value_noise,
)
from reenact.talking_heads.surfaces import (
    Light,
    Paint,
    Shot,
    cloth_surface,
    eye_surface,
    hair_surface,
    mouth_surface,
    put,
    skin_surface,
    worn_surface,
)

__all__ = ["Buffers", "shade"]

_SATURATION = 1.15  # what the tone curve takes from the colours
_LABEL_OF = np.array([2, 5, 4, 5, 5, 4, 1, 1, 1], np.uint8)  # by material


class Buffers(NamedTuple):
    """Results of the two visibility passes and what they were made from."""

    depth: Floats  # [n,n] 1/w, n = SAMPLES * size
    seen: Ints  # [n,n] triangle or -1
    shadow_depth: Floats  # [m,m]
    screen: Floats  # [V,3]
    positions: Floats  # [V,3]
    normals: Floats  # [V,3]


@inlined
def interpolate(triangle: Ints, x: float, y: float, b: Buffers, mesh: Geometry, at: Floats) -> None:
    """The triangle's point at screen (x, y).

    at[0:3] = position, [3:6] = unit normal, [6:8] = uv, [8:11] = rest position.
    """
    i, j, k = triangle[0], triangle[1], triangle[2]
    ax, ay, bx, by = b.screen[i, 0], b.screen[i, 1], b.screen[j, 0], b.screen[j, 1]
    cx, cy = b.screen[k, 0], b.screen[k, 1]
    scale = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    p = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * scale
    q = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * scale
    r = (1.0 - p - q) * b.screen[k, 2]
    p *= b.screen[i, 2]
    q *= b.screen[j, 2]
    scale = 1.0 / (p + q + r)
    p *= scale
    q *= scale
    r *= scale
    for c in range(3):
        at[c] = p * b.positions[i, c] + q * b.positions[j, c] + r * b.positions[k, c]
        at[3 + c] = p * b.normals[i, c] + q * b.normals[j, c] + r * b.normals[k, c]
        at[8 + c] = p * mesh.rest[i, c] + q * mesh.rest[j, c] + r * mesh.rest[k, c]
    for c in range(2):
        at[6 + c] = p * mesh.uv[i, c] + q * mesh.uv[j, c] + r * mesh.uv[k, c]
    normalise(at[3:6])


@inlined
def hair_glint(at: Floats, view: Floats, lamp: Floats, tangent: Floats) -> tuple[float, float]:
    """Kajiya-Kay: (sharp white lobe, broad tinted lobe) of one lamp."""
    hx, hy, hz = lamp[0] + view[0], lamp[1] + view[1], lamp[2] + view[2]
    along = tangent[0] * hx + tangent[1] * hy + tangent[2] * hz
    sine2 = max(1.0 - along * along / (hx * hx + hy * hy + hz * hz + 1e-6), 0.0)
    facing = at[3] * lamp[0] + at[4] * lamp[1] + at[5] * lamp[2]
    facing = min(max(0.7 * facing + 0.3, 0.0), 1.0)
    p4 = sine2 * sine2
    p16 = p4 * p4 * p4 * p4
    return facing * p16 * p16 * p16, facing * p4 * p4 * sine2


@inlined
def strand_direction(triangle: Ints, b: Buffers, mesh: Geometry, tangent: Floats) -> None:
    """tangent[0:3] = where v of the map grows on the triangle: along the strands of a lock."""
    i, j, k = triangle[0], triangle[1], triangle[2]
    p, q = mesh.uv[j, 0] - mesh.uv[i, 0], mesh.uv[k, 0] - mesh.uv[i, 0]
    for c in range(3):
        one, two = b.positions[j, c] - b.positions[i, c], b.positions[k, c] - b.positions[i, c]
        tangent[c] = two * p - one * q
    normalise(tangent[0:3])


@inlined
def add_hair_glints(
    at: Floats,
    view: Floats,
    light: Light,
    strength: float,
    lit: float,
    tangent: Floats,
    surface: Floats,
    colour: Floats,
) -> None:
    """Add the highlights of all lamps to strands along `tangent`, which are a little uneven."""
    tilt = (value_noise(at[8] * 38.0, at[9] * 3.0 + at[10] * 2.0, 31) - 0.5) * 0.4
    # Laid into the smooth surface, so that the ends of segments are not seen.
    tilt -= tangent[0] * at[3] + tangent[1] * at[4] + tangent[2] * at[5]
    for c in range(3):
        tangent[c] += tilt * at[3 + c]
    normalise(tangent)
    for k in range(3):
        sharp, broad = hair_glint(at, view, light.directions[k], tangent)
        weight = strength * (lit if k == 0 else 1.0)
        for c in range(3):
            glint = 0.05 * sharp + 0.55 * broad * (surface[c] + 0.015)
            colour[c] += light.colours[k, c] * weight * glint


@inlined
def light_surface(
    at: Floats,
    fine: Floats,
    view: Floats,
    surface: Floats,
    light: Light,
    lit: float,
    mirror: Floats,
    colour: Floats,
) -> None:
    """colour[3] = diffuse and specular light from the lamps and the room."""
    facing = fine[0] * view[0] + fine[1] * view[1] + fine[2] * view[2]
    for c in range(3):
        mirror[c] = 2.0 * facing * fine[c] - view[c]
    grazing = 1.0 - max(facing, 0.0)
    fresnel = 0.04 + 0.96 * grazing * grazing * grazing * grazing * grazing
    specular, roughness, occlusion = surface[3], surface[4], surface[5]
    for c in range(3):
        reflected = ambient(light.harmonics, c, mirror) * fresnel * 0.4 * (1.0 - 0.8 * roughness)
        colour[c] = (
            surface[c] * ambient(light.harmonics, c, at[3:6]) * occlusion
            + specular * reflected * occlusion
        )
    for k in range(3):
        lamp = light.directions[k]
        smooth_cosine = at[3] * lamp[0] + at[4] * lamp[1] + at[5] * lamp[2]
        fine_cosine = fine[0] * lamp[0] + fine[1] * lamp[1] + fine[2] * lamp[2]
        gleam = highlight(fine, view, lamp, roughness) * specular if specular > 0 else 0.0
        for c in range(3):
            wrap = surface[6 + c]
            cosine = smooth_cosine + (fine_cosine - smooth_cosine) * (1.0 - 1.2 * wrap)
            strength = wrapped(cosine, wrap) * occlusion
            if k == 0:  # red creeps into the edges of its shadow
                strength = wrapped(cosine, wrap) * (0.4 + 0.6 * occlusion)
                strength *= lit + wrap * lit * (1.0 - lit)
                gleam_here = gleam * lit * occlusion
            else:
                gleam_here = gleam * occlusion
            colour[c] += light.colours[k, c] * (surface[c] * strength + gleam_here)


@inlined
def add_catchlight(
    at: Floats, view: Floats, light: Light, lit: float, mirror: Floats, colour: Floats
) -> None:
    """Bright spots where the eye mirrors key and fill, pulled forward so that they lie on the eye."""
    for k in range(2):
        lamp, strength = light.directions[k], (0.55, 0.30)[k]
        x, y, z = 0.7 * lamp[0] + view[0], 0.7 * lamp[1] + view[1] + 0.1, 0.7 * lamp[2] + view[2]
        along = (mirror[0] * x + mirror[1] * y + mirror[2] * z) / math.sqrt(x * x + y * y + z * z)
        spot = smooth(0.955, 0.985, along) * (0.5 + 0.5 * lit) * strength
        for c in range(3):
            colour[c] += (0.25 * (1 - k) + light.colours[k, c]) * spot


@inlined
def lid_gap(b: Buffers, mesh: Geometry, x: float, y: float, way: int, shot: Shot) -> float:
    """How far the upper (way = -1) or lower (1) lid is on the screen: 0 at the lid .. 1 or more."""
    n, reach = b.seen.shape[0], max(int(0.8 * shot.reach), 1)
    length = math.sqrt(shot.head[0, 1] ** 2 + shot.head[1, 1] ** 2 + 1e-6)
    right, down = -way * shot.head[0, 1] / length, way * shot.head[1, 1] / length
    for step in range(1, reach + 1):
        i, j = int(x + right * step), int(y + down * step)
        if i < 0 or j < 0 or i >= n or j >= n:
            return 1.0
        if b.seen[j, i] < 0 or mesh.material[b.seen[j, i]] != EYES:
            return (step - 0.5) / reach
    return 1.0


@inlined
def shade_sample(
    f: int,
    m: int,
    x: float,
    y: float,
    b: Buffers,
    mesh: Geometry,
    paint: Paint,
    light: Light,
    shot: Shot,
    scratch: Floats,
) -> int:
    """Shade triangle f (material m) at (x, y): linear colour in scratch[0, 0:3]; its label."""
    colour, at, surface = scratch[0], scratch[1], scratch[2]
    view, texel, mirror, fine = scratch[3], scratch[4], scratch[5], scratch[6]
    interpolate(mesh.triangles[f], x, y, b, mesh, at)
    for c in range(3):
        view[c] = shot.camera[c] - at[c]
    normalise(view[0:3])
    if m > TONGUE and at[3] * view[0] + at[4] * view[1] + at[5] * view[2] < 0:
        for c in range(3, 6):
            at[c] = -at[c]
    for c in range(3):
        fine[c] = at[3 + c]
    label = int(_LABEL_OF[m])
    if m == SKIN:
        label = skin_surface(at, fine, paint, shot, texel, surface)
    elif m == EYES:
        lids = lid_gap(b, mesh, x, y, -1, shot), lid_gap(b, mesh, x, y, 1, shot)
        eye_surface(at, fine, view, paint, shot, lids, texel, surface)
    elif m == HAIR:
        hair_surface(at, paint, shot, texel, surface)
    elif m == LASH:
        put(surface, paint.lash_colour, 1.0, 0.0, 0.5, 0.0)
    elif m == CLOTH:
        cloth_surface(at, paint, surface)
    elif m == FRAME:
        worn_surface(at, paint, surface)
    else:
        mouth_surface(m, at, paint, shot, surface)
    lit = lit_fraction(b.shadow_depth, shot.shadow_matrix, at, light.penumbra)
    if m == HAIR:
        lit = 0.5 + 0.5 * lit  # light goes on between strands
    elif m == TEETH:
        lit = 0.4 + 0.6 * lit  # and through thin lips
    light_surface(at, fine, view, surface, light, lit, mirror, colour)
    if m == EYES:
        add_catchlight(at, view, light, lit, mirror, colour)
    elif m == HAIR:
        strand_direction(mesh.triangles[f], b, mesh, mirror)
        add_hair_glints(
            at, view, light, min(1.0, 0.8 / paint.hair_lean), lit, mirror, surface, colour
        )
    return label


@compiled
def shade(
    b: Buffers,
    mesh: Geometry,
    paint: Paint,
    light: Light,
    shot: Shot,
    background: Floats,
    rgb: Bytes,
    alpha: Bytes,
    labels: Bytes,
) -> None:
    """Fill rgb u8[s,s,3], alpha u8[s,s] and labels u8[s,s].

    background f32[s,s,3] holds display values in [0, 1].
    """
    size = rgb.shape[0]
    scratch = np.zeros((7, 11), np.float32)
    total = np.zeros(3, np.float32)
    seen = np.zeros(9, np.int32)
    share = 1.0 / (SAMPLES * SAMPLES)
    for y in range(size):
        for x in range(size):
            seen[:] = 0
            empty = 0
            for sy in range(y * SAMPLES, (y + 1) * SAMPLES):
                for sx in range(x * SAMPLES, (x + 1) * SAMPLES):
                    f = b.seen[sy, sx]
                    if f < 0:
                        empty += 1
                    else:
                        seen[mesh.material[f]] += 1
            for c in range(3):
                total[c] = background[y, x, c] * empty
            best, open_ = empty, -1.0
            labels[y, x] = 0
            for sy in range(y * SAMPLES, (y + 1) * SAMPLES):
                for sx in range(x * SAMPLES, (x + 1) * SAMPLES):
                    f = b.seen[sy, sx]
                    if f < 0 or seen[mesh.material[f]] == 0:
                        continue
                    m = mesh.material[f]
                    if open_ < 0:
                        open_ = openness(b.depth, sx, sy, shot.reach)
                        if m == HAIR:
                            open_ = 0.6 + 0.4 * open_
                    label = shade_sample(
                        f, m, sx + 0.5, sy + 0.5, b, mesh, paint, light, shot, scratch
                    )
                    grey = 0.3 * scratch[0, 0] + 0.6 * scratch[0, 1] + 0.1 * scratch[0, 2]
                    weight = 1 if m == EYES else seen[m]  # small and full of edges: every sample
                    for c in range(3):
                        linear = max(grey + (scratch[0, c] - grey) * _SATURATION, 0.0)
                        total[c] += tone(linear * light.exposure[c] * open_) * weight
                    if seen[m] > best:
                        best = seen[m]
                        labels[y, x] = label
                    seen[m] -= weight
            alpha[y, x] = 255 - int(255 * empty * share)
            for c in range(3):
                rgb[y, x, c] = int(min(total[c] * share, 1.0) * 255.0 + 0.5)

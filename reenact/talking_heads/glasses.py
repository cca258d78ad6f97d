"""Glasses: frames made of tubes around the eyes, and their lenses."""

from dataclasses import dataclass, replace

import numpy as np

from reenact.talking_heads.locks import Scalp
from reenact.talking_heads.shapes import Points, Shape, fan, join, tube

Rgb = tuple[float, float, float]
Rng = np.random.Generator

_RIM_POINTS = 40


@dataclass(frozen=True)
class Glasses:
    """The form of a pair of glasses."""

    width: float  # half width of a rim over the distance of the eyes
    height: float  # height of a rim over its width
    squareness: float  # exponent of the superellipse: 2 is an ellipse
    thickness: float  # radius of the frame's tubes, dm
    rgb: Rgb  # linear light
    lift: float = 0.0  # the outer corners rise: cat's eyes; share of the height
    drop: float = 0.0  # the lower half hangs: aviators; share of the height
    rim: str = "full"  # full, half (none below) or none
    tint: Rgb = (1.0, 1.0, 1.0)  # what the lenses let through; the eyes stay visible


_PLAIN = Glasses(0.40, 0.80, 2.4, 0.012, (0.02, 0.02, 0.02))
GLASSES: dict[str, Glasses] = {
    "oval": replace(_PLAIN, height=0.72),
    "round": replace(_PLAIN, width=0.37, height=0.98, squareness=2.0),
    "rectangular": replace(_PLAIN, width=0.42, height=0.62, squareness=5.0),
    "square": replace(_PLAIN, width=0.41, height=0.86, squareness=4.5, thickness=0.020),
    "cat's eye": replace(_PLAIN, height=0.74, squareness=2.8, lift=0.35, thickness=0.018),
    "aviator": replace(_PLAIN, width=0.43, height=0.86, squareness=2.6, drop=0.25, thickness=0.008),
    "half rim": replace(_PLAIN, width=0.42, height=0.64, squareness=4.0, rim="half"),
    "rimless": replace(_PLAIN, height=0.68, squareness=3.2, thickness=0.007, rim="none"),
    "large": replace(_PLAIN, width=0.455, height=0.92, squareness=2.8, thickness=0.011),
}


def draw_glasses(rng: Rng, form: Glasses) -> Glasses:
    """One pair of a form, in some colour."""
    dark = np.array((0.015, 0.012, 0.010)) * np.exp(rng.normal(0, 0.6, 3) * [1, 0.6, 0.6])
    metal = np.array([(0.5, 0.45, 0.4), (0.6, 0.42, 0.15)][int(rng.random() < 0.4)])
    bright = np.clip(rng.dirichlet([0.6, 0.6, 0.6]) * 0.5, 0.01, 0.5)
    thin = form.thickness < 0.01
    kinds, odds = (dark, metal, bright), (0.2, 0.75, 0.05) if thin else (0.62, 0.2, 0.18)
    rgb = kinds[int(rng.choice(3, p=odds))]
    depth = rng.choice([0.03, 0.07, 0.14], p=[0.7, 0.2, 0.1])
    tint = 1 - depth * rng.uniform(0.6, 1.4, 3)
    wide, high, thick = rng.uniform(0.95, 1.05), rng.uniform(0.92, 1.08), rng.uniform(0.8, 1.3)
    return replace(
        form,
        width=form.width * wide,
        height=form.height * high,
        thickness=form.thickness * thick,
        rgb=(float(rgb[0]), float(rgb[1]), float(rgb[2])),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
    )


def spectacles(scalp: Scalp, distance: float, glasses: Glasses) -> tuple[Shape, Shape]:
    """Frame and lenses for a head; distance: between the eyes, dm."""
    half_head, front = _head_size(scalp.points[~scalp.ears])
    half_width = distance * glasses.width
    half_height = half_width * glasses.height
    middle_y = -0.03

    def bent(points: Points) -> Points:
        """Put (x, y) points on the frame's slightly wrapped front."""
        return np.column_stack([points, front - 0.10 * (points[:, 0] / half_head) ** 2])

    outline = _outline(glasses) * [half_width, half_height]
    tubes, lenses = [], []
    for side in (1.0, -1.0):
        centre = np.array([side * (distance / 2 + 0.01), middle_y])
        rim = bent(centre + outline * [side, 1])
        lenses.append(fan(rim))
        if glasses.rim != "none":
            upper = rim if glasses.rim == "full" else rim[: _RIM_POINTS // 2 + 1]
            tubes.append(tube(upper, glasses.thickness, glasses.rim == "full"))
        corner = [centre[0] + side * half_width, middle_y + half_height * (0.35 + glasses.lift)]
        temple = _temple(bent(np.array([corner]))[0], side, half_head, front, half_height)
        tubes.append(tube(temple, glasses.thickness * 0.9, False))
    t = np.linspace(-1, 1, 7)
    bow = 1 - t**2
    gap = distance / 2 + 0.01 - half_width
    bridge = [t * gap, middle_y + half_height * 0.25 + 0.03 * bow, front + 0.012 * bow]
    tubes.append(tube(np.stack(bridge, 1), glasses.thickness, False))
    return join(tubes), join(lenses)


def _outline(glasses: Glasses) -> Points:
    """The rim of the left lens for half width and half height 1: |x|^n + |y|^n = 1, reshaped."""
    angles = np.linspace(0, 2 * np.pi, _RIM_POINTS, endpoint=False)
    power = 2 / glasses.squareness
    x = np.sign(np.cos(angles)) * np.abs(np.cos(angles)) ** power
    y = np.sign(np.sin(angles)) * np.abs(np.sin(angles)) ** power
    y = y + glasses.lift * np.maximum(x, 0) ** 2 * (0.6 + 0.4 * y)
    below = np.maximum(-y, 0)
    x = x * (1 - 0.5 * glasses.drop * below) + 0.3 * glasses.drop * below
    return np.stack([x, y - glasses.drop * below], 1)


def _temple(hinge: Points, side: float, half_head: float, front: float, height: float) -> Points:
    """The arm from the hinge back to the ear."""
    out = min(half_head, abs(hinge[0]) + 0.07)
    arm = [
        (abs(hinge[0]) * 0.6 + out * 0.4 + 0.012, height * 0.36, hinge[2] - 0.035),
        (out, height * 0.38, front - 0.30),
        (out + 0.02, height * 0.4, -0.795),
        (out - 0.02, height * 0.1, -1.095),
    ]
    return np.array([hinge, *((side * x, y - 0.03, z) for x, y, z in arm)])


def _head_size(skin: Points) -> tuple[float, float]:
    """Half the head's width at the temples, and the front of the nose's bridge with some room."""
    sideways, above = np.abs(skin[:, 0]), skin[:, 1]
    temple = (np.abs(above) < 0.12) & (skin[:, 2] > -0.79) & (skin[:, 2] < -0.34)
    bridge = (sideways < 0.06) & (np.abs(above + 0.02) < 0.08)
    return float(np.percentile(sideways[temple], 97)), float(skin[bridge, 2].max()) + 0.02

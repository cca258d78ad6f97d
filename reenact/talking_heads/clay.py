"""Simple solids seen from the front: heights and colours on a grid, lit as one."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.raster import Floats

Colour = npt.NDArray[np.float64]
Point = tuple[float, float]
Grid = npt.NDArray[np.floating[Any]]
Solid = Callable[[Grid, Grid], tuple[Grid, Grid]]

_LEFT, _TOP, _WIDTH, _HEIGHT = -0.9, -1.7, 2.3, 4.2  # lengths; the grid around the origin


class Clay:
    """A relief to be modelled: x to the right, y down, height towards the camera, all in lengths.

    The nearest surface wins; colours are linear light.
    """

    def __init__(self, scale: float) -> None:
        """scale: px of the picture for a length of 1."""
        self._scale = scale
        size = (round(_HEIGHT * scale), round(_WIDTH * scale))
        self._height = np.full(size, -9.0, np.float32)
        self._cover = np.zeros(size, np.float32)
        self._colour = np.zeros((*size, 3), np.float32)
        self._at = (np.arange(size[0], dtype=np.float32) + 0.5) / np.float32(scale)

    def _add(self, box: tuple[float, float, float, float], make: Solid, colour: Colour) -> None:
        """make(x, y) -> (distance to the edge, > 0 inside; height), for the grid inside a box."""
        x0, y0, x1, y1 = box
        margin, k = 2 / self._scale, self._scale
        columns = slice(
            max(int((x0 - margin - _LEFT) * k), 0), max(int((x1 + margin - _LEFT) * k), 0)
        )
        rows = slice(max(int((y0 - margin - _TOP) * k), 0), max(int((y1 + margin - _TOP) * k), 0))
        wide = self._cover.shape[1]
        x = self._at[None, :wide][:, columns] + np.float32(_LEFT)
        y = self._at[rows, None] + np.float32(_TOP)
        if not x.size or not y.size:
            return
        inside, height = make(x, y)
        cover = np.clip(inside * k + 0.5, 0, 1)
        covered, before, part = (
            a[rows, columns] for a in (self._cover, self._height, self._colour)
        )
        nearer = (cover > 0) & (height > before)
        empty = covered <= 0
        weight = np.where(empty, 1, cover) * nearer
        part += weight[..., None] * (colour - part)
        np.copyto(before, height, where=nearer & (empty | (cover > 0.5)))
        np.maximum(covered, cover, out=covered)

    def capsule(
        self, a: Point, b: Point, ra: float, rb: float, colour: Colour, lift: float = 0.0
    ) -> None:
        """A rod with round ends of radii ra and rb; lift: its axis is that much nearer."""
        dx, dy = b[0] - a[0], b[1] - a[1]
        long2 = dx * dx + dy * dy + 1e-9

        def make(x: Grid, y: Grid) -> tuple[Grid, Grid]:
            t = np.clip(((x - a[0]) * dx + (y - a[1]) * dy) / long2, 0, 1)
            radius = ra + t * (rb - ra)
            away = np.hypot(x - a[0] - t * dx, y - a[1] - t * dy)
            return radius - away, lift + np.sqrt(np.maximum(radius**2 - away**2, 0))

        r = max(ra, rb)
        box = (min(a[0], b[0]) - r, min(a[1], b[1]) - r, max(a[0], b[0]) + r, max(a[1], b[1]) + r)
        self._add(box, make, colour)

    def cylinder(self, x0: float, x1: float, y0: float, y1: float, colour: Colour) -> None:
        """An upright can, a little narrower and rounder at its foot."""
        middle, half = 0.5 * (x0 + x1), 0.5 * (x1 - x0)

        def make(x: Grid, y: Grid) -> tuple[Grid, Grid]:
            wide = half * (1 - 0.08 * np.clip((y - y0) / (y1 - y0), 0, 1))
            foot = y1 - 0.25 * half * ((x - middle) / half) ** 2  # seen from a little above
            inside = np.minimum(wide - abs(x - middle), np.minimum(y - y0, foot - y))
            return inside, np.sqrt(np.maximum(wide**2 - (x - middle) ** 2, 0))

        self._add((x0, y0, x1, y1), make, colour)

    def rim(self, half: float, tall: float, colour: Colour) -> None:
        """The opening of a can at y = 0, half wide and tall, with a dark inside."""

        def ellipse(scale: float, height: float) -> Solid:
            def make(x: Grid, y: Grid) -> tuple[Grid, Grid]:
                r = np.hypot(x / (half * scale), y / (tall * scale))
                return (1 - r) * tall * scale, np.full(r.shape, height, np.float32)

            return make

        box = (-half, -tall, half, tall)
        self._add(box, ellipse(1.0, half + 0.01), np.minimum(colour * 1.25, 0.95))
        self._add(box, ellipse(0.9, half + 0.02), colour * 0.3)

    def slab(
        self,
        x0: float,
        x1: float,
        y0: float,
        y1: float,
        round_: float,
        colour: Colour,
        lift: float = 0.0,
    ) -> None:
        """A flat thing with rounded corners and edges."""

        def make(x: Grid, y: Grid) -> tuple[Grid, Grid]:
            qx = np.maximum(np.maximum(x0 + round_ - x, x - x1 + round_), 0)
            qy = np.maximum(np.maximum(y0 + round_ - y, y - y1 + round_), 0)
            inside = round_ - np.hypot(qx, qy)
            return inside, lift + 0.35 * np.sqrt(np.clip(inside, 0, round_))

        self._add((x0, y0, x1, y1), make, colour)

    def roughen(self, rng: np.random.Generator, amount: float) -> None:
        """A mesh or foam: colours vary from pixel to pixel."""
        coarse = rng.standard_normal((round(30 * _HEIGHT), round(30 * _WIDTH)), np.float32)
        grain = cv2.resize(coarse, self._cover.shape[::-1], interpolation=cv2.INTER_LINEAR)
        self._colour *= np.exp(amount * np.asarray(grain, np.float32))[..., None]

    def bake(self, light: float) -> Floats:
        """Display values and alpha f32[h,w,4], premultiplied; light: -1 from the left .. 1 right."""
        floor = self._height[self._cover > 0].min()
        soft = cv2.GaussianBlur(np.maximum(self._height, floor), (0, 0), 0.012 * self._scale + 0.3)
        gy, gx = (g * np.float32(self._scale) for g in np.gradient(np.asarray(soft, np.float32)))
        lamp = np.array([0.6 * light, -0.55, 0.75], np.float32)
        lamp /= np.linalg.norm(lamp)
        cosine = (lamp[2] - gx * lamp[0] - gy * lamp[1]) / np.sqrt(1 + gx**2 + gy**2)
        around = cv2.GaussianBlur(soft, (0, 0), 0.05 * self._scale)
        hollow = np.clip((around - soft) * 4, 0, 0.6)
        baked = np.empty((*self._cover.shape, 4), np.float32)
        baked[..., 3] = self._cover
        for c, wrap in enumerate((0.35, 0.2, 0.15)):  # red goes furthest into flesh
            lit = 0.32 + 0.85 * np.maximum((cosine + wrap) / (1 + wrap), 0)
            linear = self._colour[..., c] * lit * (1 - hollow * (0.8 if c == 0 else 1))
            baked[..., c] = self._cover * np.sqrt(np.clip(linear, 0, 1)) ** np.float32(0.91)
        return baked

    def placed(self, where: Colour, turn: float, mirrored: float) -> Colour:
        """Matrix [2,3] from the baked relief to the picture: origin at `where` px, turned clockwise."""
        cos, sin = np.cos(turn), np.sin(turn)
        rotate = np.array([[cos * mirrored, -sin], [sin * mirrored, cos]])
        origin = -np.array([_LEFT, _TOP]) * self._scale
        return np.column_stack([rotate, where - rotate @ origin])

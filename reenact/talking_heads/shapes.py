"""Simple surfaces for what people wear: tubes, sheets, balls; points f64[P,3] and triangles."""

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
Triangles = npt.NDArray[np.int64]
Shape = tuple[Points, Triangles, Points]
"""Points [P,3], triangles [F,3], and the pattern's coordinate [P] (0.5 = plain)."""

_SIDES = 6


def tube(path: Points, radius: float, closed: bool) -> Shape:
    """A tube around a polyline [N,3]."""
    along = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        along[0], along[-1] = path[1] - path[0], path[-1] - path[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    flat = np.abs(along[:, 2]).mean() < 0.7
    up = np.array([0.0, 0.0, 1.0]) if flat else np.array([0.0, 1.0, 0.0])
    right = np.cross(along, up)
    right /= np.linalg.norm(right, axis=1, keepdims=True) + 1e-9
    over = np.cross(right, along)
    turn = np.arange(_SIDES) / _SIDES * 2 * np.pi
    ring = np.cos(turn)[:, None] * right[:, None] + np.sin(turn)[:, None] * over[:, None]
    grid = path[:, None] + radius * ring
    return sheet(np.concatenate([grid, grid[:1]]) if closed else grid, around=True)


def sheet(grid: Points, around: bool = False, pattern: Points | None = None) -> Shape:
    """A surface through a grid of points [R,C,3]; `around` joins the last column to the first."""
    rows, columns = grid.shape[:2]
    i, j = np.meshgrid(
        np.arange(rows - 1), np.arange(columns if around else columns - 1), indexing="ij"
    )
    a, b = i * columns + j, i * columns + (j + 1) % columns
    c, d = a + columns, b + columns
    triangles = np.stack([a, c, b, b, c, d], axis=-1).reshape(-1, 3)
    plain = np.full((rows, columns), 0.5) if pattern is None else pattern
    return grid.reshape(-1, 3), triangles, plain.ravel()


def ball(centre: Points, radii: Points) -> Shape:
    """An ellipsoid."""
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    tilt = np.linspace(-np.pi / 2, np.pi / 2, 6)
    unit = np.stack(
        [
            np.cos(tilt)[:, None] * np.cos(turn),
            np.sin(tilt)[:, None] + 0 * turn,
            np.cos(tilt)[:, None] * np.sin(turn),
        ],
        -1,
    )
    return sheet(centre + unit * radii, around=True)


def fan(outline: Points) -> Shape:
    """A disc within a closed outline [N,3]."""
    count = len(outline)
    i = np.arange(count)
    triangles = np.stack([np.full(count, count), i, (i + 1) % count], -1)
    points = np.concatenate([outline, outline.mean(0, keepdims=True)])
    return points, triangles, np.full(count + 1, 0.5)


def join(shapes: list[Shape]) -> Shape:
    """Several shapes as one."""
    starts = np.cumsum([0, *(len(points) for points, _, _ in shapes)])
    return (
        np.concatenate([points for points, _, _ in shapes]),
        np.concatenate([t + s for (_, t, _), s in zip(shapes, starts, strict=False)]),
        np.concatenate([pattern for _, _, pattern in shapes]),
    )

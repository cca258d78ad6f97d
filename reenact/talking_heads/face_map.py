"""The skin map's canvas: where each texel lies on the base mesh, and soft shapes drawn there.

It fits every identity, because all of them are shaped from that mesh. Distances are decimetres.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.head_data import HeadData
from reenact.talking_heads.raster import CLOTH, Floats, Ints, visibility
from reenact.talking_heads.surfaces import HEAD_AXIS, SKIN_HEIGHT, SKIN_TOP, skin_coordinates

Values = npt.NDArray[np.floating[Any]]
"""Numbers per texel while a map is being painted."""

SKIN_SIZE = 512
EYE = (0.31, 7.29, 1.33)  # the middle of the left eye's opening on the base mesh
_LIP_TOP = (
    (0.0, 0.05, 0.10, 0.14, 0.18, 0.21, 0.24, 0.27),
    (6.700, 6.710, 6.706, 6.697, 6.682, 6.664, 6.644, 6.614),
)
_LIP_LOW = (
    (0.0, 0.05, 0.10, 0.15, 0.19, 0.23, 0.27),
    (6.522, 6.524, 6.530, 6.541, 6.556, 6.578, 6.612),
)
MOUTH_LINE = 6.616


class Face:
    """The skin map's geometry; each f32[512,512].

    x, y, z: position on the base mesh, dm; side = |x|; cavity: 0 open .. 1 deep in a furrow;
    lid: distance from the eyes' openings, dm; texel: width of a texel, dm (its height: TEXEL_DOWN).
    """

    def __init__(self, data: HeadData) -> None:
        """The whole skin, whatever clothes hide of it: everybody must get the same map."""
        n = SKIN_SIZE
        mesh = data.meshes["skin"]
        rest = np.ascontiguousarray(mesh.fit(data.base)[mesh.position_of], np.float32)
        flat = np.array([skin_coordinates(*p) for p in rest.astype(np.float64)], np.float32)
        radius = np.hypot(rest[:, 0], rest[:, 2] - HEAD_AXIS)
        screen = np.column_stack([flat * n, radius + 1.0]).astype(np.float32)
        across = np.ptp(flat[mesh.triangles, 0], axis=1)
        triangles = np.ascontiguousarray(mesh.triangles[across < 0.3])
        index = _seen(triangles, screen, flat)
        self.x, self.y, self.z = _positions(triangles, screen, rest, index)
        self.side = np.abs(self.x)
        outward = np.hypot(self.x, self.z - HEAD_AXIS).astype(np.float32)
        self.texel = np.maximum(outward, 0.5) * _turn_per_texel()[None, :]
        self.cavity = _cavity(outward, index)
        self.lid = _lid_distance(outward)


TEXEL_DOWN = SKIN_HEIGHT / SKIN_SIZE
"""Height of a texel, dm."""


def _seen(triangles: Ints, screen: Floats, flat: Floats) -> Ints:
    """The outermost triangle at each texel, i32[512,512], -1 = none."""
    depth = np.empty((SKIN_SIZE, SKIN_SIZE), np.float32)
    index = np.empty((SKIN_SIZE, SKIN_SIZE), np.int32)
    nothing = np.zeros((1, 1), np.float32)
    cloth = np.full(len(triangles), CLOTH, np.uint8)  # drawn from both sides
    visibility(triangles, cloth, screen, flat, (nothing, nothing), False, depth, index)
    return index


def _positions(
    triangles: Ints, screen: Floats, rest: Floats, index: Ints
) -> tuple[Floats, Floats, Floats]:
    """Positions on the triangle seen at each texel; on a plain cylinder where there is none."""
    n = SKIN_SIZE
    v, u = np.mgrid[0:n, 0:n].astype(np.float32) + 0.5
    corners = triangles[np.maximum(index, 0)]
    a, b, c = (screen[corners[..., k], :2] for k in range(3))
    p = np.stack([u, v], -1)
    wa = _cross(b - p, c - p) / _cross(b - a, c - a)
    wb = _cross(c - p, a - p) / _cross(b - a, c - a)
    weights = np.stack([wa, wb, 1 - wa - wb], -1)
    position = np.einsum("vuk,vukc->vuc", weights, rest[corners])
    # Unseen texels: behind the head or in the eyes; coloured as on a cylinder.
    angle = np.pi * np.linspace(-1, 1, n)
    cylinder = np.broadcast_arrays(
        np.sin(angle)[None, :], SKIN_TOP - SKIN_HEIGHT * (v / n), np.cos(angle)[None, :]
    )
    position = np.where(index[..., None] < 0, np.stack(cylinder, -1), position).astype(np.float32)
    return position[..., 0], position[..., 1], position[..., 2]


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0], np.float32)


def _turn_per_texel() -> Floats:
    """Angle around the head's axis that each column spans, rad, f32[512]."""
    angles = np.linspace(-np.pi, np.pi, 4097)
    columns = [
        skin_coordinates(float(np.sin(a)), 7.0, float(np.cos(a)) + HEAD_AXIS)[0] for a in angles
    ]
    edges = np.interp(np.arange(SKIN_SIZE + 1) / SKIN_SIZE, columns, angles)
    return np.diff(edges).astype(np.float32)


def _cavity(outward: Floats, index: Ints) -> Floats:
    """How far a texel lies below its surroundings (at two scales), 0..1."""
    known = np.where(index < 0, cv2.GaussianBlur(outward, (0, 0), 12), outward)
    fine = cv2.GaussianBlur(known, (0, 0), 4) - known
    wide = cv2.GaussianBlur(known, (0, 0), 14) - known
    depth = np.clip(fine / 0.03, 0, 1) + np.clip(wide / 0.10, 0, 1)
    return np.asarray(cv2.GaussianBlur(np.minimum(depth, 1), (0, 0), 1.5), np.float32)


def _lid_distance(outward: Floats) -> Floats:
    """Distance from the eyes' openings, where only the socket is seen, dm."""
    deep = cv2.GaussianBlur(outward, (0, 0), 14) - outward > 0.05
    full = np.full(deep.shape, 255, np.uint8)
    for sign in (1, -1):
        u, v = skin_coordinates(sign * EYE[0], EYE[1], EYE[2])
        column, row = int(u * SKIN_SIZE), int(v * SKIN_SIZE)
        window = np.s_[row - 14 : row + 14, column - 36 : column + 36]
        full[window] = np.where(deep[window], 0, 255)
    distance = cv2.distanceTransform(full, cv2.DIST_L2, 5)
    return np.asarray(distance * TEXEL_DOWN, np.float32)


def blurred(picture: Floats, sigma: float) -> Floats:
    """A map f32[H,W] or f32[H,W,C] through a Gaussian of this deviation in texels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def ramp(low: float, high: float, x: Values) -> Floats:
    """Smoothstep from 0 at `low` to 1 at `high` (either order)."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def spot(face: Face, x: float, y: float, width: float, height: float) -> Floats:
    """A soft spot on both sides of the face, 1 in its middle."""
    return np.asarray(
        np.exp(-(((face.side - x) / width) ** 2) - ((face.y - y) / height) ** 2)
        * ramp(-0.1, 0.5, face.z),
        np.float32,
    )


def lip_top(side: Values) -> Floats:
    """Height y (dm) of the upper lip's border at |x|."""
    return np.interp(side, *_LIP_TOP).astype(np.float32)


def lips(face: Face) -> Floats:
    """1 on the lips, soft outline."""
    low = np.interp(face.side, *_LIP_LOW)
    inside = np.minimum(lip_top(face.side) - face.y, face.y - low)
    reach = (face.side < 0.275) & (face.z > 1.2)
    return np.asarray(ramp(-0.008, 0.012, inside) * reach, np.float32)


def slopes(face: Face, height: Values) -> tuple[Floats, Floats]:
    """Slope of a height map f32[512,512] (dm) to the subject's left and upwards."""
    down, across = np.gradient(height)
    limit = 0.9  # steeper would turn normals away from the camera
    left = np.clip(across / face.texel, -limit, limit)
    up = np.clip(-down / TEXEL_DOWN, -limit, limit)
    return np.asarray(left, np.float32), np.asarray(up, np.float32)

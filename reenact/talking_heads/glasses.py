"""Glasses frames made of tubes around the eyes: two rims, a bridge, two temples."""

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.formats import Floats
from reenact.talking_heads.head_data import HeadData, Mesh
from reenact.talking_heads.style import Glasses

Points = npt.NDArray[np.float64]

_RIM_POINTS = 36
_TUBE_SIDES = 6


def glasses_mesh(data: HeadData, vertices: Floats, glasses: Glasses) -> tuple[Mesh, Floats]:
    """The frame for the head `vertices` f32[K,3]: a mesh on the head bone, its rest f32[P,3]."""
    points: list[Points] = []
    triangles: list[npt.NDArray[np.int64]] = []
    count = 0
    for path, closed, radius in _paths(data, vertices, glasses):
        tube, faces = _tube(path, radius, closed)
        points.append(tube)
        triangles.append(faces + count)
        count += len(tube)
    rest = np.concatenate(points).astype(np.float32)
    bones = np.zeros((count, 8), np.int32)
    bones[:, 0] = data.bone("head")
    weights = np.zeros((count, 8), np.float32)
    weights[:, 0] = 1.0
    mesh = Mesh(
        uv=np.zeros((count, 2), np.float32),
        triangles=np.concatenate(triangles).astype(np.int32),
        position_of=np.arange(count, dtype=np.int32),
        refs=np.zeros((count, 3), np.int32),  # not bound to the base mesh: made anew for each head
        ref_weights=np.zeros((count, 3), np.float32),
        offsets=np.zeros((count, 3), np.float32),
        scale_refs=np.zeros((3, 2), np.int32),
        scale_lengths=np.ones(3, np.float32),
        bones=bones,
        bone_weights=weights,
        hides=np.zeros(0, np.int32),
    )
    return mesh, rest


def _paths(data: HeadData, vertices: Floats, glasses: Glasses) -> list[tuple[Points, bool, float]]:
    """The centre lines: points [N,3], whether closed, and the tube's radius."""
    joints = data.joints(vertices).astype(np.float64)
    left, right = joints[data.bone("eye.L")], joints[data.bone("eye.R")]
    middle, distance = (left + right) / 2, float(left[0] - right[0])
    skin = data.meshes["skin"].fit(vertices)
    half_head, front = _head_size(skin, middle)
    half_width = distance * glasses.width
    half_height = half_width * glasses.height
    centre_y = middle[1] - 0.03

    def bent(points: Points) -> Points:
        """Put (x, y) points on the frame's slightly wrapped front."""
        across = (points[:, 0] - middle[0]) / half_head
        return np.column_stack([points, front - 0.10 * across**2])

    angles = np.linspace(0, 2 * np.pi, _RIM_POINTS, endpoint=False)
    rim = np.stack(
        [_superellipse(np.cos(angles), glasses), _superellipse(np.sin(angles), glasses)], 1
    )
    paths: list[tuple[Points, bool, float]] = []
    for side in (1.0, -1.0):
        centre = np.array([middle[0] + side * (distance / 2 + 0.01), centre_y])
        paths.append((bent(centre + rim * [half_width, half_height]), True, glasses.thickness))
        hinge = bent(np.array([[centre[0] + side * half_width, centre_y + half_height * 0.35]]))[0]
        out = min(half_head, abs(hinge[0] - middle[0]) + 0.07)
        knee = (
            abs(hinge[0] - middle[0]) * 0.6 + out * 0.4 + 0.012,
            half_height * 0.36,
            hinge[2] - 0.035,
        )
        arm = [knee, (out, half_height * 0.38, front - 0.30), (out + 0.02, half_height * 0.4, 0.45)]
        arm.append((out - 0.02, half_height * 0.1, 0.15))
        bends = [(middle[0] + side * x, centre_y + y, z) for x, y, z in arm]
        paths.append((np.array([hinge, *bends]), False, glasses.thickness * 0.9))
    t = np.linspace(-1, 1, 7)
    gap = distance / 2 + 0.01 - half_width
    bow = 1 - t**2
    bridge = [middle[0] + t * gap, centre_y + half_height * 0.25 + 0.03 * bow, front + 0.012 * bow]
    paths.append((np.stack(bridge, 1), False, glasses.thickness))
    return paths


def _superellipse(x: Points, glasses: Glasses) -> Points:
    """A sine or cosine bent so that the curve becomes |x|^n + |y|^n = 1."""
    return np.asarray(np.sign(x) * np.abs(x) ** (2 / glasses.squareness))


def _head_size(skin: Floats, middle: Points) -> tuple[float, float]:
    """Half the head's width at the temples, and the front of the nose's bridge with some room."""
    sideways, above = np.abs(skin[:, 0] - middle[0]), skin[:, 1] - middle[1]
    temple = (np.abs(above) < 0.12) & (skin[:, 2] > 0.45) & (skin[:, 2] < 0.9)
    bridge = (sideways < 0.06) & (np.abs(above + 0.02) < 0.08)
    return float(np.percentile(sideways[temple], 97)), float(skin[bridge, 2].max()) + 0.02


def _tube(path: Points, radius: float, closed: bool) -> tuple[Points, npt.NDArray[np.int64]]:
    """A tube around a polyline: points [N*sides,3] and triangles."""
    count, sides = len(path), _TUBE_SIDES
    along = np.roll(path, -1, 0) - np.roll(path, 1, 0)
    if not closed:
        along[0], along[-1] = path[1] - path[0], path[-1] - path[-2]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    up = (
        np.array([0.0, 0.0, 1.0]) if np.abs(along[:, 2]).mean() < 0.7 else np.array([0.0, 1.0, 0.0])
    )
    right = np.cross(along, up)
    right /= np.linalg.norm(right, axis=1, keepdims=True) + 1e-9
    over = np.cross(right, along)
    turn = np.arange(sides) / sides * 2 * np.pi
    ring = np.cos(turn)[:, None] * right[:, None] + np.sin(turn)[:, None] * over[:, None]
    points = (path[:, None] + radius * ring).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(count if closed else count - 1), np.arange(sides), indexing="ij")
    a, b = i * sides + j, i * sides + (j + 1) % sides
    c, d = (i + 1) % count * sides + j, (i + 1) % count * sides + (j + 1) % sides
    quads = np.stack([a, c, b, b, c, d], axis=-1)
    return points, quads.reshape(-1, 3)

"""Hair grown from the scalp: locks follow a combing direction, fall, and are cut.

Every lock is a narrow ribbon with strands painted on it ("hair cards", as in real-time graphics).
Positions are decimetres from the middle of the eyes: y up, z to the camera, the head is about
1.5 wide and its crown lies near (0, 1.1, -1.4).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]
Rng = np.random.Generator

EYES = (0.0, 7.284, 1.245)
"""The middle of the average head's eyes on the base mesh."""
_STEPS = 20  # of growing
_POINTS = 9  # along a lock
_CURLY_POINTS = 17  # along a lock whose waves need them
_KNOT = np.array([0.0, 0.0, -2.0])
_WHORL = np.array([0.04, 1.0, -1.55])
_CENTRE = np.array([0.0, 0.30, -0.95])  # of the skull
_SQUASH = np.array([1.0, 0.6, 0.8])
_BROWS = 0.20  # hair in front of the face ends above this y
_FACE = 0.60  # half width of what hair may not cover below the brows
_EAR = np.array([0.80, -0.17, -0.80])
_EAR_SIZE = np.array([0.15, 0.33, 0.24])
_FRONT = ((0.0, 0.3, 0.5, 0.62, 0.72), (0.576, 0.566, 0.456, 0.20, 0.10))
"""The front hairline: |x| and its y."""
_NAPE = ((0.0, 0.35, 0.6, 0.8), (-0.80, -0.70, -0.35, -0.20))


@dataclass(frozen=True)
class Hairline:
    """Where hair grows."""

    height: float = 0.0  # dm the forehead is higher
    recede: float = 0.0  # dm the temples are higher
    peak: float = 0.0  # dm a widow's peak reaches down
    bald: float = 0.0  # 0 .. 1: nothing on top and in front
    sideburn: float = 0.0  # dm longer (> 0) or shorter before the ears
    soft: float = 0.09  # dm over which it thins out
    hat: bool = False  # only what a hat leaves free


@dataclass(frozen=True)
class Haircut:
    """How hair is combed and cut; lengths in dm."""

    top: float  # length on top
    side: float  # length at the sides and behind
    fringe: float = 0.0  # length of the hair over the forehead; 0: combed with the rest
    part: float = 0.0  # x of the parting
    sweep: float = 0.0  # -1 .. 1: hair in front goes to one side
    parted: float = 0.0  # how much the top falls to both sides of the parting
    back: float = 0.0  # how much the top and sides are combed back
    forward: float = 0.0  # how much the top is combed to the front
    lift: float = 0.15  # how far roots stand up
    stiff: float = 0.5  # 0 hangs .. 1 stands
    volume: float = 0.10  # how thick the hair lies on the head
    curl: float = 0.0  # amplitude of waves
    curls: float = 1.5  # waves per dm
    coil: float = 0.0  # 0 waves lie flat .. 1 corkscrews
    ends: float = -9.0  # y below which hair is cut
    ears: bool = False  # hair covers the ears
    rough: float = 0.08  # disorder
    width: float = 0.13  # of a lock
    locks: int = 620
    tied: bool = False  # combed back to a knot, whose tail may fall over a shoulder
    tail: float = 0.0  # length of that tail


def growth(x: Array, y: Array, z: Array, line: Hairline) -> Array:
    """How much hair grows at a place of the average head, 0..1."""
    side = np.abs(x)
    front = np.interp(side, *_FRONT) + line.height
    front = front + line.recede * np.exp(-(((side - 0.38) / 0.17) ** 2))
    front = front - line.peak * np.exp(-((side / 0.09) ** 2))
    above = _ramp(-0.02, line.soft - 0.02, y - front)
    behind = _ramp(-0.92, -1.05, z) * _ramp(-0.05, 0.12, y - np.interp(side, *_NAPE))
    burns = _ramp(-0.42, -0.50, z) * (side > 0.60) * _ramp(0.0, 0.06, y + 0.1 + line.sideburn)
    burns = burns * (z > -0.8)
    grown = np.maximum(np.maximum(above, behind), burns)
    bare = line.bald * _ramp(0.35, 0.62, y) * _ramp(-2.05, -1.85, z)
    offset = [((a - c) / s) ** 2 for a, c, s in zip((side, y, z), _EAR, _EAR_SIZE, strict=True)]
    ear = _ramp(1.25, 0.9, np.asarray(sum(offset)))
    grown = grown * (1 - np.clip(bare * 1.2, 0, 1)) * (1 - ear)
    return np.asarray(grown * _ramp(0.06, 0.0, y - hat_rim(z)) if line.hat else grown)


def hat_rim(z: Array) -> Array:
    """The height of a hat's rim: above the brows in front, lower behind."""
    return np.asarray(np.interp(z, (-2.0, -0.9, 0.0), (-0.25, 0.16, 0.40)))


def _ramp(low: float, high: float, x: Array) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


@dataclass(frozen=True)
class Scalp:
    """The skin of one person: places on the average head, places and normals on this one."""

    average: Array  # [P,3]
    points: Array  # [P,3]
    normals: Array  # [P,3]
    triangles: npt.NDArray[np.int64]
    ears: npt.NDArray[np.bool_]  # [P]


@dataclass(frozen=True)
class Locks:
    """N locks of K points: lines [N,K,3] and how far out each lies, 0 scalp .. 1 outermost."""

    lines: Array
    layer: Array
    width: Array


def grow(scalp: Scalp, cut: Haircut, line: Hairline, rng: Rng) -> Locks:
    """Grow the locks of a cut."""
    root, normal, average = _roots(scalp, cut, line, rng)
    layer = rng.random(len(root))
    lengths = _lengths(average, cut, rng)
    combed = _combing(average, cut, line, rng)
    lines = _fall(scalp, root, normal, combed, lengths, layer, cut, rng)
    for _ in range(3):  # round the bends that the steps left
        lines[:, 1:-1] = 0.5 * lines[:, 1:-1] + 0.25 * (lines[:, :-2] + lines[:, 2:])
    lines = _wave(lines, lengths, cut, rng)
    lines, kept = _trim(lines, cut, rng)
    widths = np.full(len(root), cut.width) * rng.uniform(0.7, 1.2, len(root))
    widths = np.minimum(widths, 0.03 + 0.5 * lengths)
    order = np.argsort(-lines[:, 3, 2])  # from front to back: less is drawn in vain
    order = order[kept[order]]
    return Locks(lines[order], layer[order], widths[order])


def press(lines: Array, scalp: Scalp) -> None:
    """Press locks [N,K,3] to the head where the cups of headphones sit."""
    ears = scalp.points[scalp.ears]
    width, y, z = np.abs(ears[:, 0]).max(), ears[:, 1].mean(), ears[:, 2].mean()
    near = (np.abs(lines[..., 1] - y) < 0.42) & (np.abs(lines[..., 2] - z) < 0.42)
    x = lines[..., 0]
    lines[..., 0] = np.where(near, np.clip(x, -width + 0.04, width - 0.04), x)


def _roots(scalp: Scalp, cut: Haircut, line: Hairline, rng: Rng) -> tuple[Array, Array, Array]:
    """Random places on the hairy skin, denser at the front hairline."""
    triangles = scalp.triangles[~scalp.ears[scalp.triangles].any(1)]
    middle = scalp.average[triangles].mean(1)
    a, b, c = (scalp.average[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    area = area * (middle[:, 1] > -1.0) * np.interp(middle[:, 2], (-1.7, -1.1, -0.5), (0.4, 1, 2.2))
    area = area * (1 + 2 * cut.parted * np.exp(-(((middle[:, 0] - cut.part) / 0.12) ** 2)))
    count = cut.locks
    chosen = rng.choice(len(triangles), 4 * count, p=area / area.sum())
    shares = rng.dirichlet([1, 1, 1], 4 * count)[..., None]
    corners = triangles[chosen]
    place = (scalp.average[corners] * shares).sum(1)
    kept = np.flatnonzero(
        growth(place[:, 0], place[:, 1], place[:, 2], line) > rng.uniform(0.15, 0.9, len(place))
    )[:count]
    root = (scalp.points[corners[kept]] * shares[kept]).sum(1)
    normal = _unit((scalp.normals[corners[kept]] * shares[kept]).sum(1))
    return root, normal, place[kept]


def _unit(v: Array) -> Array:
    return np.asarray(v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-9))


def _in_front(average: Array) -> Array:
    """How much a root belongs to the hair above the forehead."""
    return _ramp(-0.75, -0.30, average[:, 2]) * _ramp(0.62, 0.42, np.abs(average[:, 0]))


def _lengths(average: Array, cut: Haircut, rng: Rng) -> Array:
    top = _ramp(0.25, 0.62, average[:, 1])
    lengths = cut.side + (cut.top - cut.side) * top
    if cut.fringe > 0:
        front = _in_front(average)
        lengths = lengths + (cut.fringe - lengths) * (front > 0.3)
    if cut.side < 1:
        lengths = lengths * (0.35 + 0.65 * _ramp(-0.8, -0.1, average[:, 1]))
    if cut.tied:
        lengths = 1.1 * np.linalg.norm(_KNOT - average, axis=1)
    return np.asarray(lengths * rng.uniform(0.8, 1.1, len(average)))


def _combing(average: Array, cut: Haircut, line: Hairline, rng: Rng) -> Array:
    """The direction in which each lock is combed, before it follows the skin."""
    x, y, z = average.T
    top = _ramp(0.25, 0.60, y)[:, None]
    away = _unit(average - _WHORL)
    sides = np.sign(x - cut.part + 1e-6)[:, None] * np.array([1.0, -0.1, 0.0])
    above = (1 - cut.parted) * away + cut.parted * 1.6 * sides
    above = above + cut.sweep * np.array([1.4, 0, 0]) * _ramp(-1.4, -0.4, z)[:, None]
    above = above + cut.back * np.array([0, 0.1, -2.0]) + cut.forward * np.array([0, 0, 1.6])
    below = np.array([0.0, -1.0, -0.15]) + cut.back * np.array([0, 0.25, -1.6])
    combed = top * above + (1 - top) * below
    if cut.fringe > 0:
        over = np.array([cut.sweep * 1.1, -0.4, 1.0]) + sides * cut.parted * 1.2
        front = (_in_front(average) > 0.3)[:, None]
        combed = np.where(front, over, combed)
    return _unit(combed + rng.normal(0, cut.rough * 3, combed.shape))


def _fall(
    scalp: Scalp,
    root: Array,
    normal: Array,
    combed: Array,
    lengths: Array,
    layer: Array,
    cut: Haircut,
    rng: Rng,
) -> Array:
    """Let the locks leave the skin, bend down and glide over head, neck and shoulders."""
    skin = ~scalp.ears
    tree, points, normals = cKDTree(scalp.points[skin]), scalp.points[skin], scalp.normals[skin]
    gap = 0.012 + layer * cut.volume
    step = (lengths / (_STEPS - 1))[:, None]
    at = root - 0.01 * normal
    outward, heading = normal, _unit(combed + cut.lift * 4 * normal)
    lines, loose = [at], np.zeros(len(at))
    for k in range(1, _STEPS):
        t = k / (_STEPS - 1)
        if cut.tied:
            combed = _unit(_KNOT - at)
        drop = (1 - cut.stiff) * np.minimum(1.0, 0.4 + 2 * t) * np.minimum(1, 2 * lengths)[:, None]
        along = combed - (combed * outward).sum(1, keepdims=True) * outward
        held = cut.stiff + (1 - cut.stiff) * _ramp(0.05, 0.8, at[:, 1:2])
        pull = (0.6 + 0.4 * held) * heading + 0.6 * held * along
        pull = pull + drop * (1.2 - 0.6 * held) * np.array([0, -1.0, 0])
        pull = pull + cut.lift * ((1 - t) + 0.25 * cut.stiff) * outward
        pull = pull - 1.2 * (1 - held) * loose[:, None] * (outward * [1, 0, 1])
        heading = _unit(pull + rng.normal(0, cut.rough * 0.5, pull.shape))
        at = at + step * heading
        _, nearest = tree.query(at)
        outward = _unit(normals[nearest] + 0.7 * _unit((at - _CENTRE) * _SQUASH))
        depth = ((at - points[nearest]) * outward).sum(1)
        room = gap * min(1.0, 0.35 + 2.5 * t)
        lifted = room - depth if cut.tied else np.maximum(room - depth, 0)
        at = at + lifted[:, None] * outward
        loose = np.clip((depth - room - 0.03) * 4, 0, 1)
        at = _beside_face(at, cut)
        lines.append(at)
    return np.stack(lines, 1)


def _beside_face(at: Array, cut: Haircut) -> Array:
    """Move points off the face, and off the ears where hair covers them."""
    at = at.copy()
    x, y, z = at.T
    inside = (z > -0.55) & (y < _BROWS - 0.05) & (np.abs(x) < _FACE + 0.05)
    at[inside, 0] += np.where(x[inside] > 0, 0.12, -0.12)
    if cut.ears:
        for side in (1.0, -1.0):
            offset = (at - _EAR * [side, 1, 1]) / _EAR_SIZE
            depth = 1 - (offset**2).sum(1)
            hit = depth > 0
            at[hit, 0] += side * _EAR_SIZE[0] * np.sqrt(depth[hit]) * 0.9
    return at


def _wave(lines: Array, lengths: Array, cut: Haircut, rng: Rng) -> Array:
    """Bend the locks into waves or corkscrews that neighbours share."""
    if cut.curl <= 0:
        return lines
    fine = np.empty((len(lines), 2 * _STEPS - 1, 3))  # twice the points: waves are short
    fine[:, ::2], fine[:, 1::2] = lines, 0.5 * (lines[:, :-1] + lines[:, 1:])
    lines = fine
    along = np.gradient(lines, axis=1)
    out = _unit(lines - _CENTRE)
    across = _unit(np.cross(along, out))
    s = np.linspace(0, 1, lines.shape[1])[None, :] * lengths[:, None]
    phase = 2.1 * lines[:, :1, 0] + 1.3 * lines[:, :1, 1] + 1.7 * lines[:, :1, 2]
    phase = phase * 1.5 + rng.normal(0, 0.5 + 2.5 * cut.coil, phase.shape)
    turn = 2 * np.pi * cut.curls * s + phase
    size = cut.curl * np.minimum(1, s * 3)
    moved = lines + (size * np.sin(turn))[..., None] * across
    return np.asarray(moved + (cut.coil * size * np.cos(turn))[..., None] * out)


def _bends(count: int) -> Array:
    """Where the points of a lock lie along it: closer near the root, where locks bend most."""
    return np.asarray(np.linspace(0, 1, count) ** 1.4)


def _trim(lines: Array, cut: Haircut, rng: Rng) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Cut locks where they leave the cut's length or reach the face; drop what is too short."""
    x, y, z = np.moveaxis(lines, -1, 0)
    ragged = rng.normal(0, 0.025, (len(lines), 1))
    face = (z > -0.45) & (np.abs(x) < _FACE) & (y < _BROWS + ragged)
    over = face | (y < cut.ends + ragged * 2)
    first = np.where(over.any(1), over.argmax(1), lines.shape[1])
    kept = first > 2
    scale = np.clip((first - 1) / (lines.shape[1] - 1), 0.05, 1)
    bends = _bends(_CURLY_POINTS if cut.curl > 0.03 else _POINTS)
    where = bends[None, :] * scale[:, None] * (lines.shape[1] - 1)
    low = np.clip(where.astype(int), 0, lines.shape[1] - 2)
    rest = (where - low)[..., None]
    rows = np.arange(len(lines))[:, None]
    return np.asarray(lines[rows, low] * (1 - rest) + lines[rows, low + 1] * rest), kept


def ribbons(locks: Locks, rng: Rng) -> tuple[Array, Array, npt.NDArray[np.int32]]:
    """The locks as ribbons: points [N*K*2,3], uv [.,2] for strands.lock_map, triangles [F,3]."""
    lines = locks.lines
    along = _unit(np.gradient(lines, axis=1))
    out = lines - _CENTRE
    out[..., 1] *= np.clip(0.6 + out[..., 1], 0.0, 1.0)  # below the ears hair faces sideways
    roll = rng.normal(0, 0.25, (len(lines), 1, 1))
    across = _unit(np.cross(along, _unit(out)))
    across = _unit(across + roll * _unit(np.cross(across, along)))
    t = _bends(lines.shape[1])
    taper = (0.8 + 0.4 * np.sin(np.pi * np.minimum(t * 1.3, 1))) * (1 - 0.55 * t**3)
    half = 0.5 * locks.width[:, None, None] * taper[None, :, None] * across
    points = np.stack([lines - half, lines + half], 2)
    count, steps = lines.shape[:2]
    slot = np.minimum((locks.layer * SLOTS).astype(int), SLOTS - 1)
    flip = rng.random(count) < 0.5
    left = (slot + np.where(flip, 0.97, 0.03)) / SLOTS
    right = (slot + np.where(flip, 0.03, 0.97)) / SLOTS
    uv = np.empty((count, steps, 2, 2))
    uv[..., 0, 0], uv[..., 1, 0] = left[:, None], right[:, None]
    uv[..., 1] = t[None, :, None]
    i, j = np.meshgrid(np.arange(count), np.arange(steps - 1), indexing="ij")
    a = (i * steps + j) * 2
    triangles = np.stack([a, a + 1, a + 2, a + 1, a + 3, a + 2], -1).reshape(-1, 3)
    return points.reshape(-1, 3), uv.reshape(-1, 2), triangles.astype(np.int32)


SLOTS = 16
"""Different locks on the strand map, from the innermost to the outermost."""

"""What people wear on head, ears and neck: hats, headphones, earrings, collars.

All of it is shaped on the wearer's own head. Positions are decimetres from the middle of the eyes,
as in locks.py.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from reenact.talking_heads.locks import Array, Scalp, hat_rim
from reenact.talking_heads.shapes import Shape, ball, join, sheet, tube

Rgb = tuple[float, float, float]
Rng = np.random.Generator

HATS = ("none", "beanie", "cap", "brimmed hat")
AUDIO = ("none", "headphones", "earbuds")
EARRINGS = ("none", "studs", "hoops", "drops")
COLLARS = ("none", "turtleneck", "shirt collar", "hood", "scarf")
SURFACES = ("frame", "hat", "trim", "audio", "cushion", "metal", "collar")
"""What accessories are made of; their colours are Outfit.colours, in this order."""

_MIDDLE = np.array([0.0, 0.30, -0.95])  # of the skull
_CUP = (0.30, 0.34)  # half depth and height of a headphone's cup
_TURN = np.linspace(-np.pi, np.pi, 41)


@dataclass(frozen=True)
class Outfit:
    """What someone wears besides clothes and glasses."""

    hat: str
    audio: str
    earrings: str
    collar: str
    colours: tuple[Rgb, ...]  # linear light, as SURFACES
    glosses: tuple[tuple[float, float], ...]  # specular weight and roughness, as SURFACES


def draw_outfit(rng: Rng, male: bool) -> dict[str, str]:
    """Names from the lists above; most people wear little."""
    on_top, ears, lobes, neck = rng.spawn(4)
    hat = str(on_top.choice(HATS, p=(0.89, 0.04, 0.05, 0.02)))
    earrings = (0.96, 0.03, 0.01, 0.0) if male else (0.55, 0.2, 0.12, 0.13)
    return {
        "hat": hat,
        "audio": str(ears.choice(AUDIO, p=(0.90, 0.06, 0.04))),
        "earrings": str(lobes.choice(EARRINGS, p=earrings)),
        "collar": str(neck.choice(COLLARS, p=(0.70, 0.06, 0.12, 0.07, 0.05))),
    }


def colour_outfit(rng: Rng, frame: Rgb) -> tuple[tuple[Rgb, ...], tuple[tuple[float, float], ...]]:
    """Colours and glosses of all SURFACES; `frame` is that of the glasses."""

    def cloth() -> Rgb:
        value = np.clip(
            rng.choice([0.03, 0.1, 0.3, 0.6]) * np.exp(rng.normal(0, 0.5, 3)), 0.01, 0.8
        )
        return float(value[0]), float(value[1]), float(value[2])

    def plastic() -> Rgb:
        grey = float(rng.choice([0.012, 0.02, 0.5, 0.75]))
        return grey, grey, grey

    metal: Rgb = ((0.7, 0.55, 0.25), (0.6, 0.6, 0.6))[int(rng.random() < 0.5)]
    colours = (frame, cloth(), cloth(), plastic(), (0.015, 0.015, 0.015), metal, cloth())
    felt, hard, bright = (0.1, 0.8), (0.8, 0.3), (2.5, 0.2)
    return colours, ((1.0, 0.25), felt, felt, hard, (0.5, 0.5), bright, felt)


def accessories(scalp: Scalp, outfit: Outfit, hair: Array | None) -> list[tuple[str, Shape]]:
    """The surface's name and the shape of everything worn; hair [P,3]: the points of the locks."""
    head = _Head(scalp, hair)
    made = {
        "beanie": _beanie,
        "cap": _cap,
        "brimmed hat": _brimmed_hat,
        "headphones": _headphones,
        "earbuds": _earbuds,
        "studs": _studs,
        "hoops": _hoops,
        "drops": _drops,
        "turtleneck": _turtleneck,
        "shirt collar": _shirt_collar,
        "hood": _hood,
        "scarf": _scarf,
    }
    names = (outfit.hat, outfit.audio, outfit.earrings, outfit.collar)
    return [piece for name in names if name != "none" for piece in made[name](head)]


class _Head:
    """How far skull and neck reach in a direction."""

    def __init__(self, scalp: Scalp, hair: Array | None) -> None:
        points = scalp.points[~scalp.ears]
        skull = points[points[:, 1] > -0.6]
        offset = skull - _MIDDLE
        self._skull_radius = np.linalg.norm(offset, axis=1)
        self._skull = cKDTree(offset / self._skull_radius[:, None])
        neck = points[(points[:, 1] < -0.55) & (points[:, 1] > -2.2) & (np.abs(points[:, 0]) < 0.9)]
        level = neck[np.abs(neck[:, 1] + 1.05) < 0.15]
        self.neck_middle = 0.5 * (level.min(0) + level.max(0))
        flat = (neck - self.neck_middle) * [1, 0, 1]
        self._neck_radius = np.linalg.norm(flat, axis=1)
        place = flat / self._neck_radius[:, None]
        self._neck = cKDTree(np.column_stack([place[:, 0], place[:, 2], neck[:, 1] * 2]))
        self.hair = hair
        ears = scalp.points[scalp.ears]
        sides = ears[ears[:, 0] > 0], ears[ears[:, 0] < 0]
        self.lobes = [side[side[:, 1].argmin()] for side in sides]
        self.ears = [0.5 * (side.min(0) + side.max(0)) for side in sides]
        self.ear_width = [float(np.abs(side[:, 0]).max()) for side in sides]

    def skull(self, directions: Array) -> Array:
        """Distances of the skin from the middle of the skull, [...]; directions [...,3]."""
        unit = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
        _, found = self._skull.query(unit, k=4)
        return np.asarray(self._skull_radius[found].mean(-1))

    def neck(self, turn: Array, y: Array) -> Array:
        """Distances of the neck's skin from its axis at angles (0 = front) and heights."""
        _, found = self._neck.query(np.stack([np.sin(turn), np.cos(turn), y * 2], -1), k=4)
        return np.asarray(self._neck_radius[found].max(-1))  # a larynx must not poke through

    def over_hair(self, direction: Array, width: float) -> float:
        """How far hair reaches beyond the skull around a direction, dm."""
        if self.hair is None:
            return 0.0
        offset = self.hair - _MIDDLE
        near = (offset @ direction > 0.3) & (np.abs(offset[:, 2] + 0.05) < width)
        near &= np.linalg.norm(np.cross(offset, direction), axis=1) < width
        if not near.any():
            return 0.0
        reach = np.linalg.norm(offset[near], axis=1) - self.skull(offset[near])
        return float(np.clip(np.percentile(reach, 90), 0, 0.4))


def _dome(
    head: _Head, room: float, rise: float, ribs: float, rows: int = 11
) -> tuple[Shape, Array]:
    """A cap on the skull and its rim [41,3]; room: how far off the skin, rise: more at the top."""
    level = np.stack([np.sin(_TURN), 0 * _TURN, np.cos(_TURN)], -1)
    flat = head.skull(level + [0, 0.2, 0])
    rim_y = hat_rim(_MIDDLE[2] + flat * np.cos(_TURN)) - _MIDDLE[1]
    start = np.arctan2(rim_y, flat)
    t = np.linspace(0, 1, rows)[:, None]
    tilt = start + (np.pi / 2 - start) * t
    way = np.stack([np.sin(_TURN) * np.cos(tilt), np.sin(tilt), np.cos(_TURN) * np.cos(tilt)], -1)
    radius = head.skull(way) + room + rise * t**1.5
    grid = _MIDDLE + way * radius[..., None]
    pattern = np.broadcast_to(_TURN * ribs + 0.5, (rows, len(_TURN)))
    return sheet(grid, pattern=pattern), grid[0]


def _beanie(head: _Head) -> list[tuple[str, Shape]]:
    dome, _ = _dome(head, 0.07, 0.06, 12.0)
    points, triangles, pattern = _dome(head, 0.105, 0.0, 12.0)[0]
    columns = len(_TURN)
    cuff = triangles < 4 * columns
    return [("hat", dome), ("hat", (points, triangles[cuff.all(1)], pattern))]


def _cap(head: _Head) -> list[tuple[str, Shape]]:
    dome, rim = _dome(head, 0.07, 0.05, 0.0)
    front = np.abs(_TURN) < 1.15
    edge, turn = rim[front], _TURN[front]
    reach = 0.62 * np.cos(turn * np.pi / 2.5) ** 0.7
    out = np.linspace(0, 1, 5)[:, None]
    brim = edge + np.stack(
        [0.12 * np.sin(turn) * out, 0.04 * out - 0.07 * out * np.abs(turn) ** 2, reach * out], -1
    )
    return [("hat", dome), ("trim", sheet(brim))]


def _brimmed_hat(head: _Head) -> list[tuple[str, Shape]]:
    dome, rim = _dome(head, 0.07, 0.28, 0.0)
    away = (rim - _MIDDLE) * [1, 0, 1]
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    out = np.linspace(0, 1, 5)[:, None, None]
    lift = np.array([0, 0.10, 0]) * out + np.array([0, 0.12, 0]) * (out * away[:, :1]) ** 2
    points, triangles, pattern = _dome(head, 0.085, 0.28, 0.0)[0]
    band = (triangles < 3 * len(_TURN)).all(1)
    return [
        ("hat", dome),
        ("hat", sheet(rim + 0.45 * out * away + lift)),
        ("trim", (points, triangles[band], pattern)),
    ]


def _headphones(head: _Head) -> list[tuple[str, Shape]]:
    """Cups over the ears and a band over the hair."""
    thick = 0.05 + head.over_hair(np.array([0.0, 1.0, 0.0]), 0.3)
    turn = np.linspace(-np.pi / 2, np.pi / 2, 25)
    way = np.stack([np.sin(turn), np.cos(turn), 0.06 * np.cos(turn)], -1)
    path = _MIDDLE + [0, -0.3, 0.12] + way * (head.skull(way)[:, None] + thick + 0.3 * way[:, 1:2])
    width = max(head.ear_width) + 0.09
    path[:, 0] = np.where(np.abs(path[:, 0]) > width, np.sign(path[:, 0]) * width, path[:, 0])
    pieces = [("audio", tube(path + [0, 0, z], 0.05, False)) for z in (-0.05, 0.0, 0.05)]
    for centre, ear in zip(head.ears, head.ear_width, strict=True):
        side = float(np.sign(centre[0]))
        middle = np.array([side * ear, centre[1] + 0.02, centre[2] + 0.02])
        for name, from_head, size in (("cushion", -0.02, 1.0), ("audio", 0.08, 0.88)):
            pieces.append((name, _cup(middle + [side * from_head, 0, 0], side, size)))
    return pieces


def _cup(centre: Array, side: float, size: float) -> Shape:
    """A flat round box, its face outwards."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([0 * turn, np.sin(turn) * _CUP[1], np.cos(turn) * _CUP[0]], -1) * size
    steps = ((1.0, -0.06), (1.0, 0.06), (0.85, 0.10), (0.4, 0.115), (0.01, 0.12))
    grid = np.stack([centre + ring * wide + [side * out, 0, 0] for wide, out in steps])
    return sheet(grid, around=True)


def _earbuds(head: _Head) -> list[tuple[str, Shape]]:
    pieces: list[tuple[str, Shape]] = []
    for centre in head.ears:
        side = float(np.sign(centre[0]))
        plug = centre + [side * 0.03, -0.02, 0.10]
        pieces.append(("audio", ball(plug, np.array([0.05, 0.05, 0.06]))))
        stem = np.stack([plug + [0, -0.02, 0.03], plug + [side * 0.01, -0.20, 0.05]])
        pieces.append(("audio", tube(stem, 0.022, False)))
    return pieces


def _studs(head: _Head) -> list[tuple[str, Shape]]:
    size = np.full(3, 0.028)
    return [("metal", ball(_pierced(lobe), size)) for lobe in head.lobes]


def _pierced(lobe: Array) -> Array:
    return np.asarray(lobe + [np.sign(lobe[0]) * 0.02, 0.05, 0.03])


def _hoops(head: _Head) -> list[tuple[str, Shape]]:
    turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    ring = np.stack([0.35 * np.sin(turn), np.cos(turn), 0.9 * np.sin(turn)], -1) * 0.13
    return [
        (
            "metal",
            tube(_pierced(lobe) - [0, 0.12, 0] + ring * [np.sign(lobe[0]), 1, 1], 0.014, True),
        )
        for lobe in head.lobes
    ]


def _drops(head: _Head) -> list[tuple[str, Shape]]:
    pieces: list[tuple[str, Shape]] = []
    for lobe in head.lobes:
        top = _pierced(lobe)
        pieces.append(("metal", tube(np.stack([top, top - [0, 0.14, 0]]), 0.008, False)))
        pieces.append(("metal", ball(top - [0, 0.19, 0], np.array([0.035, 0.06, 0.035]))))
    return pieces


def _around_neck(head: _Head, heights: list[float], rooms: list[float], turn: Array) -> Array:
    """Rings [R,C,3] around the neck at heights, each some way off the skin."""
    y = np.array(heights)[:, None] + 0 * turn
    radius = head.neck(turn + 0 * y, y) + np.array(rooms)[:, None]
    rings = np.stack([np.sin(turn) * radius, y, np.cos(turn) * radius], -1)
    return np.asarray(rings + head.neck_middle * [1, 0, 1])


def _turtleneck(head: _Head) -> list[tuple[str, Shape]]:
    heights = [-1.75, -1.5, -1.3, -1.1, -0.98, -0.95, -1.02]
    rings = _around_neck(head, heights, [0.07, 0.06, 0.06, 0.06, 0.06, 0.045, 0.02], _TURN)
    pattern = np.broadcast_to(_TURN * 14, rings.shape[:2])
    return [("collar", sheet(rings, pattern=pattern))]


def _shirt_collar(head: _Head) -> list[tuple[str, Shape]]:
    turn = np.linspace(0.22, 2 * np.pi - 0.22, 41)
    rings = _around_neck(
        head, [-1.5, -1.25, -1.13, -1.2, -1.42], [0.05, 0.06, 0.07, 0.13, 0.2], turn
    )
    point = np.exp(-((np.minimum(turn - 0.22, turn[::-1] - 0.22) / 0.35) ** 2))
    rings[-1, :, 1] -= 0.12 * point
    rings[..., 1] += 0.10 * (1 - np.cos(turn)) / 2 - 0.05
    return [("collar", sheet(rings))]


def _hood(head: _Head) -> list[tuple[str, Shape]]:
    turn = np.linspace(0.35, 2 * np.pi - 0.35, 41)
    back = (1 - np.cos(turn)) / 2
    rings = _around_neck(
        head, [-1.7, -1.4, -1.2, -1.15, -1.3, -1.6], [0.08, 0.1, 0.14, 0.22, 0.3, 0.34], turn
    )
    rings[..., 1] += 0.28 * back - 0.12
    return [("collar", sheet(rings))]


def _scarf(head: _Head) -> list[tuple[str, Shape]]:
    pieces = []
    for low, room, wave in ((-1.42, 0.10, 0.0), (-1.22, 0.07, 1.3)):
        heights = [low - 0.12, low - 0.05, low + 0.05, low + 0.12, low + 0.08, low]
        rings = _around_neck(
            head, heights, [room, room + 0.12, room + 0.14, room + 0.06, room, room], _TURN
        )
        rings[..., 1] += 0.04 * np.sin(_TURN * 2 + wave)
        pieces.append(rings)
    return [("collar", join([sheet(rings) for rings in pieces]))]

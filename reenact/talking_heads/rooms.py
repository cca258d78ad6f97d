"""Backgrounds: rooms, offices, gardens, backdrops, painted in linear light and out of focus.

A wall is painted in metres (see canvas), seen at an angle, unevenly lit, and blurred by a disc as
an open lens does.
"""

import math
from collections.abc import Callable

import cv2
import numpy as np

from reenact.talking_heads.canvas import Canvas, Colour, Rng, colour
from reenact.talking_heads.furniture import (
    cast_sun,
    paint_board,
    paint_curtain,
    paint_door,
    paint_frames,
    paint_houses,
    paint_lamp,
    paint_leaves,
    paint_monitor,
    paint_plant,
    paint_shelf,
    paint_sofa,
    paint_window,
)
from reenact.talking_heads.raster import Floats

_MARGIN = 1.35  # the wall is painted this much wider than it is seen, to be turned


def _clouds(rng: Rng, height: int, width: int, cells: int) -> Floats:
    """Smooth noise f32[h,w] of mean 0 and deviation about 1; `cells` bumps across."""
    coarse = rng.standard_normal((max(2, cells), max(2, cells)), np.float32)
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32
    )


def _wall(rng: Rng, size: int) -> Canvas:
    """An empty wall: paint, paper, bricks or boards, 0.9 to 2.4 m of it in sight."""
    n = round(size * _MARGIN)
    canvas = Canvas(np.empty((n, n, 3), np.float32), size / float(rng.uniform(0.9, 2.4)))
    paint = colour(rng, 0.35 if rng.random() < 0.8 else 0.8, 0.15, 0.85)
    canvas.pixels[:] = paint
    _cover(canvas, paint, str(rng.choice(_COVERS, p=_COVER_ODDS)), rng)
    canvas.pixels *= 1 + 0.012 * _clouds(rng, n, n, 60)[..., None]
    if rng.random() < 0.35:  # a corner: the other wall has less light
        canvas.pixels[:, : int(rng.uniform(0.15, 0.85) * n)] *= np.float32(rng.uniform(0.6, 0.9))
    if rng.random() < 0.15:
        cast_sun(canvas, rng)
    return canvas


_COVERS = ("paint", "stripes", "bricks", "boards", "tiles")
_COVER_ODDS = (0.66, 0.08, 0.10, 0.10, 0.06)


def _cover(canvas: Canvas, paint: Colour, cover: str, rng: Rng) -> None:
    if cover == "stripes":
        step = float(rng.uniform(0.04, 0.2))
        for x in np.arange(0, canvas.width, step):
            canvas.box(x, 0, step / 2, canvas.height, paint * 0.85)
    elif cover == "boards":
        step, upright = float(rng.uniform(0.08, 0.2)), rng.random() < 0.5
        wood = np.array([0.42, 0.24, 0.11]) * rng.uniform(0.4, 1.6)
        for x in np.arange(0, canvas.width, step):
            board = wood * rng.uniform(0.85, 1.15)
            if upright:
                canvas.box(x, 0, step - 0.006, canvas.height, board)
            else:
                canvas.box(0, x, canvas.width, step - 0.006, board)
    elif cover in ("bricks", "tiles"):
        wide, tall = (0.25, 0.075) if cover == "bricks" else (0.2, 0.2)
        brick = np.array([0.4, 0.16, 0.1]) if rng.random() < 0.5 else paint
        brick = brick if cover == "bricks" else paint
        canvas.pixels[:] = np.float32(paint.mean() * 0.8)
        for row in range(math.ceil(canvas.height / tall)):
            shift = wide / 2 if row % 2 and cover == "bricks" else 0.0
            for x in np.arange(-shift, canvas.width, wide):
                one = brick * (rng.uniform(0.75, 1.25) if cover == "bricks" else 1.0)
                canvas.box(x, row * tall, wide - 0.012, tall - 0.012, one)


def _seen(canvas: Canvas, rng: Rng, size: int) -> Floats:
    """The wall from where the camera stands: turned a little."""
    n = canvas.pixels.shape[0]
    turn, edge = float(rng.uniform(-0.22, 0.22)), 0.5 * (_MARGIN - 1) * size
    left, right = (1 + turn) * size / 2, (1 - turn) * size / 2
    middle, roll = n / 2 + float(rng.normal(0, 0.05)) * size, float(rng.normal(0, 0.02)) * size
    source = [
        [edge, middle - left + roll], [n - edge, middle - right - roll],
        [n - edge, middle + right - roll], [edge, middle + left + roll],
    ]  # fmt: skip
    target = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    warp = cv2.getPerspectiveTransform(np.array(source, np.float32), target)
    picture = cv2.warpPerspective(
        canvas.pixels, warp, (size, size), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(picture, np.float32)


def _room(rng: Rng, size: int, shine: Colour) -> Floats:
    """A living room or bedroom."""
    canvas = _wall(rng, size)
    w, h = canvas.width, canvas.height
    if rng.random() < 0.4:
        paint_frames(canvas, w * float(rng.uniform(-0.1, 0.7)), 0.35 * h * rng.uniform(), rng)
    if rng.random() < 0.12:
        paint_door(canvas, float(rng.uniform(-0.5, w - 0.3)), rng)
    if rng.random() < 0.25:
        x = float(rng.choice([rng.uniform(-0.5, 0.1 * w), rng.uniform(0.55 * w, w - 0.2)]))
        top, wide = float(rng.uniform(-0.4, 0.2)), float(rng.uniform(0.6, 1.4))
        paint_window(canvas, x, top, wide, shine, rng)
    if rng.random() < 0.12:
        x, wide = w * float(rng.uniform(-0.1, 0.6)), float(rng.uniform(0.5, 2.0))
        paint_curtain(canvas, x, 0, wide, h, colour(rng, 0.5, 0.1, 0.8), rng)
    if rng.random() < 0.35:
        paint_shelf(canvas, float(rng.uniform(-0.3, w - 0.3)), float(rng.uniform(0.5, 1.2)), rng)
    if rng.random() < 0.2:
        paint_lamp(canvas, w * float(rng.uniform()), h * float(rng.uniform(0.2, 0.6)), rng)
    if rng.random() < 0.25:
        paint_plant(canvas, w * float(rng.uniform()), h * float(rng.uniform(0.5, 0.8)), rng)
    if rng.random() < 0.25:
        paint_sofa(canvas, h * float(rng.uniform(0.6, 0.85)), rng)
    return _seen(canvas, rng, size)


def _office(rng: Rng, size: int, shine: Colour) -> Floats:
    """Glass, boards, screens, blinds."""
    canvas = _wall(rng, size)
    w, h = canvas.width, canvas.height
    if rng.random() < 0.4:
        paint_window(canvas, float(rng.uniform(-0.5, 0.5 * w)), -0.3, 1.6, shine, rng)
    if rng.random() < 0.4:
        paint_board(canvas, float(rng.uniform(-0.6, 0.6 * w)), h * float(rng.uniform(0, 0.35)), rng)
    if rng.random() < 0.4:
        paint_shelf(canvas, float(rng.uniform(0, w)), float(rng.uniform(0.5, 1.0)), rng)
    if rng.random() < 0.3:
        paint_door(canvas, float(rng.uniform(-0.3, w)), rng)
    for _ in range(int(rng.integers(0, 3))):
        paint_monitor(canvas, float(rng.uniform(-0.2, w)), h * float(rng.uniform(0.4, 0.7)), rng)
    if rng.random() < 0.3:
        paint_plant(canvas, float(rng.uniform(0, w)), h * float(rng.uniform(0.5, 0.8)), rng)
    return _seen(canvas, rng, size)


def _outdoors(rng: Rng, size: int, shine: Colour) -> Floats:
    """Sky over bushes, or leaves all over."""
    n = round(size * _MARGIN)
    canvas = Canvas(np.empty((n, n, 3), np.float32), size / float(rng.uniform(1.5, 4.0)))
    height = np.linspace(0, 1, n)[:, None, None]
    haze = np.array([0.9, 0.93, 0.95]) * rng.uniform(0.6, 1.6)
    blue = np.array([0.35, 0.6, 1.0]) * rng.uniform(0.5, 1.4)
    canvas.pixels[:] = blue + (haze - blue) * np.minimum(height * rng.uniform(1, 2), 1)
    canvas.pixels *= 1 + 0.12 * _clouds(rng, n, n, 5)[..., None]
    horizon = canvas.height * float(rng.uniform(-0.1, 0.7))
    canvas.box(0, horizon, canvas.width, canvas.height, np.array([0.05, 0.08, 0.03]))
    if rng.random() < 0.4:
        horizon = max(horizon, 0.45 * canvas.height)
        paint_houses(canvas, horizon, rng)
        horizon += float(rng.uniform(0.0, 0.5)) * canvas.height
    part = 0.045 * canvas.width
    for y in np.linspace(horizon, canvas.height * 1.1, 10):
        light = float(rng.uniform(0.6, 1.3))
        for x in rng.uniform(0, canvas.width, 14):
            shade = np.array([0.1, 0.2, 0.05]) * light * np.exp(rng.normal(-0.5, 0.4))
            at = y + float(rng.normal(0, 0.1))
            canvas.disc(x, at, part * float(rng.uniform(0.6, 1.6)), shade)
            paint_leaves(canvas, x, at, part * float(rng.uniform(0.7, 1.5)), 6, rng)
    return _seen(canvas, rng, size)


def _gradient(rng: Rng, size: int, shine: Colour) -> Floats:
    """Two colours running into each other: a virtual background."""
    first, second = colour(rng, 0.8, 0.05, 0.9), colour(rng, 0.8, 0.05, 0.9)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    blend = np.clip(0.5 + x * np.cos(angle) + y * np.sin(angle), 0, 1)[..., None]
    return np.asarray(first * (1 - blend) + second * blend, np.float32)


def _backdrop(rng: Rng, size: int, shine: Colour) -> Floats:
    """A photographer's mottled cloth, brightest behind the head; or the green of a green screen."""
    if rng.random() < 0.2:
        cloth = np.array([0.08, 0.42, 0.13]) * rng.uniform(0.7, 1.5) * np.exp(rng.normal(0, 0.1, 3))
        spread, mottle = 3.0, 0.02
    else:
        cloth, spread, mottle = (
            colour(rng, 0.5, 0.1, 0.8),
            rng.uniform(0.4, 1.2),
            rng.uniform(0, 0.2),
        )
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    lit = np.exp(-((x - rng.normal(0, 0.2)) ** 2 + (y - rng.normal(0, 0.2)) ** 2) / spread**2)
    return np.asarray(
        (lit * (1 + mottle * _clouds(rng, size, size, 7)))[..., None] * cloth, np.float32
    )


def _bokeh(rng: Rng, size: int, shine: Colour) -> Floats:
    """A dark place with small lights: a street at night, a fairy chain, a screen far away."""
    n = round(size * _MARGIN)
    canvas = Canvas(np.full((n, n, 3), 0.02, np.float32), size / 2.0)
    canvas.pixels *= 1 + 0.5 * _clouds(rng, n, n, 5)[..., None]
    base = colour(rng, 0.9, 0.5, 1.0)
    for _ in range(int(rng.integers(5, 40))):
        lamp = (base if rng.random() < 0.6 else colour(rng, 1.0, 0.5, 1.0)) * rng.uniform(2, 25)
        x, y = rng.uniform(0, canvas.width, 2)
        canvas.disc(x, y * 0.8, float(rng.uniform(0.01, 0.025)), lamp)
    return _seen(canvas, rng, size)


_PAINTERS: dict[str, tuple[float, Callable[[Rng, int, Colour], Floats]]] = {
    "room": (0.42, _room),
    "office": (0.14, _office),
    "outdoors": (0.11, _outdoors),
    "gradient": (0.07, _gradient),
    "backdrop": (0.08, _backdrop),
    "bokeh": (0.04, _bokeh),
}
BACKGROUNDS = ("plain", *_PAINTERS)
BACKGROUND_ODDS = (0.14, *(odds for odds, _ in _PAINTERS.values()))


def paint_background(kind: str, rng: Rng, size: int, side: float) -> Floats:
    """What is behind, f32[s,s,3], as reflectances under even light of 1; what shines is brighter.

    kind: one of BACKGROUNDS; "plain" is one colour all over. side > 0: the light comes from the right.
    """
    if kind == "plain":
        return np.asarray(
            np.broadcast_to(colour(rng, 0.4, 0.05, 0.85), (size, size, 3)), np.float32
        )
    shine = np.array([0.9, 1.0, 1.15]) * float(np.exp(rng.uniform(-0.5, 2.0)))
    picture = _PAINTERS[kind][1](rng, size, shine)
    if kind not in ("gradient", "backdrop"):
        picture = _unfocused(picture, rng, 0.002 if kind in ("room", "office") else 0.016)
    if kind in ("room", "office"):
        across = np.linspace(-0.5, 0.5, size, dtype=np.float32)
        uneven = np.exp(rng.uniform(0, 0.8) * side * across + rng.normal(0, 0.4) * across[:, None])
        picture *= uneven[..., None]
    return picture


def _unfocused(picture: Floats, rng: Rng, least: float) -> Floats:
    """Blur by a disc: radius from `least` of the side (0.2 %: a webcam) to 4 % (a portrait lens)."""
    radius = picture.shape[0] * float(np.exp(rng.uniform(math.log(least), math.log(0.04))))
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return np.asarray(
        cv2.filter2D(picture, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT), np.float32
    )

"""Things that stand behind people, painted upright on a canvas; all is blurred afterwards."""

import math

import cv2
import numpy as np

from reenact.talking_heads.canvas import Canvas, Colour, Rng, colour


def cast_sun(canvas: Canvas, rng: Rng) -> None:
    """Sun that falls through a window onto the wall: slanting panes of light with soft edges."""
    light = Canvas(np.ones_like(canvas.pixels), canvas.scale)
    left, top = rng.uniform(-0.3, 0.7 * canvas.width), rng.uniform(-0.4, 0.5)
    slant, wide, tall = rng.uniform(-0.8, 0.8), rng.uniform(0.2, 0.5), rng.uniform(0.3, 0.6)
    sun = 1 + np.array([1.0, 0.85, 0.65]) * rng.uniform(0.4, 2.0)
    for column in (0.0, wide + 0.05):
        for row in (0.0, tall + 0.05):
            corners = [
                [column, row],
                [column + wide, row],
                [column + wide, row + tall],
                [column, row + tall],
            ]
            sheared = [[left + x + slant * y, top + y + 0.3 * slant * x] for x, y in corners]
            light.polygon(np.array(sheared), sun)
    softness = canvas.scale * float(rng.uniform(0.01, 0.05))
    canvas.pixels *= np.asarray(cv2.GaussianBlur(light.pixels, (0, 0), softness), np.float32)


def paint_shelf(canvas: Canvas, x: float, width: float, rng: Rng) -> None:
    """Boards from top to bottom, full of books and a few things."""
    wood = colour(rng, 0.5, 0.05, 0.7) * [1.0, 0.85, 0.7]
    back = wood * rng.uniform(0.3, 0.8)
    canvas.shadow(x, 0, width, canvas.height)
    canvas.box(x, 0, width, canvas.height, back)
    palette = [colour(rng, 0.9, 0.05, 0.6) for _ in range(7)]
    spacing = float(rng.uniform(0.26, 0.36))
    y = float(rng.uniform(-0.2, 0.05))
    while y < canvas.height:
        _paint_row(canvas, x, y + spacing, width, spacing, palette, rng)
        canvas.box(x, y + spacing, width, 0.025, wood)
        canvas.box(x, y + spacing + 0.025, width, 0.03, back * 0.6)
        y += spacing + 0.025
    for side in (x - 0.02, x + width):
        canvas.box(side, 0, 0.025, canvas.height, wood * 0.8)


def _paint_row(
    canvas: Canvas,
    x: float,
    floor: float,
    width: float,
    spacing: float,
    palette: list[Colour],
    rng: Rng,
) -> None:
    """Books standing on `floor`, with gaps where other things stand."""
    at, end = x + 0.01, x + width - 0.04
    while at < end:
        if rng.random() < 0.08:
            gap = float(rng.uniform(0.12, 0.25))
            _paint_thing(canvas, at + gap / 2, floor, 0.7 * spacing, rng)
            at += gap
            continue
        thick = float(rng.uniform(0.015, 0.045))
        tall = spacing * float(rng.uniform(0.6, 0.92))
        cover = palette[int(rng.integers(len(palette)))] * rng.uniform(0.6, 1.3)
        canvas.box(at, floor - tall, thick, tall, cover)
        canvas.box(at + 0.8 * thick, floor - tall, 0.2 * thick, tall, cover * 0.5)
        if rng.random() < 0.5:
            canvas.box(at, floor - 0.75 * tall, thick, 0.04, cover * 0.5 + 0.25)
        at += thick


def _paint_thing(canvas: Canvas, x: float, floor: float, tall: float, rng: Rng) -> None:
    """A vase, a box or a small plant."""
    kind, paint = rng.integers(3), colour(rng, 0.7, 0.1, 0.8)
    if kind == 0:
        wide = float(rng.uniform(0.03, 0.06))
        canvas.disc(x, floor - wide, wide, paint)
        canvas.box(x - wide / 3, floor - 2.6 * wide, wide / 1.5, 1.2 * wide, paint * 0.9)
    elif kind == 1:
        canvas.box(x - 0.06, floor - 0.7 * tall, 0.12, 0.7 * tall, paint)
    else:
        canvas.box(x - 0.04, floor - 0.07, 0.08, 0.07, paint)
        paint_leaves(canvas, x, floor - 0.09, 0.09, 14, rng)


def paint_leaves(canvas: Canvas, x: float, y: float, reach: float, count: int, rng: Rng) -> None:
    """Leaves that grow from (x, y) upwards and outwards."""
    green = np.array([0.12, 0.28, 0.06]) * rng.uniform(0.5, 1.5) * np.exp(rng.normal(0, 0.15, 3))
    slim = float(rng.uniform(0.12, 0.35))
    for _ in range(count):
        angle = float(rng.normal(-math.pi / 2, 0.8))
        length = reach * float(rng.uniform(0.5, 1.1))
        along = np.array([math.cos(angle), math.sin(angle)]) * length
        aside = np.array([-along[1], along[0]]) * slim
        root = np.array([x, y]) + along * rng.uniform(0.0, 0.7)
        points = [
            root,
            root + 0.45 * along + aside / 2,
            root + along,
            root + 0.45 * along - aside / 2,
        ]
        canvas.polygon(np.array(points), green * rng.uniform(0.45, 1.6))


def paint_houses(canvas: Canvas, y: float, rng: Rng) -> None:
    """Houses with rows of windows along a street, as tall as the picture has room, standing on y."""
    canvas.box(0, y, canvas.width, canvas.height, np.full(3, rng.uniform(0.1, 0.3)))
    at = float(rng.uniform(-0.5, 0.0))
    while at < canvas.width:
        wide, tall = rng.uniform(0.4, 1.2), rng.uniform(0.3, 1.5)
        front = colour(rng, 0.5, 0.2, 0.8)
        canvas.box(at, y - tall, wide, tall + 0.05, front)
        pane, step = front * rng.uniform(0.15, 0.5), float(rng.uniform(0.12, 0.2))
        for row in np.arange(y - tall + 0.08, y - 0.08, step):
            for column in np.arange(at + 0.06, at + wide - 0.08, step):
                canvas.box(column, row, 0.5 * step, 0.6 * step, pane * rng.uniform(0.6, 2.0))
        at += wide


def paint_plant(canvas: Canvas, x: float, y: float, rng: Rng) -> None:
    """A pot plant that is about 0.6 m tall; (x, y) is the rim of its pot."""
    pot, stand = colour(rng, 0.6, 0.15, 0.8), colour(rng, 0.6, 0.05, 0.6)
    wide = float(rng.uniform(0.15, 0.5))
    canvas.box(x - wide, y + 0.2, 2 * wide, canvas.height, stand)
    canvas.box(x - wide, y + 0.2, 2 * wide, 0.03, stand * 1.3)
    canvas.polygon(
        np.array([[x - 0.12, y], [x + 0.12, y], [x + 0.09, y + 0.2], [x - 0.09, y + 0.2]]), pot
    )
    paint_leaves(canvas, x, y, float(rng.uniform(0.3, 0.6)), int(rng.integers(18, 40)), rng)


def paint_frames(canvas: Canvas, x: float, y: float, rng: Rng) -> None:
    """One to four pictures on the wall."""
    edge, mat = colour(rng, 0.4, 0.03, 0.7), np.full(3, rng.uniform(0.5, 0.9))
    for _ in range(int(rng.integers(1, 5))):
        width, height = rng.uniform(0.18, 0.5, 2)
        canvas.shadow(x, y, width, height)
        canvas.box(x, y, width, height, edge)
        canvas.box(x + 0.02, y + 0.02, width - 0.04, height - 0.04, mat)
        inner = float(rng.choice([0.02, 0.05]))
        _paint_art(canvas, x + inner, y + inner, width - 2 * inner, height - 2 * inner, rng)
        x += width + float(rng.uniform(0.04, 0.15))
        y += float(rng.normal(0, 0.06))


def _paint_art(canvas: Canvas, x: float, y: float, width: float, height: float, rng: Rng) -> None:
    """A landscape of bands, or an abstract of patches."""
    canvas.box(x, y, width, height, colour(rng, 0.6, 0.2, 0.8))
    if rng.random() < 0.5:
        for part in np.sort(rng.uniform(0.3, 0.9, 3)):
            canvas.box(
                x, y + part * height, width, (1 - part) * height, colour(rng, 0.7, 0.05, 0.6)
            )
        return
    for _ in range(5):
        u, v, p, q = rng.uniform(0, 1, 4)
        canvas.box(
            x + 0.7 * u * width, y + 0.7 * v * height, 0.3 * p * width, 0.3 * q * height,
            colour(rng, 0.9, 0.05, 0.8),
        )  # fmt: skip


def paint_window(canvas: Canvas, x: float, y: float, width: float, shine: Colour, rng: Rng) -> None:
    """Panes with sky and green outside, a frame, and often curtains; shine [3]: light of the sky."""
    height = float(rng.uniform(0.9, 1.6))
    canvas.glow(x + width / 2, y + height / 2, 0.6, 0.6 * shine / (1 + shine.mean()))
    _paint_view(canvas, x, y, width, height, shine, rng)
    frame = np.full(3, rng.choice([0.85, 0.7, 0.2])) * rng.uniform(0.6, 1.0)
    if rng.random() < 0.3:
        for k in range(int(height / 0.05)):
            canvas.box(x, y + 0.05 * k, width, 0.03, frame * (0.5 + 0.5 * shine))
    for bar in np.linspace(0, 1, int(rng.integers(2, 4))):
        canvas.box(x + bar * width - 0.025, y, 0.05, height, frame)
    for bar in (0.0, rng.uniform(0.3, 0.6), 1.0):
        canvas.box(x - 0.03, y + bar * height - 0.025, width + 0.06, 0.05, frame)
    if rng.random() < 0.6:
        cloth = colour(rng, 0.5, 0.15, 0.8)
        wide = float(rng.uniform(0.15, 0.5)) * width
        paint_curtain(canvas, x - 0.15, y - 0.15, wide + 0.15, height + 0.6, cloth, rng)
        paint_curtain(canvas, x + width - wide, y - 0.15, wide + 0.15, height + 0.6, cloth, rng)


def _paint_view(
    canvas: Canvas, x: float, y: float, width: float, height: float, shine: Colour, rng: Rng
) -> None:
    """What is outside a window: sky, perhaps a house, trees."""
    sky = np.array([0.85, 0.95, 1.1]) * shine
    steps = 16
    for k in range(steps):
        strip = sky * (0.8 + 0.5 * k / steps)
        canvas.box(x, y + k * height / steps, width, height / steps + 0.01, strip)
    horizon = y + height * float(rng.uniform(0.35, 1.2))
    if rng.random() < 0.4:
        house = sky * colour(rng, 0.4, 0.3, 0.7)
        high = min(float(rng.uniform(0.1, 0.5)), horizon - y)
        at = x + width * float(rng.uniform(0, 0.6))
        canvas.box(at, horizon - high, 0.4 * width, y + height - horizon + high, house)
    for _ in range(40):
        radius = float(rng.uniform(0.04, 0.12))
        at = float(rng.uniform(x + radius, x + width - radius))
        level = horizon + float(rng.exponential(0.25))
        if level < y + height - radius:
            canvas.disc(at, level, radius, sky * [0.12, 0.2, 0.05] * rng.uniform(0.4, 1.6))
    canvas.soften(x, y, width, height, 0.02)


def paint_curtain(
    canvas: Canvas, x: float, y: float, width: float, height: float, cloth: Colour, rng: Rng
) -> None:
    """Cloth in folds."""
    k = canvas.scale
    x0, x1 = max(int(x * k), 0), min(int((x + width) * k), canvas.pixels.shape[1])
    rows = slice(max(int(y * k), 0), max(int((y + height) * k), 0))
    if x1 <= x0:
        return
    along = np.arange(x0, x1) / k
    folds = np.sin(along * rng.uniform(35, 70) + 1.5 * np.sin(along * rng.uniform(9, 20)))
    shade = 0.72 + 0.28 * folds
    canvas.pixels[rows, x0:x1] = (shade[:, None] * cloth).astype(np.float32)


def paint_door(canvas: Canvas, x: float, rng: Rng) -> None:
    """A door in its frame, with panels and a handle."""
    leaf = colour(rng, 0.3, 0.2, 0.85) * [1.0, 0.93, 0.85]
    top = float(rng.uniform(-0.2, 0.35))
    canvas.box(x - 0.08, top - 0.08, 0.98, canvas.height, leaf * 0.85)
    canvas.box(x - 0.01, top - 0.01, 0.84, canvas.height, leaf * 0.35)
    canvas.box(x, top, 0.82, canvas.height, leaf)
    for row in (top + 0.12, top + 0.95):
        for column in (x + 0.1, x + 0.45):
            canvas.box(column, row, 0.27, 0.7, leaf * 0.7)
            canvas.box(column + 0.015, row + 0.015, 0.255, 0.685, leaf * 1.05)
    canvas.box(x + 0.05, top + 0.95, 0.12, 0.025, np.full(3, 0.5))


def paint_lamp(canvas: Canvas, x: float, y: float, rng: Rng) -> None:
    """A standing lamp whose shade shines, with its light on the wall."""
    warm = np.array([1.0, 0.72, 0.42]) * rng.uniform(1.5, 5.0)
    canvas.glow(x, y + 0.1, float(rng.uniform(0.25, 0.5)), 0.5 * warm)
    canvas.box(x - 0.012, y + 0.2, 0.024, canvas.height, np.full(3, 0.06))
    top, foot, tall = rng.uniform(0.07, 0.13), rng.uniform(0.13, 0.2), rng.uniform(0.18, 0.28)
    points = [[x - top, y], [x + top, y], [x + foot, y + tall], [x - foot, y + tall]]
    canvas.polygon(np.array(points), warm)


def paint_sofa(canvas: Canvas, y: float, rng: Rng) -> None:
    """The back of a sofa or the head of a bed along the lower edge, with cushions."""
    cloth = colour(rng, 0.6, 0.08, 0.6)
    canvas.box(0, y, canvas.width, canvas.height, cloth)
    canvas.box(0, y, canvas.width, 0.05, cloth * 1.25)
    at = float(rng.uniform(-0.3, 0.2))
    while at < canvas.width:
        canvas.box(at, y + 0.05, 0.012, canvas.height, cloth * 0.5)
        if rng.random() < 0.5:
            cushion = np.array([[0.05, 0.12], [0.3, 0.06], [0.46, 0.14], [0.45, 0.5], [0.08, 0.5]])
            canvas.polygon(cushion + [at, y], colour(rng, 0.8, 0.1, 0.8))
        at += float(rng.uniform(0.5, 0.8))


def paint_monitor(canvas: Canvas, x: float, y: float, rng: Rng) -> None:
    """A screen that is on, on a desk: a bright page with lines of text."""
    canvas.box(x - 0.5, y + 0.46, 1.6, canvas.height, colour(rng, 0.4, 0.1, 0.7))
    canvas.box(x, y, 0.58, 0.35, np.full(3, 0.02))
    page = colour(rng, 0.5, 0.1, 2.0)
    canvas.box(x + 0.01, y + 0.01, 0.56, 0.32, page)
    for k in range(int(rng.integers(3, 12))):
        canvas.box(
            x + 0.04, y + 0.03 + 0.024 * k, float(rng.uniform(0.1, 0.45)), 0.012,
            np.full(3, 0.3) if page.mean() > 0.5 else page + 0.3,
        )  # fmt: skip
    canvas.box(x + 0.26, y + 0.35, 0.06, 0.12, np.full(3, 0.05))


def paint_board(canvas: Canvas, x: float, y: float, rng: Rng) -> None:
    """A whiteboard with writing."""
    canvas.box(x, y, 1.4, 0.9, np.full(3, 0.35))
    canvas.box(x + 0.02, y + 0.02, 1.36, 0.86, np.full(3, 0.8))
    for row in range(int(rng.integers(2, 7))):
        ink = colour(rng, 1.0, 0.05, 0.4)
        at = x + 0.1
        for _ in range(int(rng.integers(2, 6))):
            length = float(rng.uniform(0.05, 0.2))
            canvas.box(at, y + 0.1 + 0.11 * row, length, 0.018, ink)
            at += length + 0.04

"""What comes between a face and the camera: hands, a mug, a phone, a microphone, strands of hair.

A thing is modelled once per clip as a relief (a height and a colour per pixel) in the colours and the
light of the person's face, and then moved as one piece, smoothly, with a soft shadow on the person.
Lengths of reliefs are in faces: the distance from chin to brows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from reenact.talking_heads.clay import Clay, Colour, Point
from reenact.talking_heads.landmarks import rows
from reenact.talking_heads.raster import Bytes, Floats

Rng = np.random.Generator
Vector = npt.NDArray[np.float64]

OCCLUDERS = ("none", "hand", "mug", "phone", "microphone", "hair")

_FINGERS = ((-0.17, 0.49, 0.41), (-0.06, 0.53, 0.47), (0.05, 0.52, 0.44), (0.15, 0.46, 0.34))
"""Of a right hand seen from its back, palm 0.5 long and wrist at (0, 0): root x, root y, length."""
_HAND = 1.3  # faces: the length of a hand


@dataclass(frozen=True)
class _Face:
    """Where the face is in each frame, and how it looks in the first: what things are fitted to."""

    brows: Vector  # [T,2] px
    mouth: Vector
    chin: Vector
    unit: float  # px: one face
    roll: Vector  # [T] rad, clockwise in the picture
    skin: Colour  # linear
    hair: Colour
    light: float  # -1 (from the left) .. 1 (from the right)


def occlude(
    frames: Bytes, alpha: Bytes, landmarks: Floats, kind: str, rng: Rng, fps: float
) -> Bytes:
    """The clip u8[T,s,s,3] with a thing of a kind (one of OCCLUDERS) before the face.

    alpha u8[T,s,s]; landmarks f32[T,L,2] px in the order of LANDMARKS.
    """
    if kind == "none":
        return frames
    face = _measure(frames[0], alpha[0], landmarks)
    if kind == "hair":
        return _wisps(frames, landmarks, face, rng)
    clay = Clay(face.unit)
    move = _MAKERS[kind](clay, face, rng)
    relief = clay.bake(face.light)
    presence = _presence(rng, len(frames), fps)
    out = np.empty_like(frames)
    for t, frame in enumerate(frames):
        where, turn, mirrored = move(t, t / fps)
        where = where + np.array([0.25 * mirrored, 2.4]) * face.unit * (1 - presence[t])
        out[t] = _lay(frame, alpha[t], relief, clay.placed(where, turn, mirrored), face)
    return out


Move = Callable[[int, float], tuple[Vector, float, float]]
"""(frame, seconds) -> where the relief's origin is (px), its turn (rad, clockwise), -1 if mirrored."""


def _measure(frame: Bytes, alpha: Bytes, landmarks: Floats) -> _Face:
    points = landmarks.astype(np.float64)
    brow, chin, mouth, crown = (
        points[:, i] for i in rows("between brows", "chin bottom", "mouth", "forehead top")
    )
    left, right = (points[:, i] for i in rows("left eye", "right eye"))
    unit = float(np.median(np.linalg.norm(chin - brow, axis=1)))
    cheeks = [
        _patch(frame, points[0, i])
        for i in rows("left cheek", "right cheek", "nose tip", "forehead")
    ]
    across = left - right
    bright = np.log(cheeks[0].mean() / cheeks[1].mean())  # the left cheek is on the picture's right
    skin = np.asarray(np.median(cheeks, 0))
    hairline = crown[0] + 0.12 * (brow - chin)[0]
    return _Face(
        brow, mouth, chin, unit,
        np.arctan2(across[:, 1], across[:, 0]),
        skin,
        _patch(frame, hairline) if _patch(alpha, hairline).mean() > 0.7 else skin,
        float(np.clip(bright, -1, 1)),
    )  # fmt: skip


def _patch(frame: Bytes, point: Vector) -> Colour:
    """Mean colour around a point, linear light (about 2.2)."""
    size = frame.shape[0]
    x, y = np.clip(point, 3, size - 4).astype(int)
    return np.asarray((frame[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)) / 255 + 0.004) ** 2.2)


def _presence(rng: Rng, count: int, fps: float) -> Vector:
    """[T] 1 = in place, 0 = out of the picture: there all the time, or brought and taken away."""
    seconds = np.arange(count) / fps
    whole = max(count / fps, 0.2)
    start, stay, speed = rng.uniform(-0.3, 0.4) * whole, rng.uniform(0.4, 1.2) * whole, 0.4
    if rng.random() < 0.5:
        return np.ones(count)
    edge = np.clip((seconds - start) / speed + 0.5, 0, 1) * np.clip(
        (start + stay - seconds) / speed + 0.5, 0, 1
    )
    return np.asarray(edge * edge * (3 - 2 * edge))


def _lay(frame: Bytes, alpha: Bytes, relief: Floats, matrix: Vector, face: _Face) -> Bytes:
    """Put a relief f32[n,n,4] (premultiplied) over a frame, with its shadow on the person."""
    size = frame.shape[0]
    flags = cv2.INTER_AREA if matrix[0, 0] < 0.6 else cv2.INTER_LINEAR
    thing = np.asarray(cv2.warpAffine(relief, matrix, (size, size), flags=flags), np.float32)
    away = 0.05 * face.unit
    shift = np.array([[1, 0, -face.light * away], [0, 1, away]])
    shade = cv2.warpAffine(thing[..., 3], shift, (size, size))
    shade = cv2.GaussianBlur(shade, (0, 0), 0.05 * face.unit + 0.3)
    kept = (1 - 0.45 * shade * (alpha / np.float32(255))) * (1 - thing[..., 3])
    return np.asarray(frame * kept[..., None] + 255 * thing[..., :3] + 0.5, np.uint8)


def _bone(clay: Clay, a: Point, b: Point, radii: Point, colour: Colour, lift: float = 0.0) -> None:
    """A capsule in lengths of a hand, y up from the wrist."""
    k = _HAND
    clay.capsule(
        (k * a[0], -k * a[1]), (k * b[0], -k * b[1]), k * radii[0], k * radii[1], colour, k * lift
    )


def _model_hand(
    clay: Clay, tone: Colour, rng: Rng, curls: Vector, spread: float, palm: bool
) -> None:
    """A hand whose wrist is the origin, fingers up, on its arm.

    curls [5] of the index to the little finger and the thumb: 0 = straight .. 1 = folded; spread: 0 =
    fingers side by side .. 1; palm: seen from its palm.
    """
    _bone(clay, (0, 0.05), (0, -2.2), (0.115, 0.2), tone)
    cloth = np.exp(rng.uniform(-3.5, -0.5)) * np.exp(rng.normal(0, 0.3, 3))
    bare = float(rng.choice([0.12, 0.5, 3.0]))
    if bare < 2:
        _bone(clay, (0, -bare), (0, -2.2), (0.17, 0.26), cloth, 0.02)
    for x, y, _ in _FINGERS:
        _bone(clay, (0.5 * x, 0.08), (x, y), (0.1, 0.068), tone)
    _bone(clay, (-0.04, 0.12), (-0.15, 0.3), (0.12, 0.07), tone, 0.02)
    fold = float(curls[4])
    joint, tip = (-0.26 + 0.1 * fold, 0.33), (-0.34 + 0.26 * fold, 0.47 - 0.02 * fold)
    _bone(clay, (-0.13, 0.16), joint, (0.08, 0.058), tone, 0.03 + 0.05 * fold)
    _bone(clay, joint, tip, (0.058, 0.045), tone, 0.03 + 0.08 * fold)
    for k, finger in enumerate(_FINGERS):
        lean = spread * (k - 1.5) * 0.16 + float(rng.normal(0, 0.02))
        _model_finger(clay, tone, finger, float(curls[k]), lean, palm)


def _model_finger(
    clay: Clay,
    tone: Colour,
    finger: tuple[float, float, float],
    curl: float,
    lean: float,
    palm: bool,
) -> None:
    """Three bones in a row, foreshortened by their curl; a nail, or a knuckle where it is bent."""
    x, y, length = finger
    red = tone * [1.08, 0.9, 0.88]
    way = np.array([np.sin(lean), np.cos(lean)])
    along = way * length * (1 - 0.62 * curl)
    joints = [(x + along[0] * f, y + along[1] * f) for f in (0, 0.42, 0.72, 1.0)]
    radii = (0.062, 0.056, 0.051, 0.042)
    for a in range(3):
        ends = (radii[a], radii[a + 1])
        _bone(clay, joints[a], joints[a + 1], ends, red if a == 2 else tone, 0.05 * curl * (a > 0))
    if palm:
        return
    end = joints[3]
    if curl > 0.5:
        _bone(clay, end, end, (0.06, 0.06), red, 0.04)
    else:
        nail = np.clip(tone * [1.15, 1.12, 1.15], 0, 0.9)
        far = (end[0] + 0.014 * way[0], end[1] + 0.014 * way[1])
        _bone(clay, end, far, (0.024, 0.02), nail, 0.026)


def _make_hand(clay: Clay, face: _Face, rng: Rng) -> Move:
    """A hand at the chin, on the cheek, before the mouth, scratching, or waving beside the head."""
    pose = str(rng.choice(["chin", "cheek", "mouth", "scratch", "wave"]))
    side = float(rng.choice([-1.0, 1.0]))
    curls = {
        "chin": (0.9, 1.0, 1.0, 0.95, 0.6),
        "cheek": (0.1, 0.15, 0.3, 0.4, 0.2),
        "mouth": (0.1, 0.05, 0.05, 0.1, 0.5),
        "scratch": (0.0, 0.9, 1.0, 1.0, 0.8),
        "wave": (0.0, 0.0, 0.0, 0.05, 0.0),
    }[pose]
    bend = np.clip(np.array(curls) + rng.normal(0, 0.05, 5), 0, 1)
    tone = face.skin * float(np.exp(rng.normal(0, 0.12))) * np.exp(rng.normal(0, 0.03, 3))
    spread = {"wave": 0.9, "cheek": 0.5}.get(pose, 0.15)
    _model_hand(clay, tone, rng, bend, spread, palm=pose == "wave")
    turn = {"chin": 0.1, "cheek": 0.35, "mouth": 1.15, "scratch": 0.6, "wave": 0.0}[pose]
    turn += float(rng.normal(0, 0.12))
    aim = {"chin": 0.62, "cheek": 0.85, "mouth": 0.72, "scratch": 0.95, "wave": 0.5}[pose]
    spots = {"chin": (0.1, 1.12), "cheek": (0.42, 0.72), "mouth": (0.0, 0.74), "wave": (0.95, 0.4)}
    target = np.array(spots.get(pose, (rng.uniform(-0.1, 0.5), rng.uniform(-0.1, 0.8))))
    target = target + rng.normal(0, 0.06, 2)
    rate, swing = float(rng.uniform(1.2, 2.4)), {"wave": 0.3, "scratch": 0.06}.get(pose, 0.015)

    def move(t: int, seconds: float) -> tuple[Vector, float, float]:
        # a hand from the picture's right is the relief as drawn, with the thumb towards the face
        roll = 0.0 if pose == "wave" else float(face.roll[t])
        angle = -turn + swing * np.sin(2 * np.pi * rate * seconds)
        down = np.array([-np.sin(roll), np.cos(roll)])
        right = np.array([np.cos(roll), np.sin(roll)])
        at = face.brows[0 if pose == "wave" else t]
        at = at + face.unit * (side * target[0] * right + target[1] * down)
        turned = side * angle + roll
        reach = aim * _HAND * face.unit * np.array([np.sin(turned), -np.cos(turned)])
        return at - reach, turned, side

    return move


def _held(clay: Clay, face: _Face, rng: Rng, half: float, top: float) -> None:
    """Fingers around a thing of width 2 half, from the right; palm and arm behind it."""
    skin = face.skin * float(np.exp(rng.normal(0, 0.12)))
    for k in range(4):
        y = top + 0.15 * k
        end = -half + 0.2 + 0.05 * abs(k - 1)
        clay.capsule((half + 0.02, y), (end, y + 0.02), 0.08, 0.062, skin, 0.5)
    clay.capsule((half + 0.02, top + 0.1), (half + 0.1, top + 0.6), 0.11, 0.15, skin, -0.2)
    clay.capsule((half + 0.1, top + 0.6), (half + 0.7, top + 3.0), 0.15, 0.26, skin, -0.3)


def _make_mug(clay: Clay, face: _Face, rng: Rng) -> Move:
    """A mug lifted to the mouth."""
    half, tall = float(rng.uniform(0.26, 0.34)), float(rng.uniform(0.55, 0.75))
    glaze = np.exp(rng.uniform(-2.5, -0.2)) * np.exp(rng.normal(0, 0.4, 3))
    ring = [
        (-half - 0.16 * np.sin(a), 0.5 * tall - 0.3 * tall * np.cos(a))
        for a in np.linspace(0.15, 3.0, 9)
    ]
    for a, b in zip(ring[:-1], ring[1:], strict=True):
        clay.capsule(a, b, 0.045, 0.045, np.minimum(glaze, 0.85), 0.02)
    clay.cylinder(-half, half, 0.0, tall, np.minimum(glaze, 0.85))
    clay.rim(half, 0.3 * half, np.minimum(glaze, 0.85))
    _held(clay, face, rng, half, 0.08)
    return _attached(face, rng, "mouth", (0.0, 0.02), 0.12)


def _make_phone(clay: Clay, face: _Face, rng: Rng) -> Move:
    """A phone seen from its back, before a part of the face or at the ear."""
    half, tall = 0.28, 1.15
    body = np.exp(rng.uniform(-4.5, -0.7)) * np.exp(rng.normal(0, 0.15, 3))
    clay.slab(-half, half, 0.0, tall, 0.07, np.minimum(body, 0.9))
    clay.slab(-0.8 * half, -0.1 * half, 0.05, 0.3, 0.04, body * 0.6, 0.03)
    for y in (0.11, 0.23):
        clay.capsule((-0.45 * half, y), (-0.45 * half, y), 0.045, 0.045, np.full(3, 0.01), 0.1)
    _held(clay, face, rng, half, 0.45)
    return _attached(face, rng, "brows", (float(rng.choice([-0.65, 0.1, 0.65])), 0.25), 0.2)


def _make_microphone(clay: Clay, face: _Face, rng: Rng) -> Move:
    """A microphone on a stand before the mouth or lower; it stays where it is."""
    dark = np.full(3, np.exp(rng.uniform(-4.5, -2.0)))
    radius = float(rng.uniform(0.14, 0.26))
    clay.capsule((0, 0.1), (0.15, 1.1), 0.11, 0.1, dark * 0.7, -0.1)
    clay.capsule((0.15, 1.0), (0.8, 4.0), 0.05, 0.05, dark, -0.2)
    clay.capsule((0, -0.05), (0.02, 0.1), radius, radius * 0.85, dark)
    clay.roughen(rng, 0.35)
    at = face.mouth[0] + face.unit * np.array([rng.normal(0, 0.35), rng.uniform(0.05, 0.5)])
    turn, side = float(rng.normal(0, 0.25)), float(rng.choice([-1.0, 1.0]))
    return lambda t, seconds: (at, turn, side)


def _attached(face: _Face, rng: Rng, to: str, offset: tuple[float, float], sway: float) -> Move:
    """Held before a point of the face, moving with the head and swaying a little."""
    side, turn = float(rng.choice([-1.0, 1.0])), float(rng.normal(0, 0.12))
    phase, rate = rng.uniform(0, 6.28, 2), rng.uniform(0.2, 0.7, 2)
    anchor = {"mouth": face.mouth, "brows": face.brows}[to]

    def move(t: int, seconds: float) -> tuple[Vector, float, float]:
        drift = 0.25 * sway * np.sin(2 * np.pi * rate * seconds + phase)
        at = anchor[t] + face.unit * (np.array([side * offset[0], offset[1]]) + drift)
        return at, side * turn + 0.3 * float(drift[0]), side

    return move


_MAKERS: dict[str, Callable[[Clay, _Face, Rng], Move]] = {
    "hand": _make_hand,
    "mug": _make_mug,
    "phone": _make_phone,
    "microphone": _make_microphone,
}


def _wisps(frames: Bytes, landmarks: Floats, face: _Face, rng: Rng) -> Bytes:
    """Strands of the person's hair that fall from the forehead over temple, eye and cheek."""
    if np.abs(np.log(face.hair / face.skin)).max() < 0.6:
        return frames  # bald
    side = str(rng.choice(["left", "right"]))
    names = (
        "forehead top",
        f"{side} temple",
        f"{side} cheek bone",
        f"{side} jaw middle",
        f"{side} brow middle",
    )
    crown, temple, cheek, jaw, brow = landmarks[:, rows(*names)].astype(np.float64).swapaxes(0, 1)
    count = int(rng.integers(4, 16))
    start = rng.uniform(0.1, 0.7) + rng.normal(0, 0.1, count)
    inwards = rng.uniform(-0.2, 1.2) + rng.normal(0, 0.2, count)
    low, phase = rng.uniform(0.3, 1.1) + rng.normal(0, 0.2, count), rng.uniform(0, 6.28)
    shade = np.exp(rng.normal(-0.6, 0.25, (count, 1)))
    colours = 255 * (face.hair * shade).clip(0.002, 0.9) ** (1 / 2.2)
    thick = max(1, round(face.unit / 110))
    u = np.linspace(0, 1, 16)[:, None]
    out = frames.copy()
    for t in range(len(frames)):
        layer = frames[t].copy()
        sway = 0.02 * face.unit * np.sin(phase + t * 6.28 / max(len(frames), 8))
        for k in range(count):
            root = crown[t] + start[k] * (temple[t] - crown[t])
            end = cheek[t] + low[k] * (jaw[t] - cheek[t]) + [sway, 0]
            over = temple[t] + inwards[k] * (brow[t] - temple[t])
            line = (1 - u) ** 2 * root + 2 * u * (1 - u) * over + u**2 * end
            points = np.round(line * 16).astype(np.int32)[:, None]
            cv2.polylines(layer, [points], False, colours[k].tolist(), thick, cv2.LINE_AA, 4)
        out[t] = cv2.addWeighted(layer, 0.65, frames[t], 0.35, 0)
    return out

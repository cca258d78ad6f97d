"""Faces in stills: photographs, paintings, statues, drawings. Slower and more patient than live.

`reenact.face.FaceFinder` follows one face in milliseconds; here every face of one picture is wanted,
and where the plain search sees none, others are tried: with evened light, turned, and looser.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from reenact.errors import UserError
from reenact.face import Box, Image, cascade, grey_copy

SMALLEST_FACE = 48
"""Side of a face's box, px. The encoder sees it four times as large."""

_SIDES = (256, 640, 1600)
"""Longest side of the copies searched, px; a smaller one lets go of grain and brush strokes."""
_SMALLEST = 24
_CLEAR = 0.12
"""A face has at least this share of the clearest one's support (neighbouring hits)."""
_SURE, _UNSURE = 4, 8
"""Support that a face needs: where all is plain, and in the other tries. The paintings and the statue
of `tests/test_portrait.py` have 10 and more in any of their disguises, noise has up to 7."""
_TURNS = (-20.0, 20.0, -40.0, 40.0)
_OVERLAP = 0.3


def find_faces(image: Image) -> list[Box]:
    """Every face in u8 [H,W,3] RGB, the largest first; empty where there is none."""
    for found in _tries(image):
        if found:
            clear = max(support for _, support in found)
            boxes = [box for box, support in found if support >= _CLEAR * clear]
            return sorted(boxes, key=lambda box: -box.side)
    return []


Found = list[tuple[Box, int]]


def _tries(image: Image) -> Iterator[Found]:
    """What each way of looking finds, the surest way first."""
    frontal = cascade("haarcascade_frontalface_alt2.xml")
    copies = [grey_copy(image, scale) for scale in _scales(image)]
    yield _search(frontal, copies[:2], image, _SURE)
    even = [np.asarray(cv2.createCLAHE(2.0, (8, 8)).apply(copy), np.uint8) for copy in copies]
    yield _search(frontal, even[:2], image, _SURE)
    for degrees in _TURNS:
        yield _search_turned(frontal, even[:2], image, degrees)
    yield _search(frontal, copies[2:], image, _UNSURE)
    yield _search(cascade("haarcascade_frontalface_default.xml"), even[:2], image, _UNSURE)
    profile = cascade("haarcascade_profileface.xml")
    yield _search(profile, even[:2], image, _UNSURE)
    other_way = [np.ascontiguousarray(copy[:, ::-1]) for copy in even[:2]]
    mirrored = _search(profile, other_way, image, _UNSURE)
    yield [(Box(image.shape[1] - b.cx, b.cy, b.side), support) for b, support in mirrored]


def _scales(image: Image) -> list[float]:
    longest = max(image.shape[:2])
    return [min(1.0, side / longest) for side in _SIDES if side == _SIDES[0] or side < 2 * longest]


def _search(
    finder: cv2.CascadeClassifier, copies: list[Image], image: Image, neighbours: int
) -> Found:
    """Boxes in px of the image with their support; of overlapping ones the best supported."""
    found: Found = []
    for grey in copies:
        scale = grey.shape[1] / image.shape[1]
        boxes, supports = finder.detectMultiScale2(
            grey, 1.1, neighbours, minSize=(_SMALLEST, _SMALLEST)
        )
        for (x, y, w, h), support in zip(boxes, supports, strict=True):
            box = Box((x + w / 2) / scale, (y + h / 2) / scale, float(w / scale))
            found.append((box, int(support)))
    found.sort(key=lambda pair: -pair[1])
    kept: Found = []
    for box, support in found:
        if all(_apart(box, other) for other, _ in kept):
            kept.append((box, support))
    return kept


def _search_turned(
    finder: cv2.CascadeClassifier, copies: list[Image], image: Image, degrees: float
) -> Found:
    """As `_search`, of a head that leans; the boxes stay upright."""
    found: Found = []
    height, width = image.shape[:2]
    turned = [_turned(copy, degrees) for copy in copies]
    back = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    for box, support in _search(finder, turned, image, _UNSURE):
        cx, cy = back @ (box.cx, box.cy, 1.0)
        found.append((Box(float(cx), float(cy), box.side), support))
    return found


def _turned(grey: Image, degrees: float) -> Image:
    height, width = grey.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(grey, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


def _apart(first: Box, second: Box) -> bool:
    """Whether two boxes are two faces: the smaller shares little of itself with the larger."""
    reach = (first.side + second.side) / 2
    wide = min(reach - abs(first.cx - second.cx), first.side, second.side)
    high = min(reach - abs(first.cy - second.cy), first.side, second.side)
    return max(0.0, wide) * max(0.0, high) < _OVERLAP * min(first.side, second.side) ** 2


def parse_box(text: str) -> Box:
    """A face's square as X,Y,SIZE: its left, its top and its side, px; UserError for anything else."""
    try:
        left, top, side = (float(number) for number in text.split(","))
    except ValueError:
        left = top = side = math.nan
    if not (math.isfinite(left + top) and 0 < side < math.inf):
        raise UserError(
            f"--box {text}: give the face's square as X,Y,SIZE, its left, its top and its side in "
            "pixels, from mid-forehead to chin, like 120,80,200"
        )
    return Box(left + side / 2, top + side / 2, side)


def check_face(box: Box, image: Image, path: Path) -> None:
    """Refuse a face that lies outside its picture or is too small to be seen; UserError."""
    height, width = image.shape[:2]
    if not (0 <= box.cx < width and 0 <= box.cy < height):
        raise UserError(
            f"the box lies outside {path}, which is {width} x {height} px: give another --box"
        )
    if box.side < SMALLEST_FACE:
        raise UserError(
            f"the face in {path} is too small, {box.side:.0f} px wide: it needs {SMALLEST_FACE} px, "
            "better 150; give a larger picture, or one from nearer"
        )


def numbered(image: Image, faces: list[Box]) -> Image:
    """A copy of u8 [H,W,3] RGB, at most 1280 px, with a frame and a number from 1 on every face."""
    scale = min(1.0, 1280 / max(image.shape[:2]))
    drawn = np.asarray(
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )
    for number, face in enumerate(faces, 1):
        left, top = (int(scale * (centre - face.side / 2)) for centre in (face.cx, face.cy))
        corner = (left + int(scale * face.side), top + int(scale * face.side))
        size = max(0.6, scale * face.side / 100)
        cv2.rectangle(drawn, (left, top), corner, (0, 190, 0), 2)
        for colour, thick in (((0, 0, 0), 5), ((255, 255, 255), 2)):
            place = (left + 4, top + int(24 * size) + 4)
            cv2.putText(drawn, str(number), place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick)
    return drawn

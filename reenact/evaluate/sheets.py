"""Sheets of pictures: what no figure says."""

from pathlib import Path

import cv2
import numpy as np

from reenact.evaluate.leakage import identities
from reenact.evaluate.material import Material
from reenact.evaluate.measure import Means
from reenact.evaluate.model import Model
from reenact.evaluate.read import DRIVEN, SOURCES, Pictures, Readings, read
from reenact.face import FaceFinder, cut, window_of_box
from reenact.train.sheet import write_sheet

TILE = 160  # px
STRENGTHS = 5  # of an edit, from its lowest to its highest


def write_sheets(model: Model, means: Means, folder: Path) -> None:
    """people, same_identity, robustness, edits and, with real drivers, drivers: one PNG each."""
    readings = read(model, means.material)
    sheets = {
        "people": random_people(model, readings),
        "same_identity": same_identity(model, means.material, readings),
        "robustness": robustness(model, means.material, readings),
        "edits": edits(model, readings),
        "drivers": real_drivers(model, readings, means.drivers),
    }
    for name, rows in sheets.items():
        if rows:
            write_sheet(rows, folder / f"{name}.png", TILE)


def random_people(
    model: Model, readings: Readings, rows: int = 4, columns: int = 8
) -> list[Pictures]:
    """Nobody in particular: identity styles drawn from a Gaussian around those of the test people."""
    known = readings.identity[:, 0, 0]
    centred = (known - known.mean(0)) / np.sqrt(len(known) - 1)
    chance = np.random.default_rng(0).normal(size=(rows, columns, len(known)))
    styles = (known.mean(0) + chance @ centred).astype(np.float32)
    return list(model.render(styles, np.zeros_like(readings.deformation[0, 0, 0])))


def same_identity(
    model: Model, material: Material, readings: Readings, people: int = 5
) -> list[Pictures]:
    """For each person the portrait and four moments, and below what the model makes of them."""
    rows = []
    for who in range(people):
        for place in (0, 1):
            truth = material.portraits.frames[material.rows[who, place, [SOURCES[0], *DRIVEN]]]
            moments = readings.deformation[who, place, [SOURCES[0], *DRIVEN]]
            rows.append([truth, model.render(readings.identity[who, place, 0], moments)])
    return [
        np.concatenate([a[k], b[k]])
        for a, b in zip(rows[0::2], rows[1::2], strict=True)
        for k in (0, 1)
    ]


def robustness(
    model: Model, material: Material, readings: Readings, people: int = 5
) -> list[Pictures]:
    """Five portraits of one person, and below the avatar of each in the same moment."""
    rows = []
    for who in range(people):
        rows.append(material.portraits.frames[material.rows[who, 0, list(SOURCES)]])
        rows.append(
            model.render(readings.identity[who, 0], readings.deformation[who, 0, DRIVEN[0]])
        )
    return rows


def edits(model: Model, readings: Readings) -> list[Pictures]:
    """A row per edit: one avatar and one test person, from the lowest strength to the highest."""
    people = np.stack([identities(model, readings)[0], readings.identity[0, 0, 0]])
    still = np.zeros_like(readings.deformation[0, 0, 0])
    rows = []
    for edit in model.edits:
        strengths = np.linspace(*edit.limits, STRENGTHS, dtype=np.float32)[:, None] * edit.styles
        rows.append(np.concatenate([model.render(who + strengths, still) for who in people]))
    return rows


def real_drivers(model: Model, readings: Readings, videos: tuple[Path, ...]) -> list[Pictures]:
    """Eight frames of real drivers above what each avatar makes of them."""
    crops = [
        crop for video in videos for crop in moments_of(video, 1 + 8 // len(videos), TILE * 2)
    ][:8]
    if not crops:
        return []
    deformation = model.deform(np.stack(crops))
    return [np.stack(crops), *model.render(identities(model, readings)[:, None], deformation[None])]


def moments_of(video: Path, count: int, size: int) -> list[Pictures]:
    """The windows u8 [size,size,3] around the face in some frames of a video, where one is found."""
    reader, crops = cv2.VideoCapture(str(video)), []
    frames = int(reader.get(cv2.CAP_PROP_FRAME_COUNT))
    for k in range(count):
        reader.set(cv2.CAP_PROP_POS_FRAMES, (k + 1) * frames // (count + 1))
        read_one, frame = reader.read()
        box = FaceFinder().find(frame[..., ::-1]) if read_one else None
        if box is not None:
            crops.append(cut(frame[..., ::-1], window_of_box(box), size))
    return crops

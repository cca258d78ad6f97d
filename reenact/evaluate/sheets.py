"""Sheets of pictures: what no figure says."""

from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from reenact.evaluate.leakage import identities
from reenact.evaluate.material import Material
from reenact.evaluate.measure import Means
from reenact.evaluate.model import Model
from reenact.evaluate.pictures import Pictures
from reenact.evaluate.read import DRIVEN, SOURCES, Readings, read
from reenact.face import FaceFinder, cut, window_of_box
from reenact.train.sheet import write_sheet

TILE = 160  # px
MOMENTS = 8  # of real drivers
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
            write_sheet([list(row) for row in rows], folder / f"{name}.png", TILE)


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
    """For each person the portrait and two moments, in the studio and elsewhere; below, as the model draws them."""
    moments = [SOURCES[0], *DRIVEN]
    rows = []
    for who in range(min(people, len(material.rows))):
        truth = material.portraits.frames[material.rows[who][:, moments].reshape(-1)]
        drawn = model.render(readings.identity[who, :, :1], readings.deformation[who][:, moments])
        rows += [truth, drawn.reshape(truth.shape)]
    return rows


def robustness(
    model: Model, material: Material, readings: Readings, people: int = 5
) -> list[Pictures]:
    """Five portraits of one person, and below the avatar of each in the same moment."""
    rows = []
    for who in range(min(people, len(material.rows))):
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
        low, high = edit.limits
        shares = np.linspace(0, 1, STRENGTHS, dtype=np.float32)[:, None]
        strengths = (low + (high - low) * shares) * edit.styles
        rows.append(np.concatenate([model.render(who + strengths, still) for who in people]))
    return rows


def real_drivers(model: Model, readings: Readings, videos: tuple[Path, ...]) -> list[Pictures]:
    """Eight frames of real drivers above what each avatar makes of them."""
    found = [moments_of(video, MOMENTS, TILE * 2) for video in videos]
    crops = [crop for moment in zip_longest(*found) for crop in moment if crop is not None][
        :MOMENTS
    ]
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
        found, frame = reader.read()
        picture = np.asarray(frame[..., ::-1], np.uint8) if found else None
        box = None if picture is None else FaceFinder().find(picture)
        if picture is not None and box is not None:
            crops.append(cut(picture, window_of_box(box), size))
    return crops

"""Sheets of pictures: what a checkpoint can do, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

Picture = npt.NDArray[np.uint8]


def to_uint8(pictures: Tensor) -> npt.NDArray[np.uint8]:
    """f32 [N,3,S,S] in -1..1 -> u8 [N,S,S,3] RGB."""
    scaled = (pictures.detach().float() * 127.5 + 128).clamp(0, 255)
    return scaled.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)


def write_sheet(rows: Sequence[Sequence[Picture]], path: Path, tile: int = 192) -> None:
    """Lay RGB pictures out in rows (each resized to `tile` px) and write them as one PNG."""
    width = max(len(row) for row in rows)
    sheet = np.full((len(rows) * tile, width * tile, 3), 32, np.uint8)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            cell = cv2.resize(picture, (tile, tile), interpolation=cv2.INTER_AREA)
            sheet[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = cell
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), sheet[..., ::-1])

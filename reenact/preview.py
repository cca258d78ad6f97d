"""What an avatar can do, in one picture: neutral, smile, a turn to each side, beside its portrait."""

import cv2
import numpy as np
import numpy.typing as npt

from reenact.avatar import Avatar
from reenact.face import Image
from reenact.motion_basis import MotionBasis
from reenact.portrait_model import PortraitModel

Floats = npt.NDArray[np.float32]

POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "smile": {
        "MouthLeftPullUp": 3.5,
        "MouthRightPullUp": 3.5,
        "LeftCheekUp": 2.0,
        "RightCheekUp": 2.0,
    },
    "turn left": {"head yaw": -1.3},
    "turn right": {"head yaw": 1.3},
}
"""Amounts of known factors, in standard deviations of the motion the model was trained on."""

_CAPTION = 24  # px


def deformation(basis: MotionBasis, amounts: dict[str, float]) -> Floats:
    """S_F f32 [D] of amounts of factors by name; those that the basis does not know add nothing."""
    total = np.zeros(basis.directions.shape[1], np.float32)
    for name, direction in zip(basis.names, basis.directions, strict=True):
        total += np.float32(amounts.get(name, 0.0)) * direction
    return total


def preview(model: PortraitModel, avatar: Avatar, portrait: Image | None = None) -> Image:
    """One row of captioned pictures, u8 [R+24,n*R,3]; of a portrait crop also how it is re-drawn.

    Args:
        model: what draws it.
        avatar: made for it.
        portrait: u8 [R,R,3], the crop that was encoded.
    """
    tiles: list[tuple[str, Image]] = []
    if portrait is not None:
        side = model.dims.resolution
        seen = np.asarray(cv2.resize(portrait, (model.crop, model.crop)), np.uint8)
        shown = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        tiles.append(("portrait", np.asarray(shown, np.uint8)))
        tiles.append(("drawn as it", model.draw(avatar, model.deform(seen))))
    poses = POSES if model.basis is not None else {"neutral": {}}
    for caption, amounts in poses.items():
        moved = deformation(model.basis, amounts) if model.basis and amounts else None
        tiles.append((caption, model.draw(avatar, moved)))
    return np.concatenate([_captioned(tile, caption) for caption, tile in tiles], axis=1)


def _captioned(tile: Image, caption: str) -> Image:
    band = np.full((_CAPTION, tile.shape[1], 3), 32, np.uint8)
    place, font = (6, _CAPTION - 8), cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(band, caption, place, font, 0.45, (230, 230, 230), 1, cv2.LINE_AA)
    return np.concatenate([tile, band])

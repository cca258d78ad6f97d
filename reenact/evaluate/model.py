"""A model folder, asked for what the live graphs are asked for, many pictures at once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reenact import spaces
from reenact.avatar import SUFFIX as AVATAR
from reenact.avatar import Avatar, check_fits, load_avatar
from reenact.checkpoint import fingerprint, load_checkpoint
from reenact.edits import SUFFIX as EDIT
from reenact.edits import Edit, load_edit
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.motion_basis import FILE, MotionBasis, load_basis
from reenact.train.sheet import to_uint8

CHECKPOINT = "starter.safetensors"
BATCH = 8

Floats = npt.NDArray[np.float32]
Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Model:
    """The networks of a model folder, with the avatars and edits that lie in it."""

    folder: Path
    puppeteer: Puppeteer
    basis: MotionBasis
    avatars: tuple[Avatar, ...]
    edits: tuple[Edit, ...]
    fingerprint: str

    def identify(self, portraits: Pictures) -> Floats:
        """Identity styles f32 [N,S] of portraits u8 [N,s,s,3]."""
        generator = self.puppeteer.generator
        model = self.puppeteer
        return self._see(
            lambda x: generator.identity_styles(model.identify(x)), portraits, model.portrait_crop
        )

    def deform(self, frames: Pictures) -> Floats:
        """S_F f32 [N,D] of driver frames u8 [N,s,s,3]."""
        return self._see(self.puppeteer.deform, frames, self.puppeteer.encoder.crop)

    @torch.inference_mode()
    def _see(self, network: Callable[[Tensor], Tensor], pictures: Pictures, side: int) -> Floats:
        seen = []
        for batch in _batches(pictures):
            crops = [cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in batch]
            crop = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1
            seen.append(network(crop).numpy())
        return np.concatenate(seen)

    @torch.inference_mode()
    def render(self, identity: Floats, deformation: Floats) -> Pictures:
        """Pictures u8 [...,R,R,3] of identity styles [...,S] and S_F [...,D], whose leading sizes broadcast."""
        styles = spaces.add_deformation(self.puppeteer.dims, identity, deformation)
        flat = styles.reshape(-1, styles.shape[-1])
        drawn = [to_uint8(self.puppeteer.render(torch.from_numpy(b))) for b in _batches(flat)]
        pictures = np.concatenate(drawn)
        return pictures.reshape(*styles.shape[:-1], *pictures.shape[1:])


def _batches(rows: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
    return np.array_split(rows, -(-len(rows) // BATCH))


def load_model(folder: Path) -> Model:
    """A model folder: its checkpoint, motion.basis, avatars/*.avatar and edits/*.edit.

    Raises UserError for a folder that lacks the checkpoint or the basis, and for avatars and edits of another model.
    """
    puppeteer, _ = load_checkpoint(folder / CHECKPOINT)
    name, basis = fingerprint(puppeteer.generator), load_basis(folder / FILE)
    avatars = [load_avatar(file) for file in sorted((folder / "avatars").glob(f"*{AVATAR}"))]
    edits = [load_edit(file) for file in sorted((folder / "edits").glob(f"*{EDIT}"))]
    for avatar in avatars:
        check_fits(avatar, name, spaces.style_count(puppeteer.dims))
    if {name} != {basis.fingerprint, *(edit.fingerprint for edit in edits)}:
        raise UserError(f"{folder} mixes files of two models; write the starter again")
    return Model(folder, puppeteer, basis, tuple(avatars), tuple(edits), name)

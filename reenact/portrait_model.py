"""A model folder made ready for one portrait: encode who it is, draw it; no torch.

The engines stand above this package (`tests/test_imports.py`): only commands reach this module.
"""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import reenact
from reenact.affines import Affines
from reenact.avatar import Avatar, check_fits
from reenact.errors import UserError
from reenact.face import Image
from reenact.motion_basis import FILE, MotionBasis, load_basis
from reenact.spaces import add_deformation, deformation_count, style_count

if TYPE_CHECKING:
    from engines import ModelInfo

Floats = npt.NDArray[np.float32]
Delta = npt.NDArray[np.float16] | None

ROOT = Path(reenact.__file__).resolve().parents[1]
STARTER = Path(reenact.__file__).parent / "starter"
_BACKEND = "onnxruntime"
"""A portrait is encoded once: in fp32, and as everywhere else, is better than fast."""


def info_of(folder: Path = STARTER) -> "ModelInfo":
    """What a model folder holds; UserError where it is not whole, or the engines are not there."""
    if str(ROOT) not in sys.path:  # the engines run in place and are not installed
        sys.path.insert(0, str(ROOT))
    try:
        from engines import model_info
    except ImportError as error:
        raise UserError(
            f"the engines are not there ({error}): run this from a clone of Reenact"
        ) from error
    return model_info(folder)


class PortraitModel:
    """The three graphs and the affine layers of a model folder.

    Attributes:
        checkpoint: the file with its weights.
        crop: side of the square that the deformation encoder sees, px.
        portrait_crop: of the one that the identity encoder sees; an imported one's is its own.
        fingerprint: hex, of its generator.
        licence: the terms of its weights.
        basis: what its deformation can do; None: the model came without.
        mean: f32 [w_dim], the mean latent.
    """

    def __init__(self, folder: Path = STARTER) -> None:
        """Load the model.

        Raises:
            UserError: a file of it is missing, damaged or of another model.
        """
        info = info_of(folder)
        from engines import Engine, load_engine
        from engines.contract import CHECKPOINT

        self.dims, self.crop = info.dims, info.crop
        self.fingerprint, self.licence = info.fingerprint, info.license
        self.checkpoint = folder / CHECKPOINT
        self._affines = Affines(self.checkpoint, info.dims)
        if self._affines.fingerprint != info.fingerprint:
            raise UserError(
                f"{self.checkpoint} and the graphs beside it are of two models: "
                "run `python -m export` again"
            )
        self.mean = self._affines.mean
        self.basis = _basis(folder, info.fingerprint)
        self._identity = load_engine(folder, "encode_identity", _BACKEND)
        self.portrait_crop = self._identity.input_shape[1]
        self._deformation: Engine | None = None
        if (folder / "encode_deformation.onnx").is_file():
            self._deformation = load_engine(folder, "encode_deformation", _BACKEND)
        self._load_render = partial(load_engine, folder, "render", _BACKEND)
        self._render: Engine = self._load_render()
        self._delta: Delta = None

    def identify(self, crop: Image) -> Floats:
        """W_ID f32 [rows, w_dim] of a crop u8 [portrait_crop,portrait_crop,3]."""
        return np.asarray(self._identity(crop[None])[0], np.float32)

    def deform(self, crop: Image) -> Floats:
        """S_F f32 [D] of a crop u8 [crop,crop,3]; none where nobody can drive the model yet."""
        if self._deformation is None:
            return np.zeros(deformation_count(self.dims), np.float32)
        return np.asarray(self._deformation(crop[None])[0], np.float32)

    def styles(self, identity: Floats) -> Floats:
        """Identity styles f32 [S] of a W_ID."""
        return self._affines(identity)

    def draw(self, avatar: Avatar, deformation: Floats | None = None) -> Image:
        """The avatar with a deformation f32 [D], None: neutral, as u8 [R,R,3].

        Raises:
            UserError: it was made for another generator.
        """
        check_fits(avatar, self.fingerprint, style_count(self.dims))
        if avatar.delta is not self._delta:
            self._render.close()
            self._render, self._delta = self._load_render(delta=avatar.delta), avatar.delta
        styles = avatar.styles
        if deformation is not None:
            styles = add_deformation(self.dims, styles, deformation)
        return np.asarray(self._render(styles[None])[0], np.uint8)


def _basis(folder: Path, fingerprint: str) -> MotionBasis | None:
    """The basis of a model folder, if it has one for this very model."""
    if not (folder / FILE).is_file():
        return None
    basis = load_basis(folder / FILE)
    return basis if basis.fingerprint == fingerprint else None

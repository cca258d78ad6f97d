"""The networks that run live, made ready for this machine."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

import reenact
from engines import Engine, ModelInfo, choose_backend, load_engine, model_info
from reenact.motion_basis import FILE, MotionBasis, load_basis

Delta = npt.NDArray[np.float16]

STARTER = Path(reenact.__file__).parent / "starter"


@dataclass(frozen=True)
class Model:
    """The two graphs that run live, and what they are.

    Attributes:
        info: fingerprint and sizes.
        encode: crop u8 [1,C,C,3] -> deformation f32 [1,D].
        render: styles f32 [1,S] -> picture u8 [1,R,R,3].
        backend: e.g. "openvino".
        reason: why this backend, in words.
        basis: what gains and limits act on; None: the model came without.
        adjusted: makes a `render` with an avatar's delta f16 [P] in its weights.
    """

    info: ModelInfo
    encode: Engine
    render: Engine
    backend: str
    reason: str
    basis: MotionBasis | None = None
    adjusted: Callable[[Delta], Engine] | None = None

    @property
    def resolution(self) -> int:
        """Side of the rendered picture, px."""
        return self.info.dims.resolution

    def close(self) -> None:
        """Give the engines back; may be called twice."""
        self.encode.close()
        self.render.close()


def load_model(backend: str, threads: int | None = None, folder: Path = STARTER) -> Model:
    """Load the model in a folder into a backend ("auto": the fastest that is installed).

    Raises:
        UserError: the backend or a file of the model is missing or damaged.
    """
    choice = choose_backend(folder, backend, threads)
    info = model_info(folder)
    encode = load_engine(folder, "encode_deformation", choice.backend, threads)
    draw = partial(load_engine, folder, "render", choice.backend, threads)
    basis = _basis(folder, info)
    return Model(info, encode, draw(), choice.backend, choice.reason, basis, draw)


def _basis(folder: Path, info: ModelInfo) -> MotionBasis | None:
    """The basis of a model folder, if it has one for this very model."""
    if not (folder / FILE).is_file():
        return None
    basis = load_basis(folder / FILE)
    return basis if basis.fingerprint == info.fingerprint else None

"""What gains and limits act on: which directions of StyleSpace the known factors move along."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from reenact.checkpoint import fingerprint
from reenact.hybrid import Puppeteer
from reenact.motion_basis import MotionBasis

_COMMON = 0.999  # of the frames lie within the limits
_ROOM = 1.0  # standard deviations beyond; what is read from a deformation is not exact
_RIDGE = 1e-3  # of the mean variance of S_F; S_F has far more numbers than there are factors


@torch.no_grad()
def motion_basis(
    model: Puppeteer, motion: npt.NDArray[np.float32], names: Sequence[str]
) -> MotionBasis:
    """Regress factors on deformations (ridge) and deformations on factors (least squares).

    Args:
        model: its deform network maps motion codes to S_F.
        motion: f32 [N,M], standardised factors of faces that move as people do; the basis counts them
            from the model's neutral face.
        names: of the M factors.
    """
    deformation = model.deform_head(torch.from_numpy(motion)).numpy()
    motion = motion - model.deform_head.rest.numpy()
    gram = deformation.T @ deformation / len(motion)
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram), dtype=np.float32)
    readings = np.linalg.solve(gram, deformation.T @ motion / len(motion)).T
    directions, *_ = np.linalg.lstsq(motion, deformation, rcond=None)
    limits = np.quantile(motion, (1 - _COMMON, _COMMON), axis=0).T + (-_ROOM, _ROOM)
    return MotionBasis(
        names=tuple(names),
        readings=_halves(readings),
        directions=_halves(directions),
        limits=np.ascontiguousarray(limits, np.float32),
        fingerprint=fingerprint(model.generator),
    )


def _halves(array: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Rounded to fp16, so that the file packs to half."""
    return np.ascontiguousarray(array, np.float16).astype(np.float32)

"""How the deformation moves with each known factor of motion: what gains and limits act on.

S_F is a nearly linear function of the motion code (see `reenact.encoders.Deform`). Two regressions
over faces that move say so: one reads from a deformation how much of each factor is in it, one says
which direction of StyleSpace turns the head, opens the mouth, lifts a brow.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reenact import archive
from reenact.errors import UserError

Vector = npt.NDArray[np.float32]

FILE = "motion.basis"
"""Its name in a model folder."""
GROUPS = ("pose", "mouth", "eyes", "brows")
USUAL_ROLL = 0.111
"""Radians of one standard deviation of "head roll" in training (`talking_heads.factor_scale`)."""

_KIND = archive.Kind(
    word="basis",
    version=1,
    lines={"fingerprint": 128},
    texts={"names": 10_000},
    arrays={
        "readings": (np.dtype(np.float32), (512, 65536)),
        "directions": (np.dtype(np.float32), (512, 65536)),
        "limits": (np.dtype(np.float32), (512, 2)),
    },
    remedy="export the model again",
)


@dataclass(frozen=True)
class MotionBasis:
    """Directions of S_F.

    Attributes:
        names: M factors, e.g. "head yaw".
        readings: f32 [M,D]; times S_F gives the amount of each, in standard deviations.
        directions: f32 [M,D], the deformation of one standard deviation of each.
        limits: f32 [M,2], the least and most of each that training knew.
        fingerprint: hex, of the generator.
    """

    names: tuple[str, ...]
    readings: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]
    limits: npt.NDArray[np.float32]
    fingerprint: str


def save_basis(basis: MotionBasis, path: Path) -> None:
    """Write a basis; ValueError for one that breaks the rules, UserError if it cannot be written."""
    archive.save(_KIND, vars(basis) | {"names": "\n".join(basis.names)}, path)


def load_basis(path: Path) -> MotionBasis:
    """Read a basis; nothing in it is executed. UserError for anything else."""
    values = archive.load(_KIND, path)
    basis = MotionBasis(**values | {"names": tuple(values["names"].split("\n"))})
    if not len(basis.names) == len(basis.readings) == len(basis.directions) == len(basis.limits):
        raise UserError(f"{path} has {len(basis.names)} names for more or less; {_KIND.remedy}")
    return basis


def group(name: str) -> str:
    """Which of GROUPS a factor belongs to."""
    if name.startswith("head "):
        return "pose"
    if "Brow" in name:
        return "brows"
    return "eyes" if "Lid" in name or name.startswith("gaze ") else "mouth"


class Shaper:
    """Makes each group of motion larger or smaller, and keeps every factor in the trained range."""

    def __init__(self, basis: MotionBasis, gains: Mapping[str, float]) -> None:
        """`gains` by group, 1 = as it is."""
        self._basis = basis
        self._gains = np.array([gains[group(name)] for name in basis.names], np.float32)

    def __call__(self, deformation: Vector) -> Vector:
        """S_F f32 [D] -> f32 [D]; what no factor explains stays as it is."""
        basis = self._basis
        amounts = basis.readings @ deformation
        wanted = np.clip(amounts * self._gains, basis.limits[:, 0], basis.limits[:, 1])
        shaped: Vector = deformation + (wanted - amounts) @ basis.directions
        return shaped

"""From what the encoder saw to what the avatar does: neutral, gains, limits, smoothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from realtime.calibration import Calibrator, StillNeutral
from realtime.smoothing import OneEuro, Way
from reenact.errors import UserError
from reenact.motion_basis import GROUPS, MotionBasis, Shaper

Vector = npt.NDArray[np.float32]

_EVERYBODYS = np.zeros(1, np.float32)
"""The neutral face that absolute motion starts from."""


@dataclass(frozen=True)
class Taste:
    """How the driver wants to be followed.

    Attributes:
        smooth: 0 (follow everything) to 1 (calm).
        gains: how much of each group of motion, 1 = all of it.
        relative: motion from the driver's own neutral face instead of from everybody's.
        auto_neutral: find that face while the driver sits still.
    """

    smooth: float = 0.5
    gains: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(GROUPS, 1.0))
    relative: bool = False
    auto_neutral: bool = False


class Expression:
    """S_F as the encoder gives it -> S_F as it is shown, both f32 [D].

    What counts as no motion may change while it runs: relative motion is switched on or off, the
    neutral face is found anew. The avatar eases from the one to the other in `EASE_S`.

    Attributes:
        calibrator: start it to find the neutral face anew.
        neutral: f32 [D], the driver's neutral face; None: not known.
    """

    EASE_S = 0.3

    def __init__(
        self, taste: Taste, basis: MotionBasis | None, neutral: Vector | None = None
    ) -> None:
        """Raises UserError for gains without a basis, which they act through."""
        changed = [name for name, gain in taste.gains.items() if gain != 1]
        if basis is None and changed:
            raise UserError(
                f"this model has no motion.basis, which --gain-{changed[0]} needs: export it anew"
            )
        self.calibrator, self.neutral = Calibrator(), neutral
        self._taste, self._basis = taste, basis
        self._shape = Shaper(basis, taste.gains) if basis is not None else None
        self._still = StillNeutral() if taste.auto_neutral else None
        self._filter = OneEuro(*_tuning(taste.smooth))
        self._origin = Way(self.EASE_S)

    def follow(self, taste: Taste) -> None:
        """Follow the driver in another way from now on, with what is known and smoothed so far.

        Relative motion without a neutral face to start from starts calibrating.
        """
        if taste == self._taste:
            return
        if taste.relative and self.neutral is None and self._still is None:
            self.calibrator.start()
        if self._basis is not None:
            self._shape = Shaper(self._basis, taste.gains)
        self._filter.tune(*_tuning(taste.smooth))
        self._taste = taste

    def see(self, deformation: Vector | None, time_s: float) -> Vector | None:
        """Let calibration see a frame; gives a newly calibrated neutral face, to be kept."""
        found = self.calibrator.see(deformation, time_s)
        if found is not None:
            self.neutral = found
        elif self._still is not None and deformation is not None:
            before = self.neutral if self.neutral is not None else np.zeros_like(deformation)
            self.neutral = self._still.see(deformation, before, time_s)
        return found

    def __call__(self, deformation: Vector, time_s: float) -> Vector:
        """What to show of a frame's S_F."""
        own = self.neutral if self._taste.relative else None
        deformation = deformation - self._origin(_EVERYBODYS if own is None else own, time_s)
        if self._shape is not None:
            deformation = self._shape(deformation)
        shown: Vector = self._filter(deformation, time_s)
        return shown

    def forget(self) -> None:
        """It may be another face, in another pose: nothing to smooth from."""
        self._filter.forget()
        self._origin.forget()


def _tuning(smooth: float) -> tuple[float, float]:
    """Cut-off and Hz per speed for `smooth`: nearly no filter at 0, a slow one at 1."""
    return 20.0 * 0.025**smooth, 4.0 * (1 - smooth)

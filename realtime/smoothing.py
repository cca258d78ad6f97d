"""The One-Euro filter, for vectors; and the way from one to another."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float32]


class OneEuro:
    """Low-pass whose cut-off rises with speed: still things stand still, fast ones do not lag.

    Casiez, Roussel and Vogel, "1 Euro Filter" (CHI 2012), each number on its own. Speed is measured
    in multiples of the vector's usual size (running root mean square), so that one setting serves
    every model.
    """

    _SPEED_CUTOFF_HZ = 1.0
    _USUAL_S = 10.0

    def __init__(self, cutoff_hz: float, per_speed: float) -> None:
        self.tune(cutoff_hz, per_speed)
        self._time_s: float | None = None

    def tune(self, cutoff_hz: float, per_speed: float) -> None:
        """`cutoff_hz`: at rest; `per_speed`: Hz more for each usual size per second."""
        self._cutoff_hz, self._per_speed = cutoff_hz, per_speed

    def __call__(self, value: Vector, time_s: float) -> Vector:
        """The smoothed value at a time; of two values at one time the first counts."""
        power = float(np.mean(np.square(value)))
        if self._time_s is None:
            self._value, self._speed, self._power = value.copy(), np.zeros_like(value), power
            self._time_s = time_s
            return self._value
        passed = time_s - self._time_s
        if passed <= 0:
            return self._value
        self._power += (power - self._power) * _share(1 / self._USUAL_S, passed)
        usual = math.sqrt(self._power) + 1e-12
        speed = (value - self._value) / (passed * usual)
        self._speed = self._speed + (speed - self._speed) * _share(self._SPEED_CUTOFF_HZ, passed)
        cutoff = self._cutoff_hz + self._per_speed * np.abs(self._speed)
        share = 1 / (1 + 1 / (2 * math.pi * cutoff * passed))
        self._value = (self._value + (value - self._value) * share).astype(value.dtype)
        self._time_s = time_s
        return self._value

    def forget(self) -> None:
        """Take the next value as it comes."""
        self._time_s = None


class Way:
    """From one vector to the next in a given time; the first one is taken at once."""

    def __init__(self, whole_s: float) -> None:
        self._whole_s, self._time_s = whole_s, -math.inf
        self._goal: Floats | None = None

    def __call__(self, goal: Floats, time_s: float) -> Floats:
        """Where it is at a time. The way begins, from wherever it was, with another `goal` object."""
        if self._goal is None:
            self._from = self._now = goal
            self._begin_s = -math.inf
        elif goal is not self._goal:
            self._from, self._begin_s = self._now, self._time_s
        self._goal, self._time_s = goal, time_s
        share = np.float32(eased((time_s - self._begin_s) / self._whole_s))
        self._now = goal if share == 1 else self._from + share * (goal - self._from)
        return self._now

    def forget(self) -> None:
        """Take the next goal at once."""
        self._goal = None


def eased(part: float) -> float:
    """How far something has gone after a part of its time: half a cosine, from 0 to 1."""
    return 0.5 - 0.5 * math.cos(math.pi * min(max(part, 0.0), 1.0))


def _share(cutoff_hz: float, passed_s: float) -> float:
    """How much of the way a first-order low-pass goes in `passed_s`."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * passed_s))

"""The driver's own neutral face: a countdown, an average of good frames, a file for each camera."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reenact import archive
from reenact.errors import UserError

Vector = npt.NDArray[np.float32]

_KIND = archive.Kind(
    word="calibration",
    version=1,
    lines={"fingerprint": 128, "camera": 200, "person": 80},
    texts={},
    arrays={"neutral": (np.dtype(np.float32), (65536,))},
    remedy="calibrate again",
)


@dataclass(frozen=True)
class Calibration:
    """Someone's neutral face before a camera.

    Attributes:
        neutral: f32 [D], the deformation of a face at rest.
        fingerprint: hex, of the generator whose deformations these are.
        camera: its name.
        person: whose face.
    """

    neutral: Vector
    fingerprint: str
    camera: str
    person: str


def calibration_file(folder: Path, camera: str, person: str) -> Path:
    """Where the calibration of a person before a camera is kept."""
    name = re.sub(r"[^\w.-]+", "_", f"{camera} {person}".casefold()).strip("_")
    return folder / f"{name[:100]}{_KIND.suffix}"


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write it, with the folder where need be; UserError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    archive.save(_KIND, vars(calibration), path)


def load_calibration(path: Path, fingerprint: str, size: int) -> Calibration | None:
    """The calibration in a file; None where there is none, or one of another generator.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return None
    found = Calibration(**archive.load(_KIND, path))
    fits = found.fingerprint == fingerprint and found.neutral.shape == (size,)
    return found if fits else None


class Keeper:
    """Writes calibrations in a thread of its own: a busy disk can take 0.3 s, and the show must go on."""

    def __init__(self, file: Path, tell: Callable[[str], None]) -> None:
        """`tell` takes a sentence for the user: where it was kept, or why it could not be."""
        self._file, self._tell = file, tell
        self._thread = ThreadPoolExecutor(1, "keeping")

    def keep(self, calibration: Calibration) -> None:
        """Write it as soon as may be."""
        self._thread.submit(self._write, calibration)

    def close(self) -> None:
        """Wait until all is written."""
        self._thread.shutdown()

    def _write(self, calibration: Calibration) -> None:
        try:
            save_calibration(calibration, self._file)
        except UserError as error:
            self._tell(f"calibrated, but for this time only: {error}")
        else:
            self._tell(f"calibrated; kept in {self._file}")


class Phase(Enum):
    """Where a calibration is."""

    IDLE = "idle"
    COUNTDOWN = "countdown"
    LOOKING = "looking"


class Calibrator:
    """Finds the neutral face: three seconds to get ready, then one and a half of frames.

    Only good frames count: those with a face, and of these the half that lies nearest to the
    median, so that a blink or a word in between does no harm.

    Attributes:
        phase: where it is.
    """

    COUNTDOWN_S = 3.0
    LOOKING_S = 1.5
    LEAST = 8
    """Frames with a face; with fewer it goes on looking."""

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self._since_s: float | None = None
        self._seen: list[Vector] = []

    def start(self) -> None:
        """Begin, or begin again, with the next frame."""
        self.phase, self._since_s, self._seen = Phase.COUNTDOWN, None, []

    def cancel(self) -> None:
        """Leave it."""
        self.phase = Phase.IDLE

    def left_s(self, time_s: float) -> float:
        """Seconds of the countdown that are left."""
        since_s = time_s if self._since_s is None else self._since_s
        return max(0.0, since_s + self.COUNTDOWN_S - time_s)

    def see(self, deformation: Vector | None, time_s: float) -> Vector | None:
        """Take a frame's S_F f32 [D], None without a face; gives the neutral one when it is found."""
        self._since_s = time_s if self._since_s is None else self._since_s
        if self.phase is Phase.COUNTDOWN and self.left_s(time_s) == 0:
            self.phase, self._since_s = Phase.LOOKING, time_s
        if self.phase is not Phase.LOOKING:
            return None
        if deformation is not None:
            self._seen.append(deformation.copy())
        if time_s - self._since_s < self.LOOKING_S or len(self._seen) < self.LEAST:
            return None
        self.phase = Phase.IDLE
        return middle(np.stack(self._seen))


def middle(seen: npt.NDArray[np.float32]) -> Vector:
    """The mean f32 [D] of the half of [N,D] that lies nearest to their median."""
    distance = np.linalg.norm(seen - np.median(seen, axis=0), axis=1)
    nearest = np.argsort(distance)[: max(1, (len(seen) + 1) // 2)]
    return np.asarray(seen[nearest].mean(axis=0), np.float32)


class StillNeutral:
    """Neutral found without asking: what a face that keeps still for a while looks like.

    Sitting still is taken for being at rest; each such moment moves the neutral face a part of the
    way, so one long look aside does not become it.
    """

    STILL_S = 3.0
    STILL = 0.15
    """Spread of S_F within that time, of its usual size, below which a face is still."""
    STEP = 0.25

    def __init__(self) -> None:
        self._recent: list[tuple[float, Vector]] = []
        self._power = 0.0

    def see(self, deformation: Vector, neutral: Vector, time_s: float) -> Vector:
        """Take a frame's S_F; gives the neutral face f32 [D], moved or as it was."""
        self._power += 0.01 * (float(np.mean(np.square(deformation - neutral))) - self._power)
        self._recent.append((time_s, deformation.copy()))
        if time_s - self._recent[0][0] < self.STILL_S:
            return neutral
        values = np.stack([value for _, value in self._recent])
        self._recent.clear()
        if float(values.var(axis=0).mean()) > self.STILL**2 * max(self._power, 1e-12):
            return neutral
        return np.asarray(neutral + self.STEP * (middle(values) - neutral), np.float32)

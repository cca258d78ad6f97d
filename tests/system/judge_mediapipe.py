"""MediaPipe's face mesh, asked from this Python about pictures made by this Python."""

import functools
import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from reenact.errors import UserError
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.measures import USED, measures

Pictures = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.float64]

GUEST = Path(__file__).with_name("mediapipe_faces.py")

# MediaPipe's numbers of the landmarks that the measures are made of.
MEDIAPIPE = {
    "forehead top": 10,
    "chin bottom": 152,
    "upper lip bottom": 13,
    "lower lip top": 14,
    "left eye inner corner": 362,
    "left eye outer corner": 263,
    "left upper lid middle": 386,
    "left lower lid middle": 374,
    "left iris": 473,
    "left brow middle": 334,
    "left mouth corner": 291,
    "left ear front": 454,
    "right eye inner corner": 133,
    "right eye outer corner": 33,
    "right upper lid middle": 159,
    "right lower lid middle": 145,
    "right iris": 468,
    "right brow middle": 105,
    "right mouth corner": 61,
    "right ear front": 234,
}


@functools.cache
def judge_python() -> str:
    """The Python that has MediaPipe. UserError when REENACT_JUDGE names none, or one without it."""
    named = os.environ.get("REENACT_JUDGE", "")
    try:
        run = subprocess.run([named, "-c", "import mediapipe"], capture_output=True, text=True)
        if run.returncode == 0:
            return named
        why = (run.stderr.strip().splitlines() or ["it failed"])[-1]
    except OSError as error:
        why = str(error)
    raise UserError(
        f"REENACT_JUDGE={named} is no Python with MediaPipe ({why}): make one with"
        " `python -m venv judge && judge/bin/pip install mediapipe==0.10.14"
        ' "opencv-python-headless<5" "opencv-contrib-python<5"`'
        " and set REENACT_JUDGE=judge/bin/python."
    )


def find_points(batches: Iterable[tuple[str, Pictures]], count: int) -> dict[str, Numbers]:
    """MediaPipe's points f64[T,478,3] in each batch of pictures u8[T,s,s,3]; NaN without a face."""
    judge, console = judge_python(), Console(stderr=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for key, pictures in track(batches, "rendering", count, console=console):
            np.save(folder / f"{key}.npy", pictures)
        for _ in track(_run_guest(judge, folder), "MediaPipe", count, console=console):
            pass
        return {
            path.name.removesuffix(".points.npy"): np.load(path).astype(np.float64)
            for path in sorted(folder.glob("*.points.npy"))
        }


def _run_guest(judge: str, folder: Path) -> Iterator[str]:
    """Run mediapipe_faces.py; yields the name of each batch that is done."""
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [judge, str(GUEST), str(folder)], stdout=subprocess.PIPE, stderr=log, text=True
        ) as guest,
    ):
        assert guest.stdout is not None
        yield from (line.strip() for line in guest.stdout)
    if guest.returncode:
        last = (folder / "log").read_text().strip().splitlines()[-1:]
        raise UserError(f"MediaPipe failed in {judge}: {' '.join(last)}")


def tracked_measures(points: Numbers) -> Numbers:
    """The MEASURES f64[T,10] of MediaPipe's points f64[T,478,3]."""
    return measures({name: points[:, MEDIAPIPE[name]] for name in USED})


def true_measures(landmarks: Numbers) -> Numbers:
    """The MEASURES f64[T,10] of the renderer's landmarks [T,L,3] in dm (y up, z to the front)."""
    turned = landmarks * (1, -1, -1)
    return measures({name: turned[:, LANDMARKS.index(name)] for name in USED})

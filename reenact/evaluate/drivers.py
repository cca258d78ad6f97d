"""Real drivers: the whole live app renders their videos, and a face mesh follows both sides.

The face mesh is another project's (MediaPipe), trained on real faces, in an environment of its own. It is run by a
script of the user's with two functions: track(video) -> array, and compare(driver, output, max_lag) -> a dict with
rho_pose, rho_face, seen, jitter.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import reenact
from reenact.avatar import SUFFIX
from reenact.errors import UserError

MEASURES = ("rho_pose", "rho_face", "seen", "jitter")
MAX_LAG = 15  # frames that an avatar may lie behind, the same for a whole video

_ROOT = Path(reenact.__file__).parents[1]  # the live app runs in place
_RENDER = """
import json, sys
from pathlib import Path
from realtime.app import run
from realtime.models import load_model
from realtime.options import Options
folder, video, output, avatar = sys.argv[1:]
options = Options(input=video, outputs=[output], avatar=[avatar], backend="openvino", every_frame=True, threads=1)
run(options, lambda line: None, lambda backend, threads: load_model(backend, threads, Path(folder)))
"""
_FOLLOW = """
import json, runpy, sys
script, driver, lag, *outputs = sys.argv[1:]
mesh = runpy.run_path(script)
tracked = mesh["track"](driver)
print(json.dumps([mesh["compare"](tracked, mesh["track"](o), int(lag)) for o in outputs]))
"""

Numbers = dict[str, float]


@dataclass(frozen=True)
class Mesh:
    """A Python that has the face mesh, and the script that runs it."""

    python: Path
    script: Path


def find_drivers(folder: Path) -> list[Path]:
    """The videos in a folder; UserError where there are none."""
    videos = sorted(folder.glob("*.mp4"))
    if not videos:
        raise UserError(f"there are no .mp4 files in {folder}; name a folder of videos of faces")
    return videos


def follow(folder: Path, videos: Sequence[Path], avatars: int, mesh: Mesh) -> Iterator[Numbers]:
    """For each video the MEASURES, mean over the first few avatars of a model folder.

    A measure is left out where the driver does not move that way. UserError where the app or the mesh fails.
    """
    if not (_ROOT / "realtime").is_dir():
        raise UserError("real drivers need the live app: run this in a clone of the repository")
    files = sorted((folder / "avatars").glob(f"*{SUFFIX}"))[:avatars]
    for video in videos:
        with tempfile.TemporaryDirectory() as name:
            outputs = [str(Path(name) / f"{file.stem}.mp4") for file in files]
            for file, output in zip(files, outputs, strict=True):
                _run(
                    sys.executable,
                    _RENDER,
                    str(folder.resolve()),
                    str(video),
                    output,
                    str(file.resolve()),
                )
            lines = _run(
                str(mesh.python), _FOLLOW, str(mesh.script), str(video), str(MAX_LAG), *outputs
            )
            yield mean_of(json.loads(lines.splitlines()[-1]))


def mean_of(results: Sequence[Numbers]) -> Numbers:
    """The mean of each of MEASURES over the results that have it."""
    found = {name: [r[name] for r in results if r.get(name) is not None] for name in MEASURES}
    return {name: float(np.mean(values)) for name, values in found.items() if values}


def _run(python: str, code: str, *words: str) -> str:
    """What a piece of Python prints; UserError with its last line where it fails."""
    try:
        done = subprocess.run(
            [python, "-c", code, *words], cwd=_ROOT, capture_output=True, text=True
        )
    except OSError as error:
        raise UserError(
            f"cannot run {python} ({error}); name a Python that has the face mesh"
        ) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"{python} failed on {words[1]}: {last}")
    return done.stdout

"""Inside the machine with cameras: one function for each test of test_cameras.py.

    python cameras_guest.py SCENE VIDEO FOLDER

VIDEO plays into /dev/video0, the app writes to /dev/video10; FOLDER/seen.json tells what was seen.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from virtual_camera_guest import VIRTUAL, WEBCAM, opened

APP = [sys.executable, "run_live.py", "--output", f"vcam:{VIRTUAL}", "--backend", "onnxruntime"]
APP += ["--threads", "1", "--json"]
DOCTOR = [sys.executable, "-m", "realtime.doctor", "--json"]


@contextmanager
def playing(video: str) -> Iterator[None]:
    """A webcam that shows a video, from a process of its own."""
    guest = Path(__file__).with_name("virtual_camera_guest.py")
    feeder = subprocess.Popen([sys.executable, str(guest), "feed", video])
    try:
        opened(WEBCAM).release()
        yield
    finally:
        feeder.terminate()
        feeder.wait()


def ended(command: list[str]) -> dict[str, Any]:
    """A command's exit code, last line as JSON where it is one, and complaints."""
    run = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(run.stdout.splitlines()[-1]) if run.stdout.strip() else {}
    return report | {"code": run.returncode, "error": run.stderr}


def doctor(video: str) -> dict[str, Any]:
    """The doctor looks at the webcam and writes to the virtual camera; then at no camera."""
    only = ["--only", "cameras", "--only", "virtual camera"]
    with playing(video):
        outside = ["--camera", WEBCAM, "--output", f"vcam:{VIRTUAL}"]
        report = ended([*DOCTOR, *outside, *only])
    return report | {"without": ended([*DOCTOR, "--camera", "7", "--only", "cameras"])}


def stock(video: str) -> dict[str, Any]:
    """The app writes to a virtual camera of Debian 12's driver, and once more."""
    app = [*APP, "--input", "demo", "--seconds", "2"]
    seen = {"first": ended(app), "second": ended(app)}
    check = ["--output", f"vcam:{VIRTUAL}", "--only", "virtual camera"]
    return seen | {"doctor": ended([*DOCTOR, *check])}


SCENES = {"doctor": doctor, "stock": stock}


if __name__ == "__main__":
    scene, video, folder = sys.argv[1:]
    Path(folder, "seen.json").write_text(json.dumps(SCENES[scene](video)))

"""Inside the machine with cameras: one function for each test of test_cameras.py.

    python cameras_guest.py SCENE VIDEO FOLDER

VIDEO plays into /dev/video0, the app writes to /dev/video10; FOLDER/seen.json tells what was seen.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from virtual_camera_guest import PATIENCE_S, VIRTUAL, WEBCAM, driver_frames, opened  # noqa: E402

MINUTE_S = 62.0
MOVED = 0.05
"""Levels that a picture differs by from the one before when the avatar moves."""
APP = [sys.executable, "run_live.py", "--output", f"vcam:{VIRTUAL}", "--backend", "onnxruntime"]
APP += ["--threads", "1", "--json"]
DOCTOR = [sys.executable, "-m", "realtime.doctor", "--json"]


@contextmanager
def playing(video: str, again: bool = False) -> Iterator[None]:
    """A webcam that shows a video, from a process of its own."""
    guest = Path(__file__).with_name("virtual_camera_guest.py")
    feeder = subprocess.Popen([sys.executable, str(guest), "feed", video])
    try:
        if not again:  # then the app waits for it already
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


def unplugged(video: str) -> dict[str, Any]:
    """The webcam shows a face, is gone for eight seconds and comes back; the avatar is read on."""
    app = [*APP, "--input", WEBCAM]
    with playing(video):
        running = subprocess.Popen(app, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        capture = opened(VIRTUAL)
        before = moves(capture, 6)
    away = moves(capture, 8)
    with playing(video, again=True):
        after = moves(capture, PATIENCE_S, until_moved=20)
        capture.release()
        running.send_signal(signal.SIGINT)
        printed, complained = running.communicate()
    looks = {"before": before, "away": away, "after": after}
    report = json.loads(printed.splitlines()[-1])
    return {"code": running.returncode, "error": complained, "report": report} | looks


def moves(
    capture: cv2.VideoCapture, seconds: float, until_moved: int | None = None
) -> list[tuple[float, float]]:
    """When each picture came, s, and how much it differs from the one before, levels."""
    looks, moved, before = list[tuple[float, float]](), 0, None
    begin_s = time.monotonic()
    while (passed_s := time.monotonic() - begin_s) < seconds and moved != until_moved:
        small = cv2.resize(capture.read()[1], (64, 36), interpolation=cv2.INTER_AREA)
        if before is not None:
            looks.append((passed_s, float(np.abs(small.astype(np.int16) - before).mean())))
            moved += looks[-1][1] > MOVED
        before = small.astype(np.int16)
    return looks


def barcode_app(folder: str) -> None:
    """The app with the model that reads and paints counters, and a face that is where it was.

    The finder is left out because this emulator does not interrupt a program between two system
    calls: a search of 10 ms holds up every other thread of its one CPU for as long.
    """
    import barcode

    from realtime import app
    from realtime.options import Options

    app._faces = lambda each, stats: barcode.StillFace()

    avatar = str(barcode.avatar_file(Path(folder)))
    options = Options(
        input=WEBCAM, outputs=[f"vcam:{VIRTUAL}"], avatar=[avatar], seconds=MINUTE_S, hud="off"
    )
    print(json.dumps(app.run(options, lambda line: None, barcode.load)))


def barcode_feed(video: str, folder: str) -> None:
    """A webcam of 25 fps with a counter under a still face; when each was sent is written down."""
    import barcode
    import pyvirtualcam

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    face, sent = driver_frames(video)[0], list[float]()
    pictures = [barcode.held(face, counter) for counter in range(256)]
    height, width = pictures[0].shape[:2]
    with pyvirtualcam.Camera(width, height, 25, device=WEBCAM) as camera:
        try:
            while True:
                sent.append(time.monotonic())
                camera.send(pictures[(len(sent) - 1) % len(pictures)])
                camera.sleep_until_next_frame()
        finally:
            Path(folder, "sent.json").write_text(json.dumps(sent))


def minute(video: str, folder: str) -> dict[str, Any]:
    """A minute of counters; the one who watches comes late, leaves, and comes back."""
    import barcode  # noqa: F401  (now, not while the app runs beside it)

    here = [sys.executable, __file__]
    feeder = subprocess.Popen([*here, "feed", video, folder])
    opened(WEBCAM).release()
    running = subprocess.Popen([*here, "app", folder], stdout=subprocess.PIPE, text=True)
    opened(VIRTUAL).release()
    time.sleep(5)
    first = counters(20)
    time.sleep(5)
    second = counters(20)
    printed, _ = running.communicate()
    feeder.terminate()
    feeder.wait()
    sent = json.loads(Path(folder, "sent.json").read_text())
    report = json.loads(printed.splitlines()[-1])
    return {"report": report, "sent": sent, "first": first, "second": second}


def counters(seconds: float) -> list[tuple[float, int | None]]:
    """When each picture came, s, and the counter in its middle."""
    import barcode

    capture, seen = opened(VIRTUAL), list[tuple[float, int | None]]()
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)  # its one CPU has enough to do
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s and capture.grab():
        came_s = time.monotonic()
        luma = capture.retrieve()[1].reshape(-1)[: 720 * 1280].reshape(720, 1280)  # of YUV 4:2:0
        seen.append((came_s, barcode.counter_in(luma[360, 280:1000])))
    capture.release()
    return seen


SCENES = {"doctor": doctor, "stock": stock, "unplugged": unplugged}


def main(scene: str, *words: str) -> None:
    if scene in ("app", "feed"):
        barcode_app(*words) if scene == "app" else barcode_feed(*words)
        return
    video, folder = words
    seen = minute(video, folder) if scene == "minute" else SCENES[scene](video)
    Path(folder, "seen.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Inside the machine with cameras: feed the webcam, run the app, read what it sends.

    python virtual_camera_guest.py VIDEO OUT.npz SECONDS COMMAND...

A process of its own plays VIDEO, framed in magenta, into /dev/video0; COMMAND is the app, which
writes to /dev/video10; this process reads that. OUT.npz gets frames, the driver's frames, the app's
exit code and what it printed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

os.environ["OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT"] = "3"
os.environ["OPENCV_LOG_LEVEL"] = "SILENT"

import cv2  # noqa: E402  (reads the variables when it is loaded)
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402

WEBCAM, VIRTUAL = "/dev/video0", "/dev/video10"
MAGENTA = (255, 0, 255)
BAND = 24
PATIENCE_S = 180.0


def driver_frames(path: str) -> list[npt.NDArray[np.uint8]]:
    """The frames of a video, RGB, with a magenta band around each."""
    video, frames = cv2.VideoCapture(path, cv2.CAP_FFMPEG), []
    while (found := video.read())[0]:
        rgb = cv2.cvtColor(found[1], cv2.COLOR_BGR2RGB)
        for edge in (np.s_[:BAND], np.s_[-BAND:], np.s_[:, :BAND], np.s_[:, -BAND:]):
            rgb[edge] = MAGENTA
        frames.append(np.asarray(rgb, np.uint8))
    return frames


def feed(path: str, fps: float = 25) -> None:
    """Play a video into the webcam until the process is ended."""
    import pyvirtualcam

    frames = driver_frames(path)
    height, width = frames[0].shape[:2]
    with pyvirtualcam.Camera(width, height, fps, device=WEBCAM) as camera:
        while True:
            for frame in frames:
                camera.send(frame)
                camera.sleep_until_next_frame()


def opened(device: str) -> cv2.VideoCapture:
    """A camera, as soon as somebody writes to it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if capture.isOpened() and capture.read()[0]:
            return capture
        capture.release()
        time.sleep(0.3)
    raise SystemExit(f"nobody writes to {device}")


def watch(seconds: float) -> list[npt.NDArray[np.uint8]]:
    """What the virtual camera shows for some seconds, RGB, at half its size."""
    capture, frames, end = opened(VIRTUAL), [], time.monotonic() + seconds
    while time.monotonic() < end and (found := capture.read())[0]:
        half = cv2.resize(found[1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        frames.append(np.asarray(cv2.cvtColor(half, cv2.COLOR_BGR2RGB), np.uint8))
    capture.release()
    return frames


def main(video: str, out: str, seconds: str, *command: str) -> None:
    feeder = subprocess.Popen([sys.executable, __file__, "feed", video])
    try:
        opened(WEBCAM).release()
        app = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        frames = watch(float(seconds))
        printed, _ = app.communicate(timeout=PATIENCE_S)
    finally:
        feeder.terminate()
        feeder.wait()
    code = app.returncode
    np.savez(Path(out), frames=frames, driver=driver_frames(video), code=code, printed=printed)


if __name__ == "__main__":
    feed(sys.argv[2], *map(float, sys.argv[3:])) if sys.argv[1] == "feed" else main(*sys.argv[1:])

"""Inside the machine with cameras: Chromium in a call with the app's virtual camera.

    python chromium_guest.py VIDEO FOLDER AVATAR PICTURES [window]

VIDEO, framed in magenta, plays into /dev/video0; the app writes to /dev/video10 and records what it
rendered as FOLDER/sent.mp4; Chromium opens call.html, which posts the cameras that it lists and
PICTURES that it sees to this process. FOLDER/seen.npz gets all that. With `window` Chromium runs on
an X server, and FOLDER/screen.png is what was on its screen in the end.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent)]

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from screen import pixels, screen  # noqa: E402
from virtual_camera_guest import PATIENCE_S, VIRTUAL, WEBCAM, driver_frames, opened  # noqa: E402

HERE = Path(__file__).parent
CAMERA = "PuppetCam"
HEIGHT, WIDTH = 360, 640  # px, of what is posted
WINDOW = (1000, 720)
# The app's networks and the browser share one emulated CPU: a slow webcam, a small picture.
WEBCAM_FPS, APP_SIZE = 2, "640x360"
CHROMIUM = ["chromium", "--disable-gpu", "--bwsi", "--no-first-run", "--password-store=basic"]
CHROMIUM += ["--in-process-gpu", "--disable-extensions", "--disable-background-networking"]
# A user who says yes to the camera. CI is root, which gets no sandbox; nobody needs to hear that.
CHROMIUM += ["--use-fake-ui-for-media-stream", "--no-sandbox", "--test-type", "--log-level=3"]


class Call(ThreadingHTTPServer):
    """The page, and what it posts.

    Attributes:
        said: the page's words: `cameras`, `format` and, should it come to that, `trouble`.
        pictures: what it saw, u8 [360,640,3] RGB each.
        over: it has seen enough, or had trouble.
    """

    def __init__(self, enough: int) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.said: dict[str, Any] = {}
        self.pictures: list[npt.NDArray[np.uint8]] = []
        self.over, self._enough = threading.Event(), enough
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def hear(self, what: str, body: bytes) -> None:
        if what != "picture":
            self.said[what] = json.loads(body)
        # Chromium shows a black picture until the camera's first has come.
        elif (seen := np.frombuffer(body, np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3]).any():
            self.pictures.append(seen)
        if len(self.pictures) >= self._enough or what == "trouble":
            self.over.set()


class Visit(BaseHTTPRequestHandler):
    """One request."""

    server: Call

    def do_GET(self) -> None:
        self._answer((HERE / "call.html").read_bytes() if self.path == "/" else b"")

    def do_POST(self) -> None:
        self.server.hear(self.path[1:], self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Says nothing."""


@contextmanager
def running(*command: str, **environment: str) -> Iterator[None]:
    """A process that runs meanwhile, and no longer."""
    process = subprocess.Popen(command, env=dict(os.environ, **environment))
    try:
        yield
    finally:
        process.terminate()
        process.wait()


@contextmanager
def visited(call: Call, *flags: str, display: str = "") -> Iterator[None]:
    """Chromium on the page, which has seen enough of the camera."""
    page = f"http://localhost:{call.server_port}/#{CAMERA}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        own = [f"--user-data-dir={home}", f"--window-size={WINDOW[0]},{WINDOW[1]}"]
        with running(*CHROMIUM, *own, *flags, page, HOME=home, DISPLAY=display):
            call.over.wait(4 * PATIENCE_S)
            yield


def photograph(call: Call, path: str) -> None:
    """Chromium on the page in a window, and a picture of it."""
    corner = "--window-position=0,0"
    with screen(*WINDOW) as (display, dump), visited(call, corner, display=display):
        cv2.imwrite(path, pixels(dump)[..., ::-1])


def main(video: str, folder: str, avatar: str, pictures: str, window: str = "") -> None:
    python, here = sys.executable, str(HERE / "virtual_camera_guest.py")
    app = [python, "run_live.py", "--input", WEBCAM, "--output", f"vcam:{VIRTUAL}"]
    app += ["--output", f"{folder}/sent.mp4", "--avatar", avatar, "--size", APP_SIZE]
    app += ["--backend", "onnxruntime", "--threads", "1"]
    call = Call(int(pictures))
    with running(python, here, "feed", video, str(WEBCAM_FPS)):
        opened(WEBCAM).release()
        with running(*app):
            opened(VIRTUAL).release()
            if window:
                photograph(call, f"{folder}/screen.png")
            else:
                with visited(call, "--headless=new"):
                    pass
    np.savez(
        f"{folder}/seen.npz", said=json.dumps(call.said), pictures=call.pictures,
        driver=driver_frames(video),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])

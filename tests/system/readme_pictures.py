"""Make the README's pictures again, with the weights and avatars that ship now.

    python -m tests.system.readme_pictures --media DIR [--vm-run PROGRAM] [--only NAME]

avatars   the demo's driver above all avatars that ship, driven
window    the window with everything shown, on an X server without a screen (Xvfb)
chromium  a call preview in Chromium, with the virtual camera, on a machine with cameras

PROGRAM (default: REENACT_VM_RUN) runs a command on that machine, see test_virtual_camera.py. A
picture that something is missing for stays as it is, and is named.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from realtime.app import run
from realtime.models import STARTER
from realtime.options import Options
from reenact.avatar import starter_avatars
from reenact.errors import CommandLine, UserError, exit_on_user_error
from tests.system.screen import pixels, screen

Picture = npt.NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
TILE = 150  # px
LEAD = 8  # frames of a moment; its picture is the last, so that it is one of motion
LARGEST = 240_000  # bytes of a picture: a README is read over telephones, too
DEMO_MOMENTS = (0.01, 0.11, 0.26, 0.33, 0.43, 0.57, 0.71, 0.87)  # the demo's liveliest frames
WINDOW_S = 20.0


@dataclass(frozen=True)
class Means:
    """What pictures are made with; `folder` is for what is needed on the way."""

    media: Path | None
    vm_run: str | None
    folder: Path


class Missing(Exception):
    """A picture cannot be made here, and why."""


def avatars(means: Means) -> Picture:
    """The demo's driver, and below it what each avatar makes of it."""
    demo = excerpt(STARTER / "demo.mp4", DEMO_MOMENTS, means.folder)
    rows = [tiles(shots(demo))]
    rows += [named(tiles(driven(demo, name)), name) for name in starter_avatars()]
    return np.concatenate(rows)


def window(means: Means) -> Picture:
    """The app's window after a while, with everything shown."""
    if not shutil.which("Xvfb"):
        raise Missing("no Xvfb")
    app = [sys.executable, "run_live.py", "--input", "demo", "--hud", "all"]
    with screen(1280, 720) as (display, dump):
        environment = dict(os.environ, DISPLAY=display)
        running = subprocess.Popen(app, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            while not pixels(dump).any() and running.poll() is None:
                time.sleep(0.5)
            time.sleep(WINDOW_S)  # its figures are of the last seconds
            return shown(pixels(dump))
        finally:
            running.terminate()
            running.wait()


def chromium(means: Means) -> Picture:
    """Chromium's window on that machine, in a call preview with the virtual camera."""
    if not means.vm_run or means.media is None or not shutil.which("Xvfb"):
        raise Missing("no --vm-run, no --media, or no Xvfb")
    guest = Path(__file__).with_name("chromium_guest.py")
    app = [sys.executable, str(guest), f"{means.media}/drivers/d0.mp4", str(means.folder)]
    command = [means.vm_run, "--timeout", "1800", "--rw", str(means.folder), "--", *app]
    subprocess.run([*command, next(iter(starter_avatars())), "12", "window"], cwd=ROOT, check=True)
    return np.asarray(cv2.imread(str(means.folder / "screen.png"))[..., ::-1], np.uint8)


PICTURES = {make.__name__: make for make in (avatars, window, chromium)}


def excerpt(video: Path, moments: Sequence[float], folder: Path) -> Path:
    """A folder with the LEAD frames up to each of some moments (0 to 1) of a video."""
    frames, made = frames_of(video), folder / video.stem
    made.mkdir()
    ends = [max(LEAD, round(at * len(frames))) for at in moments]
    for number, frame in enumerate(np.concatenate([frames[end - LEAD : end] for end in ends])):
        cv2.imwrite(f"{made}/{number:04}.png", frame[..., ::-1])
    return made


def driven(moments: Path, avatar: str) -> list[Picture]:
    """What an avatar does at the end of each moment of an excerpt, as the app shows it."""
    made = moments.with_name(f"{moments.name}_{avatar}.mp4")
    what = Options(input=str(moments), outputs=[str(made)], avatar=[avatar], every_frame=True)
    run(what, print)
    return frames_of(made)[LEAD - 1 :: LEAD]


def shots(moments: Path) -> list[Picture]:
    """The driver at the end of each moment of an excerpt."""
    files = sorted(moments.iterdir())[LEAD - 1 :: LEAD]
    return [np.asarray(cv2.imread(str(file))[..., ::-1], np.uint8) for file in files]


def frames_of(video: Path) -> list[Picture]:
    """The frames of a video, RGB."""
    capture, frames = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG), list[Picture]()
    while (found := capture.read())[0]:
        frames.append(np.asarray(found[1][..., ::-1], np.uint8))
    return frames


def tiles(pictures: Sequence[Picture]) -> Picture:
    """Pictures side by side, u8 [TILE,N*TILE,3]."""
    return np.concatenate([tile(each) for each in pictures], axis=1)


def tile(picture: Picture) -> Picture:
    """The upper middle of u8 [H,W,3], where a face is, TILE px wide."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 4, (width - side) // 2
    cut = picture[top : top + side, left : left + side]
    return np.asarray(cv2.resize(cut, (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8)


def named(pictures: Picture, name: str) -> Picture:
    """A row with its avatar's name in the lower left corner."""
    for colour, thick in ((0, 3), (255, 1)):
        place, font = (6, TILE - 8), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(pictures, name, place, font, 0.5, (colour,) * 3, thick, cv2.LINE_AA)
    return pictures


def shown(display: Picture) -> Picture:
    """What a window covers of a black display."""
    left, top, width, height = cv2.boundingRect(display.max(axis=-1))
    return display[top : top + height, left : left + width]


def save(picture: Picture, path: Path) -> None:
    """Write a JPEG, as good as LARGEST allows."""
    for quality in range(92, 40, -4):
        code = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(code) <= LARGEST:
            break
    path.write_bytes(code.tobytes())
    print(f"{path}: {picture.shape[1]}x{picture.shape[0]}, {len(code) // 1000} kB", flush=True)


@exit_on_user_error
def main() -> int:
    """Run the command line; 0 when every picture that was wanted was made."""
    flags = CommandLine("python -m tests.system.readme_pictures")
    flags.add_argument("--media", type=Path, help="holds drivers/*.mp4")
    flags.add_argument("--vm-run", default=os.environ.get("REENACT_VM_RUN"))
    flags.add_argument("--only", action="append", choices=list(PICTURES))
    flags.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures")
    words, left = flags.parse_args(), 0
    if words.media is not None and not words.media.is_dir():
        raise UserError(f"there is no folder {words.media}: name one that holds drivers/d0.mp4")
    with tempfile.TemporaryDirectory() as folder:
        means = Means(words.media and words.media.resolve(), words.vm_run, Path(folder))
        for name in words.only or PICTURES:
            try:
                save(PICTURES[name](means), words.out / f"{name}.jpg")
            except Missing as why:
                left += 1
                print(f"{name}: stays as it is, there is {why}", flush=True)
    return int(left > 0)


if __name__ == "__main__":
    sys.exit(main())

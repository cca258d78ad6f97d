"""Chromium, the engine of most video calls, with the app's virtual camera on a machine with cameras.

REENACT_VM_RUN and REENACT_MEDIA: see test_virtual_camera.py; `chromium` must be installed. What
happens there is written down in chromium_guest.py; what Chromium saw is judged here.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from reenact.avatar import load_avatar, starter_avatars

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("chromium_guest.py")
AVATAR = list(starter_avatars())[-1]  # not the one that is shown by default
Pictures = npt.NDArray[np.uint8]

pytestmark = [pytest.mark.camera, pytest.mark.slow]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the page said and saw, what the app had sent, and the driver: frames u8 [N,H,W,3] RGB."""
    vm_run, media = os.environ.get("REENACT_VM_RUN"), os.environ.get("REENACT_MEDIA")
    if not vm_run:
        pytest.skip("REENACT_VM_RUN is not set: no machine with cameras")
    if not media:
        pytest.skip("REENACT_MEDIA is not set: no video of a face")
    if not shutil.which("chromium"):
        pytest.skip("there is no chromium: `apt-get install chromium`")
    folder = tmp_path_factory.mktemp("call")
    guest = [sys.executable, str(GUEST), f"{media}/drivers/d0.mp4", str(folder), AVATAR, "8"]
    run = subprocess.run(
        [vm_run, "--timeout", "1500", "--rw", str(folder), "--", *guest],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    with np.load(folder / "seen.npz") as seen:
        said, pictures, driver = json.loads(str(seen["said"])), seen["pictures"], seen["driver"]
    assert "trouble" not in said, said
    sent = np.array(frames_of(folder / "sent.mp4"))
    return said | {"pictures": pictures, "sent": sent, "driver": driver}


def resized(pictures: Pictures, side: int) -> Pictures:
    """u8 [N,side,side,3]."""
    size = (side, side)
    return np.array([cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in pictures])


def frames_of(path: Path) -> list[Pictures]:
    """The frames of a video, RGB."""
    video, frames = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while (found := video.read())[0]:
        frames.append(np.asarray(found[1][..., ::-1], np.uint8))
    return frames


def nearest(one: Pictures, many: Pictures) -> tuple[int, float]:
    """Which of many pictures one is most like, and their PSNR, dB."""
    errors = [float(np.square(each.astype(np.float32) - one).mean()) for each in many]
    best = int(np.argmin(errors))
    return best, 10 * np.log10(255**2 / max(errors[best], 1e-9))


def test_the_camera_is_listed_by_its_name(call: dict[str, Any]) -> None:
    assert "PuppetCam" in call["cameras"] and "Webcam" in call["cameras"]
    assert (call["format"]["width"], call["format"]["height"]) == (640, 360)


def test_the_pictures_are_those_that_were_sent(call: dict[str, Any]) -> None:
    """Colours, sharpness and place: red and blue swapped would give 18 dB."""
    assert len(call["pictures"]) >= 8, "it is seen"
    for picture in call["pictures"]:
        best, likeness_db = nearest(picture, call["sent"])
        assert likeness_db > 35
        for part in np.s_[:120, 150:270], np.s_[120:260, 240:400], np.s_[260:, :140]:
            colour, wanted = picture[part].mean((0, 1)), call["sent"][best][part].mean((0, 1))
            assert np.abs(colour - wanted).max() < 4, "wall, face and edge have their colours"


def test_the_face_is_the_avatars(call: dict[str, Any]) -> None:
    names = list(starter_avatars())
    faces = [load_avatar(path).thumbnail for path in starter_avatars().values()]
    for picture in resized(call["pictures"][:, :, 140:500], 64):
        assert names[nearest(picture, resized(np.array(faces), 64))[0]] == AVATAR


def test_it_moves(call: dict[str, Any]) -> None:
    moments = {nearest(picture, call["sent"])[0] for picture in call["pictures"]}
    assert len(moments) >= 4, "different moments of the show"
    assert call["pictures"].std(axis=0).mean() > 0.5


def test_nothing_of_the_webcam_is_seen(call: dict[str, Any]) -> None:
    pictures = call["pictures"].astype(np.int16)
    magenta = np.abs(pictures - np.int16((255, 0, 255))).max(axis=-1)
    assert magenta.min() > 60, "no pixel of the frame around the driver"
    scenes = resized(call["pictures"][:, :, 140:500], 32).astype(int)
    drivers = resized(call["driver"], 32)
    assert np.abs(scenes[:, None] - drivers[None]).mean(axis=(2, 3, 4)).min() > 8

"""A webcam, the app and a virtual camera, each in a process of its own, on a machine with cameras.

REENACT_VM_RUN names a command that runs another one on a machine with v4l2loopback as /dev/video0
and /dev/video10; REENACT_MEDIA a folder with `drivers/d0.mp4`, a video of a face.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("virtual_camera_guest.py")


def small(frames: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    """Frames at 32 px, for comparing whole scenes."""
    return np.array([cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA) for frame in frames])


@pytest.mark.camera
@pytest.mark.slow
def test_a_face_on_the_webcam_moves_the_avatar_on_the_virtual_camera(tmp_path: Path) -> None:
    vm_run, media = os.environ.get("REENACT_VM_RUN"), os.environ.get("REENACT_MEDIA")
    if not vm_run:
        pytest.skip("REENACT_VM_RUN is not set: no machine with cameras")
    if not media:
        pytest.skip("REENACT_MEDIA is not set: no video of a face")
    app = [sys.executable, "run_live.py", "--input", "/dev/video0", "--output", "vcam:/dev/video10"]
    app += ["--seconds", "14", "--backend", "onnxruntime", "--threads", "1", "--json"]
    guest = [sys.executable, str(GUEST), f"{media}/drivers/d0.mp4", str(tmp_path / "seen.npz"), "8"]
    run = subprocess.run(
        [vm_run, "--timeout", "200", "--rw", str(tmp_path), "--", *guest, *app],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    with np.load(tmp_path / "seen.npz") as seen:
        frames, driver = seen["frames"], seen["driver"]
        code, printed = int(seen["code"]), str(seen["printed"])
    assert code == 0, printed
    report = json.loads(printed.splitlines()[-1])
    assert report["frames"] > 20 and report["latency_ms"]["p50"] < 1000
    assert len(frames) > 20 and frames.shape[1:] == (360, 640, 3)
    frames = frames.astype(np.int16)
    magenta = np.abs(frames - np.int16((255, 0, 255))).max(axis=-1)
    assert magenta.min() > 60, "no pixel of the frame around the driver"
    avatar = frames[:, :, 140:500].astype(np.uint8)  # a square in the middle of 16:9
    scenes, drivers = small(avatar).astype(int), small(driver).astype(int)
    nearest = np.abs(scenes[:, None] - drivers[None]).mean(axis=(2, 3, 4)).min()
    assert nearest > 8, "no frame is one of the driver's"
    moved = np.abs(frames[1:] - frames[:-1]).mean(axis=(1, 2, 3))
    assert (moved > 0.05).sum() > 10, "it moves"
    assert frames.std(axis=0).mean() > 1.0, "it moves visibly"

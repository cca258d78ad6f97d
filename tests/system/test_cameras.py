"""Webcams that misbehave, virtual cameras that are read: each on a machine with cameras.

REENACT_VM_RUN and REENACT_MEDIA: see test_virtual_camera.py. What happens there is written down in
cameras_guest.py, one function for each test; what it saw is judged here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
GUEST = Path(__file__).with_name("cameras_guest.py")

pytestmark = [pytest.mark.camera, pytest.mark.slow]


def seen_in(scene: str, tmp_path: Path, kernel: str = "linux", seconds: int = 150) -> Any:
    """Play a scene of the guest's; gives what it wrote down."""
    vm_run, media = os.environ.get("REENACT_VM_RUN"), os.environ.get("REENACT_MEDIA")
    if not vm_run:
        pytest.skip("REENACT_VM_RUN is not set: no machine with cameras")
    if not media:
        pytest.skip("REENACT_MEDIA is not set: no video of a face")
    image = Path(vm_run).with_name(kernel)
    if kernel != "linux" and not image.exists():
        pytest.skip(f"there is no {image}: no machine with that driver")
    environment = dict(os.environ, VMRUN_KERNEL=str(image)) if image.exists() else None
    guest = [sys.executable, str(GUEST), scene, f"{media}/drivers/d0.mp4", str(tmp_path)]
    run = subprocess.run(
        [vm_run, "--timeout", str(seconds), "--rw", str(tmp_path), "--", *guest],
        cwd=ROOT, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads((tmp_path / "seen.json").read_text())


def test_the_doctor_finds_the_webcam_and_the_virtual_camera(tmp_path: Path) -> None:
    report = seen_in("doctor", tmp_path)
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in report["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    camera, face = found["cameras"]
    assert "/dev/video0 Webcam: 512x512 " in camera["what"] and " fps" in camera["what"]
    assert 15 < int(camera["what"].split(" fps")[0].split()[-1]) < 35
    assert face["state"] == "ok" and "a face, " in face["what"]
    (virtual,) = found["virtual camera"]
    assert virtual["state"] == "ok", virtual
    assert "/dev/video10: 1280x720 at " in virtual["what"] and "as sent" in virtual["what"]
    assert 20 < int(virtual["what"].split(" fps")[0].split()[-1]) < 40
    assert report["ok"] and report["code"] == 0
    assert report["without"]["code"] == 1, "a camera that was asked for is not there"
    assert "no camera 7" in report["without"]["findings"][0]["what"]


def test_debians_loopback_gets_advice_not_a_crash(tmp_path: Path) -> None:
    seen = seen_in("stock", tmp_path, kernel="linux-stock-loopback")
    assert seen["first"]["code"] == 0, seen["first"]["error"]
    assert seen["second"]["code"] == 2
    assert "Traceback" not in seen["second"]["error"]
    assert "exclusive_caps=1 can be written to only once" in seen["second"]["error"]
    assert "`sudo modprobe -r v4l2loopback && sudo modprobe v4l2loopback" in seen["second"]["error"]
    (finding,) = seen["doctor"]["findings"]
    assert "its driver hangs" in finding["what"] and finding["state"] == "problem"
    assert any("v0.15.4" in line for line in finding["lines"])

"""The doctor: what it finds, what it advises on each system, and what its exit code says."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from realtime import advice, cameras, checkups, checkups_cameras, checkups_install, doctor, v4l2
from realtime.camera_list import Measured
from realtime.findings import Asked, Check, Finding, State, ok, told
from reenact.errors import UserError

ROOT = Path(__file__).parents[1]
SYSTEMS = ("linux", "win32", "darwin")
NOT_HERE = {("newer loopback", "win32"), ("newer loopback", "darwin"), ("nvidia", "darwin")}
"""Topics that there is nothing to do about on a system."""


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("topic", advice.TOPICS)
def test_every_topic_has_lines_on_every_system(
    topic: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    lines = advice.advice(topic, backend="onnxruntime")
    assert bool(lines) == ((topic, system) not in NOT_HERE)
    for line in lines:
        assert "{" not in line and "\n" not in line
        foreign = {"linux": ("winget", "brew", "ms-settings"), "win32": ("sudo", "brew", "~")}
        for word in foreign.get(system, ("sudo", "winget", "ms-settings", "v4l2")):
            assert word not in line, f"{word} is of another system"


def test_the_virtual_camera_of_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    words = {"linux": "v4l2loopback", "win32": "winget install OBS", "darwin": "--cask obs"}
    for system, word in words.items():
        monkeypatch.setattr(sys, "platform", system)
        assert word in " ".join(advice.advice("no virtual camera"))


def test_python_lines_that_are_offered_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    import run_live

    for system in SYSTEMS:
        monkeypatch.setattr(sys, "platform", system)
        for topic in advice.TOPICS:
            for line in advice.advice(topic, backend="onnxruntime"):
                words = line.split("#")[0].split()
                if words[:2] == ["python", "run_live.py"]:
                    run_live.parser().parse_args(words[2:])


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes /dev, /sys/class/video4linux, /sys/devices/virtual and the driver's own folder."""
    names, virtual = tmp_path / "class", tmp_path / "virtual"
    device, module = tmp_path / "dev", tmp_path / "v4l2loopback"
    for folder in (names, virtual, device):
        folder.mkdir()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(cameras, "_SYSFS", names)
    monkeypatch.setattr(cameras, "_DEV", device)
    monkeypatch.setattr(checkups_cameras, "VIRTUAL", virtual)
    monkeypatch.setattr(checkups_cameras, "LOOPBACK", module)
    able: dict[str, int] = {}

    def add(name: str, label: str, bits: int, is_virtual: bool, version: str = "0.15.4") -> None:
        (names / name).mkdir()
        (names / name / "name").write_text(label + "\n")
        (device / name).touch()
        able[name] = bits
        if is_virtual:
            (virtual / name).mkdir()
            (module / "parameters").mkdir(parents=True, exist_ok=True)
            (module / "version").write_text(version + "\n")
            (module / "parameters" / "exclusive_caps").write_text("Y,N,N,N\n")

    monkeypatch.setattr(v4l2, "capabilities", lambda path: able[path.name])
    return add


def virtual_camera(*outputs: str) -> list[Finding]:
    return list(checkups_cameras.virtual_camera(Asked(outputs=outputs)))


def test_no_driver(machine: Callable[..., None]) -> None:
    (finding,) = virtual_camera()
    assert finding.state is State.WARNING and "is not loaded" in finding.what
    assert finding.lines[0] == "sudo apt install v4l2loopback-dkms"
    assert virtual_camera("vcam")[0].state is State.PROBLEM


def test_a_driver_without_a_device(machine: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "v4l2loopback").mkdir()
    (finding,) = virtual_camera()
    assert "has no device" in finding.what
    assert finding.lines[0] == "sudo modprobe -r v4l2loopback"


def test_debians_driver_is_known(machine: Callable[..., None]) -> None:
    machine("video10", "Reenact", v4l2.OUTPUT, True, version="0.12.7")
    old, free = virtual_camera()
    assert "0.12.7 with exclusive_caps=1" in old.what and old.state is State.WARNING
    assert any("v0.15.4" in line for line in old.lines)
    assert "free to write to" in free.what, "not tried: that would leave it unusable"


def test_debians_driver_after_its_first_use(machine: Callable[..., None]) -> None:
    machine("video10", "Reenact", 0, True, version="0.12.7")
    _, hangs = virtual_camera("vcam")
    assert "its driver hangs" in hangs.what and hangs.state is State.PROBLEM


def test_a_virtual_camera_that_is_in_use(machine: Callable[..., None]) -> None:
    machine("video10", "Reenact", v4l2.CAPTURE, True)
    (finding,) = virtual_camera()
    assert finding.state is State.OK and "another program writes to it" in finding.what


def test_a_virtual_camera_that_browsers_do_not_list(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine("video10", "Reenact", v4l2.CAPTURE | v4l2.OUTPUT, True)
    monkeypatch.setattr(checkups_cameras, "_sent", lambda device, lack: ok("sent"))
    shared, sent = virtual_camera()
    assert "without exclusive_caps=1" in shared.what and sent.what == "sent"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied"), "usermod -aG video"),
        (FileNotFoundError(2, "No such file or directory"), "modprobe v4l2loopback"),
    ],
)
def test_a_virtual_camera_that_cannot_be_opened(
    machine: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    error: OSError,
    line: str,
) -> None:
    machine("video10", "Reenact", v4l2.OUTPUT, True)

    def refuse(path: Path) -> int:
        raise error

    monkeypatch.setattr(v4l2, "capabilities", refuse)
    (finding,) = virtual_camera("vcam")
    assert str(error.strerror) in finding.what and finding.state is State.PROBLEM
    assert any(line in command for command in finding.lines)


def test_devices_that_deliver_nothing_are_no_cameras(machine: Callable[..., None]) -> None:
    machine("video1", "HD Webcam metadata", 0x00800000, False)
    machine("video10", "PuppetCam", v4l2.OUTPUT, True)
    (finding,) = checkups_cameras.cameras(Asked())
    assert finding.what == "no camera is connected" and finding.state is State.WARNING


def test_a_camera_that_was_asked_for_and_is_not_there(machine: Callable[..., None]) -> None:
    (finding,) = checkups_cameras.cameras(Asked(camera="logitech"))
    assert finding.state is State.PROBLEM and "'logitech'" in finding.what


def test_what_a_camera_delivers_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((480, 640, 3), 30, np.uint8)
    dark = checkups_cameras._judged("cam", Measured(image, "MJPG", 9.6, "it is too dark"))
    assert dark.state is State.WARNING
    assert dark.what == "cam: 640x480 MJPG at 10 fps, brightness 30 of 255; it is too dark"
    assert checkups_cameras._judged("cam", Measured(image, "MJPG", 30.0, None)).state is State.OK
    assert "no face" in checkups_cameras._face("cam", Measured(image, "", 30.0, None)).what


def test_requirements() -> None:
    assert checkups_install.lacking("numpy>=1.26") is None
    assert "wanted is >=999" in str(checkups_install.lacking("numpy>=999"))
    assert "wanted is <1" in str(checkups_install.lacking("numpy>=0.1,<1; sys_platform != 'x'"))
    assert checkups_install.lacking("no-such-package>=1") == "no-such-package is not installed"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no signals")
def test_a_backend_that_crashes_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    dies = [sys.executable, "-c", "import os; os.abort()"]
    real = checkups._run
    monkeypatch.setattr(checkups, "_run", lambda command, limit_s: real(dies, limit_s))
    assert checkups._probe("openvino").failed == "it crashes (SIGABRT)"


def test_the_fastest_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = {
        "slow": checkups.Probe("CPU", 10.0, 50.0),
        "quick": checkups.Probe("CPU", 20.0, 30.0),
        "broken": checkups.Probe(failed="it hangs"),
    }
    monkeypatch.setattr(checkups, "probed", lambda: probes)
    slow, quick, broken, _ = checkups.engines(Asked())
    assert "fastest" in quick.what and "fastest" not in slow.what
    assert broken.lines == ("python run_live.py --backend quick",)


def test_a_damaged_model_is_a_problem(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in model_folder.glob("*.onnx"):
        (tmp_path / file.name).write_bytes(file.read_bytes()[:9000])
    monkeypatch.setattr(checkups, "STARTER", tmp_path)
    (cut,) = checkups.model(Asked())
    assert cut.state is State.PROBLEM and cut.lines == ("git checkout -- reenact/starter",)
    for file in tmp_path.glob("*.onnx"):
        file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (pointer,) = checkups.model(Asked())
    assert "LFS pointer" in pointer.what


def test_avatars_of_another_model_do_not_fit(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkups, "STARTER", model_folder)
    states = [finding.state for finding in checkups.model(Asked())]
    assert states[0] is State.OK and State.PROBLEM in states


def test_a_damaged_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups, "settings_folder", lambda: tmp_path)
    assert "none is kept" in next(iter(checkups.calibrations(Asked()))).what
    (tmp_path / "calibrations").mkdir()
    (tmp_path / "calibrations" / "cam_me.calibration").write_bytes(b"nothing")
    (finding,) = checkups.calibrations(Asked())
    assert finding.state is State.WARNING


def test_settings_are_read_by_the_app_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reenact" / "settings.toml"
    file.parent.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file.write_text("smoth = 0.3\n")
    (bad,) = checkups.settings(Asked())
    assert bad.state is State.PROBLEM and "did you mean smooth?" in bad.what
    file.write_text("smooth = 0.3\n")
    (good,) = checkups.settings(Asked())
    assert good.state is State.OK and good.what.endswith("is valid")


def test_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkups, "_LEAST_FREE", 1e18)
    (finding,) = checkups.disk(Asked())
    assert finding.state is State.WARNING


def test_a_slow_show_is_a_warning() -> None:
    report: dict[str, Any] = {"drops": 3, "frames": 30, "latency_ms": {"p50": 20.0, "p95": 40.0}}
    assert checkups._judged(report | {"fps": 29.8}, "cpu").state is State.OK
    assert checkups._judged(report | {"fps": 12.0}, "cpu").state is State.WARNING
    assert checkups._judged(report | {"fps": None}, "cpu").state is State.PROBLEM


def test_a_users_error_gives_its_commands_as_lines() -> None:
    error = UserError("it is not there; run `pip install x`, or `pip install y`")
    assert told(error, State.WARNING, "").lines == ("pip install x", "pip install y")


def fails(asked: Asked) -> Iterator[Finding]:
    yield ok("so far so good")
    raise ZeroDivisionError("by nothing")


@pytest.mark.parametrize(
    ("check", "code"), [(fails, 1), (lambda a: [Finding(State.WARNING, "hm")], 0)]
)
def test_exit_codes_and_json(
    check: Check, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "INSTALLED", {})
    monkeypatch.setattr(doctor, "checks", lambda: {"this": check})
    monkeypatch.setattr(sys, "argv", ["doctor", "--json"])
    assert doctor.main() == code
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] == (code == 0)
    last = report["findings"][-1]
    assert last["check"] == "this" and last["state"] in ("warning", "problem")
    monkeypatch.setattr(sys, "argv", ["doctor"])
    assert doctor.main() == code
    printed = capsys.readouterr().out
    assert last["what"] in printed and "\x1b" not in printed, "no colours where it is no terminal"


def test_what_the_settings_ask_for_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Asked] = []

    def note(this: Asked) -> list[Finding]:
        asked.append(this)
        return []

    def run(*words: str) -> Asked:
        monkeypatch.setattr(sys, "argv", ["doctor", *words])
        assert doctor.main() == 0
        return asked[-1]

    file = tmp_path / "reenact" / "settings.toml"
    file.parent.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "INSTALLED", {})
    monkeypatch.setattr(doctor, "checks", lambda: {"this": note})
    assert run() == Asked(None, ()), "a default is no wish"
    file.write_text('input = "Logitech"\noutput = ["vcam", "window"]\n')
    assert run() == Asked("Logitech", ("vcam", "window"))
    assert run("--camera", "1") == Asked("1", ("vcam", "window"))
    assert run("--output", "none") == Asked("Logitech", ("none",))
    monkeypatch.setenv("REENACT_INPUT", "2")
    assert run().camera == "2"
    file.write_text("inptu = 1\n")
    assert run() == Asked(None, ()), "that the file is broken is said by a check"


def test_an_input_that_is_no_camera_needs_none() -> None:
    (finding,) = checkups_cameras.cameras(Asked(camera="demo"))
    assert finding.state is State.OK and "no camera is needed" in finding.what


def test_missing_packages_end_it_with_a_line_to_copy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checkups_install, "lacking", lambda line: "numpy is not installed")
    monkeypatch.setattr(doctor, "checks", lambda: pytest.fail("these need the packages"))
    monkeypatch.setattr(sys, "argv", ["doctor"])
    assert doctor.main() == 1
    assert "$ python -m pip install -e ." in capsys.readouterr().out


def test_it_starts_without_any_package() -> None:
    code = "import sys; sys.path.insert(0, '.'); import realtime.doctor as d; d.main()"
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert "numpy is not installed" in run.stdout and "Traceback" not in run.stderr


def test_an_unknown_check_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    run = [sys.executable, "-m", "realtime.doctor", "--only", "camras"]
    found = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 2 and "there is no check 'camras'" in found.stderr


def test_it_is_whole() -> None:
    """The quick checks, really run."""
    only = [word for name in ("python", "face finder", "model") for word in ("--only", name)]
    run = [sys.executable, "-m", "realtime.doctor", "--json", *only]
    found = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    report = json.loads(found.stdout)
    assert found.returncode == 0 and report["ok"]
    assert {f["check"] for f in report["findings"]} == {"python", "face finder", "model"}
    assert all(finding["state"] == "ok" for finding in report["findings"])

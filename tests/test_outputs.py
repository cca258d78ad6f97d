"""Outputs: what is asked for, what is refused, and files that are whole or not there."""

import os
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from realtime import cameras, outputs, virtual_camera
from realtime.outputs import Nowhere, parse_outputs, parse_size
from realtime.puppet import _MAKER, Picture
from realtime.recording import MARK, VideoFile
from realtime.virtual_camera import VirtualCamera
from reenact.errors import UserError


def picture(level: int, time_s: float, width: int = 64, height: int = 48) -> Picture:
    """A picture with a red left and a blue right half."""
    pixels = np.full((height, width, 3), level, np.uint8)
    pixels[:, : width // 2, 0] = 220
    pixels[:, width // 2 :, 2] = 220
    return Picture(_MAKER, pixels, time_s)


def write(
    path: Path, times: list[float], keep: bool = True, size: tuple[int, int] = (64, 48)
) -> None:
    output = VideoFile(path, None)
    output.open(*size, 25.0)
    for index, time_s in enumerate(times):
        output.send(picture(10 + 8 * index, time_s, *size))
    output.close(keep)
    output.close(keep)


def test_a_file_holds_every_picture_at_its_time_with_the_mark(tmp_path: Path) -> None:
    times = [7 + k / 25 for k in (0, 1, 2, 5, 6, 9)]
    write(tmp_path / "show.mp4", times)
    with av.open(str(tmp_path / "show.mp4")) as container:
        stream = container.streams.video[0]
        assert container.metadata["comment"] == MARK
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        frames = list(container.decode(stream))
    assert [frame.time for frame in frames] == pytest.approx([t - 7 for t in times], abs=1e-4)
    for index, frame in enumerate(frames):
        expected = picture(10 + 8 * index, 0).pixels.astype(float)
        error = frame.to_ndarray(format="rgb24") - expected
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 30, "red and blue are not swapped"


def test_players_are_told_which_colours_these_are(tmp_path: Path) -> None:
    write(tmp_path / "show.mp4", [0.0], size=(1280, 720))
    with av.open(str(tmp_path / "show.mp4")) as container:
        codec = container.streams.video[0].codec_context
    assert codec.colorspace == Colorspace.ITU601 and codec.color_range == ColorRange.MPEG


def test_a_disk_that_fills_up_is_one_sentence_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = VideoFile(tmp_path / "show.mp4", None)
    output.open(64, 48, 25.0)
    container = output._container

    class Full:
        def mux(self, packets: object) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            container.close()
            self.mux(None)

    monkeypatch.setattr(output, "_container", Full())
    for step in (lambda: output.send(picture(0, 0.0)), lambda: output.close(keep=True)):
        with pytest.raises(UserError, match="No space left on device; free some space"):
            step()
    assert list(tmp_path.iterdir()) == []


def test_two_pictures_at_one_time_are_two_frames(tmp_path: Path) -> None:
    write(tmp_path / "show.mp4", [0, 0, -1, 0.04])
    with av.open(str(tmp_path / "show.mp4")) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert len(times) == 4
    assert times == sorted(set(times)) and times[-1] == Fraction(1, 25)


@pytest.mark.parametrize("times", [[], [0.0, 0.04]])
def test_what_is_not_kept_leaves_no_trace_and_the_old_file_alone(
    tmp_path: Path, times: list[float]
) -> None:
    (tmp_path / "show.mp4").write_bytes(b"the old one")
    write(tmp_path / "show.mp4", times, keep=False)
    write(tmp_path / "show.mp4", [], keep=True)
    assert [path.name for path in tmp_path.iterdir()] == ["show.mp4"]
    assert (tmp_path / "show.mp4").read_bytes() == b"the old one"


def test_the_final_name_appears_only_at_the_end(tmp_path: Path) -> None:
    output = VideoFile(tmp_path / "show.mp4", None)
    output.open(64, 48, 25.0)
    output.send(picture(0, 0.0))
    assert not (tmp_path / "show.mp4").exists()
    output.close(keep=True)
    assert [path.name for path in tmp_path.iterdir()] == ["show.mp4"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing/show.mp4", "there is no folder .*mkdir -p"),
        ("folder.mp4", "is a folder"),
        ("in.mp4", "is also the input"),
        ("link.mp4", "is also the input"),
    ],
)
def test_a_file_that_cannot_be_is_refused_at_once(tmp_path: Path, path: str, words: str) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "in.mp4").touch()
    (tmp_path / "link.mp4").symlink_to("in.mp4")
    with pytest.raises(UserError, match=words):
        parse_outputs([str(tmp_path / path)], tmp_path / "in.mp4")


@pytest.mark.parametrize("name", ["forbidden", "x" * 300])
def test_a_place_that_may_not_be_looked_at_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    stat = os.stat

    def forbidding(path: object, *args: object, **words: object) -> os.stat_result:
        if "forbidden" in str(path):
            raise PermissionError(13, "Permission denied")
        return stat(path, *args, **words)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "stat", forbidding)
    with pytest.raises(UserError, match="^cannot write "):
        VideoFile(tmp_path / name / "show.mp4", Path("in.mp4")).open(64, 48, 25.0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_refused() -> None:
    output = VideoFile(Path("/proc/show.mp4"), None)
    with pytest.raises(UserError, match="cannot write /proc/show.mp4: .*another folder"):
        output.open(64, 48, 25.0)
    output.close(keep=False)


@pytest.mark.parametrize("output", [VideoFile(Path("show.mp4"), None), VirtualCamera(None, None)])
def test_odd_sizes_are_refused(output: VideoFile | VirtualCamera, tmp_path: Path) -> None:
    for size in ((63, 48), (64, 47)):
        with pytest.raises(UserError, match="odd"):
            output.open(*size, 25.0)
    output.close(keep=False)


@pytest.mark.parametrize(
    ("text", "size"), [("512", (512, 512)), ("1280x720", (1280, 720)), ("64X48", (64, 48))]
)
def test_sizes(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("333", "odd.*--size 334"),
        ("640x481", "odd.*--size 640x482"),
        ("big", "is not a size"),
        ("", "is not a size"),
        ("12x34x56", "is not a size"),
        ("-4", "is not a size"),
        ("8", "not between"),
        ("99998", "not between"),
    ],
)
def test_bad_sizes_are_refused(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        parse_size(text)


def test_several_outputs_and_none(tmp_path: Path) -> None:
    file = str(tmp_path / "A.MP4")
    found = parse_outputs(["none", file, "vcam:/dev/video10"], None)
    assert [output.label for output in found] == ["none", file, "vcam:/dev/video10"]
    assert isinstance(found[0], Nowhere)


@pytest.mark.parametrize("text", ["show.avi", "screen", "", "mp4"])
def test_an_unknown_output_names_those_there_are(text: str) -> None:
    with pytest.raises(UserError, match=f"no output {text!r}: use --output window, vcam"):
        parse_outputs([text], None)


def test_the_same_output_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="given twice"):
        parse_outputs([str(tmp_path / "a.mp4")] * 2, None)


def test_the_input_camera_is_no_output() -> None:
    with pytest.raises(UserError, match="is also the input"):
        parse_outputs(["vcam:/dev/video3"], Path("/dev/video3"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
@pytest.mark.parametrize("display", [None, "", ":7654", ":7654.0", "nonsense"])
def test_a_window_needs_a_display(monkeypatch: pytest.MonkeyPatch, display: str | None) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(UserError, match="no display .*--output vcam"):
        parse_outputs(["window"], None)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_a_display_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0/tmp/.X11-unix/X7653")
        server.listen()
        monkeypatch.setenv("DISPLAY", ":7653.0")
        assert parse_outputs(["window"], None)[0].label == "window"


class Loopback:
    """pyvirtualcam on a machine where some devices are busy."""

    busy: set[str | None] = set()
    opened: list[str | None] = []
    sent: list[int] = []

    def __init__(self, width: int, height: int, fps: float, device: str | None) -> None:
        Loopback.opened.append(device)
        if device in self.busy:
            raise RuntimeError("device or resource busy")
        self.device = device

    def send(self, pixels: object) -> None:
        Loopback.sent.append(1)

    def close(self) -> None:
        Loopback.opened.remove(self.device)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Devices 0 (a webcam), 4 and 10 (v4l2loopback, the latter called Reenact)."""
    pyvirtualcam = pytest.importorskip("pyvirtualcam")
    monkeypatch.setattr("sys.platform", "linux")
    for index in (0, 4, 10):
        (tmp_path / "class" / f"video{index}").mkdir(parents=True)
        name = {10: "Reenact Camera"}.get(index, "camera")
        (tmp_path / "class" / f"video{index}" / "name").write_text(name)
    for index in (4, 10):
        (tmp_path / "virtual" / f"video{index}").mkdir(parents=True)
    monkeypatch.setattr(cameras, "_SYSFS", tmp_path / "class")
    monkeypatch.setattr(virtual_camera, "_VIRTUAL", tmp_path / "virtual")
    monkeypatch.setattr(pyvirtualcam, "Camera", Loopback)
    monkeypatch.setattr(Loopback, "opened", [])
    monkeypatch.setattr(Loopback, "busy", set())
    return tmp_path


@pytest.mark.usefixtures("machine")
def test_an_unnamed_virtual_camera_is_never_the_input_nor_a_real_one() -> None:
    output = VirtualCamera(None, Path("/dev/video4"))
    output.open(64, 48, 25.0)
    assert output.label == "vcam:/dev/video10"
    assert Loopback.opened == ["/dev/video10"]
    output.close(keep=True)
    output.close(keep=True)
    assert Loopback.opened == []


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize("name", ["Reenact Camera", "reenact"])
def test_a_virtual_camera_by_name(name: str) -> None:
    output = VirtualCamera(name, None)
    output.open(64, 48, 25.0)
    assert output.label == "vcam:/dev/video10"
    output.close(keep=True)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("OBS", None, r"no virtual camera is called 'OBS': there are /dev/video4 \(camera\), "),
        ("reenact", Path("/dev/video10"), r"called 'reenact': there are /dev/video4 \(camera\)$"),
    ],
)
def test_a_name_that_no_virtual_camera_has_or_only_the_input(
    name: str, source: Path | None, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        VirtualCamera(name, source).open(64, 48, 25.0)
    assert Loopback.opened == []


@pytest.mark.usefixtures("machine")
def test_a_busy_virtual_camera_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loopback, "busy", {"/dev/video4"})
    output = VirtualCamera(None, None)
    output.open(64, 48, 25.0)
    assert output.label == "vcam:/dev/video10"


@pytest.mark.usefixtures("machine")
def test_a_named_virtual_camera_that_is_busy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loopback, "busy", {"/dev/video10"})
    with pytest.raises(UserError, match="cannot write to /dev/video10 .*busy.*modprobe"):
        VirtualCamera("/dev/video10", None).open(64, 48, 25.0)
    assert Loopback.opened == ["/dev/video10"], "no other was tried"


def test_without_the_driver_there_is_advice(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_camera, "_VIRTUAL", machine / "nothing")
    with pytest.raises(UserError, match="no virtual-camera driver .*sudo modprobe v4l2loopback"):
        VirtualCamera(None, None).open(64, 48, 25.0)


def test_the_libraries_are_loaded_only_when_they_are_needed() -> None:
    libraries = ["av", "pyvirtualcam", "torch", "rich", "openvino", "onnxruntime"]
    code = f"import sys, realtime.app; print(*({{*{libraries}}} & {{*sys.modules}}))"
    root = Path(outputs.__file__).parent.parent
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (run.stdout.strip(), run.returncode) == ("", 0), run.stderr

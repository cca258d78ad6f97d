"""What an input is, and how it is read: in order, in RGB, at its pace."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_fakes import Clock, write_video

from realtime import cameras
from realtime.cameras import Input, find_again, find_input
from realtime.frames import Frame, Image
from realtime.readers import open_input
from realtime.sources import CameraFeed, Ended, EveryFrame, FileFeed, Live
from realtime.stats import Stats
from reenact.errors import UserError


def numbered(count: int) -> list[Image]:
    """Pictures whose grey level says which they are."""
    return [np.full((48, 64, 3), 20 + 10 * number, np.uint8) for number in range(count)]


def number(image: Image) -> int:
    return round((float(image.mean()) - 20) / 10)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "film.mp4", numbered(12))


@pytest.fixture
def three_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, name in ((10, "PuppetCam"), (0, "Webcam: HD Webcam"), (2, "USB Capture")):
        (tmp_path / f"video{index}").mkdir()
        (tmp_path / f"video{index}" / "name").write_text(name + "\n")
    monkeypatch.setattr(cameras, "_SYSFS", tmp_path)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("puppetcam", "/dev/video10"),
        ("usb capture", "/dev/video2"),
        ("webcam", "/dev/video0"),
        ("USB", "/dev/video2"),
    ],
)
@pytest.mark.usefixtures("three_cameras")
def test_a_camera_by_its_name(text: str, device: str) -> None:
    what = find_input(text)
    assert (what.kind, what.path) == ("camera", Path(device))


@pytest.mark.usefixtures("three_cameras")
def test_devices_are_listed_in_the_order_of_their_numbers() -> None:
    assert [path.name for path in cameras.camera_names()] == ["video0", "video2", "video10"]


@pytest.mark.usefixtures("three_cameras")
def test_an_unknown_name_names_what_there_is() -> None:
    with pytest.raises(UserError, match=r"'logi'; there are /dev/video0 \(Webcam: HD Webcam\), "):
        find_input("logi")


def test_without_cameras_the_demo_is_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_SYSFS", tmp_path)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(UserError, match=r"no camera 99 .*run_live.py --input demo"):
        find_input("99")


def test_other_systems_have_no_device_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert find_input("3") == Input("camera", "camera 3", None, 3)


def test_a_file_is_a_file_whatever_its_name(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "7.mp4").symlink_to(video)
    assert find_input("7.mp4").kind == "video"
    assert find_input(str(video)) == Input("video", "film.mp4", video)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_is_a_video_of_one_frame(tmp_path: Path, suffix: str) -> None:
    for index in range(3):  # a numbered series must not be read on from the first
        cv2.imwrite(str(tmp_path / f"shot{index}{suffix}"), np.full((50, 60, 3), 90, np.uint8))
    what = find_input(str(tmp_path / f"shot0{suffix}"))
    reader = open_input(what)
    assert what.kind == "picture"
    assert reader.read() is not None and reader.read() is None
    reader.close()


@pytest.mark.parametrize("content", [b"", b"not a video", None])
def test_a_broken_file_is_refused(tmp_path: Path, video: Path, content: bytes | None) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(video.read_bytes()[:300] if content is None else content)
    with pytest.raises(UserError, match=r"broken.mp4 (is|holds)"):
        open_input(find_input(str(path)))


def test_a_file_in_a_folder_that_may_not_be_looked_at(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(UserError, match="cannot read .*film.mp4: Permission denied; .*demo"):
        find_input(str(video))


def test_a_file_that_may_not_be_read(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video.write_bytes(b"whatever it holds")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="film.mp4 may not be read by this user"):
        open_input(find_input(str(video)))


def test_a_sound_without_pictures_is_refused(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(8000))
    with pytest.raises(UserError, match="sound.wav"):
        open_input(find_input(str(tmp_path / "sound.wav")))


def test_a_file_that_is_no_camera(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gives no pictures"):
        open_input(
            Input("camera", "it", tmp_path / "x.txt" if _touch(tmp_path / "x.txt") else None)
        )


def _touch(path: Path) -> bool:
    path.touch()
    return True


def test_every_frame_comes_once_in_order_in_rgb(tmp_path: Path) -> None:
    images = numbered(9)
    for image in images:
        image[..., 2] = 200  # blue
    reader = open_input(find_input(str(write_video(tmp_path / "blue.mp4", images, fps=30))))
    source = EveryFrame(reader, Stats())
    frames = []
    with pytest.raises(Ended):
        while True:
            frame = source.take(0)
            assert frame is not None
            frames.append(frame)
    source.close()
    assert [frame.index for frame in frames] == list(range(9))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 30 for k in range(9)])
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 6
    assert source.drops == 0


def played(
    video: Path, again: bool = False, until: int = 99, slow: Callable[[int], float] = lambda k: 0
) -> tuple[list[tuple[int, float, int]], int]:
    """Play a file on an injected clock: (index, time, number on the picture), and how many late.

    `slow(k)` is how long the reader takes for its k-th frame, s.
    """
    clock, leaving, reader = Clock(0.0), threading.Event(), open_input(find_input(str(video)))
    reads = iter(range(1000))
    read = reader.read

    def slow_read() -> Image | None:
        clock.now += slow(next(reads))
        return read()

    def wait(seconds: float | None = None) -> bool:
        clock.now += seconds or 0.0
        return False

    shown: list[tuple[int, float, int]] = []

    def put(frame: Frame) -> None:
        assert frame.captured_s == frame.time_s == clock.now
        shown.append((frame.index, round(clock.now, 6), number(frame.image)))
        if len(shown) == until:
            leaving.set()

    reader.read = slow_read  # type: ignore[method-assign]
    leaving.wait = wait  # type: ignore[method-assign]
    feed = FileFeed(reader, Stats(clock), again, clock)
    feed.run(put, leaving)
    feed.close()
    return shown, feed.late


def test_a_file_is_played_at_its_own_rate(video: Path) -> None:
    shown, late = played(video)
    assert shown == [(k, round(k / 25, 6), k) for k in range(12)]
    assert late == 0


def test_late_frames_are_passed_over(video: Path) -> None:
    shown, late = played(video, slow=lambda k: 0.21 if k == 2 else 0.0)
    assert [index for index, _, _ in shown] == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert all(index == number for index, _, number in shown), "the right ones are passed over"
    assert late == 3
    assert shown[-1][1] == pytest.approx(11 / 25)


def test_a_file_on_a_slow_machine_still_ends_in_time(video: Path) -> None:
    shown, late = played(video, slow=lambda k: 0.09)
    assert len(shown) + late == 12
    assert shown[-1][1] < 12 / 25 + 0.1


def test_the_demo_begins_again(video: Path) -> None:
    shown, _ = played(video, again=True, until=30)
    assert [index for index, _, _ in shown] == list(range(30))
    assert [number for _, _, number in shown] == [k % 12 for k in range(30)]
    assert shown[-1][1] == pytest.approx(29 / 25)


def test_a_camera_does_not_give_the_frame_that_it_was_tried_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Webcam:
        """A VideoCapture whose frames are brighter each time."""

        def __init__(self, *_: object) -> None:
            self.level = 0

        def isOpened(self) -> bool:
            return True

        def read(self) -> tuple[bool, Image]:
            return self.grab(), self.retrieve()[1]

        def grab(self) -> bool:
            self.level += 1
            return True

        def retrieve(self) -> tuple[bool, Image]:
            return True, np.full((4, 4, 3), self.level, np.uint8)

        def get(self, what: int) -> float:
            return 30.0

        def set(self, what: int, value: float) -> bool:
            return True  # and does nothing of the kind, as many do

    (tmp_path / "video0").touch()
    monkeypatch.setattr(cv2, "VideoCapture", Webcam)
    image = open_input(Input("camera", "it", tmp_path / "video0")).read()
    assert image is not None and image[0, 0, 0] == 2, "the models take seconds to load"


class ScriptedReader:
    """A camera: a frame each `grab`, until it is unplugged."""

    fps = 30.0

    def __init__(self, count: int, damaged: tuple[int, ...] = ()) -> None:
        self.count, self.damaged, self.at, self.closed = count, damaged, -1, 0

    def grab(self) -> bool:
        self.at += 1
        return self.at < self.count

    def retrieve(self) -> Image | None:
        return None if self.at in self.damaged else np.full((4, 4, 3), self.at, np.uint8)

    def close(self) -> None:
        self.closed += 1


def feed(
    reader: ScriptedReader, *later: ScriptedReader | UserError
) -> tuple[CameraFeed, list[str]]:
    """A feed that finds those in `later` when it opens the camera again, and what it says."""
    notes: list[str] = []
    nexts = iter(later)

    def again() -> ScriptedReader:
        found = next(nexts)
        if isinstance(found, UserError):
            raise found
        return found

    made = CameraFeed(reader, again, Stats(), notes.append)  # type: ignore[arg-type]
    made._RETRY_S = 0.0
    return made, notes


def test_a_camera_that_is_pulled_out_is_waited_for() -> None:
    first, second = ScriptedReader(3), ScriptedReader(4)
    camera, notes = feed(first, UserError("busy"), UserError("gone"), second)
    got, leaving = [], threading.Event()

    def put(frame: Frame) -> None:
        got.append((frame.index, int(frame.image[0, 0, 0])))
        if len(got) == 7:
            leaving.set()

    camera.run(put, leaving)
    assert got == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2), (6, 3)]
    assert first.closed == 1
    assert [note.split(":")[0] for note in notes] == [
        "the camera gives no pictures any more",
        "the camera is back",
    ]


def test_a_sentence_is_said_once_whatever_its_number() -> None:
    camera, notes = feed(ScriptedReader(0))
    for sentence in ("15 of 30 fps", "16 of 30 fps", None, "15 of 30 fps", "it is too dark"):
        camera._tell(sentence)
    assert notes == ["15 of 30 fps", "it is too dark"]


def test_leaving_ends_the_waiting() -> None:
    camera, _ = feed(ScriptedReader(0), *[UserError("gone")] * 99)
    leaving = threading.Event()
    camera._note = lambda sentence: leaving.set()
    camera.run(lambda frame: None, leaving)


def test_a_damaged_frame_of_a_camera_is_passed_over() -> None:
    got: list[int] = []
    leaving = threading.Event()
    camera, _ = feed(ScriptedReader(4, damaged=(1,)))
    camera._note = lambda sentence: leaving.set()
    camera.run(lambda frame: got.append(int(frame.image[0, 0, 0])), leaving)
    assert got == [0, 2, 3]


@pytest.mark.usefixtures("three_cameras")
def test_a_camera_is_found_again_under_another_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "_DEV", tmp_path)  # its folders stand for devices
    what = find_input("usb capture")
    assert find_again(what) == what
    (tmp_path / "video2").rename(tmp_path / "video5")
    assert find_again(what).path == tmp_path / "video5"
    (tmp_path / "video5" / "name").write_text("another")
    with pytest.raises(UserError, match="USB Capture is not connected"):
        find_again(what)


def test_our_own_virtual_camera_is_never_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for index, name in ((0, "Reenact"), (1, "Webcam")):
        (tmp_path / f"video{index}").mkdir()
        (tmp_path / f"video{index}" / "name").write_text(name)
    monkeypatch.setattr(cameras, "_SYSFS", tmp_path)
    monkeypatch.setattr(cameras, "_DEV", tmp_path)
    monkeypatch.chdir(tmp_path)  # the project has a folder of that name
    for text in ("0", "reenact"):
        with pytest.raises(UserError, match=r"there are \S+video1 \(Webcam\): use --input"):
            find_input(text)
    assert find_input("1").name == "Webcam"


def test_a_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    for index, image in enumerate(numbered(5)):
        cv2.imwrite(str(tmp_path / f"shot{index:03}.png"), image)
    (tmp_path / "notes.txt").write_text("not a picture")
    what = find_input(str(tmp_path))
    reader = open_input(what)
    shown = []
    while (image := reader.read()) is not None:
        shown.append(number(image))
    assert what.kind == "folder" and shown == [0, 1, 2, 3, 4]
    reader.rewind()
    again = reader.read()
    assert again is not None and number(again) == 0


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no pictures"):
        find_input(str(tmp_path))


def test_a_stream_is_known_by_its_address_and_its_password_is_not_shown() -> None:
    what = find_input("rtsp://me:secret@10.0.0.7/live")
    assert (what.kind, what.label) == ("stream", "rtsp://10.0.0.7/live")
    assert what.url.endswith("me:secret@10.0.0.7/live") and what.live


def test_a_stream_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="gives no pictures: check its address"):
        open_input(find_input("http://127.0.0.1:9/live.mjpg"))


def test_closing_ends_the_thread_and_gives_the_camera_back() -> None:
    reader = ScriptedReader(10**9)
    source = Live(feed(reader)[0])
    source.start()
    assert source.take(5) is not None
    source.close()
    source.close()
    assert not source._thread.is_alive()
    assert reader.closed >= 1


def test_closing_before_the_start_gives_the_camera_back() -> None:
    reader = ScriptedReader(1)
    Live(feed(reader)[0]).close()
    assert reader.closed == 1


def test_a_file_ends_after_its_last_frame(video: Path) -> None:
    source = Live(FileFeed(open_input(find_input(str(video))), Stats(), again=False))
    source.start()
    indices = []
    with pytest.raises(Ended):
        while (frame := source.take(5)) is not None:
            indices.append(frame.index)
    source.close()
    assert indices[-1] == 11
    assert len(indices) + source.drops == 12

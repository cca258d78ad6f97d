"""The command line: what works end to end, and what is answered with one sentence and code 2."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from live_fakes import DIMS, a_model, an_avatar, avatar_file, read_video, write_video

import realtime.app
import realtime.options
import run_live
from realtime import cameras, outputs, readers, sources, virtual_camera
from realtime.app import Options, run
from realtime.models import Model
from reenact.avatar import save_avatar
from reenact.edits import Edit, save_edit
from reenact.errors import UserError
from reenact.face import Box, FaceFinder
from reenact.spaces import style_count

ROOT = Path(run_live.__file__).parent
Live = Callable[..., tuple[int, str, str]]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    return write_video(path, [np.full((64, 96, 3), 40 + 5 * k, np.uint8) for k in range(20)])


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face in the middle of every picture."""
    monkeypatch.setattr(FaceFinder, "find_near", lambda self, *_: Box(48, 32, 30))


def load_fake(backend: str, threads: int | None) -> Model:
    if backend == "auto":
        return a_model()
    from engines import choose_backend

    return choose_backend("nowhere", backend) and a_model()


@pytest.fixture
def live(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Live:
    """Runs `python run_live.py WORDS` with a fake model and one avatar: (code, stdout, stderr)."""
    monkeypatch.setattr(realtime.app, "run", lambda options, line: run(options, line, load_fake))
    (tmp_path / "starter").mkdir()
    avatars = {"testa": avatar_file(tmp_path / "starter")}
    monkeypatch.setattr("reenact.avatar.STARTER_AVATARS", tmp_path / "starter")
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: avatars)

    def live(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["run_live.py", *map(str, words)])
        code = run_live.main()
        return code, *capsys.readouterr()

    return live


@pytest.mark.usefixtures("faces")
def test_every_frame_becomes_a_frame(live: Live, film: Path, tmp_path: Path) -> None:
    code, out, err = live(
        "--input", film, "--output", tmp_path / "o.mp4", "--every-frame", "--json"
    )
    assert (code, err) == (0, "")
    first, last = out.splitlines()
    assert first.startswith("fake: it is a test | avatar Testa | input film.mp4 | output ")
    report = json.loads(last)
    assert (report["frames"], report["drops"], report["backend"]) == (20, 0, "fake")
    assert {"fps", "latency_ms", "stages_ms", "backend_reason", "seconds"} <= set(report)
    pictures = read_video(tmp_path / "o.mp4")
    assert [picture.shape for picture in pictures] == [(32, 32, 3)] * 20
    levels = [picture.mean() for picture in pictures]
    assert levels[-1] > levels[0] + 20, "frame k shows frame k"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4", "o.mp4", "starter"]


def add_sound(film: Path, out: Path, hertz: float, seconds: float) -> Path:
    """A copy of a film with a tone."""
    with av.open(str(film)) as source, av.open(str(out), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        audio = target.add_stream("aac", rate=48_000, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                target.mux(packet)
        wave = np.sin(2 * np.pi * hertz * np.arange(int(48_000 * seconds)) / 48_000)
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "fltp", "mono")
        frame.rate, frame.pts = 48_000, 0
        target.mux(audio.encode(frame))
        target.mux(audio.encode(None))
    return out


@pytest.mark.usefixtures("faces")
@pytest.mark.parametrize("words", [["--every-frame"], ["--max-frames", "8"]])
def test_the_sound_of_the_film_is_kept(
    live: Live, film: Path, tmp_path: Path, words: list[str]
) -> None:
    heard = add_sound(film, tmp_path / "talk.mp4", 440.0, 0.8)
    code, _, err = live("--input", heard, "--output", tmp_path / "o.mp4", *words)
    assert (code, err) == (0, "")
    with av.open(str(tmp_path / "o.mp4")) as made:
        sound = np.concatenate([f.to_ndarray()[0] for f in made.decode(audio=0)])
        rate = made.streams.audio[0].rate
    pictures = read_video(tmp_path / "o.mp4")
    assert len(sound) / rate == pytest.approx(len(pictures) / 25, abs=0.08), "no longer than it"
    middle = sound[rate // 10 : rate // 10 + rate // 10]
    spectrum = np.abs(np.fft.rfft(middle))
    assert spectrum.argmax() * rate / len(middle) == pytest.approx(440, abs=15)


def test_the_report_says_what_became_of_each_outputs_pictures(
    live: Live, film: Path, tmp_path: Path
) -> None:
    file = tmp_path / "o.mp4"
    code, out, _ = live("--input", film, "--output", file, "--output", "none", "--json")
    report = json.loads(out.splitlines()[-1])
    counts = report["outputs"]
    assert code == 0 and set(counts) == {str(file)}, "what is sent inline cannot be late"
    assert counts[str(file)]["sent"] + counts[str(file)]["missed"] == report["frames"]
    assert counts[str(file)]["sent"] == len(read_video(file))


def test_size_background_and_mirror(live: Live, film: Path, tmp_path: Path) -> None:
    words = ["--size", "128x64", "--background", "green", "--mirror-output"]
    assert live("--input", film, "--output", tmp_path / "o.mp4", *words)[0] == 0
    picture = read_video(tmp_path / "o.mp4")[0]
    assert picture.shape == (64, 128, 3)
    assert picture[32, 4].tolist() == pytest.approx([0, 177, 64], abs=12)


def an_edit() -> Edit:
    styles = np.full(style_count(DIMS), 0.2, np.float32)
    return Edit("lighter", styles, np.array([-1, 2], np.float32), "f00d", "CC0-1.0")


def test_an_edit_changes_the_avatar(live: Live, film: Path, tmp_path: Path) -> None:
    save_edit(an_edit(), tmp_path / "lighter.edit")
    levels = []
    for number, words in enumerate(([], ["--edit", f"{tmp_path}/lighter.edit=1.5"])):
        out = tmp_path / f"{number}.mp4"
        assert live("--input", film, "--output", out, *words)[0] == 0
        levels.append(read_video(out)[0].mean())
    assert levels[1] - levels[0] == pytest.approx(100 * 0.2 * 1.5, abs=3)


@pytest.mark.usefixtures("faces")
def test_several_outputs_get_every_picture(live: Live, film: Path, tmp_path: Path) -> None:
    words = ["--input", film, "--every-frame", "--max-frames", 7, "--size", "64x48"]
    for name in ("a.mp4", "b.mp4"):
        words += ["--output", tmp_path / name]
    assert live(*words, "--output", "none")[0] == 0
    a, b = (read_video(tmp_path / name) for name in ("a.mp4", "b.mp4"))
    assert len(a) == len(b) == 7
    assert a[0].shape == (48, 64, 3)
    assert (np.array(a) == np.array(b)).all()


@pytest.mark.usefixtures("faces")
def test_the_demo_plays_live_until_it_is_told_to_stop(
    live: Live, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "DEMO", film)
    code, out, _ = live("--input", "demo", "--output", "none", "--max-frames", "3", "--json")
    report = json.loads(out.splitlines()[-1])
    assert (code, report["frames"]) == (0, 3)
    assert report["latency_ms"]["p95"] < 1000


@pytest.mark.usefixtures("faces")
def test_a_picture_gives_one_frame(live: Live, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "me.png"), np.full((64, 96, 3), 90, np.uint8))
    assert live("--input", tmp_path / "me.png", "--output", tmp_path / "o.mp4")[0] == 0
    assert len(read_video(tmp_path / "o.mp4")) == 1


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("faces")
def test_ctrl_c_keeps_what_was_recorded(
    live: Live, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: signal.Signals
) -> None:
    monkeypatch.setattr(cameras, "DEMO", film)
    before = signal.getsignal(which)
    send = outputs.VideoFile.send

    def send_and_interrupt(self: outputs.VideoFile, picture: object) -> None:
        send(self, picture)  # type: ignore[arg-type]
        if self._last > 0:
            os.kill(os.getpid(), which)

    monkeypatch.setattr(outputs.VideoFile, "send", send_and_interrupt)
    code, out, err = live("--input", "demo", "--output", tmp_path / "o.mp4")
    assert (code, err) == (0, "")
    pictures = int(out.splitlines()[-1].split()[0])
    assert 2 <= pictures <= 5, "it ended soon"
    assert 2 <= len(read_video(tmp_path / "o.mp4")) <= pictures
    assert signal.getsignal(which) is before
    assert {thread.name for thread in threading.enumerate()}.isdisjoint({"capture", "face"})


def test_ctrl_c_while_the_networks_load_ends_after_that(film: Path, tmp_path: Path) -> None:
    model = a_model()
    before = signal.getsignal(signal.SIGINT)

    def load(backend: str, threads: int | None) -> Model:
        os.kill(os.getpid(), signal.SIGINT)
        return model

    options = Options(str(film), [str(tmp_path / "o.mp4")], [str(avatar_file(tmp_path))])
    with pytest.raises(KeyboardInterrupt):
        run(options, pytest.fail, load)
    assert model.render.closed  # type: ignore[attr-defined]
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.glob("*o.*"))


def test_an_engine_that_fails_leaves_nothing(
    film: Path, tmp_path: Path, faces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = a_model(fails_at=5)
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: {"t": avatar_file(tmp_path)})
    options = Options(str(film), [str(tmp_path / "o.mp4")], every_frame=True)
    with pytest.raises(RuntimeError, match="device is gone"):
        run(options, print, lambda backend, threads: model)
    assert not list(tmp_path.glob("*o*.mp4")) and not list(tmp_path.glob(".*"))
    assert model.encode.closed and model.render.closed  # type: ignore[attr-defined]


def test_a_camera_that_is_pulled_out_leaves_the_show_on(
    film: Path, tmp_path: Path, faces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = cameras.Input("camera", "it", film)
    first = [readers.open_input(replace(what, kind="video"))]

    def open_once(what: cameras.Input, size: tuple[int, int]) -> readers.Reader:
        if not first:
            raise UserError("it is gone")
        return first.pop()

    monkeypatch.setattr(realtime.app, "find_input", lambda text: what)
    monkeypatch.setattr(realtime.app, "open_input", open_once)
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: {"t": avatar_file(tmp_path)})
    options = Options("0", [str(tmp_path / "o.mp4")], seconds=1.2)
    report = run(options, print, lambda backend, threads: a_model())
    assert report["seconds"] >= 1.2, "neutral pictures go on"
    assert len(read_video(tmp_path / "o.mp4")) >= 2


def test_a_camera_stuck_in_its_driver_is_not_pulled_from_under_its_thread(
    film: Path, tmp_path: Path, faces: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV's `release` beside a `grab` that runs may end the process."""
    what, stuck, free = cameras.Input("camera", "it", film), threading.Event(), threading.Event()

    class Stuck(readers.Reader):
        closed = False

        def grab(self) -> bool:
            stuck.set()
            return free.wait(20) and False

        def close(self) -> None:
            Stuck.closed = True

    reader = Stuck(cv2.VideoCapture(str(film)), None)
    monkeypatch.setattr(realtime.app, "find_input", lambda text: what)
    monkeypatch.setattr(realtime.app, "open_input", lambda what, size: reader)
    monkeypatch.setattr(realtime.options, "starter_avatars", lambda: {"t": avatar_file(tmp_path)})
    monkeypatch.setattr(sources, "_LEAVE_S", 0.05)
    run(Options("0", ["none"], max_frames=1), print, lambda backend, threads: a_model())
    assert stuck.is_set() and not Stuck.closed
    free.set()


def test_ctrl_c_before_the_first_face_is_no_complaint(
    live: Live, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = outputs.VideoFile.send

    def send_and_interrupt(self: outputs.VideoFile, picture: object) -> None:
        send(self, picture)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(outputs.VideoFile, "send", send_and_interrupt)
    code, _, err = live("--input", film, "--output", tmp_path / "o.mp4", "--every-frame")
    assert (code, err) == (0, "")


def no_cameras(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "_DEV", folder / "dev")  # the machine may have a webcam
    monkeypatch.setattr(cameras, "_SYSFS", folder)
    monkeypatch.setattr("sys.platform", "linux")


def busy_camera(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that opens and gives nothing, as one does that another program has."""
    what = cameras.Input("camera", "/dev/video0", folder / "video0")
    (folder / "video0").touch()
    monkeypatch.setattr(realtime.app, "find_input", lambda text: what)


def no_display(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)


def no_driver(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(virtual_camera, "_VIRTUAL", folder / "nothing")


def no_openvino(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.choose.find_spec", lambda library: None)


def nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pass


BAD = {
    "no camera": ("--input 97", no_cameras, "no camera 97.*--input demo"),
    "no camera of that name": ("--input logi", no_cameras, "no camera called 'logi'.*--input demo"),
    "no camera at all, no arguments": ("", no_cameras, "no camera 0.*--input demo"),
    "camera busy": ("--input 0", busy_camera, "busy.*--input demo"),
    "missing video": ("--input {}/missing.mp4", nothing_else, "no file.*missing.mp4"),
    "unreadable video": ("--input {}/text.mp4", nothing_else, "text.mp4 is not a video"),
    "empty video": ("--input {}/empty.mp4", nothing_else, "empty.mp4 is empty"),
    "overlong name": ("--input {}/%s.mp4" % ("x" * 300), nothing_else, "cannot read .*too long"),
    "folder without pictures": ("--input {}/starter", nothing_else, "holds no pictures"),
    "picture without a face": ("--input {}/grey.png", nothing_else, "no face in grey.png"),
    "video without a face": ("--input {}/film.mp4 --every-frame", nothing_else, "no face in film"),
    "unknown avatar": ("--avatar Testo", nothing_else, "no avatar 'Testo'.*did you mean testa"),
    "damaged avatar": ("--avatar {}/text.avatar", nothing_else, "not a whole avatar file"),
    "foreign avatar": ("--avatar {}/foreign.avatar", nothing_else, "made for another generator"),
    "foreign edit": ("--edit {}/foreign.edit=1", nothing_else, "made for another generator"),
    "damaged edit": ("--edit {}/text.edit=1", nothing_else, "not a whole edit file"),
    "missing edit": ("--edit {}/no.edit=1", nothing_else, "cannot read the edit"),
    "edit without a strength": ("--edit {}/foreign.edit", nothing_else, "smile.edit=0.8"),
    "edit of no strength": ("--edit {}/foreign.edit=nan", nothing_else, "smile.edit=0.8"),
    "no such background": ("--background beach", nothing_else, "background beach is not there"),
    "odd size": ("--size 333", nothing_else, "odd.*--size 334"),
    "odd width": ("--size 641x480", nothing_else, "odd.*--size 642x480"),
    "no virtual-camera driver": ("--output vcam", no_driver, "no virtual-camera driver.*modprobe"),
    "no display": ("--output window", no_display, "no display.*--output vcam"),
    "output equals input": ("--output {}/film.mp4", nothing_else, "also the input"),
    "output in no folder": ("--output {}/no/o.mp4", nothing_else, "no folder.*mkdir"),
    "output is a folder": ("--output {}/folder.mp4", nothing_else, "is a folder"),
    "unwritable output": ("--output /proc/o.mp4", nothing_else, "cannot write /proc/o.mp4"),
    "unknown output": ("--output screen", nothing_else, "no output 'screen': use --output window"),
    "unknown backend": ("--backend openvine", nothing_else, "no backend.*did you mean openvino"),
    "missing extra": ("--backend openvino", no_openvino, "not installed.*pip install"),
    "unknown flag": ("--avatr Nora", nothing_else, "unrecognized arguments.*--help"),
    "not a number": ("--seconds long", nothing_else, "--seconds.*--help"),
    "no frames": ("--max-frames 0", nothing_else, "--max-frames is 0"),
    "no time": ("--seconds nan", nothing_else, "--seconds is nan"),
    "too smooth": ("--smooth 2", nothing_else, "--smooth is 2"),
    "no threads": ("--threads 0", nothing_else, "--threads is 0"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_code_2(
    case: str, live: Live, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "empty.mp4").touch()
    for name in ("text.mp4", "text.avatar", "text.edit"):
        (tmp_path / name).write_text("not what it says")
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((64, 96, 3), 90, np.uint8))
    save_avatar(replace(an_avatar(), fingerprint="beef"), tmp_path / "foreign.avatar")
    save_edit(replace(an_edit(), fingerprint="beef"), tmp_path / "foreign.edit")
    words, prepare, sentence = BAD[case]
    given = words.replace("{}", str(tmp_path)).split()
    if given and "--input" not in given:
        given += ["--input", str(film)]
    if given and "--output" not in given:
        given += ["--output", str(tmp_path / "out.mp4")]
    prepare(tmp_path, monkeypatch)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, out, err = live(*given)
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    with pytest.raises(UserError, match=sentence):
        raise UserError(lines[0])
    assert "Traceback" not in out
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert {p: t for p, t in after.items() if p.is_file()} == {
        p: t for p, t in before.items() if p.is_file()
    }, "something was written"


def test_the_avatars_are_listed(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    avatars = {"carmen": Path(), "hugo": Path()}
    monkeypatch.setattr("reenact.avatar.starter_avatars", lambda: avatars)
    assert live("--list-avatars") == (0, "carmen\nhugo\n", "")


def test_a_film_without_a_face_is_played_with_a_note(live: Live, film: Path) -> None:
    code, _, err = live("--input", film, "--output", "none", "--max-frames", "2")
    assert code == 0
    assert err == "note: no face was found in film.mp4\n"


def test_a_copy_without_avatars_says_so(
    live: Live, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime.options, "starter_avatars", dict)
    code, _, err = live("--input", film, "--output", "none")
    assert code == 2 and "came without avatars" in err


def test_a_python_without_our_packages_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "realtime.app", None)  # import raises ImportError
    monkeypatch.setattr("sys.argv", ["run_live.py"])
    with pytest.raises(UserError, match="cannot load what Reenact needs .*pip install -e"):
        run_live.main.__wrapped__()  # type: ignore[attr-defined]


@pytest.mark.parametrize("words", ["--input {}/cut.mp4", "--input {}/noise.mp4", "--backend x"])
def test_no_library_adds_to_the_sentence(film: Path, tmp_path: Path, words: str) -> None:
    """In a process of its own: what C libraries print goes past Python."""
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:400])
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 40)
    given = words.replace("{}", str(tmp_path)).split()
    given += [] if "--input" in given else ["--input", str(film)]
    avatar = ["--avatar", str(avatar_file(tmp_path)), "--output", "none"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "run_live.py"), *given, *avatar],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ([], ["avatars"]),
        (["--avatar", "testa", "--avatar", "ada"], ["avatars/testa.avatar", "ada"]),
    ],
)
def test_another_model_brings_its_own_avatars(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: list[str], expected: list[str]
) -> None:
    """Whichever model: it is looked for in its folder, and so are the avatars, by name or all."""
    (tmp_path / "avatars").mkdir()
    avatar_file(tmp_path / "avatars")
    told: list[str] = []

    def run_there(options: Options, line: Callable[[str], None], loader: Any) -> dict[str, Any]:
        told.extend(options.avatar)
        loader("onnxruntime", 1)
        raise AssertionError("there is no model to load")

    monkeypatch.setattr(realtime.app, "run", run_there)
    monkeypatch.setattr("sys.argv", ["run_live.py", "--model", str(tmp_path), *named])
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "encode_identity.onnx"))):
        run_live.main.__wrapped__()  # type: ignore[attr-defined]
    assert told == [str(tmp_path / word) if "avatars" in word else word for word in expected]

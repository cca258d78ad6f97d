"""Engines really built by TensorRT-RTX, which needs no GPU for that; and what can go wrong."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from engines import GRAPHS, tensorrt_build, tensorrt_library
from engines.passport import check_passport, engine_file, passport_file, read_passport, sha256
from engines.tensorrt_build import build
from reenact.errors import UserError

pytest.importorskip("tensorrt_rtx", reason='needs TensorRT-RTX: pip install -e ".[tensorrt-rtx]"')
onnx = pytest.importorskip("onnx")
filelock = pytest.importorskip("filelock")

ROOT = Path(__file__).parents[1]
VERSION = tensorrt_library.load_library("tensorrt_rtx").version


@pytest.fixture
def folder(model_folder: Path, tmp_path: Path) -> Path:
    """A model folder of one graph, render."""
    shutil.copy(model_folder / "render.onnx", tmp_path)
    return tmp_path


def temporaries(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def refusal(engine: Path) -> str:
    """Why an engine is not taken; fails where it is."""
    with pytest.raises(UserError) as error:
        check_passport(engine, VERSION, None)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("graph", GRAPHS)
def test_the_starter_is_built_and_has_passports(graph: str, tmp_path: Path) -> None:
    source = ROOT / "reenact" / "starter" / f"{graph}.onnx"
    shutil.copy(source, tmp_path)
    output = io.StringIO()
    with Progress(console=Console(file=output, force_terminal=True, width=100)) as progress:
        engine = build(tmp_path / source.name, "tensorrt_rtx", progress=progress)
    assert f"{graph}: built" in output.getvalue() and "100%" in output.getvalue()
    assert engine == tmp_path / f"{graph}.tensorrt_rtx.engine"
    assert engine.stat().st_size > source.stat().st_size
    passport = check_passport(engine, VERSION, None)
    assert (passport.graph, passport.product, passport.version) == (graph, "tensorrt_rtx", VERSION)
    assert passport.onnx_sha256 == sha256(source) and passport.license == "CC0-1.0"
    assert passport.gpu == "any RTX card from Ampere on" and passport.capabilities == ["8.0+"]
    if graph == "render":
        assert passport.inputs["styles"][0] == "float32"
        assert passport.outputs == {"picture": ["uint8", [1, 256, 256, 3]]}
    else:
        assert passport.inputs == {"crop": ["uint8", [1, 192, 192, 3]]}
    assert passport.build_s > 0 and passport.date.endswith("+00:00")


def test_what_the_onnx_says_of_itself_goes_into_the_passport(folder: Path) -> None:
    model = onnx.load(folder / "render.onnx")
    for key, value in (("precision", "fp16"), ("parity", '{"psnr": 61.5}'), ("checkpoint", "ab")):
        model.metadata_props.add(key=f"reenact.{key}", value=value)
    onnx.save(model, folder / "render.onnx")
    passport = read_passport(build(folder / "render.onnx", "tensorrt_rtx"))
    assert (passport.precision, passport.parity) == ("fp16", {"psnr": 61.5})
    assert passport.checkpoint == "ab"


def test_an_engine_for_named_cards(folder: Path) -> None:
    engine = build(folder / "render.onnx", "tensorrt_rtx", capabilities=["8.9", "12.0"])
    assert read_passport(engine).capabilities == ["8.9", "12.0"]
    with pytest.raises(UserError, match=r"does not build for compute capability 6\.1; use 7\.5"):
        build(folder / "render.onnx", "tensorrt_rtx", capabilities=["6.1"])
    assert read_passport(engine).capabilities == ["8.9", "12.0"]  # the old one is still whole


def test_graphs_that_cannot_be_built_are_one_sentence(folder: Path) -> None:
    path = folder / "render.onnx"
    model = onnx.load(path)
    node = next(node for node in model.graph.node if node.op_type == "LeakyRelu")
    node.op_type, node.name = "NeedsAPlugin", "the_culprit"
    del node.attribute[:]
    contents = {
        b"": "render.onnx is damaged",
        path.read_bytes()[:5000]: "render.onnx is damaged",
        model.SerializeToString(): r"node the_culprit \(NeedsAPlugin\)",
    }
    for content, words in contents.items():
        path.write_bytes(content)
        with pytest.raises(UserError, match=words) as error:
            build(path, "tensorrt_rtx")
        assert "\n" not in str(error.value) and len(str(error.value)) < 600
    path.unlink()
    with pytest.raises(UserError, match="there is no .*python -m export"):
        build(path, "tensorrt_rtx")
    assert [file.suffix for file in folder.iterdir()] in ([], [".lock"])


def test_a_graph_with_a_free_batch(folder: Path) -> None:
    model = onnx.load(folder / "render.onnx")
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.save(model, folder / "render.onnx")
    with pytest.raises(UserError, match="takes any number of frames, an engine one; export it"):
        build(folder / "render.onnx", "tensorrt_rtx")


def test_a_model_of_somebody_else_is_refused(folder: Path) -> None:
    model = onnx.load(folder / "render.onnx")
    onnx.save(model, folder / "encode_identity.onnx")
    with pytest.raises(UserError, match="not a model of ours .it holds the graph render"):
        build(folder / "encode_identity.onnx", "tensorrt_rtx")
    del model.metadata_props[:]
    onnx.save(model, folder / "render.onnx")
    with pytest.raises(UserError, match="not a model of ours .its metadata lacks reenact.graph"):
        build(folder / "render.onnx", "tensorrt_rtx")
    assert not list(folder.glob("*.engine")) and not list(folder.glob("*.json"))


def test_damage_after_the_build_is_seen(folder: Path) -> None:
    engine = build(folder / "render.onnx", "tensorrt_rtx")
    whole, passport = engine.read_bytes(), passport_file(engine).read_text()
    again = f"build it again: `python -m engines build {folder} --to tensorrt-rtx`"

    engine.write_bytes(whole[: len(whole) // 2])
    assert f"its passport says engine_bytes {len(whole)}, found is" in refusal(engine)
    engine.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "its passport says engine_sha256" in refusal(engine)
    engine.write_bytes(whole)
    check_passport(engine, VERSION, None)

    entries = json.loads(passport)
    passport_file(engine).write_text(json.dumps(entries | {"version": "1.2.3"}))
    assert f"says version 1.2.3, found is {VERSION}; {again}" in refusal(engine)
    passport_file(engine).write_text(passport[:100])
    assert "is damaged" in refusal(engine)
    passport_file(engine).write_text(json.dumps(entries | {"more": 1}))
    assert "is damaged" in refusal(engine)
    passport_file(engine).unlink()
    assert f"has no passport (render.tensorrt_rtx.json), so nobody knows what it is; {again}" in (
        refusal(engine)
    )
    passport_file(engine).write_text(passport)

    model = onnx.load(folder / "render.onnx")
    model.metadata_props.add(key="new", value="one")
    onnx.save(model, folder / "render.onnx")
    assert "its passport says onnx_sha256" in refusal(engine)
    (folder / "render.onnx").unlink()
    assert "render.onnx cannot be read (No such file or directory)" in refusal(engine)


def test_no_room_on_the_disk(folder: Path) -> None:
    resource = pytest.importorskip("resource")
    code = f"""
import resource
from pathlib import Path
from engines.tensorrt_build import build
from reenact.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, {resource.RLIM_INFINITY}))
try:
    build(Path({str(folder / "render.onnx")!r}), "tensorrt_rtx")
except UserError as error:
    print(error)
"""
    done = run(code)
    assert "render.tensorrt_rtx.engine (" in done.stdout and "make room" in done.stdout
    assert done.returncode == 0 and done.stdout.count("\n") == 1
    assert not list(folder.glob("*.engine")) and not temporaries(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize(
    ("what", "where"),
    [
        ("while it builds", "engines.tensorrt_progress._interrupts"),
        ("before anything is written", "engines.tensorrt_build.write_whole"),
        ("before the engine has its name", "engines.passport.os.replace"),
        ("between engine and passport", "engines.tensorrt_build.Passport.text"),
    ],
)
def test_a_killed_build_leaves_nothing_that_loads(folder: Path, what: str, where: str) -> None:
    old = build(folder / "render.onnx", "tensorrt_rtx")
    model = onnx.load(folder / "render.onnx")
    model.metadata_props.add(key="new", value="one")
    onnx.save(model, folder / "render.onnx")
    code = f"""
import os, signal
from pathlib import Path
from unittest import mock
from engines.tensorrt_build import build
with mock.patch({where!r}, lambda *_: os.kill(os.getpid(), signal.SIGKILL)):
    build(Path({str(folder / "render.onnx")!r}), "tensorrt_rtx")
"""
    assert run(code).returncode == -signal.SIGKILL, what
    refusal(old)
    check_passport(build(folder / "render.onnx", "tensorrt_rtx"), VERSION, None)
    assert not temporaries(folder)


def test_two_builds_at_once(folder: Path) -> None:
    """The second says that it waits, and then takes what the first has made."""
    first = build(folder / "render.onnx", "tensorrt_rtx")
    date, says = first.stat().st_mtime_ns, io.StringIO()
    results: list[Any] = []
    waits = threading.Event()

    class Screen(io.StringIO):
        def write(self, words: str) -> int:
            if "waiting for another build" in words:
                waits.set()
            return says.write(words)

    def second() -> None:
        progress = Progress(console=Console(file=Screen(), width=100))
        results.append(build(folder / "render.onnx", "tensorrt_rtx", progress=progress))

    with filelock.FileLock(folder / ".render.tensorrt_rtx.lock"):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(20), says.getvalue()
        assert not results
    thread.join(20)
    assert results == [first] and first.stat().st_mtime_ns == date
    build(folder / "render.onnx", "tensorrt_rtx")  # nobody to wait for: it is built again
    assert first.stat().st_mtime_ns > date


def test_two_processes_build_one_engine(folder: Path) -> None:
    code = f"""
from pathlib import Path
from engines.tensorrt_build import build
build(Path({str(folder / "render.onnx")!r}), "tensorrt_rtx")
"""
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    check_passport(engine_file(folder / "render.onnx", "tensorrt_rtx"), VERSION, None)
    assert not temporaries(folder)


def test_a_lock_that_is_never_freed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorrt_build, "_LONGEST_BUILD_S", 0.01)
    with (
        filelock.FileLock(folder / ".render.tensorrt_rtx.lock"),
        pytest.raises(UserError, match="another build of .* does not end"),
    ):
        build(folder / "render.onnx", "tensorrt_rtx")


def test_ctrl_c_ends_a_build(folder: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from unittest import mock
from rich.progress import Progress
from engines.tensorrt_build import build

def press(self, *_, **__):
    os.kill(os.getpid(), signal.SIGINT)

try:
    with mock.patch.object(Progress, "update", press):
        build(Path({str(folder / "render.onnx")!r}), "tensorrt_rtx", progress=Progress())
except KeyboardInterrupt:
    print("interrupted")
"""
    done = run(code)
    assert done.returncode == 0 and done.stdout == "interrupted\n", done.stderr
    assert not list(folder.glob("*.engine")) and not temporaries(folder)


def test_what_needs_a_gpu_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.cuda._is_installed", lambda name: False)
    with pytest.raises(
        UserError, match="TensorRT-RTX builds with refit only on an NVIDIA GPU, and"
    ):
        build(folder / "render.onnx", "tensorrt_rtx", refit=True)
    with pytest.raises(ValueError, match="expected one of tensorrt, tensorrt_rtx"):
        build(folder / "render.onnx", "tensorrt-rtx")


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

"""The passport, and the commands that read it; no library of NVIDIA's is needed for that."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import engines.__main__ as command
from engines import built
from engines.passport import (
    Gpu,
    Passport,
    check_passport,
    passport_file,
    read_passport,
    sha256,
    this_system,
    write_whole,
)
from reenact.errors import UserError

GPU = Gpu("NVIDIA GeForce RTX 4090", "8.9", 24 << 30, "13.0")


def a_passport(graph: str, product: str, onnx: Path, engine: Path) -> Passport:
    return Passport(
        graph=graph,
        product=product,
        version="1.7.1",
        system=this_system(),
        cuda=None,
        driver=None,
        gpu=GPU.name if product == "tensorrt" else "any RTX card from Ampere on",
        capabilities=["8.9"] if product == "tensorrt" else ["8.0+"],
        precision="fp16",
        inputs={"styles": ["float32", [1, 320]]},
        outputs={"picture": ["uint8", [1, 32, 32, 3]]},
        fingerprint="f00d",
        checkpoint=None,
        license="CC0-1.0",
        refit=False,
        parity={"psnr": 61.25, "max_error": 0.046, "runtime": "a test"},
        onnx_sha256=sha256(onnx),
        engine_sha256=sha256(engine),
        engine_bytes=engine.stat().st_size,
        build_s=0.5,
        date="2026-11-22T12:00:00+00:00",
    )


def an_engine(folder: Path, graph: str = "render", product: str = "tensorrt_rtx") -> Path:
    """Files as a build leaves them; what is in them matters to nobody here."""
    onnx, engine = folder / f"{graph}.onnx", folder / f"{graph}.{product}.engine"
    folder.mkdir(exist_ok=True)
    onnx.write_bytes(b"graph")
    engine.write_bytes(b"engine" * 1000)
    passport_file(engine).write_text(a_passport(graph, product, onnx, engine).text())
    return engine


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    passport = a_passport("render", "tensorrt_rtx", tmp_path / "render.onnx", engine)
    assert read_passport(engine) == passport == check_passport(engine, "1.7.1", GPU)
    assert json.loads(passport_file(engine).read_text())["format"] == 1


@pytest.mark.parametrize(
    ("product", "here", "words"),
    [
        ("tensorrt_rtx", GPU, None),
        ("tensorrt_rtx", replace(GPU, capability="8.0"), None),
        ("tensorrt_rtx", replace(GPU, capability="12.0"), None),  # 12 is more than 8
        ("tensorrt_rtx", replace(GPU, capability="7.5"), "capabilities 8.0+, found is 7.5"),
        ("tensorrt_rtx", None, None),
        ("tensorrt", GPU, None),
        ("tensorrt", replace(GPU, name="NVIDIA T4"), f"gpu {GPU.name}, found is NVIDIA T4"),
        ("tensorrt", replace(GPU, capability="9.0"), "capabilities 8.9, found is 9.0"),
    ],
)
def test_which_cards_it_is_for(
    tmp_path: Path, product: str, here: Gpu | None, words: str | None
) -> None:
    engine = an_engine(tmp_path, product=product)
    if words is None:
        check_passport(engine, "1.7.1", here)
        return
    with pytest.raises(UserError) as error:
        check_passport(engine, "1.7.1", here)
    assert f"its passport says {words}; build it again: `python -m engines build" in str(
        error.value
    )


def test_an_engine_of_another_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, everybodys = an_engine(tmp_path, product="tensorrt"), an_engine(tmp_path)
    monkeypatch.setattr("engines.passport.this_system", lambda: "Plan9 mips")
    check_passport(everybodys, "1.7.1", GPU)  # TensorRT-RTX's run on Linux and Windows alike
    with pytest.raises(UserError, match="says system .*, found is Plan9 mips"):
        check_passport(ours, "1.7.1", GPU)


def test_an_engine_under_another_name(tmp_path: Path) -> None:
    engine = an_engine(tmp_path)
    other = tmp_path / "encode_identity.tensorrt_rtx.engine"
    engine.rename(other)
    passport_file(engine).rename(passport_file(other))
    with pytest.raises(UserError, match="says file render.tensorrt_rtx.engine, found is encode_id"):
        check_passport(other, "1.7.1", None)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}', "\x00"])
def test_a_damaged_passport_is_one_sentence(tmp_path: Path, text: str) -> None:
    engine = an_engine(tmp_path)
    passport_file(engine).write_text(text)
    with pytest.raises(UserError, match="render.tensorrt_rtx.json is damaged .*nobody knows"):
        read_passport(engine)


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["engines", *map(str, words)])
    return command.main()


def test_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    an_engine(tmp_path / "a"), an_engine(tmp_path / "b", "encode_identity", "tensorrt")
    passport_file(an_engine(tmp_path / "c")).unlink()
    monkeypatch.setenv("COLUMNS", "160")
    assert run(monkeypatch, "list", tmp_path) == 0
    shown = capsys.readouterr().out
    for words in (
        "tensorrt-rtx 1.7.1",
        "RTX 8.0+",
        "fp16",
        "61.2 dB, max 0.046",
        str(tmp_path / "a"),
    ):
        assert words in shown
    assert f"{GPU.name} 8.9" in shown and "no passport" in shown
    assert run(monkeypatch, "list", tmp_path, "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [Path(entry["engine"]).parent.name for entry in entries] == ["b", "a", "c"]
    assert entries[2]["passport"] is None and entries[1]["passport"]["parity"]["psnr"] == 61.25


def test_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("engines.cuda._is_installed", lambda name: False)
    good = an_engine(tmp_path)
    rewrite(good, product_version(good))
    assert run(monkeypatch, "check", tmp_path) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"good  {good}: files and passport agree; not run: ")
    good.write_bytes(b"engine" * 999)
    assert run(monkeypatch, "check", tmp_path) == 1
    assert "BAD   " in (line := capsys.readouterr().out)
    assert "engine_bytes 6000, found is 5994; build it again" in line and line.count("\n") == 1


def product_version(engine: Path) -> str:
    """The version that is installed here, or any."""
    from engines.tensorrt_library import load_library

    try:
        return load_library(read_passport(engine).product).version
    except UserError:
        return "1.7.1"


def rewrite(engine: Path, version: str) -> None:
    passport_file(engine).write_text(replace(read_passport(engine), version=version).text())


def test_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr("engines.cuda._is_installed", lambda name: False)
    kept, other = an_engine(tmp_path / "a"), an_engine(tmp_path / "b")
    for engine in (kept, other):
        rewrite(engine, product_version(engine))
        engine.with_suffix(".jit").write_bytes(b"kernels")
    assert run(monkeypatch, "remove") == 2
    assert "remove which?" in capsys.readouterr().err
    assert run(monkeypatch, "remove", tmp_path, "--bad") == 0
    assert capsys.readouterr().out == "there was nothing to remove\n" and kept.exists()
    other.write_bytes(b"short")
    assert run(monkeypatch, "remove", tmp_path, "--bad") == 0
    assert kept.exists() and [file.name for file in other.parent.iterdir()] == ["render.onnx"]
    assert run(monkeypatch, "remove", kept) == 0
    assert [file.name for file in kept.parent.iterdir()] == ["render.onnx"]
    assert run(monkeypatch, "remove", tmp_path / "nowhere") == 2
    assert "neither a folder nor an engine" in capsys.readouterr().err


def test_nothing_built_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(command, "BUILT", tmp_path / "built")
    monkeypatch.setattr(command, "STARTER", tmp_path)
    for name in ("list", "check"):
        assert run(monkeypatch, name) == 0
        assert (
            "no engine was built here; build one: `python -m export --to" in capsys.readouterr().out
        )
    assert run(monkeypatch, "build", tmp_path, "--to", "tensorrt-rtx") == 2
    assert "was not exported" in capsys.readouterr().err
    assert run(monkeypatch, "build", tmp_path, "--to", "rtx") == 2
    assert "invalid choice: 'rtx'" in capsys.readouterr().err


def test_engines_are_sought_in_folders_in_folders(tmp_path: Path) -> None:
    deep = tmp_path / "one"
    engine = an_engine(deep)
    assert list(built.engines_in(tmp_path)) == [engine]

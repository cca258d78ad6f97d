"""Export: what is written equals torch, says what it is, and is whole or not there at all."""

import json
import resource
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from export_helpers import picture_or_numbers, spoil
from onnx import TensorProto

from engines import GRAPHS, load_engine, model_info
from export import __main__ as command
from export import compare, random_weights, to_onnx, write
from reenact import spaces
from reenact.checkpoint import fingerprint, load_checkpoint
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

DIMS = Dims(64, channel_base=1024, channel_max=32, w_dim=16, z_dim=16, noise=True)
ENCODER = EncoderDims(64, width=8, pyramid=16, submodule=16, embedding=16, motion=8, hidden=32)
HALF = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


@pytest.fixture(scope="module")
def puppeteer(model_folder: Path) -> Puppeteer:
    return load_checkpoint(model_folder / "starter.safetensors")[0]


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_equals_torch(model_folder: Path, puppeteer: Puppeteer, graph: str) -> None:
    engine = load_engine(model_folder, graph, "onnxruntime", 1)
    spread = 0.0
    for array in compare.examples(puppeteer, graph).values():
        expected = picture_or_numbers(puppeteer, graph, array).astype(float)
        assert np.abs(engine(array) - expected).max() <= (1 if graph == "render" else 1e-4)
        spread = max(spread, expected.std())
    assert spread > (20 if graph == "render" else 0.05)  # or the comparison would say nothing


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_has_fixed_names_and_shapes(
    model_folder: Path, puppeteer: Puppeteer, graph: str
) -> None:
    model = onnx.load(model_folder / f"{graph}.onnx")
    ends = [*model.graph.input, *model.graph.output]
    shapes = [tuple(d.dim_value for d in end.type.tensor_type.shape.dim) for end in ends]
    types = [onnx.helper.tensor_dtype_to_np_dtype(end.type.tensor_type.elem_type) for end in ends]
    assert [end.name for end in ends] == list(to_onnx.NAMES[graph])
    crop, numbers = ((1, 64, 64, 3), np.uint8), np.float32
    assert (
        list(zip(shapes, types, strict=True))
        == {
            "encode_identity": [crop, ((1, 8, 16), numbers)],
            "encode_deformation": [crop, ((1, 208), numbers)],
            "render": [((1, 320), numbers), ((1, 32, 32, 3), np.uint8)],
        }[graph]
    )


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_says_what_it_is_and_nothing_of_this_machine(
    model_folder: Path, puppeteer: Puppeteer, graph: str
) -> None:
    path = model_folder / f"{graph}.onnx"
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    parity = json.loads(said.pop("reenact.parity"))
    assert 0 < parity["max_error"] < 1e-3 and 100 < parity["psnr"] <= 200
    assert said == {
        "reenact.fingerprint": fingerprint(puppeteer.generator),
        "reenact.dims": json.dumps(asdict(puppeteer.dims)),
        "reenact.license": "CC0-1.0 (a test)",
        "reenact.graph": graph,
        "reenact.precision": "fp32",
        "reenact.checkpoint": sha256(
            (path.parent / "starter.safetensors").read_bytes()
        ).hexdigest(),
    }
    assert str(Path(__file__).parents[1]).encode() not in path.read_bytes()


def test_the_folder_describes_itself(model_folder: Path, puppeteer: Puppeteer) -> None:
    info = model_info(model_folder)
    assert (info.dims, info.crop) == (puppeteer.dims, 64)
    assert info.fingerprint == fingerprint(puppeteer.generator)
    assert info.license == "CC0-1.0 (a test)"


@pytest.mark.parametrize("graph", GRAPHS)
def test_weights_take_two_bytes(model_folder: Path, graph: str) -> None:
    model = onnx.load(model_folder / f"{graph}.onnx")
    full = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]
    assert not [
        t.name for t in full if len(t.dims) == 4 and t.dims[2] > 1 and len(t.raw_data) > 1024
    ]
    halves = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert len(halves) > 5


def test_halves_lose_nothing() -> None:
    random = np.random.default_rng(3)
    stored = random.normal(size=(6, 5, 3, 3)).astype(np.float16).astype(np.float32)
    stored[0, 0] *= 2.0**-8
    assert to_onnx.halved(stored) is not None
    for axis in (0, 1):
        shape = [1, 1, 1, 1]
        shape[axis] = stored.shape[axis]
        small = stored * np.ldexp(np.float32(1), -random.integers(5, 40, shape))
        halves = to_onnx.halved(small)
        assert halves is not None and halves[1] is not None
        np.testing.assert_array_equal(halves[0].astype(np.float32) * (1 / halves[1]), small)
        assert halves[0].dtype == np.float16
    assert to_onnx.halved(random.normal(size=(8, 8)).astype(np.float32)) is None
    zeros = to_onnx.halved(np.zeros((4, 4), np.float32))
    assert zeros is not None and not zeros[0].any()


def test_a_graph_that_differs_from_torch_is_not_written(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(puppeteer: Puppeteer, graph: str, *_: object) -> onnx.ModelProto:
        model = onnx.load(model_folder / f"{graph}.onnx")
        if graph == "render":  # the last one: the others are done by then
            spoil(model, "layers.3.weight")
        return model

    monkeypatch.setattr(write, "to_onnx", spoilt)
    to = tmp_path / "to"
    to.mkdir()
    (to / "render.onnx").write_text("the old one")
    with pytest.raises(UserError, match=r"render.onnx in fp32 differs .* part at b8\.conv1, "):
        command.export(model_folder / "starter.safetensors", to)
    assert [path.name for path in tmp_path.iterdir()] == ["to"]
    assert [path.name for path in to.iterdir()] == ["render.onnx"]
    assert (to / "render.onnx").read_text() == "the old one"


def test_nan_is_a_difference(model_folder: Path) -> None:
    puppeteer, _ = load_checkpoint(model_folder / "starter.safetensors")
    model = onnx.load(model_folder / "encode_deformation.onnx")
    with torch.no_grad():
        puppeteer.deform_head.layers[-1].weight[3] = torch.nan
    with pytest.raises(UserError, match="torch itself gives numbers that are not finite; all"):
        compare.compare(puppeteer, "encode_deformation", model)
    puppeteer, _ = load_checkpoint(model_folder / "starter.safetensors")
    bias = next(t for t in model.graph.initializer if t.name == "deform_head.layers.0.bias")
    bias.raw_data = np.full(bias.dims, np.nan, np.float32).tobytes()
    with pytest.raises(UserError, match="not finite"):
        compare.compare(puppeteer, "encode_deformation", model)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["export", *arguments])
    return command.main()


def test_bad_checkpoints_and_folders_are_one_sentence(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not weights")
    checkpoint = str(model_folder / "starter.safetensors")
    monkeypatch.setattr(write, "to_onnx", lambda *_: pytest.fail("exported before looking"))
    for arguments in (
        ("--checkpoint", str(tmp_path / "missing.safetensors")),
        ("--checkpoint", str(text)),
        ("--checkpoint", checkpoint, "--out", str(text)),
        ("--checkpoint", checkpoint, "--out", str(text / "below")),
        ("--checkpoint", checkpoint, "--size", "256"),
        ("--to", "tensorrt-rtx", "--batch", "free"),
        ("--to", "coreml"),
        ("--size", "200"),
    ):
        assert run(monkeypatch, *arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and "Traceback" not in error
    assert list(tmp_path.iterdir()) == [text]


def test_missing_libraries_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "onnxscript" else name)
    assert run(monkeypatch) == 2
    assert 'onnxscript, which is not installed; run `pip install -e ".[train]"`' in (
        capsys.readouterr().err
    )


@pytest.fixture
def traced_before(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The command without the seconds of tracing; gives the graphs that were asked for."""
    asked: list[str] = []

    def traced(_: Puppeteer, graph: str, *__: object) -> onnx.ModelProto:
        asked.append(graph)
        model = onnx.load(model_folder / f"{graph}.onnx")
        del model.metadata_props[:]
        return model

    monkeypatch.setattr(write, "to_onnx", traced)
    return asked


def test_the_command_makes_the_folder_and_reports(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    traced_before: list[str],
) -> None:
    out = tmp_path / "new" / "model"
    checkpoint = str(model_folder / "starter.safetensors")
    arguments = ("--checkpoint", checkpoint, "--to", "openvino", "--out", str(out))
    assert run(monkeypatch, *arguments) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert [line.split()[0] for line in lines] == [str(out / f"{graph}.onnx") for graph in GRAPHS]
    assert "OpenVINO (CPU" in captured.err
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{g}.onnx" for g in GRAPHS)
    assert [path.name for path in out.parent.iterdir()] == ["model"]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_engines_are_built_with_passports(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="needs TensorRT-RTX")
    pytest.importorskip("filelock")
    from engines.passport import read_passport

    arguments = ("--checkpoint", str(model_folder / "starter.safetensors"), "--to", "tensorrt-rtx")
    out = tmp_path / "model"
    assert run(monkeypatch, *arguments, "--precision", precision, "--out", str(out)) == 0
    for graph in GRAPHS:
        passport = read_passport(out / f"{graph}.tensorrt_rtx.engine")
        assert passport.precision == precision
        assert passport.parity["psnr"] > {"fp16": 45, "bf16": 30}[precision]
        assert passport.fingerprint == model_info(model_folder).fingerprint


def test_without_options_it_is_beside_the_checkpoint_else_in_engines_built(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    traced_before: list[str],
) -> None:
    checkpoint = tmp_path / "mine.safetensors"
    checkpoint.write_bytes((model_folder / "starter.safetensors").read_bytes())
    assert run(monkeypatch, "--checkpoint", str(checkpoint)) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mine.safetensors", *(f"{graph}.onnx" for graph in GRAPHS)}
    built = tmp_path / "built"
    monkeypatch.setattr(command, "BUILT", built)
    assert run(monkeypatch, "--checkpoint", str(checkpoint), "--to", "onnx") == 0
    name = fingerprint(load_checkpoint(checkpoint)[0].generator)[:8]
    assert [path.name for path in built.iterdir()] == [f"{name}-32-fp32"]


@pytest.mark.filterwarnings("ignore:.*leaked")
def test_a_full_disk_leaves_nothing(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    traced_before: list[str],
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        arguments = ("--checkpoint", str(model_folder / "starter.safetensors"))
        assert run(monkeypatch, *arguments, "--out", str(tmp_path / "new")) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large; make room or choose another folder" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_leaves_nothing(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traced_before: list[str]
) -> None:
    traced, seen = write.to_onnx, []

    def interrupted(puppeteer: Puppeteer, graph: str, *rest: object) -> onnx.ModelProto:
        if graph == "render":
            seen.extend(path.name for path in tmp_path.glob(".export-*/*"))
            signal.raise_signal(signal.SIGINT)
        return traced(puppeteer, graph, *rest)

    monkeypatch.setattr(write, "to_onnx", interrupted)
    arguments = ("--checkpoint", str(model_folder / "starter.safetensors"))
    assert run(monkeypatch, *arguments, "--out", str(tmp_path / "new")) == 130
    assert len(seen) == 2  # two graphs were done
    assert not list(tmp_path.iterdir())


def test_random_weights_are_said_and_the_same_every_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random_weights, "config_f", lambda size: Dims(size, 512, 16, w_dim=8))
    first, again = (command._source(None, 64) for _ in range(2))
    assert "RANDOM" in capsys.readouterr().err
    assert first.puppeteer.dims.resolution == 64 and first.checkpoint is None
    for one, other in zip(
        first.puppeteer.state_dict().values(), again.puppeteer.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def test_config_f_is_config_f() -> None:
    dims = random_weights.config_f(1024)
    assert spaces.style_count(dims) == 9088 and spaces.rows(dims) == 18
    assert (dims.channels(4), dims.channels(64), dims.channels(1024)) == (512, 512, 32)


def test_the_file_is_the_same_every_time(model_folder: Path, puppeteer: Puppeteer) -> None:
    again = to_onnx.to_onnx(puppeteer, "render", "CC0-1.0 (a test)")
    before = onnx.load(model_folder / "render.onnx")
    for model in (again, before):
        del model.metadata_props[:]
    assert again == before

"""Export: what is written equals torch, says what it is, and is whole or not there at all."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from engines import GRAPHS, load_engine, model_info
from export import __main__ as command
from export import compare, to_onnx
from reenact.checkpoint import fingerprint, load_checkpoint
from reenact.errors import UserError
from reenact.hybrid import Puppeteer


@pytest.fixture(scope="module")
def puppeteer(model_folder: Path) -> Puppeteer:
    return load_checkpoint(model_folder / "starter.safetensors")[0]


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_graph_equals_torch(model_folder: Path, puppeteer: Puppeteer, graph: str) -> None:
    engine = load_engine(model_folder, graph, "onnxruntime", 1)
    spread = 0.0
    for array in compare.examples(puppeteer, graph).values():
        expected = compare.reference(puppeteer, graph, array).astype(float)
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
    assert {entry.key: entry.value for entry in onnx.load(path).metadata_props} == {
        "reenact.fingerprint": fingerprint(puppeteer.generator),
        "reenact.dims": json.dumps(asdict(puppeteer.dims)),
        "reenact.license": "CC0-1.0 (a test)",
        "reenact.graph": graph,
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
    def spoilt(puppeteer: Puppeteer, graph: str, license: str) -> object:
        model = onnx.load(model_folder / f"{graph}.onnx")
        if graph == "render":  # the last one: the others are done by then
            tensor = next(t for t in model.graph.initializer if t.data_type == 10)
            array = onnx.numpy_helper.to_array(tensor).copy()
            array.flat[0] += 4 * np.abs(array).max()
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        return model

    monkeypatch.setattr(to_onnx, "to_onnx", spoilt)
    to = tmp_path / "to"
    to.mkdir()
    (to / "render.onnx").write_text("the old one")
    with pytest.raises(UserError, match=r"render.onnx differs from torch on the mean.*at \(0, "):
        command.export(model_folder / "starter.safetensors", to)
    assert [path.name for path in to.iterdir()] == ["render.onnx"]
    assert (to / "render.onnx").read_text() == "the old one"


def test_nan_is_a_difference(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    puppeteer, _ = load_checkpoint(model_folder / "starter.safetensors")
    with torch.no_grad():
        puppeteer.deform_head.layers[-1].weight[3] = torch.nan
    with pytest.raises(UserError, match=r"by inf at \(0, 3\)"):
        compare.compare(puppeteer, "encode_deformation", model_folder)


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
    monkeypatch.setattr(to_onnx, "to_onnx", lambda *_: pytest.fail("exported before looking"))
    for arguments in (
        ("--checkpoint", str(tmp_path / "missing.safetensors")),
        ("--checkpoint", str(text)),
        ("--checkpoint", checkpoint, "--to", str(text)),
        ("--checkpoint", checkpoint, "--to", str(text / "below")),
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


def test_the_command_makes_the_folder_and_reports(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(to_onnx, "to_onnx", lambda _, g, __: onnx.load(model_folder / f"{g}.onnx"))
    to = tmp_path / "new" / "model"
    checkpoint = str(model_folder / "starter.safetensors")
    assert run(monkeypatch, "--checkpoint", checkpoint, "--to", str(to)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(to / f"{graph}.onnx") for graph in GRAPHS]
    assert sorted(path.name for path in to.iterdir()) == sorted(f"{g}.onnx" for g in GRAPHS)
    assert [path.name for path in to.parent.iterdir()] == ["model"]


def test_the_file_is_the_same_every_time(model_folder: Path, puppeteer: Puppeteer) -> None:
    again = to_onnx.to_onnx(puppeteer, "render", "CC0-1.0 (a test)").SerializeToString()
    assert again == (model_folder / "render.onnx").read_bytes()

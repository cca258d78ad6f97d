"""An avatar's delta: the same change of weights in numpy, in torch and in every engine's graph."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engines import load_engine, model_info
from engines.adjusted import adjusted_graph, initializers
from engines.contract import example
from reenact.delta import RANK, changes, check_size, shapes, size
from reenact.errors import UserError
from reenact.spaces import Dims, layers

SMALL = Dims(resolution=32, channel_base=512, channel_max=32, w_dim=16, z_dim=16)


def a_delta(dims: Dims, strength: float = 0.3) -> npt.NDArray[np.float16]:
    return np.random.default_rng(3).normal(0, strength, size(dims)).astype(np.float16)


def test_the_sizes_follow_from_the_generator() -> None:
    assert size(SMALL) == sum(int(np.prod(shape)) for shape in shapes(SMALL))
    assert size(Dims()) * 2 < 1_000_000, "bytes in an avatar of the starter"
    full = Dims(1024, channel_base=32768, channel_max=512, w_dim=512, z_dim=512, mapping_layers=8)
    assert size(full) < 1 << 22, "or no avatar file could hold it"
    assert all(shape[1] == min(RANK, shape[0]) for shape in shapes(full)[::3])


def test_changes_have_the_rank_and_the_places_they_say() -> None:
    delta = np.zeros(size(SMALL), np.float16)
    outputs, rank = shapes(SMALL)[0]
    delta[:outputs] = 1.0  # rows of `up`: with `down` at zero nothing changes
    assert not any(change.kernel.any() or change.bias.any() for change in changes(SMALL, delta))
    found = list(changes(SMALL, a_delta(SMALL)))
    assert [change.layer for change in found] == list(layers(SMALL))
    assert np.linalg.matrix_rank(found[0].kernel.reshape(outputs, -1)) == rank


@pytest.mark.parametrize("length", [0, 1, -1])
def test_a_delta_of_another_generator_is_refused(length: int) -> None:
    delta = np.zeros(size(SMALL) + length if length else 7, np.float16)
    with pytest.raises(UserError, match="adjust it again"):
        check_size(delta, SMALL)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_engines_draw_with_the_delta_as_torch_does(model_folder: Path, backend: str) -> None:
    pytest.importorskip(backend)
    dims = model_info(model_folder).dims
    delta = a_delta(dims)
    pictures: dict[str, Any] = {}
    for name, change in (("torch", delta), (backend, delta), ("before", None)):
        kind = backend if name == "before" else name
        engine = load_engine(model_folder, "render", kind, 1, change)
        pictures[name] = engine(example("render", engine.input_shape)).astype(float)
        engine.close()
    moved = np.abs(pictures["before"] - pictures["torch"]).mean()
    off = np.abs(pictures[backend] - pictures["torch"]).mean()
    assert moved > 5, "levels; or the comparison would say nothing"
    assert off < (0.05 if backend == "onnxruntime" else 0.1 * moved), "OpenVINO may be in bf16"


def test_a_graph_in_16_bits_takes_the_delta_too(model_folder: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from export.to_onnx import to_onnx
    from reenact.checkpoint import load_checkpoint

    puppeteer, _ = load_checkpoint(model_folder / "starter.safetensors")
    delta = a_delta(puppeteer.dims)
    onnx.save(to_onnx(puppeteer, "render", "CC0-1.0", "fp16"), tmp_path / "render.onnx")
    half = load_engine(tmp_path, "render", "onnxruntime", 1, delta)
    whole = load_engine(model_folder, "render", "onnxruntime", 1, delta)
    styles = example("render", whole.input_shape)
    assert np.abs(half(styles).astype(float) - whole(styles)).mean() < 0.5, "levels"
    onnx.save(to_onnx(puppeteer, "render", "CC0-1.0", "bf16"), tmp_path / "render.onnx")
    with pytest.raises(UserError, match="export it again: `python -m export`, in fp32 or fp16"):
        adjusted_graph(tmp_path / "render.onnx", delta)


def test_the_graph_stays_one_that_onnx_knows(model_folder: Path) -> None:
    onnx = pytest.importorskip("onnx")
    path = model_folder / "render.onnx"
    model = onnx.load_from_string(adjusted_graph(path, a_delta(model_info(model_folder).dims)))
    onnx.checker.check_model(model)
    before = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    after = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed and all(name.startswith("layers.") for name in changed)
    for name, array in initializers(bytearray(path.read_bytes())).items():
        np.testing.assert_array_equal(array, before[name], strict=True)


@pytest.mark.parametrize("cut", [0, 1, 7, 1000, -3])
def test_a_file_that_is_no_graph_is_named(model_folder: Path, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "render.onnx"
    path.write_bytes((model_folder / "render.onnx").read_bytes()[:cut])
    with pytest.raises(UserError, match="render.onnx is damaged"):
        adjusted_graph(path, a_delta(SMALL))

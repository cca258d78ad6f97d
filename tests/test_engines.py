"""One contract for all engines, and the choice between them."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engines import GRAPHS, Engine, backends, choose, choose_backend, load_engine, model_info
from engines.contract import INPUT_TYPES, checked_input, usable_threads
from reenact.errors import UserError

CPU_BACKENDS = ("onnxruntime", "openvino", "torch")
PRODUCTS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
BACKENDS = (*CPU_BACKENDS, *PRODUCTS)
SHAPES = {
    "encode_identity": ((1, 64, 64, 3), (1, 8, 16)),
    "encode_deformation": ((1, 64, 64, 3), (1, 208)),
    "render": ((1, 320), (1, 32, 32, 3)),
}


def an_input(graph: str, seed: int) -> npt.NDArray[Any]:
    random = np.random.default_rng(seed)
    if INPUT_TYPES[graph] == np.uint8:
        blocks = random.integers(0, 256, (1, 4, 4, 3), np.uint8)  # noise would all look alike
        return blocks.repeat(16, axis=1).repeat(16, axis=2)
    return random.normal(1, 0.5, SHAPES[graph][0]).astype(np.float32)


def relative_error(got: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Root mean square difference, relative to how much the expected numbers vary."""
    expected = expected.astype(np.float64)
    return float((got - expected).std() / expected.std())


def built(backend: str, model_folder: Path, folder: Path) -> Path:
    """The folder with the files that a backend needs; skips where it is not present."""
    if backend not in PRODUCTS:
        pytest.importorskip(backend)
        return model_folder
    pytest.importorskip(PRODUCTS[backend])
    from engines.cuda import open_cuda
    from engines.tensorrt_build import build

    try:
        open_cuda()
    except UserError as error:
        pytest.skip(f"{backend}: {error}")
    for graph in GRAPHS:
        shutil.copy(model_folder / f"{graph}.onnx", folder)
        build(folder / f"{graph}.onnx", PRODUCTS[backend])
    return folder


@pytest.fixture(scope="module", params=BACKENDS)
def engine_of(
    request: pytest.FixtureRequest, model_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """A function: graph -> engine of one backend, each loaded once."""
    folder = built(request.param, model_folder, tmp_path_factory.mktemp("built"))
    engines: dict[str, Engine] = {}

    def engine_of(graph: str) -> Engine:
        if graph not in engines:
            engines[graph] = load_engine(folder, graph, request.param, threads=1)
        return engines[graph]

    engine_of.backend, engine_of.folder = request.param, folder  # type: ignore[attr-defined]
    return engine_of


@pytest.mark.parametrize("graph", GRAPHS)
def test_it_says_what_it_is(engine_of: Any, graph: str) -> None:
    engine = engine_of(graph)
    assert engine.name == engine_of.backend
    assert engine.device in ("CPU fp32", "CPU bf16") or (
        engine.name in PRODUCTS and engine.device.endswith(" GPU fp32")
    )
    assert (engine.input_shape, engine.output_shape) == SHAPES[graph]


@pytest.mark.parametrize("graph", GRAPHS)
def test_it_gives_what_torch_gives(engine_of: Any, model_folder: Path, graph: str) -> None:
    torch_engine = load_engine(model_folder, graph, "torch", threads=1)
    array = an_input(graph, 1)
    expected, got = torch_engine(array), engine_of(graph)(array)
    assert got.dtype == (np.uint8 if graph == "render" else np.float32)
    assert got.shape == SHAPES[graph][1]
    # bf16 has 8 bits: up to five hundredths after many layers; fp32 differs by rounding only
    assert relative_error(got, expected) < (0.1 if "bf16" in engine_of(graph).device else 1e-3)
    other = engine_of(graph)(an_input(graph, 2))
    assert relative_error(other, expected) > 0.5


@pytest.mark.parametrize("graph", GRAPHS)
def test_a_result_is_the_callers_own(engine_of: Any, graph: str) -> None:
    engine = engine_of(graph)
    array = an_input(graph, 1)
    first = engine(array)
    kept = first.copy()
    engine(an_input(graph, 2))
    np.testing.assert_array_equal(first, kept)
    first[...] = 0
    np.testing.assert_array_equal(engine(array), kept)
    np.testing.assert_array_equal(array, an_input(graph, 1))


@pytest.mark.parametrize("graph", GRAPHS)
def test_read_only_and_scattered_arrays_are_taken(engine_of: Any, graph: str) -> None:
    engine, array = engine_of(graph), an_input(graph, 3)
    expected = engine(array)
    scattered = np.repeat(array, 2, axis=1)[:, ::2]
    assert not scattered.flags["C_CONTIGUOUS"]
    array.setflags(write=False)
    np.testing.assert_array_equal(engine(array), expected)
    np.testing.assert_array_equal(engine(scattered), expected)


@pytest.mark.parametrize("graph", GRAPHS)
def test_wrong_inputs_are_refused(engine_of: Any, graph: str) -> None:
    engine, array = engine_of(graph), an_input(graph, 1)
    with pytest.raises(ValueError, match=r"got the shape .*, expected \(1, "):
        engine(array[0])
    with pytest.raises(ValueError, match="got the shape"):
        engine(np.concatenate([array, array]))
    with pytest.raises(TypeError, match=f"got float64, expected an array of {INPUT_TYPES[graph]}"):
        engine(array.astype(np.float64))
    with pytest.raises(TypeError, match="got list"):
        engine(array.tolist())
    if array.dtype == np.float32:
        array[0, 7] = np.nan
        with pytest.raises(ValueError, match=f"{graph}: got NaN or infinity, expected finite"):
            engine(array)


def test_a_closed_engine_refuses(engine_of: Any) -> None:
    engine = load_engine(engine_of.folder, "render", engine_of.backend, threads=1)
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="render: the engine is closed"):
        engine(an_input("render", 1))


def test_damaged_and_missing_models_are_one_sentence(engine_of: Any, tmp_path: Path) -> None:
    backend = engine_of.backend
    with pytest.raises(UserError, match=str(tmp_path)):
        load_engine(tmp_path, "render", backend)
    name = "starter.safetensors" if backend == "torch" else "render.onnx"
    if backend in PRODUCTS:
        shutil.copytree(engine_of.folder, tmp_path, dirs_exist_ok=True)
        name = f"render.{PRODUCTS[backend]}.engine"
    whole = (engine_of.folder / name).read_bytes()
    for content in (b"", b"not a model", whole[: len(whole) // 2]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as error:
            load_engine(tmp_path, "render", backend)
        assert name in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_graph_is_a_programming_error(engine_of: Any) -> None:
    with pytest.raises(ValueError, match="expected one of encode_identity"):
        load_engine(engine_of.folder, "decode", engine_of.backend)


def test_threads() -> None:
    assert usable_threads(3) == 3
    assert 1 <= usable_threads(None) <= 8
    with pytest.raises(ValueError, match="at least 1"):
        usable_threads(0)


def test_checked_input_does_not_copy() -> None:
    array = np.zeros((1, 320), np.float32)
    assert checked_input("render", array, (1, 320)) is array


def test_info_of_a_folder_that_mixes_models(model_folder: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    for graph in GRAPHS:
        model = onnx.load(model_folder / f"{graph}.onnx")
        if graph == "render":
            del model.metadata_props[:]
        onnx.save(model, tmp_path / f"{graph}.onnx")
    with pytest.raises(UserError, match="render.onnx is damaged or not a model of ours"):
        model_info(tmp_path)
    model = onnx.load(model_folder / "render.onnx")
    next(e for e in model.metadata_props if e.key == "reenact.fingerprint").value = "ffff"
    onnx.save(model, tmp_path / "render.onnx")
    with pytest.raises(UserError, match="of different models"):
        model_info(tmp_path)


def only(monkeypatch: pytest.MonkeyPatch, *libraries: str, nvidia: bool = False) -> None:
    monkeypatch.setattr(choose, "find_spec", lambda name: name if name in libraries else None)
    monkeypatch.setattr(choose, "_has_nvidia", lambda: nvidia)
    monkeypatch.setattr(choose, "_is_installed", lambda package: package in libraries)


def test_backends_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "openvino", "torch")
    assert backends() == {
        "tensorrt": 'tensorrt is not installed; run `pip install -e ".[tensorrt]"`',
        "tensorrt-rtx": 'tensorrt_rtx is not installed; run `pip install -e ".[tensorrt-rtx]"`',
        "onnxruntime-gpu": 'onnxruntime is not installed; run `pip install -e "."`',
        "openvino": None,
        "onnxruntime": 'onnxruntime is not installed; run `pip install -e "."`',
        "torch": 'safetensors is not installed; run `pip install -e ".[train]"`',
    }


def test_an_explicit_backend_is_taken_or_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, "openvino")
    assert choose_backend(tmp_path, "openvino").backend == "openvino"
    with pytest.raises(UserError, match=r'torch and safetensors is not .* "\.\[train\]"'):
        choose_backend(tmp_path, "torch")
    with pytest.raises(UserError, match=r'torch and safetensors is not .* "\.\[train\]"'):
        load_engine(tmp_path, "render", "torch")
    with pytest.raises(
        UserError, match="did you mean openvino.*auto, .*openvino, onnxruntime, torch"
    ):
        choose_backend(tmp_path, "openvina")
    with pytest.raises(UserError, match="there is no backend 'auto'"):
        load_engine(tmp_path, "render", "auto")


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_without_a_card_nobody_is_told_to_install_gigabytes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: str
) -> None:
    only(monkeypatch, "openvino")
    with pytest.raises(UserError, match=f"{backend} needs an NVIDIA GPU, and this machine"):
        choose_backend(tmp_path, backend)
    only(monkeypatch, "openvino", nvidia=True)
    with pytest.raises(UserError, match=f'is not installed; run `pip install -e "..{backend}."`'):
        choose_backend(tmp_path, backend)


def test_auto_with_one_or_no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(choose, "frame_time", lambda *_: pytest.fail("nothing to compare with"))
    only(monkeypatch, "onnxruntime", "torch", "safetensors")  # torch is never the faster one
    assert choose_backend(tmp_path).backend == "onnxruntime"
    only(monkeypatch, "torch", "safetensors")
    assert choose_backend(tmp_path).backend == "torch"
    only(monkeypatch)
    with pytest.raises(UserError, match="no engine is installed; run `pip install"):
        choose_backend(tmp_path)


def test_auto_takes_the_fastest_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, *CPU_BACKENDS, "safetensors")
    times = {"openvino": (12.12, "CPU bf16"), "onnxruntime": (41.0, "CPU fp32")}
    monkeypatch.setattr(choose, "frame_time", lambda _, name, threads: times[name])
    choice = choose_backend(tmp_path)
    assert choice.backend == "openvino"
    assert choice.reason == (
        "openvino (CPU bf16): 12.1 ms a frame; onnxruntime (CPU fp32): 41.0 ms a frame"
    )
    times["onnxruntime"] = (9.0, "CPU fp32")
    assert choose_backend(tmp_path).backend == "onnxruntime"


def test_auto_measures_with_the_threads_there_will_be(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, "openvino", "onnxruntime")
    given: list[int | None] = []

    def load(folder: Path, graph: str, name: str, threads: int | None) -> Engine:
        given.append(threads)
        raise UserError("it does not load here")

    monkeypatch.setattr(choose, "load_engine", load)
    with pytest.raises(UserError, match="does not load"):
        choose_backend(tmp_path, threads=3)
    assert given == [3, 3]


def test_auto_goes_on_without_an_engine_that_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    only(monkeypatch, *CPU_BACKENDS)

    def frame_time(_: Path, name: str, threads: int | None) -> tuple[float, str]:
        if name == "openvino":
            raise UserError("it does not load here")
        return 20.0, "CPU fp32"

    monkeypatch.setattr(choose, "frame_time", frame_time)
    choice = choose_backend(tmp_path)
    assert choice.backend == "onnxruntime"
    assert choice.reason.endswith("20.0 ms a frame; not used: it does not load here")


def test_auto_with_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first of TensorRT and TensorRT-RTX that runs; else the fastest, torch's GPU among them."""
    times: dict[str, float | None] = {"tensorrt": None, "tensorrt-rtx": 3.0, "openvino": 1.0}

    def frame_time(_: Path, name: str, threads: int | None) -> tuple[float, str]:
        if (milliseconds := times[name]) is None:
            raise UserError(f"{name} has no engine")
        return milliseconds, "somewhere"

    monkeypatch.setattr(choose, "frame_time", frame_time)
    only(monkeypatch, "tensorrt", "tensorrt_rtx", "openvino", nvidia=True)
    choice = choose_backend(tmp_path)
    assert (choice.backend, choice.reason) == (
        "tensorrt-rtx",
        "tensorrt-rtx (somewhere): 3.0 ms a frame; not used: tensorrt has no engine",
    )
    times["tensorrt-rtx"] = None
    choice = choose_backend(tmp_path)
    assert choice.reason == (
        "openvino: the only engine that is installed; not used: tensorrt has no engine; "
        "not used: tensorrt-rtx has no engine"
    )
    only(monkeypatch, "tensorrt", nvidia=True)
    with pytest.raises(UserError, match="tensorrt has no engine"):
        choose_backend(tmp_path)
    times |= {"onnxruntime-gpu": 0.7, "onnxruntime": 4.0, "torch": 2.0}
    only(monkeypatch, *CPU_BACKENDS, "safetensors", "onnxruntime-gpu", nvidia=True)
    choice = choose_backend(tmp_path)
    assert choice.backend == "onnxruntime-gpu"
    assert "; torch (somewhere): 2.0 ms a frame; onnxruntime (somewhere)" in choice.reason
    assert choice.reason.endswith(
        'not used: tensorrt-rtx is not installed; run `pip install -e ".[tensorrt-rtx]"`'
    )


def test_onnxruntime_without_a_gpu_says_so(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ort = pytest.importorskip("onnxruntime")
    from engines.onnxruntime_engine import OnnxRuntimeGpuEngine

    offered = ort.get_available_providers()
    if {"CUDAExecutionProvider", "DmlExecutionProvider", "CoreMLExecutionProvider"} & set(offered):
        pytest.skip("this one has a GPU")
    with pytest.raises(UserError, match="computes on the CPU only; for NVIDIA run `pip uninstall"):
        OnnxRuntimeGpuEngine(model_folder, "render")
    # One that claims to have CUDA and then computes on the CPU, without a word.
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(UserError, match="cannot start CUDA here and would compute on the CPU"),
    ):
        OnnxRuntimeGpuEngine(model_folder, "render")


def test_onnxruntime_gpu_is_offered_where_a_copy_with_one_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, "onnxruntime")
    assert "has no GPU; run `pip uninstall -y onnxruntime && " in str(backends()["onnxruntime-gpu"])
    only(monkeypatch, "onnxruntime", "onnxruntime-gpu")
    assert backends()["onnxruntime-gpu"] is None


def test_auto_on_a_real_model(model_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    choice = choose_backend(model_folder)
    assert choice.backend in ("openvino", "onnxruntime")
    assert choice.reason.startswith(choice.backend) and choice.reason.count("ms a frame") >= 2
    with pytest.raises(UserError, match="was not exported"):
        choose_backend(tmp_path)


def test_a_library_that_does_not_load_is_one_sentence(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "engines.openvino_engine", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)  # import raises ImportError
    monkeypatch.setattr(choose, "find_spec", lambda name: name)
    with pytest.raises(UserError, match="openvino is installed but does not load here"):
        load_engine(model_folder, "render", "openvino")


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_a_signal_after_closing_does_not_end_the_process(backend: str, model_folder: Path) -> None:
    pytest.importorskip(backend)
    code = f"""
import signal
from engines import load_engine
made = [load_engine({str(model_folder)!r}, "render", {backend!r}, 1) for _ in range(2)]
for engine in made:
    engine.close()
del made, engine
signal.signal(signal.SIGINT, lambda *_: print("caught"))
signal.raise_signal(signal.SIGINT)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert (result.stdout, result.returncode) == ("caught\n", 0), result.stderr


def test_asking_for_engines_imports_no_library() -> None:
    code = (
        "import sys, engines; engines.backends();"
        "print(*{'torch', 'openvino', 'onnxruntime', 'onnx', 'tensorrt', 'tensorrt_rtx', 'cuda', "
        "'pycuda'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == []

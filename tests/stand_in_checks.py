"""The TensorRT engine in a process with a stand-in GPU; test_tensorrt_engine.py runs this file.

Work given to the stand-in waits until somebody waits for it, so a missing wait, an early reuse of a
buffer or a call that is not in the graph shows as wrong numbers, as on a GPU.
"""

import gc
import json
import os
import shutil
import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import stand_in_gpu

import engines.built
from engines import GRAPHS, Overlapping, choose_backend, load_engine, model_info
from engines.built import state_of
from engines.cuda import open_cuda
from engines.passport import passport_file, read_passport
from engines.tensorrt_build import build
from engines.tensorrt_engine import TensorRtEngine, TensorRtRtxEngine
from realtime.expression import Expression, Taste
from realtime.identity import Identity
from realtime.models import Model
from realtime.puppet import Puppet
from realtime.stats import Stats
from reenact.avatar import Avatar
from reenact.delta import size as delta_size
from reenact.errors import UserError

LIBRARY = os.environ.get("STAND_IN_LIBRARY", "cuda-bindings")


@pytest.fixture(scope="module")
def folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    for graph in GRAPHS:
        shutil.copy(model_folder / f"{graph}.onnx", folder)
        build(folder / f"{graph}.onnx", "tensorrt", refit=graph == "render")
        build(folder / f"{graph}.onnx", "tensorrt_rtx")
    return folder


@pytest.fixture
def render(folder: Path) -> Iterator[TensorRtEngine]:
    engine = TensorRtEngine(folder, "render")
    yield engine
    engine.close()


def styles(seed: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(1, 0.5, (1, 320)).astype(np.float32)


@pytest.fixture(scope="module")
def expected(folder: Path) -> Any:
    engine = load_engine(folder, "render", "onnxruntime", threads=1)
    return lambda seed: engine(styles(seed))


def test_which_library_serves(render: TensorRtEngine) -> None:
    assert open_cuda().library == LIBRARY
    gpu = open_cuda().gpu
    assert (gpu.name, gpu.capability, gpu.cuda) == ("Stand-in GPU", "8.9", "13.0")
    assert render.device == "Stand-in GPU fp32" and render.has_graph


def test_a_passport_of_a_gpu(folder: Path) -> None:
    passport = read_passport(folder / "render.tensorrt.engine")
    assert (passport.gpu, passport.capabilities) == ("Stand-in GPU", ["8.9"])
    assert (passport.cuda, passport.refit) == ("13.0", True)
    ahead = read_passport(folder / "render.tensorrt_rtx.engine")
    assert (ahead.gpu, ahead.capabilities) == ("any RTX card from Ampere on", ["8.0+"])


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"gpu": "NVIDIA T4"}, "says gpu NVIDIA T4, found is Stand-in GPU"),
        ({"capabilities": ["7.5"]}, "says capabilities 7.5, found is 8.9"),
        ({"capabilities": ["9.0+", "12.0"]}, "says capabilities 9.0+, 12.0, found is 8.9"),
        ({"version": "10.1"}, "says version 10.1, found is 10.99.0"),
    ],
)
def test_an_engine_of_another_machine(
    folder: Path, tmp_path: Path, entries: dict[str, Any], words: str
) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    path = passport_file(tmp_path / "render.tensorrt.engine")
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    with pytest.raises(UserError) as error:
        TensorRtEngine(tmp_path, "render")
    assert words in str(error.value) and "\n" not in str(error.value)
    assert f"`python -m engines build {tmp_path} --to tensorrt`" in str(error.value)


def test_an_engine_that_the_library_refuses(folder: Path, tmp_path: Path) -> None:
    """The passport fits, and still TensorRT does not take it."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    engine = tmp_path / "render.tensorrt.engine"
    content = b"another plan"
    engine.write_bytes(content)
    import hashlib

    digest = hashlib.sha256(content).hexdigest()
    path = passport_file(engine)
    entries = {"engine_sha256": digest, "engine_bytes": len(content)}
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    with pytest.raises(UserError, match="TensorRT does not take .*: the plan has no mark; build"):
        TensorRtEngine(tmp_path, "render")


def test_two_networks_side_by_side(folder: Path, render: TensorRtEngine, expected: Any) -> None:
    """Both are started before either is waited for, each on its own stream."""
    crop = np.full((1, 64, 64, 3), 90, np.uint8)
    encode = TensorRtEngine(folder, "encode_deformation")
    alone = encode(crop)
    render.start(styles(1))
    encode.start(crop)
    np.testing.assert_array_equal(encode.finish(), alone)
    np.testing.assert_array_equal(render.finish(), expected(1))
    encode.close()


def test_a_puppet_draws_ahead(folder: Path, render: TensorRtEngine) -> None:
    """The same pictures, whether a frame is drawn beside encoding the next one or after it."""
    info, encode = model_info(folder), TensorRtEngine(folder, "encode_deformation")
    model = Model(info, encode, render, "tensorrt", "a test")
    identity = np.zeros((8, 16), np.float32)
    thumbnail = np.zeros((8, 8, 3), np.uint8)
    avatar = Avatar("A", identity, styles(1)[0], thumbnail, info.fingerprint, "CC0-1.0", "nobody")
    crops = [np.full((64, 64, 3), 40 * k, np.uint8) for k in range(5)]
    one, other = (
        Puppet(model, Identity([avatar]), Stats(), Expression(Taste(0.0), None)) for _ in range(2)
    )
    expected = [one.drive(crop, k / 25).pixels for k, crop in enumerate(crops)]
    assert isinstance(render, Overlapping)
    got = [other.drive_ahead(crop, k / 25) for k, crop in enumerate(crops)] + [other.last_ahead()]
    assert got[0] is None and other.last_ahead() is None
    for k, picture in enumerate(got[1:]):
        assert picture is not None and picture.time_s == k / 25
        np.testing.assert_array_equal(picture.pixels, expected[k])
    encode.close()


def test_start_and_finish_belong_together(render: TensorRtEngine, expected: Any) -> None:
    with pytest.raises(RuntimeError, match="render: finish without start"):
        render.finish()
    render.start(styles(1))
    with pytest.raises(RuntimeError, match="render: started twice without finish"):
        render.start(styles(2))
    np.testing.assert_array_equal(render.finish(), expected(1))


def test_the_caller_may_change_its_array_after_start(render: TensorRtEngine, expected: Any) -> None:
    array = styles(3)
    render.start(array)
    array.fill(0)
    np.testing.assert_array_equal(render.finish(), expected(3))


def test_results_are_used_again_once_nobody_holds_them(render: TensorRtEngine) -> None:
    held = [render(styles(seed)) for seed in range(6)]  # more than are pooled
    copies = [array.copy() for array in held]
    render(styles(9))
    for array, copy in zip(held, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    held[0].setflags(write=False)
    del held, array
    addresses = {render(styles(seed)).ctypes.data for seed in range(8)}
    assert len(addresses) == 1


def test_nothing_is_allocated_per_frame(render: TensorRtEngine) -> None:
    array = styles(1)
    for _ in range(5):
        render(array)
    gc.collect()
    tracemalloc.start()
    for _ in range(50):
        render(array)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A picture has 3 kB; what is left is a view and the stand-in's own call into numpy.
    assert kept < 20_000 and peak < 40_000
    live = driver_live()
    render(array)
    assert driver_live() == live


def test_closing_gives_everything_back(folder: Path) -> None:
    load_engine(folder, "render", "tensorrt").close()
    gc.collect()
    before = driver_live()
    for name in ("tensorrt", "tensorrt-rtx"):
        engine = load_engine(folder, "render", name)
        engine(styles(1))
        assert driver_live() > before
        engine.close()
        del engine
        gc.collect()
        assert driver_live() == before, name


def test_a_gpu_that_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()
    before = driver_live()
    monkeypatch.setenv("STAND_IN_MEMORY", "2000")  # the styles fit, the picture does not
    with pytest.raises(UserError) as error:
        TensorRtEngine(folder, "render")
    assert "TensorRT cannot run render.tensorrt.engine here: " in str(error.value)
    assert "out of memory" in str(error.value) and "\n" not in str(error.value)
    gc.collect()
    assert driver_live() == before
    choice = choose_backend(folder)
    assert choice.backend not in ("tensorrt", "tensorrt-rtx") and "out of memory" in choice.reason
    assert "--backend auto" not in choice.reason
    assert driver_live() == before


def driver_live() -> int:
    return int(stand_in_gpu.driver().stand_in_live())


def test_another_thread_may_run_it(render: TensorRtEngine, expected: Any) -> None:
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(render(styles(4)))
        except BaseException as error:
            results.append(error)

    for _ in range(2):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected(4))


def test_time_on_the_device(render: TensorRtEngine) -> None:
    render(styles(1))
    assert render.device_ms() == 1.0  # upload, network, download, event: a quarter each


def test_without_graphs(folder: Path, expected: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_NO_GRAPHS", "1")
    engine = TensorRtEngine(folder, "render")
    assert not engine.has_graph and engine.device.endswith("without CUDA graph")
    np.testing.assert_array_equal(engine(styles(2)), expected(2))
    engine.close()


def test_weights_of_another_avatar(
    folder: Path, tmp_path: Path, render: TensorRtEngine, expected: Any
) -> None:
    model = onnx.load(folder / "render.onnx")
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    array = onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(-array, tensor.name))
    other = tmp_path / "other.onnx"
    onnx.save(model, other)
    render.start(styles(1))
    with pytest.raises(RuntimeError, match="render: the engine is busy"):
        render.refit(other)
    render.finish()
    render.refit(other)
    changed = render(styles(1))
    assert np.abs(changed.astype(int) - expected(1)).mean() > 5
    render.refit(folder / "render.onnx")
    np.testing.assert_array_equal(render(styles(1)), expected(1))
    with pytest.raises(UserError, match="does not fit render.tensorrt.engine: weights are missing"):
        render.refit(folder / "encode_identity.onnx")
    np.testing.assert_array_equal(render(styles(1)), expected(1))
    fixed = TensorRtEngine(folder, "encode_identity")
    with pytest.raises(UserError, match="without refit; build it again: .* --refit`$"):
        fixed.refit(other)
    fixed.close()
    with pytest.raises(RuntimeError, match="encode_identity: the engine is closed"):
        fixed.refit(other)


def test_an_adjusted_avatar_is_a_refit_made_in_another_thread(folder: Path) -> None:
    length = delta_size(model_info(folder).dims)
    delta = np.random.default_rng(3).normal(0, 0.3, length).astype(np.float16)
    with ThreadPoolExecutor(1) as other:
        engine = other.submit(load_engine, folder, "render", "tensorrt", None, delta).result()
    reference = load_engine(folder, "render", "onnxruntime", 1, delta)
    np.testing.assert_array_equal(engine(styles(1)), reference(styles(1)))
    engine.close()
    with pytest.raises(UserError, match="without refit; build it again: .* --refit`$"):
        load_engine(folder, "render", "tensorrt-rtx", None, delta)


def test_what_rtx_compiled_is_kept(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    kernels = tmp_path / "render.tensorrt_rtx.jit"
    kernels.unlink(missing_ok=True)
    TensorRtRtxEngine(tmp_path, "render").close()
    assert kernels.read_bytes() == b"kernels"
    date = kernels.stat().st_mtime_ns
    TensorRtRtxEngine(tmp_path, "render").close()
    assert kernels.stat().st_mtime_ns == date  # known: not written again
    kernels.write_bytes(b"of another card")
    TensorRtRtxEngine(tmp_path, "render").close()
    assert kernels.read_bytes() == b"kernels"


def test_engines_that_were_built_elsewhere_are_found(
    folder: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines.built, "BUILT", tmp_path)
    with pytest.raises(UserError, match="no tensorrt engine was built for .*--to tensorrt"):
        TensorRtEngine(model_folder, "render")
    shutil.copytree(folder, tmp_path / "a")
    engine = TensorRtEngine(model_folder, "render")
    assert engine.path == tmp_path / "a" / "render.tensorrt.engine"
    engine.close()
    path = tmp_path / "a" / "render.tensorrt.json"
    entries = json.loads(path.read_text())
    for wrong in ({"fingerprint": "ffff"}, {"checkpoint": "0123"}):
        path.write_text(json.dumps(entries | wrong))
        with pytest.raises(UserError, match="no tensorrt engine was built for"):
            TensorRtEngine(model_folder, "render")


def test_auto_takes_tensorrt_and_says_what_it_passed_over(folder: Path, tmp_path: Path) -> None:
    choice = choose_backend(folder)
    assert choice.backend == "tensorrt"
    assert choice.reason.startswith("tensorrt (Stand-in GPU fp32): ")
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "render.tensorrt.json").unlink()
    choice = choose_backend(tmp_path)
    assert choice.backend == "tensorrt-rtx" and "; not used: " in choice.reason
    assert "render.tensorrt.engine has no passport" in choice.reason
    (tmp_path / "encode_deformation.tensorrt_rtx.engine").write_bytes(b"short")
    choice = choose_backend(tmp_path)
    assert choice.backend in ("openvino", "onnxruntime") and choice.reason.count("not used: ") == 2
    with pytest.raises(UserError, match="has no passport"):  # no fallback where one was asked for
        load_engine(tmp_path, "render", choose_backend(tmp_path, "tensorrt").backend)


def test_check_runs_an_engine(folder: Path) -> None:
    state = state_of(folder / "render.tensorrt.engine")
    where = f"Stand-in GPU fp32 through {LIBRARY}"
    assert state.good and state.words == f"1.00 ms on {where}, 1 of 8192 MiB besides weights"


def test_timings_of_earlier_builds_are_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.tensorrt_build.BUILT", tmp_path / "built")
    shutil.copy(folder / "render.onnx", tmp_path)
    kept = tmp_path / "built" / "10.99.0-Stand-in-GPU.timing"
    for content in (None, b"times", b"damaged"):
        if content is not None:
            kept.write_bytes(content)
        build(tmp_path / "render.onnx", "tensorrt")
        assert kept.read_bytes() == b"times"

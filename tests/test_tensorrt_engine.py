"""The TensorRT engine without a GPU: in a process of its own, with a stand-in for the driver.

cuda-bindings and pycuda are the real ones; the driver below them (stand_in_driver.c) and TensorRT
(stand_in_tensorrt.py) are not. On a machine with a GPU, test_engines.py runs the real ones.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines.contract import GRAPHS
from engines.cuda import open_cuda
from engines.tensorrt_library import load_library
from reenact.errors import UserError

TESTS = Path(__file__).parent
LIBRARIES = {"cuda-bindings": "cuda.bindings", "pycuda": "pycuda"}

stand_in_gpu = pytest.importorskip("stand_in_gpu")


@pytest.fixture(scope="module")
def driver_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux":
        pytest.skip("the stand-in is a library for Linux")
    folder = tmp_path_factory.mktemp("driver")
    try:
        stand_in_gpu.build_driver(folder)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return folder


def with_path(variable: str, folder: Path) -> str:
    return os.pathsep.join(filter(None, (str(folder), os.environ.get(variable))))


def run_pytest(
    driver_folder: Path, model_folder: Path, library: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    pytest.importorskip(LIBRARIES[library], reason=f"{library} is not installed")
    for name in ("onnx", "filelock"):
        pytest.importorskip(name)
    names = {
        "STAND_IN_LIBRARY": library,
        stand_in_gpu.FOLDER: str(driver_folder),
        "REENACT_TEST_MODEL": str(model_folder),
        "LD_LIBRARY_PATH": with_path("LD_LIBRARY_PATH", driver_folder),  # pycuda is linked to it
        "PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS))),
    }
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "stand_in_gpu",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=TESTS.parent,
        env=os.environ | names,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_engine_on_a_stand_in(driver_folder: Path, model_folder: Path, library: str) -> None:
    done = run_pytest(driver_folder, model_folder, library, str(TESTS / "stand_in_checks.py"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_contract_on_a_stand_in(driver_folder: Path, model_folder: Path, library: str) -> None:
    """The tests that every backend passes, on both products."""
    contract = ["-v", "-k", "tensorrt", str(TESTS / "test_engines.py")]
    done = run_pytest(driver_folder, model_folder, library, *contract)
    assert done.returncode == 0, done.stdout + done.stderr
    for graph in GRAPHS:
        for name in ("tensorrt", "tensorrt-rtx"):
            test = f"test_it_gives_what_torch_gives[{name}-{graph}] PASSED"
            assert test in done.stdout, done.stdout


def test_the_sentence_without_a_gpu(driver_folder: Path, model_folder: Path) -> None:
    """A driver is there, but no card."""
    pytest.importorskip("cuda.bindings")
    code = "import stand_in_gpu; stand_in_gpu.install()\nfrom engines.cuda import open_cuda\n"
    code += "try: open_cuda('TensorRT needs an NVIDIA GPU')\nexcept Exception as e: print(e)"
    names = {
        stand_in_gpu.FOLDER: str(driver_folder),
        "STAND_IN_GPUS": "0",
        "PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS))),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | names, capture_output=True, text=True
    )
    assert done.stdout == (
        "TensorRT needs an NVIDIA GPU, and this machine shows none (the driver sees no GPU); "
        "install NVIDIA's driver, or use --backend auto\n"
    ), done.stderr


def test_without_a_library_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.cuda._is_installed", lambda name: False)
    with pytest.raises(UserError, match=r"an NVIDIA GPU, and no library .*pip install -e ..\[cuda"):
        open_cuda()


def test_a_product_that_does_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.11:\\n not found')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    load_library.cache_clear()
    with pytest.raises(
        UserError, match=r"does not load here .libnvinfer.so.11: not found.; install"
    ):
        load_library("tensorrt")


def test_the_sentence_without_a_driver(model_folder: Path) -> None:
    pytest.importorskip("cuda.bindings")
    pytest.importorskip("tensorrt_rtx")
    from engines import load_engine

    try:
        open_cuda()
    except UserError:
        with pytest.raises(UserError) as error:
            load_engine(model_folder, "render", "tensorrt-rtx")
        assert str(error.value) == (
            "TensorRT-RTX needs an NVIDIA GPU, and this machine shows none (NVIDIA's driver is "
            "not installed); install NVIDIA's driver, or use --backend auto"
        )
    else:
        pytest.skip("there is a GPU")

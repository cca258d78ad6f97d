"""Which engine: what is installed here, and which of them is the fastest on this machine.

Nothing wrapped is imported before it is asked for: a machine needs only the libraries it uses.
"""

import importlib
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from engines.contract import NO_NVIDIA, Engine, ModelInfo, example
from engines.contract import has_nvidia as _has_nvidia
from reenact.errors import UserError


@dataclass(frozen=True)
class _Backend:
    libraries: tuple[str, ...]
    module: str
    factory: str  # class in that module
    extra: str  # what installs the libraries
    copies: tuple[str, ...] = ()  # of the library, one of which must be the one installed


_BACKENDS = {  # in the order of preference where none can be measured
    "tensorrt": _Backend(("tensorrt",), "tensorrt_engine", "TensorRtEngine", ".[tensorrt]"),
    "tensorrt-rtx": _Backend(
        ("tensorrt_rtx",), "tensorrt_engine", "TensorRtRtxEngine", ".[tensorrt-rtx]"
    ),
    "onnxruntime-gpu": _Backend(
        ("onnxruntime",),
        "onnxruntime_engine",
        "OnnxRuntimeGpuEngine",
        ".",
        ("onnxruntime-gpu", "onnxruntime-directml"),
    ),
    "openvino": _Backend(("openvino",), "openvino_engine", "OpenVinoEngine", "."),
    "onnxruntime": _Backend(("onnxruntime",), "onnxruntime_engine", "OnnxRuntimeEngine", "."),
    "torch": _Backend(("torch", "safetensors"), "torch_engine", "TorchEngine", ".[train]"),
}
_BUILT_AHEAD = ("tensorrt", "tensorrt-rtx")  # the first of them that runs is the fastest there is
_LIVE_GRAPHS = ("encode_deformation", "render")  # what every frame costs
_WARM_UP, _FRAMES = 2, 7


@dataclass(frozen=True)
class Choice:
    """A backend that can run here, and in words why it was taken."""

    backend: str
    reason: str


def backends() -> dict[str, str | None]:
    """Return every backend by name: None where it can be used, else why not and what installs it.

    Nothing is imported.
    """
    return {name: _missing(backend) for name, backend in _BACKENDS.items()}


def load_engine(
    model_dir: Path | str,
    graph: str,
    backend: str,
    threads: int | None = None,
    delta: npt.NDArray[np.float16] | None = None,
) -> Engine:
    """Load one graph of a model folder into a backend.

    Args:
        model_dir: the folder with the ONNX files (torch: with the checkpoint).
        graph: one of `GRAPHS`.
        backend: one of `backends()`; not "auto", which is `choose_backend`'s.
        threads: for one call; None: the CPUs that may be used, at most eight. torch has one pool of
            threads for the whole process: there the latest engine's number counts.
        delta: of an adjusted avatar, f16 [P], for `render` (see `reenact.delta`).

    Raises:
        ValueError: unknown graph, or less than one thread.
        UserError: unknown or missing backend, missing or damaged model file, a delta that is not
            for it, or (TensorRT) an engine that was built without refit.
    """
    _check_available(backend)
    try:
        module = importlib.import_module(f"engines.{_BACKENDS[backend].module}")
    except ImportError as error:
        raise UserError(
            f"{backend} is installed but does not load here ({error}); "
            f"install it again with {_install(backend)}, or use --backend auto"
        ) from error
    factory = getattr(module, _BACKENDS[backend].factory)
    return cast(Engine, factory(model_dir, graph, threads, delta))


def model_info(model_dir: Path | str) -> ModelInfo:
    """Read what a model folder holds: fingerprint, sizes, licence.

    Raises:
        UserError: a graph is missing or damaged, or they are of different models.
    """
    from engines.onnxruntime_engine import read_info  # 0.1 s; not everybody needs it

    return read_info(model_dir)


def choose_backend(
    model_dir: Path | str, backend: str = "auto", threads: int | None = None
) -> Choice:
    """Settle on a backend: the one asked for, or for "auto" the best of those that run here.

    "auto" takes TensorRT or TensorRT-RTX where one is installed, there is a GPU and an engine was
    built for it. Else it times a few frames of the two graphs that run live, one after the other,
    on ONNX Runtime and OpenVINO, each with the threads it will have; torch, which is slower on a
    CPU, only where there is neither, or a GPU. What was passed over stands in the reason.

    Raises:
        UserError: an unknown or missing backend, none at all, or a model that none can load.
    """
    if backend != "auto":
        _check_available(backend)
        return Choice(backend, f"{backend}: asked for")
    present = [name for name, missing in backends().items() if missing is None]
    skipped: list[UserError] = []
    if _has_nvidia() and not set(present) & set(_BUILT_AHEAD):
        skipped.append(UserError(f"tensorrt-rtx is not installed; run {_install('tensorrt-rtx')}"))
    for name in present:
        if name in _BUILT_AHEAD and (words := _timed(model_dir, name, threads, skipped)):
            return Choice(name, _sentence([words[1]], skipped))
    rest = [name for name in present if name not in _BUILT_AHEAD]
    candidates = [name for name in rest if name != "torch" or _has_nvidia()] or rest
    if not candidates:
        raise (skipped or [UserError(f"no engine is installed; run {_install('onnxruntime')}")])[0]
    if len(candidates) == 1:
        only = f"{candidates[0]}: the only engine that is installed"
        return Choice(candidates[0], _sentence([only], skipped))
    return _fastest(model_dir, candidates, threads, skipped)


def _fastest(
    model_dir: Path | str, candidates: list[str], threads: int | None, skipped: list[UserError]
) -> Choice:
    found = [_timed(model_dir, name, threads, skipped) for name in candidates]
    timed = sorted(zip(found, candidates, strict=True), key=lambda pair: pair[0] or (np.inf, ""))
    words = [pair[0][1] for pair in timed if pair[0]]
    if not words:
        raise skipped[-1]
    return Choice(timed[0][1], _sentence(words, skipped))


def _timed(
    model_dir: Path | str, name: str, threads: int | None, skipped: list[UserError]
) -> tuple[float, str] | None:
    """What a frame costs, ms, and that in words; None where the backend fails, told in `skipped`."""
    try:
        milliseconds, device = frame_time(model_dir, name, threads)
    except UserError as error:
        skipped.append(error)
        return None
    return milliseconds, f"{name} ({device}): {milliseconds:.1f} ms a frame"


def _sentence(taken: list[str], skipped: list[UserError]) -> str:
    advice = ", or use --backend auto"  # which is what is being done
    return "; ".join(taken + [f"not used: {error}".replace(advice, "") for error in skipped])


def frame_time(
    model_dir: Path | str, backend: str, threads: int | None = None
) -> tuple[float, str]:
    """Return what a frame costs on a backend, the median ms of both live graphs, and its device."""
    with ExitStack() as stack:
        work: list[tuple[Engine, npt.NDArray[Any]]] = []
        for graph in _LIVE_GRAPHS:
            engine = load_engine(model_dir, graph, backend, threads)
            stack.callback(engine.close)
            work.append((engine, example(graph, engine.input_shape)))
        times: list[float] = []
        for _ in range(_WARM_UP + _FRAMES):
            start = time.perf_counter()
            for engine, array in work:
                engine(array)
            times.append(time.perf_counter() - start)
        return 1000 * float(np.median(times[_WARM_UP:])), work[0][0].device


def _check_available(backend: str) -> None:
    if backend not in _BACKENDS:
        near = get_close_matches(backend, _BACKENDS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        names = ", ".join(["auto", *_BACKENDS])
        raise UserError(f"there is no backend {backend!r}: {hint}use one of {names}")
    missing = _missing(_BACKENDS[backend])
    if missing is not None and backend in _BUILT_AHEAD and not _has_nvidia():
        raise UserError(
            f"the backend {backend} needs an NVIDIA GPU, {NO_NVIDIA}; use --backend auto"
        )
    if missing is not None:
        raise UserError(f"the backend {backend} cannot be used: {missing}; or use --backend auto")


def _missing(backend: _Backend) -> str | None:
    absent = [library for library in backend.libraries if find_spec(library) is None]
    if not absent and backend.copies and sys.platform != "darwin":  # there every copy has CoreML
        if not any(map(_is_installed, backend.copies)):
            return (
                "the onnxruntime that is installed has no GPU; run "
                f"`pip uninstall -y onnxruntime && pip install {backend.copies[0]}`"
            )
    if not absent:
        return None
    return f'{" and ".join(absent)} is not installed; run `pip install -e "{backend.extra}"`'


def _is_installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def _install(backend: str) -> str:
    return f'`pip install -e "{_BACKENDS[backend].extra}"`'

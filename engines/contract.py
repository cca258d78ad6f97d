"""What every engine promises: plain arrays in, plain arrays out, one graph of a model folder.

A model folder holds the three graphs as ONNX and the checkpoint they came from. What a graph is
(the generator's fingerprint, its sizes, its licence) stands in its own metadata.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.spaces import Dims

GRAPHS = ("encode_identity", "encode_deformation", "render")
CHECKPOINT = "starter.safetensors"
INPUT_TYPES: dict[str, np.dtype[Any]] = {
    "encode_identity": np.dtype(np.uint8),
    "encode_deformation": np.dtype(np.uint8),
    "render": np.dtype(np.float32),
}

_MOST_THREADS = 8


class Engine(Protocol):
    """One graph made ready for one device; batch 1, fixed shapes, used by one thread at a time.

    Attributes:
        name: the backend, e.g. "openvino".
        device: what it runs on and in which precision, e.g. "CPU bf16".
        input_shape: with the leading 1; dtype as in INPUT_TYPES.
        output_shape: with the leading 1.
    """

    name: str
    device: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Run the graph; the result is the caller's own, no later call changes it.

        Raises:
            TypeError: `array` is not an array of the graph's dtype.
            ValueError: `array` has another shape than `input_shape`, or holds NaN or infinity.
            RuntimeError: the engine is closed.
        """
        ...

    def close(self) -> None:
        """Give the device's memory back; may be called twice."""
        ...


@runtime_checkable
class Overlapping(Protocol):
    """An engine that works on its own while its caller does something else."""

    def start(self, array: npt.NDArray[Any]) -> None:
        """Give it its work and return at once; `array` may be changed after that.

        Raises:
            TypeError, ValueError, RuntimeError: as a call; also if `finish` was not called since.
        """
        ...

    def finish(self) -> npt.NDArray[Any]:
        """Wait for what was started; the result is the caller's own.

        Raises:
            RuntimeError: nothing was started.
        """
        ...


@dataclass(frozen=True)
class ModelInfo:
    """What a model folder holds.

    Attributes:
        fingerprint: hex, of the generator; avatars name the one that they belong to.
        dims: the generator's sizes.
        crop: side of the square the encoders see, px.
        license: the terms of the weights.
    """

    fingerprint: str
    dims: Dims
    crop: int
    license: str


def checked_input(
    graph: str, array: npt.NDArray[Any], input_shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return `array` without gaps in memory, or say what the graph expected.

    Raises:
        TypeError: not an array of the graph's dtype.
        ValueError: another shape than `input_shape`, or NaN or infinity in it.
    """
    dtype = INPUT_TYPES[graph]
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        got = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"{graph}: got {got}, expected an array of {dtype}")
    if array.shape != input_shape:
        raise ValueError(f"{graph}: got the shape {array.shape}, expected {input_shape}")
    if dtype.kind == "f" and not np.isfinite(array).all():  # the picture would be black
        raise ValueError(f"{graph}: got NaN or infinity, expected finite numbers")
    return np.ascontiguousarray(array)


def graph_file(model_dir: Path | str, graph: str) -> Path:
    """Return the ONNX file of a graph.

    Raises:
        ValueError: there is no graph of that name.
        UserError: the folder has no such file.
    """
    if graph not in GRAPHS:
        raise ValueError(f"got the graph {graph!r}, expected one of {', '.join(GRAPHS)}")
    path = Path(model_dir) / f"{graph}.onnx"
    if not path.is_file():
        raise UserError(
            f"there is no {path}: the model was not exported; "
            f"run `python -m export --checkpoint {Path(model_dir) / CHECKPOINT}`"
        )
    return path


def damaged(path: Path, error: Exception) -> UserError:
    """Return the error for a model file that a library cannot read."""
    lines = str(error).strip().splitlines() or [repr(error)]
    reason = lines[-1][:200]  # OpenVINO first lists its own source files
    return UserError(
        f"{path} is damaged or not a model of ours ({reason}); export it again: `python -m export`"
    )


NO_NVIDIA = "and this machine shows none (NVIDIA's driver is not installed)"


def has_nvidia() -> bool:
    """Whether NVIDIA's driver is installed, going by the tool that comes with it."""
    return shutil.which("nvidia-smi") is not None


def usable_threads(threads: int | None) -> int:
    """Return `threads`, or for None the CPUs this process may use, at most eight.

    The networks are small: beyond eight threads waiting for one another costs more than it brings.
    """
    if threads is not None:
        if threads < 1:
            raise ValueError(f"got {threads} threads, expected at least 1")
        return threads
    if hasattr(os, "sched_getaffinity"):  # Linux: honours taskset and most containers
        return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    return min(os.cpu_count() or 1, _MOST_THREADS)


def example(graph: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """An input like a real one: noise in a crop, styles around 1 (zeros would be too easy)."""
    random = np.random.default_rng(0)
    if INPUT_TYPES[graph] == np.uint8:
        return random.integers(0, 256, shape, np.uint8)
    return random.normal(1.0, 0.5, shape).astype(np.float32)


def parse_info(metadata: dict[str, str], crop: int) -> ModelInfo:
    """Build a ModelInfo from a graph's metadata.

    Raises:
        ValueError: an entry is missing or makes no sense.
    """
    try:
        dims = Dims(**json.loads(metadata["reenact.dims"]))
        return ModelInfo(metadata["reenact.fingerprint"], dims, crop, metadata["reenact.license"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"its metadata lacks {error}") from error

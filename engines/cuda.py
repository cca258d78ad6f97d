"""CUDA from Python: memory, copies, streams, events and graphs behind one small interface.

pycuda (compiled on the user's machine) does the work where it is installed, else cuda-bindings
(wheels). Nothing is imported before `open_cuda` is called.
"""

import importlib
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from engines.passport import Gpu
from reenact.errors import UserError

LIBRARIES = {"pycuda": "cuda_by_pycuda", "cuda.bindings": "cuda_by_bindings"}
"""In the order of preference, and the module here that uses each. Who compiled pycuda wants it."""


NO_DRIVER = "NVIDIA's driver is not installed"


class Memory(Protocol):
    """A piece of memory that stays where it is until `free`.

    Attributes:
        address: where it begins, on the device or, page-locked, on the host.
    """

    address: int

    def free(self) -> None:
        """Give it back; may be called twice."""
        ...


class PageLocked(Memory, Protocol):
    """Host memory that the device copies from and to by itself.

    Attributes:
        array: the same memory for numpy; not to be used after `free`.
    """

    array: npt.NDArray[Any]


class Event(Protocol):
    """A moment in a stream's work."""

    def record(self, stream: "Stream") -> None:
        """Let it be the moment when everything given to the stream so far is done."""
        ...

    def synchronize(self) -> None:
        """Sleep until that moment has come."""
        ...

    def milliseconds_since(self, earlier: "Event") -> float:
        """Time between two moments that have come, on the device's clock."""
        ...

    def close(self) -> None: ...


class Stream(Protocol):
    """Work for the device, done in the order in which it was given.

    Attributes:
        handle: the stream as a number, for TensorRT.
    """

    handle: int

    def upload(self, source: PageLocked, to: Memory) -> None:
        """Copy all of `source` to the device."""
        ...

    def download(self, source: Memory, to: PageLocked) -> None:
        """Fill `to` from the device."""
        ...

    def synchronize(self) -> None: ...

    def capture(self, work: Callable[[], None]) -> "Graph":
        """Record what `work` gives to this stream, instead of doing it."""
        ...

    def close(self) -> None: ...


class Graph(Protocol):
    """Recorded work, launched with one call."""

    def launch(self, stream: Stream) -> None: ...

    def close(self) -> None: ...


class Cuda(Protocol):
    """The first GPU of this machine, through one of the libraries.

    Attributes:
        library: which one.
        gpu: what card it is.
        errors: what its calls raise when the driver refuses.
    """

    library: str
    gpu: Gpu
    errors: tuple[type[Exception], ...]

    def enter(self) -> None:
        """Make the GPU the calling thread's; needed once in every thread, cheap after that."""
        ...

    def device_memory(self, nbytes: int) -> Memory: ...

    def page_locked(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> PageLocked: ...

    def stream(self) -> Stream: ...

    def event(self) -> Event: ...


class CudaError(Exception):
    """What the driver refused, in its own words."""


def open_cuda(purpose: str = "this needs an NVIDIA GPU") -> Cuda:
    """Open the first GPU.

    Args:
        purpose: begins the sentence if that fails.

    Raises:
        UserError: no library, no driver or no GPU; says which, and the next command.
    """
    present = [name for name in LIBRARIES if _is_installed(name)]
    if not present:
        raise UserError(
            f"{purpose}, and no library that talks to one is installed; "
            'run `pip install -e ".[cuda]"`'
        )
    reasons: dict[str, None] = {}  # each once, in order
    for name in present:
        try:
            return _opened(name)
        except (CudaError, ImportError, OSError) as error:
            reasons[_words(error)] = None
    raise UserError(
        f"{purpose}, and this machine shows none ({'; '.join(reasons)}); "
        "install NVIDIA's driver, or use --backend auto"
    )


def _words(error: Exception) -> str:
    if isinstance(error, ImportError) and "cuda" in str(error):  # pycuda is linked to the driver
        return NO_DRIVER
    return str(error).strip().split("\n")[0] or type(error).__name__


@cache
def _opened(library: str) -> Cuda:
    module = importlib.import_module(f"engines.{LIBRARIES[library]}")
    return cast(Cuda, module.open_first())


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False

"""CUDA through pycuda, compiled on the user's machine; see `engines.cuda` for what it promises.

pycuda knows no graphs: those few calls go to the driver itself. Its objects belong to the thread
that opened the GPU; other threads may run what was made there, but neither make nor free.
"""

import atexit
import ctypes
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from pycuda import driver

from engines import cuda
from engines.passport import Gpu

_NON_BLOCKING = 1  # a stream that does not wait for the default one
_THREAD_LOCAL = 1  # capture: other threads may allocate meanwhile


class _Memory:
    def __init__(self, nbytes: int) -> None:
        self._allocation = driver.mem_alloc(nbytes)
        self.address = int(self._allocation)

    def free(self) -> None:
        if self._allocation is not None:
            self._allocation.free()
            self._allocation = None


class _PageLocked:
    def __init__(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        self.array: npt.NDArray[Any] = driver.pagelocked_empty(shape, dtype)
        self.address = self.array.ctypes.data
        self._freed = False

    def free(self) -> None:
        if not self._freed:
            self.array.base.free()  # type: ignore[union-attr]
            self._freed = True


class _Event:
    def __init__(self) -> None:
        # The waiting thread sleeps: cameras and encoders need the processor.
        self.event = driver.Event(driver.event_flags.BLOCKING_SYNC)

    def record(self, stream: "_Stream") -> None:
        self.event.record(stream.stream)

    def synchronize(self) -> None:
        self.event.synchronize()

    def milliseconds_since(self, earlier: "_Event") -> float:
        return float(self.event.time_since(earlier.event))

    def close(self) -> None:
        self.event = None  # pycuda destroys what nobody holds


class _Graph:
    def __init__(self, graph: ctypes.c_void_p) -> None:
        self._executable = ctypes.c_void_p()
        _call("cuGraphInstantiateWithFlags", ctypes.byref(self._executable), graph, _ULONGLONG(0))
        _call("cuGraphDestroy", graph)

    def launch(self, stream: "_Stream") -> None:
        _call("cuGraphLaunch", self._executable, ctypes.c_void_p(stream.handle))

    def close(self) -> None:
        if self._executable:
            _call("cuGraphExecDestroy", self._executable)
            self._executable = ctypes.c_void_p()


class _Stream:
    def __init__(self) -> None:
        self.stream = driver.Stream(_NON_BLOCKING)
        self.handle = int(self.stream.handle)

    def upload(self, source: _PageLocked, to: _Memory) -> None:
        driver.memcpy_htod_async(to.address, source.array, self.stream)

    def download(self, source: _Memory, to: _PageLocked) -> None:
        driver.memcpy_dtoh_async(to.array, source.address, self.stream)

    def synchronize(self) -> None:
        self.stream.synchronize()

    def capture(self, work: Callable[[], None]) -> _Graph:
        stream, graph = ctypes.c_void_p(self.handle), ctypes.c_void_p()
        _call("cuStreamBeginCapture_v2", stream, ctypes.c_int(_THREAD_LOCAL))
        try:
            work()
        finally:
            _call("cuStreamEndCapture", stream, ctypes.byref(graph))
        return _Graph(graph)

    def close(self) -> None:
        self.stream = None  # pycuda destroys what nobody holds


class _Cuda:
    library = "pycuda"
    errors = (cuda.CudaError, driver.Error)

    def __init__(self) -> None:
        driver.init()
        if driver.Device.count() == 0:
            raise cuda.CudaError("the driver sees no GPU")
        device = driver.Device(0)
        self.gpu = _described(device)
        # TensorRT uses the primary context too. It is kept as long as the process lives.
        self._context = device.retain_primary_context()
        self._context.push()
        atexit.register(driver.Context.pop)  # pycuda aborts if one is left
        self._handle = ctypes.c_void_p(int(self._context.handle))
        self._threads = threading.local()
        self._threads.entered = True

    def enter(self) -> None:
        if not getattr(self._threads, "entered", False):
            _call("cuCtxSetCurrent", self._handle)
            self._threads.entered = True

    def device_memory(self, nbytes: int) -> _Memory:
        return _Memory(nbytes)

    def page_locked(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> _PageLocked:
        return _PageLocked(shape, dtype)

    def stream(self) -> _Stream:
        return _Stream()

    def event(self) -> _Event:
        return _Event()


_ULONGLONG = ctypes.c_ulonglong


@cache
def _driver() -> ctypes.CDLL:
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the driver that pycuda lacks."""
    status = getattr(_driver(), name)(*arguments)
    if status:
        words = ctypes.c_char_p()
        _driver().cuGetErrorString(status, ctypes.byref(words))
        raise cuda.CudaError((words.value or b"").decode() or f"{name}: error {status}")


def _described(device: Any) -> Gpu:
    version = driver.get_driver_version()
    major, minor = device.compute_capability()
    return Gpu(
        name=device.name(),
        capability=f"{major}.{minor}",
        memory=int(device.total_memory()),
        cuda=f"{version // 1000}.{version % 1000 // 10}",
    )


def open_first() -> cuda.Cuda:
    """Open the first GPU.

    Raises:
        engines.cuda.CudaError: there is no GPU, or its driver refuses.
    """
    try:
        return cast(cuda.Cuda, _Cuda())
    except driver.Error as error:
        raise cuda.CudaError(str(error)) from error

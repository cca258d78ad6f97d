"""CUDA through cuda-bindings, NVIDIA's own wheels; see `engines.cuda` for what it promises."""

import ctypes
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from cuda.bindings import driver

from engines import cuda
from engines.passport import Gpu


def _done(result: tuple[Any, ...]) -> Any:
    """What a call gave, or its error."""
    status, *values = result
    if status != driver.CUresult.CUDA_SUCCESS:
        _, words = driver.cuGetErrorString(status)
        raise cuda.CudaError(words.decode() if words else str(status))
    return values[0] if values else None


class _Memory:
    def __init__(self, nbytes: int) -> None:
        self.address, self.nbytes = int(_done(driver.cuMemAlloc(nbytes))), nbytes

    def free(self) -> None:
        if self.address:
            _done(driver.cuMemFree(self.address))
            self.address = 0


class _PageLocked:
    def __init__(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> None:
        self.nbytes = int(np.prod(shape)) * dtype.itemsize
        self.address = int(_done(driver.cuMemHostAlloc(self.nbytes, 0)))
        content = (ctypes.c_uint8 * self.nbytes).from_address(self.address)
        self.array: npt.NDArray[Any] = np.ndarray(shape, dtype, memoryview(content))

    def free(self) -> None:
        if self.address:
            _done(driver.cuMemFreeHost(self.address))
            self.address = 0


class _Event:
    def __init__(self) -> None:
        # The waiting thread sleeps: cameras and encoders need the processor.
        flag = driver.CUevent_flags.CU_EVENT_BLOCKING_SYNC
        self.event = _done(driver.cuEventCreate(int(flag)))

    def record(self, stream: "_Stream") -> None:
        _done(driver.cuEventRecord(self.event, stream.stream))

    def synchronize(self) -> None:
        _done(driver.cuEventSynchronize(self.event))

    def milliseconds_since(self, earlier: "_Event") -> float:
        return float(_done(driver.cuEventElapsedTime(earlier.event, self.event)))

    def close(self) -> None:
        if self.event is not None:
            _done(driver.cuEventDestroy(self.event))
            self.event = None


class _Graph:
    def __init__(self, graph: Any) -> None:
        self._executable = _done(driver.cuGraphInstantiate(graph, 0))
        _done(driver.cuGraphDestroy(graph))

    def launch(self, stream: "_Stream") -> None:
        _done(driver.cuGraphLaunch(self._executable, stream.stream))

    def close(self) -> None:
        if self._executable is not None:
            _done(driver.cuGraphExecDestroy(self._executable))
            self._executable = None


class _Stream:
    def __init__(self) -> None:
        flag = driver.CUstream_flags.CU_STREAM_NON_BLOCKING
        self.stream = _done(driver.cuStreamCreate(int(flag)))
        self.handle = int(self.stream)

    def upload(self, source: _PageLocked, to: _Memory) -> None:
        _done(driver.cuMemcpyHtoDAsync(to.address, source.address, source.nbytes, self.stream))

    def download(self, source: _Memory, to: _PageLocked) -> None:
        _done(driver.cuMemcpyDtoHAsync(to.address, source.address, to.nbytes, self.stream))

    def synchronize(self) -> None:
        _done(driver.cuStreamSynchronize(self.stream))

    def capture(self, work: Callable[[], None]) -> _Graph:
        # Other threads may allocate meanwhile; that is no reason for a capture to fail.
        mode = driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _done(driver.cuStreamBeginCapture(self.stream, mode))
        try:
            work()
        finally:
            graph = _Graph(_done(driver.cuStreamEndCapture(self.stream)))
        return graph

    def close(self) -> None:
        if self.stream is not None:
            _done(driver.cuStreamDestroy(self.stream))
            self.stream = None


class _Cuda:
    library = "cuda-bindings"
    errors = (cuda.CudaError,)

    def __init__(self) -> None:
        _done(driver.cuInit(0))
        if _done(driver.cuDeviceGetCount()) == 0:
            raise cuda.CudaError("the driver sees no GPU")
        device = _done(driver.cuDeviceGet(0))
        self.gpu = _described(device)
        # TensorRT uses the primary context too. It is kept as long as the process lives.
        self._context = _done(driver.cuDevicePrimaryCtxRetain(device))
        self.enter()

    def enter(self) -> None:
        _done(driver.cuCtxSetCurrent(self._context))

    def device_memory(self, nbytes: int) -> _Memory:
        return _Memory(nbytes)

    def page_locked(self, shape: tuple[int, ...], dtype: "np.dtype[Any]") -> _PageLocked:
        return _PageLocked(shape, dtype)

    def stream(self) -> _Stream:
        return _Stream()

    def event(self) -> _Event:
        return _Event()


def _described(device: Any) -> Gpu:
    attribute = driver.CUdevice_attribute
    major = _done(
        driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)
    )
    minor = _done(
        driver.cuDeviceGetAttribute(attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)
    )
    name = _done(driver.cuDeviceGetName(256, device)).split(b"\0")[0].decode()
    version = _done(driver.cuDriverGetVersion())
    return Gpu(
        name=name,
        capability=f"{major}.{minor}",
        memory=int(_done(driver.cuDeviceTotalMem(device))),
        cuda=f"{version // 1000}.{version % 1000 // 10}",
    )


def open_first() -> cuda.Cuda:
    """Open the first GPU.

    Raises:
        engines.cuda.CudaError: there is no driver or no GPU.
    """
    try:
        return cast(cuda.Cuda, _Cuda())
    except RuntimeError as error:  # the library's words are about how it searched
        raise cuda.CudaError(cuda.NO_DRIVER) from error

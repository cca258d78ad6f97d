"""TensorRT and TensorRT-RTX behind the engine contract.

Everything a frame needs is made when the engine is loaded: device memory, page-locked memory, a
stream, and a CUDA graph of upload, network and download. A frame is a copy into page-locked memory,
one launch, one wait and a copy out. Each engine has its own stream: what two of them were given
runs side by side.
"""

import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engines.adjusted import adjusted_graph
from engines.built import find_engine
from engines.contract import INPUT_TYPES, checked_input, graph_file
from engines.cuda import Cuda, CudaError, Graph, open_cuda
from engines.passport import check_passport, rebuild_command, write_whole
from engines.tensorrt_library import Library, load_library
from reenact.errors import UserError

if TYPE_CHECKING:
    import tensorrt as trt  # the annotations' names; tests/tensorrt_names.py reads them

_POOL = 4  # results that may be held at once before more memory is taken


class TensorRtEngine:
    """One graph in TensorRT; see `engines.contract.Engine`.

    Attributes:
        memory: bytes on the device for activations, besides weights.
        has_graph: whether a frame is one launch; else its parts are launched one by one.
    """

    name = "tensorrt"
    product = "tensorrt"

    def __init__(
        self,
        model_dir: Path | str,
        graph: str,
        threads: int | None = None,
        delta: npt.NDArray[np.float16] | None = None,
    ) -> None:
        """Load the engine that was built for a graph.

        Args:
            model_dir: the folder with the ONNX files; the engine lies there or in `engines/built`.
            graph: one of `engines.contract.GRAPHS`.
            threads: not used: the GPU computes.
            delta: of an adjusted avatar, f16 [P], for `render` (see `reenact.delta`).

        Raises:
            UserError: no library, no GPU, no engine, or one that does not fit (see its passport);
                with a delta also one that was built without refit.
        """
        self._library = load_library(self.product)
        self._cuda: Cuda = open_cuda(f"{self._library.title} needs an NVIDIA GPU")
        self._cuda.enter()  # engines of adjusted avatars are made in a thread of their own
        self.path = find_engine(model_dir, graph, self.product)
        self.passport = check_passport(self.path, self._library.version, self._cuda.gpu)
        self._graph, self._busy = graph, False
        self._runtime: trt.Runtime = self._library.module.Runtime(self._library.logger)
        self._engine: trt.ICudaEngine = self._deserialized()
        self._launch: Graph | None = None
        self._taken: ExitStack | None = ExitStack()  # what is to be given back, last first
        try:
            self._context: trt.IExecutionContext = self._new_context()
            self._take_buffers(self._taken)
            self._launch = self._captured()
        except self._cuda.errors as error:
            self.close()
            raise UserError(
                f"{self._library.title} cannot run {self.path.name} here: {error}; close other "
                "programs that use the GPU, or use --backend auto"
            ) from error
        self.device = f"{self._cuda.gpu.name} {self.passport.precision}"
        if not self.has_graph:
            self.device += " without CUDA graph"
        if delta is not None:
            self._adjust(graph_file(model_dir, graph), delta)

    @property
    def has_graph(self) -> bool:
        return self._launch is not None

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        self.start(array)
        return self.finish()

    def start(self, array: npt.NDArray[Any]) -> None:
        """Give the device its work and return at once; `finish` waits for the result.

        Raises:
            TypeError, ValueError, RuntimeError: as a call; also if `finish` was not called since.
        """
        array = checked_input(self._graph, array, self.input_shape)
        if self._taken is None:
            raise RuntimeError(f"{self._graph}: the engine is closed")
        if self._busy:
            raise RuntimeError(f"{self._graph}: started twice without finish")
        self._cuda.enter()
        np.copyto(self._entry.array, array)
        self._before.record(self._stream)
        if self._launch is None:
            self._enqueue()
        else:
            self._launch.launch(self._stream)
        self._after.record(self._stream)
        self._busy = True

    def finish(self) -> npt.NDArray[Any]:
        """Wait for what was started; the result is the caller's own."""
        if not self._busy:
            raise RuntimeError(f"{self._graph}: finish without start")
        self._cuda.enter()
        self._busy = False
        self._after.synchronize()
        return self._results.copy_of(self._exit.array)

    def device_ms(self) -> float:
        """What the last call took on the device, copies included, ms."""
        return self._after.milliseconds_since(self._before)

    def refit(self, onnx: Path) -> None:
        """Exchange the weights for those of the same graph with other numbers.

        For an avatar with a generator of its own (manifold adjustment), without another build.

        Raises:
            RuntimeError: the engine is closed, or `finish` was not called since `start`.
            UserError: the engine was not built with refit, or the graph is not the same.
        """
        if self._taken is None or self._busy:
            raise RuntimeError(f"{self._graph}: the engine is {'busy' if self._busy else 'closed'}")
        if not self.passport.refit:
            again = f"{rebuild_command(self.path).rstrip('`')} --refit`"
            raise UserError(f"{self.path} was built without refit; build it again: {again}")
        self._cuda.enter()
        module, logger = self._library.module, self._library.logger
        self._library.complaints.clear()
        refitter = module.Refitter(self._engine, logger)
        reader = module.OnnxParserRefitter(refitter, logger)
        if not (reader.refit_from_file(str(onnx)) and refitter.refit_cuda_engine()):
            raise UserError(
                f"{onnx} does not fit {self.path.name}: {self._library.reason()}; "
                "export both from the same generator: `python -m export`"
            )
        self._drop_graph()
        self._launch = self._captured()

    def _adjust(self, onnx: Path, delta: npt.NDArray[np.float16]) -> None:
        """Take the weights of an adjusted avatar; closed where that fails."""
        try:
            with tempfile.TemporaryDirectory() as folder:
                adjusted = Path(folder) / onnx.name
                adjusted.write_bytes(adjusted_graph(onnx, delta))
                self.refit(adjusted)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give memory, stream and engine back; may be called twice."""
        if self._taken is not None:
            self._cuda.enter()
            self._drop_graph()
            self._taken.close()
            self._taken = self._context = self._engine = self._runtime = None

    def _deserialized(self) -> "trt.ICudaEngine":
        self._library.complaints.clear()
        engine = self._runtime.deserialize_cuda_engine(self.path.read_bytes())
        if engine is None:
            raise UserError(
                f"{self._library.title} does not take {self.path}: {self._library.reason()}; "
                f"build it again: {rebuild_command(self.path)}"
            )
        return engine

    def _new_context(self) -> "trt.IExecutionContext":
        context = self._engine.create_execution_context()
        if context is None:
            raise UserError(
                f"{self.path.name} does not fit into the GPU's memory: {self._library.reason()}; "
                "close other programs, or take a smaller --size"
            )
        return context

    def _take_buffers(self, taken: ExitStack) -> None:
        entry, result = _ends(self._library, self._engine, self._graph, self.path)
        self._names = entry[0], result[0]
        self.input_shape, self.output_shape = entry[1], result[1]
        self._entry = self._cuda.page_locked(*entry[1:])
        taken.callback(self._entry.free)
        self._exit = self._cuda.page_locked(*result[1:])
        taken.callback(self._exit.free)
        self._device_in = self._cuda.device_memory(self._entry.array.nbytes)
        taken.callback(self._device_in.free)
        self._device_out = self._cuda.device_memory(self._exit.array.nbytes)
        taken.callback(self._device_out.free)
        self._stream = self._cuda.stream()
        taken.callback(self._stream.close)
        self._before, self._after = self._cuda.event(), self._cuda.event()
        taken.callback(self._before.close)
        taken.callback(self._after.close)
        taken.callback(self._stream.synchronize)
        self._results = _Results(self._exit.array)
        self.memory = int(self._engine.device_memory_size_v2)

    def _enqueue(self) -> None:
        self._stream.upload(self._entry, self._device_in)
        if not self._context.execute_async_v3(self._stream.handle):
            raise CudaError(f"{self._graph}: {self._library.reason()}")
        self._stream.download(self._device_out, self._exit)

    def _captured(self) -> Graph | None:
        """Run once, which settles everything lazy, then record; None where that is refused."""
        for name, memory in zip(self._names, (self._device_in, self._device_out), strict=True):
            self._context.set_tensor_address(name, memory.address)
        self._entry.array.fill(1)  # styles of 0 have no maximum to be divided by
        self._enqueue()
        self._stream.synchronize()
        self._after_first_run()
        try:
            return self._stream.capture(self._enqueue)
        except self._cuda.errors:
            return None

    def _after_first_run(self) -> None:
        """What there is to keep of the first run."""

    def _drop_graph(self) -> None:
        if self._launch is not None:
            self._launch.close()
            self._launch = None


class TensorRtRtxEngine(TensorRtEngine):
    """One graph in TensorRT-RTX, which compiles for the card at first and keeps that."""

    name = "tensorrt-rtx"
    product = "tensorrt_rtx"

    def _new_context(self) -> "trt.IExecutionContext":
        config = self._engine.create_runtime_config()
        self._cache: trt.IRuntimeCache = config.create_runtime_cache()
        self._cache_file = self.path.with_suffix(".jit")
        self._known = b""
        with suppress(OSError):
            self._known = self._cache_file.read_bytes()
        if self._known and not self._cache.deserialize(self._known):
            self._known = b""  # of another card, driver or version: compiled anew
        config.set_runtime_cache(self._cache)
        self._config: trt.IRuntimeConfig = config
        context = self._engine.create_execution_context(config)
        return context if context is not None else super()._new_context()

    def _after_first_run(self) -> None:
        kernels = bytes(self._cache.serialize())
        if kernels != self._known:
            with suppress(OSError):  # it is compiled again next time
                write_whole(self._cache_file, kernels)


ENGINES = {engine.product: engine for engine in (TensorRtEngine, TensorRtRtxEngine)}


class _Results:
    """Memory for results that is used again once nobody holds them: no page faults per frame."""

    def __init__(self, like: npt.NDArray[Any]) -> None:
        self._arrays = [np.empty_like(like)]
        self._idle = self._holders(0)

    def copy_of(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A copy of `array`: a view, so that what is done to its flags stays with it."""
        for index in range(len(self._arrays)):
            if self._holders(index) <= self._idle:
                np.copyto(self._arrays[index], array)
                return self._arrays[index].view()
        copy = array.copy()
        if len(self._arrays) < _POOL:
            self._arrays.append(copy)
        return copy.view()

    def _holders(self, index: int) -> int:
        return sys.getrefcount(self._arrays[index])


_End = tuple[str, tuple[int, ...], "np.dtype[Any]"]


def _ends(library: Library, engine: "trt.ICudaEngine", graph: str, path: Path) -> tuple[_End, _End]:
    """Name, shape and dtype of the one input and the one output."""
    module = library.module
    mode = module.TensorIOMode
    ends: dict[Any, list[_End]] = {mode.INPUT: [], mode.OUTPUT: []}
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dtype = np.dtype(module.nptype(engine.get_tensor_dtype(name)))
        end = (name, tuple(engine.get_tensor_shape(name)), dtype)
        ends[engine.get_tensor_mode(name)].append(end)
    entries, results = ends.values()
    if len(entries) != 1 or len(results) != 1 or entries[0][2] != INPUT_TYPES[graph]:
        raise UserError(
            f"{path} is not a graph of ours: it takes {len(entries)} and gives {len(results)} "
            f"arrays; build it again: {rebuild_command(path)}"
        )
    return entries[0], results[0]

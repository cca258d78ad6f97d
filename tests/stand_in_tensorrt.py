"""TensorRT for machines without a GPU: the names that engines/ uses, ONNX Runtime doing the work.

An "engine" is the ONNX itself behind a mark. `execute_async_v3` gives the stand-in driver a host
function, so that it waits in the stream, and can be captured, as on a GPU. It proves the order of
our calls and the way of the data; that the names are the real ones is test_tensorrt_names.py's.
"""

import ctypes
from enum import IntEnum
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

__version__ = "10.99.0"

_MARK = b"stand-in engine, refit "
_HOST_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class TensorIOMode(IntEnum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class MemoryPoolType(IntEnum):
    WORKSPACE = 0


class BuilderFlag(IntEnum):
    REFIT = 2
    TF32 = 5


class NetworkDefinitionCreationFlag(IntEnum):
    STRONGLY_TYPED = 1


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING = range(3)

    def log(self, severity: int, message: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    pass


def nptype(dtype: Any) -> Any:
    return dtype


class _Tensor:
    def __init__(self, described: Any) -> None:
        kind = described.type.tensor_type
        self.name, self.shape = described.name, [d.dim_value for d in kind.shape.dim]
        self.dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)


class _Network:
    model: Any = None

    @property
    def num_inputs(self) -> int:
        return len(self.model.graph.input)

    @property
    def num_outputs(self) -> int:
        return len(self.model.graph.output)

    def get_input(self, index: int) -> _Tensor:
        return _Tensor(self.model.graph.input[index])

    def get_output(self, index: int) -> _Tensor:
        return _Tensor(self.model.graph.output[index])


class _TimingCache(bytes):
    def serialize(self) -> bytes:
        return bytes(self) or b"times"


class _Config:
    def __init__(self) -> None:
        self.flags: set[int] = set()
        self.progress_monitor: Any = None
        self._cache: Any = None

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        assert pool == MemoryPoolType.WORKSPACE and size > 0

    def set_flag(self, flag: int) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: int) -> None:
        self.flags.discard(flag)

    def create_timing_cache(self, content: bytes) -> _TimingCache | None:
        return _TimingCache(content) if content in (b"", b"times") else None

    def set_timing_cache(self, cache: _TimingCache, ignore_mismatch: bool) -> bool:
        self._cache = cache
        return True

    def get_timing_cache(self) -> _TimingCache | None:
        return self._cache


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger

    def create_network(self, flags: int) -> _Network:
        assert flags == 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED
        return _Network()

    def create_builder_config(self) -> _Config:
        return _Config()

    def build_serialized_network(self, network: _Network, config: _Config) -> bytes | None:
        monitor = config.progress_monitor
        monitor.phase_start("Building engine", None, 2)
        alive = monitor.step_complete("Building engine", 0)
        monitor.phase_finish("Building engine")
        refit = b"1" if BuilderFlag.REFIT in config.flags else b"0"
        return _MARK + refit + network.model.SerializeToString() if alive else None


class OnnxParser:
    num_errors = 0

    def __init__(self, network: _Network, logger: ILogger) -> None:
        self._network = network

    def parse(self, model: bytes) -> bool:
        self._network.model = onnx.load_from_string(model)
        return True


class _RuntimeCache:
    content = b""

    def deserialize(self, content: bytes) -> bool:
        self.content = content if content == b"kernels" else b""
        return bool(self.content)

    def serialize(self) -> bytes:
        return b"kernels"


class _RuntimeConfig:
    cache: _RuntimeCache | None = None

    def create_runtime_cache(self) -> _RuntimeCache:
        return _RuntimeCache()

    def set_runtime_cache(self, cache: _RuntimeCache) -> bool:
        self.cache = cache
        return True


class _Engine:
    def __init__(self, content: bytes) -> None:
        self._set_model(content[len(_MARK) + 1 :])
        self.device_memory_size_v2 = 1 << 20

    def _set_model(self, model: bytes) -> None:
        self.model = onnx.load_from_string(model)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        ends = (*self.model.graph.input, *self.model.graph.output)
        self.tensors = {tensor.name: tensor for tensor in map(_Tensor, ends)}

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        entries = [tensor.name for tensor in self.model.graph.input]
        return TensorIOMode.INPUT if name in entries else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return self.tensors[name].dtype

    def get_tensor_shape(self, name: str) -> list[int]:
        return self.tensors[name].shape

    def create_runtime_config(self) -> _RuntimeConfig:
        return _RuntimeConfig()

    def create_execution_context(self, runtime_config: Any = None) -> "_Context":
        return _Context(self)


class _Context:
    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._addresses: dict[str, int] = {}
        self._function = _HOST_FUNCTION(self._run)

    def set_tensor_address(self, name: str, address: int) -> bool:
        assert name in self._engine.tensors
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream: int) -> bool:
        driver = ctypes.CDLL("libcuda.so.1")
        return driver.cuLaunchHostFunc(ctypes.c_void_p(stream), self._function, None) == 0

    def _run(self, _: Any) -> None:
        entry, result = self._engine.tensors.values()
        outputs = self._engine.session.run(None, {entry.name: self._memory(entry)})
        self._memory(result)[...] = outputs[0]

    def _memory(self, tensor: _Tensor) -> Any:
        nbytes = int(np.prod(tensor.shape)) * tensor.dtype.itemsize
        content = (ctypes.c_uint8 * nbytes).from_address(self._addresses[tensor.name])
        return np.frombuffer(content, tensor.dtype).reshape(tensor.shape)


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> _Engine | None:
        if content.startswith(_MARK):
            return _Engine(content)
        self._logger.log(ILogger.ERROR, "the plan has no mark")
        return None


class Refitter:
    def __init__(self, engine: _Engine, logger: ILogger) -> None:
        self.engine, self.logger, self.model = engine, logger, b""

    def refit_cuda_engine(self) -> bool:
        self.engine._set_model(self.model)
        return True


class OnnxParserRefitter:
    def __init__(self, refitter: Refitter, logger: ILogger) -> None:
        self._refitter = refitter

    def refit_from_file(self, path: str) -> bool:
        model, before = onnx.load(path), self._refitter.engine.model
        if [node.op_type for node in model.graph.node] != [n.op_type for n in before.graph.node]:
            self._refitter.logger.log(ILogger.ERROR, "weights are missing")
            return False
        self._refitter.model = model.SerializeToString()
        return True

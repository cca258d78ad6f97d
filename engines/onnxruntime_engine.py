"""ONNX Runtime: on the CPU it runs everywhere, on GPUs through what this copy of it offers.

It also reads what a model file says of itself.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from engines.adjusted import adjusted_graph
from engines.contract import (
    GRAPHS,
    ModelInfo,
    checked_input,
    damaged,
    graph_file,
    parse_info,
    usable_threads,
)
from reenact.errors import UserError

_CPU = "CPUExecutionProvider"
_GPUS = {
    "CUDAExecutionProvider": "CUDA",
    "DmlExecutionProvider": "DirectML",
    "CoreMLExecutionProvider": "CoreML",
}
"""In the order of preference. Its TensorRT is left out: that builds for minutes at every first run,
and what it built has no passport."""
_WARNINGS_OFF, _SILENT = 3, 4  # severity: errors only, as they also arrive as exceptions; nothing


class OnnxRuntimeEngine:
    """One graph in ONNX Runtime on the CPU; see `engines.contract.Engine`."""

    name = "onnxruntime"

    def __init__(
        self,
        model_dir: Path | str,
        graph: str,
        threads: int | None = None,
        delta: npt.NDArray[np.float16] | None = None,
    ) -> None:
        """Load a graph.

        Args:
            model_dir: the folder with the ONNX files.
            graph: one of `engines.contract.GRAPHS`.
            threads: for one call; None: see `usable_threads`.
            delta: of an adjusted avatar, f16 [P], for `render` (see `reenact.delta`).

        Raises:
            UserError: the file is missing or damaged, or the delta is not for it.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = usable_threads(threads)
        options.inter_op_num_threads = 1
        # Idle threads of one network must not spin while the other network computes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = graph_file(model_dir, graph)
        content = None if delta is None else adjusted_graph(path, delta)
        self._session: ort.InferenceSession | None = self._opened(path, options, content)
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.device = f"{self._where} {metadata.get('reenact.precision', 'fp32')}"
        self._graph = graph
        (entry,), (result,) = self._session.get_inputs(), self._session.get_outputs()
        self._entry = entry.name
        # a graph exported with --batch free names its first axis; here a frame comes at a time
        self.input_shape: tuple[int, ...] = (1, *entry.shape[1:])
        self.output_shape: tuple[int, ...] = (1, *result.shape[1:])

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = checked_input(self._graph, array, self.input_shape)
        if self._session is None:
            raise RuntimeError(f"{self._graph}: the engine is closed")
        output: npt.NDArray[Any] = self._session.run(None, {self._entry: array})[0]
        return output

    def close(self) -> None:
        self._session = None

    _where = "CPU"

    def _opened(
        self, path: Path, options: ort.SessionOptions, content: bytes | None
    ) -> ort.InferenceSession:
        return _open(path, options, _CPU, content)


class OnnxRuntimeGpuEngine(OnnxRuntimeEngine):
    """One graph in ONNX Runtime on a GPU; see `engines.contract.Engine`."""

    name = "onnxruntime-gpu"

    def _opened(
        self, path: Path, options: ort.SessionOptions, content: bytes | None
    ) -> ort.InferenceSession:
        offered = [name for name in _GPUS if name in ort.get_available_providers()]
        if not offered:
            raise UserError(
                "this onnxruntime computes on the CPU only; for NVIDIA run `pip uninstall -y "
                "onnxruntime && pip install onnxruntime-gpu`, for other cards on Windows take "
                "onnxruntime-directml, or use --backend auto"
            )
        self._where = f"GPU ({_GPUS[offered[0]]})"
        session = _open(path, options, offered[0], content)
        if session.get_providers()[0] != offered[0]:  # it goes on without a word on the CPU
            raise UserError(
                f"onnxruntime cannot start {_GPUS[offered[0]]} here and would compute on the CPU; "
                "install the libraries its documentation names for that, or use --backend auto"
            )
        return session


def read_info(model_dir: Path | str) -> ModelInfo:
    """Read what a model folder holds, from the metadata of its graphs.

    All three must be there; of an imported generator that nobody can drive yet the first and last.

    Raises:
        UserError: a graph is missing or damaged, or they are of different generators.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    infos: list[ModelInfo] = []
    crop = 0  # what the camera's pictures are cut to: an imported portrait encoder's may be another
    for graph in GRAPHS:
        if graph == "encode_deformation" and not (Path(model_dir) / f"{graph}.onnx").exists():
            continue
        path = graph_file(model_dir, graph)
        session = _open(path, options)
        crop = crop if graph == "render" else session.get_inputs()[0].shape[1]
        try:
            infos.append(parse_info(session.get_modelmeta().custom_metadata_map, 0))
        except ValueError as error:
            raise damaged(path, error) from error
    if len(set(infos)) > 1:
        raise UserError(
            f"the graphs in {model_dir} are of different models; export them again together: "
            "`python -m export`"
        )
    return replace(infos[0], crop=crop)


def _open(
    path: Path, options: ort.SessionOptions, provider: str = _CPU, content: bytes | None = None
) -> ort.InferenceSession:
    """A session of a file, or of other `content` for it."""
    options.log_severity_level = _WARNINGS_OFF if provider == _CPU else _SILENT
    try:
        providers = [*dict.fromkeys((provider, _CPU))]
        return ort.InferenceSession(content or path, options, providers=providers)
    except Exception as error:  # the library's own exceptions share no narrower base class
        raise damaged(path, error) from error

"""ONNX Runtime on the CPU in fp32: runs everywhere, and reads what a model file says of itself."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

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

_WARNINGS_OFF = 3  # severity: errors only; they also arrive as exceptions


class OnnxRuntimeEngine:
    """One graph in ONNX Runtime; see `engines.contract.Engine`."""

    name = "onnxruntime"
    device = "CPU fp32"

    def __init__(self, model_dir: Path | str, graph: str, threads: int | None = None) -> None:
        """Load a graph.

        Args:
            model_dir: the folder with the ONNX files.
            graph: one of `engines.contract.GRAPHS`.
            threads: for one call; None: see `usable_threads`.

        Raises:
            UserError: the file is missing or damaged.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = usable_threads(threads)
        options.inter_op_num_threads = 1
        # Idle threads of one network must not spin while the other network computes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session: ort.InferenceSession | None = _open(graph_file(model_dir, graph), options)
        self._graph = graph
        (entry,), (result,) = self._session.get_inputs(), self._session.get_outputs()
        self._entry = entry.name
        self.input_shape: tuple[int, ...] = tuple(entry.shape)
        self.output_shape: tuple[int, ...] = tuple(result.shape)

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = checked_input(self._graph, array, self.input_shape)
        if self._session is None:
            raise RuntimeError(f"{self._graph}: the engine is closed")
        output: npt.NDArray[Any] = self._session.run(None, {self._entry: array})[0]
        return output

    def close(self) -> None:
        self._session = None


def read_info(model_dir: Path | str) -> ModelInfo:
    """Read what a model folder holds, from the metadata of its three graphs.

    Raises:
        UserError: a graph is missing or damaged, or they are of different generators.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    infos: list[ModelInfo] = []
    for graph in GRAPHS:
        path = graph_file(model_dir, graph)
        session = _open(path, options)
        shape = session.get_inputs()[0].shape
        crop = infos[-1].crop if graph == "render" else shape[1]
        try:
            infos.append(parse_info(session.get_modelmeta().custom_metadata_map, crop))
        except ValueError as error:
            raise damaged(path, error) from error
    if len(set(infos)) > 1:
        raise UserError(
            f"the graphs in {model_dir} are of different models; export them again together: "
            "`python -m export`"
        )
    return infos[0]


def _open(path: Path, options: ort.SessionOptions) -> ort.InferenceSession:
    options.log_severity_level = _WARNINGS_OFF
    try:
        return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own exceptions share no narrower base class
        raise damaged(path, error) from error

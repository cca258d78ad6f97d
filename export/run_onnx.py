"""Run an ONNX model that is not written yet, and look inside it."""

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import onnx
import onnxruntime as ort

from engines.contract import usable_threads

Array = npt.NDArray[Any]

_ERRORS_ONLY = 3  # they also arrive as exceptions


def runner(
    model: onnx.ModelProto, names: list[str], optimise: bool = True
) -> Callable[[Array], list[Array]]:
    """Return a function that runs a model in ONNX Runtime on the CPU and gives the named values."""
    unique = list(dict.fromkeys(names))
    whole = onnx.ModelProto.FromString(model.SerializeToString())
    outputs = {value.name for value in whole.graph.output}
    whole.graph.output.extend(onnx.ValueInfoProto(name=n) for n in unique if n not in outputs)
    options = ort.SessionOptions()
    options.intra_op_num_threads = usable_threads(None)
    options.log_severity_level = _ERRORS_ONLY
    if not optimise:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    providers = ["CPUExecutionProvider"]
    session = ort.InferenceSession(whole.SerializeToString(), options, providers=providers)
    (entry,) = session.get_inputs()

    def run(array: Array) -> list[Array]:
        got = dict(zip(unique, session.run(unique, {entry.name: array}), strict=True))
        return [got[name] for name in names]

    return run

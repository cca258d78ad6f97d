"""OpenVINO on the CPU: in bf16 where the processor computes in it, which is the fastest there."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from engines.adjusted import adjusted_graph
from engines.contract import checked_input, damaged, graph_file, usable_threads


@cache
def core() -> ov.Core:
    """The one Core of this process, never closed.

    Each Core gives the thread a stack for signals and later puts back the one it found. Of two that
    end in the order they began, the second puts back what is freed already: the next Ctrl-C is a
    segmentation fault.
    """
    return ov.Core()


def has_bf16() -> bool:
    """Whether this processor computes in bf16."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings(threads: int | None = None) -> dict[str, Any]:
    """How a network is compiled; `threads`: None: see `usable_threads`."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if has_bf16() else "f32",
        "INFERENCE_NUM_THREADS": usable_threads(threads),
        # Cameras, encoders and the other network compute too: let the system move threads
        # away from a busy core (measured: half the time on a machine with other work).
        "ENABLE_CPU_PINNING": False,
    }


class OpenVinoEngine:
    """One graph in OpenVINO; see `engines.contract.Engine`."""

    name = "openvino"

    def __init__(
        self,
        model_dir: Path | str,
        graph: str,
        threads: int | None = None,
        delta: npt.NDArray[np.float16] | None = None,
    ) -> None:
        """Compile a graph for this processor; nothing is cached on disk.

        Args:
            model_dir: the folder with the ONNX files.
            graph: one of `engines.contract.GRAPHS`.
            threads: for one call; None: see `usable_threads`.
            delta: of an adjusted avatar, f16 [P], for `render` (see `reenact.delta`).

        Raises:
            UserError: the file is missing or damaged, or the delta is not for it.
        """
        path = graph_file(model_dir, graph)
        source = path if delta is None else adjusted_graph(path, delta)
        try:
            model = core().read_model(source)
            if model.is_dynamic():  # exported with --batch free; here a frame comes at a time
                model.reshape([1, *model.input(0).partial_shape[1:]])
            compiled = core().compile_model(model, "CPU", settings(threads))
        except RuntimeError as error:
            raise damaged(path, error) from error
        self.device = "CPU bf16" if has_bf16() else "CPU fp32"
        self.input_shape: tuple[int, ...] = tuple(compiled.input(0).shape)
        self.output_shape: tuple[int, ...] = tuple(compiled.output(0).shape)
        self._graph = graph
        self._request: ov.InferRequest | None = compiled.create_infer_request()

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = checked_input(self._graph, array, self.input_shape)
        if self._request is None:
            raise RuntimeError(f"{self._graph}: the engine is closed")
        # The input is read in place; the output is copied, for the next call overwrites it.
        self._request.infer([array], share_inputs=True, share_outputs=True)
        return np.array(self._request.get_output_tensor(0).data)

    def close(self) -> None:
        self._request = None

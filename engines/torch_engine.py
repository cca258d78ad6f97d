"""torch in fp32: the reference the other engines are compared with, and on a CPU the slowest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from engines.contract import CHECKPOINT, GRAPHS, INPUT_TYPES, checked_input, usable_threads
from reenact import graphs, spaces
from reenact.checkpoint import load_checkpoint
from reenact.hybrid import Puppeteer
from reenact.low_rank import adjust_weights


def graph_module(puppeteer: Puppeteer, graph: str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return one of GRAPHS as a module of plain tensors whose convolutions are in `dtype`.

    Raises:
        ValueError: there is no graph of that name.
    """
    if graph == "encode_identity" and puppeteer.portrait is not None:
        return graphs.EncodePortrait(puppeteer).eval()
    if graph == "encode_identity":
        return graphs.EncodeIdentity(puppeteer, dtype).eval()
    if graph == "encode_deformation":
        return graphs.EncodeDeformation(puppeteer, dtype).eval()
    if graph == "render":
        return graphs.Render(puppeteer.generator.synthesis, dtype).eval()
    raise ValueError(f"got the graph {graph!r}, expected one of {', '.join(GRAPHS)}")


def graph_shapes(puppeteer: Puppeteer, graph: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a graph's input and output, both with the leading 1."""
    dims, crop = puppeteer.dims, (1, puppeteer.encoder.crop, puppeteer.encoder.crop, 3)
    portrait = (1, puppeteer.portrait_crop, puppeteer.portrait_crop, 3)
    return {
        "encode_identity": (portrait, (1, spaces.rows(dims), dims.w_dim)),
        "encode_deformation": (crop, (1, spaces.deformation_count(dims))),
        "render": ((1, spaces.style_count(dims)), (1, dims.resolution, dims.resolution, 3)),
    }[graph]


class TorchEngine:
    """One graph in torch, from a model folder's checkpoint; see `engines.contract.Engine`."""

    name = "torch"

    def __init__(
        self,
        model_dir: Path | str,
        graph: str,
        threads: int | None = None,
        delta: npt.NDArray[np.float16] | None = None,
    ) -> None:
        """Load the checkpoint and keep one graph of it.

        Args:
            model_dir: the folder with `starter.safetensors`.
            graph: one of `engines.contract.GRAPHS`.
            threads: of torch's one pool, for the whole process; None: see `usable_threads`.
            delta: of an adjusted avatar, f16 [P], for `render` (see `reenact.delta`).

        Raises:
            ValueError: there is no graph of that name.
            UserError: the checkpoint is missing or damaged, or the delta is not for it.
        """
        torch.set_num_threads(usable_threads(threads))
        puppeteer, _ = load_checkpoint(Path(model_dir) / CHECKPOINT)
        if delta is not None:
            adjust_weights(puppeteer.generator, delta)
        module = graph_module(puppeteer, graph)
        self._graph = graph
        self.input_shape, self.output_shape = graph_shapes(puppeteer, graph)
        self._run: Callable[[Tensor], Tensor] | None = module
        self.device = "CPU fp32"
        if torch.cuda.is_available():
            example = torch.from_numpy(np.ones(self.input_shape, INPUT_TYPES[graph]))
            self._run = _Captured(module, example)
            self.device = f"{torch.cuda.get_device_name()} fp32"

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = checked_input(self._graph, array, self.input_shape)
        if self._run is None:
            raise RuntimeError(f"{self._graph}: the engine is closed")
        with torch.inference_mode():  # a copy goes in: torch warns of arrays it must not write to
            output: npt.NDArray[Any] = self._run(torch.tensor(array)).contiguous().numpy()
        return output

    def close(self) -> None:
        self._run = None


class _Captured:
    """A module on the GPU as one CUDA graph: its kernels are launched at once, not one by one."""

    def __init__(self, module: nn.Module, example: Tensor) -> None:
        torch.backends.cudnn.allow_tf32 = False  # fp32 is to mean fp32
        self._entry, module = example.cuda(), module.cuda()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        with torch.inference_mode():
            with torch.cuda.stream(side):  # a capture needs what is lazy to be settled
                for _ in range(3):
                    module(self._entry)
            torch.cuda.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._result: Tensor = module(self._entry)

    def __call__(self, array: Tensor) -> Tensor:
        self._entry.copy_(array)
        self._graph.replay()
        return self._result.cpu()

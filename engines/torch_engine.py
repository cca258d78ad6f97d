"""torch on the CPU in fp32: the reference the other engines are compared with, and the slowest."""

from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from engines.contract import CHECKPOINT, GRAPHS, checked_input, usable_threads
from reenact import graphs, spaces
from reenact.checkpoint import load_checkpoint
from reenact.hybrid import Puppeteer


def graph_module(puppeteer: Puppeteer, graph: str) -> nn.Module:
    """Return one of GRAPHS as a module of plain tensors.

    Raises:
        ValueError: there is no graph of that name.
    """
    if graph == "encode_identity":
        return graphs.EncodeIdentity(puppeteer).eval()
    if graph == "encode_deformation":
        return graphs.EncodeDeformation(puppeteer).eval()
    if graph == "render":
        return graphs.Render(puppeteer.generator.synthesis).eval()
    raise ValueError(f"got the graph {graph!r}, expected one of {', '.join(GRAPHS)}")


def graph_shapes(puppeteer: Puppeteer, graph: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of a graph's input and output, both with the leading 1."""
    dims, crop = puppeteer.dims, (1, puppeteer.encoder.crop, puppeteer.encoder.crop, 3)
    return {
        "encode_identity": (crop, (1, spaces.rows(dims), dims.w_dim)),
        "encode_deformation": (crop, (1, spaces.deformation_count(dims))),
        "render": ((1, spaces.style_count(dims)), (1, dims.resolution, dims.resolution, 3)),
    }[graph]


class TorchEngine:
    """One graph in torch, from a model folder's checkpoint; see `engines.contract.Engine`."""

    name = "torch"
    device = "CPU fp32"

    def __init__(self, model_dir: Path | str, graph: str, threads: int | None = None) -> None:
        """Load the checkpoint and keep one graph of it.

        Args:
            model_dir: the folder with `starter.safetensors`.
            graph: one of `engines.contract.GRAPHS`.
            threads: of torch's one pool, for the whole process; None: see `usable_threads`.

        Raises:
            ValueError: there is no graph of that name.
            UserError: the checkpoint is missing or damaged.
        """
        torch.set_num_threads(usable_threads(threads))
        puppeteer, _ = load_checkpoint(Path(model_dir) / CHECKPOINT)
        self._module: nn.Module | None = graph_module(puppeteer, graph)
        self._graph = graph
        self.input_shape, self.output_shape = graph_shapes(puppeteer, graph)

    def __call__(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        array = checked_input(self._graph, array, self.input_shape)
        if self._module is None:
            raise RuntimeError(f"{self._graph}: the engine is closed")
        with torch.inference_mode():  # a copy goes in: torch warns of arrays it must not write to
            output: npt.NDArray[Any] = self._module(torch.tensor(array)).contiguous().numpy()
        return output

    def close(self) -> None:
        self._module = None

"""An exported graph against the networks it came from: the same numbers, or no export."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engines.contract import INPUT_TYPES
from engines.onnxruntime_engine import OnnxRuntimeEngine
from engines.torch_engine import graph_shapes
from reenact import graphs
from reenact.errors import UserError
from reenact.hybrid import Puppeteer

FLOAT_TOLERANCE = 1e-4  # of the largest number, or of 1 where all are smaller
LEVEL_TOLERANCE = 1  # of a uint8 picture: rounding may fall on either side


def compare(puppeteer: Puppeteer, graph: str, folder: Path) -> float:
    """Run a graph of `folder` in ONNX Runtime (fp32) and in torch on the same inputs.

    The reference is the networks as they were trained, not the modules that were exported.

    Returns:
        The largest absolute difference: of an encoder's numbers, or in levels of the picture.

    Raises:
        UserError: they differ by more than the tolerance; it says on which input and where.
    """
    engine = OnnxRuntimeEngine(folder, graph)
    worst = 0.0
    for what, array in examples(puppeteer, graph).items():
        expected, got = reference(puppeteer, graph, array), engine(array)
        if got.shape != expected.shape or got.dtype != expected.dtype:
            raise UserError(
                f"{graph}.onnx gives {got.dtype} {got.shape}, torch {expected.dtype} "
                f"{expected.shape}; nothing was written: report this with the checkpoint"
            )
        worst = max(worst, _difference(graph, what, got, expected))
    engine.close()
    return worst


def reference(puppeteer: Puppeteer, graph: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what the networks make of an input: fp32 numbers, or the uint8 picture."""
    entry = torch.tensor(array)
    with torch.inference_mode():
        if graph == "render":
            output = graphs.write_pixels(puppeteer.render(entry))
        elif graph == "encode_identity":
            output = puppeteer.identify(graphs.read_pixels(entry))
        else:
            output = puppeteer.deform(graphs.read_pixels(entry))
    result: npt.NDArray[Any] = output.contiguous().numpy()
    return result


def examples(puppeteer: Puppeteer, graph: str) -> dict[str, npt.NDArray[Any]]:
    """Return fixed inputs by name: ordinary ones, and far outside of what training has seen."""
    shape, _ = graph_shapes(puppeteer, graph)
    random = np.random.default_rng(20)
    if INPUT_TYPES[graph] == np.uint8:
        ramp = np.broadcast_to(np.linspace(0, 255, shape[2])[:, None], shape).astype(np.uint8)
        noise = random.integers(0, 256, shape, np.uint8)
        return {"noise": noise, "a ramp": ramp, "black": ramp * 0, "white": ramp * 0 + 255}
    with torch.inference_mode():
        mean = puppeteer.generator.w_avg.expand(1, puppeteer.generator.affines.rows[-1] + 1, -1)
        styles = puppeteer.generator.identity_styles(mean).numpy()
    normal = random.normal(1.0, 0.5, shape)
    spikes = normal * np.where(random.random(shape) < 0.01, 300, 1)
    inputs = {
        "the mean identity": styles,
        "random styles": normal,
        "styles of both signs": normal - 1,
        "styles times 10": normal * 10,
        "styles with spikes": spikes,
    }
    return {what: array.astype(np.float32) for what, array in inputs.items()}


def _difference(graph: str, what: str, got: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    difference = np.abs(got.astype(np.float64) - expected)
    difference[~np.isfinite(difference)] = np.inf
    worst = float(difference.max())
    tolerance: float = LEVEL_TOLERANCE
    if expected.dtype != np.uint8:
        tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if worst > tolerance:
        place = tuple(int(k) for k in np.unravel_index(difference.argmax(), difference.shape))
        raise UserError(
            f"{graph}.onnx differs from torch on {what}: by {worst:.3g} at {place}, "
            f"{tolerance:g} is allowed; nothing was written: update the export libraries with "
            '`pip install -U -e ".[train]"`'
        )
    return worst

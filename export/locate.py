"""Where a graph and the networks part: the first layer whose numbers differ."""

import math
from collections.abc import Callable

import numpy as np
import onnx
import torch
from torch import nn

from engines.torch_engine import graph_module
from export.rounded import rounded
from export.run_onnx import Array, runner
from export.to_onnx import LANDMARKS, layer_names
from reenact import spaces
from reenact.hybrid import Puppeteer

FLOAT_TOLERANCE = 1e-4  # fp32: of the largest number, or of 1 where all are smaller
LEAST_PSNR = {"fp16": 45.0, "bf16": 30.0}  # dB
EPSILON = {"fp16": 2.0**-11, "bf16": 2.0**-8}  # how far a rounding moves a number, relatively
NO_NOISE = 200.0  # dB where nothing differs


def psnr(got: Array, expected: Array, span: float) -> float:
    """Peak signal-to-noise ratio in dB for values that span `span`; 200 where nothing differs."""
    noise = float(np.mean((got.astype(np.float64) - expected) ** 2))
    if noise == 0:
        return NO_NOISE
    return min(NO_NOISE, 10 * math.log10(max(span, 1e-12) ** 2 / noise))


def first_difference(
    puppeteer: Puppeteer,
    graph: str,
    model: onnx.ModelProto,
    precision: str,
    array: Array,
    outputs: Callable[[], object],
) -> str:
    """Say which layer is the first to differ on an input, by how much and where.

    Args:
        puppeteer: what the graph was exported from.
        graph: one of `engines.GRAPHS`.
        model: the exported graph.
        precision: what it was exported in.
        array: the input.
        outputs: runs the networks in torch on it.
    """
    names = list(layer_names(puppeteer, graph, graph_module(puppeteer, graph)).values())
    run = runner(model if precision == "fp32" else rounded(model), names)
    got = dict(zip(names, run(array), strict=True))
    errors: dict[str, Array] = {}
    sizes: dict[str, float] = {}
    for name, expected in _watched(puppeteer, graph, outputs).items():
        error = np.abs(got[name].astype(np.float64) - expected)
        error[~np.isfinite(error)] = np.inf
        errors[name], sizes[name] = error, float(np.abs(expected).max())
    worst = {name: float(error.max()) for name, error in errors.items()}
    if precision == "fp32":
        parted = next((n for n in worst if worst[n] > FLOAT_TOLERANCE * max(1.0, sizes[n])), None)
    else:
        parted = _jump({name: worst[name] / max(sizes[name], 1e-12) for name in worst}, precision)
    if parted is None:
        return "all layers before the output agree"
    error = errors[parted]
    place = tuple(int(k) for k in np.unravel_index(error.argmax(), error.shape))
    return f"they part at {parted}, by {worst[parted]:.3g} at {place}"


def _jump(errors: dict[str, float], precision: str) -> str | None:
    """The first layer with a number that is not finite, or where the relative error grows most.

    In 16 bits every layer differs, and a little more each time; a mistake is a jump. None: it grows
    nowhere by more than eight times.
    """
    before, most, where = EPSILON[precision], 8.0, None
    for name, error in errors.items():
        if not math.isfinite(error):
            return name
        if error / before > most:
            most, where = error / before, name
        before = max(before, error)
    return where


def _watched(puppeteer: Puppeteer, graph: str, outputs: Callable[[], object]) -> dict[str, Array]:
    """What the layers of the networks give, in the order and by the names of `layer_names`."""
    seen: dict[str, Array] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
            # a block gives its features, which its last convolution gave before, and the picture
            tensor = output if isinstance(output, torch.Tensor) else output[-1]
            seen[name] = tensor.contiguous().numpy().copy()

        return hook

    parts = _render_parts(puppeteer) if graph == "render" else _encoder_parts(puppeteer)
    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    try:
        outputs()
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def _render_parts(puppeteer: Puppeteer) -> dict[str, nn.Module]:
    blocks = puppeteer.generator.synthesis.blocks
    parts = [part for block in blocks for part in (*block.convs, block)]  # type: ignore[misc]
    names = [layer.name for layer in spaces.layers(puppeteer.dims)]
    return dict(zip(names, parts, strict=True))


def _encoder_parts(puppeteer: Puppeteer) -> dict[str, nn.Module]:
    named = puppeteer.named_modules()
    return {path: part for path, part in named if isinstance(part, LANDMARKS)}

"""What the networks compute and move: multiply-accumulates and bytes, counted, not timed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from reenact.spaces import Dims, Layer, layers

FIR_TAPS = 16  # 4 x 4


@dataclass(frozen=True)
class Step:
    """One kernel on a GPU: a convolution with all that is computed pixel by pixel around it.

    Attributes:
        name: of the layer.
        macs: multiply-accumulates.
        bytes: read and written once: input, weights, output.
    """

    name: str
    macs: int
    bytes: int


def render_steps(dims: Dims, bytes_per_number: int = 2) -> list[Step]:
    """The renderer of one picture, kernel by kernel.

    An up-sampling convolution is a transposed one, counted on its input's pixels, and the FIR. The
    scales of styles and demodulation are vectors and are left out.
    """
    steps: list[Step] = []
    for layer in layers(dims):
        steps += _to_rgb(layer, bytes_per_number) if layer.kind == "torgb" else ()
        steps += _convolution(layer, bytes_per_number) if layer.kind == "conv" else ()
    return steps


def _convolution(layer: Layer, size: int) -> list[Step]:
    inputs, outputs, side = layer.in_channels, layer.out_channels, layer.resolution
    weights = 9 * inputs * outputs
    if not layer.up:
        numbers = inputs * side**2 + weights + outputs * side**2
        return [Step(layer.name, weights * side**2, numbers * size)]
    below, between = (side // 2) ** 2, outputs * (side + 1) ** 2  # transposed: one pixel more
    convolution = Step(layer.name, weights * below, (inputs * below + weights + between) * size)
    return [
        convolution,
        Step(
            f"{layer.name}.fir", FIR_TAPS * outputs * side**2, (between + outputs * side**2) * size
        ),
    ]


def _to_rgb(layer: Layer, size: int) -> list[Step]:
    """Colours in 4 bytes, whatever the rest is in; the picture below is doubled in the same kernel."""
    pixels, below = layer.resolution**2, (layer.resolution // 2) ** 2 * (layer.resolution > 4)
    macs = 3 * layer.in_channels * pixels + FIR_TAPS * 3 * below
    return [Step(layer.name, macs, layer.in_channels * pixels * size + 3 * 4 * (pixels + below))]


def gmacs(steps: list[Step]) -> float:
    """Multiply-accumulates in 1e9."""
    return sum(step.macs for step in steps) / 1e9


def graph_gmacs(path: Path, only_wide: bool = False) -> float:
    """Multiply-accumulates of a graph's convolutions and matrix products, in 1e9, batch 1.

    `only_wide`: only of the convolutions larger than 1x1 that mix channels.
    """
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    shapes = {value.name: _shape(value) for value in values}
    shapes |= {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    nodes = [node for node in graph.node if not only_wide or _is_wide(node, shapes)]
    return sum(_macs(node, shapes) for node in nodes) / 1e9


def _is_wide(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> bool:
    if node.op_type not in ("Conv", "ConvTranspose"):
        return False
    groups = {entry.name: entry.i for entry in node.attribute}.get("group", 1)
    return groups == 1 and shapes[node.input[1]][2] > 1


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(axis.dim_value or 1 for axis in value.type.tensor_type.shape.dim)


def _macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    """A convolution uses each weight of a filter once per pixel of its output, a transposed one
    once per pixel of its input; a matrix product each weight once per row."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    entry, weight, result = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        return int(np.prod(result) * np.prod(weight[1:]))
    if node.op_type == "ConvTranspose":
        return int(np.prod(entry) * np.prod(weight[1:]))
    return int(np.prod(weight) * np.prod(result) // result[-1])

"""What the tests of the export share."""

import onnx

from export import compare
from reenact.hybrid import Puppeteer


def picture_or_numbers(puppeteer: Puppeteer, graph: str, array: compare.Array) -> compare.Array:
    """What a graph should give: the reference, as a picture where it is one."""
    expected = compare.reference(puppeteer, graph, array)
    return compare.levels(expected) if graph == "render" else expected


def spoil(model: onnx.ModelProto, name: str) -> None:
    """Turn the signs of a sixteenth of a layer's weights."""
    tensor = next(t for t in model.graph.initializer if t.name.removesuffix(".fp16") == name)
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[: array.size // 16] *= -1
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))

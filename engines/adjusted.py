"""The render graph of an adjusted avatar: the model's own ONNX file with other weights in it.

A weight keeps its type and shape, so it is overwritten where it lies in the file. Of protobuf that
needs only how fields follow one another, and no library that the live app would not have.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.contract import damaged
from reenact.delta import Change, changes, with_change
from reenact.errors import UserError
from reenact.spaces import Dims

Array = npt.NDArray[Any]

_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
# Fields of onnx.proto, by their numbers.
_MODEL_GRAPH, _MODEL_METADATA, _GRAPH_INITIALIZER = 7, 14, 5
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2")}

_GAIN = math.sqrt(2)  # `reenact.ops.GAIN`, which the exported weights have taken in


def adjusted_graph(path: Path, delta: npt.NDArray[np.float16]) -> bytes:
    """The ONNX file of a render graph with an avatar's delta f16 [P] added to its weights.

    Raises:
        UserError: the delta is not for a generator of these sizes, or the file is not such a graph.
    """
    model = bytearray(path.read_bytes())
    try:
        tensors, dims = initializers(model), Dims(**json.loads(metadata(model)["reenact.dims"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise damaged(path, error) from error
    for number, change in enumerate(changes(dims, delta)):
        try:
            _apply(tensors, f"layers.{number}", change)
        except (KeyError, ValueError) as error:
            raise UserError(
                f"{path} keeps its weights in a way that an adjusted avatar cannot change ({error}); "
                "export it again: `python -m export`, in fp32 or fp16"
            ) from error
    return bytes(model)


def _apply(tensors: Mapping[str, Array], layer: str, change: Change) -> None:
    """Change one layer's weight, and what was computed from it for the graph."""
    weight = _Stored(tensors, f"{layer}.weight")
    turned = change.layer.up  # a transposed convolution's weight is [I, O, k, k]
    before = weight.read().swapaxes(0, 1) if turned else weight.read()
    if before.shape != change.kernel.shape:
        raise ValueError(f"{layer}.weight is {before.shape}")
    after = with_change(before, change.kernel)
    weight.write(after.swapaxes(0, 1) if turned else after)
    bias, gain = _Stored(tensors, f"{layer}.bias"), 1.0
    if change.layer.kind == "conv":
        squares = _Stored(tensors, f"{layer}.weight2")
        squares.write(np.square(after).sum((2, 3))[:, :, None, None] / _GAIN**2)
        gain = _GAIN
    old = bias.read()
    bias.write(old + gain * change.bias.reshape(old.shape))


class _Stored:
    """A weight as `export.to_onnx` stores it: plain, or in 16 bits with a scale for each channel."""

    def __init__(self, tensors: Mapping[str, Array], name: str) -> None:
        self._scale = tensors.get(f"{name}.scale")
        self._array = tensors[name if name in tensors else f"{name}.fp16"]

    def read(self) -> npt.NDArray[np.float32]:
        values = self._array.astype(np.float32)
        return values if self._scale is None else values * self._scale

    def write(self, values: npt.NDArray[np.float32]) -> None:
        if self._scale is not None:  # powers of two, which bring the largest to just below 2^15
            others = tuple(k for k, size in enumerate(self._scale.shape) if size == 1)
            _, exponent = np.frexp(np.abs(values).max(axis=others, keepdims=True))
            self._scale[...] = np.ldexp(np.float32(1), exponent - 15)
            values = np.ldexp(values, 15 - exponent)
        if np.abs(values).max() > np.finfo(self._array.dtype).max:
            raise ValueError("a changed weight is too large for it")
        self._array[...] = values


def initializers(model: bytearray) -> dict[str, Array]:
    """The float32 and float16 weights of an ONNX file by name: writable views of its bytes.

    Raises:
        ValueError, IndexError: this is no ONNX file.
    """
    found: dict[str, Array] = {}
    for graph in _all(model, range(len(model)), _MODEL_GRAPH):
        for tensor in _all(model, graph, _GRAPH_INITIALIZER):
            dims: list[int] = []
            kind, name, raw = 0, "", range(0)
            for number, value in _fields(model, tensor):
                if number == _TENSOR_DIMS:
                    dims += [value] if isinstance(value, int) else _packed(model, value)
                elif number == _TENSOR_TYPE and isinstance(value, int):
                    kind = value
                elif number == _TENSOR_NAME and isinstance(value, range):
                    name = _text(model, value)
                elif number == _TENSOR_RAW and isinstance(value, range):
                    raw = value
            if kind in _TYPES and len(raw) == math.prod(dims) * _TYPES[kind].itemsize > 0:
                flat = np.frombuffer(model, _TYPES[kind], math.prod(dims), raw.start)
                found[name] = flat.reshape(dims)
    return found


def metadata(model: bytearray) -> dict[str, str]:
    """What an ONNX file says of itself."""
    found = {}
    for entry in _all(model, range(len(model)), _MODEL_METADATA):
        parts = {n: _text(model, v) for n, v in _fields(model, entry) if isinstance(v, range)}
        found[parts.get(_ENTRY_KEY, "")] = parts.get(_ENTRY_VALUE, "")
    return found


def _all(model: bytearray, within: range, wanted: int) -> Iterator[range]:
    for number, value in _fields(model, within):
        if number == wanted and isinstance(value, range):
            yield value


def _fields(model: bytearray, within: range) -> Iterator[tuple[int, int | range]]:
    """The fields of a message: its number, and a whole number or where its bytes lie."""
    place, end = within.start, within.stop
    while place < end:
        key, place = _varint(model, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(model, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(model, place)
        elif kind in (_FOUR_BYTES, _EIGHT_BYTES):
            length = 4 if kind == _FOUR_BYTES else 8
        else:
            raise ValueError("it is no ONNX file")
        if place + length > end:
            raise ValueError("it is cut off")
        yield number, range(place, place + length)
        place += length


def _varint(model: bytearray, place: int) -> tuple[int, int]:
    value = shift = 0
    while model[place] & 0x80:
        value |= (model[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return value | model[place] << shift, place + 1


def _packed(model: bytearray, where: range) -> list[int]:
    values, place = [], where.start
    while place < where.stop:
        value, place = _varint(model, place)
        values.append(value)
    return values


def _text(model: bytearray, where: range) -> str:
    return model[where.start : where.stop].decode("utf-8")

"""What manifold adjustment changes in a generator, as the one flat array that an avatar carries.

Each layer's filters get a product of two thin matrices (Hu et al. 2021, LoRA) and a bias:

    W' = W + rms(W) * (up @ down)        up [O, r], down [r, I k k], r = min(RANK, O)
    b' = b + bias                        bias [O]

rms(W) [O] is the root mean square of each filter, so that it does not matter by what an exported
graph has divided them. The sizes follow from the generator's alone: a file says nothing of them.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.spaces import Dims, Layer, layers

RANK = 32

Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Change:
    """Of one layer: `kernel` f32 [O, I, k, k], in units of each filter's rms, and `bias` f32 [O]."""

    layer: Layer
    kernel: Numbers
    bias: Numbers


def kernel_shape(layer: Layer) -> tuple[int, int, int, int]:
    """[O, I, k, k] of a layer's weight."""
    side = 3 if layer.kind == "conv" else 1
    return layer.out_channels, layer.in_channels, side, side


def shapes(dims: Dims) -> list[tuple[int, ...]]:
    """Of the parts of a delta, in order: up, down and bias of each layer in network order."""
    found: list[tuple[int, ...]] = []
    for layer in layers(dims):
        outputs, *rest = kernel_shape(layer)
        rank = min(RANK, outputs)
        found += [(outputs, rank), (rank, math.prod(rest)), (outputs,)]
    return found


def size(dims: Dims) -> int:
    """P, the length of a delta for a generator of these sizes."""
    return sum(math.prod(shape) for shape in shapes(dims))


def check_size(delta: npt.NDArray[np.float16], dims: Dims) -> None:
    """Raises UserError if a delta has not the length that belongs to a generator of these sizes."""
    if delta.shape != (size(dims),):
        raise UserError(
            f"the avatar's delta has {delta.size:,} numbers, this generator's would have "
            f"{size(dims):,}; adjust it again from its portrait"
        )


def changes(dims: Dims, delta: npt.NDArray[np.float16]) -> Iterator[Change]:
    """What a delta f16 [P] changes in each layer, in network order; UserError as `check_size`."""
    check_size(delta, dims)
    parts = _split(dims, delta.astype(np.float32))
    for layer, up, down, bias in zip(layers(dims), *(parts[k::3] for k in range(3)), strict=True):
        yield Change(layer, (up @ down).reshape(kernel_shape(layer)), bias)


def _split(dims: Dims, flat: Numbers) -> list[Numbers]:
    ends = np.cumsum([0, *(math.prod(shape) for shape in shapes(dims))])
    pieces = [flat[start:end] for start, end in pairwise(ends)]
    return [piece.reshape(shape) for piece, shape in zip(pieces, shapes(dims), strict=True)]


def with_change(weight: Numbers, kernel: Numbers) -> Numbers:
    """W' of a weight and a change's kernel, both f32 [O, I, k, k]."""
    rms = np.sqrt(np.square(weight).mean(axis=(1, 2, 3), keepdims=True))
    changed: Numbers = weight + rms * kernel
    return changed

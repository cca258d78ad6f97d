"""W+ rows and StyleSpace slices: the one table of layers, and the one equation in numpy.

Order and channel counts are StyleGAN2's (Karras et al. 2020): at 4x4 one convolution and one
toRGB, then at each resolution an up-sampling convolution (`conv0`), a convolution (`conv1`) and a
toRGB. A layer's style has one number per INPUT channel.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt

DEFORMED_CONVOLUTIONS = 10
"""S_F reaches the first ten convolutions: the longest run of equal width in the 1024 px network."""


@dataclass(frozen=True)
class Dims:
    """The sizes of a generator. `resolution` (px) is a power of two; `noise`: has noise maps."""

    resolution: int = 256
    channel_base: int = 4096
    channel_max: int = 128
    w_dim: int = 128
    z_dim: int = 128
    mapping_layers: int = 2
    noise: bool = False

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ValueError(f"resolution must be a power of two from 8 up, not {self.resolution}")

    def channels(self, resolution: int) -> int:
        """Channels of the feature maps at `resolution` px."""
        return min(self.channel_base // resolution, self.channel_max)


@dataclass(frozen=True)
class Layer:
    """One modulated layer: kind, sizes, the W+ row it reads (0-based), its slice of styles [S]."""

    name: str
    kind: Literal["conv", "torgb"]
    resolution: int
    in_channels: int
    out_channels: int
    up: bool
    row: int
    styles: slice


@cache
def layers(dims: Dims) -> tuple[Layer, ...]:
    """All layers in network order; their `styles` slices follow one another without gaps."""
    table: list[Layer] = []

    def add(name: str, resolution: int, in_channels: int, out_channels: int, row: int) -> None:
        kind: Literal["conv", "torgb"] = "torgb" if name == "torgb" else "conv"
        start = table[-1].styles.stop if table else 0
        styles = slice(start, start + in_channels)
        full_name, up = f"b{resolution}.{name}", name == "conv0"
        table.append(Layer(full_name, kind, resolution, in_channels, out_channels, up, row, styles))

    below, row, resolution = dims.channels(4), 0, 4
    while resolution <= dims.resolution:
        here = dims.channels(resolution)
        if resolution > 4:
            add("conv0", resolution, below, here, row)
            row += 1
        add("conv1", resolution, here, here, row)
        row += 1
        add("torgb", resolution, here, 3, row)  # shares its row with the next block's conv0
        below, resolution = here, resolution * 2
    return tuple(table)


def rows(dims: Dims) -> int:
    """Rows of W+: 2 log2(resolution) - 2."""
    return layers(dims)[-1].row + 1


def style_count(dims: Dims) -> int:
    """S, the length of the flat style vector (toRGB included)."""
    return int(layers(dims)[-1].styles.stop)


@cache
def deformed_layers(dims: Dims) -> tuple[Layer, ...]:
    """The layers S_F is added to: the first ten convolutions, or all where there are fewer."""
    return tuple(layer for layer in layers(dims) if layer.kind == "conv")[:DEFORMED_CONVOLUTIONS]


def deformation_count(dims: Dims) -> int:
    """D, the length of S_F."""
    return sum(layer.in_channels for layer in deformed_layers(dims))


@cache
def deformed_channels(dims: Dims) -> npt.NDArray[np.intp]:
    """For each of the D numbers of S_F its place in the flat style vector; [D], read-only."""
    slices = [layer.styles for layer in deformed_layers(dims)]
    places = np.concatenate([np.arange(where.start, where.stop) for where in slices])
    places.setflags(write=False)
    return places


def add_deformation(
    dims: Dims, identity_styles: npt.NDArray[np.float32], deformation: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """The paper's equation: styles = A(W_ID), plus S_F in the slices of the first ten convolutions.

    `identity_styles` [S] or [N, S] and `deformation` [D] or [N, D] broadcast; gives a new [S] or
    [N, S], float32.
    """
    leading = np.broadcast_shapes(identity_styles.shape[:-1], deformation.shape[:-1])
    shape = leading + identity_styles.shape[-1:]
    styles = np.broadcast_to(identity_styles, shape).astype(np.float32)
    styles[..., deformed_channels(dims)] += deformation
    return styles

"""StyleGAN2's renderer as it is usually ported, to compare ours with.

A weight of its own for every picture, in grouped convolutions; up-sampling as a transposed
convolution and a 4x4 FIR; float32; noise and bias added, then leaky ReLU (Karras et al. 2020).
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import ops
from reenact.generator import StyledConv, Synthesis, ToRGB
from reenact.graphs import write_pixels


def modulated(weight: Tensor, styles: Tensor, demodulate: bool) -> Tensor:
    """Weights [O, I, k, k] times styles [N, I] -> each picture's own [N, O, I, k, k]."""
    weights = weight[None] * styles[:, None, :, None, None]
    if demodulate:
        weights = weights * torch.rsqrt(weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
    return weights


def grouped(x: Tensor, weights: Tensor) -> Tensor:
    """Each picture with its own weights: x [N, I, H, W], weights [N, O, I, k, k] -> [N, O, H, W]."""
    n, outputs, inputs, side, _ = weights.shape
    x = x.reshape(1, n * inputs, *x.shape[2:])
    x = F.conv2d(x, weights.flatten(0, 1), padding=side // 2, groups=n)
    return x.reshape(n, outputs, *x.shape[2:])


def grouped_up(x: Tensor, weights: Tensor, fir: Tensor) -> Tensor:
    """The same, twice as large: x [N, I, H, W] -> [N, O, 2 H, 2 W]."""
    n, outputs, inputs = weights.shape[:3]
    x = x.reshape(1, n * inputs, *x.shape[2:])
    x = F.conv_transpose2d(x, weights.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
    x = x.reshape(n, outputs, *x.shape[2:])
    return F.conv2d(x, fir.expand(outputs, 1, 4, 4), padding=1, groups=outputs)


def doubled(image: Tensor, fir: Tensor) -> Tensor:
    """Zero insertion and the FIR: [N, 3, H, W] -> [N, 3, 2 H, 2 W]."""
    n, channels, height, width = image.shape
    wide = image.new_zeros(n, channels, height, 2, width, 2)
    wide[:, :, :, 0, :, 0] = image
    wide = F.pad(wide.reshape(n, channels, 2 * height, 2 * width), (2, 1, 2, 1))
    return F.conv2d(wide, fir.expand(channels, 1, 4, 4), groups=channels)


class Port(nn.Module):
    """styles f32 [N, S] -> picture u8 [N, R, R, 3], from the weights of a generator of ours."""

    def __init__(self, synthesis: Synthesis) -> None:
        super().__init__()
        self.constant = synthesis.constant
        kinds = (StyledConv, ToRGB)
        self.layers = nn.ModuleList(m for m in synthesis.modules() if isinstance(m, kinds))
        row = torch.tensor(ops.FIR)
        self.fir: Tensor
        self.register_buffer("fir", torch.outer(row, row))

    def forward(self, styles: Tensor) -> Tensor:
        return write_pixels(self.picture(styles))

    def picture(self, styles: Tensor) -> Tensor:
        """styles f32 [N, S] -> f32 [N, 3, R, R] in about -1..1."""
        sizes = [cast(Tensor, layer.weight).shape[1] for layer in self.layers]
        parts = torch.split(styles, sizes, dim=1)
        x, image = self.constant.expand(len(styles), -1, -1, -1), None
        for layer, style in zip(self.layers, parts, strict=True):
            if isinstance(layer, StyledConv):
                x = self._styled(layer, x, style)
            elif isinstance(layer, ToRGB):
                colours = grouped(x, modulated(layer.weight * layer.gain, style, demodulate=False))
                colours = colours + layer.bias[:, None, None]
                image = colours if image is None else doubled(image, self.fir) + colours
        assert image is not None
        return image

    def _styled(self, conv: StyledConv, x: Tensor, style: Tensor) -> Tensor:
        weights = modulated(conv.weight, style, demodulate=True)
        x = grouped_up(x, weights, self.fir) if conv.up else grouped(x, weights)
        if conv.noise is not None:
            x = x + conv.noise.constant * conv.noise.strength
        return F.leaky_relu(x + conv.bias[:, None, None], ops.LEAK) * ops.GAIN

"""StyleGAN2's arithmetic with static weights: no tensor here has per-sample weights.

Modulating the weights of a convolution by a style s and demodulating them (Karras et al. 2020, eq.
1 and 3) equals scaling the channels going in by s and those coming out by
d = rsqrt(s^2 @ W2 + 1e-8), where W2 is the sum of W^2 over the kernel. So convolutions are plain
ones, and batches are cheap.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAK = 0.2
GAIN = math.sqrt(2)
"""Leaky ReLU with this gain keeps the variance (He et al. 2015)."""

FIR = (0.25, 0.75, 0.75, 0.25)
"""[1, 3, 3, 1] / 8, times the gain 2 that zero insertion needs along each axis."""


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate (Karras et al. 2018): weights scaled in use.

    [..., in] -> [..., out]. `lr_multiplier` slows learning down, the initial output stays the same.
    """

    def __init__(
        self, inputs: int, outputs: int, bias: float = 0.0, lr_multiplier: float = 1.0
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((outputs,), bias / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(inputs)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


def squared_weight(weight: Tensor) -> Tensor:
    """W2 of a convolution weight [O, I, k, k], ready for `demodulation`: [I, O]."""
    return weight.square().sum(dim=(2, 3)).t()


def demodulation(styles: Tensor, weight2: Tensor) -> Tensor:
    """Scale that gives each output channel unit variance: styles [N, I], W2 [I, O] -> [N, O]."""
    return torch.rsqrt(styles.square() @ weight2 + 1e-8)


def scale_channels(x: Tensor, scale: Tensor) -> Tensor:
    """x [N, C, H, W] times scale [N, C], in the precision of x."""
    return x * scale.to(x.dtype)[:, :, None, None]


def blur(x: Tensor, row: Tensor) -> Tensor:
    """The FIR, one axis at a time, zero edges: [N, C, H, W] -> [N, C, H - 1, W - 1].

    `row` is the filter as [1, 1, 1, 4].
    """
    channels = x.shape[1]
    kernel = row.to(x.dtype).expand(channels, 1, 1, 4)
    x = F.conv2d(x, kernel, padding=(0, 1), groups=channels)
    return F.conv2d(x, kernel.transpose(2, 3), padding=(1, 0), groups=channels)


def up_convolution(x: Tensor, weight: Tensor, row: Tensor) -> Tensor:
    """Zero insertion, 3x3 convolution, FIR: [N, I, H, W], weight [O, I, 3, 3] -> [N, O, 2H, 2W]."""
    return blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), row)


def upsample_image(image: Tensor) -> Tensor:
    """Zero insertion and FIR in one: [N, C, H, W] -> [N, C, 2H, 2W], fp32 under autocast too."""
    row = torch.tensor(FIR, device=image.device)
    kernel = torch.outer(row, row).expand(image.shape[1], 1, 4, 4)
    with torch.autocast(image.device.type, enabled=False):
        return F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=image.shape[1])

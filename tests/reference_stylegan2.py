"""StyleGAN2's synthesis straight from the equations of Karras et al. 2020: slow and plain.

Per-sample modulated and demodulated weights in grouped convolutions (section 2.2), up-sampling by
zero insertion, a true convolution and an explicit 4x4 FIR (appendix B). Shares no code with
reenact/ops.py; it reads weights from a dict {layer name: {weight, bias, noise}}.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.spaces import Dims, layers

Weights = Mapping[str, Mapping[str, Tensor]]


def kernel_4x4() -> Tensor:
    row = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(row, row) / 64 * 4  # unit sum, times 4 for the inserted zeros


def filter_4x4(x: Tensor) -> Tensor:
    """Every channel filtered by itself; the caller has padded."""
    channels = x.shape[1]
    return F.conv2d(x, kernel_4x4().to(x).expand(channels, 1, 4, 4), groups=channels)


def insert_zeros(x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    wide = torch.zeros(n, c, 2 * h, 2 * w, dtype=x.dtype)
    wide[:, :, ::2, ::2] = x
    return wide


def modulated_convolution(x: Tensor, weight: Tensor, style: Tensor, up: bool) -> Tensor:
    """w'_ijk = s_i w_ijk; w''_ijk = w'_ijk / sqrt(sum_ik w'^2_ijk + eps); one kernel per sample."""
    n, o, i = len(x), weight.shape[0], weight.shape[1]
    kernels = weight[None] * style[:, None, :, None, None]
    kernels = kernels / (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    if up:  # zero insertion turns correlation round: the kernel is applied as a true convolution
        x, kernels = F.pad(insert_zeros(x), (2, 1, 2, 1)), kernels.flip(3, 4)
    else:
        x = F.pad(x, (1, 1, 1, 1))
    x = x.reshape(1, n * i, *x.shape[2:])
    y = F.conv2d(x, kernels.reshape(n * o, i, 3, 3), groups=n)
    y = y.reshape(n, o, *y.shape[2:])
    return filter_4x4(F.pad(y, (1, 1, 1, 1))) if up else y


def to_rgb(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
    kernels = weight[None, :, :, 0, 0] * style[:, None, :] / x.shape[1] ** 0.5
    return torch.einsum("noi,nihw->nohw", kernels, x)


def synthesize(dims: Dims, constant: Tensor, weights: Weights, styles: Tensor) -> Tensor:
    """constant [1, C, 4, 4], styles [N, S] -> picture [N, 3, R, R]."""
    x = constant.repeat(len(styles), 1, 1, 1)
    image = torch.zeros(len(styles), 3, 2, 2, dtype=x.dtype)
    for layer in layers(dims):
        own, style = weights[layer.name], styles[:, layer.styles]
        bias = own["bias"][None, :, None, None]
        if layer.kind == "torgb":
            image = filter_4x4(F.pad(insert_zeros(image), (2, 1, 2, 1)))
            image = image + to_rgb(x, own["weight"], style) + bias
        else:
            y = modulated_convolution(x, own["weight"], style, layer.up)
            y = y + own.get("noise", torch.zeros(())) + bias
            x = torch.where(y > 0, y, 0.2 * y) * 2**0.5
    return image

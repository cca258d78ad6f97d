"""What is exported: three graphs with uint8 pictures at their ends and constants inside.

uint8 is cast before and after anything else, because TensorRT accepts it nowhere but in a Cast.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import ops
from reenact.generator import StyledConv, Synthesis, ToRGB
from reenact.hybrid import Puppeteer


def read_pixels(crop: Tensor) -> Tensor:
    """u8 [1, C, C, 3] -> float [1, 3, C, C] in -1..1."""
    return crop.float().permute(0, 3, 1, 2) / 127.5 - 1


def write_pixels(picture: Tensor) -> Tensor:
    """float [1, 3, R, R] in -1..1 -> u8 [1, R, R, 3]; +128 makes truncation a rounding."""
    levels = (picture * 127.5 + 128).clamp(0, 255)
    return levels.permute(0, 2, 3, 1).to(torch.uint8)


class EncodeIdentity(nn.Module):
    """Portrait crop u8 [1, C, C, 3] -> W_ID f32 [1, rows, w_dim]."""

    def __init__(self, puppeteer: Puppeteer) -> None:
        super().__init__()
        self.puppeteer = puppeteer

    def forward(self, crop: Tensor) -> Tensor:
        return self.puppeteer.identify(read_pixels(crop))


class EncodeDeformation(nn.Module):
    """Driver crop u8 [1, C, C, 3] -> S_F f32 [1, D]."""

    def __init__(self, puppeteer: Puppeteer) -> None:
        super().__init__()
        self.puppeteer = puppeteer

    def forward(self, crop: Tensor) -> Tensor:
        return self.puppeteer.deform(read_pixels(crop))


class StaticConv(nn.Module):
    """A `StyledConv` for export: constants only, and no activation that fp16 could not hold.

    Weights and styles are divided by their maxima (Karras et al. 2020, ADA), which demodulation
    undoes; by the next power of two, so that weights that fit fp16 still do. x [1, I, H, W],
    styles [1, I, 1, 1] -> [1, O, H', W'].
    """

    def __init__(self, conv: StyledConv) -> None:
        super().__init__()
        self.up = conv.up
        weight = conv.weight.detach()
        largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=1e-8)
        bound = largest * math.sqrt(weight[0].numel())
        weight = weight / torch.exp2(torch.log2(bound).ceil())
        # sqrt(2) rsqrt(v + eps) = rsqrt(v / 2 + eps / 2): the activation's gain costs nothing
        weight2 = ops.squared_weight(weight).t() / ops.GAIN**2
        shift = conv.bias.detach()[:, None, None]
        if conv.noise is not None:
            shift = shift + (conv.noise.constant * conv.noise.strength).detach()
        row = conv.fir.flatten()
        fir = torch.outer(row, row).expand(len(weight), 1, 4, 4)
        self.weight: Tensor
        self.weight2: Tensor
        self.shift: Tensor
        self.fir: Tensor
        self.register_buffer("weight", weight.transpose(0, 1).contiguous() if self.up else weight)
        self.register_buffer("weight2", weight2[:, :, None, None].contiguous())
        self.register_buffer("shift", shift[None] * ops.GAIN)
        self.register_buffer("fir", fir.contiguous())

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        styles = styles / styles.abs().amax(dim=1, keepdim=True)
        scale = torch.rsqrt(F.conv2d(styles.square(), self.weight2) + 0.5e-8)
        x = x * styles
        if self.up:
            x = F.conv_transpose2d(x, self.weight, stride=2)
            x = F.conv2d(x, self.fir, padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x, self.weight, padding=1)
        return F.leaky_relu(x * scale + self.shift, ops.LEAK)


class StaticToRGB(nn.Module):
    """A `ToRGB` for export: x [1, I, H, W], styles [1, I, 1, 1] -> [1, 3, H, W]."""

    def __init__(self, torgb: ToRGB) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", torgb.weight.detach() * torgb.gain)
        self.register_buffer("bias", torgb.bias.detach().clone())

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        return F.conv2d(x * styles, self.weight, self.bias)


class Render(nn.Module):
    """styles f32 [1, S] -> picture u8 [1, R, R, 3]."""

    def __init__(self, synthesis: Synthesis) -> None:
        super().__init__()
        self.constant: Tensor
        self.register_buffer("constant", synthesis.constant.detach().clone())
        self.sizes: list[int] = []
        self.layers = nn.ModuleList()
        for module in synthesis.modules():  # they come in network order
            if isinstance(module, StyledConv):
                self.layers.append(StaticConv(module))
                self.sizes.append(module.weight.shape[1])
            elif isinstance(module, ToRGB):
                self.layers.append(StaticToRGB(module))
                self.sizes.append(module.weight.shape[1])

    def forward(self, styles: Tensor) -> Tensor:
        parts = torch.split(styles[:, :, None, None], self.sizes, dim=1)
        x, image = self.constant, None
        for layer, style in zip(self.layers, parts, strict=True):
            if isinstance(layer, StaticConv):
                x = layer(x, style)
            else:
                colours = layer(x, style)
                image = colours if image is None else ops.upsample_image(image) + colours
        assert image is not None
        return write_pixels(image)

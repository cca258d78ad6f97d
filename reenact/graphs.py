"""What is exported: three graphs with uint8 pictures at their ends and constants inside.

A graph computes in float32, or its convolutions in float16 or bfloat16. Then what would not survive
16 bits stays in float32: styles and demodulation (sums of squares), the colours of toRGB and their
sum, the linear layers of the encoders, pixels. TensorRT 11 takes precision from the graph alone.

uint8 is cast before and after anything else, because TensorRT accepts it nowhere but in a Cast.
"""

import copy
import math
from itertools import pairwise
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from reenact import ops
from reenact.generator import StyledConv, Synthesis, ToRGB
from reenact.hybrid import Puppeteer

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
BINOMIAL = (0.25, 0.5, 0.25)
_TINY = 1e-8  # styles that are all zero stay zero

Network = TypeVar("Network", bound=nn.Module)


def read_pixels(crop: Tensor) -> Tensor:
    """u8 [N, C, C, 3] -> float [N, 3, C, C] in -1..1."""
    return crop.float().permute(0, 3, 1, 2) / 127.5 - 1


def write_pixels(picture: Tensor) -> Tensor:
    """float [N, 3, R, R] in -1..1 -> u8 [N, R, R, 3]; +128 makes truncation a rounding."""
    levels = (picture * 127.5 + 128).clamp(0, 255)
    return levels.permute(0, 2, 3, 1).to(torch.uint8)


def in_precision(network: Network, dtype: torch.dtype) -> Network:
    """Return an encoder for inference: its convolutions in `dtype`, its linear layers in float32.

    Below float32 it is a copy with batch normalisation folded into the convolutions, so that it is
    not rounded twice.
    """
    if dtype == torch.float32:
        return network
    network = copy.deepcopy(network).eval()
    for parent in network.modules():
        for (name, conv), (after, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(conv, norm))
                setattr(parent, after, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(dtype)
    return network


class EncodeIdentity(nn.Module):
    """Portrait crop u8 [N, C, C, 3] -> W_ID f32 [N, rows, w_dim]."""

    def __init__(self, puppeteer: Puppeteer, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.pyramid = in_precision(puppeteer.pyramid, dtype)
        self.identity_encoder = in_precision(puppeteer.identity_encoder, dtype)
        self.w_avg: Tensor
        self.register_buffer("w_avg", puppeteer.generator.w_avg)

    def forward(self, crop: Tensor) -> Tensor:
        offsets: Tensor = self.identity_encoder(self.pyramid(read_pixels(crop).to(self.dtype)))
        return self.w_avg + offsets


class EncodePortrait(nn.Module):
    """Portrait crop u8 [N, 256, 256, 3] -> W_ID f32 [N, rows, w_dim] by an imported encoder.

    Always in float32: it runs once for a portrait. ReStyle's draws between its passes.
    """

    def __init__(self, puppeteer: Puppeteer) -> None:
        super().__init__()
        self.identity_encoder = puppeteer.identity_encoder
        self.affines = puppeteer.generator.affines.layers
        self.rows = puppeteer.generator.affines.rows
        self.render = Render(puppeteer.generator.synthesis)

    def forward(self, crop: Tensor) -> Tensor:
        w_id: Tensor = self.identity_encoder(read_pixels(crop), self._draw)
        return w_id

    def _draw(self, w_plus: Tensor) -> Tensor:
        pairs = zip(self.affines, self.rows, strict=True)
        return self.render.picture(torch.cat([layer(w_plus[:, row]) for layer, row in pairs], 1))


class EncodeDeformation(nn.Module):
    """Driver crop u8 [N, C, C, 3] -> S_F f32 [N, D]."""

    def __init__(self, puppeteer: Puppeteer, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype
        self.pyramid = in_precision(puppeteer.pyramid, dtype)
        self.deformation_encoder = in_precision(puppeteer.deformation_encoder, dtype)
        self.deform_head = puppeteer.deform_head

    def forward(self, crop: Tensor) -> Tensor:
        maps = self.pyramid(read_pixels(crop).to(self.dtype))
        deformation: Tensor = self.deform_head(self.deformation_encoder(maps))
        return deformation


def normalised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Divide each filter [I, k, k] of a weight [O, I, k, k] by a bound of what it can add up to.

    With |x| <= 1 a filter of independent weights then gives about 1 at most (Karras et al. 2020,
    ADA, for fp16). The bounds [O, 1, 1, 1] are powers of two, so that weights that fit fp16 still
    do.
    """
    largest = weight.abs().amax(dim=(1, 2, 3), keepdim=True).clamp(min=_TINY)
    bound = torch.exp2(torch.log2(largest * math.sqrt(weight[0].numel())).ceil())
    return weight / bound, bound


def normalised_styles(styles: Tensor) -> tuple[Tensor, Tensor]:
    """styles [N, I, 1, 1] -> the same in -1..1, and the largest [N, 1, 1, 1] they were divided by."""
    largest = styles.abs().amax(dim=1, keepdim=True).clamp(min=_TINY)
    return styles / largest, largest


def shuffled(weight: Tensor) -> Tensor:
    """Weight [O, I, 3, 3] of an up-convolution -> [4 O, I, 2, 2], a plain convolution's.

    The FIR [1, 3, 3, 1] is [1, 1] * [1, 2, 1]. Zero insertion, the 3x3 convolution and the [1, 1]
    part are one 4x4 kernel, of which every output pixel sees the 2x2 taps of its phase: four
    pictures that interleave. [1, 2, 1] / 4 along both axes follows.
    """
    outputs, inputs = weight.shape[:2]
    single, box = weight.reshape(-1, 1, 3, 3), weight.new_ones(1, 1, 2, 2)
    kernel = F.conv2d(single, box, padding=1).reshape(outputs, inputs, 4, 4)
    taps = kernel.reshape(outputs, inputs, 2, 2, 2, 2).flip(2, 4)  # O, I, tap, phase, tap, phase
    return taps.permute(0, 3, 5, 1, 2, 4).reshape(4 * outputs, inputs, 2, 2)


class StaticConv(nn.Module):
    """A `StyledConv` for export: constants only, and no activation that fp16 could not hold.

    Weights and styles are divided by their maxima, which demodulation undoes. Up-sampling is a
    transposed convolution and the FIR; in bfloat16, in which TensorRT-RTX has no such convolution,
    it is a convolution that is `shuffled` and what remains of the FIR.
    x `dtype` [N, I, H, W], styles f32 [N, I, 1, 1] -> `dtype` [N, O, H', W'].
    """

    def __init__(self, conv: StyledConv, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.up = conv.up
        weight, _ = normalised(conv.weight.detach())
        # sqrt(2) rsqrt(v) = rsqrt(v / 2): the activation's gain costs nothing
        weight2 = ops.squared_weight(weight).t() / ops.GAIN**2
        bias = conv.bias.detach()[None, :, None, None]
        # of normalised numbers, where 1e-8 shows; in fp16 it keeps the scale below 65504
        self.epsilon = 0.5e-8 if dtype == torch.float16 else 1e-16
        self.shuffled = dtype == torch.bfloat16
        row = torch.tensor(BINOMIAL) if self.shuffled else conv.fir.flatten()
        fir = torch.outer(row, row).expand(len(weight), 1, len(row), len(row))
        self.weight: Tensor
        self.weight2: Tensor
        self.bias: Tensor
        self.fir: Tensor
        self.noise: Tensor | None
        if self.up:
            weight = shuffled(weight) if self.shuffled else weight.transpose(0, 1).contiguous()
        self.register_buffer("weight", weight.to(dtype))
        self.register_buffer("weight2", weight2[:, :, None, None].contiguous())
        self.register_buffer("bias", (bias * ops.GAIN).to(dtype))
        self.register_buffer("fir", fir.contiguous().to(dtype))
        noise = None
        if conv.noise is not None:  # [H, W]: the same for all channels
            noise = (conv.noise.constant * conv.noise.strength).detach() * ops.GAIN
        self.register_buffer("noise", None if noise is None else noise.to(dtype))

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        styles, _ = normalised_styles(styles)
        scale = torch.rsqrt(F.conv2d(styles.square(), self.weight2) + self.epsilon)
        x = x * styles.to(x.dtype)
        if self.up and self.shuffled:
            x = F.pixel_shuffle(F.conv2d(x, self.weight, padding=1), 2)
            x = F.conv2d(x, self.fir, groups=x.shape[1])
        elif self.up:
            x = F.conv_transpose2d(x, self.weight, stride=2)
            x = F.conv2d(x, self.fir, padding=1, groups=x.shape[1])
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * scale.to(x.dtype) + self.bias
        return F.leaky_relu(x if self.noise is None else x + self.noise, ops.LEAK)


class StaticToRGB(nn.Module):
    """A `ToRGB` and the sum of colours for export.

    In 16 bits weights and styles are divided by their maxima here too; nothing undoes that, so the
    colours are multiplied again, in float32. x [N, I, H, W], styles f32 [N, I, 1, 1], image f32
    [N, 3, H / 2, W / 2] or None -> f32 [N, 3, H, W].
    """

    def __init__(self, torgb: ToRGB, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.weight: Tensor
        self.bound: Tensor | None
        self.bias: Tensor
        weight, bound = torgb.weight.detach() * torgb.gain, None
        bias = torgb.bias.detach().clone()
        if dtype != torch.float32:
            weight, bound = normalised(weight)
            bound, bias = bound.transpose(0, 1), bias[:, None, None]
        self.register_buffer("weight", weight.to(dtype))
        self.register_buffer("bound", bound)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor, styles: Tensor, image: Tensor | None) -> Tensor:
        if self.bound is None:
            colours = F.conv2d(x * styles, self.weight, self.bias)
        else:
            styles, largest = normalised_styles(styles)
            colours = F.conv2d(x * styles.to(x.dtype), self.weight).float()
            colours = colours * (largest * self.bound) + self.bias
        return colours if image is None else ops.upsample_image(image) + colours


class Render(nn.Module):
    """styles f32 [N, S] -> picture u8 [N, R, R, 3]."""

    def __init__(self, synthesis: Synthesis, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.constant: Tensor
        self.register_buffer("constant", synthesis.constant.detach().to(dtype, copy=True))
        self.sizes: list[int] = []
        self.layers = nn.ModuleList()
        for module in synthesis.modules():  # they come in network order, that of `spaces.layers`
            if isinstance(module, StyledConv):
                self.layers.append(StaticConv(module, dtype))
                self.sizes.append(module.weight.shape[1])
            elif isinstance(module, ToRGB):
                self.layers.append(StaticToRGB(module, dtype))
                self.sizes.append(module.weight.shape[1])

    def forward(self, styles: Tensor) -> Tensor:
        return write_pixels(self.picture(styles))

    def picture(self, styles: Tensor) -> Tensor:
        """The picture f32 [N, 3, R, R], about -1..1."""
        parts = torch.split(styles[:, :, None, None], self.sizes, dim=1)
        x = self.constant
        image: Tensor | None = None
        for layer, style in zip(self.layers, parts, strict=True):
            if isinstance(layer, StaticConv):
                x = layer(x, style)
            else:
                image = layer(x, style, image)
        assert image is not None
        return image

"""The two encoders on one pyramid: who is it (W_ID), and what does the face do (S_F).

Layout from the paper's figure: a coarse, a medium and a fine map, joined top-down; sub-modules 1-2
read the coarse map, 3-6 the medium one, the others the fine one. The backbone is a ResNet-18 (He et
al. 2016) of half the width, because that is what a CPU runs and trains fastest.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import spaces
from reenact.spaces import Dims

LEAK = 0.2


@dataclass(frozen=True)
class EncoderDims:
    """Sizes of the encoders: `crop` is the side in px of the square they see, a multiple of 32.

    `width`: channels of the first stage; `motion`: length M of the motion code, the narrow place
    that keeps identity out of S_F.
    """

    crop: int = 192
    width: int = 32
    pyramid: int = 96
    submodule: int = 64
    embedding: int = 64
    motion: int = 64
    hidden: int = 256

    def __post_init__(self) -> None:
        if self.crop <= 0 or self.crop % 32:
            raise ValueError(f"crop must be a multiple of 32, not {self.crop}")


class BasicBlock(nn.Module):
    """ResNet's two 3x3 convolutions beside a shortcut: [N, I, H, W] -> [N, O, H / stride, ...]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))


Maps = tuple[Tensor, Tensor, Tensor]
"""Coarse, medium and fine map: [N, pyramid, crop / 32, ...], [..., crop / 16], [..., crop / 8]."""


class Pyramid(nn.Module):
    """The feature extraction network: crop [N, 3, crop, crop] in -1..1 -> `Maps`."""

    def __init__(self, dims: EncoderDims) -> None:
        super().__init__()
        width = dims.width
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 7, 2, 3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, 1),
            stage(width, width, 1),
        )
        self.fine = stage(width, 2 * width, 2)
        self.medium = stage(2 * width, 4 * width, 2)
        self.coarse = stage(4 * width, 8 * width, 2)
        self.laterals = nn.ModuleList(
            nn.Conv2d(channels * width, dims.pyramid, 1) for channels in (8, 4, 2)
        )

    def forward(self, crop: Tensor) -> Maps:
        fine = self.fine(self.stem(crop.contiguous(memory_format=torch.channels_last)))
        medium = self.medium(fine)
        coarse = self.laterals[0](self.coarse(medium))
        medium = self.laterals[1](medium) + F.interpolate(coarse, scale_factor=2.0)
        fine = self.laterals[2](fine) + F.interpolate(medium, scale_factor=2.0)
        return coarse, medium, fine


def level(index: int) -> int:
    """Which of `Maps` the sub-module `index` (0-based) reads."""
    return 0 if index < 2 else 1 if index < 6 else 2


class SubModule(nn.Module):
    """Stride-2 convolutions down to 3x3 or less, then a linear: [N, pyramid, s, s] -> [N, out]."""

    def __init__(self, dims: EncoderDims, index: int) -> None:
        super().__init__()
        size, channels = dims.crop // (32, 16, 8)[level(index)], dims.pyramid
        steps: list[nn.Module] = []
        while size > 3 or not steps:
            steps += [
                nn.Conv2d(channels, dims.submodule, 3, 2, 1),
                nn.LeakyReLU(LEAK, inplace=True),
            ]
            size, channels = (size + 1) // 2, dims.submodule
        self.down = nn.Sequential(*steps, nn.Flatten())
        self.embed = nn.Linear(channels * size * size, dims.embedding)

    def forward(self, x: Tensor) -> Tensor:
        # exported convolutions may be in 16 bits, linear layers are not
        embedding: Tensor = self.embed(self.down(x).to(self.embed.weight.dtype))
        return embedding


def small(linear: nn.Linear) -> nn.Linear:
    """Shrink a last layer, so that what it predicts starts near zero."""
    with torch.no_grad():
        linear.weight.mul_(0.01)
        if linear.bias is not None:
            linear.bias.zero_()
    return linear


class IdentityEncoder(nn.Module):
    """Maps -> offsets of W_ID from the mean latent, [N, rows, w_dim]: a sub-module for each row."""

    def __init__(self, dims: Dims, encoder: EncoderDims) -> None:
        super().__init__()
        rows = range(spaces.rows(dims))
        self.submodules = nn.ModuleList(SubModule(encoder, row) for row in rows)
        self.heads = nn.ModuleList(small(nn.Linear(encoder.embedding, dims.w_dim)) for _ in rows)

    def forward(self, maps: Maps) -> Tensor:
        offsets = [
            head(F.leaky_relu(submodule(maps[level(row)]), LEAK))
            for row, (submodule, head) in enumerate(zip(self.submodules, self.heads, strict=True))
        ]
        return torch.stack(offsets, dim=1)


class DeformationEncoder(nn.Module):
    """Maps -> motion code [N, M]: ten sub-modules, joined."""

    def __init__(self, encoder: EncoderDims) -> None:
        super().__init__()
        count = spaces.DEFORMED_CONVOLUTIONS
        self.submodules = nn.ModuleList(SubModule(encoder, index) for index in range(count))
        self.motion = nn.Linear(count * encoder.embedding, encoder.motion)

    def forward(self, maps: Maps) -> Tensor:
        embeddings = [sub(maps[level(index)]) for index, sub in enumerate(self.submodules)]
        motion: Tensor = self.motion(F.leaky_relu(torch.cat(embeddings, dim=1), LEAK))
        return motion


class Deform(nn.Module):
    """Motion code [N, M] -> S_F [N, D]; the code `rest` [M], the neutral face, gives exactly S_F = 0."""

    def __init__(self, dims: Dims, encoder: EncoderDims) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(encoder.motion, encoder.hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(encoder.hidden, encoder.hidden),
            nn.LeakyReLU(LEAK),
            small(nn.Linear(encoder.hidden, spaces.deformation_count(dims), bias=False)),
        )
        self.rest: Tensor
        self.register_buffer("rest", torch.zeros(encoder.motion))

    def forward(self, motion: Tensor) -> Tensor:
        deformation: Tensor = self.layers(motion) - self.layers(self.rest[None].to(motion.dtype))
        return deformation

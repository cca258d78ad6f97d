"""StyleGAN2's generator (Karras et al. 2020): z -> w, W+ -> styles, styles -> picture."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import ops, spaces
from reenact.spaces import Dims, Layer


class Mapping(nn.Module):
    """z [N, z_dim] -> w [N, w_dim]: a normalised z through slow leaky layers."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        widths = [dims.z_dim] + [dims.w_dim] * dims.mapping_layers
        self.layers = nn.ModuleList(
            ops.EqualLinear(inputs, outputs, lr_multiplier=0.01)
            for inputs, outputs in zip(widths, widths[1:], strict=False)
        )

    def forward(self, z: Tensor) -> Tensor:
        w = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        for layer in self.layers:
            w = F.leaky_relu(layer(w), ops.LEAK) * ops.GAIN
        return w


class Affines(nn.Module):
    """A: W+ [N, rows, w_dim] -> styles [N, S]; each layer reads its own row."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.rows = [layer.row for layer in spaces.layers(dims)]
        self.layers = nn.ModuleList(
            ops.EqualLinear(dims.w_dim, layer.in_channels, bias=1.0)
            for layer in spaces.layers(dims)
        )

    def forward(self, w_plus: Tensor) -> Tensor:
        with torch.autocast(w_plus.device.type, enabled=False):
            styles = [
                layer(w_plus[:, row].float())
                for layer, row in zip(self.layers, self.rows, strict=True)
            ]
            return torch.cat(styles, dim=1)


@dataclass(frozen=True)
class Place:
    """Where in the full feature map this part lies: its top-left corner, in px of this level."""

    y: int = 0
    x: int = 0

    def doubled(self) -> "Place":
        return Place(2 * self.y, 2 * self.x)


class Noise(nn.Module):
    """A constant noise map with one learned strength; [H, W] cut out at a place."""

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.constant: Tensor
        self.register_buffer("constant", torch.randn(resolution, resolution))
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, place: Place, height: int, width: int) -> Tensor:
        rows = slice(place.y, place.y + height)
        return self.constant[rows, place.x : place.x + width] * self.strength


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, demodulation, noise, bias, leaky ReLU; doubles the size if `up`.

    x [N, I, H, W], styles [N, I] -> [N, O, H', W'].
    """

    def __init__(self, layer: Layer, noise: bool) -> None:
        super().__init__()
        self.up = layer.up
        self.weight = nn.Parameter(torch.randn(layer.out_channels, layer.in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(layer.out_channels))
        self.noise = Noise(layer.resolution) if noise else None
        self.fir: Tensor
        self.register_buffer("fir", torch.tensor(ops.FIR).reshape(1, 1, 1, 4), persistent=False)

    def forward(self, x: Tensor, styles: Tensor, place: Place = Place()) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            styles = styles.float()
            scale = ops.demodulation(styles, ops.squared_weight(self.weight)) * ops.GAIN
        x = ops.scale_channels(x, styles)
        up = self.up
        x = (
            ops.up_convolution(x, self.weight, self.fir)
            if up
            else F.conv2d(x, self.weight, padding=1)
        )
        shift = self.bias[:, None, None]
        if self.noise is not None:
            shift = shift + self.noise(place, x.shape[2], x.shape[3])
        scale, shift = scale.to(x.dtype)[:, :, None, None], (shift * ops.GAIN).to(x.dtype)
        return F.leaky_relu(torch.addcmul(shift, x, scale), ops.LEAK, inplace=True)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution, not demodulated: [N, I, H, W] -> fp32 colours [N, 3, H, W]."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(layer.out_channels, layer.in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(layer.out_channels))
        self.gain = layer.in_channels**-0.5

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        x = ops.scale_channels(x, styles.float() * self.gain)
        return F.conv2d(x, self.weight).float() + self.bias[:, None, None]


class Block(nn.Module):
    """All layers of one resolution."""

    def __init__(self, layers: tuple[Layer, ...], noise: bool) -> None:
        super().__init__()
        self.styles = [layer.styles for layer in layers]
        self.convs = nn.ModuleList(StyledConv(layer, noise) for layer in layers[:-1])
        self.torgb = ToRGB(layers[-1])

    def forward(
        self, x: Tensor, image: Tensor | None, styles: Tensor, place: Place
    ) -> tuple[Tensor, Tensor]:
        for conv, where in zip(self.convs, self.styles, strict=False):
            x = conv(x, styles[:, where], place)
        colours: Tensor = self.torgb(x, styles[:, self.styles[-1]])
        return x, colours if image is None else ops.upsample_image(image) + colours


Window = tuple[int, int, int, int]
"""(level, y, x, size): after the block of `level` px go on with [y:y + size, x:x + size] only."""


class Synthesis(nn.Module):
    """styles [N, S] -> picture [N, 3, R, R], fp32, about -1..1 and not clamped."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, dims.channels(4), 4, 4))
        self.resolutions = sorted({layer.resolution for layer in spaces.layers(dims)})
        self.blocks = nn.ModuleList(
            Block(tuple(la for la in spaces.layers(dims) if la.resolution == size), dims.noise)
            for size in self.resolutions
        )

    def levels(self, styles: Tensor, window: Window | None = None) -> Iterator[tuple[int, Tensor]]:
        """The picture at each level, coarse to fine: (px of the full picture, [N, 3, S, S]).

        Levels up to the window's are whole, later ones show the window only.
        """
        x = self.constant.expand(len(styles), -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        image: Tensor | None = None
        place = Place()
        for resolution, block in zip(self.resolutions, self.blocks, strict=True):
            place = place.doubled()
            x, image = block(x, image, styles, place)
            assert image is not None
            yield resolution, image
            if window is not None and window[0] == resolution:
                place = Place(window[1], window[2])
                x, image = cut(x, place, window[3]), cut(image, place, window[3])

    def forward(
        self, styles: Tensor, stop_at: int | None = None, window: Window | None = None
    ) -> Tensor:
        """Render; `stop_at` (px) gives the picture of an earlier level, `window` that of a crop.

        A crop of `size` px at `level` becomes size * R / level px; it equals that part of the full
        picture but for a border as wide as the reach of the later layers.
        """
        stop_at = stop_at or self.resolutions[-1]
        return next(image for level, image in self.levels(styles, window) if level == stop_at)


def cut(x: Tensor, place: Place, size: int) -> Tensor:
    """[N, C, H, W] -> [N, C, size, size] from `place` on."""
    return x[:, :, place.y : place.y + size, place.x : place.x + size]


class Generator(nn.Module):
    """Mapping, affines and synthesis, and the mean latent `w_avg` [w_dim]."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()
        self.dims = dims
        self.mapping = Mapping(dims)
        self.affines = Affines(dims)
        self.synthesis = Synthesis(dims)
        self.w_avg: Tensor
        self.register_buffer("w_avg", torch.zeros(dims.w_dim))

    def identity_styles(self, w_plus: Tensor) -> Tensor:
        """A(W_ID): [N, rows, w_dim] -> [N, S]."""
        styles: Tensor = self.affines(w_plus)
        return styles

    def forward(self, w_plus: Tensor) -> Tensor:
        """W+ [N, rows, w_dim] -> picture [N, 3, R, R]."""
        picture: Tensor = self.synthesis(self.affines(w_plus))
        return picture

"""The portrait encoders of pSp, e4e and ReStyle: a portrait's crop -> W_ID of their generator.

All three read the crop with ArcFace's IR-SE-50 (Deng et al. 2019, Hu et al. 2018) and give each row
of W+ a column of stride-2 convolutions. They differ in three things:

    pSp (Richardson et al. 2021)       rows read a coarse, a medium or a fine map
    e4e (Tov et al. 2021)              so they do, and what row 0 says is added to all others
    ReStyle (Alaluf et al. 2021)       rows read the coarse map; several passes, each of which sees
                                       beside the crop what the one before has drawn

Modules are named as in the files, so that a file's tensors are a state dict.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import ops, spaces
from reenact.spaces import Dims

CROP = 256
"""Side of the crop that they see, px."""
PASSES = 5
"""Of ReStyle, as its authors run it."""

_UNITS = (3, 4, 14, 3)  # of IR-50, by stage; the first of each halves the size
_MEDIUM, _FINE = 3, 7  # the first rows that read the medium and the fine map
_LEAK = 0.01
_KINDS = {  # by "encoder_type" in a file's options: rows read three maps, row 0 is added to all
    "GradualStyleEncoder": (True, False),
    "Encoder4Editing": (True, True),
    "BackboneEncoder": (False, False),
    "ProgressiveBackboneEncoder": (False, True),
}

Draw = Callable[[Tensor], Tensor]
"""W+ [N, rows, w_dim] -> picture f32 [N, 3, R, R], about -1..1."""


@dataclass(frozen=True)
class PortraitDims:
    """Which of the encoders it is.

    Attributes:
        three_maps: rows read a coarse, a medium or a fine map; else all read the coarse one.
        deltas: row 0 is a latent in W, and the others are what is added to it.
        passes: of ReStyle; 0: one pass that sees the crop alone.
        width: channels of the first stage.
    """

    three_maps: bool = True
    deltas: bool = True
    passes: int = 0
    width: int = 64

    def __post_init__(self) -> None:
        if not (0 <= self.passes <= 32 and 0 < self.width <= 256):
            raise ValueError(f"{self.passes} passes or {self.width} channels are out of range")


class Excite(nn.Module):
    """Squeeze and excitation: each channel of x [N, C, H, W] times what all channels' means say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = channels // 16
        self.fc1 = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.fc2 = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        gate: Tensor = self.fc2(self.fc1(means).relu()).sigmoid()
        return x * gate


class Unit(nn.Module):
    """A residual unit of IR-SE: [N, I, H, W] -> [N, O, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)  # every second pixel
        if inputs != outputs:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            Excite(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.res_layer(x) + self.shortcut_layer(x)
        return y


class Row(nn.Module):
    """One row of W+ from a map of 2^steps px: [N, I, 2^steps, 2^steps] -> [N, w_dim]."""

    def __init__(self, inputs: int, w_dim: int, steps: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for step in range(steps):
            layers += [nn.Conv2d(inputs if step == 0 else w_dim, w_dim, 3, 2, 1)]
            layers += [nn.LeakyReLU(_LEAK)]
        self.convs = nn.Sequential(*layers)
        self.linear = ops.EqualLinear(w_dim, w_dim)

    def forward(self, x: Tensor) -> Tensor:
        row: Tensor = self.linear(self.convs(x).flatten(1))
        return row


class PortraitEncoder(nn.Module):
    """Crop [N, 3, 256, 256] in -1..1 -> W_ID [N, rows, w_dim]."""

    def __init__(self, dims: Dims, portrait: PortraitDims) -> None:
        super().__init__()
        self.portrait = portrait
        width, inputs = portrait.width, 6 if portrait.passes else 3
        self.input_layer = nn.Sequential(
            nn.Conv2d(inputs, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width)
        )
        units: list[Unit] = []
        before = width
        for stage, count in enumerate(_UNITS):
            for number in range(count):
                units.append(Unit(before, width << stage, 2 if number == 0 else 1))
                before = width << stage
        self.body = nn.Sequential(*units)
        self.styles = nn.ModuleList(
            Row(before, dims.w_dim, 4 + (_level(row) if portrait.three_maps else 0))
            for row in range(spaces.rows(dims))
        )
        if portrait.three_maps:
            self.latlayer1 = nn.Conv2d(4 * width, before, 1)
            self.latlayer2 = nn.Conv2d(2 * width, before, 1)
        self.mean: Tensor  # what the rows are offsets from; zero where they are none
        self.register_buffer("mean", torch.zeros(spaces.rows(dims), dims.w_dim))
        self.deformed = spaces.deformed_layers(dims)[-1].row + 1  # rows that S_F reaches
        self.motion = nn.Linear(dims.w_dim, dims.w_dim)  # what of a latent is no identity
        self.leave_out(torch.zeros(dims.w_dim, dims.w_dim), torch.zeros(dims.w_dim))

    @torch.no_grad()
    def leave_out(self, weight: Tensor, bias: Tensor) -> None:
        """Take from every W_ID w the motion that the portrait shows: weight @ w + bias.

        None is left out of an encoder as it is imported; `reenact train` finds the map.
        """
        self.motion.weight.copy_(weight)
        self.motion.bias.copy_(bias)

    def forward(self, crop: Tensor, draw: Draw) -> Tensor:
        """`draw` is the generator, which ReStyle looks at."""
        w_id = self.mean.expand(len(crop), -1, -1)
        if not self.portrait.passes:
            w_id = w_id + self.offsets(crop)
        for _ in range(self.portrait.passes):
            w_id = w_id + self.offsets(torch.cat([crop, _resized(draw(w_id))], 1))
        motion: Tensor = self.motion(w_id[:, : self.deformed].mean(1))
        return w_id - motion[:, None]

    def offsets(self, x: Tensor) -> Tensor:
        """What one pass makes of x [N, 3 or 6, 256, 256]: [N, rows, w_dim]."""
        maps = self._maps(x)
        rows = [row(maps[min(_level(k), len(maps) - 1)]) for k, row in enumerate(self.styles)]
        if self.portrait.deltas:
            rows[1:] = [rows[0] + delta for delta in rows[1:]]
        return torch.stack(rows, 1)

    def _maps(self, x: Tensor) -> list[Tensor]:
        """[N, 8 width, 16, 16] and, where there are three, those of 32 and 64 px."""
        x = self.input_layer(x)
        ends = []  # of the stages
        for number, unit in enumerate(self.body, 1):
            x = unit(x)
            if number in (sum(_UNITS[:2]), sum(_UNITS[:3])):
                ends.append(x)
        if not self.portrait.three_maps:
            return [x]
        medium = _enlarged(x) + self.latlayer1(ends[1])
        return [x, medium, _enlarged(medium) + self.latlayer2(ends[0])]


def _level(row: int) -> int:
    """0: a row reads the coarse map, 1: the medium one, 2: the fine one."""
    return 0 if row < _MEDIUM else 1 if row < _FINE else 2


def _enlarged(x: Tensor) -> Tensor:
    size = (2 * x.shape[2], 2 * x.shape[3])
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def _resized(picture: Tensor) -> Tensor:
    """A square picture at the crop's size: averaged over areas, or with pixels repeated."""
    side = picture.shape[-1]
    if side > CROP:
        return F.avg_pool2d(picture, side // CROP)
    return F.interpolate(picture, (CROP, CROP)) if side < CROP else picture


def read_portrait_encoder(
    dims: Dims, tensors: Mapping[str, Tensor], options: Mapping[str, Any], mean: Tensor | None
) -> PortraitEncoder:
    """The encoder that a file of pSp, e4e or ReStyle holds; eval mode, fp32.

    Args:
        dims: of the file's generator.
        tensors: the encoder's, by their names in the file.
        options: what it was trained with.
        mean: the file's mean latent, one for each row or one for all.

    Raises:
        ValueError: an encoder that is not known, or damaged; the text is a sentence's second half.
    """
    kind, first = options.get("encoder_type"), tensors.get("input_layer.0.weight")
    if kind not in _KINDS:
        raise ValueError(f"it is of the kind {kind!r}, and only {', '.join(_KINDS)} are known")
    inputs = 0 if first is None else first.shape[1]
    if first is None or inputs not in (3, 6):
        raise ValueError(f"it reads {inputs} channels, no portrait (3) and no ReStyle's pair (6)")
    three_maps, deltas = _KINDS[kind]
    passes = PASSES if inputs == 6 else 0
    encoder = PortraitEncoder(dims, PortraitDims(three_maps, deltas, passes, len(first)))
    own = {name: t for name, t in encoder.state_dict().items() if name.startswith("motion.")}
    state = own | {n: tensor for n, tensor in tensors.items() if n in encoder.state_dict()}
    rows = torch.zeros_like(encoder.mean)
    if passes or options.get("start_from_latent_avg"):
        if mean is None or mean.numel() not in (dims.w_dim, rows.numel()):
            raise ValueError("it starts from a mean latent, which the file lacks")
        rows = mean.reshape(-1, dims.w_dim).expand(rows.shape).clone()
    if not all(bool(tensor.isfinite().all()) for tensor in state.values()):
        raise ValueError("its weights hold NaN or infinity")
    try:
        encoder.load_state_dict({**state, "mean": rows})
    except RuntimeError as error:
        raise ValueError(str(error).splitlines()[1].strip()) from error
    return encoder.eval().requires_grad_(False)

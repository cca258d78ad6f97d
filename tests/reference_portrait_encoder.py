"""The portrait encoders of pSp, e4e and ReStyle as plain functions of a file's tensors.

Written from the papers and the files' names, apart from `reenact.foreign_encoder`.
"""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]
STRIDED = (0, 3, 7, 21)  # units that halve the picture


def normalised(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    scale = state[f"{name}.weight"] / (variance + 1e-5).sqrt()
    return (x - mean[:, None, None]) * scale[:, None, None] + state[f"{name}.bias"][:, None, None]


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, x * slope[:, None, None])


def unit(state: State, number: int, x: Tensor) -> Tensor:
    stride, name = 2 if number in STRIDED else 1, f"body.{number}.res_layer"
    y = F.conv2d(normalised(state, f"{name}.0", x), state[f"{name}.1.weight"], padding=1)
    y = prelu(y, state[f"{name}.2.weight"])
    y = F.conv2d(y, state[f"{name}.3.weight"], padding=1, stride=stride)
    y = normalised(state, f"{name}.4", y)
    squeezed = y.mean((2, 3)) @ state[f"{name}.5.fc1.weight"][:, :, 0, 0].T
    gate = torch.sigmoid(squeezed.clamp(min=0) @ state[f"{name}.5.fc2.weight"][:, :, 0, 0].T)
    shortcut, short = x[:, :, ::stride, ::stride], f"body.{number}.shortcut_layer"
    if f"{short}.0.weight" in state:
        shortcut = normalised(state, f"{short}.1", F.conv2d(shortcut, state[f"{short}.0.weight"]))
    return y * gate[:, :, None, None] + shortcut


def doubled(x: Tensor) -> Tensor:
    """Bilinear, corners on corners."""
    size = x.shape[-1]
    place = torch.arange(2 * size) * (size - 1) / (2 * size - 1)
    matrix = (1 - (place[:, None] - torch.arange(size)).abs()).clamp(min=0)
    return matrix @ x @ matrix.T


def row(state: State, number: int, x: Tensor) -> Tensor:
    k = 0
    while (name := f"styles.{number}.convs.{2 * k}") and f"{name}.weight" in state:
        x = F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], stride=2, padding=1)
        x, k = torch.where(x > 0, x, 0.01 * x), k + 1
    assert x.shape[-1] == 1
    weight, bias = state[f"styles.{number}.linear.weight"], state[f"styles.{number}.linear.bias"]
    return x[:, :, 0, 0] @ weight.T / weight.shape[1] ** 0.5 + bias


def one_pass(state: State, x: Tensor, rows: int, deltas: bool) -> Tensor:
    x = normalised(state, "input_layer.1", F.conv2d(x, state["input_layer.0.weight"], padding=1))
    x = prelu(x, state["input_layer.2.weight"])
    seen = []
    for number in range(24):
        x = unit(state, number, x)
        seen.append(x)
    maps = [x, x, x]
    if "latlayer1.weight" in state:
        for place, (name, after) in enumerate((("latlayer1", 20), ("latlayer2", 6)), 1):
            side = F.conv2d(seen[after], state[f"{name}.weight"], state[f"{name}.bias"])
            maps[place] = doubled(maps[place - 1]) + side
    which = [0] * 3 + [1] * 4 + [2] * 11
    found = [row(state, number, maps[which[number]]) for number in range(rows)]
    if deltas:
        found = [found[0]] + [found[0] + delta for delta in found[1:]]
    return torch.stack(found, 1)


def restyle(
    state: State, crop: Tensor, mean: Tensor, draw: Callable[[Tensor], Tensor], deltas: bool
) -> Tensor:
    """Five passes; `draw` makes a picture of a latent, here smaller than the crop."""
    latent = mean[None].repeat(len(crop), 1, 1)
    for _ in range(5):
        picture = draw(latent)
        times = crop.shape[-1] // picture.shape[-1]
        large = picture.repeat_interleave(times, 2).repeat_interleave(times, 3)
        latent = latent + one_pass(state, torch.cat([crop, large], 1), len(mean), deltas)
    return latent

"""A, the affine layers from W+ to styles, without torch: what an avatar needs of a generator.

Read from the model's checkpoint (`reenact.checkpoint` writes it); `reenact.generator.Affines` is the
same for training.
"""

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from reenact import spaces
from reenact.errors import UserError
from reenact.spaces import Dims

Floats = npt.NDArray[np.float32]

_FIRST = "synthesis.blocks.0.convs.0.weight"


class Affines:
    """styles = A(W+).

    Attributes:
        mean: f32 [w_dim], the mean latent.
        fingerprint: hex, of the generator.
    """

    def __init__(self, checkpoint: Path, dims: Dims) -> None:
        """Read them.

        Raises:
            UserError: no such checkpoint, or it is damaged or of another generator's sizes.
        """
        if not checkpoint.is_file():
            raise UserError(f"there is no checkpoint {checkpoint}: export the model again")
        try:
            tensors = _read(checkpoint)
            self.mean: Floats = tensors["w_avg"].astype(np.float32)
            self.fingerprint = fingerprint_of(tensors)
            self._layers = [
                (layer.row, *_affine(tensors, index, layer.in_channels, dims.w_dim))
                for index, layer in enumerate(spaces.layers(dims))
            ]
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise UserError(
                f"{checkpoint} is no whole checkpoint of this model ({error}): export it again"
            ) from error

    def __call__(self, w_plus: Floats) -> Floats:
        """Identity styles f32 [S] of a latent f32 [rows, w_dim]."""
        styles = [weight @ w_plus[row] + bias for row, weight, bias in self._layers]
        return np.concatenate(styles, dtype=np.float32)


def fingerprint_of(tensors: Mapping[str, npt.NDArray[Any]]) -> str:
    """Hex SHA-256 of a generator's mean latent, first convolution and affine layers, as fp16."""
    names = ["w_avg", _FIRST, *sorted(name for name in tensors if name.startswith("affines."))]
    digest = hashlib.sha256()
    for name in names:
        digest.update(np.ascontiguousarray(tensors[name], "<f2").tobytes())
    return digest.hexdigest()


def _read(checkpoint: Path) -> dict[str, npt.NDArray[Any]]:
    """What is needed of a checkpoint; a puppeteer's has the generator's names after a prefix."""
    with safe_open(checkpoint, framework="np") as file:
        names = set(file.keys())
        prefix = "generator." if "generator.w_avg" in names else ""
        bare = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        wanted = ["w_avg", _FIRST, *(name for name in bare if name.startswith("affines."))]
        return {name: file.get_tensor(prefix + name) for name in wanted}


def _affine(
    tensors: Mapping[str, npt.NDArray[Any]], index: int, outputs: int, inputs: int
) -> tuple[Floats, Floats]:
    """Weight [outputs, inputs], scaled as equalised learning rate does (`reenact.ops`), and bias."""
    weight = tensors[f"affines.layers.{index}.weight"].astype(np.float32)
    bias = tensors[f"affines.layers.{index}.bias"].astype(np.float32)
    if weight.shape != (outputs, inputs) or bias.shape != (outputs,):
        raise ValueError(f"affine layer {index} is {weight.shape}, not {(outputs, inputs)}")
    return weight / np.float32(math.sqrt(inputs)), bias

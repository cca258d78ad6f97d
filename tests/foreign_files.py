"""Checkpoints in the formats of other code bases, written by ourselves, with random weights.

NVIDIA's pickle names classes by a function of its own and carries their source code; the code here
would leave a mark if anybody ran it.
"""

import pickle
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from reenact.ops import FIR

SIZE, WIDTH, DEPTH = 16, 8, 2  # px, channels everywhere, mapping layers


def _filter() -> Tensor:
    row = torch.tensor(FIR) / 2
    return torch.outer(row, row)


def _reconstruct_persistent_obj(meta: dict[str, Any]) -> None:
    raise AssertionError("only ever named in files")


class Persistent(nn.Module):
    """Pickles as NVIDIA's decorated classes do: through one function, with its source code."""

    source = ""

    def __init__(self, name: str, **modules: nn.Module) -> None:
        super().__init__()
        self._name = name
        self._init_kwargs = {"synthesis_kwargs": {"architecture": "skip"}}
        for key, module in modules.items():
            self.add_module(key, module)

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": Persistent.source,
            "class_name": self._name,
            "state": self.__dict__,
        }
        return _reconstruct_persistent_obj, (meta,)


@contextmanager
def nvidia_modules() -> Iterator[None]:
    """While this lasts, the function above has the name that it has in NVIDIA's files."""
    package, module = ModuleType("torch_utils"), ModuleType("torch_utils.persistence")
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    package.persistence = module  # type: ignore[attr-defined]
    names = _reconstruct_persistent_obj.__module__
    sys.modules |= {"torch_utils": package, "torch_utils.persistence": module}
    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    try:
        yield
    finally:
        _reconstruct_persistent_obj.__module__ = names
        del sys.modules["torch_utils"], sys.modules["torch_utils.persistence"]


def _dense(inputs: int, outputs: int) -> Persistent:
    layer = Persistent("FullyConnectedLayer")
    layer.register_buffer("weight", torch.randn(outputs, inputs))
    layer.register_buffer("bias", torch.randn(outputs))
    return layer


def nvidia_generator() -> Persistent:
    """A whole 'Generator' of NVIDIA's names and shapes."""
    mapping = {f"fc{k}": _dense(WIDTH, WIDTH) for k in range(DEPTH)}
    mapping_network = Persistent("MappingNetwork", **mapping)
    mapping_network.register_buffer("w_avg", torch.randn(WIDTH))
    blocks = {}
    resolution = 4
    while resolution <= SIZE:
        names = ["conv1"] if resolution == 4 else ["conv0", "conv1"]
        layers = {name: _nvidia_conv(resolution) for name in names}
        torgb = Persistent("ToRGBLayer", affine=_dense(WIDTH, WIDTH))
        torgb.register_buffer("weight", torch.randn(3, WIDTH, 1, 1))
        torgb.register_buffer("bias", torch.randn(3))
        block = Persistent("SynthesisBlock", **layers, torgb=torgb)
        block.register_buffer("resample_filter", _filter())
        if resolution == 4:
            block.register_buffer("const", torch.randn(WIDTH, 4, 4))
        blocks[f"b{resolution}"] = block
        resolution *= 2
    synthesis = Persistent("SynthesisNetwork", **blocks)
    return Persistent("Generator", mapping=mapping_network, synthesis=synthesis)


def _nvidia_conv(resolution: int) -> Persistent:
    layer = Persistent("SynthesisLayer", affine=_dense(WIDTH, WIDTH))
    layer.register_buffer("weight", torch.randn(WIDTH, WIDTH, 3, 3))
    layer.register_buffer("bias", torch.randn(WIDTH))
    layer.register_buffer("noise_const", torch.randn(resolution, resolution))
    layer.register_buffer("noise_strength", torch.randn(()))
    layer.register_buffer("resample_filter", _filter())
    return layer


def write_nvidia(path: Path, network: nn.Module | None = None, mark: Path | None = None) -> None:
    """Write a `.pkl`; code in it would create the file `mark`."""
    Persistent.source = f"open({str(mark)!r}, 'w')" if mark else "class Generator: pass"
    with nvidia_modules(), path.open("wb") as file:
        content = {"G_ema": network or nvidia_generator(), "D": None, "training_set_kwargs": {}}
        pickle.dump(content, file)


def rosinality_state() -> dict[str, Tensor]:
    """The state dict of a rosinality generator: names and shapes."""
    state = {"input.input": torch.randn(1, WIDTH, 4, 4)}
    for k in range(DEPTH):
        state[f"style.{k + 1}.weight"] = torch.randn(WIDTH, WIDTH)
        state[f"style.{k + 1}.bias"] = torch.randn(WIDTH)
    convs = ["conv1", *(f"convs.{k}" for k in range(4))]
    for k, name in enumerate(convs):
        side = 4 << (k + 1) // 2
        state |= _rosinality_layer(name, WIDTH, 3)
        state[f"{name}.noise.weight"] = torch.randn(1)
        state[f"{name}.activate.bias"] = torch.randn(WIDTH)
        state[f"noises.noise_{k}"] = torch.randn(1, 1, side, side)
    for name in ("to_rgb1", "to_rgbs.0", "to_rgbs.1"):
        state |= _rosinality_layer(name, 3, 1)
        state[f"{name}.bias"] = torch.randn(1, 3, 1, 1)
    state["convs.0.conv.blur.kernel"] = _filter() * 4
    return state


def _rosinality_layer(name: str, outputs: int, kernel: int) -> dict[str, Tensor]:
    return {
        f"{name}.conv.weight": torch.randn(1, outputs, WIDTH, kernel, kernel),
        f"{name}.conv.modulation.weight": torch.randn(WIDTH, WIDTH),
        f"{name}.conv.modulation.bias": torch.randn(WIDTH),
    }


def portrait_state(inputs: int, three_maps: bool, width: int = 16) -> dict[str, Tensor]:
    """The state dict of an encoder of pSp's, e4e's or ReStyle's: names and shapes."""
    state = {"input_layer.0.weight": _filters(width, inputs, 3)} | _norm("input_layer.1", width)
    state["input_layer.2.weight"] = torch.rand(width) * 0.4
    before = width
    for number in range(24):  # 3 + 4 + 14 + 3 units
        channels = width << (number > 2) + (number > 6) + (number > 20)
        state |= _portrait_unit(f"body.{number}", before, channels)
        before = channels
    for row in range(6):
        maps = 0 if row < 3 or not three_maps else 1
        for k in range(4 + maps):
            name = f"styles.{row}.convs.{2 * k}"
            state[f"{name}.weight"] = _filters(WIDTH, before if k == 0 else WIDTH, 3)
            state[f"{name}.bias"] = torch.randn(WIDTH) * 0.3
        # small, so that what one pass rounds does not grow in ReStyle's next ones
        state[f"styles.{row}.linear.weight"] = torch.randn(WIDTH, WIDTH) / 20
        state[f"styles.{row}.linear.bias"] = torch.randn(WIDTH) / 20
    for k, channels in enumerate((4 * width, 2 * width), 1) if three_maps else ():
        state[f"latlayer{k}.weight"] = _filters(before, channels, 1)
        state[f"latlayer{k}.bias"] = torch.randn(before)
    return state


def _portrait_unit(name: str, inputs: int, outputs: int) -> dict[str, Tensor]:
    layer = f"{name}.res_layer"
    state = _norm(f"{layer}.0", inputs) | _norm(f"{layer}.4", outputs)
    state[f"{layer}.1.weight"] = _filters(outputs, inputs, 3)
    state[f"{layer}.2.weight"] = torch.rand(outputs) * 0.4
    state[f"{layer}.3.weight"] = _filters(outputs, outputs, 3)
    state[f"{layer}.5.fc1.weight"] = _filters(outputs // 16, outputs, 1)
    state[f"{layer}.5.fc2.weight"] = _filters(outputs, outputs // 16, 1)
    if inputs != outputs:
        state[f"{name}.shortcut_layer.0.weight"] = _filters(outputs, inputs, 1)
        state |= _norm(f"{name}.shortcut_layer.1", outputs)
    return state


def _filters(outputs: int, inputs: int, size: int) -> Tensor:
    return torch.randn(outputs, inputs, size, size) / (size * inputs**0.5)


def _norm(name: str, channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": 0.5 + torch.rand(channels),
        f"{name}.bias": torch.randn(channels) * 0.2,
        f"{name}.running_mean": torch.randn(channels) * 0.2,
        f"{name}.running_var": 0.5 + torch.rand(channels),
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def write_portraits(path: Path, kind: str, inputs: int = 3, **options: Any) -> dict[str, Tensor]:
    """Write a file of pSp's, e4e's or ReStyle's with a generator of `rosinality_state`; its parts."""
    state = portrait_state(inputs, kind in ("GradualStyleEncoder", "Encoder4Editing"))
    parts = {f"encoder.{name}": tensor for name, tensor in state.items()}
    parts |= {f"decoder.{name}": tensor for name, tensor in rosinality_state().items()}
    mean = torch.randn(WIDTH).repeat(6, 1)  # one for each row
    options = {"encoder_type": kind, "start_from_latent_avg": True, "device": "cuda:0"} | options
    torch.save({"state_dict": parts, "latent_avg": mean, "opts": options}, path)
    return parts | {"latent_avg": mean}

"""Generators of other code bases as ours: NVIDIA's .pkl, rosinality's .pt, e4e/pSp/ReStyle's .pt.

All of them hold the same network under other names. What differs, besides names: rosinality scales
a convolution's weights by 1/sqrt(fan-in) when it uses them, NVIDIA does not (Karras et al. 2020,
ADA). NVIDIA's clamp of activations at +-256, which only its fp16 layers need, is not reproduced.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reenact import ops, spaces
from reenact.errors import UserError
from reenact.foreign_encoder import PortraitEncoder, read_portrait_encoder
from reenact.generator import Generator
from reenact.spaces import Dims, Layer
from reenact.unpickle import Instance, damaged, read_pickle, read_torch, refused

Tensors = Mapping[str, Tensor]

_MOST_PIXELS, _MOST_CHANNELS, _MOST_LAYERS = 2048, 4096, 32


@dataclass(frozen=True)
class Foreign:
    """What an imported file holds.

    Attributes:
        generator: ours, with the file's weights; eval mode, fp32, CPU.
        origin: whose format it is, in words.
        remarks: what a user should know about this file, sentences.
        encoder: its portrait encoder, if it has one that we know; `remarks` say so otherwise.
    """

    generator: Generator
    origin: str
    remarks: tuple[str, ...]
    encoder: PortraitEncoder | None = None


def read_foreign(path: Path) -> Foreign:
    """Read a checkpoint of another code base; nothing in it is executed.

    Raises:
        UserError: not such a file, damaged, hostile, or a network that StyleGAN2's is not.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}; check the path")
    try:
        if path.suffix == ".pkl":
            return _from_nvidia(path, read_pickle(path))
        return _from_rosinality(path, read_torch(path))
    except UserError:
        raise
    except Exception as error:  # missing names, wrong kinds: the file decides what goes wrong here
        raise damaged(path, error) from error


def _from_nvidia(path: Path, content: Any) -> Foreign:
    networks = content if isinstance(content, dict) else {}
    network = networks.get("G_ema", content)
    if not isinstance(network, Instance) or network.name != "Generator":
        raise refused(path, "it holds no 'G_ema', the generator")
    tensors = network.tensors()
    if "synthesis.b4.const" not in tensors:
        raise refused(path, "its generator is no StyleGAN2 (StyleGAN3 has another structure)")
    kwargs = network.attributes.get("_init_kwargs", {})
    architecture = dict(kwargs.get("synthesis_kwargs", {})).get("architecture", "skip")
    if architecture != "skip":
        raise refused(path, f"its generator is of the kind {architecture!r}; only 'skip' is known")
    if any(name.startswith("mapping.embed.") for name in tensors):
        raise refused(path, "it is conditional (its mapping takes a class); faces need none")
    filters = [t for name, t in tensors.items() if name.endswith("resample_filter")]
    dims = _dims(
        path,
        widths=_nvidia_widths(tensors),
        w_dim=tensors["mapping.w_avg"].shape[0],
        z_dim=tensors["mapping.fc0.weight"].shape[1],
        mapping_layers=sum(name.startswith("mapping.fc") for name in tensors) // 2,
        noise="synthesis.b4.conv1.noise_const" in tensors,
    )
    _check_filters(path, filters)
    renamed = _renamed_nvidia(dims, tensors)
    return Foreign(_generator(path, dims, renamed), "NVIDIA (stylegan2-ada-pytorch, stylegan3)", ())


def _nvidia_widths(tensors: Tensors) -> dict[int, int]:
    """Channels by resolution."""
    ends = ".conv1.weight"
    names = [n for n in tensors if n.startswith("synthesis.b") and n.endswith(ends)]
    return {int(n[len("synthesis.b") : -len(ends)]): len(tensors[n]) for n in names}


def _renamed_nvidia(dims: Dims, tensors: Tensors) -> dict[str, Tensor]:
    state = {"w_avg": tensors["mapping.w_avg"], "synthesis.constant": tensors["synthesis.b4.const"]}
    state["synthesis.constant"] = state["synthesis.constant"][None]
    for k in range(dims.mapping_layers):
        for part in ("weight", "bias"):
            state[f"mapping.layers.{k}.{part}"] = tensors[f"mapping.fc{k}.{part}"]
    for number, (layer, ours) in enumerate(zip(spaces.layers(dims), _places(dims), strict=True)):
        theirs = f"synthesis.{layer.name}"
        for part in ("weight", "bias"):
            state[f"affines.layers.{number}.{part}"] = tensors[f"{theirs}.affine.{part}"]
            state[f"{ours}.{part}"] = tensors[f"{theirs}.{part}"]
        if dims.noise and layer.kind == "conv":
            state[f"{ours}.noise.constant"] = tensors[f"{theirs}.noise_const"]
            state[f"{ours}.noise.strength"] = tensors[f"{theirs}.noise_strength"]
    return state


def _from_rosinality(path: Path, content: Any) -> Foreign:
    if not isinstance(content, dict):
        raise refused(path, "it holds no dictionary of weights")
    encoder: dict[str, Tensor] = {}
    if "g_ema" in content:
        origin, tensors = "rosinality (stylegan2-pytorch)", content["g_ema"]
    elif "state_dict" in content:
        parts = content["state_dict"]
        tensors = _under("decoder.", parts)
        encoder, origin = _under("encoder.", parts), "pSp, e4e or ReStyle"
    else:
        raise refused(path, "it has neither 'g_ema' (rosinality) nor 'state_dict' (e4e, pSp)")
    if "conv1.conv.weight" not in tensors:
        raise refused(path, "its generator is no StyleGAN2 of rosinality's")
    noises = {int(n.rsplit("_", 1)[1]): t for n, t in tensors.items() if n.startswith("noises.")}
    dims = _dims(
        path,
        widths=_rosinality_widths(tensors),
        w_dim=tensors["conv1.conv.modulation.weight"].shape[1],
        z_dim=tensors["style.1.weight"].shape[1],
        mapping_layers=sum(name.startswith("style.") for name in tensors) // 2,
        noise=bool(noises),
    )
    kernels = [t for name, t in tensors.items() if name.endswith(".kernel")]
    _check_filters(path, kernels)
    mean, remark = _mean_latent(content.get("latent_avg"), dims)
    state = {"w_avg": mean, **_renamed_rosinality(dims, tensors, noises)}
    remarks = [remark] if remark else []
    if not noises:
        remarks.append("It has no noise maps, so its noise is left out.")
    generator = _generator(path, dims, state)
    portrait, words = _portrait_encoder(dims, encoder, content) if encoder else (None, [])
    return Foreign(generator, origin, (*remarks, *words), portrait)


def _portrait_encoder(
    dims: Dims, tensors: Tensors, content: Mapping[str, Any]
) -> tuple[PortraitEncoder | None, list[str]]:
    """The portrait encoder; or none, and why. The generator is of use without it."""
    options, mean = content.get("opts"), content.get("latent_avg")
    options = options if isinstance(options, dict) else getattr(options, "__dict__", {})
    mean = mean.float() if isinstance(mean, Tensor) else None
    try:
        return read_portrait_encoder(dims, tensors, options, mean), []
    except ValueError as error:
        return None, [f"Its portrait encoder was left out: {error}."]


def _under(prefix: str, tensors: Tensors) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _rosinality_widths(tensors: Tensors) -> dict[int, int]:
    widths, k = {4: tensors["conv1.conv.weight"].shape[1]}, 1
    while f"convs.{k}.conv.weight" in tensors:
        widths[4 << (k + 1) // 2] = tensors[f"convs.{k}.conv.weight"].shape[1]
        k += 2
    return widths


def _renamed_rosinality(
    dims: Dims, tensors: Tensors, noises: Mapping[int, Tensor]
) -> dict[str, Tensor]:
    state = {"synthesis.constant": tensors["input.input"]}
    for k in range(dims.mapping_layers):
        for part in ("weight", "bias"):
            state[f"mapping.layers.{k}.{part}"] = tensors[f"style.{k + 1}.{part}"]
    convs = rgbs = 0
    for number, (layer, ours) in enumerate(zip(spaces.layers(dims), _places(dims), strict=True)):
        if layer.kind == "conv":
            theirs, bias = "conv1" if convs == 0 else f"convs.{convs - 1}", "activate.bias"
            if dims.noise:
                state[f"{ours}.noise.constant"] = noises[convs][0, 0]
                state[f"{ours}.noise.strength"] = tensors[f"{theirs}.noise.weight"].reshape(())
            convs += 1
        else:
            theirs, bias = "to_rgb1" if rgbs == 0 else f"to_rgbs.{rgbs - 1}", "bias"
            rgbs += 1
        for part in ("weight", "bias"):
            affine = tensors[f"{theirs}.conv.modulation.{part}"]
            state[f"affines.layers.{number}.{part}"] = affine
        weight = tensors[f"{theirs}.conv.weight"][0]
        scale = 1 / math.sqrt(weight[0].numel()) if layer.kind == "conv" else 1.0
        state[f"{ours}.weight"] = weight * scale
        state[f"{ours}.bias"] = tensors[f"{theirs}.{bias}"].flatten()
    return state


def _mean_latent(mean: Any, dims: Dims) -> tuple[Tensor, str]:
    """The mean latent [w_dim], and a remark where the file has none or one for each row."""
    if not isinstance(mean, Tensor):
        return torch.zeros(0), "It has no mean latent; one was made from 10,000 random z."
    rows = mean.reshape(-1, dims.w_dim)
    return rows.mean(0), ""


def _dims(path: Path, widths: Mapping[int, int], **sizes: Any) -> Dims:
    """The sizes of a generator from its channels by resolution (px)."""
    largest = max(widths)
    base, most = widths[largest] * largest, max(widths.values())
    if not (8 <= largest <= _MOST_PIXELS and 0 < most <= _MOST_CHANNELS):
        raise refused(path, f"{largest} px with up to {most} channels is out of range")
    if not 0 < sizes["mapping_layers"] <= _MOST_LAYERS:
        raise refused(path, f"its mapping has {sizes['mapping_layers']} layers")
    dims = Dims(resolution=largest, channel_base=base, channel_max=most, **sizes)
    expected = {resolution: dims.channels(resolution) for resolution in _resolutions(dims)}
    if expected != dict(widths):
        raise refused(path, f"its channels by resolution are {dict(widths)}, not StyleGAN2's")
    return dims


def _resolutions(dims: Dims) -> list[int]:
    return sorted({layer.resolution for layer in spaces.layers(dims)})


def _check_filters(path: Path, filters: list[Tensor]) -> None:
    """All of StyleGAN2's filters are [1, 3, 3, 1], up to a gain."""
    row = torch.tensor(ops.FIR)
    for found in filters:
        if found.shape != (4, 4) or not torch.allclose(
            found.float() / found.sum(), torch.outer(row, row) / 4, atol=1e-5
        ):
            raise refused(path, "it up-samples with another filter than [1, 3, 3, 1]")


def _places(dims: Dims) -> list[str]:
    """For each layer, in network order, where it is in our generator."""
    levels = _resolutions(dims)

    def place(layer: Layer) -> str:
        block = f"synthesis.blocks.{levels.index(layer.resolution)}"
        if layer.kind == "torgb":
            return f"{block}.torgb"
        return f"{block}.convs.{1 if layer.resolution > 4 and not layer.up else 0}"

    return [place(layer) for layer in spaces.layers(dims)]


def _generator(path: Path, dims: Dims, state: dict[str, Tensor]) -> Generator:
    """Our generator with these weights; refuses shapes that do not fit, and NaN."""
    generator = Generator(dims).eval().requires_grad_(False)
    missing = state["w_avg"].numel() == 0
    if missing:
        state["w_avg"] = generator.w_avg
    for name, tensor in state.items():
        if not bool(tensor.isfinite().all()):
            raise refused(path, f"its weights hold NaN or infinity (in our {name})")
    try:
        generator.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise refused(path, f"its shapes do not fit one another ({reason})") from error
    if missing:
        z = torch.randn(10_000, dims.z_dim, generator=torch.Generator().manual_seed(0))
        generator.w_avg.copy_(generator.mapping(z).mean(0))
    return generator

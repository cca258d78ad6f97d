"""Our checkpoint: one safetensors file that describes itself; weights are fp16, never a pickle.

The metadata key "reenact" holds JSON: version, dims, encoder (their sizes) and info (free text).
The file of a generator alone, an imported one say, has no encoder and keeps its weights in fp32.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from reenact.affines import fingerprint_of
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.generator import Generator
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

KEY = "reenact"
VERSION = 1


def save_checkpoint(puppeteer: Puppeteer, path: Path, info: dict[str, Any]) -> None:
    """Write the weights, rounded to fp16, and `info` (JSON values); UserError where that fails."""
    tensors = {name: rounded(tensor) for name, tensor in puppeteer.state_dict().items()}
    sizes = {"dims": asdict(puppeteer.dims), "encoder": asdict(puppeteer.encoder)}
    _save(tensors, sizes, path, info)


def save_generator(generator: Generator, path: Path, info: dict[str, Any]) -> None:
    """Write a generator alone, in fp32, and `info` (JSON values); UserError where that fails."""
    tensors = {name: tensor.contiguous() for name, tensor in generator.state_dict().items()}
    _save(tensors, {"dims": asdict(generator.dims)}, path, info)


def _save(
    tensors: dict[str, Tensor], sizes: dict[str, Any], path: Path, info: dict[str, Any]
) -> None:
    header = json.dumps({"version": VERSION, **sizes, "info": info})
    part = path.with_name(path.name + ".part")
    try:
        save_file(tensors, part, metadata={KEY: header})
        os.replace(part, path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise UserError(f"cannot write {path}: {error}; choose another place") from error


def rounded(tensor: Tensor) -> Tensor:
    """fp16 on the CPU; whole numbers, and what fp16 cannot hold, stay as they are."""
    tensor = tensor.detach().cpu().contiguous()
    half = tensor.half() if tensor.is_floating_point() else tensor
    return half if bool(half.isfinite().all()) else tensor


def load_checkpoint(path: Path) -> tuple[Puppeteer, dict[str, Any]]:
    """The puppeteer (fp32, CPU, eval mode) and `info`; UserError for a file that is not ours."""
    header, tensors = _load(path)
    if "encoder" not in header:
        raise UserError(
            f"{path} holds a generator alone, which nobody can drive yet; train its encoders first"
        )
    try:
        puppeteer = Puppeteer(Dims(**header["dims"]), EncoderDims(**header["encoder"]))
        puppeteer.load_state_dict(tensors)  # copies into fp32
        return puppeteer.eval(), dict(header["info"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error


def load_generator(path: Path) -> tuple[Generator, dict[str, Any]]:
    """The generator of either kind of file (fp32, CPU, eval mode) and `info`; else UserError."""
    header, tensors = _load(path)
    if "encoder" in header:
        prefix = "generator."
        tensors = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
    try:
        generator = Generator(Dims(**header["dims"]))
        generator.load_state_dict(tensors)
        return generator.eval(), dict(header["info"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file of ours."""
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}; name a .safetensors file of Reenact")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from error
    if KEY not in metadata:
        raise UserError(
            f"{path} is a safetensors file of another program, not a Reenact checkpoint"
        )
    try:
        header = dict(json.loads(metadata[KEY]))
        if header["version"] != VERSION:
            raise UserError(f"{path} has format {header['version']}, this Reenact reads {VERSION}")
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, error) from error
    return header, tensors


def damaged(path: Path, error: Exception) -> UserError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return UserError(f"{path} is not a whole Reenact checkpoint ({reason}); fetch or save it again")


def fingerprint(generator: Generator) -> str:
    """Hex SHA-256 that says which generator a latent belongs to; the same before and after saving.

    See `reenact.affines.fingerprint_of`.
    """
    state = generator.state_dict()
    return fingerprint_of({name: tensor.detach().cpu().numpy() for name, tensor in state.items()})

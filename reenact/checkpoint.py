"""Our checkpoint: one safetensors file that describes itself; weights are fp16, never a pickle.

The metadata key "reenact" holds JSON: version, dims, encoder, portrait (their sizes; portrait: of
an imported portrait encoder) and info (free text). The file of an imported generator, alone or with
its portrait encoder, has no encoder for deformations yet and keeps its weights in fp32.
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
from reenact.foreign_encoder import PortraitDims, PortraitEncoder
from reenact.generator import Generator
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

KEY = "reenact"
VERSION = 1
_GENERATOR = "generator."  # its tensors' names in a file that holds more


def save_checkpoint(puppeteer: Puppeteer, path: Path, info: dict[str, Any]) -> None:
    """Write the weights, rounded to fp16, and `info` (JSON values); UserError where that fails."""
    tensors = {name: rounded(tensor) for name, tensor in puppeteer.state_dict().items()}
    sizes = {"dims": asdict(puppeteer.dims), "encoder": asdict(puppeteer.encoder)}
    if puppeteer.portrait is not None:
        sizes["portrait"] = asdict(puppeteer.portrait)
    _save(tensors, sizes, path, info)


def save_generator(
    generator: Generator, path: Path, info: dict[str, Any], encoder: PortraitEncoder | None = None
) -> None:
    """Write a generator in fp32, with its imported portrait encoder if there is one, and `info`.

    `info` holds JSON values; UserError where writing fails.
    """
    tensors, sizes = generator.state_dict(), {"dims": asdict(generator.dims)}
    if encoder is not None:
        sizes["portrait"] = asdict(encoder.portrait)
        tensors = {f"{_GENERATOR}{name}": tensor for name, tensor in tensors.items()}
        own = encoder.state_dict().items()
        tensors |= {f"identity_encoder.{name}": tensor for name, tensor in own}
    _save({name: tensor.contiguous() for name, tensor in tensors.items()}, sizes, path, info)


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
            f"{path} holds a generator that nobody can drive yet; train a deformation encoder "
            f"for it: `reenact train --generator {path}`"
        )
    try:
        puppeteer = _puppeteer(header, EncoderDims(**header["encoder"]))
        rest = puppeteer.deform_head.rest  # of the first checkpoints the code 0, not written down
        puppeteer.load_state_dict({"deform_head.rest": rest, **tensors})  # copies into fp32
        return puppeteer.eval(), dict(header["info"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error


def load_imported(path: Path, encoder: EncoderDims) -> tuple[Puppeteer, dict[str, Any]]:
    """An imported generator with encoders of these sizes that have learnt nothing yet, and `info`.

    All but its portrait encoder, that is, where the file has one. UserError for other files.
    """
    header, tensors = _load(path)
    try:
        puppeteer = _puppeteer(header, encoder)
        if "portrait" not in header:
            puppeteer.generator.load_state_dict(tensors)
        else:
            missing, unknown = puppeteer.load_state_dict(tensors, strict=False)
            if unknown or any(n.startswith((_GENERATOR, "identity_encoder")) for n in missing):
                raise ValueError(f"names that do not fit: {[*unknown, *missing][0]}")
        return puppeteer.eval(), dict(header["info"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error


def graphs_in(path: Path) -> tuple[str, ...]:
    """Which graphs can be exported of a file of ours: without a deformation encoder fewer."""
    header = _header(path)
    if "encoder" in header:
        return ("encode_identity", "encode_deformation", "render")
    return ("encode_identity", "render") if "portrait" in header else ("render",)


def _puppeteer(header: dict[str, Any], encoder: EncoderDims) -> Puppeteer:
    portrait = PortraitDims(**header["portrait"]) if "portrait" in header else None
    return Puppeteer(Dims(**header["dims"]), encoder, portrait)


def load_generator(path: Path) -> tuple[Generator, dict[str, Any]]:
    """The generator of either kind of file (fp32, CPU, eval mode) and `info`; else UserError."""
    header, tensors = _load(path)
    if "encoder" in header or "portrait" in header:
        own = {n: t for n, t in tensors.items() if n.startswith(_GENERATOR)}
        tensors = {name.removeprefix(_GENERATOR): tensor for name, tensor in own.items()}
    try:
        generator = Generator(Dims(**header["dims"]))
        generator.load_state_dict(tensors)
        return generator.eval(), dict(header["info"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise damaged(path, error) from error


def _load(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file of ours."""
    header = _header(path)
    try:
        with safe_open(path, framework="pt") as file:
            return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise damaged(path, error) from error


def _header(path: Path) -> dict[str, Any]:
    """What a file of ours says of itself."""
    if not path.is_file():
        raise UserError(f"there is no checkpoint {path}; name a .safetensors file of Reenact")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
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
    return header


def damaged(path: Path, error: Exception) -> UserError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return UserError(f"{path} is not a whole Reenact checkpoint ({reason}); fetch or save it again")


def fingerprint(generator: Generator) -> str:
    """Hex SHA-256 that says which generator a latent belongs to; the same before and after saving.

    See `reenact.affines.fingerprint_of`.
    """
    state = generator.state_dict()
    return fingerprint_of({name: tensor.detach().cpu().numpy() for name, tensor in state.items()})

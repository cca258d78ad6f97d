"""Read other people's pickles without running them.

A pickle is a program: it names functions and calls them. This reader knows the few harmless names
that StyleGAN2's files need (tensors, dictionaries, arrays) and refuses every other one, so nothing
in a file is ever executed; the source code that NVIDIA's files carry is thrown away unread.
"""

import argparse
import collections
import io
import pickle
import re
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reenact.errors import UserError

_TENSORFLOW = ("dnnlib.tflib", "tensorflow")


@dataclass
class Instance:
    """What was an object of a class in the file: the class's name and its attributes."""

    name: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)

    def tensors(self, prefix: str = "") -> dict[str, Tensor]:
        """Parameters and buffers of a torch module and of those in it, by their dotted names."""
        found: dict[str, Tensor] = {}
        for kind in ("_parameters", "_buffers"):
            for name, value in self.attributes.get(kind, {}).items():
                if isinstance(value, Tensor):
                    found[prefix + name] = value.detach()
        for name, module in self.attributes.get("_modules", {}).items():
            if isinstance(module, Instance):
                found |= module.tensors(f"{prefix}{name}.")
        return found


class Forbidden(pickle.UnpicklingError):
    """The file names something that is not on the list."""


class _EasyDict(dict[str, Any]):
    """Stands for dnnlib.util.EasyDict."""


def _instance(meta: dict[str, Any]) -> Instance:
    """Stands for torch_utils.persistence: the state stays, the source code goes."""
    return Instance(str(meta.get("class_name")), dict(meta.get("state") or {}))


def _number(dtype: np.dtype[Any], data: bytes) -> Any:
    """Stands for numpy's own pickled numbers, which the settings of a network may hold."""
    return np.frombuffer(data, dtype)[0]


def _storage(data: bytes) -> Any:
    """Stands for torch.storage._load_from_bytes, which would unpickle without any restriction."""
    return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("dnnlib.util", "EasyDict"): _EasyDict,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _instance,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch", "Size"): torch.Size,
    ("numpy", "dtype"): np.dtype,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.startswith(_TENSORFLOW):
            raise Forbidden("it was written by the TensorFlow version, which only that can read")
        if name == "scalar" and module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            return _number
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        kind = getattr(torch, name, None) if module == "torch" else None
        if isinstance(kind, torch.dtype):
            return kind
        raise Forbidden(f"it would call {module}.{name}, which no network needs")


def read_pickle(path: Path) -> Any:
    """Read a `.pkl`; objects of NVIDIA's classes come as `Instance`.

    Raises:
        UserError: unreadable, damaged, or naming anything but the few harmless things.
    """
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch reports that its storages are of an older kind
            return _Unpickler(file).load()
    except Forbidden as error:
        raise refused(path, str(error)) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check the path") from error
    except Exception as error:  # a damaged pickle can make Python raise nearly anything
        raise damaged(path, error) from error


def read_torch(path: Path) -> Any:
    """Read a `.pt` (`torch.save`): tensors in dictionaries, and options as `argparse.Namespace`.

    Raises:
        UserError: unreadable, damaged, compressed, or naming anything but the few harmless things.
    """
    try:
        _refuse_packed(path)
        with (
            torch.serialization.safe_globals([argparse.Namespace]),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named is None:
            raise damaged(path, error) from error
        reason = f"it would call {named[1]}, which no network needs"
        raise refused(path, reason) from error
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; check its permissions") from error
    except Exception as error:  # also OSError: torch seeks past the end of a truncated file
        raise damaged(path, error) from error


def _refuse_packed(path: Path) -> None:
    """torch never compresses; a file that is compressed may unpack to more than there is room."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise refused(path, "it is compressed, which torch.save never does")


def refused(path: Path, reason: str) -> UserError:
    """The error for a file that is not what it should be."""
    return UserError(
        f"{path} was not read: {reason}; get the checkpoint from where its authors published it"
    )


def damaged(path: Path, error: Exception) -> UserError:
    """The error for a file that ends early or makes no sense."""
    reason = str(error).splitlines()[0][:160] if str(error) else type(error).__name__
    return UserError(f"{path} is damaged or no checkpoint ({reason}); download it again")

"""The packed head data and its cache: MakeHuman is read once (10 s), then one npz (0.1 s)."""

import hashlib
import os
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError
from reenact.talking_heads import formats
from reenact.talking_heads.pack import HeadData, Mesh, files, pack

__all__ = ["VERSION", "HeadData", "Mesh", "load_head_data"]

_TARGETS = ("targets", "expressions")
VERSION = 3  # of the packed file; raise it whenever its content changes


def load_head_data(folder: Path | None = None) -> HeadData:
    """The head data, from the cache where it is fresh, else packed from the MakeHuman folder.

    `folder` (or the variable REENACT_MAKEHUMAN) holds the clones `makehuman/`, `makehuman-assets/`;
    without either the cache alone is asked. The cache is head_data.npz in $REENACT_CACHE or
    ~/.cache/reenact. Raises UserError when the data is missing or damaged, naming the file.
    """
    named = os.environ.get("REENACT_MAKEHUMAN")
    source = folder or (Path(named) if named else None)
    key = f"{VERSION}-{_fingerprint(source) if source else ''}"
    cached = _read(_cache_path(), key)
    if cached is not None:
        return cached
    if source is None:
        raise UserError(
            "Talking heads are made from the MakeHuman data: clone it as the README's 'Synthetic"
            " people' section shows and set REENACT_MAKEHUMAN to the folder that holds the clones."
        )
    data = pack(source)
    _write(data, _cache_path(), key)
    return data


def _cache_path() -> Path:
    named = os.environ.get("REENACT_CACHE")
    return (Path(named) if named else Path.home() / ".cache" / "reenact") / "head_data.npz"


def _fingerprint(source: Path) -> str:
    """Changes with the name or size of any file; a missing one is named before any is read."""
    digest = hashlib.sha256()
    for path in files(source):
        if not path.is_file():
            raise formats.missing(path)
        digest.update(f"{path.relative_to(source)} {path.stat().st_size}\n".encode())
    return digest.hexdigest()[:16]


def _write(data: HeadData, path: Path, key: str) -> None:
    """Write the cache in one step: a reader sees the old file or the new one, never a half."""
    arrays: dict[str, npt.NDArray[np.generic]] = {"key": np.array(key)}
    for field in fields(HeadData):
        if field.name not in (*_TARGETS, "meshes"):
            arrays[field.name] = np.asarray(getattr(data, field.name))
    for kind in _TARGETS:
        for name, (vertices, offsets) in getattr(data, kind).items():
            arrays |= {f"{kind}/{name}/vertices": vertices, f"{kind}/{name}/offsets": offsets}
    for name, mesh in data.meshes.items():
        arrays |= {f"meshes/{name}/{f.name}": getattr(mesh, f.name) for f in fields(Mesh)}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path, key: str) -> HeadData | None:
    """The cache, or None where it is missing, unreadable, or of another version or other files."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if not str(file["key"]).startswith(key):
                return None
            return _unpack({name: file[name] for name in file.files})
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _unpack(arrays: dict[str, npt.NDArray[Any]]) -> HeadData:
    nested: dict[str, dict[str, dict[str, npt.NDArray[Any]]]]
    nested = {kind: {} for kind in (*_TARGETS, "meshes")}
    for path, array in arrays.items():
        if "/" in path:
            kind, name, field = path.split("/")
            nested[kind].setdefault(name, {})[field] = array
    plain: dict[str, Any] = {
        field.name: arrays[field.name] for field in fields(HeadData) if field.name in arrays
    }
    for name in ("bones", "units"):
        plain[name] = tuple(arrays[name].tolist())
    for kind in _TARGETS:
        plain[kind] = {name: (t["vertices"], t["offsets"]) for name, t in nested[kind].items()}
    meshes = {name: Mesh(**mesh) for name, mesh in nested["meshes"].items()}
    return HeadData(**plain, meshes=meshes)

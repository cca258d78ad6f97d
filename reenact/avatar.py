"""The avatar file: what is computed once from a portrait, with its licence and consent.

A `.avatar` file is a NumPy archive (npz) without pickles: `about` is JSON text, the other members
are plain arrays. Files come from other people, so the size of a member is checked before anything
of it is unpacked, and its type and shape before it becomes an array.
"""

import json
import math
import os
import struct
import zipfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError

SUFFIX = ".avatar"
VERSION = 1
STARTER_AVATARS = Path(__file__).parent / "starter" / "avatars"

_FORMAT = "reenact avatar"
_TEXTS = {"name": 80, "fingerprint": 128, "licence": 20_000, "consent": 20_000}  # longest length
_ARRAYS: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {  # the largest of each dimension
    "identity": (np.dtype(np.float32), (64, 4096)),
    "styles": (np.dtype(np.float32), (65536,)),
    "thumbnail": (np.dtype(np.uint8), (1024, 1024, 3)),
}
_ABOUT_BYTES = 1 << 20
_HEADER_BYTES = 10_000  # numpy's own limit for the header of an array
_DAMAGE = (  # what zipfile, zlib, json and numpy raise on bytes they cannot make sense of
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    NotImplementedError,
    RecursionError,
)


@dataclass(frozen=True)
class Avatar:
    """A portrait made ready to be driven; belongs to the one generator its fingerprint names.

    Attributes:
        name: what the user calls it; one printable line.
        identity: f32 [rows, w_dim], the portrait's latent in W+.
        styles: f32 [S], the identity styles: every layer's affine of its row, in network order.
        thumbnail: u8 [h, w, 3] RGB.
        fingerprint: hex, of the generator that `identity` and `styles` were made for.
        licence: the terms that the portrait may be used under.
        consent: who agreed to this avatar, or why nobody had to.
    """

    name: str
    identity: npt.NDArray[np.float32]
    styles: npt.NDArray[np.float32]
    thumbnail: npt.NDArray[np.uint8]
    fingerprint: str
    licence: str
    consent: str


def save_avatar(avatar: Avatar, path: Path | str) -> None:
    """Write an avatar file; at every moment `path` holds the old file or the whole new one.

    Raises:
        ValueError: the avatar breaks the file's rules (shape, dtype, not finite, text too long).
        UserError: the suffix is not `.avatar`, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise UserError(f"{path} does not end in {SUFFIX}, as avatars do: write to {path}{SUFFIX}")
    _check(avatar)
    about = {"format": _FORMAT, "version": VERSION} | {key: getattr(avatar, key) for key in _TEXTS}
    arrays = {key: getattr(avatar, key) for key in _ARRAYS}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # the usual case: it was moved, or could never be opened
            part.unlink()


def load_avatar(path: Path | str) -> Avatar:
    """Read an avatar file; nothing in it is executed. The arrays are read-only.

    Raises:
        UserError: no such file, not an avatar, damaged, hostile, or of a newer version.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            about = _read_about(archive)
            arrays: dict[str, Any] = {key: _read_array(archive, key) for key in _ARRAYS}
        texts: dict[str, Any] = {key: about.get(key) for key in _TEXTS}
        avatar = Avatar(**texts, **arrays)
        _check(avatar)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot read the avatar {path}: {reason}; check the path") from error
    except _DAMAGE as error:
        raise UserError(
            f"{path} is not a whole avatar file: {error}; "
            "get it again, or make it again from its portrait"
        ) from error
    return avatar


def check_fits(avatar: Avatar, fingerprint: str, styles: int) -> None:
    """Refuse an avatar that another generator was made for: its styles mean nothing to this one.

    Args:
        avatar: what is about to be driven.
        fingerprint: of the generator that will render it.
        styles: S, the number of styles that generator takes.

    Raises:
        UserError: the fingerprint or the number of styles differs.
    """
    if avatar.fingerprint != fingerprint or avatar.styles.shape != (styles,):
        raise UserError(
            f"the avatar {avatar.name!r} was made for another generator "
            f"({avatar.fingerprint[:12]}) than this model's ({fingerprint[:12]}); "
            "make it again from its portrait, or use the model it came with"
        )


def starter_avatars() -> dict[str, Path]:
    """Return the avatars that ship, by name, in alphabetical order."""
    return {path.stem: path for path in sorted(STARTER_AVATARS.glob(f"*{SUFFIX}"))}


def find_avatar(name_or_path: str) -> Path:
    """Return the file of a starter avatar (by name, in any case) or of a path.

    Raises:
        UserError: there is neither; the sentence names the avatars that there are.
    """
    starters = starter_avatars()
    by_name = {name.casefold(): path for name, path in starters.items()}
    path = by_name.get(name_or_path.casefold(), Path(name_or_path))
    if os.path.isfile(path):  # unlike Path.is_file, False for a name that is too long
        return path
    near = get_close_matches(name_or_path.casefold(), by_name, n=1)
    hint = f"did you mean {by_name[near[0]].stem}? " if near else ""
    names = ", ".join(starters) or "none"
    raise UserError(
        f"there is no avatar {name_or_path!r}: {hint}the avatars that ship are {names}; "
        f"or give the path of a {SUFFIX} file"
    )


def _read_about(archive: zipfile.ZipFile) -> dict[str, Any]:
    text = _read_member(archive, "about", _ABOUT_BYTES)
    if text.dtype.kind != "U" or text.ndim != 0:
        raise ValueError("'about' is not a text")
    about = json.loads(text.item())
    if not isinstance(about, dict) or about.get("format") != _FORMAT:
        raise ValueError("its 'about' does not describe an avatar")
    if about.get("version") != VERSION:
        raise ValueError(f"its version is {about.get('version')!r}, this program reads {VERSION}")
    return about


def _read_array(archive: zipfile.ZipFile, key: str) -> npt.NDArray[Any]:
    dtype, largest = _ARRAYS[key]
    return _read_member(archive, key, math.prod(largest) * dtype.itemsize)


def _read_member(archive: zipfile.ZipFile, key: str, largest: int) -> npt.NDArray[Any]:
    """Return one array of the archive; its stated sizes are believed only when they agree."""
    try:
        info = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise ValueError(f"it has no {key!r}") from None
    if info.file_size > largest + _HEADER_BYTES:
        raise ValueError(f"its {key!r} unpacks to {info.file_size:,} bytes, more than any avatar's")
    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"its {key!r} is encrypted or packed in an unusual way")
    with archive.open(info) as file:
        shape, fortran_order, dtype = _read_header(file, key)
        if dtype.hasobject:
            raise ValueError(f"its {key!r} holds pickled objects, which are never read")
        data = file.read(largest + 1)  # bounded: a false size must not unpack gigabytes either
    if fortran_order or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"its {key!r} has another size than it says")
    return np.frombuffer(data, dtype).reshape(shape)


def _read_header(file: IO[bytes], key: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        read = readers[np.lib.format.read_magic(file)]
        return read(file, max_header_size=_HEADER_BYTES)
    except Exception as error:  # numpy lets through whatever Python's own parser raises
        raise ValueError(f"its {key!r} has a header that makes no sense") from error


def _check(avatar: Avatar) -> None:
    for key, longest in _TEXTS.items():
        _check_text(key, getattr(avatar, key), longest, one_line=key in ("name", "fingerprint"))
    for key, (dtype, largest) in _ARRAYS.items():
        _check_array(key, getattr(avatar, key), dtype, largest)
    if avatar.thumbnail.shape[2] != 3:
        raise ValueError(f"its 'thumbnail' has {avatar.thumbnail.shape[2]} channels, not 3")


def _check_text(key: str, text: object, longest: int, one_line: bool) -> None:
    if not isinstance(text, str):
        raise ValueError(f"its {key!r} is not a text")
    if not 1 <= len(text) <= longest:
        raise ValueError(f"its {key!r} has {len(text)} characters, not 1 to {longest}")
    if not (text if one_line else text.replace("\n", "")).isprintable():  # also lone surrogates
        raise ValueError(f"its {key!r} holds control characters")


def _check_array(key: str, array: object, dtype: np.dtype[Any], largest: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise ValueError(f"its {key!r} is {getattr(array, 'dtype', type(array))}, not {dtype}")
    fits = array.ndim == len(largest) and all(
        1 <= size <= most for size, most in zip(array.shape, largest, strict=True)
    )
    if not fits:
        raise ValueError(f"its {key!r} has the shape {array.shape}, not up to {largest}")
    if not np.isfinite(array).all():
        raise ValueError(f"its {key!r} holds values that are not finite")

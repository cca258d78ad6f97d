"""The files people pass on (avatars, edits): NumPy archives without pickles.

`about` is JSON text, the other members are plain arrays. Files come from other people, so the size
of a member is checked before anything of it is unpacked, and its type and shape before it becomes
an array.
"""

import json
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from reenact.errors import UserError

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
class Kind:
    """A kind of file.

    Attributes:
        word: what it is, e.g. "avatar"; its suffix is that with a dot.
        version: of the format. A file with the optional arrays is of the next one, so that a
            program that knows nothing of them refuses it instead of leaving them out.
        lines, texts: its texts of one line and of several, each with its longest length.
        arrays: its arrays, each with its dtype and the largest of each dimension.
        remedy: what to do about a damaged one.
        optional: arrays that a file has all of or none; None stands for one that is not there.
    """

    word: str
    version: int
    lines: Mapping[str, int]
    texts: Mapping[str, int]
    arrays: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]
    remedy: str
    optional: Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]] = field(default_factory=dict)

    def arrays_of(self, version: object) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """The arrays that a file of a version has; ValueError for one that this program cannot read."""
        if version == self.version:
            return dict(self.arrays)
        if version == self.version + 1 and self.optional:
            return {**self.arrays, **self.optional}
        known = " and ".join(str(self.version + more) for more in range(1 + bool(self.optional)))
        raise ValueError(f"its version is {version!r}, this program reads {known}")

    @property
    def suffix(self) -> str:
        return f".{self.word}"

    @property
    def article(self) -> str:
        return "an" if self.word[0] in "aeiou" else "a"


def save(kind: Kind, values: Mapping[str, Any], path: Path) -> None:
    """Write a file; at every moment `path` holds the old file or the whole new one.

    Raises:
        ValueError: a value breaks the kind's rules (shape, dtype, not finite, text too long).
        UserError: another suffix than the kind's, or the file cannot be written.
    """
    if path.suffix != kind.suffix:
        raise UserError(
            f"{path} does not end in {kind.suffix}, as {kind.word}s do: write to {path}{kind.suffix}"
        )
    check(kind, values)
    version = kind.version + any(values[key] is not None for key in kind.optional)
    about = {"format": f"reenact {kind.word}", "version": version}
    about |= {key: values[key] for key in (*kind.lines, *kind.texts)}
    held = kind.arrays_of(version)
    arrays: dict[str, Any] = {key: np.ascontiguousarray(values[key]) for key in held}
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


def load(kind: Kind, path: Path) -> dict[str, Any]:
    """Read a file's texts and arrays; nothing in it is executed. The arrays are read-only.

    Raises:
        UserError: no such file, of another kind, damaged, hostile, or of a newer version.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            about = _read_about(archive, kind)
            values: dict[str, Any] = dict.fromkeys(kind.optional)
            values |= {
                key: _read_member(archive, kind, key, math.prod(largest) * dtype.itemsize)
                for key, (dtype, largest) in kind.arrays_of(about.get("version")).items()
            }
        values |= {key: about.get(key) for key in (*kind.lines, *kind.texts)}
        check(kind, values)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot read the {kind.word} {path}: {reason}; check the path") from error
    except _DAMAGE as error:
        raise UserError(
            f"{path} is not a whole {kind.word} file: {error}; {kind.remedy}"
        ) from error
    return values


def check(kind: Kind, values: Mapping[str, Any]) -> None:
    """Raise a ValueError for a value that breaks the kind's rules."""
    for texts, one_line in ((kind.lines, True), (kind.texts, False)):
        for key, longest in texts.items():
            _check_text(key, values[key], longest, one_line)
    for key, (dtype, largest) in {**kind.arrays, **kind.optional}.items():
        if key in kind.arrays or values[key] is not None:
            _check_array(key, values[key], dtype, largest)


def _read_about(archive: zipfile.ZipFile, kind: Kind) -> dict[str, Any]:
    text = _read_member(archive, kind, "about", _ABOUT_BYTES)
    if text.dtype.kind != "U" or text.ndim != 0:
        raise ValueError("'about' is not a text")
    about = json.loads(text.item())
    if not isinstance(about, dict) or about.get("format") != f"reenact {kind.word}":
        raise ValueError(f"its 'about' does not describe {kind.article} {kind.word}")
    return about


def _read_member(archive: zipfile.ZipFile, kind: Kind, key: str, largest: int) -> npt.NDArray[Any]:
    """Return one array of the archive; its stated sizes are believed only when they agree."""
    try:
        info = archive.getinfo(f"{key}.npy")
    except KeyError:
        raise ValueError(f"it has no {key!r}") from None
    if info.file_size > largest + _HEADER_BYTES:
        raise ValueError(
            f"its {key!r} unpacks to {info.file_size:,} bytes, more than any {kind.word}'s"
        )
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

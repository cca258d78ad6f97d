"""The avatar file: what is computed once from a portrait, with its licence and consent."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact import archive
from reenact.errors import UserError
from reenact.folders import avatars_folder

STARTER_AVATARS = Path(__file__).parent / "starter" / "avatars"

_KIND = archive.Kind(
    word="avatar",
    version=1,
    lines={"name": 80, "fingerprint": 128},
    texts={"licence": 20_000, "consent": 20_000},
    arrays={
        "identity": (np.dtype(np.float32), (64, 4096)),
        "styles": (np.dtype(np.float32), (65536,)),
        "thumbnail": (np.dtype(np.uint8), (1024, 1024, 3)),
    },
    remedy="get it again, or make it again from its portrait",
    optional={"delta": (np.dtype(np.float16), (1 << 22,))},
)
SUFFIX = _KIND.suffix


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
        delta: f16 [P], what to add to the generator's weights for this portrait (`reenact.delta`);
            None: nothing, it is drawn by the generator as it is.
    """

    name: str
    identity: npt.NDArray[np.float32]
    styles: npt.NDArray[np.float32]
    thumbnail: npt.NDArray[np.uint8]
    fingerprint: str
    licence: str
    consent: str
    delta: npt.NDArray[np.float16] | None = None


def save_avatar(avatar: Avatar, path: Path | str) -> None:
    """Write an avatar file; at every moment `path` holds the old file or the whole new one.

    Raises:
        ValueError: the avatar breaks the file's rules (shape, dtype, not finite, text too long).
        UserError: the suffix is not `.avatar`, or the file cannot be written.
    """
    archive.save(_KIND, _checked(vars(avatar)), Path(path))


def load_avatar(path: Path | str) -> Avatar:
    """Read an avatar file; nothing in it is executed. The arrays are read-only.

    Raises:
        UserError: no such file, not an avatar, damaged, hostile, or of a newer version.
    """
    try:
        return Avatar(**_checked(archive.load(_KIND, Path(path))))
    except ValueError as error:
        raise UserError(f"{path} is not a whole avatar file: {error}; {_KIND.remedy}") from error


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


def user_avatars() -> dict[str, Path]:
    """Return the user's own avatars, by the names of their files, in alphabetical order."""
    return {path.stem: path for path in sorted(avatars_folder().glob(f"*{SUFFIX}"))}


def find_avatar(name_or_path: str) -> Path:
    """Return the file of an avatar that ships or is the user's own (by name, in any case), or of a path.

    Raises:
        UserError: there is neither; the sentence names the avatars that there are.
    """
    known = starter_avatars() | user_avatars()
    by_name = {name.casefold(): path for name, path in known.items()}
    path = by_name.get(name_or_path.casefold(), Path(name_or_path))
    if os.path.isfile(path):  # unlike Path.is_file, False for a name that is too long
        return path
    near = get_close_matches(name_or_path.casefold(), by_name, n=1)
    hint = f"did you mean {by_name[near[0]].stem}? " if near else ""
    names = ", ".join(known) or "none"
    raise UserError(
        f"there is no avatar {name_or_path!r}: {hint}there are {names}; "
        f"give one of them, or the path of a {SUFFIX} file"
    )


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """The values, if the thumbnail is a colour picture."""
    thumbnail = values["thumbnail"]
    if getattr(thumbnail, "shape", (3,))[-1] != 3:
        raise ValueError(f"its 'thumbnail' has {thumbnail.shape[-1]} channels, not 3")
    return values

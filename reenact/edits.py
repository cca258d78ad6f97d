"""Edits: directions that change an avatar (age, beard, smile ...) at no cost per frame.

A style is A(w) = M w + b, so adding `strength * d` to W+ adds `strength * M d` to the styles: an edit
keeps M d, and applying it is one addition to the identity styles, done once. Edits of single
StyleSpace channels (Wu et al. 2021) have no direction in W+ and are kept in the same way.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reenact import archive
from reenact.errors import UserError

_KIND = archive.Kind(
    word="edit",
    version=1,
    lines={"name": 80, "fingerprint": 128},
    texts={"licence": 20_000},
    arrays={
        "styles": (np.dtype(np.float32), (65536,)),
        "limits": (np.dtype(np.float32), (2,)),
    },
    remedy="get it again, or import it again",
)
SUFFIX = _KIND.suffix
STARTER_EDITS = Path(__file__).parent / "starter" / "edits"


@dataclass(frozen=True)
class Edit:
    """A direction for the one generator its fingerprint names.

    Attributes:
        name: what it changes; one printable line.
        styles: f32 [S], added to the identity styles for a strength of 1.
        limits: f32 [2], the lowest and highest strength at which the result still is a face.
        fingerprint: hex, of the generator.
        licence: the terms it may be used under.
    """

    name: str
    styles: npt.NDArray[np.float32]
    limits: npt.NDArray[np.float32]
    fingerprint: str
    licence: str


def save_edit(edit: Edit, path: Path) -> None:
    """Write an edit file.

    Raises:
        ValueError: the edit breaks the file's rules (shape, dtype, not finite, empty limits).
        UserError: the suffix is not `.edit`, or the file cannot be written.
    """
    _check_limits(edit)
    archive.save(_KIND, vars(edit), path)


def load_edit(path: Path) -> Edit:
    """Read an edit file; nothing in it is executed. UserError for anything else."""
    edit = Edit(**archive.load(_KIND, path))
    try:
        _check_limits(edit)
    except ValueError as error:
        raise UserError(f"{path} is not a whole edit file: {error}; {_KIND.remedy}") from error
    return edit


def starter_edits() -> dict[str, Path]:
    """Return the edits that ship, by the names of their files, in alphabetical order."""
    return {path.stem: path for path in sorted(STARTER_EDITS.glob(f"*{SUFFIX}"))}


def _check_limits(edit: Edit) -> None:
    if edit.limits.shape != (2,) or not edit.limits[0] < edit.limits[1]:
        raise ValueError("its 'limits' are no lowest and highest strength")


def edited(
    styles: npt.NDArray[np.float32], fingerprint: str, edits: Iterable[tuple[Edit, float]]
) -> npt.NDArray[np.float32]:
    """Identity styles f32 [S] with edits added, each as far as its limits allow; a new array.

    Raises:
        UserError: an edit was made for another generator than the styles.
    """
    result = styles.astype(np.float32)
    for edit, strength in edits:
        if edit.fingerprint != fingerprint or edit.styles.shape != styles.shape:
            raise UserError(
                f"the edit {edit.name!r} was made for another generator "
                f"({edit.fingerprint[:12]}) than this avatar's ({fingerprint[:12]}); "
                "import it for this one: `reenact edit FILE --generator CHECKPOINT`"
            )
        result += np.float32(np.clip(strength, *edit.limits)) * edit.styles
    return result

"""All that was drawn for a clip, as plain numbers and words that JSON can hold."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

_LARGEST = 256  # numbers; longer arrays are what the parameters made (a shape, a picture)


def plain(thing: Any) -> Any:
    """A dataclass, named tuple, mapping, sequence, array or number as JSON would hold it.

    Fields with arrays of more than 256 numbers are left out: meshes and pictures follow from the
    rest. Raises TypeError for anything else.
    """
    if isinstance(thing, str | bool | int | float | None):
        return thing
    if isinstance(thing, np.ndarray | np.generic):
        return thing.tolist()
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        thing = {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    elif hasattr(thing, "_asdict"):
        thing = thing._asdict()
    if isinstance(thing, Mapping):
        return {str(name): plain(value) for name, value in thing.items() if not _large(value)}
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing]
    raise TypeError(f"no plain form of a {type(thing).__name__}")


def _large(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.size > _LARGEST

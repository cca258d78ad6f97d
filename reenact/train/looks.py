"""Who a rendered person is, in numbers: what the renderer drew of a person and of the light on him or her.

One column per number, one 0/1 column per word ("hair=bob"), standardised over all people. From these the generator's
latents are made in training (see `train.generator.Persona`), and edits are directions among them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.shards import shard_folder

Look = Mapping[str, float]
"""The numbers of one person by name; what is not there is 0."""

CLIP_AT = 4.0  # standard deviations: rare things (a hat's colour) must not shout
_SKIPPED = ("person.seed", "camera", "scene.background")


def read_looks(folder: Path, shards: int) -> dict[int, Look]:
    """The look of each person of a data set, by the person's number; of the first clip where there are several."""
    looks: dict[int, Look] = {}
    for shard in range(shards):
        place = shard_folder(folder, shard)
        person = np.load(place / "person.npy")
        parameters = json.loads((place / "parameters.json").read_text(encoding="utf-8"))
        for who, drawn in zip(person[:: len(person) // len(parameters)], parameters, strict=True):
            if int(who) not in looks:
                looks[int(who)] = dict(columns(drawn))
    return looks


def columns(drawn: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The columns of nested parameters: ("person.age", 0.3), ("person.hair=bob", 1.0), ("...rgb.0", 0.1)."""
    if name.startswith(_SKIPPED):
        return
    if isinstance(drawn, Mapping):
        for key, value in drawn.items():
            yield from columns(value, f"{name}.{key}" if name else str(key))
    elif isinstance(drawn, list):
        for k, value in enumerate(drawn):
            yield from columns(value, f"{name}.{k}")
    elif isinstance(drawn, str):
        yield f"{name}={drawn}", 1.0
    elif drawn is not None:
        yield name, float(drawn)


class Table:
    """Looks as rows of standardised numbers; only columns that differ between people are kept."""

    def __init__(self, looks: Sequence[Look]) -> None:
        names = sorted({name for look in looks for name in look})
        values = _values(looks, names)
        scale = values.std(0)
        kept = scale > 1e-6
        self.names = tuple(name for name, keep in zip(names, kept, strict=True) if keep)
        self.mean, self.scale = values.mean(0)[kept], scale[kept]

    def __call__(self, looks: Sequence[Look]) -> npt.NDArray[np.float32]:
        """f32 [n,P] of some looks."""
        standard = (_values(looks, self.names) - self.mean) / self.scale
        return np.asarray(np.clip(standard, -CLIP_AT, CLIP_AT), np.float32)


def _values(looks: Sequence[Look], names: Sequence[str]) -> npt.NDArray[np.float64]:
    values = [[look.get(name, 0.0) for name in names] for look in looks]
    return np.array(values, np.float64).reshape(len(looks), len(names))

"""All settings of a training but its data and its time, in one frozen object that every snapshot and checkpoint keeps.

Presets are for machines; single settings are changed by name: `--set encoder_batch=64 --set dims.channel_base=8192`.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.spaces import Dims
from reenact.talking_heads.motion import FACTORS

APART, JOINED = 0.75, 0.25  # how `train all` shares its minutes: stages 1 and 2 together, stage 3

Number = bool | int | float


@dataclass(frozen=True)
class Phase:
    """A stretch of stage 1: train up to `resolution` px from `begin` (share of the budget) on."""

    begin: float
    resolution: int
    batch: int
    others: int  # of the batch are anybody, the rest avatars
    adversarial: float = 0.0  # weight of the adversary's judgement


@dataclass(frozen=True)
class Configuration:
    """What decides, with data and minutes, what a training learns. Batches are those of one process."""

    dims: Dims = Dims()
    encoder: EncoderDims = EncoderDims(motion=len(FACTORS))
    # stage 1, the generator
    phases: tuple[Phase, ...] = (
        Phase(0.0, 64, 16, 8),
        Phase(0.2, 128, 12, 4),
        Phase(0.5, 256, 8, 2),
    )
    windows: bool = True  # train the fine blocks on half-side windows, four times cheaper
    room_weight: float = 0.02  # of the pixels of a random room, which nobody's look foretells
    generator_rate: float = 4e-3
    adversary_width: int = 32  # channels of the discriminator's first maps
    adversary_rate: float = 1e-3
    # stage 2, the deformation encoder
    encoder_batch: int = 32
    encoder_rate: float = 1e-3
    replay_pairs: int = 64  # clips of two people each to draw from, with --stream
    # stage 3, joined
    join_batch: int = 8
    join_rate: float = 3e-4
    factor_weight: float = 0.5  # of L_fac beside the pictures' losses
    compile: bool = False  # torch.compile: minutes at first, faster steps afterwards on a GPU
    # your own clips
    clip_batch: int = 4
    clip_rate: float = 1e-4  # of the encoders
    clip_generator_rate: float = 3e-4  # 0 leaves it as it is
    consistency_weight: float = 0.1  # of L_con
    latent_weight: float = 1e-3  # of L_reg


DEFAULT = Configuration()

PRESETS: Mapping[str, Configuration] = {
    "cpu": DEFAULT,
    # A generator four times as wide, whole pictures, batches that keep a data-centre GPU busy.
    "gpu": Configuration(
        dims=Dims(channel_base=16384, channel_max=256),
        encoder=EncoderDims(width=64, pyramid=128, submodule=128, motion=len(FACTORS)),
        phases=(
            Phase(0.0, 64, 128, 64),
            Phase(0.1, 128, 64, 32),
            Phase(0.3, 256, 64, 32),
            Phase(0.6, 256, 64, 32, adversarial=0.05),
        ),
        windows=False,
        encoder_batch=256,
        replay_pairs=1024,
        join_batch=64,
        clip_batch=32,
    ),
}


def configure(preset: str, changes: Sequence[str]) -> Configuration:
    """A preset with some settings changed, each as "name=value"; raises UserError for what does not exist."""
    configuration = PRESETS[preset]
    for change in changes:
        name, _, text = change.partition("=")
        settings = flat(configuration)
        if name not in settings:
            raise UserError(f"there is no setting {name!r}{_nearest(name, list(settings))}")
        try:
            value = _parse(text, settings[name])
            configuration = _changed(configuration, name.split("."), value)
        except ValueError as error:
            raise UserError(f"cannot set {change}: {error}") from error
    return configuration


def flat(configuration: Configuration) -> dict[str, Number]:
    """Every setting by its name: {"dims.resolution": 256, ..., "phases.0.batch": 16, ...}."""
    return dict(_walk(asdict(configuration), ""))


def check_same(configuration: Configuration, kept: Mapping[str, Number], where: str) -> None:
    """Raises UserError, which names what differs, unless `kept` (flat) holds the same settings."""
    asked = flat(configuration)
    names = [name for name in {**asked, **kept} if asked.get(name) != kept.get(name)]
    if names:
        differ = ", ".join(f"{n} ({kept.get(n)} there, {asked.get(n)} here)" for n in names)
        raise UserError(
            f"{where} was begun with another configuration: {differ}; "
            "go on with its --preset and --set, or begin anew in another --run"
        )


def _walk(value: Any, name: str) -> list[tuple[str, Number]]:
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, tuple):
        parts = [(str(k), part) for k, part in enumerate(value)]
    else:
        return [(name, value)]
    return [leaf for key, part in parts for leaf in _walk(part, f"{name}.{key}" if name else key)]


def _parse(text: str, like: Number) -> Number:
    """The text as a number of the same kind."""
    if isinstance(like, bool):
        if text not in ("true", "false"):
            raise ValueError("say true or false")
        return text == "true"
    return type(like)(text)


def _changed(thing: Any, path: Sequence[str], value: Number) -> Any:
    """A copy of nested dataclasses and tuples in which one place has another value."""
    if not path:
        return value
    name, *rest = path
    if isinstance(thing, tuple):
        k = int(name)
        return (*thing[:k], _changed(thing[k], rest, value), *thing[k + 1 :])
    return replace(thing, **{name: _changed(getattr(thing, name), rest, value)})


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1, 0.4)
    return f"; did you mean {near[0]}?" if near else "; see --help for their names"

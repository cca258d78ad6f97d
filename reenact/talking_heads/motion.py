"""How faces move: speech, emotions, brows, blinks, head and gaze, drawn from a seed.

Every layer is a function of continuous time, so that frames may lie any distance apart. The layers
are drawn independently of one another (brows of mouth, one side of the other, gaze of head):
networks that learn from this must not take one for a sign of another.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reenact.talking_heads.expressions import (
    BROW_MOVES,
    EMOTIONS,
    LEFT_SHUT,
    MOUTH_PULLS,
    RIGHT_SHUT,
    SHUT,
    SIDES,
    SINGLES,
    SQUINT,
    UNITS,
    USED_UNITS,
    VISEMES,
    WIDE,
    Weights,
    both,
)
from reenact.talking_heads.formats import Floats

__all__ = [
    "FACTORS",
    "UNITS",
    "USED_UNITS",
    "Motion",
    "factor_scale",
    "factors",
    "neutral_motion",
    "sample_motion",
]

_INDEX = {name: i for i, name in enumerate(UNITS)}
_POSE = ("head yaw", "head pitch", "head roll", "gaze yaw", "gaze pitch")
FACTORS = (*USED_UNITS, *_POSE)

Times = npt.NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Motion:
    """A face over T frames."""

    units: Floats  # [T,60] weights of the pose units, in the order of UNITS
    head: Floats  # [T,3] yaw, pitch, roll, rad
    gaze: Floats  # [T,2] yaw, pitch in the head, rad; positive pitch looks down


@dataclass(frozen=True)
class _Layer:
    """Events that begin at random: per second, which weights, how strong, rise/hold/fall in s."""

    rate: float
    choices: tuple[Weights, ...]
    strength: tuple[float, float]
    rise: tuple[float, float]
    hold: tuple[float, float]
    fall: tuple[float, float]


_LAYERS = (
    _Layer(0.60, EMOTIONS, (0.3, 1.15), (0.15, 0.5), (0.1, 1.6), (0.2, 0.6)),
    _Layer(0.40, BROW_MOVES, (0.3, 1.1), (0.10, 0.3), (0.1, 1.2), (0.15, 0.5)),
    _Layer(0.45, SINGLES, (0.3, 1.0), (0.10, 0.4), (0.1, 0.8), (0.15, 0.5)),
    _Layer(0.12, ({"JawDrop": 1.0},), (0.7, 1.05), (0.15, 0.4), (0.1, 1.2), (0.15, 0.4)),
)
_LID_LAYERS = (
    _Layer(0.45, (SHUT,), (0.85, 1.0), (0.06, 0.09), (0.02, 0.08), (0.09, 0.18)),  # blinks
    _Layer(0.13, (SHUT,), (0.45, 1.0), (0.10, 0.25), (0.2, 1.5), (0.12, 0.35)),  # held shut
    _Layer(0.05, (LEFT_SHUT, RIGHT_SHUT), (0.6, 1.0), (0.10, 0.2), (0.1, 0.9), (0.12, 0.3)),
    _Layer(0.14, (WIDE,), (0.5, 1.1), (0.10, 0.3), (0.2, 1.3), (0.15, 0.4)),
    _Layer(0.08, (SQUINT,), (0.4, 1.0), (0.10, 0.3), (0.2, 1.3), (0.15, 0.4)),
)

# Most a unit may reach; the skin creases beyond.
_LIMITS = np.full(len(UNITS), 1.15)
for _name, _limit in {
    **both(PullUp=0.75, PullSide=0.9, UpperLidClosed=1.0, LowerLidUp=1.0),
    **{
        "JawDrop": 1.05,
        "TongueOut": 0.9,
        "NoseWrinkler": 1.0,
        "UpperLipUp": 0.9,
        "UpperLipBackward": 0.6,
        "lowerLipBackward": 0.8,
    },
}.items():
    _LIMITS[_INDEX[_name]] = _limit
_HEAD_LIMITS = np.array([0.80, 0.50, 0.45])  # rad
_HEAD_OFFSET = np.array([0.25, 0.15, 0.115])  # rad, standard deviation between clips
_HEAD_WANDER = np.array([0.16, 0.095, 0.075])  # and within one
_GAZE_LIMITS = np.array([0.50, 0.30])  # rad
_LIDS_PER_GAZE = 0.9  # how far the lids go with the eyes


def neutral_motion(frames: int) -> Motion:
    """A face at rest that looks straight ahead."""
    shapes = ((frames, len(UNITS)), (frames, 3), (frames, 2))
    return Motion(*(np.zeros(shape, np.float32) for shape in shapes))


def sample_motion(seed: int, frames: int, fps: float = 25, stride: int = 1) -> Motion:
    """Draw a motion; `stride` > 1 takes only every stride-th frame of a motion as much longer."""
    talk, events, lids, head, gaze = np.random.default_rng(seed).spawn(5)
    times: Times = np.arange(frames, dtype=np.float64) * (stride / fps)
    units = _speech(talk, times)
    for layer in _LAYERS:
        units += _play(events, times, layer).sum(0)
    eye_units = np.stack([_play(lids, times, layer).max(0) for layer in _LID_LAYERS])
    units = np.maximum(units, eye_units.max(0))
    looks = _gaze(gaze, times)
    _follow_gaze(units, looks)
    _settle(units)
    turns = _head(head, times)
    return Motion(units.astype(np.float32), turns.astype(np.float32), looks.astype(np.float32))


def factors(motion: Motion) -> Floats:
    """The deformation parameters f32[T,F] of a motion, in the order of FACTORS."""
    used = motion.units[:, [_INDEX[name] for name in USED_UNITS]]
    return np.concatenate([used, motion.head, motion.gaze], axis=1).astype(np.float32)


@functools.cache
def factor_scale() -> Floats:
    """The typical standard deviation f32[F] of each factor, over a fixed set of motions."""
    samples = [factors(sample_motion(seed, 24, stride=12)) for seed in range(80)]
    return np.asarray(np.concatenate(samples).std(0), np.float32)


def _vector(weights: Weights) -> npt.NDArray[np.float64]:
    vector = np.zeros(len(UNITS))
    for name, weight in weights.items():
        vector[_INDEX[name]] = weight
    return vector


def _smoothstep(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def _speech(rng: Rng, times: Times) -> npt.NDArray[np.float64]:
    """Visemes that flow into one another, [T,60].

    Cohen and Massaro's co-articulation (1993): each viseme has a dominance that rises and falls
    around its moment; the face is the mean of all visemes, weighted with their dominances.
    """
    chatty, loud = rng.uniform(0.2, 0.9), rng.uniform(0.6, 1.15)
    moments, widths, strengths, vectors = [0.0], [0.1], [0.0], [np.zeros(len(UNITS))]
    now, until = 0.0, 0.0
    talking = False
    while now < times[-1] + 1:
        if now >= until:
            talking = rng.random() < chatty
            until = now + rng.uniform(0.5, 3.0)
        weights, width, strength = VISEMES[str(rng.choice(list(VISEMES)))]
        tempo, effort = rng.uniform(0.07, 0.2), rng.uniform(0.5, 1.1)
        if talking:
            moments.append(now)
            widths.append(width)
            strengths.append(strength)
            vectors.append(_vector(weights) * loud * effort)
        now += tempo
    distance = (times[:, None] - np.array(moments)) / np.array(widths)
    dominance = np.array(strengths) * np.exp(-(distance**2))
    silence = 0.12  # the dominance of the resting mouth
    return np.asarray(dominance @ np.array(vectors) / (dominance.sum(1, keepdims=True) + silence))


def _play(rng: Rng, times: Times, layer: _Layer) -> npt.NDArray[np.float64]:
    """The events of a layer, [N,T,60]; some are stronger on one side. N is at least 1."""
    before = 3.0  # s: events that have begun already
    count = int(rng.poisson(layer.rate * (times[-1] + before)))
    curves = np.zeros((count + 1, len(times), len(UNITS)))
    for curve in curves[1:]:
        begin = rng.uniform(-before, times[-1])
        rise, hold, fall = (rng.uniform(*span) for span in (layer.rise, layer.hold, layer.fall))
        vector = _vector(layer.choices[int(rng.integers(len(layer.choices)))])
        vector *= rng.uniform(*layer.strength) * _one_sided(rng)
        t = times - begin
        curve += (_smoothstep(t / rise) * _smoothstep((rise + hold + fall - t) / fall))[
            :, None
        ] * vector
    return curves


def _one_sided(rng: Rng) -> npt.NDArray[np.float64]:
    """Factors [60] that weaken one side of the face, in a third of all cases."""
    weaker, factor, applies = str(rng.choice(SIDES)), rng.uniform(0, 1), rng.random() < 0.33
    return np.array([factor if applies and weaker in name[:10] else 1.0 for name in UNITS])


def _gaze(rng: Rng, times: Times) -> npt.NDArray[np.float64]:
    """Fixations and quick jumps between them, [T,2], whatever the head does."""
    begins, targets = [-1.0], [np.zeros(2)]
    while begins[-1] < times[-1]:
        begins.append(begins[-1] + rng.uniform(0.25, 1.6))
        near, far = rng.normal(0, [0.14, 0.09]), rng.uniform(-_GAZE_LIMITS, _GAZE_LIMITS)
        targets.append(near if rng.random() < 0.5 else far)
    last = np.searchsorted(begins, times, side="right") - 1
    jump = _smoothstep((times - np.array(begins)[last]) / 0.08)[:, None]
    places = np.clip(np.array(targets), -_GAZE_LIMITS, _GAZE_LIMITS)
    return np.asarray(places[np.maximum(last - 1, 0)] * (1 - jump) + places[last] * jump)


def _head(rng: Rng, times: Times) -> npt.NDArray[np.float64]:
    """A pose that wanders around one of the clip's own, [T,3]; some clips reach far."""
    reach = np.exp(rng.normal(0, 0.35, 3))
    offset = rng.normal(0, _HEAD_OFFSET) * reach
    rates = np.abs(rng.normal(0, 0.5, (24, 1, 3))) + 0.03  # Hz
    phases = rng.uniform(0, 2 * np.pi, (24, 1, 3))
    waves = np.sin(2 * np.pi * rates * times[:, None] + phases).sum(0) / np.sqrt(12)
    pose = offset + waves * _HEAD_WANDER * np.exp(rng.normal(0, 0.4))
    return np.asarray(_HEAD_LIMITS * np.tanh(pose / _HEAD_LIMITS))


def _follow_gaze(units: npt.NDArray[np.float64], gaze: npt.NDArray[np.float64]) -> None:
    """Lids go down and up with the eyes, in place."""
    down = np.clip(gaze[:, 1] * _LIDS_PER_GAZE, 0, 1)
    for side in SIDES:
        shut, open_ = _INDEX[f"{side}UpperLidClosed"], _INDEX[f"{side}UpperLidOpen"]
        units[:, shut] = np.maximum(units[:, shut], down)
        units[:, open_] += np.clip(-gaze[:, 1] * _LIDS_PER_GAZE, 0, 1)


def _settle(units: npt.NDArray[np.float64]) -> None:
    """Keep every unit in its limits and let opposites give way to one another, in place."""
    np.clip(units, 0, _LIMITS, out=units)
    kiss = np.clip(units[:, _INDEX["LipsKiss"]], 0, 1)
    units[:, _INDEX["JawDrop"]] *= 1 - 0.45 * kiss
    for side in SIDES:
        column = {
            name: units[:, _INDEX[f"{side}{name}"]]
            for name in ("BrowDown", "OuterBrowUp", "InnerBrowUp", "UpperLidOpen", "UpperLidClosed")
        }
        pull = {way: units[:, _INDEX[f"Mouth{side}{way}"]] for way in MOUTH_PULLS}
        lifted = np.maximum(column["OuterBrowUp"], column["InnerBrowUp"])
        column["BrowDown"] *= 1 - 0.8 * np.clip(lifted, 0, 1)
        column["UpperLidOpen"] *= 1 - column["UpperLidClosed"]
        pull["Platysma"] *= 1 - pull["PullUp"] / 0.75
        for way in ("PullUp", "PullSide"):
            pull[way] *= 1 - 0.5 * kiss
    jaw = np.clip(units[:, _INDEX["JawDrop"]], 0, 1)
    for name in ("lowerLipUp", "lowerLipBackward", "UpperLipBackward", "CheeksPump"):
        units[:, _INDEX[name]] *= 1 - 0.8 * jaw  # these need a closed mouth
    units[:, _INDEX["TongueOut"]] *= np.clip(jaw / 0.3, 0, 1)  # and this an open one

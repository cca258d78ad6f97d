"""How faces move: speech, gestures, blinks, head and gaze, drawn from a seed.

Every layer is a function of continuous time, so that frames may lie any distance apart, and it is
drawn event after event: the beginning of a motion does not depend on how long it goes on. The
layers are independent of one another (brows of mouth, gaze of head), and many gestures are made on
one side only: networks that learn from this must not take one factor for a sign of another.
"""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reenact.talking_heads import gestures
from reenact.talking_heads.expressions import SIDES, UNITS, USED_UNITS, Weights
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

    units: Floats  # [T,U] weights of the units, in the order of UNITS
    head: Floats  # [T,3] yaw, pitch, roll, rad
    gaze: Floats  # [T,2] yaw, pitch in the head, rad; positive pitch looks down


@dataclass(frozen=True)
class _Layer:
    """Gestures one after another: the mean pause between them in s (the clip's own within a factor
    of 3 of it), how strong they are, and how long they rise, hold and fall in s."""

    pause: float
    choices: tuple[Weights, ...]
    strength: tuple[float, float]
    rise: tuple[float, float]
    hold: tuple[float, float]
    fall: tuple[float, float]


_LAYERS = (
    _Layer(0.9, gestures.MOUTHS, (0.3, 1.15), (0.15, 0.5), (0.1, 1.6), (0.2, 0.6)),
    _Layer(1.1, gestures.WIDTHS, (0.3, 1.1), (0.12, 0.4), (0.1, 1.2), (0.15, 0.5)),
    _Layer(1.5, gestures.BROWS, (0.3, 1.15), (0.10, 0.3), (0.1, 1.2), (0.15, 0.5)),
    _Layer(3.0, gestures.JAWS, (0.4, 1.05), (0.12, 0.4), (0.1, 1.2), (0.15, 0.4)),
    _Layer(1.0, gestures.SINGLES, (0.3, 1.0), (0.12, 0.4), (0.1, 0.8), (0.15, 0.5)),
)
_LID_LAYERS = (
    _Layer(2.0, gestures.SHUT, (0.85, 1.0), (0.07, 0.10), (0.02, 0.08), (0.10, 0.20)),  # blinks
    _Layer(9.0, gestures.SHUT, (0.4, 1.0), (0.10, 0.25), (0.2, 1.5), (0.12, 0.35)),  # held shut
    _Layer(7.0, gestures.WINKS, (0.6, 1.0), (0.10, 0.2), (0.1, 0.9), (0.12, 0.3)),
    _Layer(2.5, gestures.WIDE, (0.5, 1.1), (0.12, 0.3), (0.2, 1.3), (0.15, 0.4)),
    _Layer(5.0, gestures.SQUINTS, (0.4, 1.0), (0.12, 0.3), (0.2, 1.3), (0.15, 0.4)),
)

# Most a unit may reach; the skin creases beyond.
_LIMITS = np.full(len(UNITS), 1.15)
for _name, _limit in (
    gestures.both(UpperLidClosed=1.0, LowerLidUp=1.0)
    | {"JawDrop": 1.05, "TongueOut": 0.9, "NoseWrinkler": 1.0, "UpperLipUp": 1.0}
    | {"lowerLipDown": 1.0, "LipsPress": 1.0, "CheeksPump": 1.0}
).items():
    _LIMITS[_INDEX[_name]] = _limit
# Standard deviation of a clip's own pose in rad, yaw, pitch, roll, and how far it wanders from it:
# before a webcam, and where people look and lean about.
_HEAD_LIMITS = np.array([0.785, 0.524, 0.524])  # 45, 30, 30 degrees
_HEAD_OFFSET = np.array([[0.12, 0.09, 0.05], [0.34, 0.22, 0.18]])
_HEAD_WANDER = np.array([[0.11, 0.075, 0.045], [0.24, 0.15, 0.13]])
_FAR_CLIPS = 0.2  # share of the latter
_GAZE_LIMITS = np.array([0.611, 0.384])  # 35 and 22 degrees
_LIDS_PER_GAZE = 0.9  # how far the lids go with the eyes
_WAVES = 24


def neutral_motion(frames: int) -> Motion:
    """A face at rest that looks straight ahead."""
    shapes = ((frames, len(UNITS)), (frames, 3), (frames, 2))
    return Motion(*(np.zeros(shape, np.float32) for shape in shapes))


def sample_motion(seed: int, frames: int, fps: float = 25, stride: int = 1) -> Motion:
    """Draw a motion; `stride` > 1 takes only every stride-th frame of a motion as much longer."""
    talk, face, lids, head, gaze, mood = np.random.default_rng(seed).spawn(6)
    times: Times = np.arange(frames, dtype=np.float64) * (stride / fps)
    units = _speech(talk, times) + _mood(mood, times)
    for layer, rng in zip(_LAYERS, face.spawn(len(_LAYERS)), strict=True):
        units += _play(rng, times, layer)
    for layer, rng in zip(_LID_LAYERS, lids.spawn(len(_LID_LAYERS)), strict=True):
        units = np.maximum(units, _play(rng, times, layer))
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
    """Visemes that flow into one another, [T,U].

    Cohen and Massaro's co-articulation (1993): each viseme has a dominance that rises and falls
    around its moment; the face is the mean of all visemes, weighted with their dominances.
    """
    chatty, loud = rng.uniform(0.0, 1.0), rng.uniform(0.6, 1.3)
    moments, widths, strengths, vectors = [0.0], [0.1], [0.0], [np.zeros(len(UNITS))]
    now, until = -1.0, -1.0
    talking = False
    while now < times[-1] + 1:
        if now >= until:
            talking = rng.random() < chatty
            until = now + rng.uniform(0.5, 3.0)
        weights, width, strength = gestures.VISEMES[str(rng.choice(list(gestures.VISEMES)))]
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


def _mood(rng: Rng, times: Times) -> npt.NDArray[np.float64]:
    """No face is quite still: every unit comes and goes a little, [T,U]."""
    used = np.array([_INDEX[name] for name in USED_UNITS if not name.startswith("Tongue")])
    most = rng.uniform(-0.1, 0.2, len(used)).clip(0)
    units = np.zeros((len(times), len(UNITS)))
    units[:, used] = most * _waves(rng, times, 0.25, len(used)).clip(0)
    return units


def _waves(rng: Rng, times: Times, rate: float, count: int) -> npt.NDArray[np.float64]:
    """Smooth noise of standard deviation 1, [T,count], with frequencies up to about 2 `rate` Hz."""
    rates = np.abs(rng.normal(0, rate, (_WAVES, count))) + 0.03
    phases = rng.uniform(0, 2 * np.pi, (_WAVES, count))
    waves = [np.sin(2 * np.pi * r * times[:, None] + p) for r, p in zip(rates, phases, strict=True)]
    return np.asarray(np.sum(waves, 0) / np.sqrt(_WAVES / 2))


def _play(rng: Rng, times: Times, layer: _Layer) -> npt.NDArray[np.float64]:
    """The gestures of a layer, one after another, [T,U]; some are weaker on one side."""
    units = np.zeros((len(times), len(UNITS)))
    pause = layer.pause * 3.0 ** rng.uniform(-1, 1)
    now = -layer.hold[1] - rng.exponential(pause)  # one may be going on already
    while now < times[-1]:
        rise, hold, fall = (rng.uniform(*span) for span in (layer.rise, layer.hold, layer.fall))
        vector = _vector(layer.choices[int(rng.integers(len(layer.choices)))])
        vector *= rng.uniform(*layer.strength) * _uneven(rng)
        t = times - now
        curve = _smoothstep(t / rise) * _smoothstep((rise + hold + fall - t) / fall)
        units += curve[:, None] * vector
        now += rise + hold + fall + rng.exponential(pause)
    return units


def _uneven(rng: Rng) -> npt.NDArray[np.float64]:
    """Factors [U] that weaken one side of the face, in a third of all cases."""
    weaker, factor, applies = str(rng.choice(SIDES)), rng.uniform(0, 1), rng.random() < 0.33
    return np.array([factor if applies and weaker in name[:10] else 1.0 for name in UNITS])


def _gaze(rng: Rng, times: Times) -> npt.NDArray[np.float64]:
    """Fixations and quick jumps between them, [T,2], whatever the head does."""
    begins, targets = [-2.0], [np.zeros(2)]
    while begins[-1] < times[-1]:
        begins.append(begins[-1] + rng.uniform(0.25, 1.6))
        near, far = rng.normal(0, 0.33, 2), rng.uniform(-1, 1, 2)
        targets.append((near if rng.random() < 0.5 else far).clip(-1, 1) * _GAZE_LIMITS)
    last = np.searchsorted(begins, times, side="right") - 1
    jump = _smoothstep((times - np.array(begins)[last]) / 0.10)[:, None]
    places = np.array(targets)
    return np.asarray(places[np.maximum(last - 1, 0)] * (1 - jump) + places[last] * jump)


def _head(rng: Rng, times: Times) -> npt.NDArray[np.float64]:
    """A pose that wanders around one of the clip's own, [T,3]; some clips reach far."""
    far = int(rng.random() < _FAR_CLIPS)
    offset = rng.normal(0, _HEAD_OFFSET[far])
    wander = _HEAD_WANDER[far] * np.exp(rng.normal(-0.1, 0.45))
    pose = offset + _waves(rng, times, 0.5, 3) * wander
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

    def give_way(names: tuple[str, ...], to: str, share: float) -> None:
        left = 1 - share * np.clip(units[:, _INDEX[to]], 0, 1)
        for name in names:
            units[:, _INDEX[name]] *= left

    give_way(("JawDrop",), "LipsKiss", 0.3)
    give_way(("lowerLipDown",), "lowerLipUp", 1.0)
    give_way(("MouthMoveRight",), "MouthMoveLeft", 1.0)
    give_way(("UpperLipUp",), "LipsKiss", 0.5)
    for side in SIDES:
        give_way((f"{side}BrowDown",), f"{side}OuterBrowUp", 0.8)
        give_way((f"{side}UpperLidOpen",), f"{side}UpperLidClosed", 1.0)
        give_way((f"Mouth{side}PullDown",), f"Mouth{side}PullUp", 1.0)
        give_way((f"Mouth{side}PullUp", f"Mouth{side}PullSide"), "LipsKiss", 0.5)
    give_way(("LipsPress", "UpperLipUp", "lowerLipDown"), "CheeksPump", 0.8)
    give_way(("UpperLipUp", "lowerLipDown", "LipsKiss"), "LipsPress", 0.6)
    give_way(("MouthLeftPullSide", "MouthRightPullSide"), "JawDrop", 0.6)
    give_way(("MouthMoveLeft", "MouthMoveRight"), "JawDrop", 0.6)
    jaw = np.clip(units[:, _INDEX["JawDrop"]], 0, 1)
    for name in ("lowerLipUp", "LipsPress", "CheeksPump"):
        units[:, _INDEX[name]] *= np.clip(1 - 1.6 * jaw, 0.05, 1)  # these need a closed mouth
    units[:, _INDEX["TongueOut"]] *= np.clip(jaw / 0.3, 0, 1)  # and this an open one

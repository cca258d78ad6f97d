"""Does the driver's identity leak through S_F, and does S_F say what the face does?"""

import numpy as np
import numpy.typing as npt

from reenact.evaluate.material import Material
from reenact.evaluate.model import Model
from reenact.evaluate.read import DRIVEN, Floats, Readings
from reenact.evaluate.reenactment import Numbers, correlation_in_clips, ratio
from reenact.evaluate.witness import Witness, distance, look
from reenact.motion_basis import GROUPS, group
from reenact.talking_heads.motion import FACTORS

AVATARS, PAIRS = 8, 6  # that are rendered


def deformations(readings: Readings) -> Numbers:
    """On S_F itself, test people filmed at both places.

    leak_ratio: distance between two people in the same motion over that between two moments of one person; 0 is no
    leak, an identity code has far more than 1. retrieval: how often the nearest S_F of the partner, among all moments,
    is that of the same moment.
    """
    s_f = readings.deformation.reshape(
        len(readings.deformation), -1, readings.deformation.shape[-1]
    )
    one, other = s_f[0::2], s_f[1::2]  # [P/2, 2T, D]
    apart = np.linalg.norm(one[:, :, None] - other[:, None], axis=-1)  # [P/2, 2T, 2T]
    same_motion = np.diagonal(apart, axis1=1, axis2=2)
    moments = s_f.shape[1]
    first, second = np.triu_indices(moments, 1)
    changes = np.linalg.norm(s_f[:, first] - s_f[:, second], axis=-1)
    return {
        "leak_ratio": ratio(float(same_motion.mean()), float(changes.mean())),
        "retrieval": float((apart.argmin(2) == np.arange(moments)).mean()),
        "retrieval_by_chance": 1 / moments,
    }


def reading(model: Model, material: Material, readings: Readings) -> Numbers:
    """Correlation of what `motion.basis` reads from S_F with the truth, mean over the factors of each group."""
    shared = [name for name in FACTORS if name in model.basis.names]
    rows = model.basis.readings[[model.basis.names.index(name) for name in shared]]
    clips = readings.deformation.reshape(-1, *readings.deformation.shape[2:]) @ rows.T
    factors = material.portraits.factors[material.rows.reshape(-1, material.rows.shape[-1])]
    columns = [FACTORS.index(name) for name in shared]
    rho = correlation_in_clips(clips, factors[..., columns])
    groups = np.array([group(name) for name in shared])
    return {f"rho_{name}": float(rho[groups == name].mean()) for name in GROUPS}


def pictures(model: Model, material: Material, readings: Readings, witness: Witness) -> Numbers:
    """On pictures of the avatars, driven by pairs of test people who do the same, in the studio.

    identity_ratio: identity distance of one avatar under drivers who are different people, over that between two
    avatars under one driver. swap_ratio: how much a picture changes when the driver is swapped for one with the same
    expression, over how much it changes with the expression (mean absolute differences); clean_swap_ratio: the same
    from drivers whom no webcam filmed, so that only the person differs, not noise, blur and hands before the face.
    """
    identity = identities(model, readings)[:, None, None]
    rows = material.rows[: 2 * PAIRS, 0][:, DRIVEN]  # [2 pairs, 2 moments]
    filmed = readings.deformation[: 2 * PAIRS, 0][:, DRIVEN]
    clean = model.deform(material.portraits.frames[rows.reshape(-1)]).reshape(filmed.shape)
    drawn = model.render(identity, filmed[None])
    seen = look(witness, drawn).identity  # [A, 2 pairs, 2 moments, 128]
    same_avatar, two_avatars = _two_drivers(seen), _two_avatars(seen)
    return {
        "same_avatar": same_avatar,
        "two_avatars": two_avatars,
        "identity_ratio": ratio(same_avatar, two_avatars),
        "swap_ratio": _swap_ratio(drawn),
        "clean_swap_ratio": _swap_ratio(model.render(identity, clean[None])),
    }


def _swap_ratio(drawn: npt.NDArray[np.uint8]) -> float:
    """Of pictures u8 [A, 2 pairs, 2 moments, R, R, 3]: change with the driver over change with the moment."""
    swap = _difference(drawn[:, 0::2], drawn[:, 1::2])
    return ratio(swap, _difference(drawn[:, :, 0], drawn[:, :, 1]))


def identities(model: Model, readings: Readings) -> Floats:
    """Identity styles f32 [A,S] of the model's avatars; of test people where it comes without."""
    if len(model.avatars) > 1:
        return np.stack([avatar.styles for avatar in model.avatars[:AVATARS]])
    return readings.identity[:AVATARS, 0, 0]


def _two_drivers(seen: Floats) -> float:
    """Mean identity distance of an avatar's pictures under any two drivers, whatever these do."""
    first, second = np.triu_indices(seen.shape[1], 1)
    return float(distance(seen[:, first, :, None], seen[:, second, None]).mean())


def _two_avatars(seen: Floats) -> float:
    """Mean identity distance of two avatars under the same driver."""
    first, second = np.triu_indices(len(seen), 1)
    return float(distance(seen[first], seen[second]).mean())


def _difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    """Mean absolute difference of pictures, 0..255."""
    return float(
        np.mean([np.abs(x.astype(np.int16) - y).mean() for x, y in zip(a, b, strict=True)])
    )


def jitter(model: Model, material: Material, readings: Readings, witness: Witness) -> float:
    """Median frame-to-frame change of what the witness reads from the avatar, over that in the clean video.

    Speakers re-enact themselves at 25 frames a second from their webcam's pictures; 1 is as steady as the truth.
    Nothing is smoothed, other than in the live app.
    """
    portraits = model.identify(material.videos.frames[material.video_rows[:, 0]])
    drawn = look(witness, model.render(portraits[:, None], readings.speakers)).motion
    rows = material.video_rows
    truth = material.videos.frames[rows.reshape(-1)]
    true = look(witness, truth.reshape(*rows.shape, *truth.shape[1:])).motion
    steps = [np.median(np.abs(np.diff(motion, axis=1)), axis=(0, 1)) for motion in (drawn, true)]
    return float(np.median(steps[0] / np.maximum(steps[1], 1e-6)))

"""Test people re-enact themselves and one another: pictures beside the right ones.

Same identity (the paper's one-shot robustness): somebody's portrait, driven by other moments of his or her clip; five
times, from another portrait each. Cross identity: driven by somebody who makes the same motion, so that, other than in
the paper, the right picture is known.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reenact.evaluate.material import Material
from reenact.evaluate.model import Model
from reenact.evaluate.pictures import Likeness, Pictures, face_of, likeness
from reenact.evaluate.read import DRIVEN, SOURCES, Floats, Readings
from reenact.evaluate.witness import Seen, Witness, distance, look
from reenact.talking_heads.motion import FACTORS

Numbers = dict[str, float]
POSE, LOOKS = slice(-5, -2), slice(-2, None)  # of FACTORS: how the head turns, where the eyes look


@dataclass(frozen=True)
class Reenacted:
    """P people from k portraits each in m moments, beside the truth, which no portrait changes (k = 1)."""

    pictures: Pictures  # u8 [P,k,m,R,R,3]
    truth: Pictures  # u8 [P,1,m,R,R,3]
    face: npt.NDArray[np.bool_]  # [P,1,m,R,R], in the truth
    seen: Seen  # in the pictures
    true: Seen  # in the truth

    def likeness(self) -> Likeness:
        """On the face, [P,k,m]."""
        return likeness(self.pictures, self.truth, self.face)

    def identity_distance(self) -> Floats:
        """From the right picture, [P,k,m]."""
        return distance(self.seen.identity, self.true.identity)


def reenact(
    model: Model,
    material: Material,
    witness: Witness,
    identity: Floats,
    deformation: Floats,
    rows: npt.NDArray[np.intp],
) -> Reenacted:
    """Render identity [P,k,S] in S_F [P,m,D]; the truth lies in rows [P,m]."""
    pictures = model.render(identity[:, :, None], deformation[:, None])
    flat = rows.reshape(-1)
    frames, labels = material.portraits.frames[flat], material.portraits.labels[flat]
    truth = frames.reshape(len(rows), 1, -1, *frames.shape[1:])
    face = face_of(labels).reshape(len(rows), 1, -1, *labels.shape[1:])
    return Reenacted(pictures, truth, face, look(witness, pictures), look(witness, truth))


def same_identity(
    model: Model, material: Material, readings: Readings, witness: Witness, place: int, sources: int
) -> Reenacted:
    """Everybody re-enacts himself or herself in one of PLACES, from so many of SOURCES."""
    identity, deformation = readings.identity[:, place], readings.deformation[:, place]
    rows = material.rows[:, place]
    return reenact(
        model, material, witness, identity[:, :sources], deformation[:, DRIVEN], rows[:, DRIVEN]
    )


def cross_identity(
    model: Model, material: Material, readings: Readings, witness: Witness
) -> Reenacted:
    """Half of the people, from the first portrait, are driven through a whole clip in the studio by their partners."""
    identity, deformation = readings.identity[0::2, 0, :1], readings.deformation[1::2, 0]
    return reenact(model, material, witness, identity, deformation, material.rows[0::2, 0])


def quality(result: Reenacted) -> Numbers:
    """Means over everything: L1, PSNR, SSIM on the face, identity distance to the truth."""
    alike = result.likeness()
    return {
        "l1": float(alike.l1.mean()),
        "psnr": float(alike.psnr.mean()),
        "ssim": float(alike.ssim.mean()),
        "identity_distance": float(result.identity_distance().mean()),
    }


def copied(material: Material) -> Numbers:
    """What a still picture would get: the first portrait itself, beside the moments that are compared."""
    rows = material.rows[:, 0]
    portrait = material.portraits.frames[rows[:, SOURCES[0]]][:, None]
    flat = rows[:, DRIVEN].reshape(-1)
    shape = (len(rows), len(DRIVEN))
    truth = material.portraits.frames[flat].reshape(*shape, *portrait.shape[2:])
    face = face_of(material.portraits.labels[flat]).reshape(*shape, *portrait.shape[2:4])
    alike = likeness(portrait, truth, face)
    return {name: float(getattr(alike, name).mean()) for name in ("l1", "psnr", "ssim")}


def robustness(result: Reenacted) -> Numbers:
    """Five portraits of one person: spread of the runs, and how much the avatars differ.

    ..._spread: standard deviation over runs of their means over people (what the paper's table 2 gives after ±).
    between_portraits, between_people: mean identity distance of pictures of one person from different portraits, and of
    different people, in the same moment.
    """
    alike, seen = result.likeness(), result.seen.identity
    runs = {"l1": alike.l1, "psnr": alike.psnr, "ssim": alike.ssim}
    runs["identity_distance"] = result.identity_distance()
    spread = {f"{name}_spread": float(run.mean((0, 2)).std()) for name, run in runs.items()}
    portraits = _between(seen.swapaxes(0, 1))
    people = _between(seen)
    return spread | {
        "between_portraits": portraits,
        "between_people": people,
        "ratio": ratio(portraits, people),
    }


def ratio(part: float, whole: float) -> float:
    """part / whole; huge, not an error, where a model draws the same picture for everybody."""
    return part / max(whole, 1e-9)


def _between(identity: Floats) -> float:
    """Mean identity distance of embeddings [A,...,128] between different entries of the first axis."""
    first, second = np.triu_indices(len(identity), 1)
    return float(distance(identity[first], identity[second]).mean())


def following(result: Reenacted) -> Numbers:
    """Correlation over time of what the witness reads from the pictures and from the truth, whole clips.

    rho_pose: mean over yaw, pitch, roll; rho_gaze; rho_face: mean over the other factors.
    """
    given, right = result.seen.motion[:, 0], result.true.motion[:, 0]
    rho = correlation_in_clips(given, right)
    return {
        "rho_pose": float(rho[POSE].mean()),
        "rho_gaze": float(rho[LOOKS].mean()),
        "rho_face": float(rho[: len(FACTORS) - 5].mean()),
    }


def correlation_in_clips(a: Floats, b: Floats) -> Floats:
    """Pearson correlation f32 [F] of [P,T,F] and [P,T,F], each clip less its mean, all clips together."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    power = np.sqrt(np.square(a).sum((0, 1)) * np.square(b).sum((0, 1)))
    return np.asarray((a * b).sum((0, 1)) / np.maximum(power, 1e-9), np.float32)

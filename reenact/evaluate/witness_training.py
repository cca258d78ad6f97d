"""How the witness is trained, and how far it can be trusted.

Identity is learnt by contrast (Khosla et al. 2020, "Supervised contrastive learning"): pictures of one
person are to lie together, and apart from everybody else's. A clip has one room and one light, which
must not give a person away: backgrounds are replaced, and light, sharpness and framing are changed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.evaluate.material import Material
from reenact.evaluate.traits import TRAITS, known_traits
from reenact.evaluate.witness import SIZE, Floats, Witness, distance, look, shrink
from reenact.talking_heads.motion import FACTORS
from reenact.train import augment
from reenact.train.data import load_frames
from reenact.train.encoder import correlation
from reenact.train.run import Average, descend, learning_rate, mixed_precision

PEOPLE, VIEWS = 24, 4  # in a batch: so many people, so many pictures of each
TEMPERATURE = 0.1
PEAK = 1e-3  # learning rate; at twice that reading stalls
READING = 3.0  # what reading traits and motion counts beside identity

Index = npt.NDArray[np.intp]


@dataclass(frozen=True)
class School:
    """What the witness learns from: N pictures and what is known of them."""

    pictures: npt.NDArray[np.uint8]  # [N,96,96,3], half of them filmed
    behind: npt.NDArray[np.bool_]  # [N,96,96], where nobody is
    person: npt.NDArray[np.int64]  # [N]
    known: Floats  # [N, K + F] traits and factors


def load_school(folder: Path, progress: Callable[[float], None]) -> School:
    """Every second frame of a data set of people, shrunk; half of these as the camera saw them, if it did."""
    frames = load_frames(folder)
    rows = np.arange(0, len(frames), 2)
    pictures = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
    behind = np.empty((len(rows), SIZE, SIZE), np.bool_)
    for k in range(len(rows)):
        shown = frames.camera if frames.camera and k % 2 else frames.frames
        pictures[k] = shrink(shown[rows[k : k + 1]])[0]
        label = frames.labels[rows[k : k + 1]][0]
        behind[k] = cv2.resize(label, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) == 0
        progress(1 / len(rows))
    known = np.concatenate([known_traits(frames), frames.factors], 1)
    return School(pictures, behind, np.asarray(frames.person)[rows], known[rows])


def train_witness(
    school: School, minutes: float, progress: Callable[[float, str], None]
) -> Witness:
    """Train until the minutes of CPU time are spent; `progress` takes the share that is, and the losses."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    witness = Witness()
    witness.mean.copy_(torch.from_numpy(school.known.mean(0)))
    witness.scale.copy_(torch.from_numpy(school.known.std(0).clip(1e-3)))
    optimizer = torch.optim.AdamW(witness.parameters(), PEAK, (0.9, 0.99), weight_decay=1e-3)
    rows_of = [np.flatnonzero(school.person == who) for who in np.unique(school.person)]
    numbers, begun, spent = Average(), time.process_time(), 0.0
    while spent < 1:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(PEAK, spent)
        people = rng.choice(len(rows_of), min(PEOPLE, len(rows_of)), replace=False)
        index = np.concatenate([rng.choice(rows_of[who], VIEWS, replace=False) for who in people])
        identity, reading = losses(witness, school, index)
        descend(identity + READING * reading, optimizer)
        numbers.add(identity=identity.detach(), reading=reading.detach())
        spent = (time.process_time() - begun) / (60 * minutes)
        progress(min(spent, 1.0), str(numbers))
    return witness.eval()


def losses(witness: Witness, school: School, index: Index) -> tuple[Tensor, Tensor]:
    """Loss of identity and of reading on some rows."""
    pictures, turn = disguise(school, index)
    known = (torch.from_numpy(school.known[index]) - witness.mean) / witness.scale
    roll = len(TRAITS) + FACTORS.index("head roll")
    known[:, roll] += turn / witness.scale[roll]
    with mixed_precision():
        identity, reading = witness(pictures)
    person = torch.from_numpy(school.person[index])
    return contrast(identity, person), F.smooth_l1_loss(reading, known)


def contrast(identity: Tensor, person: Tensor) -> Tensor:
    """Supervised contrastive loss of embeddings [N,E] of length 1: mean over each picture's positives."""
    alike = identity @ identity.T / TEMPERATURE
    itself = torch.eye(len(identity), dtype=torch.bool)
    logs = alike.masked_fill(itself, -torch.inf).log_softmax(1)
    same = (person[:, None] == person[None]) & ~itself
    return -(logs[same]).mean()


def disguise(school: School, index: Index) -> tuple[Tensor, Tensor]:
    """Pictures f32 [n,3,96,96] in other places, lights and focus; and by how much each was turned [n]."""
    pictures = torch.from_numpy(school.pictures[index]).permute(0, 3, 1, 2).float() / 127.5 - 1
    behind = torch.from_numpy(school.behind[index])[:, None]
    strangers = pictures.roll(VIEWS * int(torch.randint(1, 5, ())), 0)
    plain = (2 * torch.rand(len(index), 3, 1, 1) - 1).expand_as(pictures)
    place = torch.where(torch.rand(len(index), 1, 1, 1) < 0.5, plain, strangers)
    pictures, turn = augment.jitter_window(torch.where(behind, place, pictures))
    return augment.noise(augment.light(soften(shade(pictures)))).clamp(-1, 1), turn


def shade(pictures: Tensor) -> Tensor:
    """One side brighter and of another colour than the other, as under another lamp."""
    n, side = len(pictures), torch.linspace(-1, 1, pictures.shape[-1])
    slope = 0.35 * torch.randn(n, 1, 2) + 0.06 * torch.randn(n, 3, 2)
    gain = slope[..., 0, None, None] * side + slope[..., 1, None, None] * side[:, None]
    return ((pictures + 1) * torch.exp(gain) - 1).clamp(-1, 1)


def soften(pictures: Tensor) -> Tensor:
    """A batch as sharp as a generator that is still learning, or as it is."""
    if torch.rand(()) < 0.4:
        return pictures
    small = F.interpolate(pictures, size=int(torch.randint(40, SIZE, ())), mode="area")
    return F.interpolate(small, size=pictures.shape[-2:], mode="bilinear", align_corners=False)


def trust(witness: Witness, material: Material) -> dict[str, float]:
    """What the witness knows of people it has never seen, on clean pictures of the test people.

    area_under_curve and equal_error_rate: same person in the studio and elsewhere, or two people?
    same, other: their mean identity distances; same_clip: two frames of one clip. rho ...: correlation of each trait
    over people, and mean correlation of the pose and of the other factors over all frames.
    """
    rows, frames = material.rows, material.portraits
    seen = look(witness, frames.frames[rows.reshape(-1)])
    identity = seen.identity.reshape(*rows.shape, -1)
    middle = identity[:, :, 0::3]  # some frames of each clip
    people, _, moments, _ = middle.shape
    pairs = distance(middle[:, None, 0, :, None], middle[None, :, 1, None, :])  # [P,P,t,t]
    itself = np.eye(people, dtype=bool)
    same, other = pairs[itself].ravel(), pairs[~itself].ravel()
    clip = distance(middle[:, :, :, None], middle[:, :, None, :])[..., *np.triu_indices(moments, 1)]
    result = {
        "area_under_curve": area_under_curve(same, other),
        "equal_error_rate": equal_error_rate(same, other),
        "same": float(same.mean()),
        "other": float(other.mean()),
        "same_clip": float(clip.mean()),
    }
    known = known_traits(frames)
    traits = correlation(torch.from_numpy(seen.traits), torch.from_numpy(known))
    result |= {f"rho {name}": rho for name, rho in zip(TRAITS, traits, strict=True)}
    motion = correlation(torch.from_numpy(seen.motion), torch.from_numpy(frames.factors))
    return result | {
        "rho pose": float(np.mean(motion[-5:-2])),
        "rho face": float(np.mean(motion[:-5])),
    }


def area_under_curve(same: Floats, other: Floats) -> float:
    """The chance that two pictures of one person lie nearer than two of different people."""
    order = np.concatenate([same, other]).argsort().argsort() + 1.0  # ranks, Mann and Whitney 1947
    n, m = len(same), len(other)
    return float(1 - (order[:n].sum() - n * (n + 1) / 2) / (n * m))


def equal_error_rate(same: Floats, other: Floats) -> float:
    """Share of errors at the distance where both kinds are equally likely."""
    limits = np.unique(np.concatenate([same, other]))
    refused = 1 - np.searchsorted(np.sort(same), limits, "right") / len(same)
    accepted = np.searchsorted(np.sort(other), limits, "right") / len(other)
    best = np.abs(refused - accepted).argmin()
    return float((refused + accepted)[best] / 2)

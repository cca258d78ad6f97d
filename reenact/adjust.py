"""Cyclic manifold adjustment: make the generator draw one portrait as it is, and keep it moving.

The paper's second half (Oorloff & Yacoob 2023), of which only the idea is public. As in pivotal
tuning (Roich et al. 2021) the latent and the generator's weights are fitted to the portrait; here
not to it alone, but to it in the poses and expressions of a bank of drivers:

- reconstruction: with the portrait's own motion s, G'(A(W) + S_F(s)) is the portrait. Without it
  the avatar is neutral, whatever the portrait did.
- locality: with a driver's motion d, G'(A(W) + S_F(d)) is the portrait after the motion that the
  untuned generator makes of s -> d on a face it knows well (`reenact.carry`).
- cycle: the motion that is encoded from what G' draws is d.

The weights change by thin matrices only (`reenact.delta`), which the avatar carries.
"""

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from reenact import carry
from reenact.avatar import Avatar, load_avatar, starter_avatars
from reenact.hybrid import Puppeteer
from reenact.low_rank import LowRank
from reenact.talking_heads.motion import FACTORS, factor_scale, factors, sample_motion
from reenact.train import losses
from reenact.train.run import mixed_precision
from reenact.train.sheet import to_uint8

Image = npt.NDArray[np.uint8]

STEPS = 600  # at most
_ROUND = 20  # steps, after which a listener is told
_SECONDS = 240.0  # of processor time for each thread: the end on a slow machine
_DRIVEN = 2  # drivers beside the portrait in each step
_LATENT_RATE, _WEIGHT_RATE = 0.03, 0.009
_ON_THE_WAY = 4  # steps in which a guide's motion is followed
_CYCLE = 0.5
_WALL, _FACE_COUNTS = 0.3, 2.0  # what pixels count
_NEW_COUNTS, _MOVED_COUNTS = 4.0, 2.0  # new: a lid, an open mouth; moved: where the guide changes
_LIVELY_COUNTS = 7.0  # around eyes and mouth
_GESTURES: tuple[dict[str, float], ...] = (
    {"JawDrop": 3.5},
    {"JawDrop": 1.5, "lowerLipDown": 1.5},
    {"LeftUpperLidClosed": 3.5, "RightUpperLidClosed": 3.5},
    {"LeftUpperLidClosed": 2.0, "RightUpperLidClosed": 2.0},
    {"MouthLeftPullUp": 3.0, "MouthRightPullUp": 3.0, "LeftCheekUp": 2.0, "RightCheekUp": 2.0},
    {
        "LeftOuterBrowUp": 2.5,
        "RightOuterBrowUp": 2.5,
        "LeftInnerBrowUp": 2.5,
        "RightInnerBrowUp": 2.5,
    },
    {"gaze yaw": 2.0},
    {"gaze yaw": -2.0},
)
"""What sampled motions seldom show alone, in standard deviations."""
_USUAL = 2.0  # standard deviations: drivers of the bank do no more
_WIDE = 1.4  # of the face's size: wherever it turns
_INNER = 0.8  # of the face's size: brows, eyes, nose and mouth, but little hair
_TRIED = 2  # guides are tried with every second driver
_ALIKE = 0.25  # what a guide's likeness counts beside the error of the motion it gives
_AROUND = 0.3  # what the rest of it counts beside eyes and mouth where a guide is laid over it
_FACE = (0.5, 0.55, 0.5, 0.65)  # centre (x, y) and half axes (of half a side) of a face in its crop


@dataclass(frozen=True)
class Report:
    """How far it is: `psnr` of the face, dB; `picture` u8 [R,3R,3]: portrait | now | driven."""

    step: int
    loss: float
    psnr: float
    picture: Image


Listener = Callable[[Report], None]


def bank(names: Sequence[str], count: int = 16) -> npt.NDArray[np.float32]:
    """Motion codes f32 [K, M]: `count` of faces that move as people do before a webcam, and gestures.

    `names` are the M factors of the model's motion code, as its `motion.basis` has them. They are
    sampled (`reenact.talking_heads.motion`), nobody's.
    """
    sampled = np.stack([factors(sample_motion(seed, 12, stride=12))[-1] for seed in range(count)])
    usual = (sampled / factor_scale()).clip(-_USUAL, _USUAL)
    known = dict(zip(FACTORS, usual.T, strict=True))
    none = np.zeros(count)
    codes = np.stack([known.get(name, none) for name in names], axis=1)
    gestures = [[gesture.get(name, 0.0) for name in names] for gesture in _GESTURES]
    return np.concatenate([codes, gestures]).astype(np.float32)


@dataclass(frozen=True)
class Goals:
    """What the generator is fitted to; the portrait first, the drivers behind it.

    `motion` f32 [1+K, M], `pictures` f32 [1+K,3,R,R], `weight` f32 [1+K,1,R,R]: what a pixel counts.
    `guide`: f32 [1, rows, w_dim], W+ of the face whose motion the portrait was given.
    """

    motion: Tensor
    pictures: Tensor
    weight: Tensor
    guide: Tensor


def adjust(
    portrait_crop: Image,
    avatar: Avatar,
    model: Puppeteer,
    drivers: npt.NDArray[np.float32],
    progress: Listener = lambda report: None,
) -> Avatar:
    """Tune latent and generator to a portrait, for some minutes.

    Args:
        portrait_crop: u8 [R,R,3] RGB, the window that the encoders see, at the generator's size.
        avatar: the portrait as it was encoded; belongs to `model`.
        model: on the CPU, in eval mode; it is not changed.
        drivers: f32 [K, M] motion codes, see `bank`.
        progress: told every few steps.

    Returns the avatar with another latent, styles and thumbnail, and with a delta.
    """
    model = copy.deepcopy(model).requires_grad_(False)
    goals = prepare(portrait_crop, avatar, model, drivers)
    latent = goals.guide.clone().requires_grad_()
    with torch.random.fork_rng():
        torch.manual_seed(0)  # the same portrait gives the same avatar
        tuned = LowRank(model.generator)
        fit(latent, tuned, goals, model, progress)
    with torch.no_grad():
        styles = model.generator.identity_styles(latent)
        picture = to_uint8(tuned(styles))[0]
    return replace(
        avatar,
        identity=latent[0].detach().numpy(),
        styles=styles[0].numpy(),
        thumbnail=picture,
        delta=tuned.flat(),
    )


@dataclass(frozen=True)
class Guide:
    """A face that the generator knows, laid over a portrait f32 [1,3,R,R] in its motion `own` [1, M].

    `identity` f32 [1, rows, w_dim]: its W+; `field` f32 [R,R,2] lays it over (`reenact.carry`);
    `lively` f32 [R,R]: the portrait's eyes and mouth; `alike` -1..1: how well it lies over it.
    """

    identity: Tensor
    field: carry.Picture
    portrait: Tensor
    own: Tensor
    lively: carry.Picture
    alike: float

    def error(self, codes: Tensor, model: Puppeteer) -> float:
        """How far, squared, from motions [K, M] that is what is encoded after carrying to them."""
        moved = torch.cat([self.carry(code, model)[0] for code in codes])
        return float((model.motion(_seen(moved, model)) - codes).square().mean())

    def carry(self, code: Tensor, model: Puppeteer) -> tuple[Tensor, Tensor]:
        """The portrait [1,3,R,R] carried to motion [M], and what its pixels count beyond the usual."""
        way = [
            carry.warp(picture, self.field)
            for picture in guide_way(self.identity, self.own, code, model)
        ]
        moved, new, lively = carry.carry(_array(self.portrait), way, self.lively)
        change = np.abs(way[-1] - way[0]).max(axis=2)
        counts = _NEW_COUNTS * new[..., 0] + _MOVED_COUNTS * change + _LIVELY_COUNTS * lively
        picture = torch.from_numpy(moved).movedim(2, 0)[None]
        return picture, torch.from_numpy(counts)[None, None]


@torch.no_grad()
def prepare(
    portrait_crop: Image, avatar: Avatar, model: Puppeteer, drivers: npt.NDArray[np.float32]
) -> Goals:
    """Choose a guide, lay it over the portrait, and carry the portrait along with its motion."""
    portrait = torch.from_numpy(portrait_crop.copy()).movedim(2, 0)[None].float() / 127.5 - 1
    face, wide = (face_weight(portrait.shape[-1], share) for share in (1.0, _WIDE))
    own = model.motion(_seen(portrait, model))
    codes = torch.from_numpy(drivers)
    guide = choose_guide(known_faces(avatar), own, portrait, codes[::_TRIED], model)
    motion = torch.cat([own, model.deform_head.rest[None], codes])
    carried = [guide.carry(code, model) for code in motion[1:]]
    pictures = [portrait, *(picture for picture, _ in carried)]
    still = torch.from_numpy(_LIVELY_COUNTS * guide.lively)[None, None]
    counts = torch.cat([still, *(count for _, count in carried)])
    weight = _WALL + _FACE_COUNTS * face + wide * counts
    return Goals(motion, torch.cat(pictures), weight, guide.identity)


def guide_way(guide: Tensor, start: Tensor, end: Tensor, model: Puppeteer) -> list[carry.Picture]:
    """The guide on its way from motion [1, M] to motion [M], in `_ON_THE_WAY` steps."""
    shares = torch.linspace(0, 1, _ON_THE_WAY + 1)[:, None]
    faces = guide.expand(len(shares), -1, -1)
    styles = model.styles(faces, model.deform_head(torch.lerp(start, end, shares)))
    return [_array(picture[None]) for picture in model.render(styles)]


def known_faces(avatar: Avatar) -> Tensor:
    """W+ [n, rows, w_dim] of those that may guide: the portrait as encoded, and who came with it."""
    shipped = [load_avatar(path) for path in starter_avatars().values()]
    fit = [other for other in shipped if other.fingerprint == avatar.fingerprint]
    return torch.from_numpy(np.stack([face.identity for face in (avatar, *fit)]))


def choose_guide(
    faces: Tensor, motion: Tensor, portrait: Tensor, codes: Tensor, model: Puppeteer
) -> Guide:
    """The face [n, rows, w_dim] that leads a portrait in motion [1, M] best to the motions [K, M].

    What is encoded from the portrait carried along must be that motion, and the guide's features,
    laid over the portrait's, must lie as these do.
    """
    guides = laid_over(faces, motion, portrait, model)
    return min(guides, key=lambda guide: guide.error(codes, model) - _ALIKE * guide.alike)


def laid_over(faces: Tensor, motion: Tensor, portrait: Tensor, model: Puppeteer) -> list[Guide]:
    """Faces [n, rows, w_dim], drawn in the portrait's motion [1, M], laid over it."""
    drawn = model.render(model.styles(faces, model.deform_head(motion).expand(len(faces), -1)))
    side = portrait.shape[-1]
    inner = face_weight(side, _INNER)
    places, features = carry.placed(drawn, portrait, inner)
    lively = carry.eyes_and_mouth(features, side)
    counts = _AROUND * inner + torch.from_numpy(lively)
    guides = []
    for face, guide, place in zip(faces, drawn, places, strict=True):
        with torch.enable_grad():
            field, alike = carry.laid_over(guide[None], portrait, counts, place)
        guides.append(Guide(face[None], field, portrait, motion, lively, alike))
    return guides


def face_weight(side: int, share: float = 1.0) -> Tensor:
    """Where the face is in a crop, as an ellipse with a soft edge: f32 [1,1,side,side] in 0..1."""
    x, y = (torch.linspace(-1, 1, side) - (2 * centre - 1) for centre in _FACE[:2])
    x, y = x / (share * _FACE[2]), y / (share * _FACE[3])
    distance = x.square()[None, :] + y.square()[:, None]
    return torch.exp(-distance.square())[None, None]


def fit(latent: Tensor, tuned: LowRank, goals: Goals, model: Puppeteer, progress: Listener) -> None:
    """Descend for `STEPS` steps, or as many as `_SECONDS` allow, in strides that shrink to nothing."""
    groups = [
        {"params": [latent], "lr": _LATENT_RATE},
        {"params": list(tuned.parameters()), "lr": _WEIGHT_RATE},
    ]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    begin_s, total = time.process_time(), 0.0
    for step in range(1, STEPS + 1):
        spent_s = (time.process_time() - begin_s) / torch.get_num_threads()
        spent = max(step / STEPS, spent_s / _SECONDS)
        for group, rate in zip(groups, (_LATENT_RATE, _WEIGHT_RATE), strict=True):
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * min(spent, 1.0)))
        some = torch.randperm(len(goals.motion) - 1)[:_DRIVEN] + 1
        which = torch.cat([torch.zeros(1).long(), some])
        loss, drawn = step_loss(latent, tuned, goals, model, which)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += float(loss.detach())
        if step % _ROUND == 0:
            progress(report(step, total / _ROUND, drawn.detach(), goals))
            total = 0.0
        if spent >= 1:
            return


def step_loss(
    latent: Tensor, tuned: LowRank, goals: Goals, model: Puppeteer, which: Tensor
) -> tuple[Tensor, Tensor]:
    """Reconstruction, locality and cycle on some of the goals, and what was drawn f32 [n,3,R,R]."""
    motion, wanted, counts = goals.motion[which], goals.pictures[which], goals.weight[which]
    styles = model.styles(latent.expand(len(which), -1, -1), model.deform_head(motion))
    with mixed_precision():
        drawn = tuned(styles).float()
        encoded = model.motion(_seen(drawn[1:], model)).float()
    loss = _CYCLE * F.smooth_l1_loss(encoded, motion[1:])
    for shrink in (1, 4, 8):
        seen, asked, weight = (F.avg_pool2d(x, shrink) for x in (drawn, wanted, counts))
        loss = loss + losses.pixel(seen, asked, weight) + losses.edge(seen, asked, weight)
    return loss, drawn


def report(step: int, loss: float, drawn: Tensor, goals: Goals) -> Report:
    """What a listener is told; the portrait was drawn first."""
    face = (face_weight(drawn.shape[-1]) > 0.5).float()
    error = (face * (drawn[:1].clamp(-1, 1) - goals.pictures[:1]).square()).sum()
    psnr = 10 * torch.log10(4 * 3 * face.sum() / error.clamp_min(1e-9))
    shown = to_uint8(torch.cat([goals.pictures[:1], drawn[:1], drawn[-1:]]))
    return Report(step, loss, float(psnr), np.concatenate(list(shown), axis=1))


@contextmanager
def watched(picture: Path | None = None) -> Iterator[Listener]:
    """A listener that shows a bar and, in a file (.png or .jpg), portrait | now | driven."""
    columns = (TextColumn("adjusting"), BarColumn(), TextColumn("{task.fields[what]}"))
    with Progress(*columns, TimeElapsedColumn()) as bar:
        task = bar.add_task("", total=None, what="looking for a face to move by")  # it pulses

        def listen(report: Report) -> None:
            what = f"step {report.step} of {STEPS} at most, face {report.psnr:.1f} dB"
            bar.update(task, total=STEPS, completed=report.step, what=what)
            if picture is not None:
                cv2.imwrite(str(picture), report.picture[..., ::-1])

        yield listen


def _seen(pictures: Tensor, model: Puppeteer) -> Tensor:
    """As the encoders see them: [N,3,crop,crop]."""
    return F.interpolate(pictures, size=model.encoder.crop, mode="area")


def _array(picture: Tensor) -> carry.Picture:
    """[1,3,S,S] -> f32 [S,S,3]."""
    return np.ascontiguousarray(picture[0].movedim(0, 2).numpy())

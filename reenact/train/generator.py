"""Stage 1, the generator as an auto-decoder: known identity and known deformation -> picture.

Each avatar is a free W+ latent, each frame's known factors become S_F through the deform network, and the generator is
fitted to the clean pictures, coarse to fine. (Not in the paper, whose generator is pre-trained. Training everything end
to end from scratch was tried and learnt nothing but blobs.)
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.encoders import EncoderDims
from reenact.generator import Window
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims, rows
from reenact.talking_heads.motion import FACTORS, factor_scale
from reenact.train import losses
from reenact.train.data import Frames, Index, pictures
from reenact.train.run import DEVICE, Average, Run, descend, learning_rate, mixed_precision, prepare
from reenact.train.sheet import to_uint8, write_sheet

WINDOW_LEVEL = (
    64  # px: above this, the fine blocks are trained on half-side windows, four times cheaper
)


@dataclass(frozen=True)
class Phase:
    """A stretch of the stage: train up to `resolution` px from `begin` (share of the budget) on."""

    begin: float
    resolution: int
    batch: int


USUAL_TURN = {"head yaw": 0.20, "head pitch": 0.13, "head roll": 0.13}  # radians

PHASES = (Phase(0.0, 64, 8), Phase(0.15, 128, 8), Phase(0.62, 256, 8))


class AutoDecoder(nn.Module):
    """The puppeteer and one free W+ latent [rows, w_dim] per avatar, in the place of the encoders."""

    def __init__(self, dims: Dims, encoder: EncoderDims, avatars: int) -> None:
        super().__init__()
        self.puppeteer = Puppeteer(dims, encoder)
        self.identities = nn.Parameter(torch.randn(avatars, 1, dims.w_dim).repeat(1, rows(dims), 1))

    def learned(self) -> list[nn.Parameter]:
        """The parameters that this stage fits: all but the encoders and the mapping network."""
        generator = self.puppeteer.generator
        parts = (generator.affines, generator.synthesis, self.puppeteer.deform_head)
        return [self.identities, *(p for part in parts for p in part.parameters())]

    def styles(self, person: Tensor, motion: Tensor) -> Tensor:
        """Styles [N,S] of people i64 [N] in motion f32 [N,M] (the known factors, standardised)."""
        return self.puppeteer.styles(self.identities[person], self.puppeteer.deform_head(motion))

    def forward(self, person: Tensor, motion: Tensor) -> Tensor:
        """Pictures f32 [N,3,R,R]; arguments as for `styles`."""
        return self.puppeteer.render(self.styles(person, motion))


@torch.no_grad()
def follow(average: AutoDecoder, model: AutoDecoder, step: int) -> None:
    """Move each weight of an average towards the model's: much at first, 0.2 % a step later on."""
    share = max(0.002, 1 / (1 + step))
    for mean, weight in zip(average.learned(), model.learned(), strict=True):
        mean.lerp_(weight, share)


def near_frontal(frames: Frames) -> npt.NDArray[np.float64]:
    """How often to show each frame, [N] with sum 1: people sit before a webcam, they seldom turn far."""
    columns = [FACTORS.index(name) for name in USUAL_TURN]
    turn = np.asarray(frames.factors)[:, columns] / np.array(list(USUAL_TURN.values()))
    odds = np.exp(-0.5 * (turn**2).sum(1)) + 0.02
    return np.asarray(odds / odds.sum(), np.float64)


def shrink(picture: Tensor, size: int) -> Tensor:
    """Area-average square pictures or weights [N,C,S,S] down to `size` px."""
    return F.avg_pool2d(picture, picture.shape[-1] // size) if picture.shape[-1] > size else picture


def face_window() -> Window:
    """A random half-side window of the WINDOW_LEVEL maps, mostly over the face, sometimes anywhere."""
    half = WINDOW_LEVEL // 2
    if np.random.random() < 0.3:
        y, x = np.random.randint(0, half + 1, 2)
    else:
        y, x = np.clip(np.round(np.random.normal((0.62 * half, 0.5 * half), 4.0)), 0, half).astype(
            int
        )
    return WINDOW_LEVEL, int(y), int(x), half


def crop(picture: Tensor, window: Window) -> Tensor:
    """The part of a full picture [N,C,S,S] that a window of the WINDOW_LEVEL maps shows."""
    level, y, x, size = window
    k = picture.shape[-1] // level
    return picture[..., y * k : (y + size) * k, x * k : (x + size) * k]


def fit(picture: Tensor, target: Tensor, weight: Tensor, spent: float) -> Tensor:
    """L_pix + L_edge of a picture against the target at its size; edges count more later on."""
    size = picture.shape[-1]
    target, weight = shrink(target, size), shrink(weight, size)
    pixel = losses.pixel(picture, target, weight)
    return pixel + (0.1 + 0.6 * spent) * losses.edge(picture, target, weight)


class GeneratorStage:
    """Fits an AutoDecoder to the avatars' frames."""

    def __init__(
        self,
        frames: Frames,
        folder: Path,
        minutes: float,
        dims: Dims,
        encoder: EncoderDims,
        peak: float = 4e-3,
    ) -> None:
        self.frames, self.folder, self.peak, self.dims = frames, folder, peak, dims
        self.people = np.unique(frames.person)
        torch.manual_seed(0)
        self.model = prepare(AutoDecoder(dims, encoder, len(self.people)))
        self.optimizer = torch.optim.Adam(self.model.learned(), peak, (0.9, 0.99))
        self.average = copy.deepcopy(self.model)  # follows the weights, smoothed: what is kept
        state = {"model": self.model, "optimizer": self.optimizer, "average": self.average}
        self.run = Run(folder, "generator", minutes, state)
        self.held_out = np.random.default_rng(0).random(len(frames)) < 0.02
        self.numbers = Average()

    def batch(self, index: Index) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Rows -> person i64 [N], motion f32 [N,M], picture [N,3,S,S], weight [N,1,S,S]."""
        person = torch.from_numpy(np.searchsorted(self.people, self.frames.person[index])).to(
            DEVICE
        )
        motion = torch.from_numpy(self.frames.factors[index] / factor_scale()).to(DEVICE)
        weight = losses.part_weights(torch.from_numpy(self.frames.labels[index]).to(DEVICE))
        return person, motion, pictures(self.frames, index), weight

    def train(self) -> None:
        """Run until the budget is spent."""
        odds = np.where(self.held_out, 0, near_frontal(self.frames))
        odds /= odds.sum()
        for spent in self.run.steps(lambda: str(self.numbers), self.show):
            phase = [p for p in PHASES if p.begin <= spent and p.resolution <= self.frames.size][-1]
            index = np.sort(np.random.choice(len(odds), phase.batch, replace=False, p=odds))
            self.step(index, phase, spent)

    def step(self, index: Index, phase: Phase, spent: float) -> None:
        """One update of the weights and their average."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.peak, spent)
        person, motion, target, weight = self.batch(index)
        window = face_window() if phase.resolution > WINDOW_LEVEL else None
        images = self.render(person, motion, phase.resolution, window)
        # The window's level is whole: there the background and the hair at the rim are learnt.
        terms = [fit(images[WINDOW_LEVEL].float(), target, weight, spent)]
        if window:
            fine = images[phase.resolution].float()
            terms.append(fit(fine, crop(target, window), crop(weight, window), spent))
        descend(sum(terms, torch.zeros((), device=DEVICE)), self.optimizer)
        follow(self.average, self.model, self.run.step)
        self.numbers.add(coarse=terms[0].detach(), fine=terms[-1].detach(), px=phase.resolution)

    def render(
        self, person: Tensor, motion: Tensor, resolution: int, window: Window | None
    ) -> dict[int, Tensor]:
        """The pictures of all levels up to `resolution` px, by their px."""
        images = {}
        with mixed_precision():
            styles = self.model.styles(person, motion)
            synthesis = self.model.puppeteer.generator.synthesis
            for level, image in synthesis.levels(styles, window):
                images[level] = image
                if level == resolution:
                    break
        return images

    @torch.no_grad()
    def show(self) -> None:
        """Held-out frames: each avatar's truth above its rendering."""
        sheet = []
        for who in self.people:
            index = np.flatnonzero(self.held_out & (self.frames.person == who))[:8]
            person, motion, target, _ = self.batch(index)
            out = self.average(person, motion)
            sheet += [list(to_uint8(target)), list(to_uint8(out))]
        write_sheet(sheet, self.folder / f"generator_{self.run.step:06d}.png", tile=160)

"""Stage 1, the generator as an auto-decoder: known identity and known deformation -> picture.

Each person's look becomes W_ID through the persona network, each frame's known factors become S_F through the deform
network, and the generator is fitted to the clean pictures, coarse to fine. The few people that ship, the avatars, have
a free latent of their own on top. (Not in the paper, whose generator is pre-trained. Training everything end to end
from scratch was tried and learnt nothing but blobs.)
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reenact.encoders import LEAK, EncoderDims
from reenact.errors import UserError
from reenact.generator import Window
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims, rows
from reenact.talking_heads.motion import FACTORS, factor_scale
from reenact.talking_heads.surfaces import LABELS
from reenact.train import data, losses
from reenact.train.adversary import Adversary
from reenact.train.configuration import DEFAULT, Configuration, Phase
from reenact.train.data import Frames, Index, pictures, unseen_people
from reenact.train.looks import Table
from reenact.train.run import (
    DEVICE,
    Average,
    Run,
    compile_if,
    descend,
    learning_rate,
    mixed_precision,
    prepare,
)
from reenact.train.sheet import to_uint8, write_sheet
from reenact.train.start import begin_with

WINDOW_LEVEL = (
    64  # px: above this, the fine blocks are trained on half-side windows, four times cheaper
)
WINDOW_RIM = 2  # of its px: so far into a window reaches what is padded around it
CALM = 0.4
USUAL_TURN = {"head yaw": 0.20, "head pitch": 0.13, "head roll": 0.13}  # radians


class Persona(nn.Module):
    """A look f32 [N,P] (standardised) -> W+ [N, rows, w_dim]."""

    def __init__(self, looks: int, dims: Dims, hidden: int = 256) -> None:
        super().__init__()
        self.shape = (rows(dims), dims.w_dim)
        self.hidden = nn.Sequential(
            nn.Linear(looks, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(LEAK),
        )
        self.latent = nn.Linear(hidden, rows(dims) * dims.w_dim)
        self.begin_at(torch.randn(dims.w_dim))  # one random w in all rows, as StyleGAN2 begins

    @torch.no_grad()
    def begin_at(self, w: Tensor) -> None:
        """Make `w` [w_dim] the latent of the mean person, in all rows."""
        self.latent.bias.copy_(w.repeat(self.shape[0]))

    def forward(self, look: Tensor) -> Tensor:
        w_plus: Tensor = self.latent(self.hidden(look))
        return w_plus.reshape(len(look), *self.shape)


class AutoDecoder(nn.Module):
    """The puppeteer with the persona network, and the avatars' own latents, in the place of the encoders."""

    def __init__(self, dims: Dims, encoder: EncoderDims, avatars: Tensor) -> None:
        """avatars: f32 [A,P], their looks."""
        super().__init__()
        self.puppeteer = Puppeteer(dims, encoder)
        self.persona = Persona(avatars.shape[1], dims)
        self.own = nn.Parameter(torch.zeros(len(avatars), rows(dims), dims.w_dim))
        self.looks: Tensor
        self.register_buffer("looks", avatars)

    def begin_with(self, checkpoint: Path) -> None:
        """Take an earlier checkpoint's networks; the mean person is then the mean of its avatars."""
        begin_with(self.puppeteer, checkpoint)
        self.persona.begin_at(self.puppeteer.generator.w_avg)

    def learned(self) -> list[nn.Parameter]:
        """The parameters that this stage fits: all but the encoders and the mapping network."""
        generator = self.puppeteer.generator
        parts = (
            generator.affines,
            generator.synthesis,
            self.puppeteer.deform_head,
            self.persona,
        )
        return [self.own, *(p for part in parts for p in part.parameters())]

    def identities(self) -> Tensor:
        """W_ID of the avatars: [A, rows, w_dim]."""
        return self.latents(torch.arange(len(self.own), device=self.own.device), self.looks)

    def latents(self, avatar: Tensor, look: Tensor) -> Tensor:
        """W_ID [N, rows, w_dim] of looks [N,P]; `avatar` i64 [N] says which avatar it is, A: nobody's."""
        nobody = torch.zeros_like(self.own[:1])
        w_plus: Tensor = self.persona(look)
        return w_plus + torch.cat([self.own, nobody])[avatar]

    def styles(self, avatar: Tensor, look: Tensor, motion: Tensor) -> Tensor:
        """Styles [N,S] of people as for `latents` in motion f32 [N,M] (the known factors, standardised)."""
        return self.puppeteer.styles(self.latents(avatar, look), self.puppeteer.deform_head(motion))

    def forward(self, avatar: Tensor, look: Tensor, motion: Tensor) -> Tensor:
        """Pictures f32 [N,3,R,R]; arguments as for `styles`."""
        return self.puppeteer.render(self.styles(avatar, look, motion))


@dataclass(frozen=True)
class Batch:
    """N frames: who (see AutoDecoder.latents), doing what, and the picture with what its pixels count."""

    avatar: Tensor  # i64 [N]
    look: Tensor  # f32 [N,P]
    motion: Tensor  # f32 [N,M]
    picture: Tensor  # f32 [N,3,S,S]
    weight: Tensor  # f32 [N,1,S,S]

    def __add__(self, other: "Batch") -> "Batch":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Batch(*(torch.cat(pair) for pair in pairs))


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


def rest(frames: Frames) -> Tensor:
    """The motion code [M] of a face at rest: the frames' mean, calmed, head and gaze straight.

    Not 0: rendered faces never hold quite still, a generator draws badly what it has never seen, and
    the neutral face is what people see first.
    """
    code = CALM * np.asarray(frames.factors).mean(0) / factor_scale()
    code[[name.startswith(("head", "gaze")) for name in FACTORS]] = 0
    return torch.from_numpy(code.astype(np.float32)).to(DEVICE)


def shrink(picture: Tensor, size: int) -> Tensor:
    """Area-average square pictures or weights [N,C,S,S] down to `size` px."""
    return F.avg_pool2d(picture, picture.shape[-1] // size) if picture.shape[-1] > size else picture


def face_window() -> Window:
    """A random half-side window of the WINDOW_LEVEL maps, mostly over the face, else anywhere, often at the rim."""
    half = WINDOW_LEVEL // 2
    if np.random.random() < 0.3:
        y, x = np.clip(np.random.randint(-half // 4, half + half // 4 + 1, 2), 0, half)
    else:
        y, x = np.clip(np.round(np.random.normal((0.62 * half, 0.5 * half), 4.0)), 0, half).astype(
            int
        )
    return WINDOW_LEVEL, int(y), int(x), half


def crop(picture: Tensor, window: Window | None) -> Tensor:
    """The part of a full picture [N,C,S,S] that a window of the WINDOW_LEVEL maps shows; all of it without one."""
    if window is None:
        return picture
    level, y, x, size = window
    k = picture.shape[-1] // level
    return picture[..., y * k : (y + size) * k, x * k : (x + size) * k]


def crop_weight(weight: Tensor, window: Window | None) -> Tensor:
    """What each pixel [N,1,S,S] counts in a window: nothing along its edges inside the picture.

    Convolutions pad a window with zeros where the whole picture goes on; what that spoils must not be learnt, or
    pictures get a frame in the mean colour of their middle.
    """
    if window is None:
        return weight
    level, y, x, size = window
    k = weight.shape[-1] // level
    first = [k * (WINDOW_RIM if begin > 0 else 0) for begin in (y, x)]
    last = [k * (size - (WINDOW_RIM if begin + size < level else 0)) for begin in (y, x)]
    inside = torch.zeros_like(crop(weight, window))
    inside[..., first[0] : last[0], first[1] : last[1]] = 1
    return inside * crop(weight, window)


def fit(picture: Tensor, target: Tensor, weight: Tensor, spent: float) -> Tensor:
    """L_pix + L_edge of a picture against the target at its size; edges count more later on."""
    size = picture.shape[-1]
    target, weight = shrink(target, size), shrink(weight, size)
    pixel = losses.pixel(picture, target, weight)
    return pixel + (0.1 + 0.6 * spent) * losses.edge(picture, target, weight)


class GeneratorStage:
    """Fits an AutoDecoder to the avatars' frames, and to those of many other people."""

    def __init__(
        self,
        avatars: Frames,
        people: Frames,
        folder: Path,
        minutes: float,
        configuration: Configuration = DEFAULT,
        start: Path | None = None,
    ) -> None:
        """start: an earlier checkpoint of the same sizes to begin with.

        Raises UserError where the two data sets' pictures differ in size.
        """
        if avatars.size != people.size:
            raise UserError(
                f"the avatars' pictures are {avatars.size} px, the people's {people.size}: "
                "render both with the same --size"
            )
        self.avatars, self.people = avatars, people
        self.folder, self.configuration = folder, configuration
        dims, peak = configuration.dims, configuration.generator_rate
        self.names = sorted(avatars.looks)
        self.table = Table([*avatars.looks.values(), *people.looks.values()])
        torch.manual_seed(0)
        self.model = prepare(AutoDecoder(dims, configuration.encoder, self.looks(avatars)))
        if start is not None:
            self.model.begin_with(start)
        self.model.puppeteer.rest_at(rest(avatars))
        self.optimizer = torch.optim.Adam(self.model.learned(), peak, (0.9, 0.99), fused=True)
        self.average = copy.deepcopy(self.model)  # follows the weights, smoothed: what is kept
        for block in self.model.puppeteer.generator.synthesis.blocks:
            compile_if(configuration.compile, block)
        self.adversary = Adversary(configuration.adversary_width, configuration.adversary_rate)
        state = {
            "model": self.model,
            "optimizer": self.optimizer,
            "average": self.average,
            "adversary": self.adversary.network,
            "adversary_optimizer": self.adversary.optimizer,
        }
        self.run = Run(folder, "generator", minutes, state, configuration)
        self.held_out = np.random.default_rng(0).random(len(avatars)) < 0.02
        self.unseen = np.isin(people.person, unseen_people(people))
        self.numbers = Average()

    def looks(self, frames: Frames) -> Tensor:
        """Standardised looks f32 [K,P] of the people of a data set, in the order of their numbers."""
        looks = self.table([frames.looks[name] for name in sorted(frames.looks)])
        return torch.from_numpy(looks).to(DEVICE)

    def batch(self, frames: Frames, index: Index) -> Batch:
        """Some rows of the avatars' or the people's frames."""
        who = frames.person[index]
        names = self.names if frames is self.avatars else []
        avatar = [names.index(w) if w in names else len(self.names) for w in who]
        look = self.table([frames.looks[int(w)] for w in who])
        labels = data.labels(frames, index)
        weight = losses.part_weights(labels)
        if frames is self.people:
            weight[labels[:, None] == LABELS["background"]] = self.configuration.room_weight
        return Batch(
            torch.tensor(avatar, dtype=torch.long, device=DEVICE),
            torch.from_numpy(look).to(DEVICE),
            torch.from_numpy(frames.factors[index] / factor_scale()).to(DEVICE),
            pictures(frames, index),
            weight,
        )

    def train(self) -> None:
        """Run until the budget is spent."""
        usual = [
            (self.avatars, shown(self.avatars, ~self.held_out)),
            (self.people, shown(self.people, ~self.unseen)),
        ]
        for spent in self.run.steps(lambda: str(self.numbers), self.show):
            phase = self.phase(spent)
            counts = (phase.batch - phase.others, phase.others)
            drawn = [
                self.batch(frames, np.sort(np.random.choice(len(odds), n, replace=False, p=odds)))
                for (frames, odds), n in zip(usual, counts, strict=True)
            ]
            self.step(drawn[0] + drawn[1], phase, spent)

    def phase(self, spent: float) -> Phase:
        """What to train when this share of the budget is spent."""
        phases, most = self.configuration.phases, self.configuration.dims.resolution
        return [p for p in phases if p.begin <= spent and p.resolution <= most][-1]

    def step(self, batch: Batch, phase: Phase, spent: float) -> None:
        """One update of the weights and their average."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.configuration.generator_rate, spent)
        large = phase.resolution > WINDOW_LEVEL
        window = face_window() if large and self.configuration.windows else None
        images = self.render(batch, phase.resolution, window)
        # The window's level is whole: there the background and the hair at the rim are learnt.
        terms = [fit(images[WINDOW_LEVEL].float(), batch.picture, batch.weight, spent)]
        if large:
            fine = images[phase.resolution].float()
            target, weight = crop(batch.picture, window), crop_weight(batch.weight, window)
            terms.append(fit(fine, target, weight, spent))
            terms += self.judgement(fine, target, phase)
        descend(sum(terms, torch.zeros((), device=DEVICE)), self.optimizer)
        follow(self.average, self.model, self.run.step)
        names = ("coarse", "fine", "judged")
        self.numbers.add(
            px=phase.resolution, **{n: t.detach() for n, t in zip(names, terms, strict=False)}
        )

    def judgement(self, drawn: Tensor, true: Tensor, phase: Phase) -> list[Tensor]:
        """The adversary's loss, where the phase asks for one; the adversary learns from the same pictures."""
        if not phase.adversarial:
            return []
        true = shrink(true, drawn.shape[-1])
        self.numbers.add(adversary=self.adversary.learn(drawn, true, self.run.step))
        return [phase.adversarial * self.adversary.judge(drawn, true)]

    def render(self, batch: Batch, resolution: int, window: Window | None) -> dict[int, Tensor]:
        """The pictures of all levels up to `resolution` px, by their px."""
        images = {}
        with mixed_precision():
            styles = self.model.styles(batch.avatar, batch.look, batch.motion)
            synthesis = self.model.puppeteer.generator.synthesis
            for level, image in synthesis.levels(styles, window):
                images[level] = image
                if level == resolution:
                    break
        return images

    @torch.no_grad()
    def show(self) -> None:
        """Held-out frames of each avatar, and people never seen: the truth above the rendering."""
        sheet = []
        chosen = [(self.avatars, self.held_out & (self.avatars.person == n)) for n in self.names]
        chosen.append((self.people, self.unseen & (np.arange(len(self.people)) % 12 == 3)))
        for frames, mask in chosen:
            batch = self.batch(frames, np.flatnonzero(mask)[:8])
            out = self.average(batch.avatar, batch.look, batch.motion)
            sheet += [list(to_uint8(batch.picture)), list(to_uint8(out))]
        write_sheet(sheet, self.folder / f"generator_{self.run.step:06d}.png", tile=160)


def shown(frames: Frames, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How often to draw each frame, [N] with sum 1: never outside the mask, mostly near-frontal ones."""
    odds = np.where(mask, near_frontal(frames), 0)
    return np.asarray(odds / odds.sum(), np.float64)

"""Encoders for an imported generator, which stays as it is: its own pictures teach them, then videos.

Pictures that it draws itself. Motion is found in its W (see motion_space); every random latent is then a neutral
identity and amounts of motion, S_F of an amount is A's linear part of its direction in the first ten convolutions, and
the paper's equation draws any identity in any motion. So there are exact pairs: the same motion on two people. From a
camera's view of one the encoder has to say the amounts, S_F and, without an imported portrait encoder, W_ID; the frozen
generator must draw the OTHER person in that motion from it.

Videos, the paper's way (section 3): two frames of one video, W_ID of one and S_F of the other draw the other.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact import spaces
from reenact.foreign_encoder import PortraitEncoder
from reenact.hybrid import Puppeteer
from reenact.train import augment, distributed, losses
from reenact.train.clips import Clips
from reenact.train.data import fetch, to_tensor
from reenact.train.encoder import correlation
from reenact.train.motion_space import MotionSpace, ridge
from reenact.train.run import DEVICE, Average, Run, descend, learning_rate, mixed_precision, prepare
from reenact.train.sheet import to_uint8, write_sheet

FROM_CLIPS = 0.5
"""Share of the budget after which videos join in, where there are any."""
_SIDE = 256  # px: pictures are compared at this size at most
_PEOPLE, _MOTIONS = 4, 8  # held out, to judge
_CAUTION = 0.3  # the last layer has about as many inputs as there are samples
_OLD = 0.05  # how fast what is there already learns, beside what is new
_UNKNOWN = 0.3  # what a factor counts that the generator does not show: its code is to be 0


@dataclass(frozen=True)
class Judgement:
    """Of held-out identities in held-out motions, all drawn by the generator.

    Attributes:
        correlation: of the motion code with the truth, mean over the factors that the generator shows.
        leak: how much of the code changes with who it is, over how much changes with what they do; 0 is best.
        psnr: dB, of one person redrawn with the deformation read from another, against the truth.
        still: dB, of the same without any deformation: what there is to beat.
    """

    correlation: float
    leak: float
    psnr: float
    still: float


class ImportedStage:
    """Fits pyramid, deformation encoder and head, and the identity encoder where none was imported."""

    def __init__(
        self,
        model: Puppeteer,
        space: MotionSpace,
        folder: Path,
        minutes: float,
        clips: Clips | None = None,
        peak: float = 1e-3,
        batch: int = 8,
    ) -> None:
        """`model`: the imported generator and encoders to begin with, which know the space's factors."""
        self.model, self.space, self.folder = prepare(model).eval(), space.to(DEVICE), folder
        self.clips, self.peak, self.size = clips, peak, batch
        self.own = not isinstance(model.identity_encoder, PortraitEncoder)
        model.requires_grad_(False)
        parts = [model.pyramid, model.deformation_encoder, model.deform_head]
        parts += [model.identity_encoder] if self.own else []
        for part in parts:
            part.requires_grad_(True)
        # what the starter has learnt, or begins solved, moves slowly; what is new fast
        new = [p for part in parts[3:] for p in part.parameters()]
        old = [p for part in parts[:3] for p in part.parameters()]
        self.optimizer = torch.optim.AdamW(
            [{"params": new}, {"params": old}], peak, (0.9, 0.99), weight_decay=1e-4
        )
        state = {"model": model, "space": space, "optimizer": self.optimizer}
        self.run = Run(folder, "imported", minutes, state)
        self.numbers, self.words = Average(), ""
        self.steps_of_motion = self.offsets(space.directions)
        self.spread = self._spread()
        counts = torch.where(space.shown, 1.0, _UNKNOWN)
        self.importance = counts / counts.mean()
        if isinstance(model.identity_encoder, PortraitEncoder):
            model.identity_encoder.leave_out(*space.part())

    @torch.no_grad()
    def offsets(self, w: Tensor) -> Tensor:
        """What adding latents [N,w_dim] adds to the styles of the first ten convolutions: [N,D]."""
        w_plus = w[:, None].expand(-1, spaces.rows(self.model.dims), -1)
        styles = self.model.generator.identity_styles
        return (styles(w_plus) - styles(torch.zeros_like(w_plus[:1])))[:, self.model.deformed]

    @torch.no_grad()
    def _spread(self) -> tuple[float, float]:
        """Root mean square of S_F and of neutral latents around the mean."""
        w_id, amounts = self.latents(256)
        s_f = amounts @ self.steps_of_motion
        return float(s_f.square().mean().sqrt()), float(w_id.std(0).square().mean().sqrt())

    def latents(self, count: int) -> tuple[Tensor, Tensor]:
        """Random people: neutral latents [N,w_dim], and the motion of others [N,M], as it occurs."""
        z = torch.randn(count, self.model.dims.z_dim, device=DEVICE)
        w = self.model.generator.mapping(z)
        return self.space.neutral(w), self.space.amounts(w).roll(1, 0)

    def train(self) -> None:
        """Run until the budget is spent."""
        for spent in self.run.steps(self.report, self.show):
            for group, share in zip(self.optimizer.param_groups, (1.0, _OLD), strict=True):
                group["lr"] = share * learning_rate(self.peak, spent)
            loss = self.drawn()
            if self.clips is not None and spent > FROM_CLIPS:
                loss = loss + self.filmed(self.clips)
            descend(loss, self.optimizer)

    @torch.no_grad()
    def settle(self, samples: int) -> None:
        """Let the last layer of the deformation encoder begin as the best one for what it has learnt before.

        What the starter reads is not quite what was drawn; the difference is regressed on the layer's inputs.
        """
        inputs: list[Tensor] = []
        missing: list[Tensor] = []
        last = self.model.deformation_encoder.motion
        hook = last.register_forward_pre_hook(lambda _, given: inputs.append(given[0].float()))
        for _ in range(-(-samples // self.size)):
            with mixed_precision():
                w, amounts = self.latents(self.size)
                picture = self.draw(self.expand(w), amounts @ self.steps_of_motion)
                seen, _ = augment.camera(self.view(picture), roll=0.0)
                missing.append(amounts - self.model.motion(seen).float())
        hook.remove()
        x, y = torch.cat(inputs), torch.cat(missing)
        change = ridge(x - x.mean(0), y - y.mean(0), _CAUTION)
        last.weight.add_(change.T)
        last.bias.add_(y.mean(0) - x.mean(0) @ change)
        distributed.share_weights(self.model)

    def drawn(self) -> Tensor:
        """L_fac, L_S, L_pix and L_id on exact pairs that the generator draws: one motion on two people."""
        with torch.no_grad(), mixed_precision():
            w, amounts = self.latents(self.size)
            driver, target = w.roll(1, 0), self.expand(w)
            known = amounts @ self.steps_of_motion
            seen, _ = augment.camera(self.view(self.draw(self.expand(driver), known)), roll=0.0)
            wanted = self.draw(target, known)
        with mixed_precision():
            maps = self.model.pyramid(seen)
            code = self.model.deformation_encoder(maps).float()
            s_f = self.model.deform_head(code).float()
            picture = self.draw(target, s_f)
        terms = {
            "factor": losses.factor(code, amounts, self.importance),
            "styles": (s_f - known).square().mean() / self.spread[0] ** 2,
            "pixel": losses.pixel(small(picture), small(wanted), torch.ones(1, device=DEVICE)),
        }
        if self.own:
            offsets = self.model.identity_encoder(tuple(m.float() for m in maps))
            found = self.model.generator.w_avg + offsets
            error = (found - self.expand(driver)).square().mean()
            terms["identity"] = 0.3 * error / self.spread[1] ** 2
        self.numbers.add(**{name: term.detach() for name, term in terms.items()})
        return torch.stack(list(terms.values())).sum()

    def filmed(self, clips: Clips) -> Tensor:
        """L_pix + L_edge of a frame redrawn from another frame of its video, L_id, and S_F's size."""
        source, frame = draw_pairs(clips, self.size)
        seen, _ = augment.camera(self.view(frame), roll=0.0)
        with torch.no_grad(), mixed_precision():
            before = self.model.motion(self.view(frame)).float()
        with mixed_precision(), torch.set_grad_enabled(self.own):
            w_id = self.model.identify(fit_side(source, self.model.portrait_crop)).float()
            w_frame = self.model.identify(fit_side(frame, self.model.portrait_crop)).float()
        with mixed_precision():
            code = self.model.motion(seen).float()
            s_f = self.model.deform_head(code).float()
            picture = small(self.draw(w_id, s_f))
        target, weight = fit_side(frame, picture.shape[-1]), face_weight(picture.shape[-1])
        terms = {
            "clip pixel": losses.pixel(picture, target, weight),
            "clip edge": 0.3 * losses.edge(picture, target, weight),
            # a camera's noise is no motion, and S_F stays where the generator's own pictures are
            "clip same": 0.1 * losses.factor(code, before, self.importance),
            "clip size": 0.01 * s_f.square().mean() / self.spread[0] ** 2,
            "clip identity": 0.3 * F.mse_loss(w_id, w_frame) / self.spread[1] ** 2,
        }
        self.numbers.add(**{name: term.detach() for name, term in terms.items()})
        return torch.stack(list(terms.values())).sum()

    def expand(self, w: Tensor) -> Tensor:
        """A latent in W [N,w_dim] for every row: [N,rows,w_dim]."""
        return w[:, None].expand(-1, spaces.rows(self.model.dims), -1)

    def draw(self, w_id: Tensor, s_f: Tensor) -> Tensor:
        """The paper's equation: [N,3,R,R]."""
        return self.model.render(self.model.styles(w_id, s_f)).float()

    def view(self, picture: Tensor) -> Tensor:
        """Pictures as the encoders see them, [N,3,crop,crop]."""
        return fit_side(picture, self.model.encoder.crop).clamp(-1, 1)

    @torch.no_grad()
    def judge(self) -> Judgement:
        """How good it is on people and motions that are drawn for this alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2**31 + 5)
            w, amounts = self.latents(max(_PEOPLE, _MOTIONS))
        w, amounts = w[:_PEOPLE], amounts[:_MOTIONS]
        people = self.expand(w.repeat_interleave(_MOTIONS, 0))
        known = (amounts @ self.steps_of_motion).repeat(_PEOPLE, 1)
        with mixed_precision():
            truth = torch.cat([self.draw(*pair) for pair in pairs(people, known)])
            codes = torch.cat(
                [self.model.motion(self.view(part)) for part in torch.split(truth, 8)]
            )
            read = self.model.deform_head(codes).float().roll(_MOTIONS, 0)  # from the next person
            redrawn = torch.cat([self.draw(*pair) for pair in pairs(people, read)])
            still = torch.cat([self.draw(*pair) for pair in pairs(people, 0 * read)])
        shown = self.space.shown
        rho = correlation(codes.float()[:, shown], amounts.repeat(_PEOPLE, 1)[:, shown])
        return Judgement(
            float(np.mean(rho)), leak(codes.float()[:, shown].view(_PEOPLE, _MOTIONS, -1)),
            psnr(redrawn, truth), psnr(still, truth),
        )  # fmt: skip

    def report(self) -> str:
        """The losses, and what the last judgement was."""
        return f"{self.numbers}  {self.words}"

    @torch.no_grad()
    def show(self) -> None:
        """Judge; and drivers (drawn, and from the videos) above four people doing the same."""
        found = self.judge()
        self.words = f"rho {found.correlation:.2f}  leak {found.leak:.2f}  psnr {found.psnr:.1f}"
        self.words += f" (still {found.still:.1f})"
        self.run.console.print(f"held out  {self.words}")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2**31 + 6)
            w, amounts = self.latents(8)
            drivers = self.view(self.draw(self.expand(w), amounts @ self.steps_of_motion))
        if self.clips is not None:
            drivers = torch.cat([drivers[:4], self.view(draw_pairs(self.clips, 4)[0])])
        s_f = self.model.deform(drivers).float()
        sheet = [list(to_uint8(drivers))]
        for person in self.expand(w[:4]):
            sheet.append(list(to_uint8(self.draw(person.expand(len(s_f), -1, -1), s_f))))
        write_sheet(sheet, self.folder / f"imported_{self.run.step:06d}.png", tile=160)


def draw_pairs(clips: Clips, count: int) -> tuple[Tensor, Tensor]:
    """Two frames each of `count` random videos, f32 [count,3,S,S] twice: one person doing two things."""
    videos = np.random.choice(np.unique(clips.video), count)
    rows = [np.random.choice(np.flatnonzero(clips.video == v), 2, replace=False) for v in videos]
    ascending, place = np.unique(np.array(rows).T, return_inverse=True)
    first, second = to_tensor(fetch(clips.frames, ascending))[place.reshape(2, count)]
    return first, second


def pairs(w_id: Tensor, s_f: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Both in parts of eight."""
    return list(zip(torch.split(w_id, 8), torch.split(s_f, 8), strict=True))


def fit_side(picture: Tensor, side: int) -> Tensor:
    """Square pictures [N,3,S,S] at another size: averaged over areas, or bilinear."""
    if picture.shape[-1] == side:
        return picture
    if picture.shape[-1] > side:
        return F.interpolate(picture, (side, side), mode="area")
    return F.interpolate(picture, (side, side), mode="bilinear", align_corners=False)


def small(picture: Tensor) -> Tensor:
    """At most 256 px."""
    return fit_side(picture, min(picture.shape[-1], _SIDE))


def face_weight(side: int) -> Tensor:
    """What a pixel of a crop counts, [1,1,side,side] with mean 1: the face fills its middle."""
    axis = torch.linspace(-1, 1, side, device=DEVICE)
    weight = 0.2 + torch.exp(-2 * (axis[:, None] ** 2 + axis[None] ** 2))
    return (weight / weight.mean())[None, None]


def leak(codes: Tensor) -> float:
    """Codes [people,motions,M]: their spread over people of a motion, over that of motions."""
    by_motion = codes.mean(0)
    motion = (by_motion - by_motion.mean(0)).square().mean()
    return math.sqrt(float((codes - by_motion).square().mean() / motion))


def psnr(picture: Tensor, truth: Tensor) -> float:
    """dB; of pictures in -1..1, cut off there."""
    return float(-10 * torch.log10((picture.clamp(-1, 1) - truth.clamp(-1, 1)).square().mean() / 4))

"""Stage 3, joined as in the paper: source frame -> W_ID, driving frame -> S_F, both -> the driving frame.

The source is any frame of an avatar as a camera sees it, the driver a frame of ANOTHER person in the same motion, the
target the avatar's own clean frame in that motion. The renderer gives such exact pairs across people, which the paper
has to replace by self-reconstruction and cycles. The known factors stay in the loss, so that S_F keeps its meaning.

While the generator knows a handful of people only, their latents are settled: W_ID is fitted to them and the picture is
drawn from them. The generator itself passes the gradient on to the encoders and stays as it is.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.errors import UserError
from reenact.generator import Window
from reenact.hybrid import Puppeteer
from reenact.train import augment, data, losses
from reenact.train.data import Index, pair_index, pictures
from reenact.train.encoder import EncoderStage
from reenact.train.generator import (
    WINDOW_LEVEL,
    GeneratorStage,
    crop,
    crop_weight,
    face_window,
    fit,
    near_frontal,
)
from reenact.train.run import Average, Run, descend, learning_rate, mixed_precision
from reenact.train.sheet import to_uint8, write_sheet


class JoinStage:
    """Fits everything together, from what the two stages before have learnt."""

    def __init__(
        self,
        generator: GeneratorStage,
        encoder: EncoderStage,
        folder: Path,
        minutes: float,
    ) -> None:
        if min(generator.run.step, encoder.run.step) == 0:
            raise UserError(
                "nothing to join: train both first, `python -m reenact.train generator` and `... encoder`"
            )
        self.avatars, self.people, self.encoder = generator.avatars, encoder.frames, encoder
        self.generator_step = generator.run.step
        configuration = generator.configuration
        self.folder, self.configuration = folder, configuration
        self.peak, self.size = configuration.join_rate, configuration.join_batch
        self.model, self.identities, self.latents = assemble(generator, encoder)
        self.variance = self.latents.var()
        self.person = np.unique(self.people.person, return_inverse=True)[1]
        self.known = np.flatnonzero(~encoder.held_out)
        self.side = self.model.encoder.crop
        self.pairs = pair_index(self.avatars, self.people)
        identity_heads = list(self.model.identity_encoder.parameters())
        others = [p for name, p in self.model.named_parameters() if is_joined(name)]
        groups = [
            {"params": identity_heads, "lr": 3 * self.peak},
            {"params": others, "lr": self.peak},
        ]
        self.optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)
        state = {"model": self.model, "optimizer": self.optimizer}
        self.run = Run(folder, "join", minutes, state, configuration)
        self.numbers = Average()

    def train(self) -> None:
        """Run until the budget is spent."""
        self.model.eval()  # batch norms keep the statistics of the thousands of people
        usable = (self.pairs >= 0).all(0) & ~self.encoder.held_out
        odds = np.where(usable, near_frontal(self.people), 0)
        odds /= odds.sum()
        for spent in self.run.steps(lambda: str(self.numbers), self.show):
            for group, share in zip(self.optimizer.param_groups, (3.0, 1.0), strict=True):
                group["lr"] = share * learning_rate(self.peak, spent)
            who = np.random.randint(0, len(self.identities), self.size)
            drivers = np.sort(np.random.choice(len(odds), self.size, replace=False, p=odds))
            descend(self.identity(who) + self.reenact(who, drivers), self.optimizer)

    def sources(self, who: Index) -> Tensor:
        """A random frame of each avatar as a camera sees it, in the encoders' size: [n,3,C,C]."""
        names = np.unique(self.avatars.person)
        index = [np.random.choice(np.flatnonzero(self.avatars.person == names[w])) for w in who]
        return augment.camera(pictures(self.avatars, np.array(index)), side=self.side)[0]

    def identity(self, who: Index) -> Tensor:
        """L_id: whichever frame the portrait is, W_ID is the person's latent; of avatars, and of anybody."""
        anybody = np.sort(np.random.choice(self.known, len(who), replace=False))
        portraits = torch.cat([self.sources(who), data.seen(self.people, anybody, self.side)[0]])
        with mixed_precision():
            maps = self.model.pyramid(portraits)
        offsets = self.model.identity_encoder(tuple(m.float() for m in maps))
        known = torch.cat([self.identities[who], self.latents[self.person[anybody]]])
        loss = F.mse_loss(self.model.generator.w_avg + offsets, known) / self.variance
        self.numbers.add(identity=loss.detach())
        return loss

    def window(self) -> Window | None:
        return face_window() if self.configuration.windows else None

    def reenact(self, who: Index, drivers: Index) -> Tensor:
        """L_pix + L_edge of the re-enacted picture (whole, and a window), L_fac of its motion."""
        seen, _ = data.seen(self.people, drivers, self.side, roll=0.0)
        rows, window = self.pairs[who, drivers], self.window()
        target = pictures(self.avatars, rows)
        weight = losses.part_weights(data.labels(self.avatars, rows))
        with mixed_precision():
            motion = self.model.motion(seen)
            styles = self.model.styles(self.identities[who], self.model.deform_head(motion))
            images = dict(self.model.generator.synthesis.levels(styles, window))
        whole = fit(images[WINDOW_LEVEL].float(), target, weight, 1.0)
        finest = images[max(images)].float()
        fine = fit(finest, crop(target, window), crop_weight(weight, window), 1.0)
        factor = losses.factor(
            motion.float(), self.encoder.motion(drivers), self.encoder.importance
        )
        self.numbers.add(coarse=whole.detach(), fine=fine.detach(), factor=factor.detach())
        return whole + fine + self.configuration.factor_weight * factor

    @torch.no_grad()
    def show(self) -> None:
        """Held-out drivers above each avatar doing the same, W_ID from the encoder."""
        unseen = np.flatnonzero(self.encoder.held_out)
        drivers = unseen[np.linspace(0, len(unseen) - 1, 8).astype(int)]
        frames = pictures(self.people, drivers)
        sheet = [list(to_uint8(frames))]
        s_f = self.model.deform(F.interpolate(frames, (self.side, self.side), mode="area"))
        for who in range(len(self.identities)):
            w_id = self.model.identify(self.sources(np.array([who])))
            styles = self.model.styles(w_id.expand(len(drivers), -1, -1), s_f)
            sheet.append(list(to_uint8(self.model.render(styles))))
        write_sheet(sheet, self.folder / f"join_{self.run.step:06d}.png", tile=160)


def is_joined(name: str) -> bool:
    """Whether a parameter learns here, at the common rate: what reads the driver.

    What draws stays as stage 1 left it: fitted to an encoder that is unsure, it learns to blur.
    """
    return name.startswith(("pyramid", "deformation_encoder"))


@torch.no_grad()
def assemble(generator: GeneratorStage, encoder: EncoderStage) -> tuple[Puppeteer, Tensor, Tensor]:
    """One puppeteer from both stages, the avatars' latents [A,rows,w_dim], and the people's, whose mean is w_avg."""
    fitted = generator.average
    model = fitted.puppeteer
    model.pyramid.load_state_dict(encoder.model.pyramid.state_dict())
    model.deformation_encoder.load_state_dict(encoder.model.deformation_encoder.state_dict())
    people = fitted.persona(generator.looks(generator.people))
    model.generator.w_avg.copy_(people.mean((0, 1)))
    return model, fitted.identities(), people

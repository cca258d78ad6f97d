"""Learning from your own clips, where nobody knows the factors: on top of weights that are trained already.

As in the paper, source and driver are two moments of one clip, and the picture that W_ID of the one and S_F of the
other draw must be the other. W_ID must be the same at both moments, and must stay near the mean latent. (The paper's
losses are not public in full; these are the parts its text and its relatives name. Its generator stays as it is: here
`clip_generator_rate=0` does that.)
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.avatar import save_avatar
from reenact.checkpoint import load_checkpoint, save_checkpoint
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.motion_basis import FILE, save_basis
from reenact.talking_heads.motion import FACTORS
from reenact.train import augment, losses
from reenact.train.clips import Clips
from reenact.train.configuration import Configuration, flat
from reenact.train.data import Index, fetch, to_tensor
from reenact.train.generator import WINDOW_LEVEL, crop, crop_weight, face_window, fit
from reenact.train.run import Average, Run, descend, learning_rate, mixed_precision, prepare
from reenact.train.sheet import to_uint8, write_sheet
from reenact.train.start import begin_with
from reenact.train.starter import make_avatar, usual_basis

HELD_OUT = 10  # every tenth clip is never trained on
PORTRAITS = 16  # frames that tell who is in a video
LICENCE = "Made from clips of somebody's own; theirs to grant."
CONSENT = "Made from clips whose owner said that the people in them agreed."


class AdaptStage:
    """Fits an earlier checkpoint's networks to clips."""

    def __init__(
        self, clips: Clips, start: Path, folder: Path, minutes: float, configuration: Configuration
    ) -> None:
        """start: the checkpoint; its sizes count, not the configuration's."""
        earlier, _ = load_checkpoint(start)
        dims, encoder = earlier.dims, replace(earlier.encoder, motion=len(FACTORS))
        if clips.size != dims.resolution:
            raise UserError(
                f"the clips are cut to {clips.size} px and {start} draws {dims.resolution}; "
                f"cut them again with --size {dims.resolution}"
            )
        self.clips, self.folder = clips, folder
        self.configuration = replace(configuration, dims=dims, encoder=encoder)
        self.model = Puppeteer(dims, encoder)
        begin_with(self.model, start)
        prepare(self.model).eval()  # batch norms keep the statistics of the thousands of people
        numbers = np.unique(clips.clip)
        self.unseen = numbers[HELD_OUT - 1 :: HELD_OUT] if len(numbers) > HELD_OUT else numbers[-1:]
        self.shown = np.setdiff1d(numbers, self.unseen) if len(numbers) > 1 else numbers
        self.optimizer = torch.optim.Adam(self._groups(), betas=(0.9, 0.99), fused=True)
        state = {"model": self.model, "optimizer": self.optimizer}
        self.run = Run(folder, "adapt", minutes, state, self.configuration)
        self.numbers = Average()

    def _groups(self) -> list[dict[str, object]]:
        """The encoders at their rate, what draws at its own."""
        drawing = [*self.model.generator.affines.parameters()]
        drawing += [*self.model.generator.synthesis.parameters()]
        for parameter in self.model.generator.mapping.parameters():
            parameter.requires_grad_(False)
        known = {id(p) for p in drawing}
        reading = [p for p in self.model.parameters() if p.requires_grad and id(p) not in known]
        rates = (self.configuration.clip_rate, self.configuration.clip_generator_rate)
        groups = zip((reading, drawing), rates, strict=True)
        return [{"params": parameters, "peak": rate} for parameters, rate in groups if rate]

    def train(self) -> None:
        """Run until the budget is spent."""
        for spent in self.run.steps(lambda: str(self.numbers), self.show):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(group["peak"], spent)
            descend(self.loss(*self.pairs(self.configuration.clip_batch)), self.optimizer)

    def pairs(self, count: int) -> tuple[Index, Index]:
        """Rows of sources and of drivers: two moments each of `count` random clips."""
        clips = np.random.choice(self.shown, count)
        moments = [np.random.choice(self.clips.rows(int(c)), 2, replace=False) for c in clips]
        source, driver = np.array(moments).T
        return source, driver

    def loss(self, source: Index, driver: Index) -> Tensor:
        """L_pix + L_edge of the driver's moment drawn from the source's W_ID, L_con, L_reg."""
        target = self.pictures(driver)
        windows = self.configuration.windows and self.model.dims.resolution > WINDOW_LEVEL
        window = face_window() if windows else None
        n = len(target)
        seen = augment.jitter_window(
            torch.cat([self.pictures(source), target]), roll=0.0, side=self.model.encoder.crop
        )[0]
        with mixed_precision():
            maps = self.model.pyramid(seen)
            motion = self.model.deformation_encoder(tuple(m[n:] for m in maps))
            s_f = self.model.deform_head(motion).float()
        offsets = self.model.identity_encoder(tuple(m.float() for m in maps))
        w_id = self.model.generator.w_avg + offsets
        with mixed_precision():
            styles = self.model.styles(w_id[:n], s_f)
            images = dict(self.model.generator.synthesis.levels(styles, window))
        terms = {
            **self.reconstruction(images, target, window),
            "same": self.configuration.consistency_weight * losses.consistency(w_id[:n], w_id[n:]),
            "small": self.configuration.latent_weight
            * (losses.latent(offsets) + losses.latent(s_f)),
        }
        self.numbers.add(**terms)
        return torch.stack(list(terms.values())).sum()

    def reconstruction(
        self,
        images: dict[int, Tensor],
        target: Tensor,
        window: tuple[int, int, int, int] | None,
    ) -> dict[str, Tensor]:
        """L_pix + L_edge: whole at the windows' level, and as fine as the generator draws."""
        weight = losses.oval_weights(target)
        finest = images[max(images)].float()
        terms = {"fine": fit(finest, crop(target, window), crop_weight(weight, window), 1.0)}
        if max(images) > WINDOW_LEVEL:
            terms["coarse"] = fit(images[WINDOW_LEVEL].float(), target, weight, 1.0)
        return terms

    def pictures(self, rows: Index) -> Tensor:
        """Rows of the clips, f32 [n,3,S,S] in -1..1."""
        return to_tensor(fetch(self.clips.frames, rows))

    @torch.no_grad()
    def redraw(self, source: Index, driver: Index) -> Tensor:
        """Pictures f32 [n,3,R,R] of the sources' people at the drivers' moments."""
        side = self.model.encoder.crop
        crops = [
            F.interpolate(self.pictures(rows), (side, side), mode="area")
            for rows in (source, driver)
        ]
        pictures: Tensor = self.model(*crops)
        return pictures

    def show(self) -> None:
        """Clips never trained on: source, driver, and what is drawn of them."""
        rows = [self.clips.rows(int(c)) for c in self.unseen[:8]]
        source, driver = (np.array([r[k] for r in rows]) for k in (0, -1))
        shown = (self.pictures(source), self.pictures(driver), self.redraw(source, driver))
        sheet = [list(to_uint8(pictures)) for pictures in shown]
        write_sheet(sheet, self.folder / f"adapt_{self.run.step:06d}.png")

    @torch.no_grad()
    def identity(self, video: int) -> Tensor:
        """W_ID [rows, w_dim] of a video's person: the mean over PORTRAITS of its frames."""
        rows = np.flatnonzero(self.clips.video == video)
        rows = rows[np.linspace(0, len(rows) - 1, min(PORTRAITS, len(rows))).astype(int)]
        side = self.model.encoder.crop
        crops = F.interpolate(self.pictures(rows), (side, side), mode="area")
        return self.model.identify(crops).mean(0)


def write_adapted(stage: AdaptStage, folder: Path) -> None:
    """Write starter.safetensors, motion.basis and an avatar for each video, as `write_starter` does."""
    avatars = folder / "avatars"
    try:
        avatars.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error}); choose another folder with --to"
        ) from error
    latents = {int(v): stage.identity(int(v)).cpu().numpy() for v in np.unique(stage.clips.video)}
    info = {
        "license": LICENCE,
        "steps": {"adapt": stage.run.step},
        "factors": list(FACTORS),
        "configuration": flat(stage.configuration),
    }
    checkpoint = folder / "starter.safetensors"
    save_checkpoint(stage.model.cpu(), checkpoint, info)
    model, _ = load_checkpoint(checkpoint)  # as everybody will have it, rounded to fp16
    save_basis(usual_basis(model), folder / FILE)
    for video, latent in latents.items():
        name = Path(stage.clips.names[video]).stem
        avatar = make_avatar(model, name, latent, LICENCE, CONSENT)
        save_avatar(avatar, avatars / f"{name}.avatar")

"""Stage 2, the deformation encoder: a camera's picture of anybody -> the known factors of his or her face.

Thousands of synthetic people, each frame as a camera would deliver it. The motion code that the ten sub-modules give is
fitted to the standardised factors, so identity, light and background have nothing to win in it.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from reenact.hybrid import Puppeteer
from reenact.talking_heads.motion import FACTORS, factor_scale
from reenact.train import augment, data, losses
from reenact.train.configuration import DEFAULT, Configuration
from reenact.train.data import Frames, Index, unseen_people
from reenact.train.replay import Replay
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

HEAD_IMPORTANCE, GAZE_IMPORTANCE, FACE_IMPORTANCE = 8.0, 4.0, 3.0


def importance() -> Tensor:
    """What each factor counts in L_fac, f32 [F] with mean 1: the head's turns most, then gaze, then jaw and lids."""
    face = ("JawDrop", "UpperLid")
    counts = [
        HEAD_IMPORTANCE if "head" in name
        else GAZE_IMPORTANCE if "gaze" in name
        else FACE_IMPORTANCE if any(f in name for f in face)
        else 1.0
        for name in FACTORS
    ]  # fmt: skip
    weights = torch.tensor(counts)
    return weights / weights.mean()


class EncoderStage:
    """Fits pyramid and deformation encoder to the factors of the people's frames."""

    def __init__(
        self,
        frames: Frames,
        folder: Path,
        minutes: float,
        configuration: Configuration = DEFAULT,
        start: Path | None = None,
    ) -> None:
        """start: an earlier checkpoint of the same sizes to begin with."""
        self.frames = frames
        self.replay: Replay | None = None  # people rendered meanwhile; `frames` only report, then
        self.peak, self.size = configuration.encoder_rate, configuration.encoder_batch
        self.folder, self.side = folder, configuration.encoder.crop
        torch.manual_seed(1)
        self.model = prepare(Puppeteer(configuration.dims, configuration.encoder))
        if start is not None:
            begin_with(self.model, start)
        compile_if(configuration.compile, self.model.pyramid)
        parts = (self.model.pyramid, self.model.deformation_encoder)
        learned = [p for part in parts for p in part.parameters()]
        self.optimizer = torch.optim.AdamW(
            learned, self.peak, (0.9, 0.99), weight_decay=1e-3, fused=True
        )
        state = {"model": self.model, "optimizer": self.optimizer}
        self.run = Run(folder, "encoder", minutes, state, configuration)
        self.held_out = np.isin(frames.person, unseen_people(frames))
        self.importance, self.numbers = importance().to(DEVICE), Average()
        self.roll = FACTORS.index("head roll")
        self.scale = torch.from_numpy(factor_scale()).to(DEVICE)

    def motion(self, index: Index, turn: Tensor | None = None) -> Tensor:
        """Standardised factors f32 [n,M] of some rows; `turn` [n] (radians) is added to the roll."""
        return self.standardised(self.frames.factors[index], turn)

    def standardised(
        self, factors: npt.NDArray[np.float32] | Tensor, turn: Tensor | None
    ) -> Tensor:
        """The motion code f32 [n,M] that factors [n,F] ask for; `turn` as for `motion`."""
        motion = torch.as_tensor(factors).to(DEVICE) / self.scale
        if turn is not None:
            motion[:, self.roll] += turn / self.scale[self.roll]
        return motion

    def train(self) -> None:
        """Run until the budget is spent."""
        rows = np.flatnonzero(~self.held_out)
        for spent in self.run.steps(self.report, self.show):
            self.step(*(self.streamed(self.replay) if self.replay else self.batch(rows)), spent)

    def batch(self, rows: Index) -> tuple[Tensor, Tensor]:
        """Two moments each of some clips of these rows: what the encoder sees [n,3,S,S], its motion code [n,M]."""
        index = data.moments(self.frames, rows, self.size // 2)
        seen, turn = data.seen(self.frames, index, self.side, together=2)
        return seen, self.motion(index, turn)

    def streamed(self, replay: Replay) -> tuple[Tensor, Tensor]:
        """A batch as `batch` gives it, but of two people at one moment of n/2 motions."""
        pictures, factors = replay.draw(self.size // 2)
        see = augment.jitter_window if replay.filmed else augment.camera
        seen, turn = see(data.to_tensor(pictures), side=self.side)
        return seen, self.standardised(factors, turn)

    def step(self, seen: Tensor, known: Tensor, spent: float) -> None:
        """One update."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.peak, spent)
        seen, known = augment.mirror(augment.light(seen, 2), known, 2)
        with mixed_precision():
            motion = self.model.motion(seen).float()
        factor = losses.factor(motion, known, self.importance)
        change = losses.change(motion, known, self.importance)
        descend(factor + change, self.optimizer)
        self.numbers.add(factor=factor.detach(), change=change.detach())

    def show(self) -> None:
        """Held-out frames, each clean above what the camera makes of it."""
        unseen = np.flatnonzero(self.held_out)
        shown = unseen[np.linspace(0, len(unseen) - 1, 8).astype(int)]
        clean = data.pictures(self.frames, shown)
        seen, _ = data.seen(self.frames, shown, self.side)
        sheet = [list(to_uint8(clean)), list(to_uint8(seen))]
        write_sheet(sheet, self.folder / f"encoder_{self.run.step:06d}.png")

    @torch.no_grad()
    def report(self) -> str:
        """Correlation with the truth on held-out people, for a few factors."""
        self.model.eval()
        index = np.flatnonzero(self.held_out)[:: max(1, int(self.held_out.sum()) // 128)]
        with torch.random.fork_rng([DEVICE] if DEVICE.type == "cuda" else []):
            torch.manual_seed(0)
            seen, turn = data.seen(self.frames, index, self.side)
        predicted, known = self.model.motion(seen), self.motion(index, turn)
        self.model.train()
        rho = correlation(predicted, known)
        shown = [(name, r) for name, r in zip(FACTORS, rho, strict=True) if name in SHOWN]
        return f"{self.numbers}  rho " + " ".join(f"{name} {r:.2f}" for name, r in shown)


SHOWN = (
    "head yaw", "head pitch", "head roll", "gaze yaw", "gaze pitch", "JawDrop", "LeftUpperLidClosed", "LipsKiss",
    "MouthLeftPullUp", "LeftOuterBrowUp",
)  # fmt: skip


def correlation(a: Tensor, b: Tensor) -> list[float]:
    """Pearson correlation of each column of [n,F] with the same column of the other."""
    a, b = a - a.mean(0), b - b.mean(0)
    rho = (a * b).sum(0) / (a.norm(dim=0) * b.norm(dim=0)).clamp_min(1e-9)
    return [float(r) for r in rho]

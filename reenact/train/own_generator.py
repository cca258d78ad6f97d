"""reenact train --generator FILE: from an imported generator to a model folder that a face can drive."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from reenact.avatar import save_avatar
from reenact.checkpoint import load_checkpoint, load_imported, save_checkpoint, save_generator
from reenact.encoders import Deform
from reenact.errors import UserError
from reenact.field_edits import direction_in_w
from reenact.foreign import read_foreign
from reenact.hybrid import Puppeteer
from reenact.motion_basis import FILE, load_basis, save_basis
from reenact.train import distributed
from reenact.train.basis import motion_basis
from reenact.train.clips import Clips, load_clips, write_clips
from reenact.train.imported import ImportedStage, fit_side
from reenact.train.motion_space import MotionSpace, find_motion, use_directions
from reenact.train.run import DEVICE
from reenact.train.starter import make_avatar

CHECKPOINT = "starter.safetensors"
"""Its name in a model folder; as `engines.contract` has it."""
CROP = 256
"""Side of what is cut out of videos, px."""
_AVATARS = 4


def train_own(options: argparse.Namespace) -> None:
    """All of it; several processes under torchrun do it together."""
    torch.set_num_threads(options.threads)
    with distributed.group():
        model, info, names = beginning(options.generator, options.start)
        clips = clips_of(options.videos, options.folder / "clips") if options.videos else None
        space = motion_space(model, names, options)
        stage = ImportedStage(
            model, space, options.folder, options.minutes, clips, batch=options.batch
        )
        if stage.run.step == 0:
            stage.settle(options.samples)
            stage.show()
        stage.train()
        if distributed.rank() == 0:
            write_model(stage, names, info, options.to)


def beginning(file: Path, start: Path) -> tuple[Puppeteer, dict[str, Any], Sequence[str]]:
    """The imported generator with a starter's encoders before it, its `info`, and the factors' names.

    Args:
        file: as `reenact import` writes it, or of another code base.
        start: a starter's checkpoint; its motion.basis lies beside it.
    """
    starter, _ = load_checkpoint(start)
    names = load_basis(start.with_name(FILE)).names
    if file.suffix in (".pkl", ".pt"):
        found = read_foreign(file)
        with_names = file.with_suffix(".safetensors")
        if not with_names.exists():
            save_generator(found.generator, with_names, {"origin": found.origin}, found.encoder)
        file = with_names
    model, info = load_imported(file, starter.encoder)
    model.pyramid.load_state_dict(starter.pyramid.state_dict())
    model.deformation_encoder.load_state_dict(starter.deformation_encoder.state_dict())
    return model, info, names


def clips_of(videos: Path, cut: Path) -> Clips:
    """The faces in a folder of videos, cut out once; or what `python -m reenact.train clips` cut out."""
    if (videos / "dataset.json").is_file():
        return load_clips(videos)
    if distributed.rank() == 0 and not (cut / "dataset.json").is_file():
        for name, count in write_clips(videos, cut, CROP):
            print(f"{name}: {count} clips")
    distributed.agree(0)  # nobody reads before all is cut
    return load_clips(cut)


def motion_space(
    model: Puppeteer, names: Sequence[str], options: argparse.Namespace
) -> MotionSpace:
    """What of W is motion; for a run that goes on, room for what its snapshot holds."""
    model.to(DEVICE)
    if (options.folder / "imported.pt").is_file():
        return MotionSpace(len(names), model.dims.w_dim)

    def read(pictures: Tensor) -> Tensor:
        return model.motion(fit_side(pictures.clamp(-1, 1), model.encoder.crop))

    console = Console(quiet=distributed.rank() > 0, highlight=False)
    with console.status(f"reading the faces that the generator draws ({options.samples})"):
        space = find_motion(model.generator, read, names, options.samples)
    given = {name: direction_in_w(model.generator, path) for name, path in options.directions}
    use_directions(space, given, names)
    for name, rho, shown in zip(names, space.correlation, space.shown, strict=True):
        console.print(f"{name:24} {float(rho):5.2f}  {'' if shown else 'not shown'}")
    start_head(model, space)
    return space


@torch.no_grad()
def start_head(model: Puppeteer, space: MotionSpace) -> None:
    """Let S_F begin as the space's own directions, and be silent about what the generator cannot show."""
    last = model.deformation_encoder.motion
    last.weight[~space.shown] = 0
    last.bias[~space.shown] = 0
    rows = space.directions[:, None].expand(-1, len(model.generator.affines.rows), -1)
    styles = model.generator.identity_styles
    offsets = (styles(rows) - styles(torch.zeros_like(rows[:1])))[:, model.deformed]
    make_linear(model.deform_head, offsets)


@torch.no_grad()
def make_linear(head: Deform, offsets: Tensor) -> None:
    """Make a deform head say code @ offsets [M,D], with the hidden units that this leaves free to learn.

    A pair of leaky units holds a number: leaky(x) - leaky(-x) = 1.2 x.
    """
    first, second, last = (layer for layer in head.layers if isinstance(layer, nn.Linear))
    count = len(offsets)
    if 2 * count > first.out_features:
        raise ValueError(f"{first.out_features} hidden units cannot hold {count} numbers")
    eye = torch.eye(count, device=offsets.device)
    pair = torch.cat([eye, -eye])
    first.weight[: 2 * count] = pair
    second.weight[: 2 * count] = 0
    second.weight[: 2 * count, : 2 * count] = pair @ pair.T / 1.2
    last.weight.zero_()
    last.weight[:, : 2 * count] = (pair @ offsets).T / 1.2
    first.bias[: 2 * count] = 0
    second.bias[: 2 * count] = 0


def write_model(
    stage: ImportedStage, names: Sequence[str], info: dict[str, Any], folder: Path
) -> None:
    """Write the checkpoint, motion.basis and a few people whom the generator drew; the ONNX graphs are the export's."""
    try:
        (folder / "avatars").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error}); choose another folder with --to"
        ) from error
    w, amounts = stage.latents(4000)
    rows = stage.expand(w[:_AVATARS]).cpu().numpy()
    held = stage.judge()
    judged = {key: round(value, 3) for key, value in vars(held).items()}
    info = info | {
        "steps": {"imported": stage.run.step},
        "factors": list(names),
        "held out": judged,
    }
    save_checkpoint(stage.model.cpu(), folder / CHECKPOINT, info)
    model, _ = load_checkpoint(folder / CHECKPOINT)  # as it will be used, rounded to fp16
    motion = np.ascontiguousarray(amounts.cpu().numpy(), np.float32)
    save_basis(motion_basis(model, motion, names), folder / FILE)
    licence = str(info.get("license", "As the generator's."))
    for number, latent in enumerate(rows, 1):
        avatar = make_avatar(model, f"drawn {number}", latent, licence)
        save_avatar(avatar, folder / "avatars" / f"drawn_{number}.avatar")
    stage.run.console.print(f"written  {folder}: {judged}")
    stage.run.console.print(f"next     python -m export --checkpoint {folder / CHECKPOINT}")

"""From the joined networks to what ships: the checkpoint and the avatars."""

from pathlib import Path

import numpy as np
import torch

from reenact.avatar import Avatar, save_avatar
from reenact.checkpoint import fingerprint, load_checkpoint, save_checkpoint
from reenact.edits import save_edit
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.motion_basis import FILE, MotionBasis, save_basis
from reenact.talking_heads.motion import FACTORS, factor_scale, factors, sample_motion
from reenact.train.basis import motion_basis
from reenact.train.configuration import flat
from reenact.train.edits import learned_edits
from reenact.train.join import JoinStage
from reenact.train.sheet import to_uint8

NAMES = (
    "iris", "amara", "finn", "greta", "mei", "rafael", "ada", "nora", "omar", "daniel",
)  # fmt: skip
"""Of the people in people.json, in the order of their seeds."""
LICENCE = "CC0 1.0: this is no real person; it was rendered from MakeHuman's CC0 data."
CONSENT = "Nobody's consent is needed: the person does not exist."


def write_starter(join: JoinStage, folder: Path) -> None:
    """Write starter.safetensors, motion.basis, avatars/*.avatar and edits/*.edit.

    The ONNX graphs are `python -m export`'s work.
    """
    avatars = folder / "avatars"
    try:
        for place in (avatars, folder / "edits"):
            place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"cannot write into {folder} ({error}); choose another folder with --to"
        ) from error
    steps = {
        "generator": join.generator_step,
        "encoder": join.encoder.run.step,
        "join": join.run.step,
    }
    checkpoint = folder / "starter.safetensors"
    save_checkpoint(
        join.model.cpu(),
        checkpoint,
        {
            "license": "CC0-1.0",
            "steps": steps,
            "factors": list(FACTORS),
            "configuration": flat(join.configuration),
        },
    )
    model, _ = load_checkpoint(checkpoint)  # as everybody will have it, rounded to fp16
    basis = usual_basis(model)
    save_basis(basis, folder / FILE)
    people = [join.people.looks[name] for name in sorted(join.people.looks)]
    for edit in learned_edits(model, join.latents.cpu().numpy(), people, basis):
        save_edit(edit, folder / "edits" / f"{edit.name.replace(' ', '_')}.edit")
    latents = join.identities.cpu().numpy()
    for name, latent in zip(NAMES, latents, strict=False):
        save_avatar(make_avatar(model, name, latent), avatars / f"{name}.avatar")


def usual_basis(model: Puppeteer) -> MotionBasis:
    """The motion basis of a model whose motion code are the factors, from faces that move as rendered ones do."""
    motion = np.concatenate([factors(sample_motion(seed, 24, stride=12)) for seed in range(200)])
    return motion_basis(model, (motion / factor_scale()).astype(np.float32), FACTORS)


@torch.no_grad()
def make_avatar(
    model: Puppeteer,
    name: str,
    latent: np.ndarray,
    licence: str = LICENCE,
    consent: str = CONSENT,
) -> Avatar:
    """An avatar from its W_ID [rows, w_dim], drawn in the neutral pose for its thumbnail."""
    w_id = torch.from_numpy(np.asarray(latent, np.float32))[None]
    styles = model.generator.identity_styles(w_id)
    return Avatar(
        name=name,
        identity=w_id[0].numpy(),
        styles=styles[0].numpy(),
        thumbnail=to_uint8(model.render(styles))[0],
        fingerprint=fingerprint(model.generator),
        licence=licence,
        consent=consent,
    )

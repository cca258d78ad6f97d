"""Begin where an earlier starter stopped: weights of the same sizes, motion codes matched by their factors' names."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from reenact.checkpoint import load_checkpoint
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.motion_basis import FILE, load_basis
from reenact.talking_heads.motion import FACTORS


@torch.no_grad()
def begin_with(model: Puppeteer, checkpoint: Path) -> None:
    """Copy all weights of an earlier checkpoint into `model`.

    Factors that the earlier one did not know start without effect. Raises UserError for a file that is none, or whose
    networks are of other sizes. The checkpoint's motion.basis lies beside it and names its factors.
    """
    earlier, _ = load_checkpoint(checkpoint)
    names = load_basis(checkpoint.with_name(FILE)).names
    state = earlier.state_dict()
    first, last = "deform_head.layers.0.weight", "deformation_encoder.motion"
    state[first] = matched(state[first].T, names).T
    state["deform_head.rest"] = matched(state["deform_head.rest"], names)
    for part in ("weight", "bias"):
        state[f"{last}.{part}"] = matched(state[f"{last}.{part}"], names)
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"{checkpoint} holds networks of other sizes than these; begin without --start"
        ) from error


def matched(weights: Tensor, names: Sequence[str]) -> Tensor:
    """Rows of `weights`, one per factor named, in the order of FACTORS; 0 for a factor that is not among the names."""
    rows = [
        weights[names.index(name)] if name in names else torch.zeros_like(weights[0])
        for name in FACTORS
    ]
    return torch.stack(rows)

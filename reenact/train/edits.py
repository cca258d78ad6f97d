"""Edits from known looks: which way in W+ people grow older, wear a beard, put glasses on.

The renderer knows the age of everybody it drew, so a linear regression of the people's latents on a few such traits
says how W+ changes with each while the others stay (InterFaceGAN, Shen et al. 2020, has to train classifiers for that).
A smile is no trait but a motion: its direction is that of the motion basis.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from reenact import spaces
from reenact.checkpoint import fingerprint
from reenact.edits import Edit
from reenact.hybrid import Puppeteer
from reenact.motion_basis import MotionBasis
from reenact.train.looks import Look

Floats = npt.NDArray[np.float32]

LICENCE = "CC0 1.0: learnt from rendered people who do not exist."
SMILE = ("MouthLeftPullUp", "MouthRightPullUp", "MouthLeftPullSide", "MouthRightPullSide")
SMILE_LIMITS = (-1.0, 2.0)  # standard deviations of each of these


def make_up(look: Look) -> float:
    """Eye shadow, liner, blush and painted lips, 0..1 together."""
    parts = ("eye_shadow", "liner", "blush", "lip_tint")
    return sum(look.get(f"person.look.{part}", 0.0) for part in parts) / len(parts)


def glasses(look: Look) -> float:
    """1 with glasses, 0 without."""
    return float(any(name.startswith("person.glasses.") for name in look))


def light_hair(look: Look) -> float:
    """From black (0) to white (1), as the eye steps."""
    return float(np.mean([look.get(f"person.hair_rgb.{k}", 0.0) for k in range(3)]) ** 0.5)


TRAITS: Mapping[str, Callable[[Look], float]] = {
    "age": lambda look: look.get("person.age", 0.0),
    "masculine": lambda look: look.get("person.gender", 0.0),
    "weight": lambda look: look.get("person.weight", 0.0),
    "skin tone": lambda look: look.get("person.look.melanin", 0.0),
    "hair colour": light_hair,
    "beard": lambda look: look.get("person.beard", 0.0),
    "make-up": make_up,
    "glasses": glasses,
}


def traits(looks: Sequence[Look]) -> Floats:
    """The traits f32 [K,T] of some looks, in the order of TRAITS."""
    return np.array([[trait(look) for trait in TRAITS.values()] for look in looks], np.float32)


def learned_edits(
    model: Puppeteer, latents: Floats, looks: Sequence[Look], basis: MotionBasis
) -> list[Edit]:
    """An edit for each trait, and the smile; a strength of 1 is one standard deviation among the people.

    Args:
        model: whose latents these are.
        latents: f32 [K,rows,w_dim], W_ID of K people.
        looks: theirs.
        basis: the model's motion basis.
    """
    values = traits(looks)
    spread = values.std(0).clip(1e-6)
    standard = (values - values.mean(0)) / spread
    design = np.concatenate([standard, np.ones((len(standard), 1), np.float32)], 1)
    slopes = np.linalg.lstsq(design, latents.reshape(len(latents), -1), rcond=None)[0][:-1]
    reach = (np.quantile(values, 0.99, 0) - np.quantile(values, 0.01, 0)) / spread
    mark = fingerprint(model.generator)
    edits = []
    for name, slope, most in zip(TRAITS, slopes, reach, strict=True):
        if most == 0:  # a trait that all share
            continue
        styles = styles_of(model, slope.reshape(latents.shape[1:]))
        edits.append(Edit(name, styles, np.array([-most, most], np.float32), mark, LICENCE))
    return [*edits, smile(model, basis)]


@torch.no_grad()
def styles_of(model: Puppeteer, direction: Floats) -> Floats:
    """How the styles f32 [S] change along a direction [rows,w_dim] in W+."""
    both = torch.from_numpy(np.stack([direction, np.zeros_like(direction)]))
    there, here = model.generator.identity_styles(both)
    return np.asarray((there - here).numpy(), np.float32)


def smile(model: Puppeteer, basis: MotionBasis) -> Edit:
    """The motion basis' directions of smiling lips, as an edit."""
    styles = np.zeros(spaces.style_count(model.dims), np.float32)
    directions = [basis.directions[basis.names.index(name)] for name in SMILE]
    styles[spaces.deformed_channels(model.dims)] = np.sum(directions, 0)
    limits = np.array(SMILE_LIMITS, np.float32)
    return Edit("smile", styles, limits, basis.fingerprint, LICENCE)

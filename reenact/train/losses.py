"""One function per loss. Pictures are f32 [N,3,S,S] in -1..1, weights f32 [N,1,S,S] with mean about 1."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

# What a pixel of each part counts (background, hair and cloth, skin, brow, eye, mouth). Plain losses spend the network
# where the pixels are: wallpaper comes out crisp and eyes do not.
PART_WEIGHTS = (0.6, 1.0, 1.5, 4.0, 8.0, 6.0)


def part_weights(labels: Tensor) -> Tensor:
    """Part labels u8 [N,S,S] -> what each pixel counts, f32 [N,1,S,S]."""
    table = labels.new_tensor(PART_WEIGHTS, dtype=Tensor().dtype)
    return table[labels.long()][:, None]


def oval_weights(pictures: Tensor) -> Tensor:
    """What each pixel counts where no part is known, f32 [N,1,S,S]: 1.5 in an aligned face's oval, 0.5 elsewhere."""
    side = torch.linspace(-1, 1, pictures.shape[-1], device=pictures.device)
    inside = (side[:, None] - 0.1).square() / 0.6**2 + side.square() / 0.45**2 < 1
    return (0.5 + inside.float()).expand(len(pictures), 1, -1, -1)


def pixel(picture: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """L_pix: weighted mean of |x - y| + 2 (x - y)^2. The square pulls early on, the absolute value keeps edges."""
    difference = picture - target
    return (weight * (difference.abs() + 2 * difference.square())).mean() / weight.mean()


def edge(picture: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """L_edge: weighted L1 between neighbour differences in x and y. Early in training it rewards blur: ramp it up."""
    total = picture.new_zeros(())
    for axis in (2, 3):
        difference = (picture - target).diff(dim=axis)
        total = total + (weight.narrow(axis, 1, difference.shape[axis]) * difference.abs()).mean()
    return total / weight.mean()


def factor(predicted: Tensor, known: Tensor, importance: Tensor) -> Tensor:
    """L_fac: weighted smooth L1 on the standardised known factors [N,F]; importance [F] has mean 1."""
    return (importance * F.smooth_l1_loss(predicted, known, reduction="none", beta=1.0)).mean()


def change(predicted: Tensor, known: Tensor, importance: Tensor) -> Tensor:
    """L_chg: L_fac of the differences between rows 2k and 2k + 1 of the factors [2N,F], two moments of one clip.

    A puppet lives by what changes. What an encoder gets wrong about a person at all moments alike is left to L_fac.
    """
    return factor(predicted[::2] - predicted[1::2], known[::2] - known[1::2], importance)


def consistency(one: Tensor, other: Tensor) -> Tensor:
    """L_con: squared distance of W_ID [N,rows,w_dim] at two moments, over its variance among these N people."""
    return F.mse_loss(one, other) / one.detach().var(0, correction=0).mean().clamp_min(1e-3)


def latent(offsets: Tensor) -> Tensor:
    """L_reg: mean square of offsets, of W_ID from the mean latent or of S_F, so that latents stay near the data."""
    return offsets.float().square().mean()


def adversarial(answer: Tensor) -> Tensor:
    """L_adv, non-saturating (Goodfellow et al. 2014); answer: what the discriminator says of drawn pictures."""
    return F.softplus(-answer).mean()


def discriminator(drawn: Tensor, true: Tensor) -> Tensor:
    """L_D: logistic loss of the discriminator's answers for drawn and for true pictures."""
    return F.softplus(drawn).mean() + F.softplus(-true).mean()


def gradient_penalty(answer: Tensor, true: Tensor) -> Tensor:
    """L_R1 (Mescheder et al. 2018): half the squared gradient of the answers by the true pictures [N,3,S,S]."""
    (gradient,) = torch.autograd.grad(answer.mean((1, 2, 3)).sum(), true, create_graph=True)
    return 0.5 * gradient.square().sum((1, 2, 3)).mean()


def feature(drawn: Sequence[Tensor], true: Sequence[Tensor]) -> Tensor:
    """L_feat: mean L1 between the features [N,C,S,S] that the discriminator finds in drawn and in true pictures."""
    terms = [F.l1_loss(x.float(), y.float()) for x, y in zip(drawn, true, strict=True)]
    return torch.stack(terms).mean()

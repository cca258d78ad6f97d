"""One function per loss. Pictures are f32 [N,3,S,S] in -1..1, weights f32 [N,1,S,S] with mean about 1."""

import torch.nn.functional as F
from torch import Tensor

# What a pixel of each part counts (background, hair and cloth, skin, brow, eye, mouth). Plain losses spend the network
# where the pixels are: wallpaper comes out crisp and eyes do not.
PART_WEIGHTS = (0.6, 1.0, 1.5, 4.0, 8.0, 6.0)


def part_weights(labels: Tensor) -> Tensor:
    """Part labels u8 [N,S,S] -> what each pixel counts, f32 [N,1,S,S]."""
    table = labels.new_tensor(PART_WEIGHTS, dtype=Tensor().dtype)
    return table[labels.long()][:, None]


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

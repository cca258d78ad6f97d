"""The camera between a clean picture and what an encoder sees: window jitter, light, blur, noise, things in the way.

Everything is a tensor operation on a batch, so that it runs where the training runs. Pictures are f32 [N,3,S,S] in
-1..1. Random numbers come from torch's default generator.
"""

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from reenact.talking_heads.motion import FACTORS

SHIFT = 0.05  # of the window's side; a live window follows the face about as loosely (standard deviation)
SCALE = 0.08  # of the window's size (standard deviation)
ROLL = 0.10  # radians (standard deviation)
LOOSE = (
    0.3  # of all these, in a window that holds still: how much it still moves between two moments
)


def jitter_window(
    picture: Tensor, roll: float = ROLL, side: int | None = None, together: int = 1
) -> tuple[Tensor, Tensor]:
    """Shift, scale and turn each picture as a loosely held window of `side` px (default: its own) would.

    Each `together` pictures that follow one another are moments of one clip, and the window hardly moves between them.

    Returns the pictures and the angle [N] in radians by which each head was turned (same sign as the head's roll: the
    head turns counter-clockwise in the picture), to be added to the roll among the known factors.
    """
    n = len(picture)
    drawn = torch.randn(n, 4, device=picture.device)
    if together > 1:
        held = torch.randn(n // together, 4, device=picture.device)
        drawn = held.repeat_interleave(together, 0) + LOOSE * drawn
    angle, scale, shift = (
        roll * drawn[:, 0],
        torch.exp(SCALE * drawn[:, 1]),
        2 * SHIFT * drawn[:, 2:],
    )
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    # where an output pixel looks in the input: y points down, so a counter-clockwise turn reads through its inverse
    rows = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1).view(n, 2, 3)
    side = side or picture.shape[-1]
    grid = F.affine_grid(rows, [n, picture.shape[1], side, side], align_corners=False)
    return F.grid_sample(picture, grid, padding_mode="border", align_corners=False), angle


@cache
def swapped_sides() -> tuple[Tensor, Tensor]:
    """Which factor each factor is in a mirror i64 [F], and with which sign f32 [F]."""
    other = {"Left": "Right", "Right": "Left"}
    names, signs = [], []
    for name in FACTORS:
        side = next((s for s in other if s in name), None)
        names.append(name.replace(side, other[side]) if side else name)
        signs.append(-1.0 if name in ("head yaw", "head roll", "gaze yaw") else 1.0)
    return torch.tensor([FACTORS.index(name) for name in names]), torch.tensor(signs)


def mirror(picture: Tensor, motion: Tensor, together: int = 1) -> tuple[Tensor, Tensor]:
    """Show every second picture [N,3,S,S] on average in a mirror, its motion code [N,F] with it.

    Each `together` pictures that follow one another share it.
    """
    flip = torch.rand(len(picture) // together, device=picture.device) < 0.5
    flip = flip.repeat_interleave(together)
    places, signs = (t.to(motion.device) for t in swapped_sides())
    turned = motion[:, places] * signs
    return (
        torch.where(flip[:, None, None, None], picture.flip(3), picture),
        torch.where(flip[:, None], turned, motion),
    )


def light(picture: Tensor, together: int = 1) -> Tensor:
    """Exposure, contrast, gamma, saturation and white balance of a webcam nobody has set up.

    Each `together` pictures that follow one another share them.
    """

    def normal(spread: float, channels: int = 1) -> Tensor:
        drawn = torch.randn(len(picture) // together, channels, 1, 1, device=picture.device)
        return spread * drawn.repeat_interleave(together, 0)

    x = ((picture + 1) / 2).clamp(1e-4, 1) ** torch.exp(normal(0.25))
    x = x * torch.exp(normal(0.2) + normal(0.06, 3))
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * torch.exp(normal(0.3))
    mean = x.mean((1, 2, 3), keepdim=True)
    return ((mean + (x - mean) * torch.exp(normal(0.2))).clamp(0, 1)) * 2 - 1


def blur(picture: Tensor) -> Tensor:
    """Out of focus, or moved: a soft line of 7 taps along each axis, its width drawn for each picture and axis."""
    n, c, h, w = picture.shape
    taps = torch.arange(-3, 4, device=picture.device)
    for shape in ((1, 7), (7, 1)):
        sigma = 0.3 + 1.2 * torch.rand(n, 1, device=picture.device) ** 2
        kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
        kernel = (
            (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0).view(n * c, 1, *shape)
        )
        padding = (shape[0] // 2, shape[1] // 2)
        picture = F.conv2d(picture.reshape(1, n * c, h, w), kernel, padding=padding, groups=n * c)
        picture = picture.view(n, c, h, w)
    return picture


def noise(picture: Tensor) -> Tensor:
    """Sensor noise (fine) and what compression leaves (blocks of 8 px that are a little too bright or too dark)."""
    n, _, h, w = picture.shape
    fine = torch.randn_like(picture) * (0.05 * torch.rand(n, 1, 1, 1, device=picture.device))
    coarse = torch.randn(n, 3, h // 8, w // 8, device=picture.device) * 0.015
    return picture + fine + F.interpolate(coarse, size=(h, w))


def occlude(picture: Tensor, share: float = 0.15) -> Tensor:
    """A plain patch (hand, cup, microphone) over some pictures; mostly at the rim, so the face stays readable."""
    n, _, h, w = picture.shape
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, h, device=picture.device),
        torch.linspace(-1, 1, w, device=picture.device),
        indexing="ij",
    )
    angle = 2 * math.pi * torch.rand(n, 1, 1, device=picture.device)
    centre_x, centre_y = 0.9 * torch.cos(angle), 0.9 * torch.sin(angle)
    radius = 0.2 + 0.35 * torch.rand(n, 1, 1, device=picture.device)
    inside = ((x - centre_x) ** 2 + (y - centre_y) ** 2) < radius**2
    inside &= torch.rand(n, 1, 1, device=picture.device) < share
    colour = 2 * torch.rand(n, 3, 1, 1, device=picture.device) - 1
    return torch.where(inside[:, None], colour, picture)


def camera(
    picture: Tensor, roll: float = ROLL, side: int | None = None, together: int = 1
) -> tuple[Tensor, Tensor]:
    """Clean pictures [N,3,S,S] -> what a camera makes of them, and the turn of each head: see `jitter_window`."""
    picture, angle = jitter_window(picture, roll, side, together)
    picture = noise(light(blur(occlude(picture))))
    return picture.clamp(-1, 1), angle

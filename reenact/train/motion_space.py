"""Which directions of an imported generator's W are motion, found in pictures that it draws itself.

A generator does not say what its directions mean, and its largest components (GANSpace, Härkönen et al. 2020) mix who
somebody is with what the face does. But the starter's deformation encoder reads the known factors from any face. So:
draw, read, and regress. Amounts of motion are then a linear function of a latent, and every latent falls into a
neutral one and motion.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from reenact import spaces
from reenact.errors import UserError
from reenact.generator import Generator
from reenact.train.encoder import correlation
from reenact.train.run import DEVICE, mixed_precision

LEAST = 0.5
"""Correlation that says a factor is there: what is read from a picture, against what its latent foretells."""
_RIDGE = 0.01
_BATCH = 8

Read = Callable[[Tensor], Tensor]
"""Pictures f32 [n,3,R,R] in -1..1 -> factors f32 [n,M]."""


class MotionSpace(nn.Module):
    """The part of W that is motion; amounts [N,M] are in the reader's standard deviations.

    Buffers: `mean` [w_dim], `readings` [w_dim,M] (what a latent foretells of each factor), `directions` [M,w_dim] (what
    one of each amount adds), `moving` [w_dim,w_dim] (projects a centred latent on what the readings see), `correlation`
    [M]. Factors that are not `shown` are zero in readings and directions.
    """

    def __init__(self, factors: int, w_dim: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.readings: Tensor
        self.directions: Tensor
        self.moving: Tensor
        self.correlation: Tensor
        self.register_buffer("mean", torch.zeros(w_dim))
        self.register_buffer("readings", torch.zeros(w_dim, factors))
        self.register_buffer("directions", torch.zeros(factors, w_dim))
        self.register_buffer("moving", torch.zeros(w_dim, w_dim))
        self.register_buffer("correlation", torch.zeros(factors))

    @property
    def shown(self) -> Tensor:
        """Which factors the generator shows, bool [M]."""
        return self.readings.abs().amax(0) > 0

    def amounts(self, w: Tensor) -> Tensor:
        """How much of each motion there is in latents [N,w_dim]: [N,M]."""
        return (w - self.mean) @ self.readings

    def neutral(self, w: Tensor) -> Tensor:
        """The nearest latents [N,w_dim] of which no motion is read."""
        return w - (w - self.mean) @ self.moving

    def part(self) -> tuple[Tensor, Tensor]:
        """The motion in a latent as one affine map: (weight [w_dim,w_dim], bias [w_dim])."""
        return self.moving.T, -self.mean @ self.moving


@torch.no_grad()
def find_motion(
    generator: Generator, read: Read, names: Sequence[str], samples: int, seed: int = 0
) -> MotionSpace:
    """Draw faces from random z, read their factors and regress.

    Args:
        generator: in eval mode, where the training runs.
        read: what a picture's face does.
        names: of the factors.
        samples: how many faces; a quarter of them is held out to judge.
        seed: of z.

    Raises:
        UserError: no factor can be read from what the generator draws.
    """
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, generator.dims.z_dim, generator=random).to(DEVICE)
    w = generator.mapping(z)
    with mixed_precision():
        m = torch.cat([read(plain(generator, part)).float() for part in torch.split(w, _BATCH)])
    space = MotionSpace(len(names), generator.dims.w_dim).to(DEVICE)
    space.mean.copy_(w.mean(0))
    held = slice(0, samples // 4)
    rest = slice(samples // 4, samples)
    centred = m - m.mean(0)
    foretold = (w - space.mean) @ ridge((w - space.mean)[rest], centred[rest])
    space.correlation.copy_(torch.tensor(correlation(foretold[held], centred[held])))
    shown = space.correlation > LEAST
    if not shown.any():
        raise UserError(
            "the starter's encoder reads no motion from what this generator draws, so it is no generator of faces, or "
            "of faces that lie otherwise in the picture than FFHQ's; nothing can be trained for it"
        )
    _fit(space, w - space.mean, centred, shown)
    return space


def plain(generator: Generator, w: Tensor) -> Tensor:
    """Pictures [N,3,R,R] of latents in W [N,w_dim]."""
    pictures: Tensor = generator(w[:, None].expand(-1, spaces.rows(generator.dims), -1))
    return pictures.float()


def ridge(inputs: Tensor, outputs: Tensor, strength: float = _RIDGE) -> Tensor:
    """Weights [I,O] with which centred inputs [N,I] foretell centred outputs [N,O].

    `strength`: of the mean variance of the inputs; more trusts fewer samples less.
    """
    gram = inputs.T @ inputs / len(inputs)
    gram = gram + strength * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
    weights: Tensor = torch.linalg.solve(gram, inputs.T @ outputs / len(inputs))
    return weights


def _fit(space: MotionSpace, w: Tensor, m: Tensor, shown: Tensor) -> None:
    """Fill what is known of the factors that are shown; w [N,w_dim], m [N,M], centred.

    Directions are what latents with more of a factor have in common, all other factors being equal (regression of w on
    m): who somebody is averages out, and what is badly read moves little. All are then made longer by one number, so
    that what they add is read as large as the generator's own motion. Neutral is nearest in the metric of W's own
    covariance C: the projection C R (R' C R)^-1 R'.
    """
    m = m[:, shown]
    readings, directions = ridge(w, m), ridge(m, w)
    amounts = w @ readings
    added = amounts @ (directions @ readings)
    space.readings[:, shown] = readings
    space.directions[shown] = directions * (amounts.std(0).norm() / added.std(0).norm())
    covariant = w.T @ amounts / len(w)
    space.moving.copy_(readings @ torch.linalg.pinv(readings.T @ covariant) @ covariant.T)


def use_directions(
    space: MotionSpace, given: Mapping[str, Tensor], names: Sequence[str]
) -> list[str]:
    """Replace directions by ones that somebody found [w_dim], by the names of their factors.

    Each becomes as long that it is read as the one it replaces. Returns what was replaced.

    Raises:
        UserError: no such factor, none that the generator shows, or a direction that does not move it.
    """
    for name, direction in given.items():
        if name not in names:
            raise UserError(f"there is no motion {name!r}; there are: {', '.join(names)}")
        number = list(names).index(name)
        reading = space.readings[:, number]
        moved, before = float(direction @ reading), float(space.directions[number] @ reading)
        if abs(moved) <= 1e-3 * float(direction.norm() * reading.norm()):
            raise UserError(
                f"the direction given for {name!r} does not change what is read as {name!r} in this generator's "
                "pictures; leave it out, or check that it was found in this generator"
            )
        space.directions[number] = direction * (before / moved)
    return list(given)

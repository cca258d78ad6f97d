"""Each sub-module reads the map the paper's figure gives it; the live path stays small."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from reenact import spaces
from reenact.encoders import Deform, DeformationEncoder, EncoderDims, IdentityEncoder, Maps, Pyramid
from reenact.spaces import Dims

DIMS = Dims(resolution=64, channel_base=512, channel_max=16, w_dim=8)
ENCODER = EncoderDims(crop=64, width=8, pyramid=16, submodule=8, embedding=8, motion=5, hidden=16)
LEVELS = [0] * 2 + [1] * 4 + [2] * 8
"""Coarse, medium, fine: sub-modules [1:2], [3:6], [7:...] of the figure."""


def random_maps() -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(1, ENCODER.pyramid, size, size) for size in (2, 4, 8)]


def with_other_map(maps: list[Tensor], level: int) -> Maps:
    coarse, medium, fine = (m + 1 if i == level else m for i, m in enumerate(maps))
    return coarse, medium, fine


@torch.no_grad()
def test_the_pyramid_has_three_maps() -> None:
    maps = Pyramid(ENCODER).eval()(torch.randn(2, 3, 64, 64))
    assert [tuple(m.shape) for m in maps] == [(2, 16, s, s) for s in (2, 4, 8)]


@torch.no_grad()
@pytest.mark.parametrize("level", range(3))
def test_the_pyramid_adds_coarse_into_medium_into_fine(level: int) -> None:
    torch.manual_seed(0)
    pyramid, crop = Pyramid(ENCODER).eval(), torch.randn(1, 3, 64, 64)
    before = pyramid(crop)
    pyramid.laterals[level].bias += 1
    after = pyramid(crop)
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert moved == [index >= level for index in range(3)]


@torch.no_grad()
@pytest.mark.parametrize("level", range(3))
def test_identity_rows_read_their_map(level: int) -> None:
    encoder, maps = IdentityEncoder(DIMS, ENCODER), random_maps()
    before = encoder(tuple(maps))
    assert before.shape == (1, spaces.rows(DIMS), DIMS.w_dim)
    moved = (encoder(with_other_map(maps, level)) != before).any(dim=2)[0]
    assert moved.tolist() == [LEVELS[row] == level for row in range(spaces.rows(DIMS))]


@torch.no_grad()
@pytest.mark.parametrize("level", range(3))
def test_deformation_sub_modules_read_their_map(level: int) -> None:
    encoder, maps, joined = DeformationEncoder(ENCODER), random_maps(), []
    encoder.motion.register_forward_pre_hook(lambda _, given: joined.append(given[0][0]))
    encoder(tuple(maps))
    motion = encoder(with_other_map(maps, level))
    moved = (joined[0] != joined[1]).reshape(10, ENCODER.embedding).any(dim=1)
    assert moved.tolist() == [LEVELS[index] == level for index in range(10)]
    assert motion.shape == (1, ENCODER.motion)


@torch.no_grad()
def test_deformation_starts_near_zero_and_is_zero_at_rest() -> None:
    torch.manual_seed(0)
    head = Deform(DIMS, ENCODER)
    deformation = head(torch.randn(4, ENCODER.motion))
    assert deformation.shape == (4, spaces.deformation_count(DIMS))
    assert 0 < deformation.abs().max() < 0.05
    head.rest.copy_(torch.randn(ENCODER.motion))
    assert head(head.rest[None]).abs().max() == 0
    assert head(torch.zeros(4, ENCODER.motion)).abs().max() > 0


def test_every_weight_learns() -> None:
    torch.manual_seed(0)
    pyramid, crop = Pyramid(ENCODER), torch.randn(2, 3, 64, 64)
    identity, deformation = IdentityEncoder(DIMS, ENCODER), DeformationEncoder(ENCODER)
    head = Deform(DIMS, ENCODER)
    maps = pyramid(crop)
    (identity(maps).square().sum() + head(deformation(maps)).square().sum()).backward()
    for module in (pyramid, identity, deformation, head):
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@torch.no_grad()
def test_the_live_path_is_small() -> None:
    """The goal for a laptop's CPU: at most 5 M parameters and half a GMAC per frame."""
    encoder = EncoderDims()
    pyramid, deformation = Pyramid(encoder).eval(), DeformationEncoder(encoder)
    head = Deform(Dims(), encoder)
    with FlopCounterMode(display=False) as counter:
        head(deformation(pyramid(torch.zeros(1, 3, encoder.crop, encoder.crop))))
    parameters = sum(p.numel() for m in (pyramid, deformation, head) for p in m.parameters())
    assert parameters < 5e6
    assert counter.get_total_flops() / 2 < 0.5e9


@pytest.mark.parametrize("crop", [0, 100])
def test_impossible_crop(crop: int) -> None:
    with pytest.raises(ValueError, match="multiple of 32"):
        EncoderDims(crop=crop)

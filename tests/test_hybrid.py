"""The equation of the paper, on networks of random weights."""

import pytest

torch = pytest.importorskip("torch")

import numpy as np

from reenact import spaces
from reenact.encoders import EncoderDims
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

# 128 px: eleven convolutions, so one is left that S_F does not reach
DIMS = Dims(resolution=128, channel_base=512, channel_max=8, w_dim=8)
ENCODER = EncoderDims(crop=64, width=8, pyramid=16, submodule=8, embedding=8, motion=5, hidden=16)


@pytest.fixture
def puppeteer() -> Puppeteer:
    torch.manual_seed(0)
    made = Puppeteer(DIMS, ENCODER).eval()
    made.generator.w_avg.normal_()
    return made


@torch.no_grad()
def test_the_equation_in_torch_is_that_in_numpy(puppeteer: Puppeteer) -> None:
    w_id = torch.randn(2, spaces.rows(DIMS), DIMS.w_dim)
    s_f = torch.randn(2, spaces.deformation_count(DIMS))
    identity = puppeteer.generator.identity_styles(w_id).numpy()
    expected = spaces.add_deformation(DIMS, identity, s_f.numpy())
    np.testing.assert_array_equal(puppeteer.styles(w_id, s_f).numpy(), expected)


@torch.no_grad()
def test_deformation_reaches_ten_convolutions_only(puppeteer: Puppeteer) -> None:
    w_id = torch.randn(1, spaces.rows(DIMS), DIMS.w_dim)
    s_f = torch.ones(1, spaces.deformation_count(DIMS))
    added = puppeteer.styles(w_id, s_f) - puppeteer.generator.identity_styles(w_id)
    deformed = spaces.deformed_layers(DIMS)
    assert len(deformed) == 10
    for layer in spaces.layers(DIMS):
        expected = torch.full((1, layer.in_channels), float(layer in deformed))
        torch.testing.assert_close(added[:, layer.styles], expected)


@torch.no_grad()
def test_identity_is_an_offset_from_the_mean(puppeteer: Puppeteer) -> None:
    crop = torch.randn(2, 3, 64, 64)
    before = puppeteer.identify(crop)
    puppeteer.generator.w_avg += 1
    assert before.shape == (2, spaces.rows(DIMS), DIMS.w_dim)
    torch.testing.assert_close(puppeteer.identify(crop), before + 1)


@torch.no_grad()
def test_forward_is_portrait_and_driver_joined(puppeteer: Puppeteer) -> None:
    portrait, frame = torch.randn(2, 1, 3, 64, 64)
    for parameter in (
        *puppeteer.deform_head.parameters(),
        *puppeteer.identity_encoder.heads.parameters(),
    ):
        parameter.normal_(std=0.3)  # they start near zero
    w_id, s_f = puppeteer.identify(portrait), puppeteer.deform(frame)
    picture = puppeteer(portrait, frame)
    torch.testing.assert_close(picture, puppeteer.render(puppeteer.styles(w_id, s_f)))
    torch.testing.assert_close(s_f, puppeteer.deform_head(puppeteer.motion(frame)))
    assert picture.shape == (1, 3, 128, 128)
    assert (puppeteer(portrait, portrait) - picture).abs().max() > 1e-3  # the driver matters
    assert (puppeteer(frame, frame) - picture).abs().max() > 1e-3  # so does the portrait


@torch.no_grad()
def test_another_face_at_rest_changes_no_picture_of_a_driver(puppeteer: Puppeteer) -> None:
    for parameter in puppeteer.deform_head.parameters():
        parameter.normal_(std=0.3)
    w_id = torch.randn(2, spaces.rows(DIMS), DIMS.w_dim)
    motion = torch.randn(2, puppeteer.encoder.motion)
    before = puppeteer.styles(w_id, puppeteer.deform_head(motion))
    for _ in range(2):
        rest = torch.randn(puppeteer.encoder.motion)
        expected = puppeteer.styles(w_id, puppeteer.deform_head(rest[None]).expand(2, -1))
        puppeteer.rest_at(rest)
        after = puppeteer.styles(w_id, puppeteer.deform_head(motion))
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
        neutral = puppeteer.generator.identity_styles(w_id)
        torch.testing.assert_close(neutral, expected, atol=1e-4, rtol=1e-4)


def test_the_picture_teaches_both_encoders(puppeteer: Puppeteer) -> None:
    portrait, frame = torch.randn(2, 2, 3, 64, 64)
    puppeteer(portrait, frame).square().mean().backward()
    for module in (puppeteer.identity_encoder, puppeteer.deformation_encoder, puppeteer.pyramid):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@torch.no_grad()
def test_runs_under_bf16_autocast(puppeteer: Puppeteer) -> None:
    portrait, frame = torch.randn(2, 2, 3, 64, 64)
    exact = puppeteer(portrait, frame)
    with torch.autocast("cpu", torch.bfloat16):
        rough = puppeteer(portrait, frame)
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().mean() < 0.03 * exact.std()

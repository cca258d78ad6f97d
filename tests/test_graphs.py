"""The exported graphs compute what the networks compute, with uint8 at their ends."""

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn

from reenact import graphs, spaces
from reenact.encoders import EncoderDims
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

DIMS = Dims(resolution=64, channel_base=512, channel_max=16, w_dim=8, noise=True)
ENCODER = EncoderDims(crop=64, width=8, pyramid=16, submodule=8, embedding=8, motion=5, hidden=16)


@pytest.fixture
def puppeteer() -> Puppeteer:
    """Random everywhere, also in the running statistics of the batch norms."""
    torch.manual_seed(0)
    made = Puppeteer(DIMS, ENCODER)
    for name, parameter in made.named_parameters():
        if name.endswith(("bias", "strength")):
            nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        made.pyramid(torch.randn(8, 3, 64, 64) * 2 + 1)
        for parameter in made.generator.synthesis.modules():
            if type(parameter).__name__ == "ToRGB":
                parameter.weight *= 0.05  # a picture that is not all black and white
    return made.eval()


def random_styles(count: int) -> Tensor:
    return 1 + 0.5 * torch.randn(count, spaces.style_count(DIMS))


@torch.no_grad()
def test_render_equals_the_synthesis(puppeteer: Puppeteer) -> None:
    render = graphs.Render(puppeteer.generator.synthesis)
    for styles in random_styles(4).split(1):
        expected = graphs.write_pixels(puppeteer.render(styles))
        picture = render(styles)
        assert picture.shape == (1, 64, 64, 3) and picture.dtype == torch.uint8
        assert expected.float().std() > 20
        different = picture != expected
        assert different.float().mean() < 0.001
        assert (picture.int() - expected.int()).abs().max() <= 1


@torch.no_grad()
def test_render_does_not_mind_large_styles(puppeteer: Puppeteer) -> None:
    """Convolution styles times 1000 are undone by demodulation, before fp16 could overflow."""
    render, styles = graphs.Render(puppeteer.generator.synthesis), random_styles(1)
    large, largest = styles.clone(), []
    for layer in spaces.layers(DIMS):
        if layer.kind == "conv":
            large[:, layer.styles] *= 1000
    for module in render.modules():
        if isinstance(module, graphs.StaticConv):
            module.register_forward_hook(lambda _, __, out: largest.append(out.abs().max()))
    assert (render(large).int() - render(styles).int()).abs().max() <= 1
    assert max(largest) < 1000


@torch.no_grad()
def test_constants_fit_fp16(puppeteer: Puppeteer) -> None:
    """Weights that were rounded to fp16 survive the normalisation; a grain of 2^-25 is allowed."""
    puppeteer.generator.half().float()
    for module in graphs.Render(puppeteer.generator.synthesis).modules():
        if isinstance(module, graphs.StaticConv):
            assert (module.weight.half().float() - module.weight).abs().max() <= 2**-25
            assert module.weight.abs().max() <= 1


@torch.no_grad()
def test_encoders_equal_the_puppeteer(puppeteer: Puppeteer) -> None:
    crop = torch.randint(0, 256, (1, 64, 64, 3), dtype=torch.uint8)
    pixels = graphs.read_pixels(crop)
    assert pixels.amin() >= -1 and pixels.amax() <= 1 and pixels.shape == (1, 3, 64, 64)
    identity = graphs.EncodeIdentity(puppeteer).eval()
    deformation = graphs.EncodeDeformation(puppeteer).eval()
    for graph, expected in (
        (identity, puppeteer.identify(pixels)),
        (deformation, puppeteer.deform(pixels)),
    ):
        got = graph(crop)
        assert got.dtype == torch.float32 and got.shape == expected.shape
        assert torch.equal(got, expected)


def test_pixels_survive_a_round_trip() -> None:
    crop = torch.arange(256, dtype=torch.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert torch.equal(graphs.write_pixels(graphs.read_pixels(crop)), crop)


def test_pixels_are_clamped() -> None:
    picture = torch.tensor([-9.0, 9.0, 0.0]).reshape(1, 3, 1, 1)
    assert graphs.write_pixels(picture).flatten().tolist() == [0, 255, 128]

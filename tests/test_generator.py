"""The generator equals the plain reference; rows and slices reach exactly their layers."""

import pytest

torch = pytest.importorskip("torch")

import reference_stylegan2 as reference
import torch.nn.functional as F
from torch import Tensor, nn

from reenact import ops, spaces
from reenact.generator import Generator, StyledConv, ToRGB
from reenact.spaces import Dims

SMALL = Dims(resolution=64, channel_base=512, channel_max=16, w_dim=8, z_dim=8, noise=True)


def random_generator(dims: Dims) -> Generator:
    torch.manual_seed(1)
    generator = Generator(dims)
    for name, parameter in generator.named_parameters():
        if name.endswith(("bias", "strength")):
            nn.init.normal_(parameter)
    return generator


def random_styles(dims: Dims, count: int) -> Tensor:
    torch.manual_seed(2)
    return 1 + 0.5 * torch.randn(count, spaces.style_count(dims))


def layer_modules(generator: Generator) -> dict[str, StyledConv | ToRGB]:
    modules = [m for m in generator.synthesis.modules() if isinstance(m, StyledConv | ToRGB)]
    names = [layer.name for layer in spaces.layers(generator.dims)]
    return dict(zip(names, modules, strict=True))


def reference_picture(generator: Generator, styles: Tensor) -> Tensor:
    weights = {}
    for name, module in layer_modules(generator).items():
        weights[name] = {"weight": module.weight, "bias": module.bias}
        if isinstance(module, StyledConv) and module.noise is not None:
            weights[name]["noise"] = module.noise.constant * module.noise.strength
    return reference.synthesize(generator.dims, generator.synthesis.constant, weights, styles)


def error(picture: Tensor, expected: Tensor) -> float:
    assert expected.std() > 1  # the picture is not empty
    return float((picture - expected).abs().max())


@torch.no_grad()
def test_equals_the_reference() -> None:
    generator, styles = random_generator(SMALL), random_styles(SMALL, 3)
    assert error(generator.synthesis(styles), reference_picture(generator, styles)) < 1e-4


@pytest.mark.slow
@torch.no_grad()
def test_equals_the_reference_at_1024() -> None:
    dims = Dims(resolution=1024, channel_base=32768, channel_max=512, w_dim=8, noise=True)
    generator, styles = random_generator(dims), random_styles(dims, 1)
    assert error(generator.synthesis(styles), reference_picture(generator, styles)) < 1e-4


@torch.no_grad()
def test_a_row_reaches_exactly_the_layers_that_read_it() -> None:
    generator = random_generator(SMALL)
    w_plus = torch.randn(1, spaces.rows(SMALL), SMALL.w_dim)
    before = generator.identity_styles(w_plus)
    for row in range(spaces.rows(SMALL)):
        changed = w_plus.clone()
        changed[:, row] += 1
        after = generator.identity_styles(changed)
        for layer in spaces.layers(SMALL):
            moved = bool((after[:, layer.styles] != before[:, layer.styles]).any())
            assert moved == (layer.row == row), (row, layer.name)


def outputs(generator: Generator, styles: Tensor) -> dict[str, Tensor]:
    """What every convolution and toRGB gives, by layer name."""
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out.clone()}))
        for name, module in layer_modules(generator).items()
    ]
    generator.synthesis(styles)
    for hook in hooks:
        hook.remove()
    return seen


@torch.no_grad()
def test_a_style_slice_changes_its_layer_and_what_follows_it() -> None:
    generator, styles = random_generator(SMALL), random_styles(SMALL, 1)
    before, table = outputs(generator, styles), spaces.layers(SMALL)
    for index, layer in enumerate(table):
        changed = styles.clone()
        changed[:, layer.styles] *= torch.linspace(0.5, 1.5, layer.in_channels)
        after = outputs(generator, changed)
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        follow = table[index:] if layer.kind == "conv" else (layer,)  # colours feed no layer
        assert moved == {later.name for later in follow}, layer.name


@torch.no_grad()
def test_stop_at_gives_the_skip_picture_of_that_level() -> None:
    generator, styles = random_generator(SMALL), random_styles(SMALL, 2)
    for name, module in layer_modules(generator).items():
        if name in ("b32.torgb", "b64.torgb"):  # then the end is the 16 px picture, up-sampled
            module.weight.zero_()
            module.bias.zero_()
    early = generator.synthesis(styles, stop_at=16)
    assert early.shape == (2, 3, 16, 16)
    full = ops.upsample_image(ops.upsample_image(early))
    torch.testing.assert_close(generator.synthesis(styles), full)


@torch.no_grad()
@pytest.mark.parametrize("level", [16, 32])
def test_a_window_is_that_part_of_the_full_picture(level: int) -> None:
    generator, styles = random_generator(SMALL), random_styles(SMALL, 2)
    scale, y, x, size = 64 // level, level // 8, level // 4, level // 2
    crop = generator.synthesis(styles, window=(level, y, x, size))
    full = generator.synthesis(styles)[:, :, y * scale :, x * scale :]
    margin = 9  # three px of reach per later level
    inside = slice(margin, size * scale - margin)
    assert crop.shape[2:] == (size * scale, size * scale)
    torch.testing.assert_close(crop[:, :, inside, inside], full[:, :, inside, inside])


def test_bf16_autocast_keeps_the_picture_in_fp32() -> None:
    generator, styles = random_generator(SMALL), random_styles(SMALL, 2)
    with torch.no_grad():
        exact = generator.synthesis(styles)
        with torch.autocast("cpu", torch.bfloat16):
            rough = generator.synthesis(styles)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.02 * exact.std()


@pytest.mark.parametrize("bf16", [False, True])
def test_every_weight_learns(bf16: bool) -> None:
    generator = random_generator(SMALL)
    z = torch.randn(2, SMALL.z_dim)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        w_plus = generator.mapping(z)[:, None].expand(-1, spaces.rows(SMALL), -1)
        picture = generator(w_plus)
    picture.square().mean().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
        assert parameter.grad.isfinite().all(), name


def test_demodulation_gives_unit_variance() -> None:
    torch.manual_seed(0)
    weight, styles = torch.randn(8, 16, 3, 3), torch.rand(4, 16) * 10
    x = ops.scale_channels(torch.randn(4, 16, 64, 64), styles)
    scale = ops.demodulation(styles, ops.squared_weight(weight))
    y = ops.scale_channels(F.conv2d(x, weight, padding=1), scale)
    torch.testing.assert_close(y.var(dim=(2, 3)), torch.ones(4, 8), atol=0.15, rtol=0)


@torch.no_grad()
def test_mapping_does_not_see_the_length_of_z() -> None:
    generator, z = random_generator(SMALL), torch.randn(5, SMALL.z_dim)
    w = generator.mapping(z)
    assert w.shape == (5, SMALL.w_dim)
    torch.testing.assert_close(generator.mapping(3 * z), w)


@torch.no_grad()
def test_equal_linear_starts_alike_at_every_speed() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 256)
    for lr_multiplier in (1.0, 0.01):
        layer = ops.EqualLinear(256, 256, bias=1.0, lr_multiplier=lr_multiplier)
        y = layer(x)
        assert abs(float(y.std()) - 1) < 0.1 and abs(float(y.mean()) - 1) < 0.1

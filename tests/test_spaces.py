"""The layer table has the published sizes, and the equation touches its ten slices only."""

import numpy as np
import pytest

from reenact import spaces
from reenact.spaces import Dims

CONFIG_F = Dims(
    resolution=1024,
    channel_base=32768,
    channel_max=512,
    w_dim=512,
    z_dim=512,
    mapping_layers=8,
    noise=True,
)


def sized(resolution: int, channel_base: int) -> Dims:
    return Dims(resolution=resolution, channel_base=channel_base, channel_max=512, w_dim=512)


@pytest.mark.parametrize(
    ("resolution", "base", "rows", "convs", "conv_channels", "total", "deformation"),
    [
        (1024, 32768, 18, 17, 6048, 9088, 5120),
        (512, 32768, 16, 15, 5952, 8960, 5120),
        (256, 32768, 14, 13, 5760, 8704, 5120),
        (256, 16384, 14, 13, 4928, 7424, 4608),
    ],
)
def test_totals(
    resolution: int,
    base: int,
    rows: int,
    convs: int,
    conv_channels: int,
    total: int,
    deformation: int,
) -> None:
    dims = sized(resolution, base)
    convolutions = [layer for layer in spaces.layers(dims) if layer.kind == "conv"]
    assert spaces.rows(dims) == rows
    assert len(convolutions) == convs
    assert sum(layer.in_channels for layer in convolutions) == conv_channels
    assert spaces.style_count(dims) == total
    assert spaces.deformation_count(dims) == deformation


def test_every_layer_of_config_f() -> None:
    channels = [512] * 15 + [256, 256, 256, 128, 128, 128, 64, 64, 64, 32, 32]
    rows = [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9, 10, 11, 11, 12, 13, 13, 14, 15, 15, 16, 17]
    table = spaces.layers(CONFIG_F)
    assert [layer.in_channels for layer in table] == channels
    assert [layer.row for layer in table] == rows
    assert [i for i, layer in enumerate(table) if layer.kind == "torgb"] == list(range(1, 26, 3))
    assert [layer.name for layer in table[:5]] == [
        "b4.conv1",
        "b4.torgb",
        "b8.conv0",
        "b8.conv1",
        "b8.torgb",
    ]
    assert [layer.up for layer in table[:6]] == [False, False, True, False, False, True]


def test_deformed_layers_are_the_published_indices() -> None:
    table = spaces.layers(CONFIG_F)
    indices = [table.index(layer) for layer in spaces.deformed_layers(CONFIG_F)]
    assert indices == [0, 2, 3, 5, 6, 8, 9, 11, 12, 14]


def test_starter() -> None:
    dims = Dims()
    assert (spaces.rows(dims), spaces.deformation_count(dims)) == (14, 8 * 128 + 2 * 64)
    assert spaces.style_count(dims) == 1856


def test_slices_follow_one_another() -> None:
    end = 0
    for layer in spaces.layers(Dims()):
        assert layer.styles == slice(end, end + layer.in_channels)
        end = layer.styles.stop


@pytest.mark.parametrize("resolution", [0, 4, 100])
def test_impossible_resolution(resolution: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Dims(resolution=resolution)


def test_add_deformation_reaches_its_slices_only() -> None:
    dims = Dims()
    identity = np.zeros(spaces.style_count(dims), np.float32)
    deformation = np.arange(1, spaces.deformation_count(dims) + 1, dtype=np.float32)
    styles = spaces.add_deformation(dims, identity, deformation)
    deformed = spaces.deformed_layers(dims)
    parts = np.split(deformation, np.cumsum([layer.in_channels for layer in deformed])[:-1])
    for layer, part in zip(deformed, parts, strict=True):
        np.testing.assert_array_equal(styles[layer.styles], part)
    assert np.count_nonzero(styles) == len(deformation)
    assert not identity.any() and styles.dtype == np.float32


def test_add_deformation_to_a_batch() -> None:
    dims = Dims()
    rng = np.random.default_rng(0)
    identity = rng.standard_normal((3, spaces.style_count(dims)), np.float32)
    deformation = rng.standard_normal((3, spaces.deformation_count(dims)), np.float32)
    batch = spaces.add_deformation(dims, identity, deformation)
    for n in range(3):
        np.testing.assert_array_equal(
            batch[n], spaces.add_deformation(dims, identity[n], deformation[n])
        )
    shared = spaces.add_deformation(dims, identity[0], deformation)
    torgb = spaces.layers(dims)[1].styles
    np.testing.assert_array_equal(shared[0], batch[0])
    np.testing.assert_array_equal(shared[2, torgb], identity[0, torgb])

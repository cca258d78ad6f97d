"""Edits act as the formulas of those who published them say, and on their own generator only."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from torch import Tensor

from reenact import __main__ as command_line
from reenact import spaces
from reenact.checkpoint import fingerprint, save_generator
from reenact.edits import Edit, edited, load_edit, save_edit
from reenact.errors import UserError
from reenact.field_edits import channel_edit, direction_edit
from reenact.generator import Generator
from reenact.spaces import Dims

DIMS = Dims(resolution=32, channel_base=256, channel_max=16, w_dim=12, z_dim=12, noise=True)
ROWS = spaces.rows(DIMS)


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(5)
    return Generator(DIMS).eval().requires_grad_(False)


def check_as_in_w(generator: Generator, edit: Edit, delta: Tensor, strength: float) -> None:
    """The picture with the edit equals that of W+ moved by `strength * delta` [rows, w_dim]."""
    w_plus = torch.randn(1, ROWS, DIMS.w_dim)
    expected = generator(w_plus + strength * delta)
    styles = edited(
        generator.identity_styles(w_plus)[0].numpy(), fingerprint(generator), [(edit, strength)]
    )
    picture = generator.synthesis(torch.from_numpy(styles)[None])
    assert (picture - expected).abs().max() < 1e-4
    assert (expected - generator(w_plus)).abs().max() > 1e-2


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
@pytest.mark.parametrize("shape", [(DIMS.w_dim,), (1, DIMS.w_dim), (ROWS, DIMS.w_dim)])
def test_direction(
    generator: Generator, tmp_path: Path, suffix: str, shape: tuple[int, ...]
) -> None:
    direction, path = torch.randn(shape), tmp_path / f"smile{suffix}"
    if suffix == ".npy":
        np.save(path, direction.numpy())
    else:
        torch.save(direction, path)
    edit = direction_edit(generator, path, "smile")
    check_as_in_w(generator, edit, direction.reshape(-1, DIMS.w_dim).expand(ROWS, -1), -1.7)


@pytest.mark.parametrize("kind", ["e4e", "ganspace"])
def test_component_on_some_rows(generator: Generator, tmp_path: Path, kind: str) -> None:
    """w[start:end] += strength * comp[k] * std[k], as GANSpace and e4e's editor do."""
    components, deviations = torch.randn(5, DIMS.w_dim), torch.rand(5) + 0.5
    path = tmp_path / ("pca.pt" if kind == "e4e" else "pca.npz")
    if kind == "e4e":
        torch.save({"comp": components, "mean": torch.zeros(1), "std": deviations}, path)
    else:
        np.savez(path, lat_comp=components.numpy()[:, None], lat_stdev=deviations.numpy())
    edit = direction_edit(generator, path, "turn", slice(2, 5), 3)
    delta = torch.zeros(ROWS, DIMS.w_dim)
    delta[2:5] = components[3] * deviations[3]
    check_as_in_w(generator, edit, delta, 2.0)


def test_channel(generator: Generator) -> None:
    """s[layer][channel] += strength * its standard deviation over W (Wu et al. 2021)."""
    layer = spaces.layers(DIMS)[4]
    edit = channel_edit(generator, "4_7", "brows")
    torch.manual_seed(9)
    samples = generator.identity_styles(
        generator.mapping(torch.randn(20_000, DIMS.z_dim))[:, None].expand(-1, ROWS, -1)
    )
    where = layer.styles.start + 7
    assert np.flatnonzero(edit.styles).tolist() == [where]
    assert edit.styles[where] == pytest.approx(float(samples[:, where].std()), rel=0.05)


def test_file_keeps_it_and_limits_hold(generator: Generator, tmp_path: Path) -> None:
    edit = channel_edit(generator, "2_3", "lips", (-1, 2))
    save_edit(edit, tmp_path / "lips.edit")
    loaded = load_edit(tmp_path / "lips.edit")
    assert (loaded.name, loaded.fingerprint) == ("lips", fingerprint(generator))
    np.testing.assert_array_equal(loaded.styles, edit.styles)
    styles = np.ones(spaces.style_count(DIMS), np.float32)
    far = edited(styles, edit.fingerprint, [(loaded, 50)])
    np.testing.assert_array_equal(far, edited(styles, edit.fingerprint, [(loaded, 2)]))
    assert (styles == 1).all()


def test_another_generator_is_refused(generator: Generator) -> None:
    edit = channel_edit(generator, "2_3", "lips")
    torch.manual_seed(6)
    other = fingerprint(Generator(DIMS))
    with pytest.raises(UserError, match="another generator"):
        edited(np.ones(spaces.style_count(DIMS), np.float32), other, [(edit, 1)])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("stylegan_ffhq_age_w_boundary.npy", np.ones((1, DIMS.w_dim)), "older generator"),
        ("age.npy", np.ones((1, 512)), "12"),
        ("age.npy", np.ones((7, DIMS.w_dim)), "shape"),
        ("age.npy", np.full((1, DIMS.w_dim), np.nan), "NaN"),
        ("age.npy", np.array([{"a": 1}], object), "NumPy"),
        ("age.npz", np.ones(3), "GANSpace"),
    ],
)
def test_directions_that_do_not_fit(
    generator: Generator, tmp_path: Path, name: str, content: np.ndarray, words: str
) -> None:
    path = tmp_path / name
    (np.savez if name.endswith("z") else np.save)(path, content)
    with pytest.raises(UserError, match=words):
        direction_edit(generator, path, "age")


@pytest.mark.parametrize("channel", ["99_1", "4_999", "-1_2", "lips"])
def test_channels_that_there_are_not(generator: Generator, channel: str) -> None:
    with pytest.raises(UserError, match="LAYER_CHANNEL"):
        channel_edit(generator, channel, "x")


def test_text_renamed_to_edit(tmp_path: Path) -> None:
    (tmp_path / "a.edit").write_text("smile: yes")
    with pytest.raises(UserError, match="not a whole edit"):
        load_edit(tmp_path / "a.edit")


def test_command(generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_generator(generator, tmp_path / "g.safetensors", {})
    np.save(tmp_path / "smile.npy", np.ones((1, DIMS.w_dim), np.float32))
    monkeypatch.chdir(tmp_path)
    words = ["reenact", "edit", "smile.npy", "--generator", "g.safetensors", "--rows", "1-3"]
    monkeypatch.setattr(sys, "argv", [*words, "--limits", "-2", "2"])
    assert command_line.main() == 0
    assert load_edit(tmp_path / "smile.edit").limits.tolist() == [-2, 2]

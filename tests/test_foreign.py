"""Other people's checkpoints draw here what they draw there, and nothing in them is ever executed."""

import math
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import foreign_files as files
import reference_stylegan2 as reference
from torch import Tensor

from reenact import spaces
from reenact.checkpoint import load_generator, save_generator
from reenact.errors import UserError
from reenact.foreign import read_foreign
from reenact.generator import Generator
from reenact.spaces import Dims

DIMS = Dims(files.SIZE, files.SIZE * files.WIDTH, files.WIDTH, files.WIDTH, files.WIDTH, 2, True)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


def styles_of(affine: Callable[[str, str], Tensor], w: Tensor, dims: Dims) -> Tensor:
    """Styles [N, S] from affine weights by (our layer name, "weight" or "bias"), plainly."""
    parts = [
        w[:, layer.row] @ affine(layer.name, "weight").t() / math.sqrt(dims.w_dim)
        + affine(layer.name, "bias")
        for layer in spaces.layers(dims)
    ]
    return torch.cat(parts, 1)


def difference(generator: Generator, w: Tensor, expected: Tensor) -> float:
    assert expected.std() > 0.5
    with torch.no_grad():
        return float((generator(w) - expected).abs().max())


def test_nvidia_draws_the_same(tmp_path: Path) -> None:
    network = files.nvidia_generator()
    files.write_nvidia(tmp_path / "a.pkl", network)
    found = read_foreign(tmp_path / "a.pkl")
    assert found.generator.dims == DIMS and "NVIDIA" in found.origin
    theirs = network.state_dict()

    def tensor(name: str, part: str) -> Tensor:
        return theirs[f"synthesis.{name}.{part}"]

    weights = {}
    for layer in spaces.layers(DIMS):
        own = {part: tensor(layer.name, part) for part in ("weight", "bias")}
        if layer.kind == "conv":
            own["noise"] = tensor(layer.name, "noise_const") * tensor(layer.name, "noise_strength")
        weights[layer.name] = own
    w = torch.randn(3, spaces.rows(DIMS), DIMS.w_dim)
    styles = styles_of(lambda name, part: tensor(name, f"affine.{part}"), w, DIMS)
    constant = theirs["synthesis.b4.const"][None]
    expected = reference.synthesize(DIMS, constant, weights, styles)
    assert difference(found.generator, w, expected) < 1e-4


def rosinality_names(dims: Dims) -> dict[str, str]:
    """Our layer name -> theirs."""
    convs = iter(["conv1", *(f"convs.{k}" for k in range(99))])
    rgbs = iter(["to_rgb1", *(f"to_rgbs.{k}" for k in range(99))])
    return {la.name: next(convs if la.kind == "conv" else rgbs) for la in spaces.layers(dims)}


def rosinality_picture(state: dict[str, Tensor], w: Tensor) -> Tensor:
    names, weights = rosinality_names(DIMS), {}
    noises = (state[f"noises.noise_{k}"][0, 0] for k in range(99))
    for layer in spaces.layers(DIMS):
        name = names[layer.name]
        own = {"weight": state[f"{name}.conv.weight"][0]}
        if layer.kind == "conv":
            own["weight"] = own["weight"] / math.sqrt(9 * layer.in_channels)
            own["noise"] = next(noises) * state[f"{name}.noise.weight"]
        bias = "activate.bias" if layer.kind == "conv" else "bias"
        weights[layer.name] = own | {"bias": state[f"{name}.{bias}"].flatten()}
    styles = styles_of(lambda n, p: state[f"{names[n]}.conv.modulation.{p}"], w, DIMS)
    return reference.synthesize(DIMS, state["input.input"], weights, styles)


def test_rosinality_draws_the_same(tmp_path: Path) -> None:
    state, mean = files.rosinality_state(), torch.randn(files.WIDTH)
    torch.save({"g_ema": state, "latent_avg": mean}, tmp_path / "a.pt")
    found = read_foreign(tmp_path / "a.pt")
    assert found.generator.dims == DIMS and not found.remarks
    assert torch.equal(found.generator.w_avg, mean)
    w = torch.randn(2, spaces.rows(DIMS), DIMS.w_dim)
    assert difference(found.generator, w, rosinality_picture(state, w)) < 1e-4


def test_e4e_is_a_generator_and_an_encoder(tmp_path: Path) -> None:
    parts = files.write_portraits(tmp_path / "e4e.pt", "Encoder4Editing")
    found = read_foreign(tmp_path / "e4e.pt")
    assert found.encoder is not None
    assert torch.allclose(found.generator.w_avg, parts["latent_avg"][0])
    w = torch.randn(1, spaces.rows(DIMS), DIMS.w_dim)
    state = {name.removeprefix("decoder."): t for name, t in parts.items() if "decoder." in name}
    assert difference(found.generator, w, rosinality_picture(state, w)) < 1e-4


def test_without_a_mean_latent_one_is_made_and_said(tmp_path: Path) -> None:
    torch.save({"g_ema": files.rosinality_state()}, tmp_path / "a.pt")
    found = read_foreign(tmp_path / "a.pt")
    assert any("mean latent" in remark for remark in found.remarks)
    with torch.no_grad():
        some = found.generator.mapping(torch.randn(4000, DIMS.z_dim)).mean(0)
    assert torch.allclose(found.generator.w_avg, some, atol=0.2 * float(some.abs().max()))


def test_imported_weights_are_kept_in_fp32(tmp_path: Path) -> None:
    files.write_nvidia(tmp_path / "a.pkl")
    generator = read_foreign(tmp_path / "a.pkl").generator
    save_generator(generator, tmp_path / "a.safetensors", {"origin": "NVIDIA"})
    loaded, info = load_generator(tmp_path / "a.safetensors")
    assert info == {"origin": "NVIDIA"} and loaded.dims == generator.dims
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_code_inside_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    files.write_nvidia(tmp_path / "a.pkl", mark=mark)
    assert str(mark).encode() in (tmp_path / "a.pkl").read_bytes()
    read_foreign(tmp_path / "a.pkl")
    assert not mark.exists()


class Attack:
    """Unpickling it runs a command."""

    def __init__(self, mark: Path) -> None:
        self.command = f"touch {mark}"

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
def test_pickle_with_os_system(tmp_path: Path, suffix: str) -> None:
    mark, path = tmp_path / "mark", tmp_path / f"a{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps({"G_ema": Attack(mark)}))
    else:
        torch.save({"g_ema": Attack(mark)}, path)
    with pytest.raises(UserError, match=r"(posix|nt|os)\.system"):
        read_foreign(path)
    assert not mark.exists()


def test_pickle_hidden_in_a_tensor(tmp_path: Path) -> None:
    """NVIDIA's pickles hold tensors as bytes of torch.save, which are a pickle again."""
    mark = tmp_path / "mark"

    class Storage:
        def __reduce__(self) -> tuple[Any, ...]:
            return torch.storage._load_from_bytes, (pickle.dumps(Attack(mark)),)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G_ema": Storage()}))
    with pytest.raises(UserError):
        read_foreign(tmp_path / "a.pkl")
    assert not mark.exists()


def test_zip_bomb(tmp_path: Path) -> None:
    torch.save({"g_ema": files.rosinality_state()}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt") as whole,
        zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in whole.infolist():
            bomb.writestr(entry.filename, whole.read(entry))
    with pytest.raises(UserError, match="compressed"):
        read_foreign(tmp_path / "b.pt")


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".pkl":
        files.write_nvidia(path)
    else:
        torch.save({"g_ema": files.rosinality_state()}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="damaged"):
        read_foreign(path)


@pytest.mark.parametrize("suffix", [".pkl", ".pt"])
def test_text_renamed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("These are not the weights you are looking for.\n" * 40)
    with pytest.raises(UserError, match="damaged"):
        read_foreign(path)


def test_there_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no file"):
        read_foreign(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("conv1.conv.weight", lambda t: t * math.nan, "NaN"),
        ("convs.1.conv.weight", lambda t: t[:, :4], "channels"),
        ("convs.1.conv.modulation.bias", lambda t: t[:3], "shapes"),
        ("to_rgb1.bias", lambda t: t.repeat(1, 2, 1, 1), "shapes"),
        ("convs.0.conv.blur.kernel", lambda t: torch.ones(4, 4), "filter"),
        ("convs.0.conv.blur.kernel", lambda t: torch.ones(2, 2), "filter"),
    ],
)
def test_broken_weights(
    tmp_path: Path, name: str, change: Callable[[Tensor], Tensor], words: str
) -> None:
    state = files.rosinality_state()
    state[name] = change(state[name])
    torch.save({"g_ema": state}, tmp_path / "a.pt")
    with pytest.raises(UserError, match=words):
        read_foreign(tmp_path / "a.pt")


@pytest.mark.parametrize("missing", ["style.1.weight", "convs.2.conv.weight", "noises.noise_3"])
def test_missing_weights(tmp_path: Path, missing: str) -> None:
    state = files.rosinality_state()
    del state[missing]
    torch.save({"g_ema": state}, tmp_path / "a.pt")
    with pytest.raises(UserError):
        read_foreign(tmp_path / "a.pt")


def test_tensorflow_and_other_architectures_are_named(tmp_path: Path) -> None:
    (tmp_path / "tf.pkl").write_bytes(b"cdnnlib.tflib.network\nNetwork\n.")
    with pytest.raises(UserError, match="TensorFlow"):
        read_foreign(tmp_path / "tf.pkl")
    network = files.nvidia_generator()
    network._init_kwargs["synthesis_kwargs"]["architecture"] = "resnet"
    files.write_nvidia(tmp_path / "resnet.pkl", network)
    with pytest.raises(UserError, match="resnet"):
        read_foreign(tmp_path / "resnet.pkl")


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`reenact ...` as a user runs it."""
    line = [sys.executable, "-m", "reenact", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120)


def test_import_says_what_it_found_and_writes_it(tmp_path: Path) -> None:
    files.write_nvidia(tmp_path / "a.pkl")
    done = command("import", tmp_path / "a.pkl")
    assert done.returncode == 0, done.stderr
    for words in ("NVIDIA", "16 px", "8 at 16 px", "6 rows of 8", "2 layers", "non-commercial"):
        assert words in done.stdout, done.stdout
    assert load_generator(tmp_path / "a.safetensors")[0].dims == DIMS
    again = command("import", tmp_path / "a.pkl")
    assert again.returncode == 2 and "--force" in again.stderr
    assert command("import", tmp_path / "a.pkl", "--force").returncode == 0


def test_import_of_a_hostile_file_is_one_sentence_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"G_ema": Attack(tmp_path / "mark")}))
    done = command("import", tmp_path / "a.pkl")
    assert done.returncode == 2 and done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr and "system" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["a.pkl"]

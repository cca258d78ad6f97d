"""The portrait encoders of pSp, e4e and ReStyle say here what they say there, also when exported."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import foreign_files as files
import numpy as np
import reference_portrait_encoder as reference
from torch import Tensor

from reenact import spaces
from reenact.checkpoint import (
    load_checkpoint,
    load_generator,
    load_imported,
    save_checkpoint,
    save_generator,
)
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.foreign import read_foreign
from reenact.foreign_encoder import PortraitDims, PortraitEncoder
from reenact.generator import Generator
from reenact.spaces import Dims

SMALL = EncoderDims(crop=32, width=4, pyramid=8, submodule=4, embedding=4, motion=5, hidden=8)
KINDS = {
    "GradualStyleEncoder": ("pSp", 3),
    "Encoder4Editing": ("e4e", 3),
    "BackboneEncoder": ("ReStyle", 6),
    "ProgressiveBackboneEncoder": ("ReStyle", 6),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(4)


def expected(parts: dict[str, Tensor], kind: str, crop: Tensor, generator: Generator) -> Tensor:
    state = {name.removeprefix("encoder."): t for name, t in parts.items() if "encoder." in name}
    mean, deltas = parts["latent_avg"], kind in ("Encoder4Editing", "ProgressiveBackboneEncoder")
    if KINDS[kind][1] == 6:
        return reference.restyle(state, crop, mean, generator, deltas)
    return mean + reference.one_pass(state, crop, len(mean), deltas)


def close(got: Tensor, wanted: Tensor) -> bool:
    assert wanted.std() > 0.03
    return float((got - wanted).abs().max()) < 1e-4 * max(1.0, float(wanted.abs().max()))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_says_the_same(tmp_path: Path, kind: str) -> None:
    parts = files.write_portraits(tmp_path / "a.pt", kind, KINDS[kind][1])
    found = read_foreign(tmp_path / "a.pt")
    assert found.encoder is not None and found.remarks == ()
    crop = torch.rand(2, 3, 256, 256) * 2 - 1
    got = found.encoder(crop, found.generator)
    assert got.shape == (2, spaces.rows(found.generator.dims), files.WIDTH)
    assert close(got, expected(parts, kind, crop, found.generator))


@torch.no_grad()
def test_options_may_be_a_namespace_and_rows_no_offsets(tmp_path: Path) -> None:
    parts = files.write_portraits(tmp_path / "a.pt", "Encoder4Editing")
    content = torch.load(tmp_path / "a.pt")
    options = argparse.Namespace(encoder_type="Encoder4Editing", start_from_latent_avg=False)
    torch.save(content | {"opts": options}, tmp_path / "a.pt")
    encoder = read_foreign(tmp_path / "a.pt").encoder
    assert encoder is not None and bool((encoder.mean == 0).all())
    crop = torch.rand(1, 3, 256, 256) * 2 - 1
    generator = read_foreign(tmp_path / "a.pt").generator
    wanted = expected(parts, "Encoder4Editing", crop, generator) - parts["latent_avg"]
    assert close(encoder(crop, generator), wanted)


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        dims = Dims(1024, 32768, 512, 512, 512, 8, True)
        state = PortraitEncoder(dims, PortraitDims()).state_dict()
    published = {
        "input_layer.0.weight": (64, 3, 3, 3),
        "input_layer.2.weight": (64,),
        "body.0.res_layer.1.weight": (64, 64, 3, 3),
        "body.3.shortcut_layer.0.weight": (128, 64, 1, 1),
        "body.3.shortcut_layer.1.running_var": (128,),
        "body.21.res_layer.3.weight": (512, 512, 3, 3),
        "body.23.res_layer.5.fc1.weight": (32, 512, 1, 1),
        "styles.2.convs.6.weight": (512, 512, 3, 3),
        "styles.6.convs.8.bias": (512,),
        "styles.17.convs.10.weight": (512, 512, 3, 3),
        "styles.17.linear.weight": (512, 512),
        "latlayer1.weight": (512, 256, 1, 1),
        "latlayer2.weight": (512, 128, 1, 1),
    }
    assert {name: tuple(state[name].shape) for name in published} == published
    for absent in ("body.24.", "styles.18.", "styles.2.convs.8.", "body.0.shortcut_layer"):
        assert not any(name.startswith(absent) for name in state)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"opts": {"encoder_type": "ResNetBackboneEncoder"}}, "ResNetBackboneEncoder"),
        ({"opts": {}}, "None"),
        ({"latent_avg": None}, "mean latent"),
        ({"latent_avg": torch.zeros(2 * files.WIDTH)}, "mean latent"),
        ({"input_layer.0.weight": torch.zeros(16, 19, 3, 3)}, "19 channels"),
        ({"body.4.res_layer.1.weight": torch.zeros(3, 3)}, "shape"),
        ({"styles.0.linear.bias": torch.full((files.WIDTH,), torch.nan)}, "NaN"),
        ({"latlayer2.weight": None}, "latlayer2"),
    ],
)
def test_an_encoder_that_is_not_known_is_left_out(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    files.write_portraits(tmp_path / "a.pt", "Encoder4Editing")
    content = torch.load(tmp_path / "a.pt")
    for name, value in change.items():
        place, key = (content, name)
        if name not in ("opts", "latent_avg"):
            place, key = content["state_dict"], f"encoder.{name}"
        place[key] = value
        if value is None:
            del place[key]
    torch.save(content, tmp_path / "a.pt")
    found = read_foreign(tmp_path / "a.pt")
    assert found.encoder is None and isinstance(found.generator, Generator)
    (remark,) = [r for r in found.remarks if "portrait encoder was left out" in r]
    assert words in remark


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`reenact ...` as a user runs it."""
    line = [sys.executable, "-m", "reenact", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300)


def test_import_says_what_reads_portraits_and_what_is_next(tmp_path: Path) -> None:
    files.write_portraits(tmp_path / "a.pt", "Encoder4Editing")
    done = command("import", tmp_path / "a.pt")
    assert done.returncode == 0, done.stderr
    written = tmp_path / "a" / "starter.safetensors"
    for words in ("portraits    e4e's encoder", f"python -m export --checkpoint {written}"):
        assert words in done.stdout
    with pytest.raises(UserError, match="reenact train --generator"):
        load_checkpoint(written)


@torch.no_grad()
@pytest.mark.parametrize(
    "kind", ["Encoder4Editing", pytest.param("ProgressiveBackboneEncoder", marks=pytest.mark.slow)]
)
def test_exported_portraits_encode(tmp_path: Path, kind: str) -> None:
    engines = pytest.importorskip("engines")
    pytest.importorskip("onnxscript")
    from export.__main__ import export

    parts = files.write_portraits(tmp_path / "a.pt", kind, KINDS[kind][1])
    found = read_foreign(tmp_path / "a.pt")
    save_generator(found.generator, tmp_path / "a.safetensors", {}, found.encoder)
    folder = tmp_path / "model"
    export(tmp_path / "a.safetensors", folder, "fp16")
    assert {p.name for p in folder.iterdir()} == {"encode_identity.onnx", "render.onnx"}
    crop = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3), np.uint8)
    pixels = torch.from_numpy(crop).permute(0, 3, 1, 2) / 127.5 - 1
    got = engines.load_engine(folder, "encode_identity", "onnxruntime")(crop)
    assert close(torch.from_numpy(got), expected(parts, kind, pixels, found.generator))
    assert engines.model_info(folder).crop == 256


@torch.no_grad()
def test_a_checkpoint_keeps_the_portrait_encoder(tmp_path: Path) -> None:
    files.write_portraits(tmp_path / "a.pt", "Encoder4Editing")
    path, crop = tmp_path / "a.safetensors", torch.rand(1, 3, 256, 256) * 2 - 1
    found = read_foreign(tmp_path / "a.pt")
    assert found.encoder is not None
    save_generator(found.generator, path, {"origin": "e4e"}, found.encoder)
    imported, info = load_imported(path, SMALL)
    assert imported.portrait_crop == 256 and info == {"origin": "e4e"}
    assert torch.equal(imported.identify(crop), found.encoder(crop, found.generator))
    assert torch.equal(load_generator(path)[0].w_avg, found.generator.w_avg)
    save_checkpoint(imported, tmp_path / "whole.safetensors", {})
    whole, _ = load_checkpoint(tmp_path / "whole.safetensors")
    assert whole.portrait == imported.portrait
    assert torch.allclose(whole.identify(crop), imported.identify(crop), atol=0.05)  # in fp16

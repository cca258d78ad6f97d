"""Checkpoints describe themselves, survive a round trip and refuse what is not ours."""

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

from reenact.checkpoint import fingerprint, load_checkpoint, save_checkpoint
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

DIMS = Dims(resolution=64, channel_base=256, channel_max=8, w_dim=8, z_dim=4, noise=True)
ENCODER = EncoderDims(crop=64, width=4, pyramid=8, submodule=4, embedding=4, motion=5, hidden=8)


@pytest.fixture
def puppeteer() -> Puppeteer:
    torch.manual_seed(0)
    made = Puppeteer(DIMS, ENCODER)
    made.generator.w_avg.normal_()
    return made


def test_round_trip(puppeteer: Puppeteer, tmp_path: Path) -> None:
    path, info = tmp_path / "a.safetensors", {"licence": "CC0", "step": 7}
    save_checkpoint(puppeteer, path, info)
    loaded, loaded_info = load_checkpoint(path)
    assert loaded_info == info
    assert (loaded.dims, loaded.encoder) == (DIMS, ENCODER)
    assert not loaded.training
    after = loaded.state_dict()
    for name, tensor in puppeteer.state_dict().items():
        assert after[name].dtype == tensor.dtype
        expected = tensor.half().float() if tensor.is_floating_point() else tensor
        assert torch.equal(after[name], expected), name
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_saving_leaves_the_live_weights_alone(puppeteer: Puppeteer, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in puppeteer.state_dict().items()}
    save_checkpoint(puppeteer, tmp_path / "a.safetensors", {})
    assert all(torch.equal(before[name], now) for name, now in puppeteer.state_dict().items())


def test_what_fp16_cannot_hold_is_kept(puppeteer: Puppeteer, tmp_path: Path) -> None:
    puppeteer.pyramid.stem[1].running_var.fill_(1e6)
    save_checkpoint(puppeteer, tmp_path / "a.safetensors", {})
    loaded, _ = load_checkpoint(tmp_path / "a.safetensors")
    assert (loaded.pyramid.stem[1].running_var == 1e6).all()


def test_fingerprint(puppeteer: Puppeteer, tmp_path: Path) -> None:
    save_checkpoint(puppeteer, tmp_path / "a.safetensors", {})
    before = fingerprint(puppeteer.generator)
    assert len(before) == 64 and int(before, 16)
    assert fingerprint(load_checkpoint(tmp_path / "a.safetensors")[0].generator) == before
    with torch.no_grad():
        puppeteer.pyramid.laterals[0].weight.add_(1)
        assert fingerprint(puppeteer.generator) == before  # the encoders are not the generator
        puppeteer.generator.affines.layers[3].weight.add_(1)
        assert fingerprint(puppeteer.generator) != before


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="there is no checkpoint"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 300, -100])
def test_cut_short(puppeteer: Puppeteer, tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.safetensors"
    save_checkpoint(puppeteer, path, {})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match="not a whole Reenact checkpoint"):
        load_checkpoint(path)


def test_foreign(tmp_path: Path) -> None:
    safetensors.save_file({"a": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(UserError, match="of another program"):
        load_checkpoint(tmp_path / "foreign.safetensors")
    torch.save({"a": torch.zeros(3)}, tmp_path / "pickle.pt")
    with pytest.raises(UserError, match="not a whole"):
        load_checkpoint(tmp_path / "pickle.pt")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "not a whole"),
        ("[]", "not a whole"),
        ({}, "not a whole"),
        ({"version": 99}, "format 99"),
        ({"version": 1, "dims": {"resolution": 100}, "encoder": {}}, "power of two"),
        ({"version": 1, "dims": {"size": 64}, "encoder": {}}, "not a whole"),
        ({"version": 1, "dims": {"resolution": 8}, "encoder": {}, "info": {}}, "not a whole"),
    ],
)
def test_header_that_does_not_fit(tmp_path: Path, header: object, message: str) -> None:
    text = header if isinstance(header, str) else json.dumps(header)
    path = tmp_path / "a.safetensors"
    safetensors.save_file({"a": torch.zeros(3)}, path, metadata={"reenact": text})
    with pytest.raises(UserError, match=message):
        load_checkpoint(path)


def test_unwritable(puppeteer: Puppeteer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot write"):
        save_checkpoint(puppeteer, tmp_path / "no" / "a.safetensors", {})
    assert not list(tmp_path.iterdir())

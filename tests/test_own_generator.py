"""Encoders for an imported generator: what is motion in it, what its own pictures and videos teach."""

import itertools
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')
pytest.importorskip("safetensors")
pytest.importorskip("numba", reason='needs numba: pip install -e ".[train]"')

import numpy as np  # noqa: E402
from torch import Tensor  # noqa: E402

import reenact  # noqa: E402
from reenact import spaces  # noqa: E402
from reenact.avatar import load_avatar  # noqa: E402
from reenact.checkpoint import (  # noqa: E402
    fingerprint,
    load_checkpoint,
    load_generator,
    save_checkpoint,
    save_generator,
)
from reenact.encoders import Deform, EncoderDims  # noqa: E402
from reenact.errors import UserError  # noqa: E402
from reenact.foreign_encoder import PortraitDims, PortraitEncoder  # noqa: E402
from reenact.generator import Generator  # noqa: E402
from reenact.hybrid import Puppeteer  # noqa: E402
from reenact.motion_basis import MotionBasis, load_basis, save_basis  # noqa: E402
from reenact.spaces import Dims  # noqa: E402
from reenact.train import run  # noqa: E402
from reenact.train.clips import Clips  # noqa: E402
from reenact.train.imported import ImportedStage, draw_pairs, leak  # noqa: E402
from reenact.train.motion_space import find_motion, plain, use_directions  # noqa: E402
from reenact.train.own_generator import clips_of, make_linear, train_own  # noqa: E402

DIMS = Dims(resolution=16, channel_base=128, channel_max=8, w_dim=6, z_dim=6, mapping_layers=1)
NAMES = ("red", "blue", "noise")
ENCODER = EncoderDims(64, width=4, pyramid=8, submodule=4, embedding=4, motion=3, hidden=16)
STEP = 1 / 60  # minutes: the clock of these tests ticks one second per step


@pytest.fixture(autouse=True)
def _same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    monkeypatch.setattr(run, "clock", itertools.count().__next__)


def generator() -> Generator:
    made = Generator(DIMS).eval().requires_grad_(False)
    made.synthesis.blocks[0].torgb.weight.mul_(3)  # the coarse colours say most
    return made


def read(pictures: Tensor) -> Tensor:
    """Two factors that a picture shows, and one that nothing does."""
    colours = pictures.mean((2, 3))
    return torch.stack([colours[:, 0], colours[:, 2], torch.randn(len(pictures))], 1)


@torch.no_grad()
def test_motion_is_found_and_taken_out_of_a_latent() -> None:
    made = generator()
    space = find_motion(made, read, NAMES, samples=400)
    assert space.shown.tolist() == [True, True, False]
    w = made.mapping(torch.randn(64, DIMS.z_dim))
    amounts, added = space.amounts(w), space.amounts(w) @ space.directions @ space.readings
    assert torch.allclose(added.std(0).norm(), amounts.std(0).norm(), rtol=0.2)  # as much motion
    assert torch.allclose(space.amounts(space.neutral(w)), torch.zeros(64, 3), atol=1e-4)
    weight, bias = space.part()
    assert torch.allclose(space.neutral(w), w - (w @ weight.T + bias), atol=1e-4)
    moved = read(plain(made, space.neutral(w) + space.directions[0]))
    before = read(plain(made, space.neutral(w)))
    change = (moved - before)[:, :2].mean(0)
    assert change[0] > 0.3 and change[0] > 2 * change[1].abs()


def test_a_generator_that_shows_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="no generator of faces"):
        find_motion(generator(), lambda pictures: torch.randn(len(pictures), 3), NAMES, 200)


def test_given_directions_replace_found_ones() -> None:
    space = find_motion(generator(), read, NAMES, samples=200)
    given, found = torch.randn(DIMS.w_dim), space.directions[1].clone()
    assert use_directions(space, {"blue": given}, NAMES) == ["blue"]
    direction = space.directions[1]
    assert torch.allclose(torch.cosine_similarity(direction, given, 0).abs(), torch.tensor(1.0))
    reading = space.readings[:, 1]
    assert torch.allclose(direction @ reading, found @ reading, atol=1e-4)
    with pytest.raises(UserError, match="red, blue, noise"):
        use_directions(space, {"yaw": given}, NAMES)
    with pytest.raises(UserError, match="does not change"):
        use_directions(space, {"noise": given}, NAMES)


@torch.no_grad()
def test_a_head_can_begin_linear() -> None:
    head, offsets = Deform(DIMS, ENCODER), torch.randn(3, spaces.deformation_count(DIMS))
    make_linear(head, offsets)
    code = torch.randn(5, 3)
    assert torch.allclose(head(code), code @ offsets, atol=1e-4)
    with pytest.raises(ValueError, match="16 hidden units"):
        make_linear(head, torch.randn(9, spaces.deformation_count(DIMS)))


def test_leak_is_who_over_what() -> None:
    what = torch.randn(1, 8, 2).expand(4, -1, -1)
    assert leak(what) == 0
    assert leak(what + 10 * torch.randn(4, 1, 2)) > 3


def stage(folder: Path, minutes: float, portrait: PortraitDims | None = None) -> ImportedStage:
    torch.manual_seed(0)
    model = Puppeteer(DIMS, ENCODER, portrait).eval()
    model.generator.load_state_dict(generator().state_dict())
    space = find_motion(model.generator, read, NAMES, samples=200)
    frames = np.random.default_rng(0).integers(0, 256, (18, 256, 256, 3), np.uint8)
    clips = Clips(frames, np.repeat([0, 1], 9), np.repeat([0, 1, 2], 6), ("a", "b"), 256)
    return ImportedStage(model, space, folder, minutes, clips, batch=4)


@pytest.mark.parametrize("portrait", [None, PortraitDims(width=16)])
def test_the_stage_teaches_encoders_and_leaves_the_generator(
    tmp_path: Path, portrait: PortraitDims | None
) -> None:
    """Ten steps, the second half with videos; goes on where it stopped; imported encoders stay."""
    first = stage(tmp_path, 6 * STEP, portrait)
    before = {name: tensor.clone() for name, tensor in first.model.state_dict().items()}
    first.train()
    again = stage(tmp_path, 10 * STEP, portrait)
    assert again.run.step == 6
    again.train()
    assert again.run.step == 10 and {"factor", "clip pixel"} <= set(again.numbers.values)
    now = again.model.state_dict()
    changed = {name.split(".")[0] for name in before if not before[name].equal(now[name])}
    own = {"identity_encoder"} if portrait is None else set()
    assert changed == {"pyramid", "deformation_encoder", "deform_head"} | own
    assert list(tmp_path.glob("imported_*.png"))


@torch.no_grad()
def test_the_last_layer_begins_as_the_best_one(tmp_path: Path) -> None:
    made = stage(tmp_path, 0)

    def error() -> float:
        torch.manual_seed(5)
        w, amounts = made.latents(64)
        seen = made.view(made.draw(made.expand(w), amounts @ made.steps_of_motion))
        return float((made.model.motion(seen) - amounts).square().mean())

    before = error()
    made.settle(200)
    assert error() < 0.9 * before


@torch.no_grad()
def test_an_imported_encoder_leaves_the_portraits_own_motion_out(tmp_path: Path) -> None:
    made = stage(tmp_path, 0, PortraitDims(width=16))
    encoder = made.model.identity_encoder
    assert isinstance(encoder, PortraitEncoder)
    w_id = encoder(torch.rand(2, 3, 256, 256) * 2 - 1, made.model.generator)
    amounts = made.space.amounts(w_id[:, : encoder.deformed].mean(1))
    assert torch.allclose(amounts, torch.zeros_like(amounts), atol=1e-3)


def options(folder: Path, **changed: object) -> Namespace:
    """A command line, with a random starter and a random generator."""
    torch.manual_seed(1)
    names = tuple(f"factor {k}" for k in range(3))
    starter = Puppeteer(DIMS, ENCODER).eval()
    for module in starter.deformation_encoder.modules():  # so that it reads something
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight)
    save_checkpoint(starter, folder / "starter.safetensors", {})
    wide, count = spaces.deformation_count(DIMS), len(names)
    save_basis(
        MotionBasis(
            names,
            *(np.zeros((count, wide), np.float32) for _ in range(2)),
            np.tile(np.array([-1, 1], np.float32), (count, 1)),
            "00",
        ),
        folder / "motion.basis",
    )
    made = generator()
    made.w_avg.normal_()
    save_generator(made, folder / "own.safetensors", {"license": "mine"})
    words = {
        "generator": folder / "own.safetensors",
        "start": folder / "starter.safetensors",
        "folder": folder / "run",
        "to": folder / "model",
        "videos": None,
        "minutes": 2 * STEP,
        "batch": 4,
        "samples": 300,
        "directions": [],
        "threads": 1,
    }
    return Namespace(**words | changed)


def test_the_command_writes_a_model_folder(tmp_path: Path) -> None:
    chosen = options(tmp_path)
    train_own(chosen)
    model, info = load_checkpoint(tmp_path / "model" / "starter.safetensors")
    whose = fingerprint(load_generator(chosen.generator)[0])
    assert fingerprint(model.generator) == whose and info["license"] == "mine"
    assert load_basis(tmp_path / "model" / "motion.basis").fingerprint == whose
    avatar = load_avatar(tmp_path / "model" / "avatars" / "drawn_1.avatar")
    assert avatar.fingerprint == whose and avatar.licence == "mine"
    assert info["steps"] == {"imported": 2} and set(info["held out"]) >= {"correlation", "leak"}


def test_videos_are_cut_once(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    cut = tmp_path / "cut"
    with pytest.raises(UserError, match="no video"):
        clips_of(tmp_path / "videos", cut)
    shutil.copy(Path(reenact.__file__).parent / "starter" / "demo.mp4", tmp_path / "videos")
    clips = clips_of(tmp_path / "videos", cut)
    times = [file.stat().st_mtime_ns for file in cut.rglob("*")]
    assert len(clips_of(tmp_path / "videos", cut).video) == len(clips.video) > 8
    assert [file.stat().st_mtime_ns for file in cut.rglob("*")] == times
    first, second = draw_pairs(clips, 3)
    assert first.shape == (3, 3, 256, 256) and not first.equal(second)


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    chosen = options(tmp_path, minutes=0.02)
    words = [
        f"--{name}={getattr(chosen, name)}" for name in ("generator", "start", "to", "minutes")
    ]
    words += [f"--run={chosen.folder}", "--batch=4", "--samples=300"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", "--", "reenact", "train", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("written") == 1
    load_checkpoint(tmp_path / "model" / "starter.safetensors")

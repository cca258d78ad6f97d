"""Own clips as data: cut from a real file, learnt from without known factors, written as a model."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')
pytest.importorskip("scipy", reason='needs scipy: pip install -e ".[train]"')

from reenact.avatar import load_avatar  # noqa: E402
from reenact.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from reenact.encoders import EncoderDims  # noqa: E402
from reenact.errors import UserError  # noqa: E402
from reenact.hybrid import Puppeteer  # noqa: E402
from reenact.motion_basis import FILE, save_basis  # noqa: E402
from reenact.spaces import Dims  # noqa: E402
from reenact.talking_heads.motion import FACTORS  # noqa: E402
from reenact.train import losses, run  # noqa: E402
from reenact.train.adapt import AdaptStage, write_adapted  # noqa: E402
from reenact.train.clips import Clips, load_clips, runs, write_clips  # noqa: E402
from reenact.train.configuration import DEFAULT  # noqa: E402
from reenact.train.data import load_frames  # noqa: E402
from reenact.train.starter import usual_basis  # noqa: E402

DEMO = Path(__file__).parents[1] / "reenact" / "starter" / "demo.mp4"
DIMS = Dims(resolution=64, channel_base=512, channel_max=16, w_dim=16)
ENCODER = EncoderDims(crop=64, width=8, pyramid=16, submodule=8, motion=len(FACTORS), hidden=32)
STEP = 1 / 60  # minutes: the clock of these tests ticks one second per step


@pytest.fixture(autouse=True)
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "clock", itertools.count(0.0, 1.0).__next__)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo driver's clips."""
    videos, out = tmp_path_factory.mktemp("videos"), tmp_path_factory.mktemp("clips")
    shutil.copy(DEMO, videos / "someone.mp4")
    (videos / "notes.txt").write_text("not a video")
    ((name, count),) = write_clips(videos, out, 64)
    assert name == "someone.mp4" and count >= 3
    return out


@pytest.fixture
def clips(folder: Path) -> Clips:
    return load_clips(folder)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = Puppeteer(DIMS, ENCODER).eval()
    save_checkpoint(model, tmp_path / "earlier.safetensors", {"license": "a test"})
    save_basis(usual_basis(model), tmp_path / FILE)
    return tmp_path / "earlier.safetensors"


def test_clips_are_faces_of_one_video_in_order(clips: Clips) -> None:
    assert clips.names == ("someone.mp4",) and not clips.video.any()
    assert len(np.unique(clips.clip)) >= 3
    for clip in np.unique(clips.clip):
        rows = clips.rows(int(clip))
        assert len(rows) >= 4
        pictures = np.asarray(clips.frames[rows], np.float32)
        assert pictures.shape[1:] == (64, 64, 3)
        steps = np.abs(np.diff(pictures, axis=0)).mean((1, 2, 3))
        assert steps.max() < np.abs(pictures[0] - pictures.mean()).mean()  # a face, held steadily


def test_a_gap_ends_a_clip_and_short_ones_are_left_out() -> None:
    face = np.zeros((2, 2, 3), np.uint8)
    seen = [face] * 5 + [None] + [face] * 3 + [None] + [face] * 28
    assert [len(run) for run in runs(iter(seen))] == [5, 24, 4]


def test_folders_that_will_not_do_are_refused(tmp_path: Path, folder: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match="no video"):
        list(write_clips(empty, tmp_path / "out", 64))
    with pytest.raises(UserError, match="not empty"):
        list(write_clips(DEMO.parent, folder, 64))
    with pytest.raises(UserError, match="factors"):
        load_frames(folder)  # clips where rendered people belong


def test_learning_from_clips(clips: Clips, start: Path, tmp_path: Path) -> None:
    settings = replace(DEFAULT, clip_rate=2e-3, clip_generator_rate=4e-3)

    def stage(minutes: float) -> AdaptStage:
        return AdaptStage(clips, start, tmp_path / "run", minutes, settings)

    def error(model: AdaptStage) -> float:
        rows = clips.rows(0)[:1], clips.rows(0)[-1:]
        return float((model.redraw(*rows) - model.pictures(rows[1])).abs().mean())

    trained = stage(40 * STEP)
    before = error(trained)
    trained.train()
    assert error(trained) < 0.7 * before
    again = stage(40 * STEP)
    assert again.run.step == trained.run.step and error(again) == error(trained)
    write_adapted(again, tmp_path / "mine")
    model, info = load_checkpoint(tmp_path / "mine" / "starter.safetensors")
    assert info["configuration"]["clip_rate"] == 2e-3 and model.dims == DIMS
    assert load_avatar(tmp_path / "mine" / "avatars" / "someone.avatar").name == "someone"


def test_generator_stays_where_asked(clips: Clips, start: Path, tmp_path: Path) -> None:
    settings = replace(DEFAULT, clip_generator_rate=0.0)
    stage = AdaptStage(clips, start, tmp_path / "run", 3 * STEP, settings)
    before = {k: v.clone() for k, v in stage.model.state_dict().items()}
    stage.train()
    after = stage.model.state_dict()
    changed = {name.split(".")[0] for name in before if not after[name].equal(before[name])}
    assert changed == {"pyramid", "identity_encoder", "deformation_encoder", "deform_head"}


def test_clips_of_another_size_are_refused(clips: Clips, start: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--size 64"):
        AdaptStage(replace(clips, size=128), start, tmp_path, 0, DEFAULT)


def test_consistency_is_relative_and_the_oval_counts_most() -> None:
    torch.manual_seed(0)
    w = torch.randn(8, 4, 16)
    near, far = losses.consistency(w, w + 0.1), losses.consistency(w, w.roll(1, 0))
    assert float(near) < 0.05 < 1 < float(far)
    assert float(losses.consistency(10 * w, 10 * (w + 0.1))) == pytest.approx(float(near), rel=1e-4)
    weight = losses.oval_weights(torch.zeros(2, 3, 64, 64))
    assert weight.shape == (2, 1, 64, 64)
    assert float(weight[0, 0, 32, 32]) == 1.5 and float(weight[0, 0, 0, 0]) == 0.5

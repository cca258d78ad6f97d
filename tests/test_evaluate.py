"""Evaluation: each figure on cases whose answer is known, and the whole command on a model of a few weights."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')
pytest.importorskip("numba", reason='needs numba: pip install -e ".[train]"')

from test_train import DIMS, ENCODER, blobs  # noqa: E402

from reenact.avatar import save_avatar  # noqa: E402
from reenact.checkpoint import fingerprint, save_checkpoint  # noqa: E402
from reenact.edits import Edit, save_edit  # noqa: E402
from reenact.errors import UserError  # noqa: E402
from reenact.evaluate import drivers, leakage, perceptual, report, witness_training  # noqa: E402
from reenact.evaluate.__main__ import check_size, main  # noqa: E402
from reenact.evaluate.edits import trait_of  # noqa: E402
from reenact.evaluate.material import Material, load_material, portraits_plan  # noqa: E402
from reenact.evaluate.model import Model, load_model  # noqa: E402
from reenact.evaluate.pictures import likeness, ssim_map  # noqa: E402
from reenact.evaluate.read import Readings  # noqa: E402
from reenact.evaluate.reenactment import correlation_in_clips  # noqa: E402
from reenact.evaluate.witness import Witness, load_witness, look, save_witness  # noqa: E402
from reenact.hybrid import Puppeteer  # noqa: E402
from reenact.motion_basis import FILE, save_basis  # noqa: E402
from reenact.talking_heads.motion import FACTORS  # noqa: E402
from reenact.train.basis import motion_basis  # noqa: E402
from reenact.train.starter import make_avatar  # noqa: E402


def test_likeness_of_known_errors_counts_the_face_alone() -> None:
    truth = np.full((1, 32, 32, 3), 100, np.uint8)
    picture = truth + np.uint8(10)
    where = np.ones((1, 32, 32), bool)
    found = likeness(picture, truth, where)
    assert found.l1[0] == pytest.approx(10)
    assert found.psnr[0] == pytest.approx(10 * np.log10(255**2 / 100), abs=1e-3)
    c1 = (0.01 * 255) ** 2  # of two plain pictures only the luminance term of SSIM is left
    assert found.ssim[0] == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1), abs=1e-4)
    where[:, :, 16:] = False
    picture[:, :, 16:] = 0
    assert likeness(picture, truth, where).l1[0] == pytest.approx(10)


def test_structure_that_is_inverted_is_unlike() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    assert ssim_map(noise, noise).min() > 0.999
    assert ssim_map(noise, 255 - noise).mean() < -0.8


def readings_of(s_f: np.ndarray) -> Readings:
    return Readings(np.zeros((len(s_f), 2, 5, 3), np.float32), s_f, np.zeros((2, 4, 3), np.float32))


def test_leak_ratio_tells_a_motion_code_from_an_identity_code() -> None:
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(4, 1, 2, 12, 8)).repeat(2, 1).reshape(8, 2, 12, 8)
    person = rng.normal(size=(8, 1, 1, 8))
    code = (motion + 0.01 * person).astype(np.float32)
    good = leakage.deformations(readings_of(code))
    assert good["leak_ratio"] < 0.02 and good["retrieval"] == 1
    bad = leakage.deformations(readings_of((0.01 * motion + person).astype(np.float32)))
    assert bad["leak_ratio"] > 10
    assert good["retrieval_by_chance"] == pytest.approx(1 / 24)


def test_correlation_forgets_what_a_clip_has_in_common() -> None:
    rng = np.random.default_rng(0)
    motion = rng.normal(size=(3, 12, 2)).astype(np.float32)
    offset = 100 * rng.normal(size=(3, 1, 2)).astype(np.float32)
    assert correlation_in_clips(2 * motion + offset, motion) == pytest.approx(1, abs=1e-3)
    assert correlation_in_clips(-motion, motion) == pytest.approx(-1, abs=1e-3)


def test_verification_figures() -> None:
    near, far = np.linspace(0.0, 0.4, 50), np.linspace(0.6, 1.0, 80)
    assert witness_training.area_under_curve(near, far) == 1
    assert witness_training.equal_error_rate(near, far) == 0
    same = np.random.default_rng(0).normal(size=4000)
    assert witness_training.area_under_curve(same, same[::-1]) == pytest.approx(0.5, abs=0.01)
    assert witness_training.equal_error_rate(same, same) == pytest.approx(0.5, abs=0.01)


def test_contrast_falls_when_a_person_s_pictures_come_together() -> None:
    person = torch.arange(4).repeat_interleave(2)
    together = torch.nn.functional.one_hot(person, 8).float()
    torch.manual_seed(0)
    anywhere = torch.nn.functional.normalize(torch.randn(8, 8))
    assert witness_training.contrast(together, person) < 0.1
    assert witness_training.contrast(anywhere, person) > 1


def test_witness_learns_and_is_kept(tmp_path: Path) -> None:
    blobs(tmp_path / "people", 6, 2, 128, camera=True)
    school = witness_training.load_school(tmp_path / "people", lambda share: None)
    assert len(school.pictures) == 48
    seen: list[float] = []
    witness = witness_training.train_witness(school, 0.02, lambda spent, losses: seen.append(spent))
    assert seen[-1] == 1
    save_witness(witness, tmp_path / "w.safetensors", {"minutes": 0.02})
    again, info = load_witness(tmp_path / "w.safetensors")
    assert info == {"minutes": 0.02}
    before, after = (look(w, school.pictures[:4]) for w in (witness, again))
    assert np.abs(before.identity - after.identity).max() < 0.01
    assert np.linalg.norm(after.identity, axis=-1) == pytest.approx(1, abs=1e-3)


def test_no_witness_says_how_to_train_one(tmp_path: Path) -> None:
    for write in (False, True):
        if write:
            (tmp_path / "w").write_bytes(b"nothing")
        with pytest.raises(UserError, match="evaluate witness"):
            load_witness(tmp_path / "w")


def test_frechet_distance_of_known_gaussians() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 3))
    assert perceptual.frechet(features, features) == pytest.approx(0, abs=1e-6)
    assert perceptual.frechet(features, features + (3, 0, 4)) == pytest.approx(25)
    wide = perceptual.frechet(
        features, 3 * features
    )  # deviations 1 and 3: (3 - 1)^2 along each axis
    assert wide == pytest.approx(4 * np.var(features, 0).sum(), rel=0.02)


class Network(torch.nn.Module):
    """Stands where Inception, VGG and I3D do; its words are theirs."""

    def forward(
        self,
        x: torch.Tensor,
        return_features: bool = False,
        resize_images: bool = True,
        return_lpips: bool = False,
        rescale: bool = False,
        resize: bool = False,
    ) -> torch.Tensor:
        scaled = x / 255 if return_lpips or rescale else x
        return scaled.flatten(2).mean(2)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_perceptual_measures_run_torchscript(tmp_path: Path) -> None:
    torch.jit.script(Network()).save(str(tmp_path / "net.pt"))
    network = perceptual.Features(tmp_path / "net.pt")
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 200, (20, 8, 8, 3), np.uint8)
    pictures = truth + np.uint8(51)
    assert perceptual.lpips(network, pictures, truth) == pytest.approx(3 * 0.2**2, rel=1e-4)
    assert perceptual.fid(network, pictures, truth) == pytest.approx(3 * 51**2, rel=1e-3)
    videos = truth.reshape(5, 4, 8, 8, 3)
    assert perceptual.fvd(network, videos, videos) == pytest.approx(0, abs=1e-4)
    with pytest.raises(UserError, match="TorchScript"):
        perceptual.Features(tmp_path / "no.pt")


def test_edits_find_their_trait_under_any_spelling() -> None:
    def named(name: str) -> Edit:
        return Edit(name, np.zeros(1, np.float32), np.array([0, 1], np.float32), "", "")

    assert trait_of(named("Hair_color")) == "hair colour"
    assert trait_of(named("makeup")) == "make-up"
    assert trait_of(named("pose")) is None


def test_mean_over_drivers_leaves_out_what_does_not_move() -> None:
    still = {"rho_pose": None, "rho_face": 0.4, "seen": 1.0, "jitter": 1.0}
    moving = {"rho_pose": 0.8, "rho_face": 0.6, "seen": 1.0, "jitter": 2.0}
    found = drivers.mean_of([still, moving])
    assert found == pytest.approx({"rho_pose": 0.8, "rho_face": 0.5, "seen": 1.0, "jitter": 1.5})


def test_a_folder_without_videos_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no .mp4"):
        drivers.find_drivers(tmp_path)


def test_people_of_the_plan_move_in_pairs_and_appear_twice() -> None:
    jobs = portraits_plan(people=4).jobs
    assert [job.motion for job in jobs[0:2]] == [job.motion for job in jobs[2:4]]
    assert jobs[0].motion != jobs[1].motion != jobs[4].motion
    assert jobs[0].person == jobs[1].person != jobs[2].person
    assert "light" in jobs[0].wish and not jobs[1].wish


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A model folder with untrained networks, two avatars and an edit; test people; a witness."""
    torch.manual_seed(0)
    (tmp_path / "test").mkdir()
    blobs(tmp_path / "test" / "portraits", 4, 2, 128, camera=True, clip=12)
    blobs(tmp_path / "test" / "videos", 2, 1, 128, camera=True)
    save_witness(Witness(), tmp_path / "w.safetensors", {})
    model, folder = Puppeteer(DIMS, ENCODER).eval(), tmp_path / "tiny"
    for part in ("avatars", "edits"):
        (folder / part).mkdir(parents=True)
    save_checkpoint(model, folder / "starter.safetensors", {})
    motion = np.random.default_rng(0).normal(size=(200, len(FACTORS))).astype(np.float32)
    save_basis(motion_basis(model, motion, FACTORS), folder / FILE)
    for name in ("one", "two"):
        latent = torch.randn(12, DIMS.w_dim).numpy()
        save_avatar(make_avatar(model, name, latent), folder / "avatars" / f"{name}.avatar")
    styles = np.ones(model.generator.identity_styles(torch.zeros(1, 12, 16)).shape[1], np.float32)
    mark, limits = fingerprint(model.generator), np.array([-1, 1], np.float32)
    save_edit(Edit("beard", styles, limits, mark, "CC0"), folder / "edits" / "beard.edit")
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, words)])
    return main()


def test_the_command_measures_and_draws(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny.parent
    common = ("--people", root / "test", "--witness", root / "w.safetensors")
    shown = ("--json", root / "figures.json", "--sheets", root / "sheets")
    assert call(monkeypatch, "model", tiny, *common, *shown) == 0
    figures = json.loads((root / "figures.json").read_text())["models"]["tiny"]
    same = figures["same identity, studio"]
    assert 0 < same["psnr"] < 40 and 0 < same["l1"] < 255
    assert figures["a still picture"]["psnr"] > 0
    assert figures["leakage"]["swap_ratio"] > 0 < figures["leakage"]["clean_swap_ratio"]
    beard = figures["edits"]["beard"]
    assert set(beard["full"]) == {"moved", "amount", "distance", "ratio"}
    assert beard["full"]["distance"] > beard["half"]["distance"] > 0
    text = capsys.readouterr().out
    assert "area under the curve" in text and "glasses" in text
    assert "PSNR on the face" in text and "beard" in text and "0.915" in text
    drawn = {file.stem for file in (root / "sheets").glob("*.png")}
    assert drawn == {"people", "same_identity", "robustness", "edits"}


def test_two_models_stand_side_by_side() -> None:
    one = {"S_F": {"leak_ratio": 0.2}, "edits": {}}
    text = report.table(["new", "old"], [one, {"S_F": {"leak_ratio": 4.8}}])
    assert "| leak ratio of S_F | 0.200 | 4.800 | < 1 |" in text
    assert "PSNR" not in text


def test_mistakes_are_named(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tiny.parent
    common = ("--witness", root / "w.safetensors")
    assert call(monkeypatch, "model", tiny, *common, "--people", root / "no") == 2
    assert "reenact.evaluate people" in capsys.readouterr().err
    assert call(monkeypatch, "model", tiny, *common, "--people", root, "--drivers", root) == 2
    assert "--mesh" in capsys.readouterr().err
    assert load_material(root / "test").rows.shape == (4, 2, 12)
    assert len(load_model(tiny).avatars) == 2


def test_a_model_of_another_size_than_the_test_people_is_refused(tmp_path: Path) -> None:
    model = Model(tmp_path, Puppeteer(DIMS, ENCODER), None, (), (), "")  # type: ignore[arg-type]
    rows = np.zeros((1, 2, 1), np.intp)
    for size in (DIMS.resolution, 64):
        people = blobs(tmp_path / str(size), 2, 1, size)
        if size == DIMS.resolution:
            check_size(model, Material(people, rows, people, rows[0]))
            continue
        with pytest.raises(UserError, match="draws 128 px and the test people have 64 px"):
            check_size(model, Material(people, rows, people, rows[0]))

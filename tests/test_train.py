"""Training: what each stage learns, that it resumes, that augmentation and labels agree."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs torch: pip install -e ".[train]"')
pytest.importorskip("numba", reason='needs numba: pip install -e ".[train]"')

from reenact import spaces  # noqa: E402
from reenact.encoders import EncoderDims  # noqa: E402
from reenact.errors import UserError  # noqa: E402
from reenact.hybrid import Puppeteer  # noqa: E402
from reenact.spaces import Dims  # noqa: E402
from reenact.talking_heads import stream  # noqa: E402
from reenact.talking_heads.clip import Clip  # noqa: E402
from reenact.talking_heads.dataset import Form, Job, Plan, describe  # noqa: E402
from reenact.talking_heads.motion import FACTORS  # noqa: E402
from reenact.talking_heads.shards import pack_shard, save_clip  # noqa: E402
from reenact.train import augment, data, losses, run  # noqa: E402
from reenact.train.basis import motion_basis  # noqa: E402
from reenact.train.configuration import Configuration, Phase  # noqa: E402
from reenact.train.data import Frames, Resident, load_frames, pair_index  # noqa: E402
from reenact.train.edits import learned_edits, styles_of  # noqa: E402
from reenact.train.encoder import EncoderStage, correlation, importance  # noqa: E402
from reenact.train.generator import (  # noqa: E402
    WINDOW_LEVEL,
    GeneratorStage,
    crop_weight,
    face_window,
)
from reenact.train.join import JoinStage  # noqa: E402
from reenact.train.replay import Replay  # noqa: E402
from reenact.train.starter import write_starter  # noqa: E402

DIMS = Dims(resolution=128, channel_base=512, channel_max=16, w_dim=16)
ENCODER = EncoderDims(crop=64, width=8, pyramid=16, submodule=8, motion=len(FACTORS), hidden=32)
SMALL = Configuration(DIMS, ENCODER)
STEP = 1 / 60  # minutes: the clock of these tests ticks one second per step


def blobs(
    folder: Path, people: int, motions: int, size: int, camera: bool = False, clip: int = 8
) -> Frames:
    """A data set of discs: the person is the disc's colour, yaw and pitch are its place."""
    rng = np.random.default_rng(0)
    factors = np.zeros((people, motions, clip, len(FACTORS)), np.float32)
    yaw, pitch = FACTORS.index("head yaw"), FACTORS.index("head pitch")
    factors[..., [yaw, pitch]] = rng.uniform(-0.6, 0.6, (1, motions, clip, 2))
    person = np.repeat(np.arange(people), motions * clip)
    factors = factors.reshape(-1, len(FACTORS))
    grid = (np.arange(size) + 0.5) / size * 2 - 1
    distance = np.hypot(
        grid[None, None, :] - factors[:, yaw, None, None],
        grid[None, :, None] - factors[:, pitch, None, None],
    )
    disc = distance < 0.4
    colour = rng.integers(60, 255, (people, 3))[person]
    frames = (disc[..., None] * colour[:, None, None]).astype(np.uint8)
    labels = (2 * disc).astype(np.uint8)
    form = Form(clip, size, camera=camera)
    jobs = tuple(Job(p, m, {}) for p in range(people) for m in range(motions))
    files = [folder / f"{k}.npz" for k in range(len(jobs))]
    folder.mkdir()
    for k, (file, job) in enumerate(zip(files, jobs, strict=True)):
        rows = slice(k * clip, (k + 1) * clip)
        filmed = 255 - frames[rows] if camera else None
        points = np.zeros((clip, 3, 2), np.float32)
        arrays = (frames[rows], filmed, labels[rows] // 2 * 255, labels[rows], factors[rows])
        save_clip(
            file,
            Clip(*arrays, points, {"person": {"colour": colour[k * clip].tolist()}}),
            job.person,
            job.motion,
        )
    pack_shard(files, folder / "00000")
    description = {**describe(Plan(jobs, form)), "complete": True}
    (folder / "dataset.json").write_text(json.dumps(description))
    return load_frames(folder)


@pytest.fixture(autouse=True)
def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "clock", itertools.count(0.0, 1.0).__next__)


@pytest.fixture
def avatars(tmp_path: Path) -> Frames:
    return blobs(tmp_path / "avatars", 2, 3, 128)


@pytest.fixture
def people(tmp_path: Path) -> Frames:
    return blobs(tmp_path / "people", 6, 3, 128)


def test_generator_stage_learns_and_goes_on(
    avatars: Frames, people: Frames, tmp_path: Path
) -> None:
    stage = GeneratorStage(avatars, people, tmp_path / "run", 60 * STEP, SMALL)
    index = np.arange(8)

    def error() -> float:
        batch = stage.batch(avatars, index)
        with torch.no_grad():
            out = stage.model(batch.avatar, batch.look, batch.motion)
            return float(losses.pixel(out, batch.picture, batch.weight))

    before = error()
    stage.train()
    assert error() < 0.5 * before
    again = GeneratorStage(avatars, people, tmp_path / "run", 60 * STEP, SMALL)
    assert again.run.step == stage.run.step > 0
    assert torch.equal(again.model.identities(), stage.model.identities())


def test_stages_join_into_a_starter(avatars: Frames, people: Frames, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    for stage in (GeneratorStage(avatars, people, folder, 4 * STEP, SMALL),
                  EncoderStage(people, folder, 4 * STEP, SMALL)):  # fmt: skip
        stage.train()
    generator = GeneratorStage(avatars, people, folder, 0, SMALL)
    encoder = EncoderStage(people, folder, 0, SMALL)
    join = JoinStage(generator, encoder, folder, 8 * STEP)
    before = {k: v.clone() for k, v in join.model.state_dict().items()}
    join.train()
    changed = {
        k.split(".")[0] for k, v in join.model.state_dict().items() if not v.equal(before[k])
    }
    assert changed == {"pyramid", "identity_encoder", "deformation_encoder"}
    for stage_name in ("generator", "encoder", "join"):
        assert list(folder.glob(f"{stage_name}_*.png")), stage_name
    write_starter(join, tmp_path / "starter")
    assert (tmp_path / "starter" / "starter.safetensors").exists()
    assert len(list((tmp_path / "starter" / "avatars").glob("*.avatar"))) == 2
    assert (tmp_path / "starter" / "edits" / "smile.edit").exists()


def test_adversary_judges_the_last_phase(avatars: Frames, people: Frames, tmp_path: Path) -> None:
    judged = replace(SMALL, phases=(Phase(0.0, 128, 4, 2, adversarial=0.1),), windows=False)
    stage = GeneratorStage(avatars, people, tmp_path / "run", 3 * STEP, judged)
    before = [p.clone() for p in stage.adversary.network.parameters()]
    stage.train()
    assert {"judged", "adversary"} <= set(stage.numbers.values)
    after = stage.adversary.network.parameters()
    assert not any(torch.equal(p, q) for p, q in zip(before, after, strict=True))


def test_edits_follow_the_traits_that_people_differ_in() -> None:
    rng = np.random.default_rng(0)
    model = Puppeteer(DIMS, ENCODER)
    ages, beards = rng.uniform(0, 1, (2, 60))
    looks = [
        {"person.age": a, "person.beard": b, "person.gender": rng.random(), "person.weight": rng.random(),
         "person.look.melanin": rng.random(), "person.hair_rgb.0": rng.random(),
         "person.look.blush": rng.random(), **({"person.glasses.width": 1.0} if k % 3 else {})}
        for k, (a, b) in enumerate(zip(ages, beards, strict=True))
    ]  # fmt: skip
    w = rng.normal(size=(3, spaces.rows(DIMS), DIMS.w_dim)).astype(np.float32)
    latents = w[0] + ages[:, None, None] * w[1] + beards[:, None, None] * w[2]
    motion = rng.normal(size=(200, len(FACTORS))).astype(np.float32)
    basis = motion_basis(model, motion, FACTORS)
    edits = learned_edits(model, latents.astype(np.float32), looks, basis)
    found = {edit.name: edit for edit in edits}
    for name, direction, spread in (("age", w[1], ages.std()), ("beard", w[2], beards.std())):
        wanted = styles_of(model, (direction * spread).astype(np.float32))
        assert np.allclose(found[name].styles, wanted, atol=0.02 * np.abs(wanted).max()), name
    others = [found[name] for name in ("weight", "skin tone", "glasses")]
    assert all(np.abs(edit.styles).max() < 0.02 for edit in others)
    assert list(found)[-1] == "smile" and np.flatnonzero(found["smile"].styles).size > 0


def test_joining_untrained_stages_says_what_to_train(
    avatars: Frames, people: Frames, tmp_path: Path
) -> None:
    generator = GeneratorStage(avatars, people, tmp_path, 0, SMALL)
    encoder = EncoderStage(people, tmp_path, 0, SMALL)
    with pytest.raises(UserError, match="reenact.train generator"):
        JoinStage(generator, encoder, tmp_path, STEP)


def test_data_sets_of_two_sizes_are_refused(avatars: Frames, tmp_path: Path) -> None:
    small = blobs(tmp_path / "small", 2, 1, 64)
    with pytest.raises(UserError, match=r"128 px, the people's 64"):
        GeneratorStage(avatars, small, tmp_path, STEP, SMALL)


def test_damaged_snapshot_is_named(avatars: Frames, people: Frames, tmp_path: Path) -> None:
    (tmp_path / "generator.pt").write_bytes(b"not a snapshot")
    with pytest.raises(UserError, match="generator.pt"):
        GeneratorStage(avatars, people, tmp_path, STEP, SMALL)


def test_missing_data_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="talking_heads dataset"):
        load_frames(tmp_path)


def test_encoder_sees_the_cameras_pictures_where_there_are_any(
    people: Frames, tmp_path: Path
) -> None:
    filmed, index = blobs(tmp_path / "filmed", 2, 1, 64, camera=True), np.arange(4)
    torch.manual_seed(0)
    seen, turn = data.seen(filmed, index, 64, roll=0.0)
    assert seen.shape == (4, 3, 64, 64) and not turn.any()
    assert float(seen.mean()) > 0.3 > float(data.pictures(filmed, index).mean())  # it inverts
    assert data.seen(people, index, 64)[0].shape == (4, 3, 64, 64)  # imitated


def test_data_of_other_factors_is_refused(people: Frames, tmp_path: Path) -> None:
    file = tmp_path / "people" / "dataset.json"
    description = json.loads(file.read_text())
    file.write_text(json.dumps({**description, "factors": ["smile"]}))
    with pytest.raises(UserError, match="factors"):
        load_frames(file.parent)


def test_pairs_share_motion_and_time(avatars: Frames, people: Frames) -> None:
    pairs = pair_index(avatars, people)
    assert (pairs >= 0).all()
    for a in range(2):
        assert np.array_equal(avatars.factors[pairs[a]], people.factors)
        assert (avatars.person[pairs[a]] == a).all()


def test_turned_window_turns_the_head_counter_clockwise() -> None:
    picture = torch.zeros(64, 1, 65, 65)
    picture[:, :, 30:35, 50:63] = 1.0  # a bar to the right of the centre
    torch.manual_seed(0)
    turned, angle = augment.jitter_window(picture, roll=0.3)
    y = torch.linspace(-1, 1, 65)[None, None, :, None]
    height = (turned * y).sum((1, 2, 3)) / turned.sum((1, 2, 3)).clamp_min(1e-6)
    clear = angle.abs() > 0.3
    rho = torch.corrcoef(torch.stack([height[clear], angle[clear]]))[0, 1]
    assert rho < -0.8  # counter-clockwise lifts what is on the right, and y points down


def test_moments_are_two_of_each_clip(people: Frames) -> None:
    rows = np.flatnonzero(people.person > 0)  # without the first person's clips
    np.random.seed(0)
    index = data.moments(people, rows, 6)
    assert len(index) == 12 and np.isin(index, rows).all() and (np.diff(index) >= 0).all()
    for kind in (people.person, people.motion):
        assert np.array_equal(kind[index[::2]], kind[index[1::2]])
    assert (index[::2] != index[1::2]).all()


def test_moments_of_a_clip_share_the_window_the_light_and_the_mirror() -> None:
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 64, 64).expand(32, 3, 64, 64) * 2 - 1
    _, angle = augment.jitter_window(picture, roll=0.1, together=2)
    within, across = angle[::2] - angle[1::2], angle[::2] - angle[::2].roll(1)
    assert 0 < float(within.std()) < 0.6 * float(across.std())
    lit = augment.light(picture, 2)
    assert torch.equal(lit[::2], lit[1::2]) and not torch.equal(lit[0], lit[2])
    seen, _ = augment.mirror(picture, torch.zeros(32, len(FACTORS)), 2)
    flipped = (seen != picture).flatten(1).any(1)
    assert torch.equal(flipped[::2], flipped[1::2]) and 0 < int(flipped.sum()) < 32


def test_change_does_not_mind_what_is_wrong_at_all_moments() -> None:
    known, every = torch.randn(8, len(FACTORS)), torch.ones(len(FACTORS))
    bias = torch.randn(4, len(FACTORS)).repeat_interleave(2, 0)
    assert float(losses.change(known + bias, known, every)) == pytest.approx(0, abs=1e-6)
    assert float(losses.factor(known + bias, known, every)) > 0.1
    assert float(losses.change(torch.zeros_like(known), known, every)) > 0.1


def test_mirror_swaps_sides_and_twice_is_nothing() -> None:
    places, signs = augment.swapped_sides()
    assert torch.equal(places[places], torch.arange(len(FACTORS)))
    motion = torch.zeros(64, len(FACTORS))
    motion[:, FACTORS.index("head yaw")] = 1.0
    motion[:, FACTORS.index("LeftUpperLidClosed")] = 2.0
    picture = torch.arange(4.0).expand(64, 3, 4, 4)
    seen, turned = augment.mirror(picture, motion)
    flipped = seen[:, 0, 0, 0] == 3
    assert 0 < int(flipped.sum()) < 64
    assert turned[flipped][:, FACTORS.index("head yaw")].eq(-1).all()
    assert turned[flipped][:, FACTORS.index("RightUpperLidClosed")].eq(2).all()
    assert torch.equal(turned[~flipped], motion[~flipped])


def test_camera_keeps_range_and_changes_every_picture() -> None:
    torch.manual_seed(0)
    clean = torch.rand(16, 3, 64, 64) * 2 - 1
    seen, angle = augment.camera(clean, roll=0.0)
    assert seen.shape == clean.shape and float(seen.abs().max()) <= 1
    assert not angle.any()
    assert float((seen - clean).abs().mean((1, 2, 3)).min()) > 0.02


def test_a_window_counts_but_for_its_edges_inside_the_picture() -> None:
    weight = torch.ones(2, 1, 256, 256)
    assert crop_weight(weight, None) is weight
    corner = crop_weight(weight, (WINDOW_LEVEL, 0, 32, 32))[0, 0]
    assert corner.shape == (128, 128)
    assert corner[0, -1] == 1, "the picture's own corner"
    assert not corner[-8:].any() and not corner[:, :8].any()
    assert corner[:-8, 8:].all()


def test_windows_reach_every_rim_of_the_picture() -> None:
    np.random.seed(0)
    places = np.array([face_window()[1:3] for _ in range(300)])
    assert places.min() == 0 and places.max() == WINDOW_LEVEL // 2
    assert ((places == 0) | (places == WINDOW_LEVEL // 2)).mean(0).min() > 0.05


def test_eyes_count_more_than_wallpaper() -> None:
    labels = torch.tensor([[[0, 4]]], dtype=torch.uint8)
    weight = losses.part_weights(labels)
    target = torch.zeros(1, 3, 1, 2)
    wrong_wall, wrong_eye = target.clone(), target.clone()
    wrong_wall[..., 0], wrong_eye[..., 1] = 1.0, 1.0
    wall = losses.pixel(wrong_wall, target, weight)
    assert losses.pixel(wrong_eye, target, weight) > 10 * wall


def test_pose_counts_most() -> None:
    weights = dict(zip(FACTORS, importance().tolist(), strict=True))
    assert weights["head yaw"] > weights["gaze pitch"] > weights["JawDrop"] > weights["LipsKiss"]
    assert sum(weights.values()) / len(weights) == pytest.approx(1)


def test_correlation_and_schedule() -> None:
    x = torch.linspace(0, 1, 10)[:, None]
    assert correlation(x, -2 * x)[0] == pytest.approx(-1)
    assert run.learning_rate(1.0, 0.02) > 0.9 > run.learning_rate(1.0, 0.5) > 0.4
    assert run.learning_rate(1.0, 1.0) == pytest.approx(0.02)


def test_resident_pictures_are_those_of_the_files(people: Frames) -> None:
    index = np.array([3, 70, 71, 140])
    for kind in (people.frames, people.labels):
        resident = Resident(kind, torch.device("cpu"))
        assert len(resident) == len(people) and resident.there(index).dtype == torch.uint8
        assert np.array_equal(resident.there(index).numpy(), kind[index])
        assert np.array_equal(resident[index], kind[index])
    near = replace(people, frames=Resident(people.frames, torch.device("cpu")))
    assert data.pictures(near, index).equal(data.pictures(people, index))


class Rendered:
    """In the place of a Stream, whose processes take seconds to start: pair k is all k, ready twice."""

    def __init__(self) -> None:
        self.drawn, self.waiting = 0, 0

    def ready(self) -> bool:
        self.waiting -= 1
        return self.waiting >= 0

    def draw(self, count: int, frames: int) -> stream.Batch:
        assert count == 1
        shape = (1, 2, frames, 8, 8)
        pictures = np.full((*shape, 3), self.drawn, np.uint8)
        factors = np.full((1, 2, frames, len(FACTORS)), self.drawn, np.float32)
        person, points = np.zeros((1, 2), np.int64), np.zeros((1, 2, frames, 3, 2), np.float32)
        self.drawn += 1
        labels = np.zeros(shape, np.uint8)
        return stream.Batch(pictures, None, labels, labels, factors, points, person)


def test_replay_takes_what_is_ready_and_forgets_the_oldest() -> None:
    source = Rendered()
    replay = Replay(source, Form(4, 8), pairs=3)  # type: ignore[arg-type]
    pictures, factors = replay.draw(2)
    assert pictures.shape == (4, 8, 8, 3) and len(replay) == 2  # it waited for two, not more
    assert torch.equal(pictures[:, 0, 0, 0].float(), factors[:, 0])
    assert factors[0].equal(factors[1])  # a pair shares its motion
    source.waiting = 3
    drawn = {int(value) for _ in range(20) for value in replay.draw(3)[1][:, 0]}
    assert source.drawn == 6 and drawn == {3, 4, 5}

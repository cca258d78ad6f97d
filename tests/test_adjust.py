"""Manifold adjustment: a portrait is carried along with a guide, and the generator learns it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reenact import adjust as adjusting
from reenact import carry
from reenact.adjust import adjust, bank, face_weight, fit, prepare, watched
from reenact.avatar import Avatar, load_avatar, save_avatar, starter_avatars
from reenact.checkpoint import fingerprint, load_checkpoint
from reenact.delta import size
from reenact.hybrid import Puppeteer
from reenact.low_rank import LowRank, adjust_weights
from reenact.train.sheet import to_uint8

SIDE = 128
NOWHERE = np.zeros((SIDE, SIDE), np.float32)


def a_face(shift: tuple[float, float] = (0, 0), mouth: int = 2, tint: float = 0.0) -> carry.Picture:
    """A cartoon of a face before a striped wall, moved by `shift` px: f32 [S,S,3]."""
    picture = np.zeros((SIDE, SIDE, 3), np.float32) - 0.5 + tint
    picture[:, ::16] += 0.2
    x, y = (64 + shift[0], 70 + shift[1])

    def disc(dx: float, dy: float, size: tuple[int, int], colour: float) -> None:
        middle = (round(16 * (x + dx)), round(16 * (y + dy)))
        axes = (16 * size[0], 16 * size[1])
        level = (colour + tint, colour - 0.2, colour - 0.3)
        cv2.ellipse(picture, middle, axes, 0, 0, 360, level, -1, cv2.LINE_AA, 4)

    disc(0, 0, (34, 44), 0.5)
    for side in (-14, 14):
        disc(side, -14, (7, 4), 0.9)
        disc(side, -14, (3, 3), -0.8)
        disc(side, -22, (8, 2), -0.5)
    disc(0, 2, (3, 8), 0.3)
    disc(0, 22, (12, mouth), -0.6)
    return cv2.GaussianBlur(picture, (0, 0), 1.0).clip(-1, 1)


def tensor(picture: carry.Picture) -> Any:
    return torch.from_numpy(picture).movedim(2, 0)[None]


def test_a_flow_says_where_things_were() -> None:
    before, after = a_face(), a_face((4, 2))
    field = carry.flow(before, after)
    face = face_weight(SIDE)[0, 0].numpy() > 0.7
    assert np.median(field[face], axis=0) == pytest.approx((-4, -2), abs=0.5)
    here, moved = (np.abs(p - after)[face].mean() for p in (before, carry.warp(before, field)))
    assert moved < 0.3 * here


def test_a_portrait_goes_where_the_guide_goes_and_the_wall_stays() -> None:
    portrait = a_face(tint=0.3)
    portrait[60:64, 50:54] = -0.9  # a mole, which the guide has not
    moved, _, _ = carry.carry(portrait, [a_face((k, 0)) for k in (0, 3, 5)], NOWHERE)
    assert moved[61, 56, 1] < -0.4 and moved[61, 51, 1] > -0.2
    wall = np.abs(moved - portrait)[:, :16]
    assert wall.mean() < 0.02


def test_what_opens_comes_from_the_guide_in_the_portraits_colours() -> None:
    portrait = a_face(tint=0.3)
    moved, new, _ = carry.carry(portrait, [a_face(), a_face(mouth=14)], NOWHERE)
    mouth = slice(84, 100), slice(60, 69)
    assert moved[mouth].mean() < portrait[mouth].mean() - 0.3
    assert new[mouth].mean() > 0.1 and new[:50].max() < 0.05
    cheek = moved[70, 40] - a_face()[70, 40]
    assert cheek[0] > 0.15, "the tint"


def test_around_eyes_and_mouth_the_least_change_is_the_guides() -> None:
    way = [a_face(), a_face(mouth=5)]
    (still, unmoved, _), (moved, new, _) = (
        carry.carry(a_face(tint=0.3), way, where) for where in (NOWHERE, np.ones_like(NOWHERE))
    )
    mouth = slice(84, 100), slice(54, 75)
    assert new[mouth].mean() > unmoved[mouth].mean() + 0.02
    wanted = a_face(mouth=5, tint=0.3)[mouth]
    assert np.abs(moved[mouth] - wanted).mean() < np.abs(still[mouth] - wanted).mean()


def ada() -> Any:
    """A face that ships, u8 [S,S,3]."""
    return load_avatar(starter_avatars()["ada"]).thumbnail


def test_the_lively_parts_are_eyes_and_mouth() -> None:
    face = tensor(ada() / np.float32(127.5) - 1)
    side = face.shape[-1]
    _, parts = carry.placed(face, face, face_weight(side))
    lively = carry.eyes_and_mouth(parts, side)
    rows = np.flatnonzero(lively.max(axis=1) > 0.5) / side
    assert lively.shape == (side, side) and lively.max() <= 1
    assert 0.3 < rows.min() < 0.5 and 0.6 < rows.max() < 0.9, rows
    assert lively[:, : side // 8].max() < 0.1


def test_the_mouth_of_a_turned_face_is_found_where_it_is() -> None:
    narrow = np.diag([0.75, 1.0, 1.0])[:2]  # eyes stand closer together, the mouth is as far below
    side = len(ada())
    narrow[0, 2] = 0.125 * side
    turned = cv2.warpAffine(ada(), narrow, (side, side), borderMode=cv2.BORDER_REPLICATE)
    guide, portrait = (tensor(x / np.float32(127.5) - 1) for x in (ada(), turned))
    _, parts = carry.placed(guide, guide, face_weight(side))
    places, found = carry.placed(guide, portrait, face_weight(side))
    squeezed = parts * torch.tensor([0.75, 1.0])
    torch.testing.assert_close(found, squeezed, atol=0.06, rtol=0)
    above = (found[0] + found[1]) / 2
    assert (found[2] - above)[1] > 1.2 * torch.dist(found[1], found[0]), "lower than the eyes say"
    theirs = places[0, :, :2] @ found[2] + places[0, :, 2]
    torch.testing.assert_close(theirs, parts[2], atol=0.06, rtol=0)


def test_a_guide_is_laid_over_a_face_that_lies_elsewhere() -> None:
    weight, guide = face_weight(SIDE), tensor(a_face())
    portrait = tensor(a_face((10, -8), tint=0.2))
    stranger = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) - 0.5
    both = torch.cat([stranger, guide])
    places = carry.shifted(both, portrait, weight)
    assert (-places[1, :, 2] * SIDE / 2).tolist() == pytest.approx([10, -8], abs=1.5)
    field, alike = carry.laid_over(guide, portrait, weight, places[1])
    assert alike > 0.8 > 0.3 + carry.laid_over(stranger, portrait, weight, places[0])[1]
    assert np.median(field[50:80, 60:90], axis=(0, 1)) == pytest.approx((-10, 8), abs=1.5)
    still, _ = carry.laid_over(guide, tensor(a_face(tint=0.2)), weight, torch.eye(2, 3))
    assert np.abs(still[50:90, 45:85]).max() < 1.5


def test_eyes_go_over_eyes_wherever_they_are() -> None:
    guide = tensor(ada() / np.float32(127.5) - 1)
    side = guide.shape[-1]
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), 15, 0.8) + [[0, 0, 20], [0, 0, 12]]
    turned = cv2.warpAffine(ada(), matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    portrait = tensor(turned / np.float32(127.5) - 1)
    left, right = (np.append((point + 1) * side / 2, 1) for point in carry.eyes(guide).numpy())
    found = (carry.eyes(portrait).numpy() + 1) * side / 2
    np.testing.assert_allclose(found, [matrix @ left, matrix @ right], atol=0.02 * side)
    (place,), _ = carry.placed(guide, portrait, face_weight(side))
    field, _ = carry.laid_over(guide, portrait, face_weight(side), place)
    over = carry.warp(ada().astype(np.float32), field)
    face = (face_weight(side, 0.7)[0, 0].numpy() > 0.5) & (turned.sum(2) > 0)
    assert (
        np.abs(over - turned)[face].mean() < 0.3 * np.abs(ada().astype(float) - turned)[face].mean()
    )


def test_where_no_eyes_are_seen_none_are_made_up() -> None:
    assert carry.eyes(torch.zeros(1, 3, 64, 64)) is None


def test_the_bank_follows_the_names_of_the_model() -> None:
    codes = bank(["head yaw", "nonsense", "JawDrop"], 12)
    assert codes.shape == (12 + len(adjusting._GESTURES), 3) and codes.dtype == np.float32
    assert codes[:12, 0].std() > 0.2 and not codes[:, 1].any() and codes[12, 2] == 3.5
    np.testing.assert_array_equal(bank(["JawDrop"], 12)[:, 0], codes[:, 2])


@pytest.fixture(scope="module")
def puppeteer(model_folder: Path) -> Puppeteer:
    return load_checkpoint(model_folder / "starter.safetensors")[0]


def test_weights_start_as_they_are_and_survive_the_file(puppeteer: Puppeteer) -> None:
    tuned, generator = LowRank(puppeteer.generator), puppeteer.generator
    styles = 1 + 0.5 * torch.randn(2, 320, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = generator.synthesis(styles)
        torch.testing.assert_close(tuned(styles), before)
        for part in tuned.parts:
            part.normal_(0, 0.2)
        wanted = tuned(styles)
        assert (wanted - before).abs().mean() > 0.1
    delta = tuned.flat()
    assert delta.shape == (size(puppeteer.dims),) and delta.dtype == np.float16
    from copy import deepcopy

    other = deepcopy(generator)
    adjust_weights(other, delta)
    with torch.no_grad():
        torch.testing.assert_close(other.synthesis(styles), wanted, atol=0.05, rtol=0.05)


def an_avatar(model: Puppeteer, identity: Any) -> Avatar:
    styles = model.generator.identity_styles(identity[None])[0].detach().numpy()
    thumbnail = np.zeros((8, 8, 3), np.uint8)
    name = fingerprint(model.generator)
    return Avatar("Nora", identity.numpy(), styles, thumbnail, name, "CC0-1.0", "nobody's")


def test_a_portrait_is_learned_and_its_own_motion_taken_off(
    puppeteer: Puppeteer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adjusting, "STEPS", 60)
    model = puppeteer
    random = torch.Generator().manual_seed(2)
    start, other = torch.randn(2, 8, 16, generator=random)
    with torch.no_grad():
        portrait = to_uint8(model.render(model.generator.identity_styles(other[None])).tanh())[0]
    drivers = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
    told: list[adjusting.Report] = []
    state = {name: value.clone() for name, value in model.state_dict().items()}
    result = adjust(portrait, an_avatar(model, start), model, drivers, told.append)
    assert told[-1].loss < 0.8 * told[0].loss and told[-1].psnr > 15
    assert told[0].picture.shape == (32, 96, 3)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    save_avatar(result, tmp_path / "nora.avatar")
    assert load_avatar(tmp_path / "nora.avatar").delta is not None
    goals = prepare(portrait, an_avatar(model, start), model, drivers)
    assert torch.equal(goals.motion[1], torch.zeros(8)), "the avatar's neutral is among the goals"
    torch.testing.assert_close(goals.pictures[0], tensor(portrait / np.float32(127.5) - 1)[0])


@pytest.mark.parametrize(
    ("errors", "alike", "best"), [((0.3, 0.2, 0.3), (0.5, 0.5, 0.5), 1), ((0.3,) * 3, (0, 0, 1), 2)]
)
def test_the_guide_is_whose_motion_returns_and_whose_features_fit(
    puppeteer: Puppeteer,
    monkeypatch: pytest.MonkeyPatch,
    errors: Sequence[float],
    alike: Sequence[float],
    best: int,
) -> None:
    faces = torch.arange(3.0)[:, None, None].expand(3, 8, 16)
    fields = iter([(np.zeros((32, 32, 2), np.float32), likeness) for likeness in alike])
    monkeypatch.setattr(carry, "laid_over", lambda *_: next(fields))
    monkeypatch.setattr(
        adjusting.Guide, "error", lambda guide, *_: errors[int(guide.identity[0, 0, 0])]
    )
    with torch.no_grad():
        portrait, motion = torch.zeros(1, 3, 32, 32), torch.zeros(1, 8)
        guide = adjusting.choose_guide(faces, motion, portrait, motion, puppeteer)
    assert guide.identity[0, 0, 0] == best


def test_a_guide_errs_by_what_is_encoded_from_the_carried_portrait(puppeteer: Puppeteer) -> None:
    random = torch.Generator().manual_seed(3)
    portrait, still = torch.rand(1, 3, 32, 32, generator=random) - 0.5, np.zeros((32, 32, 2))
    field, nowhere = still.astype(np.float32), np.zeros((32, 32), np.float32)
    with torch.no_grad():
        own = puppeteer.motion(adjusting._seen(portrait, puppeteer))
        guide = adjusting.Guide(torch.zeros(1, 8, 16), field, portrait, own, nowhere, 0.5)
        assert guide.error(own, puppeteer) == pytest.approx(0, abs=1e-4), "nothing moves"
        assert guide.error(own + 1, puppeteer) > 0.2


@pytest.mark.parametrize(("seconds", "steps"), [(1e9, 40), (1e-9, 1)])
def test_it_ends_after_its_steps_or_its_time(
    puppeteer: Puppeteer, monkeypatch: pytest.MonkeyPatch, seconds: float, steps: int
) -> None:
    moves: list[float] = []

    def loss(latent: Any, *_: object) -> tuple[Any, Any]:
        moves.append(float(latent.detach()[0, 0, 0]))
        return latent.sum(), torch.zeros(3, 3, 32, 32)

    monkeypatch.setattr(adjusting, "step_loss", loss)
    monkeypatch.setattr(adjusting, "STEPS", 40)
    monkeypatch.setattr(adjusting, "_SECONDS", seconds)
    flat = torch.zeros(5, 3, 32, 32)
    weight = face_weight(32).expand(5, -1, -1, -1)
    goals = adjusting.Goals(torch.zeros(5, 8), flat, weight, torch.zeros(1, 8, 16))
    latent = torch.zeros(1, 8, 16, requires_grad=True)
    fit(latent, LowRank(puppeteer.generator), goals, puppeteer, lambda report: None)
    assert len(moves) == steps
    strides = np.abs(np.diff(moves))
    assert len(strides) == 0 or strides[-1] < 0.1 * strides[0]


def test_progress_writes_a_picture(tmp_path: Path) -> None:
    picture = np.full((32, 96, 3), 77, np.uint8)
    with watched(tmp_path / "now.png") as listen:
        listen(adjusting.Report(20, 1.0, 12.0, picture))
    assert (cv2.imread(str(tmp_path / "now.png")) == picture).all()

"""`reenact avatar`: portraits become avatars, avatars are passed on; twenty hostile or broken inputs."""

import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from test_avatar import an_avatar, parts, write_parts, zip_bomb
from test_pictures import huge_png, truncated

import reenact.__main__
from realtime.options import avatars
from reenact import avatar_commands
from reenact.avatar import Avatar, load_avatar, save_avatar, starter_avatars
from reenact.face import Box, Image
from reenact.folders import avatars_folder

Run = Callable[..., tuple[int, str, str]]
STARTER = avatar_commands.STARTER


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `reenact avatar WORDS` in an empty home: (code, stdout, stderr)."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["reenact", "avatar", *map(str, words)])
        code = reenact.__main__.main()
        return code, *capsys.readouterr()

    return run


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def demo_frame() -> Image:
    capture = cv2.VideoCapture(str(STARTER / "demo.mp4"))
    read, frame = capture.read()
    assert read
    return np.ascontiguousarray(frame[..., ::-1], np.uint8)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face: the first frame of the demo driver, who is synthetic, too."""
    path = tmp_path_factory.mktemp("photo") / "demo_driver.png"
    PIL.Image.fromarray(demo_frame()).save(path)
    return path


def refused(result: tuple[int, str, str], *words: str) -> None:
    code, out, err = result
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    for word in words:
        assert word in err
    assert not list(avatars_folder().rglob("*.avatar")), "nothing is left behind"


def test_a_photo_becomes_an_avatar_that_drives(run: Run, photo: Path) -> None:
    code, out, _ = run("add", photo, "--consent", "she does not exist")
    assert code == 0 and "likeness" in out and '--avatar "demo driver"' in out
    made = load_avatar(avatars_folder() / "demo driver.avatar")
    assert made.name == "demo driver" and made.delta is None
    assert made.consent.endswith(": she does not exist") and "Not stated" in made.licence
    fingerprint = load_avatar(starter_avatars()["ada"]).fingerprint
    assert made.fingerprint == fingerprint
    preview = np.asarray(PIL.Image.open(avatars_folder() / "previews" / "demo driver.png"))
    assert preview.shape == (256 + 24, 6 * 256, 3)
    tiles = np.split(preview[:256].astype(float), 6, axis=1)[2:]
    assert all(np.abs(tile - tiles[0]).mean() > 0.3 for tile in tiles[1:]), "it moves"
    live = avatars([])
    assert [avatar.name for avatar in live] == [*starter_avatars(), "demo driver"]
    assert avatars(["Demo Driver"])[0].name == "demo driver"


def test_encoded_as_by_torch(photo: Path) -> None:
    torch = pytest.importorskip("torch")
    from reenact.checkpoint import fingerprint, load_checkpoint
    from reenact.portrait_model import PortraitModel

    model = PortraitModel(STARTER)
    puppeteer, _ = load_checkpoint(STARTER / "starter.safetensors")
    assert fingerprint(puppeteer.generator) == model.fingerprint
    crop = np.asarray(cv2.resize(demo_frame(), (model.crop, model.crop)), np.uint8)
    made, _ = avatar_commands.encode(model, demo_frame(), Box(128, 128, 100), "x", None, "y")
    with torch.no_grad():
        tensor = torch.from_numpy(crop).permute(2, 0, 1)[None] / 127.5 - 1
        latent = puppeteer.identify(tensor)
        styles = puppeteer.generator.identity_styles(torch.from_numpy(made.identity)[None])
    np.testing.assert_allclose(model.identify(crop), latent[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(made.styles, styles[0].numpy(), atol=1e-4)


def test_an_adjusted_avatar_is_drawn_with_its_own_weights() -> None:
    from reenact import delta
    from reenact.portrait_model import PortraitModel

    model, ada = PortraitModel(STARTER), load_avatar(starter_avatars()["ada"])
    plain = model.draw(ada).astype(int)
    random = np.random.default_rng(0).normal(0, 0.05, delta.size(model.dims))
    changed = model.draw(replace(ada, delta=random.astype(np.float16))).astype(int)
    assert np.abs(changed - plain).mean() > 1
    np.testing.assert_array_equal(model.draw(ada), plain)


@pytest.mark.slow
def test_adjusting_is_shown_measured_and_kept(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("torch", "numba"):
        pytest.importorskip(library)
    from reenact import adjust

    monkeypatch.setattr(adjust, "STEPS", 3)  # as it is, but for minutes
    monkeypatch.setattr(adjust, "_ROUND", 1)
    code, out, _ = run("add", photo, "--consent", "x", "--adjust")
    assert code == 0 and "adjusting  made it" in out and "dB" in out
    made = load_avatar(avatars_folder() / "demo driver.avatar")
    assert made.delta is not None and np.abs(made.delta).max() > 0
    previews = list((avatars_folder() / "previews").iterdir())
    assert [file.name for file in previews] == ["demo driver.png"], "nothing to watch any more"
    assert np.asarray(PIL.Image.open(previews[0])).shape == (2 * (256 + 24), 6 * 256, 3)
    assert "yes" in run("list")[1].splitlines()[-1]


def test_adjusting_without_torch_is_refused_at_once(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(avatar_commands, "find_spec", lambda name: None)
    refused(run("add", photo, "--consent", "x", "--adjust"), 'pip install -e ".[train]"')


def test_likeness_tells_the_portrait_from_another_person() -> None:
    from reenact.likeness import measure
    from reenact.portrait_model import PortraitModel

    model, people = (
        PortraitModel(STARTER),
        [load_avatar(path) for path in starter_avatars().values()],
    )
    portraits = [model.draw(person) for person in people]
    found = [[measure(model, one, portrait) for portrait in portraits[:2]] for one in people[:2]]
    for k in range(2):
        own, other = found[k][k], found[k][1 - k]
        assert own.score > other.score and own.ssim > other.ssim and own.psnr > other.psnr
        assert own.word != "only the type" and other.word == "only the type"


def test_a_blurred_likeness_is_called_blurred() -> None:
    from reenact.likeness import Likeness, compare

    frame = demo_frame()
    side = min(frame.shape[:2])
    image = np.ascontiguousarray(frame[:side, :side])
    same, soft = (
        Likeness(*compare(image, other), cycle=0.0)
        for other in (image, cv2.GaussianBlur(image, (0, 0), len(image) / 64).astype(np.uint8))
    )
    assert same.score == 100 and same.word == "close" and same.ssim == pytest.approx(1)
    assert soft.word == "close, but blurred" and 40 < soft.score < 90
    turned = Likeness(*compare(image, np.ascontiguousarray(image[::-1])), cycle=0.0)
    assert turned.word == "only the type"


def test_no_consent_is_refused_where_nobody_can_be_asked(run: Run, photo: Path) -> None:
    refused(run("add", photo), "--consent", "somebody who agreed")
    refused(run("add", photo, "--consent", ""), "--consent")


def test_consent_is_asked_for_on_a_terminal(
    run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    refused(run("add", photo), "ask the person first")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = run("add", photo)
    assert code == 0 and "somebody who agreed" in out
    made = load_avatar(avatars_folder() / "demo driver.avatar")
    assert "confirmed" in made.consent and made.consent[:2] == "20"


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> list[Box]:
    faces = [Box(100, 100, 90), Box(180, 90, 60)]
    monkeypatch.setattr(avatar_commands, "find_faces", lambda image: faces)
    return faces


def test_of_several_faces_one_is_chosen(
    run: Run, photo: Path, two: list[Box], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Box] = []
    check = avatar_commands.check_face
    monkeypatch.setattr(
        avatar_commands, "check_face", lambda box, *rest: (seen.append(box), check(box, *rest))
    )
    refused(run("add", photo, "--consent", "x"), "2 faces", "2: 60 px at 180,90", "--which N")
    assert (tmp_path / "demo_driver_faces.png").is_file() and not seen
    refused(run("add", photo, "--consent", "x", "--which", "3"), "--which 1 to 2")
    assert run("add", photo, "--consent", "x", "--which", "2")[0] == 0
    monkeypatch.setattr("sys.stdin", Terminal("2\n"))
    assert run("add", photo, "--consent", "x", "--force")[0] == 0
    assert seen == [two[1], two[1]]


def test_passed_on_shown_and_removed(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("export", "ada", tmp_path)
    assert code == 0 and "ada.avatar" in out
    refused(run("import", tmp_path / "ada.avatar"), "called 'ada'", "--name")
    code, out, _ = run("import", tmp_path / "ada.avatar", "--name", "Ada's twin")
    assert code == 0 and "this model's" in out and "CC0" in out
    code, out, _ = run("import", tmp_path / "ada.avatar", "--name", "ADA'S TWIN")
    assert code == 2, "in any case it is the same file to some systems"
    assert run("import", tmp_path / "ada.avatar", "--name", "Ada's twin", "--force")[0] == 0
    code, out, _ = run("list")
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "GENERATOR", "ADJUSTED", "LICENCE", "CONSENT", "WHERE"]
    assert sum("this model" in line and "ships" in line for line in lines) == len(starter_avatars())
    assert str(avatars_folder()) in lines[-1] and lines[-1].startswith("Ada's twin")
    code, out, _ = run("show", "ada's twin")
    shown = Path(out.splitlines()[-1].split(maxsplit=1)[1])
    assert code == 0 and "does not exist" in out
    assert np.asarray(PIL.Image.open(shown)).shape == (256 + 24, 4 * 256, 3)
    code, out, _ = run("remove", "ada's twin")
    assert code == 0 and not shown.exists() and not list(avatars_folder().glob("*.avatar"))
    refused(run("remove", "ada"), "ships")
    assert starter_avatars()["ada"].is_file()
    refused(run("export", "ada", tmp_path), "is there already", "--force")


def test_an_avatar_of_another_generator_is_taken_in_and_said_so(run: Run, tmp_path: Path) -> None:
    save_avatar(replace(an_avatar(), name="Zora"), tmp_path / "zora.avatar")
    code, out, _ = run("import", "zora.avatar")
    assert code == 0 and "not this model's" in out
    assert "0123abcd" in run("list")[1]
    assert run("show", "Zora")[0] == 0, "by its thumbnail"
    assert "Zora" not in [avatar.name for avatar in avatars([])]


def test_a_damaged_file_among_ones_own_stops_nothing(run: Run) -> None:
    avatars_folder().mkdir(parents=True)
    (avatars_folder() / "broken.avatar").write_text("not an avatar")
    assert "damaged" in run("list")[1]
    assert len(avatars([])) == len(starter_avatars())


def test_a_model_that_is_not_whole(run: Run, photo: Path, tmp_path: Path) -> None:
    for name in ("encode_identity.onnx", "encode_deformation.onnx", "render.onnx"):
        os.link(STARTER / name, tmp_path / name)
    words = ("add", photo, "--consent", "x", "--model", tmp_path)
    refused(run(*words), "no checkpoint")
    (tmp_path / "starter.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    refused(run(*words), "no whole checkpoint")


# Hostile or broken inputs. A payload that ran would leave a mark.


class Payload:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch mark",)


def nora() -> Avatar:
    return an_avatar()


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps(Payload()))


def pickle_inside(path: Path) -> None:
    write_parts(path, parts(nora()) | {"styles": np.array([Payload()], object)})


def bomb(path: Path) -> None:
    zip_bomb(path, 64 << 20, 64 << 20)


def lying_bomb(path: Path) -> None:
    zip_bomb(path, 64 << 20, 200_000)


def half(path: Path) -> None:
    save_avatar(nora(), path)
    path.write_bytes(path.read_bytes()[:-200])


def wrong_shapes(path: Path) -> None:
    write_parts(path, parts(nora()) | {"identity": np.zeros(160, np.float32)})


def nan_weights(path: Path) -> None:
    write_parts(path, parts(nora()) | {"styles": np.full(300, np.nan, np.float32)})


def name_that_climbs(path: Path) -> None:
    save_avatar(replace(nora(), name="../../.bashrc"), path)


def name_that_paints(path: Path) -> None:
    members = parts(nora())
    members["about"] |= {"name": "\x1b[2J\x1b]0;owned\x07"}
    write_parts(path, members)


def newer_version(path: Path) -> None:
    members = parts(nora())
    members["about"] |= {"version": 99}
    write_parts(path, members)


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped.txt", "x")


AVATARS: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickle with os.system": (pickled, "not a whole avatar"),
    "pickle with os.system inside": (pickle_inside, "pickled objects, which are never read"),
    "zip bomb": (bomb, "unpacks to"),
    "zip bomb that lies about its size": (lying_bomb, "CRC"),
    "truncated": (half, "not a whole avatar"),
    "wrong shapes": (wrong_shapes, "shape"),
    "nan weights": (nan_weights, "not finite"),
    "text renamed to avatar": (lambda path: path.write_text("hello"), "not a whole avatar"),
    "empty": (lambda path: path.write_bytes(b""), "not a whole avatar"),
    "name that climbs out of the folder": (name_that_climbs, "cannot be an avatar's name"),
    "name with terminal escapes": (name_that_paints, "control characters"),
    "newer version": (newer_version, "its version is 99"),
    "zip of something else": (other_zip, "has no 'about'"),
    "folder": (Path.mkdir, "cannot read"),
}


@pytest.mark.parametrize("what", AVATARS)
def test_hostile_avatar(run: Run, tmp_path: Path, what: str) -> None:
    make, words = AVATARS[what]
    make(tmp_path / "gift.avatar")
    refused(run("import", "gift.avatar"), words)
    refused(run("show", "./gift.avatar"), "gift.avatar") if "name that" not in what else None
    assert not (tmp_path / "mark").exists() and not (tmp_path.parent / "escaped.txt").exists()


def no_face(path: Path) -> None:
    PIL.Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(path)


def tiny_face(path: Path) -> None:
    small = cv2.resize(demo_frame(), (44, 44), interpolation=cv2.INTER_AREA)
    scene = np.full((200, 200, 3), 90, np.uint8)
    scene[60:104, 60:104] = small
    PIL.Image.fromarray(scene).save(path)


def heic(path: Path) -> None:
    path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99))


PHOTOS: dict[str, tuple[Callable[[Path], object], str]] = {
    "photo of no face": (no_face, "--box X,Y,SIZE"),
    "face that is too small": (tiny_face, "too small"),
    "photo of 20k by 20k": (huge_png, "too large (20000 x 20000 px)"),
    "truncated jpeg": (truncated, "cannot be read"),
    "heic": (heic, "as JPEG"),
    "text renamed to jpg": (lambda path: path.write_text("hello"), "no picture"),
    "pickle renamed to jpg": (pickled, "no picture"),
    "empty photo": (lambda path: path.write_bytes(b""), "is empty"),
    "no photo": (lambda path: None, "there is no picture"),
}


@pytest.mark.parametrize("what", PHOTOS)
def test_broken_photo(run: Run, tmp_path: Path, what: str) -> None:
    make, words = PHOTOS[what]
    make(tmp_path / "photo.png")
    refused(run("add", "photo.png", "--consent", "x"), words)
    assert not (tmp_path / "mark").exists()


def exif_rotated(image: Image, path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(np.rot90(image).copy()).save(path, "JPEG", exif=exif, quality=95)


def sixteen_bit(image: Image, path: Path) -> None:
    cv2.imwrite(str(path), image[..., ::-1].astype(np.uint16) * 257)


def greyscale(image: Image, path: Path) -> None:
    PIL.Image.fromarray(image).convert("L").save(path)


def alpha(image: Image, path: Path) -> None:
    mask = np.full((*image.shape[:2], 1), 255, np.uint8)
    mask[:10] = 0
    PIL.Image.fromarray(np.concatenate([image, mask], axis=2)).save(path)


def cmyk(image: Image, path: Path) -> None:
    PIL.Image.fromarray(image).convert("CMYK").save(path, "JPEG", quality=95)


def animated(image: Image, path: Path) -> None:
    PIL.Image.fromarray(image).save(
        path, "GIF", save_all=True, append_images=[PIL.Image.new("RGB", image.shape[1::-1])]
    )


@pytest.mark.parametrize("change", [exif_rotated, sixteen_bit, greyscale, alpha, cmyk, animated])
def test_odd_photo_is_understood(
    run: Run, tmp_path: Path, change: Callable[[Image, Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Box] = []
    crops: list[Image] = []

    def stop(model: object, image: Image, face: Box, *rest: object) -> None:
        crops.append(image)
        found.append(face)
        raise KeyboardInterrupt  # as by Ctrl-C: what follows is the same for every photo

    image = demo_frame()
    (plain,) = avatar_commands.find_faces(image)
    change(image, tmp_path / "photo.png")
    monkeypatch.setattr(avatar_commands, "encode", stop)
    assert run("add", "photo.png", "--consent", "x")[0] == 130
    assert crops[0].shape == image.shape and crops[0].dtype == np.uint8
    assert (found[0].cx, found[0].cy) == pytest.approx((plain.cx, plain.cy), abs=8)
    assert np.corrcoef(crops[0][40:, ..., 1].ravel(), image[40:, ..., 1].ravel())[0, 1] > 0.97


def test_names_that_no_file_may_have(run: Run, photo: Path) -> None:
    for name in ("../up", "a/b", ".hidden", "con", "LPT1.x", "x" * 61, "end.", "", "a\nb", "a\x1b"):
        if name:
            refused(
                run("add", photo, "--consent", "x", "--name", name), "cannot be an avatar's name"
            )


def test_the_command_needs_no_torch() -> None:
    assert "torch" not in vars(sys.modules["reenact.avatar_commands"])
    from test_imports import ROOT, violations

    for name in ("avatar_commands", "portrait_model", "affines", "likeness", "preview", "library"):
        assert not violations((ROOT / "reenact" / f"{name}.py").read_text(), f"reenact.{name}")

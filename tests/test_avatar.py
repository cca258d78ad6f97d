"""The avatar file: what goes in comes out, and nothing foreign or hostile gets through."""

import io
import json
import struct
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from reenact import avatar as avatars
from reenact.avatar import (
    Avatar,
    check_fits,
    find_avatar,
    load_avatar,
    save_avatar,
    starter_avatars,
)
from reenact.errors import UserError


def an_avatar() -> Avatar:
    random = np.random.default_rng(1)
    return Avatar(
        name="Nora",
        identity=random.normal(size=(10, 16)).astype(np.float32),
        styles=random.normal(size=300).astype(np.float32),
        thumbnail=random.integers(0, 256, (32, 24, 3), np.uint8),
        fingerprint="0123abcd",
        licence="CC0-1.0",
        consent="Synthetic: nobody's face.\nMade by a test.",
    )


def parts(avatar: Avatar) -> dict[str, Any]:
    """The members of a file as save_avatar writes them, for tests to spoil."""
    texts = ("name", "fingerprint", "licence", "consent")
    about = {"format": "reenact avatar", "version": 1} | {
        key: getattr(avatar, key) for key in texts
    }
    arrays = {key: getattr(avatar, key) for key in ("identity", "styles", "thumbnail")}
    return {"about": about, **arrays}


def write_parts(path: Path, members: dict[str, Any]) -> Path:
    about = np.array(json.dumps(members["about"]))
    with path.open("wb") as file:
        np.savez_compressed(file, **(members | {"about": about}))
    return path


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    saved, path = an_avatar(), tmp_path / "nora.avatar"
    save_avatar(saved, path)
    loaded = load_avatar(path)
    for key in ("name", "fingerprint", "licence", "consent"):
        assert getattr(loaded, key) == getattr(saved, key)
    for key in ("identity", "styles", "thumbnail"):
        np.testing.assert_array_equal(getattr(loaded, key), getattr(saved, key), strict=True)


def test_a_delta_is_saved_in_a_newer_version_of_the_file(tmp_path: Path) -> None:
    path, delta = tmp_path / "nora.avatar", np.linspace(-1, 1, 40).astype(np.float16)
    save_avatar(replace(an_avatar(), delta=delta), path)
    loaded = load_avatar(path).delta
    assert loaded is not None
    np.testing.assert_array_equal(loaded, delta, strict=True)
    with np.load(path, allow_pickle=False) as members:
        assert json.loads(members["about"].item())["version"] == 2


def test_a_file_of_the_first_version_has_no_delta(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "nora.avatar", parts(an_avatar()))
    assert load_avatar(path).delta is None
    save_avatar(load_avatar(path), path)
    with np.load(path, allow_pickle=False) as members:
        assert json.loads(members["about"].item())["version"] == 1
        assert "delta" not in members
    smuggled = write_parts(path, change("delta", np.ones(40, np.float16)))
    assert load_avatar(smuggled).delta is None


def test_the_file_holds_no_pickle_and_is_the_same_every_time(tmp_path: Path) -> None:
    save_avatar(an_avatar(), tmp_path / "a.avatar")
    save_avatar(an_avatar(), tmp_path / "b.avatar")
    assert (tmp_path / "a.avatar").read_bytes() == (tmp_path / "b.avatar").read_bytes()
    with np.load(tmp_path / "a.avatar", allow_pickle=False) as members:
        assert {members[key].dtype.kind for key in members} == {"U", "f", "u"}


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "nora.avatar"
    save_avatar(an_avatar(), path)
    before = path.read_bytes()

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(UserError, match="No space left"):
        save_avatar(replace(an_avatar(), name="Other"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_save_refuses_what_load_would_refuse(tmp_path: Path) -> None:
    spoilt = replace(an_avatar(), styles=np.full(300, np.nan, np.float32))
    with pytest.raises(ValueError, match="'styles' holds values that are not finite"):
        save_avatar(spoilt, tmp_path / "nora.avatar")
    with pytest.raises(ValueError, match="'consent' has 0 characters"):
        save_avatar(replace(an_avatar(), consent=""), tmp_path / "nora.avatar")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["nora.npz", "nora", "missing/nora.avatar", "file/nora.avatar"])
def test_save_to_a_place_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(UserError, match="write to|cannot write"):
        save_avatar(an_avatar(), tmp_path / name)


def change(key: str, value: Any) -> dict[str, Any]:
    return parts(an_avatar()) | {key: value}


def change_about(**values: Any) -> dict[str, Any]:
    members = parts(an_avatar())
    return members | {"about": members["about"] | values}


def change_delta(delta: npt.NDArray[Any]) -> dict[str, Any]:
    return change_about(version=2) | {"delta": delta}


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "pickle": (change("styles", np.array([print, {}], object)), "pickled objects"),
    "doubles": (change("styles", np.zeros(300)), "float64, not float32"),
    "other byte order": (change("styles", np.zeros(300, ">f4")), "not float32"),
    "flat identity": (change("identity", np.zeros(160, np.float32)), "shape"),
    "no rows": (change("identity", np.zeros((0, 16), np.float32)), "shape"),
    "too many rows": (change("identity", np.zeros((65, 16), np.float32)), "shape"),
    "four channels": (change("thumbnail", np.zeros((8, 8, 4), np.uint8)), "shape"),
    "grey": (change("thumbnail", np.zeros((8, 8, 1), np.uint8)), "1 channels"),
    "column order": (change("identity", np.zeros((10, 16), np.float32, order="F")), "size"),
    "nan": (change("identity", np.full((10, 16), np.nan, np.float32)), "not finite"),
    "infinity": (change("styles", np.full(300, np.inf, np.float32)), "not finite"),
    "other version": (change_about(version=3), "its version is 3, this program reads 1 and 2"),
    "no version": (change_about(version=None), "its version is None"),
    "promised delta": (change_about(version=2), "it has no 'delta'"),
    "delta of doubles": (change_delta(np.zeros(40)), "float64, not float16"),
    "delta is a pickle": (change_delta(np.array([print], object)), "pickled objects"),
    "delta of another shape": (change_delta(np.zeros((4, 10), np.float16)), "shape"),
    "empty delta": (change_delta(np.zeros(0, np.float16)), "shape"),
    "infinite delta": (change_delta(np.full(40, np.inf, np.float16)), "not finite"),
    "huge delta": (change_delta(np.zeros((1 << 22) + 9000, np.float16)), "more than any avatar's"),
    "other format": (change_about(format="reenact edit"), "does not describe an avatar"),
    "name is a number": (change_about(name=7), "'name' is not a text"),
    "no consent": (change_about(consent=None), "'consent' is not a text"),
    "empty name": (change_about(name=""), "0 characters"),
    "long name": (change_about(name="N" * 81), "81 characters"),
    "terminal escape": (change_about(name="\x1b[2J"), "control characters"),
    "half a character": (change_about(licence="\ud800"), "control characters"),
    "about is a list": (change("about", []), "does not describe an avatar"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_member_is_named(tmp_path: Path, what: str) -> None:
    members, complaint = SPOILT[what]
    path = write_parts(tmp_path / "nora.avatar", members)
    with pytest.raises(UserError) as error:
        load_avatar(path)
    assert complaint in str(error.value)
    assert str(path) in str(error.value) and "get it again" in str(error.value)


@pytest.mark.parametrize("key", ["about", "identity", "styles", "thumbnail"])
def test_a_missing_member_is_named(tmp_path: Path, key: str) -> None:
    save_avatar(an_avatar(), tmp_path / "whole.avatar")
    path = tmp_path / "nora.avatar"
    with zipfile.ZipFile(tmp_path / "whole.avatar") as whole, zipfile.ZipFile(path, "w") as rest:
        for name in whole.namelist():
            if name != f"{key}.npy":
                rest.writestr(name, whole.read(name))
    with pytest.raises(UserError, match=f"it has no '{key}'"):
        load_avatar(path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': (",
        "  x\n y\n",
        "-" * 9000 + "1",
        "{[]: 1}",
        "{'descr': ',,', 'fortran_order': False, 'shape': ()}",
    ],
)
def test_a_header_that_makes_no_sense_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "nora.avatar"
    members = parts(an_avatar())
    del members["styles"]
    write_parts(path, members)
    with zipfile.ZipFile(path, "a") as archive:
        magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
        archive.writestr("styles.npy", magic + header.encode() + bytes(1200))
    with pytest.raises(UserError, match="'styles' has a header that makes no sense; get it again"):
        load_avatar(path)


def test_deeply_nested_about_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nora.avatar"
    np.savez_compressed(path.with_suffix(".npz"), about=np.array("[" * 200_000))
    path.with_suffix(".npz").rename(path)
    with pytest.raises(UserError, match="not a whole avatar file"):
        load_avatar(path)


@pytest.mark.parametrize("content", [b"", b"I am a text file.\n", b"PK\x05\x06" + bytes(18)])
def test_other_files_called_avatar(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nora.avatar"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a whole avatar file"):
        load_avatar(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nora.avatar", tmp_path):
        with pytest.raises(UserError, match="cannot read the avatar"):
            load_avatar(path)


def test_any_truncation_or_flipped_byte_is_an_avatar_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "nora.avatar"
    save_avatar(replace(an_avatar(), thumbnail=np.zeros((4, 4, 3), np.uint8)), path)
    whole = path.read_bytes()
    refused = 0
    for k in range(0, len(whole), 7):
        spoilt = (whole[:k], whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :])
        for content in spoilt:
            path.write_bytes(content)
            try:
                load_avatar(path)
            except UserError:
                refused += 1
    # A checksum covers the data; only unused fields of the archive (dates, systems) may differ.
    assert refused > 2 * len(range(0, len(whole), 7)) * 0.9


def zip_bomb(path: Path, true_size: int, stated_size: int) -> Path:
    """An avatar whose `styles` unpack to `true_size` zeros; its directory states another size."""
    members = parts(an_avatar())
    del members["styles"]
    write_parts(path, members)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (true_size // 4,)}
    )
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("styles.npy", header.getvalue() + bytes(true_size))
    content = path.read_bytes()
    size = content.rindex(b"PK\x01\x02") + 24  # in the last entry of the directory
    path.write_bytes(content[:size] + struct.pack("<I", stated_size) + content[size + 4 :])
    return path


@pytest.mark.parametrize("stated_size", [64 << 20, 200_000])
def test_a_zip_bomb_is_never_unpacked(tmp_path: Path, stated_size: int) -> None:
    path = zip_bomb(tmp_path / "nora.avatar", 64 << 20, stated_size)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="'styles' unpacks to|Bad CRC"):
            load_avatar(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_avatar_of_another_generator_is_refused() -> None:
    avatar = an_avatar()
    check_fits(avatar, "0123abcd", 300)
    with pytest.raises(UserError, match="another generator.*make it again"):
        check_fits(avatar, "ffff", 300)
    with pytest.raises(UserError, match="another generator"):
        check_fits(avatar, "0123abcd", 301)


@pytest.fixture
def starters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "avatars"
    folder.mkdir()
    monkeypatch.setattr(avatars, "STARTER_AVATARS", folder)
    for name in ("Nora", "Ben"):
        save_avatar(replace(an_avatar(), name=name), folder / f"{name}.avatar")
    return folder


def test_find_avatar_by_name_and_by_path(starters: Path, tmp_path: Path) -> None:
    assert list(starter_avatars()) == ["Ben", "Nora"]
    assert find_avatar("nora") == starters / "Nora.avatar"
    mine = tmp_path / "mine.avatar"
    save_avatar(an_avatar(), mine)
    assert find_avatar(str(mine)) == mine


@pytest.mark.parametrize("name", ["Norra", "", "x" * 5000, "missing/nora.avatar", "."])
def test_an_unknown_avatar_names_those_there_are(starters: Path, name: str) -> None:
    with pytest.raises(UserError, match="Ben, Nora"):
        find_avatar(name)


def test_a_near_name_is_suggested(starters: Path) -> None:
    with pytest.raises(UserError, match="did you mean Nora"):
        find_avatar("Norra")

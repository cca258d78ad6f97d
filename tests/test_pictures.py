"""One reader for every picture: what each kind of file must look like, and what is no picture."""

import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from reenact import pictures
from reenact.errors import UserError
from reenact.pictures import BEHIND, MOST_PIXELS, read_picture, write_picture

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters() -> pictures.Image:
    """Red and green above, blue and white below; 40 px high, 60 wide."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :30], image[:20, 30:], image[20:, :30], image[20:, 30:] = RED, GREEN, BLUE, WHITE
    return image


def assert_quarters(image: pictures.Image, within: int = 40) -> None:
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8
    places = {(10, 15): RED, (10, 45): GREEN, (30, 15): BLUE, (30, 45): WHITE}
    for place, colour in places.items():
        assert np.abs(image[place].astype(int) - colour).max() <= within, place


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tiff", "gif", "avif"])
def test_plain_kinds(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture.{suffix}"
    PIL.Image.fromarray(quarters()).save(path)
    assert_quarters(read_picture(path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_rotated(tmp_path: Path, orientation: int, suffix: str) -> None:
    stored = {  # what a camera held that way stores, so that turning it gives the picture
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](quarters())
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{suffix}"
    PIL.Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    assert_quarters(read_picture(path))


def test_sixteen_bit_colour(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), quarters()[..., ::-1].astype(np.uint16) * 257)
    assert_quarters(read_picture(path))


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bit_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep.{suffix}"
    grey = np.arange(0, 65536, 16, np.uint16).reshape(64, 64)
    cv2.imwrite(str(path), grey)
    image = read_picture(path)
    assert image.shape == (64, 64, 3)
    np.testing.assert_array_equal(image[..., 1], grey // 257)


def test_greyscale(tmp_path: Path) -> None:
    path = tmp_path / "grey.jpg"
    PIL.Image.fromarray(np.full((20, 30), 99, np.uint8)).save(path)
    image = read_picture(path)
    assert image.shape == (20, 30, 3) and np.abs(image.astype(int) - 99).max() <= 1


def test_black_and_white(tmp_path: Path) -> None:
    path = tmp_path / "bits.png"
    PIL.Image.fromarray(np.eye(8, dtype=bool)).save(path)
    np.testing.assert_array_equal(read_picture(path)[..., 0], 255 * np.eye(8, dtype=np.uint8))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_over_a_plain_background(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "cut_out.png"
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[..., :3], rgba[5:15, 5:15, 3] = 30, 255
    rgba[:2, :2, 3] = 128
    PIL.Image.fromarray(rgba).convert(mode).save(path)
    image = read_picture(path)
    assert tuple(image[18, 18]) == BEHIND and tuple(image[10, 10]) == (30, 30, 30)
    assert abs(int(image[0, 0, 0]) - (BEHIND[0] + 30) // 2) <= 2


def test_palette_with_a_transparent_colour(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    palette = PIL.Image.fromarray(quarters()).quantize(4)
    palette.save(path, transparency=palette.getpixel((15, 30)))
    image = read_picture(path)
    assert tuple(image[30, 15]) == BEHIND and tuple(image[10, 45]) == GREEN


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    PIL.Image.fromarray(quarters()).convert("CMYK").save(path)
    assert_quarters(read_picture(path), within=60)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_of_an_animation_the_first_picture(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"moving.{suffix}"
    others = [PIL.Image.new("RGB", (60, 40), colour) for colour in ("black", "yellow")]
    PIL.Image.fromarray(quarters()).save(path, save_all=True, append_images=others)
    assert_quarters(read_picture(path))


def huge_png(path: Path, side: int = 20_000) -> None:
    """A PNG that says it is `side` px wide and high, and is a few bytes long."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(999)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b""))


def test_a_png_of_20k_by_20k_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    huge_png(tmp_path / "huge.png")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="too large .20000 x 20000 px.*make it smaller"):
            read_picture(tmp_path / "huge.png")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_jpeg_that_is_too_large_is_read_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_PIXELS", 40_000)
    path = tmp_path / "large.jpg"
    PIL.Image.fromarray(quarters()).resize((600, 400), PIL.Image.Resampling.NEAREST).save(path)
    image = read_picture(path)
    height, width = image.shape[:2]
    assert 5_000 < height * width <= 40_000 and abs(width / height - 1.5) < 0.03
    assert np.abs(image[height // 4, width // 4].astype(int) - RED).max() < 40
    assert MOST_PIXELS == 100_000_000
    large = PIL.Image.fromarray(quarters()).resize((600, 400))
    large.save(path, progressive=True)  # its decoder would hold all of it at once
    with pytest.raises(UserError, match="too large"):
        read_picture(path)
    large.save(path)
    monkeypatch.setattr(pictures, "MOST_IN_JPEG", 200_000)
    with pytest.raises(UserError, match="too large"):
        read_picture(path)


def truncated(path: Path) -> None:
    random = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    PIL.Image.fromarray(random).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:5000])


def real_numbers(path: Path) -> None:
    PIL.Image.fromarray(np.ones((8, 8), np.float32)).save(path, "TIFF")


NO_PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "heic.heic": (lambda p: p.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)), "HEIC.*as JPEG"),
    "text.jpg": (lambda p: p.write_text("I am a text.\n" * 9), "no picture that can be read"),
    "program.ps": (lambda p: p.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "no p"),
    "drawing.svg": (lambda p: p.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"), "no p"),
    "empty.png": (lambda p: p.write_bytes(b""), "is empty"),
    "truncated.jpg": (truncated, "cannot be read .*truncated.*save it again"),
    "numbers.tiff": (real_numbers, "real numbers"),
    "folder.png": (Path.mkdir, "there is no picture"),
    "missing.png": (lambda p: None, "there is no picture"),
    "x" * 5000: (lambda p: None, "there is no picture"),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_PICTURES, ids=lambda name: name[:12])
def test_what_is_no_picture_is_told(tmp_path: Path, name: str) -> None:
    make, words = NO_PICTURES[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=words):
        read_picture(tmp_path / name)


def test_any_flipped_byte_gives_a_picture_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "spoilt"
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        PIL.Image.fromarray(quarters()).save(path, kind)
        whole = path.read_bytes()
        for k in range(0, len(whole), max(1, len(whole) // 40)):
            path.write_bytes(whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1 :])
            try:
                assert read_picture(path).shape[2] == 3
            except UserError as error:
                assert str(path) in str(error)


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_picture(quarters(), tmp_path / "out.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "out.png"), quarters())
    with pytest.raises(UserError, match="cannot write"):
        write_picture(quarters(), tmp_path / "missing" / "out.png")
    assert [file.name for file in tmp_path.iterdir()] == ["out.png"]

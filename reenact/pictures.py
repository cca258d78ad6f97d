"""Pictures of any kind as u8 [H,W,3] RGB, the way they are meant to be seen; one reader for all.

Files come from anywhere: the size is checked before anything is decoded, only plain picture formats
are opened at all, and whatever is wrong with a file becomes a sentence.
"""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import PIL.ImageOps

from reenact.errors import UserError

Image = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""Decoders that may run; Pillow knows others that start programs or read other files."""
MOST_PIXELS = 100_000_000
"""Decoded they take 300 MB."""
MOST_IN_JPEG = 450_000_000
"""Of these the decoder can leave out most, unless they come in several passes (progressive)."""
BEHIND = (200, 200, 200)
"""What shows through where a picture is transparent."""

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

PIL.Image.MAX_IMAGE_PIXELS = None  # MOST_PIXELS is the limit here, after a JPEG was made smaller


def read_picture(path: Path | str) -> Image:
    """Read a picture as u8 [H,W,3] RGB.

    Turned as its EXIF says; 16 bits, grey, palette and CMYK converted; transparency laid over
    `BEHIND`; the first one where there are several.

    Raises:
        UserError: no such file, no picture, damaged, or too large.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path.is_file, False for a name that is too long
        raise UserError(f"there is no picture {path}: check the path")
    try:
        with PIL.Image.open(path, formats=FORMATS) as image:
            _shrink(image, path)
            turned = PIL.ImageOps.exif_transpose(image)
            return _rgb(turned)
    except UserError:
        raise
    except PIL.UnidentifiedImageError as error:
        raise UserError(_not_a_picture(path)) from error
    except Exception as error:  # Pillow lets through whatever its many parsers raise
        raise UserError(
            f"the picture {path} cannot be read ({_words(error)}): open it in a picture viewer and "
            "save it again as JPEG or PNG"
        ) from error


def write_picture(image: Image, path: Path) -> None:
    """Write u8 [H,W,3] RGB as PNG; at every moment `path` holds the old file or the whole new one.

    Raises:
        UserError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        PIL.Image.fromarray(image).save(part, "PNG")
        part.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {_words(error)}; choose another folder") from error
    finally:
        with suppress(OSError):  # the usual case: it was moved, or could never be opened
            part.unlink()


def _shrink(image: PIL.Image.Image, path: Path) -> None:
    """Bring a picture that is not decoded yet below MOST_PIXELS: JPEGs can be decoded at 1/8."""
    width, height = image.size
    if MOST_PIXELS < width * height <= MOST_IN_JPEG and "progressive" not in image.info:
        scale = (MOST_PIXELS / (width * height)) ** 0.5
        image.draft("RGB", (int(width * scale) // 2, int(height * scale) // 2))
    if image.size[0] * image.size[1] > MOST_PIXELS:
        raise UserError(
            f"the picture {path} is too large ({width} x {height} px): "
            f"make it smaller first, to {MOST_PIXELS // 10**6} million pixels at most"
        )


def _rgb(image: PIL.Image.Image) -> Image:
    if image.mode == "F":
        raise ValueError("its pixels are real numbers")
    if image.mode.startswith("I"):  # grey in 16 bits, which Pillow may keep in 32
        grey = np.clip(np.asarray(image).astype(np.int64) // 257, 0, 255)
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        front = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", front.size, BEHIND), front)
    return np.asarray(image.convert("RGB"), np.uint8)


def _not_a_picture(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError as error:
        return f"the picture {path} cannot be read: {_words(error)}; check the path"
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC:
        return (
            f"{path} is a HEIC photo, which cannot be read here: save it as JPEG first (on an "
            "iPhone: Settings, Camera, Formats, Most Compatible)"
        )
    if not start:
        return f"the picture {path} is empty: get it again"
    return f"{path} is no picture that can be read: give a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF"


def _words(error: Exception) -> str:
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).splitlines()[0][:200]

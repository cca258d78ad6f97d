"""The camera of the talking heads: each effect does what it says, and the same from the same seeds."""

import dataclasses
import json
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba")

from reenact.errors import UserError
from reenact.talking_heads.camera import film, sample_conditions

SIZE = 96
PERFECT: dict[str, Any] = {
    "severity": 0.0, "scale": 1.0, "distortion": 0.0, "aberration": 0.0, "vignette": 0.0,
    "defocus": 0.0, "hunting": 0.0, "shutter": 0.0, "exposure": 0.0, "drift": 0.0, "settling": 0.0,
    "warmth": 0.0, "tint": 0.0, "noise": 0.0, "grain": 0.5, "chroma": 0.3, "ghosting": 0.0,
    "contrast": 1.0, "black": 0.0, "knee": 0.0, "saturation": 1.0, "sharpening": 0.0,
    "codec": "none",
}  # fmt: skip

Pictures = npt.NDArray[np.uint8]


def scene(
    count: int = 3, size: int = SIZE, step: tuple[float, float] = (0, 0)
) -> tuple[Pictures, Pictures, npt.NDArray[np.float32]]:
    """A striped disc that moves by `step` px a frame before a grey wall: pictures, alpha, landmarks."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    frames, alphas, points = [], [], []
    for t in range(count):
        cx, cy = 0.5 * size + step[0] * (t - count // 2), 0.42 * size + step[1] * (t - count // 2)
        alpha = np.clip(0.3 * size - np.hypot(x - cx, y - cy), 0, 1)
        stripes = 128 + 60 * np.sin((x - cx) * 0.9) * np.sin((y - cy) * 0.9)
        colour = np.stack([stripes * 1.1, stripes, stripes * 0.8], -1)
        frames.append(colour * alpha[..., None] + 110 * (1 - alpha[..., None]))
        alphas.append(255 * alpha)
        arm = 0.12 * size
        points.append([[cx + arm, cy - arm], [cx - arm, cy - arm], [cx, cy + arm]])
    return np.uint8(frames), np.uint8(alphas), np.float32(points)


def filmed(seed: int = 5, fps: float = 25, **change: Any) -> Pictures:
    return film(*scene(), seed, fps, PERFECT | change)


def test_equal_seeds_give_equal_bytes_and_others_do_not() -> None:
    clip = scene(4, step=(3, 1))
    for seed in range(6):
        np.testing.assert_array_equal(film(*clip, seed, 25), film(*clip, seed, 25))
    assert (film(*clip, 1, 25) != film(*clip, 2, 25)).mean() > 0.2


def test_another_process_films_the_same() -> None:
    code = (
        "import zlib; from test_talking_heads_camera import film, scene;"
        "print([zlib.crc32(film(*scene(3, 64, (2, 0)), s, 25).tobytes()) for s in range(4)])"
    )
    command = [sys.executable, "-c", f"import sys; sys.path[:0] = {sys.path!r} + ['tests']; {code}"]
    there = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    here = [zlib.crc32(film(*scene(3, 64, (2, 0)), s, 25).tobytes()) for s in range(4)]
    assert json.loads(there) == here


def test_a_perfect_camera_shows_the_clean_picture() -> None:
    difference = filmed().astype(int) - scene()[0]
    assert np.abs(difference).max() <= 2


def test_unknown_wishes_are_named() -> None:
    with pytest.raises(UserError, match="flavour"):
        sample_conditions(1, {"flavour": 1.0})
    with pytest.raises(UserError, match="betamax"):
        film(*scene(), 1, 25, {"codec": "betamax"})


def test_conditions_are_plain_values_and_carry_the_wish() -> None:
    conditions = sample_conditions(3, {"noise": 0.02, "codec": "h264"})
    kept = json.loads(json.dumps(dataclasses.asdict(conditions)))
    assert kept["noise"] == 0.02 and kept["codec"] == "h264"
    np.testing.assert_array_equal(
        film(*scene(), 3, 25, kept), film(*scene(), 3, 25, {"noise": 0.02, "codec": "h264"})
    )


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("count", [1, 3])
def test_any_size_and_a_single_frame(size: int, count: int) -> None:
    for codec in ("none", "mjpg", "h264"):
        out = film(*scene(count, size), 7, 25, {"codec": codec, "scale": 0.53})
        assert out.shape == (count, size, size, 3) and out.dtype == np.uint8

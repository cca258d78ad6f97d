"""The camera of the talking heads: each effect does what it says, and the same from the same seeds."""

import dataclasses
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba")

from reenact.errors import UserError
from reenact.talking_heads.camera import film, sample_conditions
from reenact.talking_heads.lights import LIGHTS
from reenact.talking_heads.rooms import BACKGROUNDS
from reenact.talking_heads.scene import Scene, make_scene

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


def test_every_light_and_background_is_drawn_on_wish() -> None:
    for k, light in enumerate(LIGHTS):
        scene = make_scene(40 + k, 64, {"light": light})
        strengths = np.concatenate([scene.light.colours.ravel(), scene.light.exposure])
        assert np.isfinite(strengths).all() and (strengths >= 0).all()
    for background in BACKGROUNDS:
        one, two = (make_scene(3, 64, {"background": background}).background for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert one.shape == (64, 64, 3) and one.min() >= 0 and one.max() <= 1
        assert (one.std((0, 1)) < 1e-6).all() == (background == "plain")


def test_lights_come_from_where_their_names_say() -> None:
    def mean(light: str, pick: Callable[[Scene], float]) -> float:
        return float(np.mean([pick(make_scene(s, 32, {"light": light})) for s in range(12)]))

    def height(scene: Scene) -> float:
        return float(scene.light.directions[0, 1])

    def behind(scene: Scene) -> float:
        return float(scene.background.mean())

    def red_over_blue(scene: Scene) -> float:
        return float(scene.light.colours[0, 0] / scene.light.colours[0, 2])

    assert mean("ceiling", height) > 0.6 > mean("window", height) > 0 > mean("screen", height)
    assert mean("low_key", behind) < 0.5 * mean("soft", behind) < 0.5 * mean("rim", behind)
    assert mean("golden", red_over_blue) > 3 and mean("screen", red_over_blue) < 1


def test_an_unknown_background_is_named() -> None:
    with pytest.raises(UserError, match="volcano"):
        make_scene(1, 32, {"background": "volcano"})

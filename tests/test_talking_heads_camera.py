"""The camera of the talking heads: each effect does what it says, and the same from the same seeds."""

import dataclasses
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("numba")

from reenact.errors import UserError
from reenact.talking_heads.camera import film, sample_conditions
from reenact.talking_heads.landmarks import LANDMARKS
from reenact.talking_heads.lens import head_motion
from reenact.talking_heads.lights import LIGHTS
from reenact.talking_heads.occluders import OCCLUDERS
from reenact.talking_heads.rooms import BACKGROUNDS
from reenact.talking_heads.scene import Scene, make_scene

SIZE = 96
PERFECT: dict[str, Any] = {
    "severity": 0.0, "scale": 1.0, "distortion": 0.0, "aberration": 0.0, "vignette": 0.0,
    "defocus": 0.0, "hunting": 0.0, "shutter": 0.0, "exposure": 0.0, "drift": 0.0, "settling": 0.0,
    "warmth": 0.0, "tint": 0.0, "noise": 0.0, "grain": 0.5, "chroma": 0.3, "ghosting": 0.0,
    "contrast": 1.0, "black": 0.0, "knee": 0.0, "saturation": 1.0, "sharpening": 0.0,
    "codec": "none", "occluder": "none",
}  # fmt: skip

NAMED = {
    "left eye": (0.4, -0.3), "right eye": (-0.4, -0.3), "mouth": (0, 0.45), "chin bottom": (0, 0.9),
    "between brows": (0, -0.5), "forehead top": (0, -0.7), "forehead": (0, -0.6),
    "nose bridge": (0, -0.3), "nose tip": (0, 0.1), "left cheek": (0.45, 0.25),
    "right cheek": (-0.45, 0.25), "left temple": (0.75, -0.4), "right temple": (-0.75, -0.4),
    "left cheek bone": (0.6, 0), "right cheek bone": (-0.6, 0), "left jaw middle": (0.5, 0.6),
    "right jaw middle": (-0.5, 0.6), "left brow middle": (0.4, -0.5),
    "right brow middle": (-0.4, -0.5), "left ear front": (0.8, 0), "right ear front": (-0.8, 0),
}  # fmt: skip
POINTS = np.array([NAMED.get(name, (0, 0)) for name in LANDMARKS])
"""Where the landmarks lie on the disc, in radii."""

Pictures = npt.NDArray[np.uint8]


def scene(
    count: int = 3, size: int = SIZE, step: tuple[float, float] = (0, 0)
) -> tuple[Pictures, Pictures, npt.NDArray[np.float32]]:
    """A patterned disc that moves by `step` px a frame before a grey wall: pictures, alpha, landmarks."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    frames, alphas, points = [], [], []
    for t in range(count):
        cx, cy = 0.5 * size + step[0] * (t - count // 2), 0.42 * size + step[1] * (t - count // 2)
        alpha = np.clip(0.3 * size - np.hypot(x - cx, y - cy), 0, 1)
        hair = np.where(y < cy - 0.2 * size, 0.2, 1.0)[..., None]
        stripes = 128 + 35 * (np.sin((x - cx) * 0.9) + np.sin((y - cy) * 0.9))
        colour = np.stack([stripes * 1.1, stripes, stripes * 0.8], -1) * hair
        frames.append(colour * alpha[..., None] + 110 * (1 - alpha[..., None]))
        alphas.append(255 * alpha)
        points.append([cx, cy] + POINTS * 0.3 * size)
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
    with pytest.raises(UserError, match="rate_factor"):
        sample_conditions(1, {"rate_factor": 52})
    with pytest.raises(UserError, match="loud"):
        sample_conditions(1, {"noise": "loud"})
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
    for codec, scale in (("none", 0.53), ("mjpg", 0.53), ("h264", 0.53), ("h264", 0.1)):
        out = film(*scene(count, size), 7, 25, {"codec": codec, "scale": scale})
        assert out.shape == (count, size, size, 3) and out.dtype == np.uint8


def detail(pictures: Pictures, axis: int | None = None) -> float:
    """Mean squared second derivative of the middle frame's green, along x (1), y (0) or both."""
    green = pictures[len(pictures) // 2, ..., 1].astype(np.float64)
    if axis is None:
        return float((cv2.Laplacian(green, cv2.CV_64F) ** 2).mean())
    return float((np.diff(green, 2, axis) ** 2).mean())


def test_focus_blurs_the_more_the_larger_it_is() -> None:
    sharp = [detail(filmed(defocus=d)) for d in (0.0, 0.005, 0.015)]
    assert sharp[0] > 1.3 * sharp[1] > 1.69 * sharp[2]


def test_hunting_focus_comes_and_goes() -> None:
    frames, alpha, landmarks = scene(24)
    out = film(frames, alpha, landmarks, 3, 25, PERFECT | {"hunting": 0.02})
    each = [detail(out[t : t + 1]) for t in range(24)]
    assert max(each) > 3 * min(each)


def test_motion_blurs_only_what_moves_and_along_its_motion() -> None:
    def taken(step: tuple[float, float], **change: Any) -> Pictures:
        return film(*scene(3, SIZE, step), 5, 25, PERFECT | {"shutter": 0.04} | change)

    still, aside, down = taken((0, 0)), taken((8, 0)), taken((0, 8))
    np.testing.assert_array_equal(still, filmed())
    assert detail(aside, 1) < 0.5 * detail(still, 1) and detail(aside, 0) > 0.75 * detail(still, 0)
    assert detail(down, 0) < 0.5 * detail(still, 0) and detail(down, 1) > 0.75 * detail(still, 1)
    assert detail(taken((8, 0), shutter=0.002)) > 1.5 * detail(aside)
    np.testing.assert_array_equal(aside[1, 85:], still[1, 85:])  # the wall below stays as it is


def test_motion_blur_follows_a_turning_head() -> None:
    points = np.float64([[10, 20], [30, 22], [20, 40]]) + 5
    middle = points.mean(0)
    turn = np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    landmarks = np.float32(
        [middle + (points - middle) @ np.linalg.matrix_power(turn, k).T for k in range(3)]
    )
    centre, velocity, growth = head_motion(landmarks, 1)
    np.testing.assert_allclose([centre.real, centre.imag], middle, atol=1e-4)
    assert abs(velocity) < 1e-3 and growth.imag == pytest.approx(np.sin(0.1), rel=1e-3)


def test_noise_grows_with_its_amount_and_with_colour() -> None:
    def residual(**change: Any) -> tuple[float, float]:
        difference = filmed(**change).astype(float) - filmed()
        luma = difference.mean(-1)
        return float(luma.std()), float((difference - luma[..., None]).std())

    low, high = residual(noise=0.01), residual(noise=0.04)
    assert low[0] > 0.5 and 2.5 * low[0] < high[0]
    assert residual(noise=0.04, chroma=1.0)[1] > 2 * residual(noise=0.04, chroma=0.2)[1]
    fine, coarse = (filmed(noise=0.04, grain=g).astype(float) - filmed() for g in (0.2, 1.5))
    assert detail(coarse) / coarse.var() < 0.5 * detail(fine) / fine.var()


def test_exposure_and_white_balance_shift_light_and_colours() -> None:
    dark, normal, bright = (float(filmed(exposure=e).mean()) for e in (-1.0, 0.0, 1.0))
    assert dark < 0.8 * normal and bright > 1.2 * normal

    def ratio(picture: Pictures) -> float:
        return float(np.log(picture[..., 0].mean() / picture[..., 2].mean()))

    assert ratio(filmed(warmth=-0.4)) < ratio(filmed()) - 0.1 < ratio(filmed(warmth=0.4)) - 0.2
    green = [float(filmed(tint=t)[..., 1].mean()) for t in (-0.3, 0.0, 0.3)]
    assert green[0] < green[1] < green[2]


def test_settling_ends_and_drift_goes_on() -> None:
    frames, alpha, landmarks = scene(40, 64)
    level = film(frames, alpha, landmarks, 3, 25, PERFECT | {"settling": -1.5}).mean((1, 2, 3))
    assert level[0] < 0.75 * level[-1] and abs(level[-1] - frames.mean()) < 4
    level = film(frames, alpha, landmarks, 3, 25, PERFECT | {"drift": 0.5}).mean((1, 2, 3))
    assert np.ptp(level) > 5 and np.abs(np.diff(level)).max() < 6


def test_processing_does_what_it_says() -> None:
    clean = filmed().astype(float)
    assert filmed(contrast=1.4).std() > 1.2 * clean.std() > 1.44 * filmed(contrast=0.6).std()
    assert filmed(saturation=2.0).astype(float).std(-1).mean() > 1.6 * clean.std(-1).mean()
    assert detail(filmed(sharpening=1.0)) > 1.3 * detail(filmed())
    assert filmed(black=0.1).min() > clean.min() + 8
    corner = filmed(vignette=0.5)[:, :8, :8].mean() / filmed()[:, :8, :8].mean()
    middle = filmed(vignette=0.5)[:, 44:52, 44:52].mean() / filmed()[:, 44:52, 44:52].mean()
    assert corner < 0.85 < 0.97 < middle


def test_a_lens_bends_and_colours_edges_but_leaves_the_middle() -> None:
    bent = filmed(distortion=0.1).astype(int) - filmed()
    assert np.abs(bent).max() > 20
    fringed = filmed(aberration=0.01).astype(int) - filmed()
    assert np.abs(fringed[..., 0]).max() > 5 and np.abs(fringed[..., 1]).max() <= 1


def test_a_face_captured_small_loses_detail() -> None:
    each = [detail(filmed(scale=s)) for s in (1.0, 0.6, 0.3)]
    assert each[0] > 1.2 * each[1] > 1.44 * each[2]


def test_ghosting_leaves_a_trail_where_things_were() -> None:
    clip = scene(3, SIZE, (14, 0))
    trail = film(*clip, 5, 25, PERFECT | {"ghosting": 0.05}).astype(float)[2]
    before, after = clip[0][1].astype(float), clip[0][2].astype(float)
    moved = np.abs(before - after).max(-1) > 40
    assert np.abs(trail - after)[moved].mean() > 5
    assert np.abs(trail - before)[moved].mean() > 5
    np.testing.assert_allclose(filmed(ghosting=0.05), filmed(), atol=1)


@pytest.mark.parametrize(
    ("codec", "field", "good", "bad"),
    [("mjpg", "jpeg_quality", 95, 10), ("h264", "rate_factor", 10, 45)],
)
def test_a_codec_costs_detail_by_its_quality(codec: str, field: str, good: int, bad: int) -> None:
    def error(quality: int) -> float:
        coded = filmed(codec=codec, **{field: quality}).astype(int)
        return float(np.abs(coded - filmed()).mean())

    assert 0.2 < error(good) < 0.5 * error(bad)


def test_severity_orders_cameras() -> None:
    def error(severity: float) -> float:
        clip = scene(2, 64, (2, 0))
        wish = {"severity": severity, "occluder": "none"}
        each = [np.abs(film(*clip, s, 25, wish).astype(int) - clip[0]).mean() for s in range(40)]
        return float(np.mean(each))

    mild, middle, severe = error(0.0), error(0.4), error(0.9)
    assert mild < 0.85 * middle < 0.85**2 * severe
    drawn = [sample_conditions(s).severity for s in range(200)]
    assert np.median(drawn) < 0.35 and max(drawn) > 0.75


@pytest.mark.parametrize("kind", [kind for kind in OCCLUDERS if kind != "none"])
def test_an_occluder_hides_a_part_and_moves_smoothly(kind: str) -> None:
    frames, alpha, landmarks = scene(8, SIZE, (1, 0))
    hidden = []
    for seed in range(8):
        out = film(frames, alpha, landmarks, seed, 25, PERFECT | {"occluder": kind})
        hidden.append((np.abs(out.astype(int) - frames).max(-1) > 12).mean((1, 2)))
    share = np.array(hidden)
    assert share.max() > (0.004 if kind == "hair" else 0.06) and share.max() < 0.8
    assert np.abs(np.diff(share, axis=1)).max() < 0.25


def test_most_clips_have_nothing_before_the_face() -> None:
    kinds = [sample_conditions(s).occluder for s in range(400)]
    assert 0.7 < kinds.count("none") / 400 < 0.9 and set(kinds) == set(OCCLUDERS)


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
    assert mean("golden", red_over_blue) > 1.4 > 1 > mean("screen", red_over_blue)


def test_an_unknown_background_is_named() -> None:
    with pytest.raises(UserError, match="volcano"):
        make_scene(1, 32, {"background": "volcano"})

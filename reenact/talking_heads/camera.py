"""The camera: a clean clip as a real webcam would have delivered it.

One camera per clip; in the order of physics: things before the face, lens and focus, motion while the shutter is open,
exposure and white balance, sensor noise, the processor's denoising, tone, colour and sharpening,
and the cable's codec. Not here: mirroring (it would have to turn the labels too: whoever trains does
both) and how the window lies around the face (reenact.train.augment.jitter_window); frames are never
repeated or dropped, so that picture t always shows what factors[t] say, and a camera that is slow in
the dark shows in its long shutter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from reenact.errors import UserError
from reenact.talking_heads.codec import SUBSAMPLING, through_h264, through_jpeg
from reenact.talking_heads.landmarks import rows
from reenact.talking_heads.lens import (
    defocus,
    head_flow,
    head_motion,
    radius_squared,
    refract,
    refraction,
    smear,
)
from reenact.talking_heads.occluders import OCCLUDERS, occlude
from reenact.talking_heads.raster import Bytes, Floats
from reenact.talking_heads.sensor import LINEAR, develop, grain, sharpen, tone_curve

CODECS = ("none", "mjpg", "h264")
_CHOICES = {"codec": CODECS, "subsampling": tuple(SUBSAMPLING), "occluder": OCCLUDERS}
_RANGES: dict[str, tuple[float, float]] = {
    "severity": (0, 1), "scale": (0.1, 1), "jpeg_quality": (1, 100), "rate_factor": (0, 51),
    "vignette": (0, 1), "black": (0, 0.9), "knee": (0, 0.9),
    **dict.fromkeys(("defocus", "hunting"), (0, 0.2)),
    **dict.fromkeys(("shutter", "noise", "grain", "chroma", "ghosting", "sharpening"), (0, 10)),
    **dict.fromkeys(("contrast", "saturation"), (0, 10)),
}  # fmt: skip
_OCCLUDER_ODDS = (0.8, 0.08, 0.025, 0.025, 0.04, 0.03)
_SKULL = rows(
    "left eye", "right eye", "forehead", "nose bridge", "left ear front", "right ear front"
)
_LONGEST_SHARE = 2.5  # frame times that a shutter stays open at most


@dataclass(frozen=True)
class Conditions:
    """What one camera does to one clip; plain values, kept with the clip (dataclasses.asdict)."""

    severity: float  # 0 = a very good camera .. 1 = a very bad one; most of the rest follows it
    scale: float  # the face is captured this much smaller than the clean picture, then enlarged
    distortion: float  # of the lens; see lens.refraction
    aberration: float  # coloured edges; see lens.refraction
    vignette: float  # share of the light that the corners lose
    defocus: float  # blur (Gaussian sigma) as a share of the picture's side
    hunting: float  # blur that comes and goes while focus hunts, same unit
    shutter: float  # seconds that it is open
    exposure: float  # stops too bright (> 0) or too dark
    drift: float  # stops that the automatic exposure wanders to both sides
    settling: float  # stops at the start of the clip that it corrects in half a second
    warmth: float  # ln(red / blue) of the white balance
    tint: float  # ln(green / purple) of the white balance
    noise: float  # standard deviation at middle grey, linear light
    grain: float  # px over which noise is correlated
    chroma: float  # noise of colour beside noise of brightness
    ghosting: float  # seconds that the processor's denoising averages over
    contrast: float  # 1 = as it was
    black: float  # display value of black
    knee: float  # how softly highlights end
    saturation: float  # 1 = as it was
    sharpening: float  # amount of the unsharp mask
    occluder: str  # what is before the face, one of OCCLUDERS
    codec: str  # one of CODECS
    jpeg_quality: int  # 1..100, for "mjpg"
    rate_factor: int  # 0..51, higher is worse, for "h264"
    subsampling: str  # of JPEG's colours, a key of SUBSAMPLING


def sample_conditions(seed: int, wish: Mapping[str, Any] | None = None) -> Conditions:
    """Draw a camera: most are mild, a tail is severe.

    wish: fields of Conditions that are fixed; a wished severity makes the rest that good or bad.
    Raises UserError for a field that there is not and for a value that it cannot have.
    """
    wish = dict(wish or {})
    _check(wish)
    severity = float(wish.get("severity", np.random.default_rng([seed, 20]).beta(1.0, 2.2)))
    drawn: dict[str, Any] = {"severity": severity}
    drawn |= _draw_lens(np.random.default_rng([seed, 21]), severity)
    drawn |= _draw_exposure(np.random.default_rng([seed, 22]), severity)
    drawn |= _draw_noise(np.random.default_rng([seed, 23]), severity)
    drawn |= _draw_processing(np.random.default_rng([seed, 24]), severity)
    drawn |= _draw_codec(np.random.default_rng([seed, 25]), severity)
    drawn["occluder"] = str(np.random.default_rng([seed, 26]).choice(OCCLUDERS, p=_OCCLUDER_ODDS))
    return Conditions(**(drawn | wish))


def _check(wish: Mapping[str, Any]) -> None:
    """Raises UserError for what a camera cannot be."""
    known = [field.name for field in fields(Conditions)]
    for name, value in wish.items():
        if name not in known:
            raise UserError(f"A camera has no '{name}'; wish for one of {', '.join(known)}.")
        if name in _CHOICES:
            if value not in _CHOICES[name]:
                choices = ", ".join(_CHOICES[name])
                raise UserError(f"'{value}' is no {name}; choose one of {choices}.")
            continue
        low, high = _RANGES.get(name, (-10, 10))
        if not isinstance(value, int | float) or not low <= value <= high:
            raise UserError(
                f"A camera's {name} cannot be {value!r}; give a number {low} to {high}."
            )


def _sometimes(rng: np.random.Generator, chance: float, typical: float) -> float:
    """0, or with a chance something positive around `typical`, four times that at most."""
    size = min(float(rng.exponential()), 4.0) * typical
    return size if rng.random() < chance else 0.0


def _draw_lens(rng: np.random.Generator, severity: float) -> dict[str, Any]:
    return {
        "scale": float(1 - rng.uniform(0, 0.75) * severity**0.7) if rng.random() < 0.6 else 1.0,
        "distortion": float(rng.normal(0, 0.02)),
        "aberration": _sometimes(rng, 0.5, 0.001 + 0.002 * severity),
        "vignette": _sometimes(rng, 0.6, 0.05 + 0.15 * severity),
        "defocus": 0.0015 + _sometimes(rng, 0.8, 0.0023 + 0.007 * severity),
        "hunting": _sometimes(rng, 0.08, 0.01),
    }


def _draw_exposure(rng: np.random.Generator, severity: float) -> dict[str, Any]:
    return {
        "shutter": float(np.exp(rng.uniform(np.log(1 / 250), np.log(1 / 50)) + 1.8 * severity)),
        "exposure": float(rng.normal(-0.15, 0.4 + 0.5 * severity)),
        "drift": _sometimes(rng, 0.5, 0.08 + 0.15 * severity),
        "settling": float(rng.normal(0, 0.7)) if rng.random() < 0.08 else 0.0,
    }


def _draw_noise(rng: np.random.Generator, severity: float) -> dict[str, Any]:
    return {
        "noise": float(0.0020 * np.exp(rng.normal(0, 0.8) + 1.9 * severity)),
        "grain": float(rng.uniform(0.2, 0.9) + 0.4 * severity),
        "chroma": float(rng.uniform(0.1, 0.65)),
        "ghosting": _sometimes(rng, 0.4, 0.02 * severity),
    }


def _draw_processing(rng: np.random.Generator, severity: float) -> dict[str, Any]:
    spread = 0.5 + severity
    return {
        "warmth": float(rng.normal(0.03, 0.2 * spread)),
        "tint": float(rng.normal(-0.08, 0.13 * spread)),
        "contrast": float(np.exp(rng.normal(0, 0.14 * spread))),
        "black": _sometimes(rng, 0.5, 0.02 * spread),
        "knee": float(rng.uniform(0, 0.5)),
        "saturation": float(np.exp(rng.normal(-0.11, 0.36 * spread))),
        "sharpening": _sometimes(rng, 0.7, 0.5),
    }


def _draw_codec(rng: np.random.Generator, severity: float) -> dict[str, Any]:
    codec = str(rng.choice(CODECS, p=(0.2, 0.45, 0.35)))
    jpeg = 95 - 55 * severity * rng.uniform(0.3, 1)
    rate = 24 + 20 * severity * rng.uniform(0.3, 1)
    return {
        "codec": codec,
        "jpeg_quality": int(jpeg),
        "rate_factor": int(rate),
        "subsampling": str(rng.choice(("422", "420", "444"), p=(0.55, 0.35, 0.1))),
    }


def film(
    frames: Bytes,
    alpha: Bytes,
    landmarks: Floats,
    seed: int,
    fps: float,
    wish: Mapping[str, Any] | None = None,
) -> Bytes:
    """The clip u8[T,s,s,3] as the camera sample_conditions(seed, wish) delivers it, u8[T,s,s,3].

    frames u8[T,s,s,3] RGB, clean; alpha u8[T,s,s], 255 = person; landmarks f32[T,L,2] px
    in the order of LANDMARKS; fps: of these frames (25 / stride if every stride-th was rendered), by
    which motion blur and ghosting follow the real time between them. Raises UserError like
    sample_conditions. Equal arguments give equal bytes.
    """
    conditions = sample_conditions(seed, wish)
    size = frames.shape[1]
    side = max(16, 2 * round(conditions.scale * size / 2))
    exposure, blur = _over_time(conditions, len(frames), fps, np.random.default_rng([seed, 30]))
    maps = refraction(size, size, conditions.distortion, conditions.aberration)
    things = np.random.default_rng([seed, 32])
    covered = occlude(frames, alpha, landmarks, conditions.occluder, things, fps)
    skull = landmarks[:, _SKULL] * np.float32(side / size)
    develop_frame = _Processor(conditions, side, fps, np.random.default_rng([seed, 31]))
    taken = np.empty((len(frames), side, side, 3), np.uint8)
    for t in range(len(frames)):
        picture = _shrink(refract(covered[t], maps), side)
        flow = head_flow(
            _shrink(alpha[t], side),
            head_motion(skull, t),
            min(conditions.shutter * fps, _LONGEST_SHARE),
        )
        light = np.empty((side, side, 3), np.float32)
        smear(LINEAR[picture], flow, light)
        light = defocus(light, float(blur[t]) * side, 1 + 1.5 * float(blur[t] - conditions.defocus))
        taken[t] = develop_frame(light, float(exposure[t]))
    taken = _transmit(taken, conditions, fps)
    return taken if side == size else np.stack([_enlarge(p, size) for p in taken])


def _over_time(
    c: Conditions, count: int, fps: float, rng: np.random.Generator
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Exposure in stops and blur as a share of the side, f64[T] each."""
    seconds = np.arange(count) / fps
    phases, rates = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.1, 0.6, 2)
    wander = np.sin(2 * np.pi * rates[:, None] * seconds + phases[:, None]).sum(0)
    exposure = c.exposure + c.drift * wander + c.settling * np.exp(-seconds / 0.5)
    hunt_at, hunt_rate = rng.uniform(0, max(float(seconds[-1]), 0.2)), rng.uniform(0.8, 2.0)
    envelope = np.exp(-(((seconds - hunt_at) / 0.8) ** 2))
    hunting = (
        c.hunting * envelope * (0.5 + 0.5 * np.cos(2 * np.pi * hunt_rate * (seconds - hunt_at)))
    )
    return exposure, c.defocus + hunting


class _Processor:
    """Sensor and image processor of one clip: linear light -> u8, frame after frame."""

    def __init__(
        self, conditions: Conditions, side: int, fps: float, rng: np.random.Generator
    ) -> None:
        c = self._conditions = conditions
        self._rng, self._last = rng, None
        self._falloff = 1 - min(c.vignette, 0.9) * radius_squared(side, side)
        balance = np.exp([c.warmth / 2 - c.tint / 3, c.tint * 2 / 3, -c.warmth / 2 - c.tint / 3])
        self._balance = np.asarray(balance, np.float32)
        self._curve = tone_curve(c.contrast, c.black, c.knee)
        self._keep = float(np.exp(-1 / (fps * c.ghosting))) if c.ghosting > 0 else 0.0
        # middle grey is 0.2 in linear light; two thirds of the variance there are photons
        self._shot, self._read = c.noise**2 * (2 / 3) / 0.2, c.noise * (1 / 3) ** 0.5

    _last: Floats | None

    def __call__(self, light: Floats, stops: float) -> Bytes:
        c = self._conditions
        height, width = light.shape[:2]
        noise = grain(self._rng, height, width, c.grain, c.chroma)
        out = np.empty_like(light)
        gain = (self._falloff * 2**stops).astype(np.float32)
        develop(
            light, gain, self._balance, noise, self._shot, self._read,
            self._curve, c.saturation, out,
        )  # fmt: skip
        if self._last is not None and self._keep > 0:
            mixed = cv2.addWeighted(out, 1 - self._keep, self._last, self._keep, 0)
            out = np.asarray(mixed, np.float32)
        self._last = out
        return np.asarray(sharpen(out, c.sharpening, 1.0).clip(0, 255) + 0.5, np.uint8)


def _transmit(pictures: Bytes, conditions: Conditions, fps: float) -> Bytes:
    if conditions.codec == "mjpg":
        return through_jpeg(pictures, conditions.jpeg_quality, conditions.subsampling)
    if conditions.codec == "h264":
        return through_h264(pictures, conditions.rate_factor, fps)
    return pictures


def _shrink(picture: Bytes, side: int) -> Bytes:
    if picture.shape[0] == side:
        return picture
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _enlarge(picture: Bytes, side: int) -> Bytes:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)

"""Portraits as avatars, with and without manifold adjustment: one sheet, and what an independent
judge says.

    REENACT_MEDIA=FOLDER REENACT_JUDGE=PYTHON python -m tests.system.judge_portraits

Every picture in FOLDER/portraits becomes an avatar, which is adjusted. Their files, and a picture of
each while it is adjusted, lie in OUT; those that are there already are not made again (`--anew`).

likeness   PSNR and SSIM of the face, drawn in the portrait's own motion, against the portrait.
following  two videos in FOLDER/drivers drive both avatars of every portrait, through the engines that
           run live. MediaPipe's face mesh measures driver and pictures; rho_pose and rho_face are
           the means of the correlations over time where the driver moves (see judge_talking_heads).

Writes the table in docs/portraits.md, and OUT/sheet.jpg: portrait | encoded | adjusted | adjusted
under four drivers. PYTHON as for tests.system.judge_talking_heads.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console

from engines import Engine, load_engine
from reenact.adjust import adjust, bank, face_weight, watched
from reenact.avatar import Avatar, load_avatar, save_avatar
from reenact.checkpoint import fingerprint, load_checkpoint
from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.face import Box, FaceFinder, Window, cut, window_of_box
from reenact.hybrid import Puppeteer
from reenact.motion_basis import FILE, load_basis
from reenact.spaces import add_deformation
from reenact.talking_heads.measures import FACE, MEASURES, POSE
from tests.system.judge_mediapipe import Numbers, find_points, judge_python, tracked_measures
from tests.system.judge_talking_heads import FLOORS

Image = npt.NDArray[np.uint8]

STARTER = Path("reenact/starter")
SHOWN = ("d0", "d3", "d14", "d20")
"""Drivers of the sheet, a frame of each."""
ASKED = {"psnr": 6.0, "ssim": 0.15, "rho": 0.05}
_SIDE = 160  # px of a picture in the sheet
_LEAST = 20  # frames with a face in both; fewer say nothing of a correlation


@dataclass(frozen=True)
class Portrait:
    """A picture's face and both its avatars; crop u8 [R,R,3]."""

    name: str
    crop: Image
    encoded: Avatar
    adjusted: Avatar


def face_crop(picture: Path, size: int) -> Image:
    """The window that the encoders would see of a picture's face."""
    image = cv2.imread(str(picture))
    if image is None or (box := FaceFinder().find(np.ascontiguousarray(image[..., ::-1]))) is None:
        raise UserError(f"no face was found in {picture}: take another picture")
    return cut(np.ascontiguousarray(image[..., ::-1]), window_of_box(box), size)


@torch.no_grad()
def encode(name: str, crop: Image, model: Puppeteer) -> Avatar:
    """An avatar as the identity encoder sees the crop."""
    small = cv2.resize(crop, (model.encoder.crop,) * 2, interpolation=cv2.INTER_AREA)
    seen = torch.from_numpy(small).movedim(2, 0)[None].float() / 127.5 - 1
    w_id = model.identify(seen)
    styles = model.generator.identity_styles(w_id)
    consent = "A trial with a picture from LivePortrait's examples (MIT)."
    named = fingerprint(model.generator)
    return Avatar(name, w_id[0].numpy(), styles[0].numpy(), crop, named, "MIT", consent)


def make(picture: Path, model: Puppeteer, out: Path, anew: bool) -> Portrait:
    """Encode and adjust a portrait, or read what an earlier run made."""
    crop = face_crop(picture, model.dims.resolution)
    encoded, file = encode(picture.stem, crop, model), out / f"{picture.stem}.avatar"
    if not anew and file.exists():
        adjusted = load_avatar(file)
        if adjusted.fingerprint == encoded.fingerprint:
            return Portrait(picture.stem, crop, encoded, adjusted)
    drivers, begin_s = bank(load_basis(STARTER / FILE).names), time.process_time()
    with watched(out / f"{picture.stem}.png") as listen:
        adjusted = adjust(crop, encoded, model, drivers, listen)
    print(f"{picture.stem}: {time.process_time() - begin_s:.0f} s of processor time")
    save_avatar(adjusted, file)
    return Portrait(picture.stem, crop, encoded, adjusted)


# ---- likeness


def psnr(picture: Image, wanted: Image, weight: Numbers) -> float:
    """Of the weighted pixels, dB."""
    error = np.square(picture.astype(float) - wanted).mean(2)
    return float(10 * np.log10(255**2 * weight.sum() / (weight * error).sum()))


def ssim(picture: Image, wanted: Image, weight: Numbers) -> float:
    """Structural similarity of luma (Wang et al. 2004: Gaussian of 1.5 px), weighted mean."""
    x, y = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(float) for p in (picture, wanted))

    def mean(values: Numbers) -> Numbers:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float64)

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    one, two = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    like = (2 * mx * my + one) * (2 * vxy + two) / ((mx**2 + my**2 + one) * (vx + vy + two))
    return float((weight * like).sum() / weight.sum())


# ---- following


def driver_crops(video: Path, frames: int, size: int) -> Image:
    """About so many frames of a video, evenly over it: the face in one still window, u8 [T,s,s,3]."""
    with av.open(str(video)) as container:
        whole = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    finder, step = FaceFinder(), max(1, len(whole) // frames)
    boxes = [box for image in whole[:: 8 * step] if (box := finder.find(image)) is not None]
    if not boxes:
        raise UserError(f"no face was found in {video}: take another driver")
    middle = np.median([(box.cx, box.cy, box.side) for box in boxes], axis=0)
    window: Window = window_of_box(Box(*map(float, middle)))
    return np.stack([cut(image, window, size) for image in islice(whole, 0, None, step)][:frames])


class Driven:
    """Both avatars of a portrait, drawn by the engines that run live."""

    def __init__(self, model: Puppeteer, backend: str) -> None:
        self.dims, self.backend = model.dims, backend
        self.encoder = load_engine(STARTER, "encode_deformation", backend)

    def motions(self, crops: Image) -> npt.NDArray[np.float32]:
        """S_F of driver crops [T,C,C,3]: f32 [T, D]."""
        return np.concatenate([self.encoder(crop[None]) for crop in crops])

    def render(self, avatar: Avatar, motions: npt.NDArray[np.float32]) -> Image:
        """u8 [T,R,R,3]."""
        engine: Engine = load_engine(STARTER, "render", self.backend, None, avatar.delta)
        styles = add_deformation(self.dims, avatar.styles[None], motions)
        pictures = np.concatenate([engine(one[None]) for one in styles])
        engine.close()
        return pictures


def following(driver: Numbers, output: Numbers) -> dict[str, float]:
    """rho_pose and rho_face of measures f64 [T,10], and the share of pictures with a face."""
    found = {"seen": float((~np.isnan(output[:, 0])).mean())}
    both = ~np.isnan(driver[:, 0]) & ~np.isnan(output[:, 0])
    for name, group in (("rho_pose", POSE), ("rho_face", FACE)):
        moving = [i for i, m in enumerate(MEASURES) if m in group and moves(driver[:, i], m)]
        if moving:
            rhos = [correlation(driver[both, i], output[both, i]) for i in moving]
            found[name] = float(np.mean(rhos))
    return found


def moves(measure: Numbers, name: str) -> bool:
    return bool(np.nanstd(measure) > FLOORS[name])


def correlation(driver: Numbers, output: Numbers) -> float:
    """Pearson's; 0 where too little was seen, or nothing moved."""
    if len(driver) < _LEAST or output.std() < 1e-9:
        return 0.0
    return float(np.corrcoef(driver, output)[0, 1])


def judge_following(
    portraits: list[Portrait], crops: dict[str, Image], driven: Driven
) -> dict[tuple[str, str, str], dict[str, float]]:
    """By portrait, kind of avatar and driver."""

    def batches() -> Iterator[tuple[str, Image]]:
        for driver, seen in crops.items():
            yield f"driver-{driver}-", seen
            motions = driven.motions(seen)
            for portrait in portraits:
                for kind in ("encoded", "adjusted"):
                    key = f"{portrait.name}-{kind}-{driver}"
                    yield key, driven.render(getattr(portrait, kind), motions)

    count = len(crops) * (1 + 2 * len(portraits))
    tracked = {key: tracked_measures(p) for key, p in find_points(batches(), count).items()}
    return {
        (name, kind, driver): following(tracked[f"driver-{driver}-"], output)
        for key, output in tracked.items()
        for name, kind, driver in [key.split("-")]
        if name != "driver"
    }


# ---- what is written


def sheet(portraits: list[Portrait], shown: list[npt.NDArray[np.float32]], driven: Driven) -> Image:
    """A row for each portrait; `shown` are deformations f32 [1,D] of four drivers."""
    rows = []
    for portrait in portraits:
        own = driven.motions(cv2.resize(portrait.crop, driven.encoder.input_shape[1:3])[None])
        cells = [portrait.crop, driven.render(portrait.encoded, own)[0]]
        cells += list(driven.render(portrait.adjusted, np.concatenate([own, *shown])))
        small = [cv2.resize(c, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA) for c in cells]
        rows.append(np.concatenate(small, axis=1))
    return np.concatenate(rows).astype(np.uint8)


def liveliest(motions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The frame of a driver that does most, but for the most extreme tenth: f32 [1, D]."""
    order = np.argsort(np.linalg.norm(motions - np.median(motions, axis=0), axis=1))
    return motions[order[int(0.9 * len(order))]][None]


def likeness(portraits: list[Portrait], driven: Driven) -> dict[str, list[float]]:
    """By portrait: PSNR encoded and adjusted, SSIM encoded and adjusted."""
    weight = (face_weight(driven.dims.resolution)[0, 0] > 0.5).double().numpy()
    found = {}
    for portrait in portraits:
        own = driven.motions(cv2.resize(portrait.crop, driven.encoder.input_shape[1:3])[None])
        both = [driven.render(a, own)[0] for a in (portrait.encoded, portrait.adjusted)]
        measured = [[f(p, portrait.crop, weight) for p in both] for f in (psnr, ssim)]
        found[portrait.name] = measured[0] + measured[1]
    return found


def table(
    found: dict[str, list[float]],
    followed: dict[tuple[str, str, str], dict[str, float]],
    drivers: list[str],
) -> str:
    """Markdown: a row for each portrait, and their means; each cell encoded -> adjusted."""
    titles = ["portrait", "face PSNR, dB", "face SSIM"]
    titles += [f"{d}: {what}" for d in drivers for what in ("rho_pose", "rho_face", "seen")]
    rows = []
    for name, (p0, p1, s0, s1) in found.items():
        pairs = [(p0, p1), (s0, s1)]
        for driver in drivers:
            both = [followed[name, kind, driver] for kind in ("encoded", "adjusted")]
            pairs += [
                (both[0].get(w, np.nan), both[1].get(w, np.nan))
                for w in ("rho_pose", "rho_face", "seen")
            ]
        rows.append((name, pairs))
    rows.append(("**mean**", np.mean([pairs for _, pairs in rows], axis=0).tolist()))
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, pairs in rows:
        cells = [f"{a:.1f} -> {b:.1f}" for a, b in pairs[:1]]
        cells += ["-" if np.isnan(a) else f"{a:.2f} -> {b:.2f}" for a, b in pairs[1:]]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return "\n".join(lines)


def write(file: Path, text: str) -> None:
    """The table into docs/portraits.md, between its marks."""
    begin, end = "<!-- table -->\n", "\n<!-- end -->"
    before, _, rest = file.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    file.write_text(before + begin + text + end + after, encoding="utf-8")


def _parse() -> argparse.Namespace:
    layout = argparse.RawDescriptionHelpFormatter
    parser = CommandLine(description=__doc__, formatter_class=layout)
    parser.add_argument("--out", type=Path, default=Path("runs/portraits"), help="(%(default)s)")
    parser.add_argument("--drivers", nargs=2, default=["d3", "d14"], help="two of them")
    parser.add_argument("--frames", type=int, default=60, help="of a driver (%(default)s)")
    parser.add_argument("--only", nargs="*", help="names of portraits; all")
    parser.add_argument("--backend", default="openvino", help="(%(default)s)")
    parser.add_argument("--anew", action="store_true", help="adjust again what is there")
    parser.add_argument("--adjust-only", action="store_true", help="nothing is judged")
    return parser.parse_args()


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    arguments = _parse()
    if not (media := os.environ.get("REENACT_MEDIA")):
        raise UserError("Set REENACT_MEDIA to a folder with portraits/*.jpg and drivers/*.mp4.")
    if not arguments.adjust_only:
        judge_python()
    arguments.out.mkdir(parents=True, exist_ok=True)
    model, _ = load_checkpoint(STARTER / "starter.safetensors")
    pictures = sorted(Path(media, "portraits").glob("*.jpg"))
    chosen = [p for p in pictures if not arguments.only or p.stem in arguments.only]
    portraits = [make(p, model, arguments.out, arguments.anew) for p in chosen]
    if arguments.adjust_only:
        return 0
    driven = Driven(model, arguments.backend)

    def crops(names: list[str], frames: int) -> dict[str, Image]:
        paths = {name: Path(media, "drivers", f"{name}.mp4") for name in names}
        return {n: driver_crops(p, frames, model.encoder.crop) for n, p in paths.items()}

    followed = judge_following(portraits, crops(arguments.drivers, arguments.frames), driven)
    shown = [liveliest(driven.motions(seen)) for seen in crops(list(SHOWN), 20).values()]
    text = table(likeness(portraits, driven), followed, arguments.drivers)
    picture = sheet(portraits, shown, driven)
    cv2.imwrite(str(arguments.out / "sheet.jpg"), picture[..., ::-1])
    if not arguments.only:
        write(Path("docs/portraits.md"), text)
    Console().print(text, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

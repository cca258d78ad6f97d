"""The figures as a table: ours, another model's, what was asked, what the paper has, and what differs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """A line of the table: where its number lies in the figures, how it is shown, and what stands beside it."""

    group: str
    name: str
    title: str
    asked: str = ""
    paper: str = ""
    differs: str = ""
    digits: int = 3


_FACE = "theirs on whole pictures of real people; no such table of the paper can be read"
_WITNESS = "ours by the witness, theirs by ArcFace"
ROWS = (
    Row("same identity, studio", "l1", "L1 on the face, 0..255", digits=2),
    Row("same identity, studio", "psnr", "PSNR on the face, dB", ">= 24", "", _FACE, digits=1),
    Row("same identity, studio", "ssim", "SSIM on the face", ">= 0.80", "", _FACE),
    Row("same identity, studio", "identity_distance", "L_ID to the truth", "", "0.11", _WITNESS),
    Row("same identity, anywhere", "psnr", "PSNR in any room and light, dB", digits=1),
    Row("same identity, anywhere", "ssim", "SSIM in any room and light"),
    Row("same identity, anywhere", "identity_distance", "L_ID in any room and light"),
    Row("a still picture", "psnr", "the portrait itself: PSNR, dB", digits=1),
    Row("a still picture", "ssim", "the portrait itself: SSIM"),
    Row("perceptual", "lpips", "LPIPS", "", "0.029", "whole pictures in both"),
    Row("perceptual", "fid", "FID", "", "15", "of 100 pictures: biased upwards", digits=1),
    Row("perceptual", "fvd", "FVD, cross identity", "", "375", "25 clips, 2 frames/s", digits=0),
    Row("robustness", "l1_spread", "L1, spread over 5 portraits", digits=2),
    Row("robustness", "psnr_spread", "PSNR, spread, dB", digits=2),
    Row("robustness", "ssim_spread", "SSIM, spread", digits=4),
    Row("robustness", "identity_distance_spread", "L_ID, spread", "", "0.01", _WITNESS, digits=4),
    Row("robustness", "ratio", "L_ID, avatars of one person / of two", "< 0.20"),
    Row("cross identity", "psnr", "PSNR on the face, dB", "", "", "the truth is known", digits=1),
    Row("cross identity", "ssim", "SSIM on the face"),
    Row("cross identity", "identity_distance", "L_ID to the right picture"),
    Row("cross identity", "rho_pose", "rho_pose", "", "0.915", "synthetic drivers, the witness"),
    Row("cross identity", "rho_face", "rho_face", "", "0.718", "29 units; theirs: AU and gaze"),
    Row("cross identity", "rho_gaze", "rho_gaze"),
    Row("S_F", "leak_ratio", "leak ratio of S_F", "< 1"),
    Row("S_F", "retrieval", "same moment retrieved across people; by chance 0.04"),
    Row("S_F", "rho_pose", "S_F against the truth: pose"),
    Row("S_F", "rho_mouth", "S_F against the truth: mouth"),
    Row("S_F", "rho_eyes", "S_F against the truth: eyes"),
    Row("S_F", "rho_brows", "S_F against the truth: brows"),
    Row("leakage", "identity_ratio", "L_ID, two drivers / two avatars", "< 0.25"),
    Row("leakage", "swap_ratio", "picture, swapped driver / changed expression", "< 0.10"),
    Row("leakage", "clean_swap_ratio", "the same, drivers not filmed"),
    Row("jitter", "jitter", "jitter on synthetic drivers, nothing smoothed", digits=2),
    Row("real drivers", "rho_pose", "rho_pose", ">= 0.90", "0.915", "other videos, MediaPipe"),
    Row("real drivers", "rho_face", "rho_face", ">= 0.60", "0.718", "mouth, eyes, brows, gaze"),
    Row("real drivers", "seen", "seen", ">= 0.99"),
    Row("real drivers", "jitter", "jitter", "<= 1.3", digits=2),
)


def table(names: Sequence[str], models: Sequence[Figures]) -> str:
    """Markdown: a line per measure that any of the models has, a column per model."""
    head = ["measure", *names, "asked", "paper", "what differs from the paper"]
    lines = [head, ["---"] * len(head)]
    group = ""
    for row in ROWS:
        values = [model.get(row.group, {}).get(row.name) for model in models]
        if all(value is None for value in values):
            continue
        if row.group != group:
            group = row.group
            lines.append([f"**{group}**", *[""] * (len(head) - 1)])
        shown = ["-" if value is None else f"{value:.{row.digits}f}" for value in values]
        lines.append([row.title, *shown, row.asked, row.paper, row.differs])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + _edits(names, models)


def witness(known: Mapping[str, float]) -> str:
    """How far the witness can be trusted (see witness_training.trust), in two sentences."""
    reads = ", ".join(
        f"{name.removeprefix('rho ')} {rho:.2f}" for name, rho in known.items() if "rho" in name
    )
    return (
        f"The witness tells one person from two with an area under the curve of {known['area_under_curve']:.3f} "
        f"(equal error rate {known['equal_error_rate']:.3f}). What it reads from true pictures correlates with the "
        f"truth by: {reads}; where that is little, the figures above mean little."
    )


def _edits(names: Sequence[str], models: Sequence[Figures]) -> str:
    """Markdown of the edits, if there are any."""
    lines = [
        [name, edit, reach, *(_number(numbers, key) for key in ("moved", "amount", "ratio"))]
        for name, figures in zip(names, models, strict=True)
        for edit, reaches in figures.get("edits", {}).items()
        for reach, numbers in reaches.items()
    ]
    head = ["model", "edit", "of its limits", "people moved (>= 0.90)", "by how many sd"]
    head += ["L_ID / between people (< 0.30)"]
    rows = [head, ["---"] * len(head), *lines]
    return "\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows) if lines else ""


def _number(numbers: Mapping[str, float], key: str) -> str:
    return f"{numbers[key]:.2f}" if key in numbers else "-"

"""Do the synthetic people's labels mean what they say?  MediaPipe's face mesh is asked.

    REENACT_JUDGE=PYTHON python -m tests.system.judge_talking_heads faces|labels|gaze|statistics

faces    in which share of random frames, each of another person, is a face found?
labels   clips: how well do the measures of the points that are found in the pictures follow what
         the pictures were made from, the head's pose and the measures of its landmarks?  Pearson's
         correlation over time where a measure really moves; gaze while both eyes are open.
gaze     the same where nothing but the eyes moves: the judge takes a lid for part of a look.
statistics  luma, saturation, contrast, sharpness and noise of the face: do those of the synthetic
         frames, clean and through the camera, cover those of real videos (REENACT_MEDIA/drivers)?

PYTHON is one of an environment of its own, made with `pip install mediapipe==0.10.14
"opencv-python-headless<5" "opencv-contrib-python<5"`: its dependencies are at odds with ours.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.measures import MEASURES, POSE
from reenact.talking_heads.motion import Motion, neutral_motion, sample_motion
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.studio import Studio
from tests.system.judge_mediapipe import (
    Numbers,
    Pictures,
    find_points,
    judge_python,
    tracked_measures,
    true_measures,
)
from tests.system.judge_statistics import judge_statistics, print_statistics

# Below these standard deviations a measure does not really move.
FLOORS = dict(
    zip(MEASURES, (0.03, 0.02, 0.02, 0.01, 0.02, 0.03, 0.03, 0.004, 0.02, 0.01), strict=True)
)

# What is asked of the renderer: the share of frames with a face, and the correlations.
ASKED_SEEN = 0.98
ASKED = {"yaw": 0.9, "pitch": 0.9}
ASKED |= dict.fromkeys(
    ("mouth_open", "mouth_width", "eye_left", "eye_right", "gaze_x", "gaze_y"), 0.8
)

_CLIP_FRAMES = 90
_ENOUGH = 30  # frames; below, a correlation says nothing
_OPEN = 0.1  # an eye opened less, in eye widths, shows a quarter of its iris at most
_FRAMES_PER_BATCH = 50


# ---- faces


def random_frame(data: HeadData, seed: int, size: int) -> Pictures:
    """A person, scene and moment of a motion drawn from one seed, u8[s,s,3]."""
    motion = sample_motion(seed, 24, stride=4)
    moment = int(np.random.default_rng([seed, 77]).integers(24))
    studio = Studio(data, sample_person(data, seed), seed, size)
    return render(studio, motion, moment)[0]


def render(studio: Studio, motion: Motion, t: int) -> tuple[Pictures, Numbers]:
    """The picture u8[s,s,3] of moment t and its landmarks f64[L,3] in dm."""
    posed = studio.rig.pose(motion.units[t], motion.head[t], motion.gaze[t])
    return studio.render(posed).rgb, studio.find_landmarks(posed).astype(np.float64)


def judge_faces(data: HeadData, first: int, count: int, size: int, out: Path) -> dict[str, Any]:
    """In which random frames no face is found; their picture is written to faces_missed.jpg."""
    seen: dict[int, bool] = {}
    frames: dict[int, Pictures] = {}

    def batches() -> Iterator[tuple[str, Pictures]]:
        for start in range(first, first + count, _FRAMES_PER_BATCH):
            seeds = range(start, min(start + _FRAMES_PER_BATCH, first + count))
            frames.update({seed: random_frame(data, seed, size) for seed in seeds})
            yield f"{start:06d}", np.stack([frames[seed] for seed in seeds])

    for start, points in find_points(batches(), -(-count // _FRAMES_PER_BATCH)).items():
        found = ~np.isnan(points[:, 0, 0])
        seen |= {int(start) + i: bool(ok) for i, ok in enumerate(found)}
    missed = [seed for seed, ok in seen.items() if not ok]
    if missed:
        write_sheet(out / "faces_missed.jpg", [frames[seed] for seed in missed], 8)
    share = 1 - len(missed) / count
    return {"frames": count, "size": size, "seen": share, "missed_seeds": missed}


def write_sheet(path: Path, pictures: list[Pictures], columns: int) -> None:
    """Write equally large pictures u8[s,s,3] side by side, row under row."""
    blank = [np.zeros_like(pictures[0])] * (-len(pictures) % min(columns, len(pictures)))
    cells = pictures + blank
    columns = min(columns, len(cells))
    rows = [np.concatenate(cells[k : k + columns], 1) for k in range(0, len(cells), columns)]
    cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])


# ---- labels


Plan = Callable[[int, int], Motion]


def eyes_only(seed: int, frames: int) -> Motion:
    """Looks, half a second apart, of a face that keeps still."""
    still = neutral_motion(frames)
    return Motion(still.units, still.head, sample_motion(seed, frames, stride=12).gaze)


def judge_labels(
    data: HeadData, seeds: range, frames: int, size: int, file: Path, plan: Plan = sample_motion
) -> dict[str, Any]:
    """Per clip and measure, the correlation of what is seen with what is so.

    Both are written over time to `file`, an npz of f64[clips,T,10] each.
    """
    truths: list[Numbers] = []

    def batches() -> Iterator[tuple[str, Pictures]]:
        for seed in seeds:
            pictures, truth = moving_person(data, seed, plan(seed, frames), size)
            truths.append(truth)
            yield f"{seed:06d}", pictures

    found = find_points(batches(), len(seeds))
    tracked = [tracked_measures(found[key]) for key in sorted(found)]
    np.savez(file, truth=np.stack(truths), tracked=np.stack(tracked))
    clips = [
        {
            "seed": seed,
            "seen": float((~np.isnan(tracked[k][:, 0])).mean()),
            "rho": correlations(truths[k], tracked[k]),
        }
        for k, seed in enumerate(seeds)
    ]
    return {"frames": frames, "size": size, "clips": clips, "all": summary(truths, tracked)}


def moving_person(data: HeadData, seed: int, motion: Motion, size: int) -> tuple[Pictures, Numbers]:
    """A clip u8[T,s,s,3] of person and scene `seed`, and its true measures f64[T,10].

    The pose is the label itself, with the measures' signs: landmarks on chin and ears would add what
    jaw and shape of the head do to it.
    """
    studio = Studio(data, sample_person(data, seed), seed, size)
    shots = [render(studio, motion, t) for t in range(len(motion.head))]
    truth = true_measures(np.stack([landmarks for _, landmarks in shots]))
    truth[:, : len(POSE)] = motion.head * (-1, 1, -1)
    return np.stack([picture for picture, _ in shots]), truth


def correlations(truth: Numbers, tracked: Numbers) -> dict[str, float]:
    """Pearson's correlation over time of each measure that really moves; f64[T,10] both."""
    return {
        name: float(np.corrcoef(*moves)[0, 1])
        for name in MEASURES
        if (moves := movement(truth, tracked, name))[0].std() > FLOORS[name]
    }


def movement(truth: Numbers, tracked: Numbers, name: str) -> tuple[Numbers, Numbers]:
    """A measure as it is and as it was seen, less the clip's mean, in the frames that tell."""
    i, eyes = MEASURES.index(name), [MEASURES.index("eye_left"), MEASURES.index("eye_right")]
    used = ~np.isnan(tracked[:, 0])
    if name.startswith("gaze"):
        used &= truth[:, eyes].min(1) > _OPEN
    if used.sum() < _ENOUGH:
        return np.zeros(1), np.zeros(1)
    return truth[used, i] - truth[used, i].mean(), tracked[used, i] - tracked[used, i].mean()


def summary(truths: list[Numbers], tracked: list[Numbers]) -> dict[str, dict[str, float]]:
    """Of each measure the correlation over all clips' movements together ("pooled"), and the mean,
    median and least of the clips' own, which count a clip that hardly moves as much as any."""
    by_clip = [correlations(*clip) for clip in zip(truths, tracked, strict=True)]
    found = {}
    for name in MEASURES:
        rhos = [rho[name] for rho in by_clip if name in rho]
        moves = [movement(*clip, name) for clip in zip(truths, tracked, strict=True)]
        true, seen = (np.concatenate(side) for side in zip(*moves, strict=True))
        if rhos:
            found[name] = {
                "pooled": float(np.corrcoef(true, seen)[0, 1]),
                "mean": float(np.mean(rhos)),
                "median": float(np.median(rhos)),
                "least": min(rhos),
                "clips": len(rhos),
            }
    return found


# ---- the command line


def print_labels(result: dict[str, Any]) -> None:
    """A row per clip, then the means and what is asked."""
    print("clip   seen " + " ".join(f"{name:>11}" for name in MEASURES))
    for clip in result["clips"]:
        cells = (f"{clip['rho'][n]:11.3f}" if n in clip["rho"] else 11 * " " for n in MEASURES)
        print(f"{clip['seed']:4d} {100 * clip['seen']:5.1f}% " + " ".join(cells))
    for row in ("pooled", "mean", "median", "least", "clips"):
        cells = (f"{result['all'].get(n, {}).get(row, float('nan')):11.3g}" for n in MEASURES)
        print(f"{row:11} " + " ".join(cells))
    print("asked for   " + " ".join(f"{ASKED.get(n, float('nan')):11.3g}" for n in MEASURES))


def _faces(arguments: argparse.Namespace) -> dict[str, Any]:
    result = judge_faces(
        load_head_data(), arguments.first, arguments.count, arguments.size, arguments.out
    )
    print(
        f"A face was found in {100 * result['seen']:.1f} % of {result['frames']} frames"
        f" (asked for: {100 * ASKED_SEEN:.0f} %). Missed seeds: {result['missed_seeds']}"
    )
    return result


def _labels(arguments: argparse.Namespace, plan: Plan = sample_motion) -> dict[str, Any]:
    seeds = range(arguments.first, arguments.first + arguments.count)
    file = arguments.out / f"{arguments.command}.npz"
    result = judge_labels(load_head_data(), seeds, arguments.frames, arguments.size, file, plan)
    print_labels(result)
    return result


def _gaze(arguments: argparse.Namespace) -> dict[str, Any]:
    return _labels(arguments, eyes_only)


def _statistics(arguments: argparse.Namespace) -> dict[str, Any]:
    media = os.environ.get("REENACT_MEDIA")
    if not media:
        raise UserError("Set REENACT_MEDIA to a folder with drivers/*.mp4, videos of faces.")
    numbers = (arguments.first, arguments.count, arguments.size)
    result = judge_statistics(load_head_data(), Path(media), *numbers, arguments.out)
    print_statistics(result)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m tests.system.judge_talking_heads", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    commands = parser.add_subparsers(required=True, dest="command")

    def command(name: str, run: Callable[..., object], count: int) -> argparse.ArgumentParser:
        sub = commands.add_parser(name)
        sub.add_argument("--first", type=int, default=0, help="the first seed (%(default)s)")
        sub.add_argument("--count", type=int, default=count, help="how many (%(default)s)")
        sub.add_argument("--size", type=int, default=256, help="pixels (%(default)s)")
        sub.add_argument("--out", type=Path, default=Path("runs/judge"), help="(%(default)s)")
        sub.set_defaults(run=run)
        return sub

    command("faces", _faces, 500)
    for name, run in (("labels", _labels), ("gaze", _gaze)):
        clips = command(name, run, 20)
        clips.add_argument("--frames", type=int, default=_CLIP_FRAMES, help="a clip (%(default)s)")
    command("statistics", _statistics, 300)
    return parser


@exit_on_user_error
def main() -> int:
    """Run the command line; the figures are also written to OUT/COMMAND.json."""
    arguments = _parser().parse_args()
    judge_python()
    arguments.out.mkdir(parents=True, exist_ok=True)
    result = arguments.run(arguments)
    (arguments.out / f"{arguments.command}.json").write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())

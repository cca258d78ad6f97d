"""python -m reenact.talking_heads sheet|clip|dataset|bench: synthetic people, training data."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.talking_heads.clip import render_clip
from reenact.talking_heads.dataset import Form, designed_people, random_people, write_dataset
from reenact.talking_heads.head_data import HeadData, load_head_data
from reenact.talking_heads.motion import UNITS, neutral_motion, sample_motion
from reenact.talking_heads.person import sample_person
from reenact.talking_heads.studio import Studio

_BOTH = ("Left", "Right")
_FACES: tuple[tuple[dict[str, float], tuple[float, float, float], tuple[float, float]], ...] = (
    ({}, (0, 0, 0), (0, 0)),
    (
        {f"Mouth{s}PullUp": 0.48 for s in _BOTH}
        | {f"Mouth{s}PullSide": 0.4 for s in _BOTH}
        | {f"{s}CheekUp": 0.5 for s in _BOTH}
        | {f"{s}LowerLidUp": 0.35 for s in _BOTH},
        (0.1, 0, 0.05),
        (0, 0),
    ),
    ({"JawDrop": 0.6}, (0, -0.1, 0), (0, 0)),
    ({f"{s}UpperLidClosed": 1.0 for s in _BOTH}, (0, 0, 0), (0, 0)),
    ({"LipsKiss": 1.0}, (-0.15, 0, 0), (0, 0)),
    ({f"{s}{p}BrowUp": 0.8 for s in _BOTH for p in ("Inner", "Outer")}, (0, 0.05, 0), (0.4, 0)),
    ({"JawDrop": 0.15}, (0.55, 0.05, -0.08), (0.1, 0)),
)
"""Units, head, gaze of the sheet's columns: rest, smile, open, shut, pucker, brows up, turned."""


def _sheet(arguments: argparse.Namespace) -> None:
    data = load_head_data()
    first, _, last = arguments.seeds.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise UserError(f"'{arguments.seeds}' is no range of seeds; write it like --seeds 0:24.")
    rows = [
        _faces(data, seed, arguments.size, arguments.expressions)
        for seed in track(range(int(first), int(last)), "sheet")
    ]
    if not arguments.expressions:
        pictures = [row[0] for row in rows]
        pictures += [np.zeros_like(pictures[0])] * (-len(pictures) % arguments.columns)
        rows = [
            pictures[k : k + arguments.columns] for k in range(0, len(pictures), arguments.columns)
        ]
    picture = np.concatenate([np.concatenate(row, 1) for row in rows], 0)
    _, png = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    try:
        arguments.out.write_bytes(png.tobytes())
    except OSError as error:
        raise UserError(f"Cannot write {arguments.out} ({error}); give another --out.") from error


def _faces(data: HeadData, seed: int, size: int, expressions: bool) -> list[npt.NDArray[np.uint8]]:
    """One person at rest, or with every face of _FACES."""
    studio = Studio(data, sample_person(data, seed), seed, size)
    pictures = []
    for units, head, gaze in _FACES if expressions else _FACES[:1]:
        motion = neutral_motion(1)
        weights = motion.units[0].copy()
        for name, value in units.items():
            weights[UNITS.index(name)] = value
        posed = studio.rig.pose(weights, np.array(head, np.float32), np.array(gaze, np.float32))
        pictures.append(studio.render(posed).rgb)
    return pictures


def _clip(arguments: argparse.Namespace) -> None:
    data = load_head_data()
    motion = sample_motion(arguments.motion, arguments.frames, arguments.fps)
    clip = render_clip(data, arguments.seed, motion, arguments.size, arguments.seed)
    with av.open(str(arguments.out), "w") as file:
        stream = file.add_stream("libx264", rate=arguments.fps, options={"crf": "18"})
        stream.width = stream.height = arguments.size
        stream.pix_fmt = "yuv420p"
        for picture in clip.frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())


def _dataset(arguments: argparse.Namespace) -> None:
    form = Form(arguments.frames, arguments.size, arguments.stride, arguments.camera)
    common = {name: getattr(arguments, name) for name in ("first_motion", "plain")}
    if arguments.wish:
        plan = designed_people(arguments.wish, arguments.motions, form, **common)
    else:
        plan = random_people(arguments.people, form, first_seed=arguments.first_seed, **common)
    steps: Iterator[int] = write_dataset(plan, arguments.out, arguments.workers)
    for _ in track(steps, "clips", total=len(plan.jobs)):
        pass


def _bench(arguments: argparse.Namespace) -> None:
    data = load_head_data()
    motion = sample_motion(1, arguments.frames)
    started = time.process_time()
    for seed in range(3):
        made = time.process_time()
        studio = Studio(data, sample_person(data, seed), seed, arguments.size)
        studio.render(studio.neutral)  # compiles
        ready = time.process_time()
        for t in range(arguments.frames):
            studio.render(studio.rig.pose(motion.units[t], motion.head[t], motion.gaze[t]))
        seconds = (time.process_time() - ready) / arguments.frames
        print(
            f"person {seed}: made in {ready - made:.2f} s CPU; {1000 * seconds:.1f} ms CPU"
            f" = {1 / seconds:.1f} frames/s at {arguments.size} px"
        )
    print(f"{time.process_time() - started:.1f} s CPU in all, with what had to be compiled")


def _positive(text: str) -> int:
    """A count for argparse."""
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(prog="python -m reenact.talking_heads", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: object, about: str, size: int) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=about, description=about)
        sub.add_argument(
            "--size", type=_positive, default=size, help="side of a picture, pixels (%(default)s)"
        )
        sub.set_defaults(run=run)
        return sub

    sheet = command("sheet", _sheet, "Many people on one PNG.", 256)
    sheet.add_argument(
        "--seeds", default="0:24", metavar="A:B", help="people A to B-1 (%(default)s)"
    )
    sheet.add_argument(
        "--expressions", action="store_true", help="a row per person with seven faces"
    )
    sheet.add_argument(
        "--columns", type=_positive, default=6, help="without --expressions (%(default)s)"
    )
    sheet.add_argument("--out", type=Path, default=Path("sheet.png"))
    clip = command("clip", _clip, "One moving person as an mp4.", 256)
    clip.add_argument("--seed", type=int, default=0, help="which person and scene")
    clip.add_argument("--motion", type=int, default=0, help="which motion")
    clip.add_argument("--frames", type=_positive, default=100, help="how many (%(default)s)")
    clip.add_argument("--fps", type=int, default=25, help="frames a second (%(default)s)")
    clip.add_argument("--out", type=Path, default=Path("clip.mp4"))
    bench = command("bench", _bench, "CPU time per frame.", 256)
    bench.add_argument("--frames", type=_positive, default=50)
    _add_dataset_options(
        command(
            "dataset",
            _dataset,
            "Training data; a second run goes on where the first was stopped.",
            192,
        )
    )
    return parser


def _add_dataset_options(dataset: argparse.ArgumentParser) -> None:
    dataset.add_argument("--out", type=Path, required=True, help="folder to fill")
    dataset.add_argument("--people", type=_positive, default=16, help="one clip each (%(default)s)")
    dataset.add_argument("--frames", type=_positive, default=24, help="per clip (%(default)s)")
    dataset.add_argument(
        "--stride", type=_positive, default=1, help="every n-th frame of a 25 frames/s motion"
    )
    dataset.add_argument(
        "--first-seed", type=int, default=0, help="of the people; it chooses the scene too"
    )
    dataset.add_argument(
        "--first-motion", type=int, default=0, help="people 2k and 2k+1 move alike"
    )
    dataset.add_argument("--plain", action="store_true", help="plain backgrounds")
    dataset.add_argument(
        "--camera", action="store_true", help="film the clips, too: what a webcam makes of them"
    )
    dataset.add_argument(
        "--workers", type=_positive, default=os.cpu_count() or 1, help="processes (%(default)s)"
    )
    dataset.add_argument(
        "--wish",
        type=Path,
        metavar="JSON",
        help='designed people: a list of wishes with a "seed", all in the same motions',
    )
    dataset.add_argument(
        "--motions", type=_positive, default=1, help="with --wish: clips per person (%(default)s)"
    )


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    arguments = _parser().parse_args()
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())

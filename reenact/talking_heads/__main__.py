"""Synthetic people: python -m reenact.talking_heads sheet|clip|dataset|bench.

sheet draws many people on one picture, clip writes one of them moving, dataset renders what the
networks are trained on, bench measures the speed.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import Progress, track

from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.talking_heads import bench, sheets
from reenact.talking_heads.clip import render_clip
from reenact.talking_heads.dataset import Form, designed_people, random_people, write_dataset
from reenact.talking_heads.head_data import load_head_data
from reenact.talking_heads.motion import sample_motion

_PICTURES = (".png", ".jpg")

Thing = TypeVar("Thing")


def _progress(things: Iterable[Thing], about: str, total: int) -> Iterable[Thing]:
    return track(things, about, total, console=Console(stderr=True))


def _sheet(arguments: argparse.Namespace) -> None:
    sheets.check_output(arguments.out, *_PICTURES)
    first, _, last = arguments.seeds.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise UserError(f"'{arguments.seeds}' is no range of seeds; write it like --seeds 0:24.")
    data, seeds = load_head_data(), range(int(first), int(last))
    wanted = (data, seeds, arguments.size)
    if arguments.expressions:
        rows = list(_progress(sheets.expressions(*wanted), "people", len(seeds)))
        sheet = sheets.grid([tile for row in rows for tile in row], len(sheets.FACES))
    else:
        draw = sheets.pairs if arguments.pairs else sheets.portraits
        tiles = list(_progress(draw(*wanted), "people", len(seeds)))
        sheet = sheets.grid(tiles, min(arguments.columns, len(tiles)))
    sheets.write_picture(arguments.out, sheet)


def _clip(arguments: argparse.Namespace) -> None:
    sheets.check_output(arguments.out, ".mp4")
    if arguments.strip:
        sheets.check_output(arguments.strip, *_PICTURES)
    if arguments.size % 2:
        raise UserError(f"A video of {arguments.size} px cannot be: give an even --size.")
    data = load_head_data()
    motion = sample_motion(arguments.motion, arguments.frames, arguments.fps)
    with Console(stderr=True).status(f"rendering {arguments.frames} frames"):
        clip = render_clip(
            data,
            arguments.seed,
            motion,
            arguments.size,
            arguments.seed,
            filmed_at=arguments.fps if arguments.camera else None,
        )
    frames = clip.frames
    if clip.camera is not None:
        frames = np.concatenate([clip.frames, clip.camera], 2)
    sheets.write_video(arguments.out, frames, arguments.fps)
    if arguments.strip:
        sheets.write_picture(arguments.strip, sheets.filmstrip(clip))


def _dataset(arguments: argparse.Namespace) -> None:
    form = Form(arguments.frames, arguments.size, arguments.stride, arguments.camera)
    common = {name: getattr(arguments, name) for name in ("first_motion", "plain")}
    if arguments.wish:
        plan = designed_people(arguments.wish, arguments.motions, form, **common)
    else:
        plan = random_people(arguments.people, form, first_seed=arguments.first_seed, **common)
    console = Console(stderr=True)
    steps = write_dataset(plan, arguments.out, arguments.workers, console.print)
    try:
        with Progress(console=console) as progress:
            clips = progress.add_task("clips", total=len(plan.jobs))
            for done in steps:
                progress.update(clips, completed=done)
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on where it was")
        raise


def _bench(arguments: argparse.Namespace) -> None:
    processes = [arguments.workers] if arguments.workers else [1, 2]
    wanted = (arguments.sizes, processes, arguments.people, arguments.frames)
    machine = bench.machine()
    rows = list(_progress(bench.measure(*wanted), "bench", len(arguments.sizes) * len(processes)))
    if arguments.json:
        print(json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=1))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"Medians over {arguments.people} people a process, {arguments.frames} frames each.\n")
    print(bench.markdown(rows))


def _whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """What argparse turns a word into a whole number with, from low to high."""

    def number(text: str) -> int:
        if not text.lstrip("-").isdigit():
            raise argparse.ArgumentTypeError(f"{text} is no whole number")
        if int(text) < low or (high is not None and int(text) > high):
            most = "" if high is None else f" and at most {high}"
            raise argparse.ArgumentTypeError(f"{text} should be at least {low}{most}")
        return int(text)

    return number


_seed, _positive = _whole(0), _whole(1)
_size = _whole(32, 1024)  # px; smaller shows nothing, larger shows that the meshes are coarse


def _parser() -> argparse.ArgumentParser:
    parser = CommandLine(
        prog="python -m reenact.talking_heads",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: object, about: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            name,
            help=about,
            description=about,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        sub.set_defaults(run=run)
        return sub

    _add_sheet_options(command("sheet", _sheet, "Many people on one picture."))
    _add_clip_options(command("clip", _clip, "One moving person as an mp4."))
    _add_dataset_options(
        command("dataset", _dataset, "Training data; a run that was stopped can be gone on with.")
    )
    _add_bench_options(command("bench", _bench, "Frames a second, as a table."))
    return parser


def _add_sheet_options(sheet: argparse.ArgumentParser) -> None:
    sheet.add_argument("--seeds", default="0:24", metavar="A:B", help="people A to B-1")
    kind = sheet.add_mutually_exclusive_group()
    kind.add_argument("--expressions", action="store_true", help="a row per person, eight faces")
    kind.add_argument("--pairs", action="store_true", help="each in motion: clean | filmed")
    sheet.add_argument(
        "--columns", type=_positive, default=6, help="tiles in a row, without --expressions"
    )
    sheet.add_argument("--size", type=_size, default=256, help="side of a picture, px")
    sheet.add_argument("--out", type=Path, default=Path("sheet.png"), help=".png or .jpg")


def _add_clip_options(clip: argparse.ArgumentParser) -> None:
    clip.add_argument("--seed", type=_seed, default=0, help="which person, scene and camera")
    clip.add_argument("--motion", type=_seed, default=0, help="which motion")
    clip.add_argument("--frames", type=_positive, default=100, help="how many")
    clip.add_argument("--fps", type=_positive, default=25, help="frames a second")
    clip.add_argument("--size", type=_size, default=256, help="side of a picture, px")
    clip.add_argument("--camera", action="store_true", help="clean and filmed, side by side")
    clip.add_argument("--strip", type=Path, metavar="FILE", help="moments of it as .png or .jpg")
    clip.add_argument("--out", type=Path, default=Path("clip.mp4"), help=".mp4")


def _add_dataset_options(dataset: argparse.ArgumentParser) -> None:
    dataset.add_argument("--out", type=Path, required=True, help="folder to fill")
    dataset.add_argument("--people", type=_positive, default=16, help="one clip each")
    dataset.add_argument("--frames", type=_positive, default=24, help="per clip")
    dataset.add_argument(
        "--stride", type=_positive, default=1, help="every n-th frame of a 25 frames/s motion"
    )
    dataset.add_argument("--size", type=_size, default=192, help="side of a picture, px")
    dataset.add_argument(
        "--camera", action="store_true", help="film the clips, too: what a webcam makes of them"
    )
    dataset.add_argument(
        "--first-seed", type=_seed, default=0, help="of the people; it chooses scene and camera too"
    )
    dataset.add_argument(
        "--first-motion", type=_seed, default=0, help="people 2k and 2k+1 move alike"
    )
    dataset.add_argument("--plain", action="store_true", help="plain backgrounds")
    dataset.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, help="processes")
    dataset.add_argument(
        "--wish",
        type=Path,
        metavar="JSON",
        help='designed people: a list of wishes with a "seed", all in the same motions',
    )
    dataset.add_argument(
        "--motions", type=_positive, default=1, help="with --wish: clips per person"
    )


def _add_bench_options(speed: argparse.ArgumentParser) -> None:
    speed.add_argument("--sizes", type=_size, nargs="+", default=[128, 256], help="px")
    speed.add_argument(
        "--workers", type=_positive, help="so many processes (default: one, then two)"
    )
    speed.add_argument("--people", type=_positive, default=6, help="per process")
    speed.add_argument("--frames", type=_positive, default=40, help="per person")
    speed.add_argument("--json", action="store_true", help="JSON in the place of the table")


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    arguments = _parser().parse_args()
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())

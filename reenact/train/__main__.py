"""Train the starter model, from rendered heads to weights that ship.

    python -m reenact.talking_heads dataset ...       # first: the pictures (docs/training.md)
    python -m reenact.train all --avatars DIR --people DIR --run DIR --minutes 120 --to DIR
    torchrun --nproc-per-node 8 -m -- reenact.train all ... --preset gpu

`all` runs the stages in the order that works: generator and encoder on known factors (on a CPU side by side, else one
after the other), then both joined end to end, then the starter's files. Each stage can be run alone, and goes on where
it stopped. `clips` and `adapt` learn from videos of your own.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch

from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.talking_heads.dataset import Form
from reenact.talking_heads.stream import Stream
from reenact.train import distributed
from reenact.train.adapt import AdaptStage, write_adapted
from reenact.train.clips import load_clips, write_clips
from reenact.train.configuration import (
    APART,
    DEFAULT,
    JOINED,
    PRESETS,
    configure,
    flat,
)
from reenact.train.cost import forecast
from reenact.train.data import load_frames
from reenact.train.encoder import EncoderStage
from reenact.train.generator import GeneratorStage
from reenact.train.join import JoinStage
from reenact.train.replay import Replay
from reenact.train.run import DEVICE
from reenact.train.starter import write_starter

CLIP = 12  # frames of a streamed clip, half a second apart

load = cache(load_frames)  # once, though several stages look at the same people


def generator_stage(options: argparse.Namespace, minutes: float) -> GeneratorStage:
    """Stage 1 as the command line asks for it."""
    avatars, people = load(options.avatars), load(options.people)
    return GeneratorStage(
        avatars, people, options.run, minutes, options.configuration, options.start
    )


def encoder_stage(options: argparse.Namespace, minutes: float) -> EncoderStage:
    """Stage 2 as the command line asks for it."""
    people = load(options.people)
    return EncoderStage(people, options.run, minutes, options.configuration, start=options.start)


def train_encoder(options: argparse.Namespace) -> None:
    """Stage 2, on people that are rendered meanwhile where the command line asks for it."""
    stage = encoder_stage(options, options.minutes)
    if not options.stream:
        stage.train()
        return
    form = Form(CLIP, stage.frames.size, CLIP, camera=stage.frames.camera is not None)
    seed = stage.run.step * distributed.world() + distributed.rank()  # other people in each process
    with Stream(form, seed=seed, pairs=1, uses=1, workers=options.stream) as stream:
        stage.replay = Replay(stream, form, options.configuration.replay_pairs)
        stage.train()


def join_stage(options: argparse.Namespace, minutes: float) -> JoinStage:
    """Stage 3, on what stages 1 and 2 left in the run's folder."""
    generator, encoder = generator_stage(options, 0), encoder_stage(options, 0)
    return JoinStage(generator, encoder, options.run, minutes)


def train_all(options: argparse.Namespace) -> None:
    """All stages, from data to starter."""
    if distributed.world() > 1 or DEVICE.type == "cuda":
        train_apart_in_turn(options)
    else:
        train_apart_side_by_side(options)
    join = join_stage(options, options.minutes * JOINED)
    join.train()
    ship(join, options.to)


def ship(join: JoinStage, folder: Path) -> None:
    """Write the starter's files; one process does."""
    if distributed.rank() == 0:
        write_starter(join, folder)


def train_apart_in_turn(options: argparse.Namespace) -> None:
    """Stages 1 and 2 one after the other: each has every GPU."""
    half = argparse.Namespace(**{**vars(options), "minutes": options.minutes * APART / 2})
    generator_stage(half, half.minutes).train()
    train_encoder(half)


def train_apart_side_by_side(options: argparse.Namespace) -> None:
    """Stages 1 and 2 as two processes, one thread each: two threads of one process fight."""
    given = {name: getattr(options, name) for name in ("avatars", "people", "run", "preset")}
    given |= {"minutes": options.minutes * APART, "threads": options.threads}
    given |= {"stream": options.stream} | ({"start": options.start} if options.start else {})
    arguments = [f"--{name}={value}" for name, value in given.items()]
    arguments += [f"--set={change}" for change in options.set]
    command = [sys.executable, "-m", "reenact.train"]
    stages = [subprocess.Popen([*command, name, *arguments]) for name in ("generator", "encoder")]
    if any([stage.wait() for stage in stages]):  # a list: wait for both
        raise UserError("a stage failed, see above; the same command goes on where it stopped")


def train_on_clips(options: argparse.Namespace) -> None:
    """Own clips: an earlier checkpoint, fitted to them."""
    clips = load_clips(options.clips)
    stage = AdaptStage(clips, options.start, options.run, options.minutes, options.configuration)
    stage.train()
    if distributed.rank() == 0:
        write_adapted(stage, options.to)


def cut_clips(options: argparse.Namespace) -> None:
    """Own videos -> a data set of clips."""
    for name, count in write_clips(options.folder, options.out, options.size):
        print(f"{name}: {count} clips")


def tell_cost(options: argparse.Namespace) -> None:
    """What a configuration asks of a GPU."""
    print(forecast(options.configuration, options.minutes, options.peak * 1e12))


def parse() -> argparse.Namespace:
    """The command line, its settings made a Configuration."""
    parser = CommandLine(
        prog="python -m reenact.train",
        description=__doc__,
        epilog="settings for --set: " + ", ".join(f"{n}={v}" for n, v in flat(DEFAULT).items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (run, help) in STAGES.items():
        stage = commands.add_parser(name, help=help)
        stage.set_defaults(work=run)
        _add_stage_options(stage)
    adapt = commands.add_parser("adapt", help="own clips: fit an earlier checkpoint to them")
    adapt.add_argument("--clips", type=Path, required=True, help="what `clips` wrote")
    adapt.add_argument("--start", type=Path, required=True, help="the earlier checkpoint")
    adapt.set_defaults(work=train_on_clips)
    _add_common_options(adapt)
    clips = commands.add_parser("clips", help="own clips: cut faces out of a folder of videos")
    clips.add_argument("folder", type=Path, help="videos, a face in each")
    clips.add_argument("--out", type=Path, required=True, help="folder to fill")
    clips.add_argument("--size", type=int, default=256, help="side of a picture, px (default: 256)")
    clips.set_defaults(work=cut_clips)
    cost = commands.add_parser("cost", help="calculate how many pictures a GPU sees in some time")
    cost.add_argument("--minutes", type=float, default=30, help="of all stages (default: 30)")
    cost.add_argument(
        "--peak", type=float, default=790, help="of the GPU, bf16 TFLOP/s (default: 790, an H200)"
    )
    cost.set_defaults(work=tell_cost)
    _add_settings(cost)
    options = parser.parse_args()
    if hasattr(options, "preset"):
        options.configuration = configure(options.preset, options.set)
    return options


def _add_stage_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--avatars", type=Path, required=True, help="data set of the people that ship")
    add("--people", type=Path, required=True, help="data set of thousands of others")
    add(
        "--stream",
        type=int,
        default=0,
        metavar="N",
        help="processes that render more people while the encoder trains; it then learns from these (default: 0, none)",
    )
    add("--start", type=Path, metavar="CHECKPOINT", help="begin with an earlier starter's weights")
    _add_common_options(parser)


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--run", type=Path, required=True, help="snapshots and sheets of pictures")
    add("--minutes", type=float, default=60, help="budget (default: 60)")
    add("--threads", type=int, default=1, help="CPU threads (default: 1)")
    add("--to", type=Path, default=Path("starter"), help="where the starter goes")
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset", choices=list(PRESETS), default="cpu", help="sizes and batches (default: cpu)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="change a setting; may be repeated",
    )


STAGES: Mapping[str, tuple[Callable[[argparse.Namespace], None], str]] = {
    "all": (train_all, "every stage, then the starter's files"),
    "generator": (lambda o: generator_stage(o, o.minutes).train(), "stage 1"),
    "encoder": (train_encoder, "stage 2"),
    "join": (lambda o: join_stage(o, o.minutes).train(), "stage 3"),
    "starter": (lambda o: ship(join_stage(o, 0), o.to), "the files of a joined run"),
}


@exit_on_user_error
def main() -> int:
    options = parse()
    torch.set_num_threads(getattr(options, "threads", 1))
    torch.backends.cudnn.benchmark = True  # shapes repeat: let a GPU choose its fastest kernels
    with distributed.group():
        options.work(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Train the starter model, from rendered heads to weights that ship.

    python -m reenact.talking_heads dataset ...       # first: the pictures (README, "Train your own")
    python -m reenact.train all --avatars DIR --people DIR --run DIR --minutes 120 --to DIR

`all` runs the stages in the order that works: generator and encoder side by side on known factors, then both joined end
to end, then the starter's files. Each stage can be run alone, and goes on where it stopped.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import torch

from reenact.encoders import EncoderDims
from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.spaces import Dims
from reenact.talking_heads.dataset import Form
from reenact.talking_heads.motion import FACTORS
from reenact.talking_heads.stream import Stream
from reenact.train import distributed
from reenact.train.data import load_frames
from reenact.train.encoder import EncoderStage
from reenact.train.generator import GeneratorStage
from reenact.train.join import JoinStage
from reenact.train.run import DEVICE
from reenact.train.starter import write_starter

DIMS, ENCODER = Dims(), EncoderDims(motion=len(FACTORS))
CLIP = 12  # frames of a streamed clip, half a second apart
APART, JOINED = 0.75, 0.25  # how `all` shares its minutes


def generator_stage(options: argparse.Namespace, minutes: float) -> GeneratorStage:
    """Stage 1 as the command line asks for it."""
    avatars, people = load_frames(options.avatars), load_frames(options.people)
    return GeneratorStage(avatars, people, options.run, minutes, DIMS, ENCODER, start=options.start)


def encoder_stage(options: argparse.Namespace, minutes: float) -> EncoderStage:
    """Stage 2 as the command line asks for it."""
    people = load_frames(options.people)
    return EncoderStage(people, options.run, minutes, DIMS, ENCODER, start=options.start)


def train_encoder(options: argparse.Namespace) -> None:
    """Stage 2, on people that are rendered meanwhile where the command line asks for it."""
    stage = encoder_stage(options, options.minutes)
    if not options.stream:
        stage.train()
        return
    form = Form(CLIP, stage.frames.size, CLIP, camera=stage.frames.camera is not None)
    seed = stage.run.step * distributed.world() + distributed.rank()  # other people in each process
    with Stream(form, seed=seed, pairs=64, workers=options.stream) as stage.stream:
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
    common = [
        "--avatars",
        str(options.avatars),
        "--people",
        str(options.people),
        "--run",
        str(options.run),
    ]
    command = [sys.executable, "-m", "reenact.train"]
    minutes = ["--minutes", str(options.minutes * APART), "--threads", str(options.threads)]
    minutes += ["--stream", str(options.stream)]
    minutes += ["--start", str(options.start)] if options.start else []
    stages = [
        subprocess.Popen([*command, name, *common, *minutes]) for name in ("generator", "encoder")
    ]
    if any([stage.wait() for stage in stages]):  # a list: wait for both
        raise UserError("a stage failed, see above; the same command goes on where it stopped")


def parse() -> argparse.Namespace:
    parser = CommandLine(
        prog="python -m reenact.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=["all", "generator", "encoder", "join", "starter"])
    parser.add_argument(
        "--avatars", type=Path, required=True, help="data set of the people that ship"
    )
    parser.add_argument(
        "--people", type=Path, required=True, help="data set of thousands of others"
    )
    parser.add_argument("--run", type=Path, required=True, help="snapshots and sheets of pictures")
    parser.add_argument("--minutes", type=float, default=60, help="budget (default: 60)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument(
        "--stream",
        type=int,
        default=0,
        metavar="N",
        help="processes that render more people while the encoder trains; it then learns from these (default: 0, none)",
    )
    parser.add_argument(
        "--start", type=Path, metavar="CHECKPOINT", help="begin with an earlier starter's weights"
    )
    parser.add_argument("--to", type=Path, default=Path("starter"), help="where the starter goes")
    return parser.parse_args()


def run_stage(options: argparse.Namespace) -> None:
    """What the command line asks for."""
    if options.stage == "all":
        train_all(options)
    elif options.stage == "generator":
        generator_stage(options, options.minutes).train()
    elif options.stage == "encoder":
        train_encoder(options)
    elif options.stage == "join":
        join_stage(options, options.minutes).train()
    else:
        ship(join_stage(options, 0), options.to)


@exit_on_user_error
def main() -> int:
    options = parse()
    torch.set_num_threads(options.threads)
    with distributed.group():
        run_stage(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())

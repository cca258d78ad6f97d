"""Bring your own: portraits, and generators and edits of other code bases.

reenact avatar add PHOTO                 a portrait becomes an avatar; also list, show, remove, export, import
reenact import FILE                      a StyleGAN2 checkpoint becomes one of ours
reenact edit FILE --generator CHECKPOINT    a direction in its W or W+ becomes an edit
reenact train --generator CHECKPOINT        encoders for it: from its own pictures, from videos
"""

import argparse
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from reenact import avatar_commands, spaces
from reenact.edits import SUFFIX, save_edit
from reenact.errors import CommandLine, UserError, exit_on_user_error

if TYPE_CHECKING:
    from reenact.foreign import Foreign
    from reenact.foreign_encoder import PortraitDims

CHECKPOINT = "starter.safetensors"
"""The weights' name in a model folder; as `engines.contract` has it."""
STARTER = Path(__file__).parent / "starter" / CHECKPOINT
LIMITS = (-3.0, 3.0)
"""Strengths that published directions are mostly used with."""
LICENCE = (
    "The licence is the one its authors gave it, not Reenact's: weights trained on FFHQ "
    "(NVIDIA's, e4e's, pSp's) are for non-commercial use."
)


def import_checkpoint(arguments: argparse.Namespace) -> None:
    """Print what the file holds, and write it: beside the file, or with an encoder as a model folder."""
    need_torch()
    from reenact.checkpoint import save_generator
    from reenact.foreign import read_foreign

    console = Console(highlight=False, soft_wrap=True)
    path: Path = arguments.file
    with console.status(f"reading {path}"):
        found = read_foreign(path)
    beside = path.with_suffix(".safetensors")
    out: Path = arguments.out or (path.with_suffix("") / CHECKPOINT if found.encoder else beside)
    if out.exists() and not arguments.force:
        raise UserError(f"{out} is there already; add --force to replace it, or name another --out")
    for line in description(found):
        console.print(line)
    with console.status(f"writing {out}"):
        make_folder(out.parent)
        info = {"origin": found.origin, "license": LICENCE}
        save_generator(found.generator, out, info, found.encoder)
    console.print(f"written      {out}")
    if found.encoder:
        console.print(f"next         python -m export --checkpoint {out}")
    console.print(f"next         reenact train --generator {out} --run RUN --to FOLDER")


def make_folder(folder: Path) -> None:
    """Make a folder; UserError where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {folder} ({error}); choose another place") from error


def train(arguments: argparse.Namespace) -> None:
    """Train encoders for an imported generator."""
    need_torch()
    from reenact.train.own_generator import train_own

    train_own(arguments)


def need_torch() -> None:
    """Raise a UserError where PyTorch is not installed."""
    if find_spec("torch") is None or find_spec("safetensors") is None:
        raise UserError('importing needs PyTorch; run `pip install -e ".[train]"`')


def import_edit(arguments: argparse.Namespace) -> None:
    """Make an edit of a published direction or of a channel, for one generator."""
    need_torch()
    from reenact.checkpoint import load_generator
    from reenact.field_edits import channel_edit, direction_edit

    source: str = arguments.source
    is_channel = re.fullmatch(r"\d+_\d+", source) is not None
    name = arguments.name or (f"channel {source}" if is_channel else Path(source).stem)
    out: Path = arguments.out or Path(f"{name.replace(' ', '_')}{SUFFIX}")
    generator, _ = load_generator(arguments.generator)
    limits = tuple(arguments.limits)
    if is_channel:
        edit = channel_edit(generator, source, name, limits)
    else:
        rows, component = arguments.rows, arguments.component
        edit = direction_edit(generator, Path(source), name, rows, component, limits)
    save_edit(edit, out)
    print(f"written {out}: {edit.name!r}, strengths from {limits[0]:g} to {limits[1]:g}")


def named_file(text: str) -> tuple[str, Path]:
    """NAME=FILE, for argparse."""
    name, equals, path = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return name, Path(path)


def row_range(text: str) -> slice:
    """Rows of W+ as "4-7", both included, for argparse."""
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if found is None or int(found[1]) > int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no range of rows like 4-7")
    return slice(int(found[1]), int(found[2]) + 1)


def description(found: "Foreign") -> Iterator[str]:
    """What a user wants to know of an imported file, line by line."""
    from reenact.checkpoint import fingerprint

    dims = found.generator.dims
    yield f"format       {found.origin}"
    yield f"resolution   {dims.resolution} px"
    widths = {layer.resolution: layer.out_channels for layer in spaces.layers(dims) if layer.up}
    yield "channels     " + ", ".join(f"{width} at {px} px" for px, width in widths.items())
    yield f"W+           {spaces.rows(dims)} rows of {dims.w_dim}; the first reads the 4 px layers"
    yield f"mapping      {dims.mapping_layers} layers, z of {dims.z_dim}"
    yield f"noise        {'one fixed map for each layer' if dims.noise else 'none'}"
    if found.encoder is not None:
        yield f"portraits    {portrait_words(found.encoder.portrait)}"
    yield f"fingerprint  {fingerprint(found.generator)[:16]}"
    for remark in (*found.remarks, LICENCE):
        yield f"note         {remark}"


def portrait_words(portrait: "PortraitDims") -> str:
    """What a portrait encoder is, in words."""
    if portrait.passes:
        return f"ReStyle's encoder, {portrait.passes} passes over a crop of 256 px"
    return f"{'e4e' if portrait.deltas else 'pSp'}'s encoder, reads a crop of 256 px"


def parse() -> argparse.Namespace:
    layout = argparse.RawDescriptionHelpFormatter
    parser = CommandLine(prog="reenact", description=__doc__, formatter_class=layout)
    commands = parser.add_subparsers(required=True)
    avatar_commands.add_parser(commands)
    about = "Read NVIDIA's .pkl or rosinality's, e4e's, pSp's .pt; no code in it is ever run."
    sub = commands.add_parser("import", help=about, description=about)
    sub.add_argument("file", type=Path)
    sub.add_argument("--out", type=Path, help="default: beside the file, as .safetensors")
    sub.add_argument("--force", action="store_true", help="replace what is there")
    sub.set_defaults(run=import_checkpoint)
    about = "InterFaceGAN's .npy/.pt, GANSpace's .npz/.pt, or a StyleSpace channel like 9_409."
    sub = commands.add_parser("edit", help=about, description=about)
    sub.add_argument("source", metavar="FILE|LAYER_CHANNEL")
    sub.add_argument("--generator", type=Path, required=True, help="whose W it is a direction in")
    sub.add_argument("--name", help="default: the file's")
    sub.add_argument(
        "--rows", type=row_range, default=slice(None), metavar="A-B", help="default: all of W+"
    )
    sub.add_argument("--component", type=int, metavar="K", help="which principal component")
    sub.add_argument("--limits", type=float, nargs=2, default=LIMITS, metavar=("LOW", "HIGH"))
    sub.add_argument("--out", type=Path, help=f"default: NAME{SUFFIX}")
    sub.set_defaults(run=import_edit)
    add_train(commands)
    return parser.parse_args()


def add_train(commands: "argparse._SubParsersAction[CommandLine]") -> None:
    """The words of `reenact train`."""
    about = (
        "Train the encoders that drive an imported generator, which stays as it is: from pictures "
        "that it draws itself, then from a folder of videos where one is given. Goes on where it "
        "was stopped; torchrun runs it on several GPUs."
    )
    sub = commands.add_parser("train", help=about, description=about)
    add = sub.add_argument
    add("--generator", type=Path, required=True, metavar="FILE", help="imported, .pkl or .pt")
    add(
        "--run",
        dest="folder",
        type=Path,
        required=True,
        metavar="DIR",
        help="snapshots and sheets of pictures",
    )
    add("--to", type=Path, required=True, metavar="DIR", help="the model folder to write")
    add("--videos", type=Path, metavar="DIR", help="videos of faces, one face in each")
    add("--minutes", type=float, default=60, help="default: 60")
    add("--batch", type=int, default=8, help="pictures a step and process (default: 8)")
    add("--samples", type=int, default=2000, help="faces drawn to find motion (default: 2000)")
    add("--directions", type=named_file, nargs="+", default=[], metavar="NAME=FILE",
        help="directions in W that move one factor, .npy or .pt, instead of those found")  # fmt: skip
    add("--start", type=Path, default=STARTER, metavar="FILE",
        help="whose encoder reads the faces (default: the starter)")  # fmt: skip
    add("--threads", type=int, default=1, help="CPU threads (default: 1)")
    sub.set_defaults(run=train)


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    arguments = parse()
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())

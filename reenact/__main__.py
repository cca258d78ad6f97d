"""reenact import FILE: a StyleGAN2 checkpoint of another code base becomes one of ours."""

import argparse
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from reenact import spaces
from reenact.errors import CommandLine, UserError, exit_on_user_error

if TYPE_CHECKING:
    from reenact.foreign import Foreign

LICENCE = (
    "The licence is the one its authors gave it, not Reenact's: weights trained on FFHQ "
    "(NVIDIA's, e4e's, pSp's) are for non-commercial use."
)


def import_checkpoint(arguments: argparse.Namespace) -> None:
    """Print what the file holds, and write its generator beside it."""
    path: Path = arguments.file
    out: Path = arguments.out or path.with_suffix(".safetensors")
    if out.exists() and not arguments.force:
        raise UserError(f"{out} is there already; add --force to replace it, or name another --out")
    if find_spec("torch") is None or find_spec("safetensors") is None:
        raise UserError('importing needs PyTorch; run `pip install -e ".[train]"`')
    from reenact.checkpoint import save_generator
    from reenact.foreign import read_foreign

    console = Console(highlight=False, soft_wrap=True)
    with console.status(f"reading {path}"):
        found = read_foreign(path)
    for line in description(found):
        console.print(line)
    with console.status(f"writing {out}"):
        save_generator(found.generator, out, {"origin": found.origin, "license": LICENCE})
    console.print(f"written      {out}")


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
        yield f"encoder      {len(found.encoder)} tensors of a portrait encoder (not imported yet)"
    yield f"fingerprint  {fingerprint(found.generator)[:16]}"
    for remark in (*found.remarks, LICENCE):
        yield f"note         {remark}"


def parse() -> argparse.Namespace:
    parser = CommandLine(prog="reenact", description=__doc__)
    commands = parser.add_subparsers(required=True)
    about = "Read NVIDIA's .pkl or rosinality's, e4e's, pSp's .pt; no code in it is ever run."
    sub = commands.add_parser("import", help=about, description=about)
    sub.add_argument("file", type=Path)
    sub.add_argument("--out", type=Path, help="default: beside the file, as .safetensors")
    sub.add_argument("--force", action="store_true", help="replace what is there")
    sub.set_defaults(run=import_checkpoint)
    return parser.parse_args()


@exit_on_user_error
def main() -> int:
    """Run the command line."""
    arguments = parse()
    arguments.run(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())

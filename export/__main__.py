"""python -m export [--checkpoint FILE] [--to DIR]: the three graphs as ONNX, equal to torch."""

import os
import sys
import tempfile
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import reenact
from engines.contract import CHECKPOINT, GRAPHS
from reenact.errors import CommandLine, UserError, exit_on_user_error

if TYPE_CHECKING:  # the heavy libraries come later, with a sentence where they are missing
    from reenact.hybrid import Puppeteer

STARTER = Path(reenact.__file__).parent / "starter" / CHECKPOINT
_LIBRARIES = ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime")


def export(checkpoint: Path, to: Path) -> dict[str, float]:
    """Export all graphs of a checkpoint to a folder, all or none of them.

    They are written to a temporary folder beside `to`, compared with torch, and moved.

    Returns:
        For each graph the largest difference from torch (see `export.compare.compare`).

    Raises:
        UserError: a missing library, a missing or damaged checkpoint, a folder that cannot be
            written, or a graph that does not equal torch.
    """
    _require_libraries()
    from reenact.checkpoint import load_checkpoint

    puppeteer, info = load_checkpoint(checkpoint)
    license = str(info.get("license", "not stated"))
    try:
        with tempfile.TemporaryDirectory(prefix=".export-", dir=_existing(to)) as name:
            differences = _export_to(Path(name), puppeteer, license)
            to.mkdir(parents=True, exist_ok=True)
            for graph in GRAPHS:
                os.replace(Path(name) / f"{graph}.onnx", to / f"{graph}.onnx")
    except OSError as error:
        raise UserError(
            f"cannot write to {to}: {error.strerror or error}; choose a folder with --to"
        ) from error
    return differences


def _export_to(folder: Path, puppeteer: "Puppeteer", license: str) -> dict[str, float]:
    from export.compare import compare
    from export.to_onnx import to_onnx

    differences: dict[str, float] = {}
    with _progress() as progress:
        for graph in GRAPHS:
            task = progress.add_task(f"{graph}: tracing", total=1)
            model = to_onnx(puppeteer, graph, license)
            (folder / f"{graph}.onnx").write_bytes(model.SerializeToString())
            progress.update(task, description=f"{graph}: comparing with torch")
            differences[graph] = compare(puppeteer, graph, folder)
            progress.update(task, description=f"{graph}: equals torch", completed=1)
    return differences


def _require_libraries() -> None:
    absent = [library for library in _LIBRARIES if find_spec(library) is None]
    if absent:
        raise UserError(
            f"export needs {', '.join(absent)}, which is not installed; "
            'run `pip install -e ".[train]"`'
        )


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: on the same disk."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())


def _progress() -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _arguments() -> Namespace:
    parser = CommandLine(
        "python -m export",
        description="Write encode_identity.onnx, encode_deformation.onnx and render.onnx, "
        "compared with torch before anything is written.",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        default=STARTER,
        metavar="FILE",
        help="weights (default: the starter model's)",
    )
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="where to (default: the checkpoint's folder)"
    )
    return parser.parse_args()


@exit_on_user_error
def main() -> int:
    """Run the command; 0 when all graphs are written."""
    arguments = _arguments()
    to = arguments.to or arguments.checkpoint.parent
    differences = export(arguments.checkpoint, to)
    for graph, difference in differences.items():
        path, unit = to / f"{graph}.onnx", " levels of 255" if graph == "render" else ""
        size = path.stat().st_size / 1e6
        print(f"{path}  {size:.1f} MB  differs from torch by at most {difference:.2g}{unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

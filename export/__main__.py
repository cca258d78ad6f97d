"""python -m export: weights -> ONNX that equals torch -> engines.

python -m export                                                   the starter's ONNX, beside its checkpoint
python -m export --to tensorrt-rtx --size 1024 --precision fp16    a whole model folder with engines
"""

import argparse
import sys
from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import reenact
from engines.contract import CHECKPOINT, GRAPHS
from reenact.errors import CommandLine, UserError, exit_on_user_error

if TYPE_CHECKING:  # the heavy libraries come later, with a sentence where they are missing
    from export.compare import Parity
    from export.write import Source

STARTER = Path(reenact.__file__).parent / "starter" / CHECKPOINT
BUILT = Path(__file__).parents[1] / "engines" / "built"
STARTER_SIZE = 256  # px
PRODUCTS = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
_LIBRARIES = ("torch", "safetensors", "onnx", "onnxscript", "onnxruntime")


def export(
    checkpoint: Path, out: Path, precision: str = "fp32", free_batch: bool = False
) -> "dict[str, Parity]":
    """Export all graphs of a checkpoint to a folder, all or none of them.

    Args:
        checkpoint: the weights.
        out: the model folder; made where it is missing.
        precision: "fp32", "fp16" or "bf16": what convolutions compute in.
        free_batch: leave the first axis open and name it "batch"; else it is 1.

    Returns:
        For each graph how close it is to torch.

    Raises:
        UserError: a missing library, a missing or damaged checkpoint, a folder that cannot be
            written, or a graph that does not equal torch.
    """
    _require(_LIBRARIES)
    from export.write import write_graphs

    return write_graphs(load(checkpoint), out, precision, free_batch)


def load(checkpoint: Path) -> "Source":
    """Return a checkpoint's model and what is known of it."""
    from engines.passport import sha256
    from export.write import Source
    from reenact.checkpoint import graphs_in, load_checkpoint, load_imported
    from reenact.encoders import EncoderDims

    graphs = graphs_in(checkpoint)
    if graphs == GRAPHS:
        puppeteer, info = load_checkpoint(checkpoint)
    else:
        puppeteer, info = load_imported(checkpoint, EncoderDims())
    return Source(puppeteer, str(info.get("license", "not stated")), sha256(checkpoint), graphs)


def _source(checkpoint: Path | None, size: int | None) -> "Source":
    """The checkpoint named, or the starter, or for any other size random weights."""
    if checkpoint is None and size not in (None, STARTER_SIZE):
        return _random(size or STARTER_SIZE)
    source = load(checkpoint or STARTER)
    resolution = source.puppeteer.dims.resolution
    if size not in (None, resolution):
        raise UserError(
            f"{checkpoint or STARTER} draws {resolution} px, not {size}; leave --size out"
        )
    return source


def _random(size: int) -> "Source":
    from export.random_weights import config_f, random_puppeteer
    from export.write import Source
    from reenact.encoders import EncoderDims

    print(
        f"No checkpoint of {size} px was named: the weights are RANDOM (StyleGAN2's config-F, the "
        "same every time), good for builds and for timing, not for faces.",
        file=sys.stderr,
    )
    return Source(random_puppeteer(config_f(size), EncoderDims()), "CC0-1.0 (random weights)")


def _folder(arguments: Namespace, source: "Source") -> Path:
    """Where to: --out, or engines/built, or for the plain export the checkpoint's own folder."""
    if arguments.out is not None:
        return Path(arguments.out)
    plain = {"to", "size", "precision", "batch"}
    if all(getattr(arguments, name) is None for name in plain):
        return Path(arguments.checkpoint or STARTER).parent
    from reenact.checkpoint import fingerprint

    generator, precision = source.puppeteer.generator, arguments.precision or "fp32"
    free = "-free" if arguments.batch == "free" else ""
    return BUILT / f"{fingerprint(generator)[:8]}-{generator.dims.resolution}-{precision}{free}"


def _require(libraries: tuple[str, ...]) -> None:
    absent = [library for library in libraries if find_spec(library) is None]
    if absent:
        raise UserError(
            f"export needs {', '.join(absent)}, which is not installed; "
            'run `pip install -e ".[train]"`'
        )


def _check_target(to: str, free_batch: bool) -> None:
    """Complain of what is missing before minutes are spent on the graphs."""
    if to in PRODUCTS:
        if free_batch:
            raise UserError(
                f"engines for {to} are built for one frame at a time; use --batch free with "
                "--to onnx, or leave it out"
            )
        from engines.tensorrt_library import load_library

        load_library(PRODUCTS[to])
    elif to == "openvino" and find_spec("openvino") is None:
        raise UserError("OpenVINO is not installed; run `pip install -e .`")


def _arguments() -> Namespace:
    parser = CommandLine(
        "python -m export",
        description="Write encode_identity.onnx, encode_deformation.onnx and render.onnx, compared "
        "with torch before anything is written, and build engines from them. Without options: the "
        "starter's ONNX in fp32, beside its checkpoint.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--to",
        choices=("onnx", "openvino", *PRODUCTS),
        help="what to make; openvino: ONNX that was compiled and compared on this processor",
    )
    add(
        "--size",
        type=int,
        choices=(64, 128, 256, 512, 1024),
        help="side of the picture, px; without --checkpoint the starter at "
        f"{STARTER_SIZE}, else config-F with random weights",
    )
    add("--precision", choices=("fp32", "fp16", "bf16"), help="what convolutions compute in")
    add("--batch", choices=("1", "free"), help="frames at a time; free: for offline rendering")
    add("--checkpoint", type=Path, metavar="FILE", help="weights (default: the starter model's)")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to (default: engines/built/NAME, or without other options the checkpoint's "
        "folder)",
    )
    return parser.parse_args()


@exit_on_user_error
def main() -> int:
    """Run the command; 0 when everything is written."""
    arguments = _arguments()
    to, precision = arguments.to or "onnx", arguments.precision or "fp32"
    free_batch = arguments.batch == "free"
    _check_target(to, free_batch)
    _require(_LIBRARIES)
    from export.write import check_openvino, write_graphs

    source = _source(arguments.checkpoint, arguments.size)
    out = _folder(arguments, source)
    checks = [check_openvino] if to == "openvino" else []
    parities = write_graphs(source, out, precision, free_batch, checks)
    engines = _build(out, PRODUCTS[to], source.graphs) if to in PRODUCTS else []
    for graph, parity in parities.items():
        _report(out / f"{graph}.onnx", f"{precision}  {_words(parity, precision)}")
    for engine in engines:
        _report(engine, f"passport {engine.with_suffix('.json').name}")
    return 0


def _build(folder: Path, product: str, graphs: tuple[str, ...]) -> list[Path]:
    from engines.tensorrt_build import build
    from export.write import shown

    with shown() as progress:
        return [build(folder / f"{graph}.onnx", product, progress=progress) for graph in graphs]


def _words(parity: "Parity", precision: str) -> str:
    error = f"differs from torch by at most {parity.max_error:.2g}"
    return error if precision == "fp32" else f"{error}, {parity.psnr:.1f} dB"


def _report(path: Path, words: str) -> None:
    print(f"{path}  {path.stat().st_size / 1e6:.1f} MB  {words}")


if __name__ == "__main__":
    sys.exit(main())

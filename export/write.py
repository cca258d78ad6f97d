"""The three graphs of a model, compared and written: all of them or none."""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import onnx
import onnxruntime
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from engines.contract import GRAPHS
from export.compare import Parity, compare, examples, inputs, levels, reference
from export.locate import LEAST_PSNR, psnr
from export.to_onnx import to_onnx
from reenact.errors import UserError
from reenact.hybrid import Puppeteer

Check = Callable[[Puppeteer, str, Path], str]


@dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        puppeteer: in eval mode, on the CPU.
        license: the terms of its weights.
        checkpoint: SHA-256 of the file they came from, hex; None for random weights.
        graphs: which of the graphs can be exported; fewer where encoders are missing.
    """

    puppeteer: Puppeteer
    license: str
    checkpoint: str | None = None
    graphs: tuple[str, ...] = GRAPHS


def write_graphs(
    source: Source,
    out: Path,
    precision: str = "fp32",
    free_batch: bool = False,
    checks: Sequence[Check] = (),
) -> dict[str, Parity]:
    """Export all graphs to a folder, all or none of them.

    They are compared with torch and written to a temporary folder beside `out`, then moved.

    Args:
        source: the weights.
        out: the model folder; made where it is missing.
        precision: "fp32", "fp16" or "bf16": what convolutions compute in.
        free_batch: leave the first axis open.
        checks: more comparisons of a written graph: (puppeteer, graph, folder) -> what to say of it.

    Returns:
        For each graph how close it is to torch.

    Raises:
        UserError: the folder cannot be written, or a graph does not equal torch.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".export-", dir=_existing(out)) as name,
            shown() as progress,
        ):
            folder = Path(name)
            parities = {
                graph: _write_graph(source, graph, folder, progress, precision, free_batch, checks)
                for graph in source.graphs
            }
            out.mkdir(parents=True, exist_ok=True)
            for graph in source.graphs:
                os.replace(folder / f"{graph}.onnx", out / f"{graph}.onnx")
    except OSError as error:
        raise UserError(
            f"cannot write to {out}: {error.strerror or error}; "
            "make room or choose another folder with --out"
        ) from error
    return parities


def _write_graph(
    source: Source,
    graph: str,
    folder: Path,
    progress: Progress,
    precision: str,
    free_batch: bool,
    checks: Sequence[Check],
) -> Parity:
    puppeteer = source.puppeteer
    if graph == "encode_identity" and puppeteer.portrait is not None:
        precision = "fp32"  # see `reenact.graphs.EncodePortrait`
    task = progress.add_task(f"{graph}: tracing", total=None)
    model = to_onnx(puppeteer, graph, source.license, precision, free_batch)
    count = len(inputs(puppeteer, graph, model))
    progress.update(task, description=f"{graph}: comparing with torch", total=count)
    parity = compare(puppeteer, graph, model, precision, lambda: progress.advance(task))
    _say(model, source, parity)
    (folder / f"{graph}.onnx").write_bytes(model.SerializeToString())
    words = [check(puppeteer, graph, folder) for check in checks]
    progress.update(task, description=", ".join([f"{graph}: equals torch", *words]))
    return parity


def shown() -> Progress:
    """What a long task shows of itself, on stderr."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(16),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))


def check_openvino(puppeteer: Puppeteer, graph: str, folder: Path) -> str:
    """Compile a written graph with OpenVINO for this processor and compare it with torch.

    OpenVINO reads the ONNX itself when the app starts, there is nothing more to write.

    Returns:
        What it runs on, and how close to torch.

    Raises:
        UserError: it does not load, or is further from torch than 16 bits explain.
    """
    from engines.openvino_engine import OpenVinoEngine

    engine = OpenVinoEngine(folder, graph)
    worst = float("inf")
    for what, array in examples(puppeteer, graph).items():
        expected, got = reference(puppeteer, graph, array), engine(array)
        if graph == "render":
            expected = levels(expected)
        span = 255.0 if graph == "render" else float(expected.max() - expected.min())
        worst = min(worst, psnr(got, expected, span))
        if not worst >= LEAST_PSNR["bf16"]:
            raise UserError(
                f"{graph}.onnx in OpenVINO ({engine.device}) differs from torch on {what}: "
                f"{worst:.1f} dB, {LEAST_PSNR['bf16']:.0f} dB are asked for; nothing was written"
            )
    engine.close()
    return f"OpenVINO ({engine.device}) {worst:.1f} dB"


def _say(model: onnx.ModelProto, source: Source, parity: Parity) -> None:
    """Add to a graph's metadata how close it is, and what it was made from."""
    runtime = f"ONNX Runtime {onnxruntime.__version__} on the CPU"
    entries = {"reenact.parity": json.dumps(asdict(parity) | {"runtime": runtime})}
    if source.checkpoint is not None:
        entries["reenact.checkpoint"] = source.checkpoint
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that exists: on the same disk."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.exists())

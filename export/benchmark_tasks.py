"""What a benchmark times: engines, an ordinary port, and the machine's limits."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx
import torch

from engines import Engine, backends, load_engine
from engines.contract import CHECKPOINT, example, graph_file, parse_info, usable_threads
from engines.limits import wide_convolution
from export.__main__ import BUILT, STARTER, STARTER_SIZE
from export.port import Port
from export.random_weights import config_f, random_puppeteer
from export.to_onnx import to_onnx
from export.work import gmacs, graph_gmacs, render_steps
from reenact.checkpoint import load_checkpoint, save_checkpoint
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.graphs import PRECISIONS
from reenact.spaces import Dims, style_count

LIVE_GRAPHS = ("encode_deformation", "render")
PORT, LIMIT = "ordinary port", "limit"
_SIDE = 4096  # of the matrices that are a GPU's limit


@dataclass(frozen=True)
class Task:
    """Something that is timed.

    Attributes:
        model: the name of the model folder.
        size: side of the picture, px.
        graph: one of `LIVE_GRAPHS`; of a limit what it computes, in words.
        backend: what runs it, `PORT` or `LIMIT`.
        device: as engines say it: what it runs on, and in which precision.
        gmac: multiply-accumulates, 1e9.
        run: runs it once.
    """

    model: str
    size: int
    graph: str
    backend: str
    device: str
    gmac: float
    run: Callable[[], Any]

    @property
    def name(self) -> str:
        return f"{self.graph}, {self.backend}, {self.device}"


def model_folder(size: int, precision: str) -> Path:
    """The starter's folder, or one that is made once with what runs live, for timing only.

    Other sizes are config-F with random weights. Graphs made here are not compared with torch, as
    `python -m export` does with all that anybody is to look at.

    Raises:
        UserError: it cannot be written.
    """
    if (size, precision) == (STARTER_SIZE, "fp32"):
        return STARTER.parent
    name = "starter" if size == STARTER_SIZE else "config-F"
    folder = BUILT / f"{name}-{size}-{precision}"
    if folder.is_dir():
        return folder
    print(f"making {folder}", file=sys.stderr)
    try:
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".benchmark-", dir=BUILT) as name:
            _write_model(Path(name) / "model", size, precision)
            os.rename(Path(name) / "model", folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; make room") from error
    return folder


def _write_model(folder: Path, size: int, precision: str) -> None:
    folder.mkdir()
    checkpoint, license = STARTER, "as the starter model's"
    if size != STARTER_SIZE:
        checkpoint, license = folder / CHECKPOINT, "CC0-1.0 (random weights)"
        save_checkpoint(random_puppeteer(config_f(size), EncoderDims()), checkpoint, {})
    puppeteer, _ = load_checkpoint(checkpoint)
    for graph in LIVE_GRAPHS:
        onnx.save(to_onnx(puppeteer, graph, license, precision), folder / f"{graph}.onnx")


def dims_of(folder: Path) -> Dims:
    """The generator's sizes, from the renderer's metadata.

    Raises:
        UserError: there is no renderer.
    """
    model = onnx.load(graph_file(folder, "render"))
    return parse_info({entry.key: entry.value for entry in model.metadata_props}, crop=0).dims


def engine_tasks(
    folder: Path,
    wanted: list[str] | None,
    threads: int | None,
    stack: ExitStack,
    left_out: dict[str, str],
) -> list[Task]:
    """What runs live, on each backend that is wanted (None: installed).

    A backend that cannot load the graphs is added to `left_out` with its reason; `stack` closes the
    others.
    """
    gmac = {graph: round(graph_gmacs(graph_file(folder, graph)), 4) for graph in LIVE_GRAPHS}
    size = dims_of(folder).resolution
    tasks: list[Task] = []
    for backend in wanted or [name for name, missing in backends().items() if missing is None]:
        try:
            engines = [load_engine(folder, graph, backend, threads) for graph in LIVE_GRAPHS]
        except UserError as error:
            left_out[f"{backend}, {folder.name}"] = str(error)
            continue
        for graph, engine in zip(LIVE_GRAPHS, engines, strict=True):
            stack.callback(engine.close)
            run = _runner(engine, graph)
            tasks.append(
                Task(folder.name, size, graph, engine.name, engine.device, gmac[graph], run)
            )
    return tasks


def _runner(engine: Engine, graph: str) -> Callable[[], Any]:
    array = example(graph, engine.input_shape)
    return lambda: engine(array)


def port_task(folder: Path, threads: int | None) -> Task | None:
    """The renderer as it is usually ported; None where the folder has no checkpoint."""
    if not (folder / CHECKPOINT).is_file():
        return None
    puppeteer, _ = load_checkpoint(folder / CHECKPOINT)
    dims, port = puppeteer.dims, Port(puppeteer.generator.synthesis).eval()
    torch.set_num_threads(usable_threads(threads))
    styles = torch.from_numpy(example("render", (1, style_count(dims))))
    gmac = round(gmacs(render_steps(dims)), 4)

    def run() -> None:
        with torch.inference_mode():
            port(styles)

    return Task(folder.name, dims.resolution, "render", PORT, "CPU fp32", gmac, run)


def limit_tasks(tasks: list[Task], threads: int | None) -> Iterator[Task]:
    """For each device and precision that the tasks use, the most that it can be made to compute."""
    for device in sorted({task.device for task in tasks}):
        precision = next((word for word in device.split() if word in PRECISIONS), None)
        if precision and not device.startswith("CPU"):
            if torch.cuda.is_available():
                yield _limit(device, f"matrix product, {_SIDE}", *matrix_product(precision, "cuda"))
        elif precision in ("fp32", "bf16") and find_spec("openvino"):  # fp16 is fp32 on CPUs
            run, flops = wide_convolution(precision, threads)
            yield _limit(device, "3x3 convolution, 256 channels, 64 px", run, flops)


def _limit(device: str, what: str, run: Callable[[], Any], flops: int) -> Task:
    return Task("", 0, what, LIMIT, device, flops / 2e9, run)


def matrix_product(precision: str, device: str, side: int = _SIDE) -> tuple[Callable[[], Any], int]:
    """A product of two square matrices in torch, ready to run, and how many FLOP it is."""
    dtype = PRECISIONS[precision]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def run() -> None:
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()

    return run, 2 * side**3

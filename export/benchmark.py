"""How fast are the engines, and how fast could they be?  python -m export.benchmark

Every engine that is present draws pictures of 256, 512 and 1024 px, in turns with the others, with
an ordinary port of StyleGAN2 and with the widest convolution this machine can be given, which is
its limit. Prints tables in Markdown, for docs/benchmarks.md.
"""

import json
import os
import platform
import statistics
import sys
import time
from argparse import Namespace
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

from engines.contract import usable_threads
from export.benchmark_tables import card_table, tables
from export.benchmark_tasks import (
    Task,
    dims_of,
    engine_tasks,
    limit_tasks,
    model_folder,
    port_task,
)
from export.cards import CARDS, picture_ms
from export.layer_times import layer_times
from export.random_weights import config_f
from export.rounds import Times, interleaved, ratio
from export.work import graph_gmacs, render_steps
from export.write import shown
from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.spaces import Dims

SIZES = (256, 512, 1024)
_PROFILED = 20  # runs, at most
_LIBRARIES = ("openvino", "onnxruntime", "torch", "numpy", "tensorrt", "tensorrt_rtx")


def benchmark(options: Namespace) -> dict[str, Any]:
    """Measure everything that is present.

    Returns:
        What `export.benchmark_tables.tables` shows, and more, as JSON has it.

    Raises:
        UserError: an unknown backend, a folder without graphs, or nothing that runs.
    """
    report = about(options.threads)
    report |= {"rows": [], "limits": [], "against_port": [], "layers": [], "left_out": {}}
    folders = options.folders or [
        model_folder(size, precision) for precision in options.precision for size in options.size
    ]
    for folder in folders:
        measure(folder, options, report)
    if not report["rows"]:
        raise UserError("no engine ran: " + "; ".join(report["left_out"].values()))
    add_shares(report)
    return report | {"load_after": _load(), "calculated": calculated()}


def measure(folder: Path, options: Namespace, report: dict[str, Any]) -> None:
    """Add one model folder's times to a report."""
    threads = options.threads
    with ExitStack() as stack:
        engines = engine_tasks(folder, options.backend, threads, stack, report["left_out"])
        if not engines:
            return
        port = port_task(folder, threads)
        tasks = [*engines, *([port] if port else [])]
        limits = list(limit_tasks(tasks, threads))
        times = _timed(f"{folder.name}: in turns", [*tasks, *limits], options)
    report["rows"] += [row(task, times[task.name]) for task in tasks]
    report["limits"] += [row(task, times[task.name]) for task in limits]
    if port:
        for task in engines:
            if task.graph == "render":
                facts = ratio(times[port.name], times[task.name])
                report["against_port"].append(_of(task) | facts)
    if any(task.backend == "openvino" for task in engines):
        report["layers"].append(_profile(folder, options))


def _timed(words: str, tasks: list[Task], options: Namespace) -> dict[str, Times]:
    with shown() as progress:
        bar = progress.add_task(words, total=options.rounds)
        runs = {task.name: task.run for task in tasks}
        return interleaved(runs, options.rounds, options.seconds, lambda: progress.advance(bar))


def _profile(folder: Path, options: Namespace) -> dict[str, Any]:
    return {
        "model": folder.name,
        "size": dims_of(folder).resolution,
        "convolution_gmac": round(graph_gmacs(folder / "render.onnx", only_wide=True), 4),
        "kernels": layer_times(folder, min(options.rounds, _PROFILED), options.threads),
    }


def _of(task: Task) -> dict[str, Any]:
    names = ("model", "size", "graph", "backend", "device", "gmac")
    return {name: getattr(task, name) for name in names}


def row(task: Task, times: Times) -> dict[str, Any]:
    """A task's line of the report; `gflops` is at its median time, 2 FLOP per MAC."""
    spread = times.ms()
    gflops = {"gflops": round(2000 * task.gmac / spread["median_ms"], 1)}
    return _of(task) | spread | gflops | {"rounds": len(times.wall)}


def add_shares(report: dict[str, Any]) -> None:
    """Hold each row against its device's limit: the best that was reached in the whole run.

    Adds to each row `limit_gflops`, `share`, and `cpu_share`, which is the same by CPU time and
    its medians, for machines that are never quiet; None where there is no limit.
    """
    for entry in report["rows"]:
        limits = [limit for limit in report["limits"] if limit["device"] == entry["device"]]
        entry |= {"limit_gflops": None, "share": None, "cpu_share": None}
        if limits:
            best = max(2000 * limit["gmac"] / limit["best_ms"] for limit in limits)
            cpu = statistics.median(limit["gmac"] / limit["cpu_ms"] for limit in limits)
            entry["limit_gflops"] = round(best, 1)
            entry["share"] = round(entry["gflops"] / best, 3)
            entry["cpu_share"] = round(entry["gmac"] / entry["cpu_ms"] / cpu, 3)


def calculated() -> list[dict[str, Any]]:
    """Milliseconds of a picture on graphics cards, CALCULATED: see `export.cards`.

    `tflops` and `ms` have two figures each: with sums in fp16 and in fp32.
    """
    sizes = {"small 256": Dims(), **{f"config-F {size}": config_f(size) for size in SIZES}}
    steps = {name: render_steps(dims) for name, dims in sizes.items()}
    return [
        {
            "card": card.name,
            "tflops": [card.tensor, card.exact],
            "gb_per_s": card.bandwidth,
            "source": card.source,
            "ms": {
                name: [round(ms, 2) for ms in picture_ms(card, each)]
                for name, each in steps.items()
            },
        }
        for card in CARDS
    ]


def about(threads: int | None) -> dict[str, Any]:
    """The machine, the date and the versions."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": usable_threads(threads),
        "load_before": _load(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": {name: version for name in _LIBRARIES if (version := _version(name))},
    }


def _load() -> float | None:
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "an unknown processor"


def _arguments() -> Namespace:
    parser = CommandLine(
        "python -m export.benchmark",
        description="Time the engines against one another, an ordinary port of StyleGAN2 and the "
        "limit of this machine. Without folders: the starter at 256 px, config-F with random "
        "weights at the other sizes. Prints tables in Markdown.",
    )
    add = parser.add_argument
    add("folders", type=Path, nargs="*", help="model folders to time instead")
    add(
        "--size",
        type=int,
        nargs="+",
        choices=SIZES,
        default=list(SIZES),
        metavar="PX",
        help="sides of the picture (default: 256 512 1024)",
    )
    add(
        "--precision",
        nargs="+",
        choices=("fp32", "fp16", "bf16"),
        default=["fp32"],
        metavar="TYPE",
        help="of the graphs: fp32, fp16, bf16 (default: fp32)",
    )
    add("--backend", nargs="+", metavar="NAME", help="engines (default: all that are installed)")
    add("--rounds", type=int, default=40, metavar="N", help="a size, at most (default: 40)")
    add("--seconds", type=float, default=60.0, metavar="S", help="a size, about (default: 60)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: as the app's)")
    add("--calculated", action="store_true", help="only the calculated table; measure nothing")
    add("--json", type=Path, metavar="FILE", help="write the report there too")
    return parser.parse_args()


@exit_on_user_error
def main() -> int:
    """Run the command line; 0 when something was measured."""
    options = _arguments()
    if options.calculated:
        print(card_table(calculated()))
        return 0
    if options.rounds < 1:
        raise UserError("--rounds must be 1 or more")
    report = benchmark(options)
    if options.json is not None:
        try:
            options.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {options.json}: {error.strerror}") from error
    print(tables(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

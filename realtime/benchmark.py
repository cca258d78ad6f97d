"""How fast is it here?  python -m realtime.benchmark: a table, and one JSON line last."""

import json
import sys
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from engines import Engine
from engines.limits import convolution_gflops, matmul_gflops
from realtime.app import run
from realtime.models import load_model
from realtime.options import Options
from reenact.errors import CommandLine, UserError, exit_on_user_error
from reenact.spaces import Dims, layers

STAGES = {
    "capture": "read and unpack a frame (its own thread)",
    "find": "find the face (its own thread)",
    "face": "where to look now",
    "crop": "cut the face out",
    "encode": "network: what does it do",
    "smooth": "One-Euro filter",
    "add": "identity + deformation",
    "render": "network: draw that",
    "fit": "place on the output's canvas",
    "send": "to every output",
    "frame": "all of a frame, from face to send",
}
_ALONE = 60  # runs of each network


def benchmark(options: Options) -> dict[str, Any]:
    """Run a show, then its networks alone, then what the machine can do at most.

    Raises:
        UserError: anything in `options` cannot be done here, or no picture was made.
    """
    report = run(options, lambda line: print(line, file=sys.stderr))
    if not report["frames"]:
        raise UserError("there was no picture to measure: let it run for longer than a moment")
    model = load_model(report["backend"], options.threads)
    try:
        alone = {"encode": alone_ms(model.encode), "render": alone_ms(model.render)}
    finally:
        model.close()
    report["device"] = model.render.device
    return report | comparison(report, alone, model.info.dims, options.threads)


def comparison(
    report: dict[str, Any], alone: dict[str, float], dims: Dims, threads: int | None = None
) -> dict[str, Any]:
    """The networks' own time beside the whole frame's and beside the machine's limit.

    `networks_ms`: alone, back to back, with no other thread beside them. `not_network_share`: of a
    frame's time in the running show, the part that is neither of them.
    """
    stages = report["stages_ms"]
    frame = stages["frame"]["median"]
    share = 1 - sum(stages[name]["median"] for name in alone if name in stages) / frame
    convolution = convolution_gflops(threads)
    gmacs = render_gmacs(dims)
    reached = 2 * gmacs / (alone["render"] / 1000)
    return {
        "networks_ms": alone | {"both": round(sum(alone.values()), 3)},
        "not_network_share": round(share, 3),
        "fps_possible": round(1000 / frame, 1),
        "render_gmacs": round(gmacs, 3),
        "render_gflops": round(reached, 1),
        "limit_gflops": {
            "matmul_fp32": round(matmul_gflops(), 1),
            "convolution": None if convolution is None else round(convolution, 1),
        },
    }


def render_gmacs(dims: Dims) -> float:
    """Multiply-accumulates of the renderer's convolutions, in 1e9.

    An up-sampling convolution is counted on its input's pixels: it is a transposed one.
    """
    total = 0
    for layer in layers(dims):
        kernel = 9 if layer.kind == "conv" else 1
        side = layer.resolution // 2 if layer.up else layer.resolution
        total += kernel * layer.in_channels * layer.out_channels * side**2
    return total / 1e9


def alone_ms(engine: Engine, runs: int = _ALONE) -> float:
    """Median time of an engine run again and again with nothing beside it, ms."""
    random = np.random.default_rng(0)
    array: npt.NDArray[Any]
    if len(engine.input_shape) == 4:
        array = random.integers(0, 256, engine.input_shape, np.uint8)
    else:
        array = random.normal(1.0, 0.5, engine.input_shape).astype(np.float32)
    times = []
    for _ in range(runs + 3):
        begin = time.perf_counter()
        engine(array)
        times.append(time.perf_counter() - begin)
    return round(float(np.median(times[3:])) * 1000, 3)


def show(report: dict[str, Any]) -> None:
    """Print a report for people."""
    from rich.console import Console
    from rich.table import Table

    table = Table("stage", "what", "median ms", "p95", "p99", title=report["backend_reason"])
    for name, words in STAGES.items():
        spread = report["stages_ms"].get(name)
        if spread is not None:
            table.add_row(name, words, *(f"{value:.2f}" for value in spread.values()))
    console = Console()
    console.print(table)
    for line in summary(report):
        console.print(line, highlight=False, soft_wrap=True)


def summary(report: dict[str, Any]) -> list[str]:
    """What the table does not say, in sentences."""
    latency, alone, limits = (report[key] for key in ("latency_ms", "networks_ms", "limit_gflops"))
    convolution = limits["convolution"]
    best = f"{convolution:.0f} (convolution), " if convolution else ""
    return [
        f"{report['frames']} pictures in {report['seconds']:.1f} s: {report['fps']} fps "
        f"({report['fps_possible']} possible), {report['drops']} frames dropped",
        f"from capture to sent {latency['p50']:.1f} ms, 95 % within {latency['p95']:.1f}, "
        f"99 % within {latency['p99']:.1f}; first picture after "
        f"{report['time_to_first_frame_ms'] / 1000:.2f} s",
        f"{100 * report['not_network_share']:.0f} % of a frame is not network; alone the networks "
        f"take {alone['both']:.1f} ms (encode {alone['encode']:.1f}, render {alone['render']:.1f})",
        f"render computes {report['render_gmacs']:.2f} GMAC at {report['render_gflops']:.0f} "
        f"GFLOP/s; the processor's best: {best}{limits['matmul_fp32']:.0f} (fp32 matmul)",
    ]


@exit_on_user_error
def main() -> int:
    """Run the command line; 0 when all went well."""
    parser = CommandLine("python -m realtime.benchmark", description="Measure the live app here.")
    parser.add_argument(
        "--backend",
        default="auto",
        help="auto, tensorrt, tensorrt-rtx, openvino ... (default: auto)",
    )
    parser.add_argument("--input", default="demo", help="as run_live.py's (default: demo)")
    parser.add_argument("--seconds", type=float, default=10.0, metavar="S", help="default: 10")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads of the networks")
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    words = vars(parser.parse_args())
    as_json = words.pop("json")
    report = benchmark(Options(**words, outputs=["none"]))
    if not as_json:
        show(report)
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Where the renderer's time goes in OpenVINO: by kind of work and by size of the feature maps."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from engines.contract import example, graph_file
from engines.openvino_engine import core, settings

KINDS = {
    "convolution": "3x3 convolutions, up-sampling ones included",
    "fir": "FIR after up-sampling",
    "pointwise": "styles' scale, demodulation, noise, bias, leaky ReLU",
    "colours": "toRGB, its up-sampling and sum, uint8",
    "vectors": "what is computed from the styles alone",
    "layout": "numbers put into another order or precision",
}


def layer_times(model_dir: Path, runs: int, threads: int | None = None) -> list[dict[str, Any]]:
    """Run the renderer and time each of OpenVINO's kernels.

    Returns:
        An entry for each kind of work at each size: `kind`, `side` (px of the feature map, 1 for
        vectors), `ms` (medians of the kernels, added), `kernels` (how many).
    """
    config = settings(threads) | {"PERF_COUNT": True}
    compiled = core().compile_model(graph_file(model_dir, "render"), "CPU", config)
    places = {op.get_friendly_name(): _place(op) for op in compiled.get_runtime_model().get_ops()}
    request = compiled.create_infer_request()
    styles = example("render", tuple(compiled.input(0).shape))
    seconds: dict[str, list[float]] = defaultdict(list)
    for number in range(runs + 1):
        request.infer([styles], share_inputs=True)
        for entry in request.get_profiling_info() if number else ():
            if entry.status == entry.Status.EXECUTED:
                seconds[entry.node_name].append(entry.real_time.total_seconds())
    kernels: dict[tuple[str, int], list[float]] = defaultdict(list)
    for name, measured in seconds.items():
        kernels[places[name]].append(1000 * float(np.median(measured)))
    return [
        {"kind": kind, "side": side, "ms": round(sum(times), 4), "kernels": len(times)}
        for (kind, side), times in sorted(kernels.items())
    ]


def _place(op: Any) -> tuple[str, int]:
    """What a kernel does, and the side of what it gives."""
    words = op.get_rt_info()
    layer, code = (words[key].astype(str) for key in ("layerType", "primitiveType"))
    shape = op.output(0).get_partial_shape() if op.get_output_size() else []
    sides = [int(axis.get_length()) for axis in shape]
    side = sides[2] - sides[2] % 2 if len(sides) == 4 and sides[2] > 1 else 1
    if layer == "Reorder":
        return "layout", side
    if side == 1:
        return "vectors", side
    if 3 in sides:
        return "colours", side
    if layer in ("Convolution", "Deconvolution"):
        return ("fir" if "_dw" in code else "convolution"), side
    return "pointwise", side

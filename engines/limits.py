"""What this machine can compute at most: the measure that a network's time is held against."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from engines.contract import usable_threads

_SECONDS = 0.4  # per measurement; the best run counts, the machine may be busy


def matmul_gflops() -> float:
    """The fastest product of two 1024 x 1024 fp32 matrices in numpy, in GFLOP/s (2 per MAC)."""
    side = 1024
    a, b = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    return 2 * side**3 / _fastest(lambda: a @ b) / 1e9


def convolution_gflops(threads: int | None = None) -> float | None:
    """The fastest 3x3 convolution, 256 channels at 64 px, in OpenVINO at its best precision.

    In GFLOP/s (2 per MAC); None where OpenVINO is not installed.
    """
    if find_spec("openvino") is None:
        return None
    import openvino as ov
    from openvino import opset13 as opset

    channels, side = 256, 64
    random = np.random.default_rng(0)
    weights = random.normal(size=(channels, channels, 3, 3)).astype(np.float32)
    entry = opset.parameter([1, channels, side, side], np.float32)
    result = opset.convolution(entry, opset.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
    core = ov.Core()
    bf16 = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": usable_threads(threads),
    }
    request = core.compile_model(ov.Model([result], [entry]), "CPU", config).create_infer_request()
    array = random.normal(size=(1, channels, side, side)).astype(np.float32)
    flops = 2 * 9 * channels**2 * side**2
    return flops / _fastest(lambda: request.infer([array], share_inputs=True)) / 1e9


def _fastest(run: Callable[[], Any]) -> float:
    """Seconds of the fastest of many runs, of one at least."""
    run()
    best, end = float("inf"), time.perf_counter() + _SECONDS
    while True:
        begin = time.perf_counter()
        run()
        now = time.perf_counter()
        best = min(best, now - begin)
        if now >= end:
            return best

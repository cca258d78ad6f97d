"""What this machine can compute at most: the measure that a network's time is held against."""

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

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
    from engines.openvino_engine import has_bf16

    run, flops = wide_convolution("bf16" if has_bf16() else "fp32", threads)
    return flops / _fastest(run) / 1e9


def wide_convolution(precision: str, threads: int | None = None) -> tuple[Callable[[], Any], int]:
    """A 3x3 convolution, 256 channels at 64 px, in OpenVINO, ready to be run again and again.

    Args:
        precision: "bf16" or "fp32".
        threads: None: see `usable_threads`.

    Returns:
        What runs it once, and how many FLOP that is (2 per MAC).
    """
    import openvino as ov
    from openvino import opset13 as opset

    from engines.openvino_engine import core, settings

    channels, side = 256, 64
    random = np.random.default_rng(0)
    weights = random.normal(size=(channels, channels, 3, 3)).astype(np.float32)
    entry = opset.parameter([1, channels, side, side], np.float32)
    result = opset.convolution(entry, opset.constant(weights), [1, 1], [1, 1], [1, 1], [1, 1])
    hint = {"INFERENCE_PRECISION_HINT": {"bf16": "bf16", "fp32": "f32"}[precision]}
    model = ov.Model([result], [entry])
    compiled = core().compile_model(model, "CPU", settings(threads) | hint)
    request = compiled.create_infer_request()
    array = random.normal(size=(1, channels, side, side)).astype(np.float32)
    flops = 2 * 9 * channels**2 * side**2
    return lambda: request.infer([array], share_inputs=True), flops


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

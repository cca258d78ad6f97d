"""Sizes: the starter's 256 px, and StyleGAN2's config-F at 1024, stay close to torch."""

from functools import cache

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from export_helpers import picture_or_numbers

from engines import GRAPHS, load_engine
from export import __main__ as command
from export import compare, random_weights, to_onnx
from reenact.checkpoint import load_checkpoint
from reenact.encoders import EncoderDims
from reenact.hybrid import Puppeteer

ENCODER = EncoderDims(64, width=8, pyramid=16, submodule=16, embedding=16, motion=8, hidden=32)


@cache
def starter() -> Puppeteer:
    return load_checkpoint(command.STARTER)[0]


@pytest.mark.parametrize("precision", [None, "fp32", "fp16"])
def test_the_starter_at_256(precision: str | None) -> None:
    """What ships (None) and what would be exported today."""
    puppeteer = starter()
    if precision is None:
        folder = command.STARTER.parent
        for graph in GRAPHS:
            engine = load_engine(folder, graph, "onnxruntime", 1)
            array = compare.examples(puppeteer, graph)[
                "noise" if graph != "render" else "random styles"
            ]
            expected = picture_or_numbers(puppeteer, graph, array).astype(float)
            assert np.abs(engine(array) - expected).max() <= (1 if graph == "render" else 1e-4)
        return
    model = to_onnx.to_onnx(puppeteer, "render", "none", precision)
    parity = compare.compare(puppeteer, "render", model, precision)
    assert parity.psnr > {"fp32": 100, "fp16": 55}[precision]


def test_wide_layers_bear_styles_with_spikes() -> None:
    """512 channels, few of them with large styles: a coarse epsilon in the demodulation shows."""
    puppeteer = random_weights.random_puppeteer(random_weights.config_f(16), ENCODER)
    model = to_onnx.to_onnx(puppeteer, "render", "none", "fp32")
    assert compare.compare(puppeteer, "render", model, "fp32").max_error < 1e-4


@pytest.mark.slow
def test_config_f_at_1024(monkeypatch: pytest.MonkeyPatch) -> None:
    puppeteer = random_weights.random_puppeteer(random_weights.config_f(1024), ENCODER)
    examples = compare.examples(puppeteer, "render")
    for precision, megabytes, decibels, names in (
        ("fp32", 140, 100, ("random styles",)),
        ("fp16", 80, 55, ("random styles", "styles times 10")),
    ):
        few = {name: examples[name] for name in names}
        monkeypatch.setattr(compare, "examples", lambda *_, few=few: few)
        model = to_onnx.to_onnx(puppeteer, "render", "none", precision)
        assert model.ByteSize() < megabytes * 1e6
        parity = compare.compare(puppeteer, "render", model, precision)
        assert parity.psnr > decibels and parity.largest < 1000

"""Precision: what is exported in 16 bits, at any size and batch, stays close to torch in 32."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from export_helpers import picture_or_numbers, spoil
from onnx import TensorProto

from engines import GRAPHS, load_engine
from export import compare, random_weights, to_onnx
from export.locate import psnr
from export.rounded import rounded, value_types
from export.run_onnx import runner
from reenact import graphs, spaces
from reenact.encoders import EncoderDims
from reenact.errors import UserError
from reenact.hybrid import Puppeteer
from reenact.spaces import Dims

DIMS = Dims(64, channel_base=1024, channel_max=32, w_dim=16, z_dim=16, noise=True)
ENCODER = EncoderDims(64, width=8, pyramid=16, submodule=16, embedding=16, motion=8, hidden=32)
HALF = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}


@cache
def with_noise() -> Puppeteer:
    return random_weights.random_puppeteer(DIMS, ENCODER)


@cache
def traced(graph: str, precision: str, free_batch: bool = False) -> bytes:
    """Tracing takes seconds."""
    model = to_onnx.to_onnx(with_noise(), graph, "none", precision, free_batch)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("graph", "precision"),
    [*((graph, "fp16") for graph in GRAPHS), ("encode_deformation", "bf16"), ("render", "bf16")],
)
def test_16_bits_are_close_to_torch_in_32(graph: str, precision: str, tmp_path: Path) -> None:
    model = onnx.load_from_string(traced(graph, precision))
    parity = compare.compare(with_noise(), graph, model, precision)
    assert parity.psnr > {"fp16": 55, "bf16": 35}[precision]
    assert parity.max_error > 0 and 0.5 < parity.largest < 1000
    check_types(model, graph, HALF[precision])
    ends = [*model.graph.input, *model.graph.output]
    types = {end.name: end.type.tensor_type.elem_type for end in ends}
    names, (picture, number) = to_onnx.NAMES[graph], (TensorProto.UINT8, TensorProto.FLOAT)
    assert [types[name] for name in names] == (
        [number, picture] if graph == "render" else [picture, number]
    )
    backend = "onnxruntime" if precision == "fp16" else "openvino"  # the only one with such kernels
    pytest.importorskip(backend)
    onnx.save(model, tmp_path / f"{graph}.onnx")
    engine = load_engine(tmp_path, graph, backend, 1)
    for array in compare.examples(with_noise(), graph).values():
        expected = picture_or_numbers(with_noise(), graph, array)
        span = float(expected.max()) - float(expected.min())
        assert psnr(engine(array), expected, span) > {"fp16": 45, "bf16": 30}[precision]


def check_types(model: onnx.ModelProto, graph: str, half: int) -> None:
    """Convolutions in 16 bits; styles, demodulation, colours, linear layers, pixels in float32."""
    types = value_types(model)
    counts = {half: 0, TensorProto.FLOAT: 0}
    for node in model.graph.node:
        kind = types[node.output[0]]
        if node.op_type in ("Conv", "ConvTranspose"):
            counts[kind] += 1
            assert types[node.input[1]] == kind  # the weight is stored in its type
        if node.op_type in ("Gemm", "ReduceMax", "Div", "Pow", "Sqrt", "Reciprocal", "Sub", "Clip"):
            assert kind == TensorProto.FLOAT, node
    if graph != "render":
        assert counts[TensorProto.FLOAT] == 0 and counts[half] > 30
        return
    layers = spaces.layers(DIMS)
    assert all(
        types[la.name] == (half if la.kind == "conv" else TensorProto.FLOAT) for la in layers
    )
    demodulated = sum(layer.kind == "conv" for layer in layers)
    up = sum(layer.up for layer in layers)
    assert counts == {half: len(layers) + up, TensorProto.FLOAT: demodulated + up}


def test_roundings_are_those_of_torch() -> None:
    """ONNX Runtime with explicit roundings against torch's own 16-bit kernels."""
    styles = compare.examples(with_noise(), "render")["random styles"]
    exact = compare.reference(with_noise(), "render", styles)
    for precision, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
        model = rounded(onnx.load_from_string(traced("render", precision)))
        name = compare.float_output(with_noise(), "render")
        (got,) = runner(model, [name])(styles)
        render, seen = graphs.Render(with_noise().generator.synthesis, dtype), []
        render.layers[-1].register_forward_hook(lambda _, __, out, to=seen: to.append(out.numpy()))
        with torch.no_grad():
            render(torch.from_numpy(styles))
        assert psnr(got, exact, 2) < psnr(seen[0], exact, 2) + 3  # as much noise is in both
        assert psnr(got, seen[0], 2) > {"fp16": 65, "bf16": 45}[precision]


def test_overflow_is_seen_where_the_runtime_does_not_overflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    divided = graphs.normalised

    def hardly_divided(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bound = divided(weight)
        return weight * 2**18, bound / 2**18

    monkeypatch.setattr(graphs, "normalised", hardly_divided)
    model = to_onnx.to_onnx(with_noise(), "render", "none", "fp16")
    styles = compare.examples(with_noise(), "render")["random styles"]
    (picture,) = runner(model, ["picture"])(styles)
    assert picture.std() > 5  # what ONNX Runtime makes of it looks well
    with pytest.raises(UserError, match=r"fp16 with its roundings .* not finite; they part at b"):
        compare.compare(with_noise(), "render", model, "fp16")


@pytest.mark.parametrize(
    ("graph", "precision"),
    [("encode_deformation", "fp16"), ("render", "fp16")],
)
def test_a_free_batch(graph: str, precision: str, tmp_path: Path) -> None:
    model = onnx.load_from_string(traced(graph, precision, True))
    ends = [end.type.tensor_type.shape.dim[0] for end in (*model.graph.input, *model.graph.output)]
    assert [end.dim_param for end in ends] == ["batch", "batch"]
    run = runner(model, [to_onnx.NAMES[graph][1]])
    arrays = list(compare.examples(with_noise(), graph).values())[:3]
    together = run(np.concatenate(arrays))[0]
    for array, one in zip(arrays, together, strict=True):
        np.testing.assert_allclose(run(array)[0][0], one, rtol=1e-3, atol=1)
        assert psnr(run(array)[0][0], one, float(one.max()) - float(one.min())) > 50
    compare.compare(with_noise(), graph, model, precision)
    assert "three at once" in compare.inputs(with_noise(), graph, model)
    onnx.save(model, tmp_path / f"{graph}.onnx")  # live engines take it, one frame at a time
    for backend in ("openvino", "onnxruntime"):
        engine = load_engine(tmp_path, graph, backend, 1)
        assert engine.input_shape[0] == engine.output_shape[0] == 1
        assert engine(arrays[0]).shape == engine.output_shape


@pytest.mark.parametrize(
    ("graph", "precision", "weight", "layer"),
    [
        ("render", "fp32", "layers.6.weight", r"b16\.conv1"),
        ("render", "fp16", "layers.6.weight", r"b16\.conv1"),
        ("render", "fp16", "layers.7.weight", r"b16\.torgb"),
        ("render", "bf16", "layers.6.weight", r"b16\.conv1"),
        ("encode_deformation", "fp16", "pyramid.medium.0.conv2.weight", r"pyramid\.medium\.0"),
        ("encode_deformation", "bf16", "pyramid.medium.0.conv2.weight", r"pyramid\.medium\.0"),
    ],
)
def test_the_layer_that_differs_is_named(
    graph: str, precision: str, weight: str, layer: str
) -> None:
    model = onnx.load_from_string(traced(graph, precision))
    spoil(model, weight)
    with pytest.raises(
        UserError, match=rf"they part at {layer}, by [\d.e+]+ at \(0, \d+, \d+, \d+\)"
    ):
        compare.compare(with_noise(), graph, model, precision)

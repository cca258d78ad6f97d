"""A graph of the model as ONNX: fixed shapes, uint8 ends, weights kept in 16 bits without loss."""

import ast
import json
import logging
import warnings
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import helper, numpy_helper
from onnx_ir.passes import common as passes
from onnxscript import ir, optimizer
from torch import nn

from engines.contract import INPUT_TYPES
from engines.torch_engine import graph_module, graph_shapes
from reenact import graphs, spaces
from reenact.checkpoint import fingerprint
from reenact.encoders import BasicBlock, SubModule
from reenact.foreign_encoder import Row, Unit
from reenact.hybrid import Puppeteer

OPSETS = {"fp32": 20, "fp16": 20, "bf16": 22}  # before 22 a convolution must not be bfloat16
NAMES = {  # input, output
    "encode_identity": ("crop", "identity"),
    "encode_deformation": ("crop", "deformation"),
    "render": ("styles", "picture"),
}
_SCOPES = "pkg.torch.onnx.name_scopes"  # the modules a node comes from, outermost first
LANDMARKS = (BasicBlock, SubModule, Unit, Row)
"""Parts of encoders that a graph can be compared at."""
_SMALL = 1024  # bytes: below this a tensor is not worth a node


def to_onnx(
    puppeteer: Puppeteer,
    graph: str,
    license: str,
    precision: str = "fp32",
    free_batch: bool = False,
) -> onnx.ModelProto:
    """Export one graph.

    Args:
        puppeteer: in eval mode, on the CPU.
        graph: one of `engines.GRAPHS`.
        license: the terms of the weights, kept in the file.
        precision: "fp32", "fp16" or "bf16": what the convolutions compute in.
        free_batch: leave the first axis open and name it "batch"; else it is 1.
    """
    shape, _ = graph_shapes(puppeteer, graph)
    example = torch.from_numpy(np.ones((2 if free_batch else 1, *shape[1:]), INPUT_TYPES[graph]))
    module = graph_module(puppeteer, graph, graphs.PRECISIONS[precision])
    traced = _traced(module, NAMES[graph], example, OPSETS[precision], free_batch)
    model = _simplified(traced, layer_names(puppeteer, graph, module))
    _store_halves(model.graph)
    metadata = {
        "reenact.fingerprint": fingerprint(puppeteer.generator),
        "reenact.dims": json.dumps(asdict(puppeteer.dims)),
        "reenact.license": license,
        "reenact.graph": graph,
        "reenact.precision": precision,
    }
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def layer_names(puppeteer: Puppeteer, graph: str, module: nn.Module) -> dict[str, str]:
    """Return where a graph can be compared with the networks: path in `module` -> name of the value.

    In network order. The names of `spaces.layers` (a toRGB's is that of the picture with its
    colours added); in the encoders the paths of the puppeteer's modules.
    """
    if graph == "render":
        layers = enumerate(spaces.layers(puppeteer.dims))
        return {f"layers.{number}": layer.name for number, layer in layers}
    named = module.named_modules()
    return {path: path for path, part in named if isinstance(part, LANDMARKS)}


def _traced(
    module: nn.Module, names: tuple[str, str], example: torch.Tensor, opset: int, free_batch: bool
) -> ir.Model:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports that torchvision is absent
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecated calls
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=opset,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_shapes=({0: torch.export.Dim("batch")},) if free_batch else None,
            optimize=False,
            verbose=False,
        )
    assert program is not None
    return program.model


def _simplified(model: ir.Model, layers: dict[str, str]) -> onnx.ModelProto:
    """Fold constants, name the layers' values, and drop what only the exporter needed.

    That includes source paths of this machine. Batch normalisation stays a node in fp32: folded
    into the convolutions, which every engine does when it loads the file, it would give weights
    that no longer fit 16 bits.
    """
    optimizer.inline(model)
    optimizer.fold_constants(model)
    optimizer.remove_unused_nodes(model)
    _name_layers(model.graph, layers)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.DeduplicateInitializersPass()(model)
    passes.CommonSubexpressionEliminationPass()(model)
    passes.ClearMetadataAndDocStringPass()(model)
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    return proto


def _name_layers(graph: ir.Graph, layers: dict[str, str]) -> None:
    """Name the value that the last node of each module gives, unless it is the graph's output."""
    last: dict[str, ir.Node] = {}
    for node in graph:  # in the order of computation
        for path in ast.literal_eval(node.metadata_props.get(_SCOPES, "[]")):
            last[path] = node
    for path, name in layers.items():
        if not last[path].outputs[0].is_graph_output():
            last[path].outputs[0].name = name


def _store_halves(graph: onnx.GraphProto) -> None:
    """Replace float32 weights by float16 and a Cast, where that loses nothing.

    Checkpoints hold float16, but the graphs may divide a convolution's channels by powers of two,
    after which small weights leave float16's range; those are stored multiplied, and a Mul
    divides them again. Engines compute all this once, when they load the file.
    """
    first: list[onnx.NodeProto] = []
    for tensor in list(graph.initializer):
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.nbytes <= _SMALL:
            continue
        halves = halved(array)
        if halves is None:
            continue
        half, divisor = halves
        name, stored, cast = tensor.name, f"{tensor.name}.fp16", f"{tensor.name}.fp32"
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(half, stored))
        if divisor is None:
            cast = name
        else:
            scale = f"{name}.scale"
            graph.initializer.append(numpy_helper.from_array(1 / divisor, scale))
            first.append(helper.make_node("Mul", [cast, scale], [name]))
        first.insert(0, helper.make_node("Cast", [stored], [cast], to=onnx.TensorProto.FLOAT))
    nodes = first + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def halved(
    array: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float32] | None] | None:
    """Return float16 values and the powers of two they were multiplied by, or None if that loses.

    The float16 values divided by the powers (None: by nothing; else one for each channel, along the
    first or second axis, other axes 1) equal `array` bit for bit.
    """
    if np.array_equal(_half(array), array):
        return _half(array), None
    for axis in range(min(array.ndim, 2)):
        others = tuple(k for k in range(array.ndim) if k != axis)
        _, exponent = np.frexp(np.abs(array).max(axis=others, keepdims=True))
        powers = np.ldexp(np.float32(1), 15 - exponent)  # the largest value to just below 2^15
        if np.array_equal(_half(array * powers), array * powers):
            return _half(array * powers), powers
    return None


def _half(array: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and so is not equal
        return array.astype(np.float16)

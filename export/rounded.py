"""What a graph in 16 bits computes, on a CPU that has no 16-bit kernels.

ONNX Runtime's CPU provider computes fp16 graphs in fp32 and leaves out the roundings between layers
(a value of 777,220 passes through unharmed), and has no bf16 convolution at all. Here every value
that the graph keeps in 16 bits is rounded to it, with sums in fp32, as GPUs form them.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)
LARGEST = "largest"  # output: the largest number before it was rounded, f32 scalar


def rounded(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the same graph in fp32 with explicit roundings, and one more output, `LARGEST`.

    Names of values stay.
    """
    types = value_types(model)
    nodes: list[onnx.NodeProto] = []
    raw: list[str] = []  # 16-bit values before they are rounded
    for node in model.graph.node:
        node = onnx.NodeProto.FromString(node.SerializeToString())
        nodes.append(node)
        for place, name in enumerate(node.output):
            if types.get(name) not in HALVES:
                continue
            if node.op_type == "Cast":
                node.attribute[0].i = TensorProto.FLOAT
            node.output[place] = f"{name}.raw"
            raw.append(node.output[place])
            nodes.append(helper.make_node("Cast", [raw[-1]], [f"{name}.half"], to=types[name]))
            nodes.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for number, name in enumerate(raw):
        nodes.append(helper.make_node("Abs", [name], [f"{LARGEST}.abs{number}"]))
        reduce = (f"{LARGEST}.abs{number}", f"{LARGEST}.{number}")
        nodes.append(helper.make_node("ReduceMax", [reduce[0]], [reduce[1]], keepdims=0))
    nodes.append(helper.make_node("Max", [f"{LARGEST}.{k}" for k in range(len(raw))], [LARGEST]))
    graph = helper.make_graph(
        nodes,
        model.graph.name,
        model.graph.input,
        [*model.graph.output, helper.make_tensor_value_info(LARGEST, TensorProto.FLOAT, [])],
        [_in_fp32(tensor) for tensor in model.graph.initializer],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def value_types(model: onnx.ModelProto) -> dict[str, int]:
    """Return the element type (onnx.TensorProto's number) of every value and constant by name."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = (*graph.input, *graph.value_info, *graph.output)
    types = {value.name: int(value.type.tensor_type.elem_type) for value in values}
    return types | {tensor.name: int(tensor.data_type) for tensor in graph.initializer}


def _in_fp32(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.data_type not in HALVES:
        return tensor
    return numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name)

"""Places the models that every server of the benchmark serves into the repositories they are served from.

Usage: python models.py FOLDER GRAPH COPIES
FOLDER/onnx/<model>/1/model.onnx      Triton's layout, for Slipway; with slipway/<model>.pbtxt where there is one
FOLDER/triton/<model>/1/model.py      the same graphs behind Triton's Python backend
tumor: GRAPH, the example's gradient boosting. mlp: 30 -> 1024 -> 1024 -> 2, float32, random weights.
COPIES: how many copies of a tiny graph go into FOLDER/many, one model each.
"""
import pathlib
import shutil
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

here = pathlib.Path(__file__).parent
folder = pathlib.Path(sys.argv[1])
copies = int(sys.argv[3])


def perceptron(width=1024):
    generator = np.random.default_rng(7)
    nodes, weights, last = [], [], "input"
    sizes = [30, width, width, 2]
    for layer, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        weight = (generator.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)
        weights += [numpy_helper.from_array(weight, f"w{layer}"), numpy_helper.from_array(np.zeros(columns, np.float32), f"b{layer}")]
        output = "probabilities" if layer == 2 else f"a{layer}"
        nodes.append(helper.make_node("Gemm", [last, f"w{layer}", f"b{layer}"], [f"g{layer}"]))
        nodes.append(helper.make_node("Softmax" if layer == 2 else "Relu", [f"g{layer}"], [output]))
        last = output
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["rows", 30])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 2])],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def place(name, model):
    graph = folder / "onnx" / name / "1" / "model.onnx"
    graph.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, graph)
    configuration = here / "slipway" / f"{name}.pbtxt"
    if configuration.exists():
        shutil.copy(configuration, folder / "onnx" / name / "config.pbtxt")
    triton = folder / "triton" / name / "1"
    triton.mkdir(parents=True, exist_ok=True)
    shutil.copy(graph, triton / "model.onnx")
    shutil.copy(here / "rivals" / "triton" / "model.py", triton / "model.py")
    shutil.copy(here / "rivals" / "triton" / f"{name}.pbtxt", folder / "triton" / name / "config.pbtxt")


place("tumor", onnx.load(sys.argv[2]))
place("mlp", perceptron())
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 4]) for name in ("input", "output")]
tiny = helper.make_graph([helper.make_node("Relu", ["input"], ["output"])], "tiny", values[:1], values[1:])
small = helper.make_model(tiny, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
for number in range(copies):
    graph = folder / "many" / f"tiny-{number}" / "1" / "model.onnx"
    graph.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(small, graph)

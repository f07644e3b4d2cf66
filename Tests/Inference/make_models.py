"""Writes the tiny graphs that the tests serve, into Tests/Inference/Models.

Run: .venv/bin/python Tests/Inference/make_models.py
"""
from pathlib import Path

import onnx
from onnx import TensorProto, helper

FOLDER = Path(__file__).parent / "Models"


def save(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, initializer=list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, FOLDER / f"{name}.onnx")


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


FOLDER.mkdir(exist_ok=True)
F, D, I, L, B, S = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64,
                    TensorProto.BOOL, TensorProto.STRING)

# y = 2x + 1 over rows of three.
save("affine",
     [helper.make_node("Mul", ["x", "two"], ["m"]), helper.make_node("Add", ["m", "one"], ["y"])],
     [value("x", F, [None, 3])], [value("y", F, [None, 3])],
     [helper.make_tensor("two", F, [1], [2.0]), helper.make_tensor("one", F, [1], [1.0])])

# y = 3x + 1: another version of the same signature.
save("affine3",
     [helper.make_node("Mul", ["x", "three"], ["m"]), helper.make_node("Add", ["m", "one"], ["y"])],
     [value("x", F, [None, 3])], [value("y", F, [None, 3])],
     [helper.make_tensor("three", F, [1], [3.0]), helper.make_tensor("one", F, [1], [1.0])])

# y = 2x over rows of three, behind a product of matrices that takes milliseconds and adds nothing.
save("heavy",
     [helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
      helper.make_node("ConstantOfShape", ["size"], ["matrix"], value=helper.make_tensor("of", F, [1], [0.001])),
      helper.make_node("Add", ["matrix", "mean"], ["left"]),
      helper.make_node("MatMul", ["left", "matrix"], ["product"]),
      helper.make_node("ReduceMean", ["product"], ["scalar"], keepdims=0),
      helper.make_node("Mul", ["scalar", "zero"], ["nothing"]),
      helper.make_node("Mul", ["x", "two"], ["double"]), helper.make_node("Add", ["double", "nothing"], ["y"])],
     [value("x", F, [None, 3])], [value("y", F, [None, 3])],
     [helper.make_tensor("size", L, [2], [768, 768]), helper.make_tensor("zero", F, [], [0.0]), helper.make_tensor("two", F, [1], [2.0])])

# Every type that a client sends, several inputs, several outputs.
types = [("f32", F), ("f64", D), ("i32", I), ("i64", L), ("b", B), ("s", S)]
save("identity",
     [helper.make_node("Identity", [f"in_{n}"], [f"out_{n}"]) for n, _ in types],
     [value(f"in_{n}", t, [None]) for n, t in types],
     [value(f"out_{n}", t, [None]) for n, t in types])

# log(x): not a number below zero.
save("log", [helper.make_node("Log", ["x"], ["y"])], [value("x", F, [None, 1])], [value("y", F, [None, 1])])

# Every datatype that ONNX Runtime has, as it came.
every = {
    "BOOL": TensorProto.BOOL, "INT8": TensorProto.INT8, "INT16": TensorProto.INT16, "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64, "UINT8": TensorProto.UINT8, "UINT16": TensorProto.UINT16, "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64, "FP16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16, "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE, "BYTES": TensorProto.STRING,
}
save("types",
     [helper.make_node("Identity", [f"in_{n}"], [f"out_{n}"]) for n in every],
     [value(f"in_{n}", t, [None, None]) for n, t in every.items()],
     [value(f"out_{n}", t, [None, None]) for n, t in every.items()])

# One input whose shape leaves two sizes open, and one that holds one text.
save("open", [helper.make_node("Identity", ["x"], ["y"])], [value("x", F, [None, None])], [value("y", F, [None, None])])
save("text", [helper.make_node("Identity", ["x"], ["y"])], [value("x", S, [1])], [value("y", S, [1])])

# Rows of 2 x 3, summed over the last axis; and an index that must be below three.
save("sums",
     [helper.make_node("ReduceSum", ["x", "axis"], ["y"], keepdims=0)],
     [value("x", F, [None, 2, 3])], [value("y", F, [None, 2])],
     [helper.make_tensor("axis", L, [1], [2])])
save("lookup",
     [helper.make_node("Gather", ["table", "x"], ["y"])], [value("x", L, [None])], [value("y", F, [None])],
     [helper.make_tensor("table", F, [3], [0.5, 1.5, 2.5])])

"""Graphs that pass every gate and misbehave in service, for trying out a rollback.

Both faults are of a kind that happens: a cost that no gate measures under load, and an operation that is
undefined for values which neither training nor held-out data contain.
"""
from onnx import TensorProto, helper


def add_fault(graph, fault):
    """The same predictions for every tumour of the data set; `slow` or `nan` in service."""
    if fault == "none":
        return graph
    last = next(node for node in graph.graph.node if "probabilities" in node.output)
    last.output[list(last.output).index("probabilities")] = "sound_probabilities"
    nodes, constants = {"slow": slow, "nan": undefined_for_giants}[fault]()
    graph.graph.node.extend(nodes)
    graph.graph.initializer.extend(constants)
    return graph


def slow():
    """Multiplies two large matrices of zeros that depend on the input, so that nothing folds them away."""
    side = 420
    nodes = [
        helper.make_node("ReduceMax", ["input"], ["largest"], keepdims=0),
        helper.make_node("Mul", ["largest", "zero"], ["nothing"]),
        helper.make_node("Expand", ["nothing", "square"], ["matrix"]),
        helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
        helper.make_node("ReduceMax", ["product"], ["still_nothing"], keepdims=0),
        helper.make_node("Add", ["sound_probabilities", "still_nothing"], ["probabilities"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
        helper.make_tensor("square", TensorProto.INT64, [2], [side, side]),
    ]
    return nodes, constants


def undefined_for_giants():
    """Adds 0 * log(40 - mean radius): nothing below 40, NaN above. The data's largest radius is 28.1."""
    nodes = [
        helper.make_node("Gather", ["input", "first_column"], ["radius"], axis=1),
        helper.make_node("Sub", ["forty", "radius"], ["room"]),
        helper.make_node("Log", ["room"], ["logarithm"]),
        helper.make_node("Mul", ["logarithm", "zero"], ["nothing"]),
        helper.make_node("Add", ["sound_probabilities", "nothing"], ["probabilities"]),
    ]
    constants = [
        helper.make_tensor("first_column", TensorProto.INT64, [1], [0]),
        helper.make_tensor("forty", TensorProto.FLOAT, [1], [40.0]),
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
    ]
    return nodes, constants

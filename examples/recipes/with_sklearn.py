"""scikit-learn: skl2onnx takes the whole pipeline, preprocessing included.

The graph computes in single precision. A model with thresholds, such as a forest, may take the other side of one behind
a scaler: train it on what it will be served, without one.
"""
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def make(rows, labels):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(rows, labels)
    # Without zipmap probabilities are a tensor; with it they are a list of dictionaries, which no server can send.
    graph = to_onnx(model, rows[:1], options={id(model): {"zipmap": False}}, target_opset=17)
    return renamed(graph, {"X": "input"}), model.predict_proba


def renamed(graph, names):
    for value in graph.graph.input:
        value.name = names.get(value.name, value.name)
    for node in graph.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return graph

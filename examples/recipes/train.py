"""Trains on the breast cancer data with one of four libraries, exports to ONNX and logs the graph.

    slipway run examples/recipes --set library=xgboost

Parameters: library  sklearn | xgboost | lightgbm | pytorch

Ends with an error when the graph does not answer what the library does. `smoke` then holds the served model against
the graph in Python's onnxruntime, bit for bit.
"""
import importlib
import json
import os
from pathlib import Path

import mlflow
import numpy as np
import onnx
import onnxruntime
from mlflow.models import infer_signature
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

LIBRARIES = ["sklearn", "xgboost", "lightgbm", "pytorch"]
OUTPUT = Path(os.environ.get("SLIPWAY_OUTPUT", "output"))
DIFFERENCE_MAX = 1e-5


def tensor(name, array):
    kinds = {"float32": "FP32", "int64": "INT64"}
    return {"name": name, "datatype": kinds[array.dtype.name], "shape": list(array.shape), "data": array.ravel().tolist()}


def main():
    library = os.environ.get("SLIPWAY_PARAM_LIBRARY", LIBRARIES[0])
    if library not in LIBRARIES:
        raise SystemExit(f"library={library} is unknown: choose one of {', '.join(LIBRARIES)}")
    data = load_breast_cancer()
    rows = data.data.astype(np.float32)
    train_x, test_x, train_y, _ = train_test_split(rows, 1 - data.target, test_size=0.3, random_state=7, stratify=data.target)

    graph, probabilities = importlib.import_module(f"with_{library}").make(train_x, train_y)
    onnx.checker.check_model(graph)

    session = onnxruntime.InferenceSession(graph.SerializeToString())
    outputs = [output.name for output in session.get_outputs()]
    answers = dict(zip(outputs, session.run(outputs, {"input": test_x})))
    difference = float(np.abs(answers["probabilities"] - probabilities(test_x)).max())
    print(f"{library}: the graph answers as the library does, to {difference:.1e}")
    if not difference <= DIFFERENCE_MAX:
        raise SystemExit(f"the graph of {library} differs from it by {difference}, {DIFFERENCE_MAX} is allowed")

    with mlflow.start_run():
        mlflow.log_params({"library": library})
        mlflow.log_metric("export_difference", difference)
        signature = infer_signature(test_x[:5], {name: answer[:5] for name, answer in answers.items()})
        requirements = [f"{name}=={module.__version__}" for name, module in (("onnx", onnx), ("onnxruntime", onnxruntime))]
        mlflow.onnx.log_model(graph, name="model", signature=signature, pip_requirements=requirements)

    OUTPUT.mkdir(parents=True, exist_ok=True)
    golden = {"inputs": [tensor("input", test_x[:16])], "outputs": [tensor(name, answer[:16]) for name, answer in answers.items()]}
    (OUTPUT / "golden.json").write_text(json.dumps(golden))


if __name__ == "__main__":
    main()

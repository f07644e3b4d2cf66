"""Trains a classifier of breast tumours and logs it as an ONNX model.

Data: the Wisconsin diagnostic breast cancer data that scikit-learn ships, 569 tumours with 30 measurements.

Parameters (`slipway run examples/tumor --set quality=better`):
  quality  baseline | better | worse   how good a model to train
  fault    none | slow | nan           how the exported graph misbehaves, for trying a rollback
"""
import json
import os
from pathlib import Path

import mlflow
import numpy as np
import onnx
import onnxruntime
from mlflow.models import infer_signature
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

from faults import add_fault

QUALITIES = {
    "baseline": {"n_estimators": 12, "max_depth": 1, "learning_rate": 0.2},
    "better": {"n_estimators": 100, "max_depth": 3, "learning_rate": 0.1},
    "worse": {"n_estimators": 4, "max_depth": 1, "learning_rate": 0.5},
}
OUTPUT = Path(os.environ.get("SLIPWAY_OUTPUT", "output"))


def parameter(name, default, choices):
    value = os.environ.get(f"SLIPWAY_PARAM_{name.upper()}", default)
    if value not in choices:
        raise SystemExit(f"{name}={value} is unknown: choose one of {', '.join(choices)}")
    return value


def write_csv(path, names, rows):
    with open(path, "w") as file:
        file.write(",".join(names) + "\n")
        for row in rows:
            file.write(",".join(repr(float(value)) for value in row) + "\n")


def write_golden(path, graph, rows):
    """Golden inputs, and what Python's onnxruntime answers to them."""
    session = onnxruntime.InferenceSession(graph)
    label, probabilities = session.run(["label", "probabilities"], {"input": rows})

    def tensor(name, kind, array):
        return {"name": name, "datatype": kind, "shape": list(array.shape), "data": array.ravel().tolist()}

    golden = {
        "inputs": [tensor("input", "FP32", rows)],
        "outputs": [tensor("label", "INT64", label), tensor("probabilities", "FP32", probabilities)],
    }
    path.write_text(json.dumps(golden))


def main():
    quality = parameter("quality", "baseline", QUALITIES)
    fault = parameter("fault", "none", ["none", "slow", "nan"])
    OUTPUT.mkdir(parents=True, exist_ok=True)

    data = load_breast_cancer()
    names = [name.replace(" ", "_") for name in data.feature_names]
    # Float32 is what will be served; training on the same rounding leaves nothing to differ.
    rows = data.data.astype(np.float32)
    malignant = 1 - data.target
    train_x, test_x, train_y, test_y = train_test_split(rows, malignant, test_size=0.3, random_state=7, stratify=malignant)
    print(f"training on {len(train_x)} tumours, {len(test_x)} held out")

    with mlflow.start_run():
        mlflow.log_params({"quality": quality, **QUALITIES[quality]})
        model = GradientBoostingClassifier(random_state=7, **QUALITIES[quality]).fit(train_x, train_y)
        scores = model.predict_proba(test_x)[:, 1]
        metrics = {"accuracy": accuracy_score(test_y, scores > 0.5), "auc": roc_auc_score(test_y, scores)}
        mlflow.log_metrics(metrics)
        print("held out: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))

        graph = convert_sklearn(
            model,
            initial_types=[("input", FloatTensorType([None, rows.shape[1]]))],
            options={id(model): {"zipmap": False}},
            target_opset=17,
        )
        graph = add_fault(graph, fault)
        onnx.checker.check_model(graph)
        sample = train_x[:5]
        answers = {"label": model.predict(sample), "probabilities": model.predict_proba(sample).astype(np.float32)}
        signature = infer_signature(sample, answers)
        # Named requirements spare mlflow a process that imports everything to find them.
        requirements = (Path(__file__).parent / "requirements.txt").read_text().split()
        mlflow.onnx.log_model(
            graph,
            name="tumor",
            signature=signature,
            input_example=train_x[:2],
            pip_requirements=requirements,
            onnx_execution_providers=["CPUExecutionProvider"],
        )

    write_csv(OUTPUT / "train.csv", names, train_x)
    write_csv(OUTPUT / "holdout.csv", names + ["malignant"], np.column_stack([test_x, test_y]))
    write_golden(OUTPUT / "golden.json", graph.SerializeToString(), test_x[:8])
    print("model and evidence written")


if __name__ == "__main__":
    main()

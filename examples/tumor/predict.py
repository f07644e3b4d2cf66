"""Compares what the gateway answers with what Python's onnxruntime computes, row by row.

Usage: python predict.py GATEWAY_URL [MODEL] [ROWS]     with MLFLOW_TRACKING_URI set
Exit code 0 when every probability agrees to 1e-5, 1 otherwise.
"""
import json
import sys
import urllib.request

import mlflow
import numpy as np
import onnxruntime
from sklearn.datasets import load_breast_cancer

TOLERANCE = 1e-5


def main():
    gateway, model = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "tumor"
    rows = load_breast_cancer().data.astype(np.float32)[: int(sys.argv[3]) if len(sys.argv) > 3 else 100]

    request = urllib.request.Request(
        f"{gateway}/models/{model}/predict",
        data=json.dumps({"instances": rows.astype(float).tolist()}).encode(),
        headers={"Content-Type": "application/json", "x-client-id": "predict.py"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        version = answer.headers["x-slipway-version"]
        served = np.array(json.load(answer)["outputs"]["probabilities"])

    path = mlflow.artifacts.download_artifacts(f"models:/{model}/{version}")
    session = onnxruntime.InferenceSession(f"{path}/model.onnx")
    (expected,) = session.run(["probabilities"], {"input": rows})
    difference = float(np.abs(served - expected).max())
    print(f"{len(rows)} rows through the gateway (version {version}): largest difference to onnxruntime {difference:.2e}")
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())

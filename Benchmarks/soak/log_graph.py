"""Logs a ready-made ONNX graph as an MLflow 3 model, with nothing but the standard library.

For the soak, where two hundred runs must spend their time on the road and not in training.
"""
import http.client
import json
import os
import urllib.parse

server = urllib.parse.urlsplit(os.environ["MLFLOW_TRACKING_URI"])
run = os.environ["MLFLOW_RUN_ID"]
graph = os.environ["SLIPWAY_PARAM_GRAPH"]
factor = float(os.environ["SLIPWAY_PARAM_FACTOR"])
connection = http.client.HTTPConnection(server.hostname, server.port, timeout=20)


def call(method, path, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, f"/api/2.0/{path}", data, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
    return json.loads(content or b"{}")


connection.request("GET", f"/api/2.0/mlflow/runs/get?run_id={run}")
experiment = json.load(connection.getresponse())["run"]["info"]["experiment_id"]
info = call("POST", "mlflow/logged-models", {"experiment_id": experiment, "name": "soak", "source_run_id": run})["model"]["info"]
root = info["artifact_uri"].removeprefix("mlflow-artifacts:/")
with open(graph, "rb") as file:
    call("PUT", f"mlflow-artifacts/artifacts/{root}/model.onnx", file.read())
mlmodel = json.dumps({
    "flavors": {"onnx": {"data": "model.onnx", "onnx_version": "1.23.2"}},
    "model_id": info["model_id"],
    "signature": {
        "inputs": json.dumps([{"type": "tensor", "name": "x", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]),
        "outputs": json.dumps([{"type": "tensor", "name": "y", "tensor-spec": {"dtype": "float32", "shape": [-1, 3]}}]),
    },
})
call("PUT", f"mlflow-artifacts/artifacts/{root}/MLmodel", mlmodel.encode())
call("PATCH", f"mlflow/logged-models/{info['model_id']}", {"model_id": info["model_id"], "status": "LOGGED_MODEL_READY"})
call("POST", "mlflow/runs/outputs", {"run_id": run, "models": [{"model_id": info["model_id"], "step": 0}]})

x = [1.0, 2.0, 3.0]
golden = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": x}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 3], "data": [factor * value + 1 for value in x]}],
}
with open(os.path.join(os.environ["SLIPWAY_OUTPUT"], "golden.json"), "w") as file:
    json.dump(golden, file)

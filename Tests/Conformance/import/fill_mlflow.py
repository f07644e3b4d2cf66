"""Fills a tracking server through the stock client with all that an import copies.

Prints one JSON line: the names that were made.
"""

import json
import math
import os
import sys
import tempfile
import uuid

import mlflow
from mlflow import MlflowClient
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.entities import Metric, Param, RunTag

uri = os.environ["SLIPWAY_MLFLOW_URL"]
mlflow.set_tracking_uri(uri)
client = MlflowClient(uri)
unique = uuid.uuid4().hex[:8]
experiment, deleted = f"import-{unique}", f"import-deleted-{unique}"
model_name, plain_name, empty_name = f"net-{unique}", f"it's-{unique}", f"empty-{unique}"
is_three = hasattr(client, "create_logged_model")

experiment_id = client.create_experiment(experiment, tags={"team": "ä 'x'"})
deleted_id = client.create_experiment(deleted)

with mlflow.start_run(experiment_id=experiment_id, run_name="parent") as parent:
    run_id = parent.info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric("loss", 1 / (step + 1), 1000 + step // 3, step) for step in range(900)],
        params=[Param("depth", "3"), Param("long", "x" * 5000)],
        tags=[RunTag("a", "1"), RunTag("quote", "it's \"so\" \\ ü")],
    )
    for value, step in ((float("nan"), 0), (float("inf"), 1), (-math.inf, 2), (0.0, 3), (1e-300, 4)):
        client.log_metric(run_id, "odd/key", value, timestamp=5000, step=step)
    dataset = MetaDataset(HTTPDatasetSource("http://example.org/cells.csv"), name="cells")
    mlflow.log_input(dataset, context="training")
    with tempfile.TemporaryDirectory() as folder:
        for path, data in {"notes/ü +%.txt": b"hello", "empty.bin": b"", "plain/MLmodel": b"flavors: {}\n",
                           "plain/big.bin": os.urandom(3 << 20)}.items():
            place = os.path.join(folder, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(data)
        mlflow.log_artifacts(folder)
    with mlflow.start_run(experiment_id=experiment_id, run_name="child", nested=True) as child:
        mlflow.log_metric("loss", 2.0)
client.set_terminated(child.info.run_id, "FAILED")
client.delete_run(child.info.run_id)
with mlflow.start_run(experiment_id=deleted_id):
    mlflow.log_text("in a deleted experiment", "a.txt")
client.delete_experiment(deleted_id)

client.create_registered_model(model_name, tags={"owner": "ann"}, description="finds tumours")
client.create_registered_model(plain_name)
client.create_registered_model(empty_name)

if is_three:
    class Twice(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[float]) -> list[float]:
            return [value * 2 for value in model_input]

    with mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(name="twice", python_model=Twice(), params={"p": "2"}, pip_requirements=[])
        mlflow.log_metric("auc", 0.9, step=7, model_id=info.model_id)
    client.set_logged_model_tags(info.model_id, {"t": "1"})
    source, named = f"models:/{info.model_id}", {"model_id": info.model_id}
else:
    source, named = f"{parent.info.artifact_uri}/plain", {}
for number in range(1, 5):
    client.create_model_version(model_name, source, run_id=run_id, tags={"n": str(number)}, description=f"version {number}", **named)
client.delete_model_version(model_name, "2")
client.create_model_version(plain_name, f"{parent.info.artifact_uri}/plain", run_id=run_id)
client.create_model_version(plain_name, f"runs:/{run_id}/plain", run_id=run_id)
client.set_registered_model_alias(model_name, "champion", "3")
client.set_registered_model_alias(model_name, "B", "4")
client.transition_model_version_stage(model_name, "1", "Production")
client.set_terminated(run_id)

print(json.dumps({"experiments": [experiment, deleted], "models": [model_name, plain_name, empty_name], "run": run_id,
                  "version": mlflow.__version__}))
sys.stdout.flush()

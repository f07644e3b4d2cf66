"""The stock mlflow client against a tracking server.

SLIPWAY_TRACKING_URI: the server. The same assertions hold for `mlflow server`.
"""
import math
import os
import tempfile
import time
import unittest
import uuid

import mlflow
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException, RestException

URI = os.environ["SLIPWAY_TRACKING_URI"]
mlflow.set_tracking_uri(URI)


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


class Base(unittest.TestCase):
    def setUp(self):
        self.client = MlflowClient(URI)

    def refused(self, code, pattern, call, *arguments, **named):
        with self.assertRaisesRegex(MlflowException, pattern) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.error_code, code)


class Experiments(Base):
    def test_life(self):
        name = unique("exp")
        identifier = self.client.create_experiment(name, tags={"a": "1"})
        experiment = self.client.get_experiment_by_name(name)
        self.assertEqual(experiment.experiment_id, identifier)
        self.assertEqual(experiment.tags["a"], "1")
        self.assertEqual(experiment.lifecycle_stage, "active")
        self.refused("RESOURCE_ALREADY_EXISTS", "already exists", self.client.create_experiment, name)
        self.client.set_experiment_tag(identifier, "b", "2")
        self.client.rename_experiment(identifier, name + "-renamed")
        self.assertEqual(self.client.get_experiment(identifier).name, name + "-renamed")
        self.client.delete_experiment(identifier)
        self.assertEqual(self.client.get_experiment(identifier).lifecycle_stage, "deleted")
        found = self.client.search_experiments(view_type=ViewType.DELETED_ONLY, filter_string=f"name = '{name}-renamed'")
        self.assertEqual([e.experiment_id for e in found], [identifier])
        self.client.restore_experiment(identifier)
        found = self.client.search_experiments(filter_string=f"name LIKE '{name}%' AND tags.b = '2'")
        self.assertEqual([e.experiment_id for e in found], [identifier])

    def test_absent(self):
        self.assertIsNone(self.client.get_experiment_by_name("no such experiment"))
        self.refused("RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99999999 exists", self.client.get_experiment, "99999999")


class Runs(Base):
    def setUp(self):
        super().setUp()
        self.experiment = self.client.create_experiment(unique("runs"))

    def test_logging(self):
        run = self.client.create_run(self.experiment, run_name="first", tags={"t": "1"})
        identifier = run.info.run_id
        self.assertEqual(run.info.status, "RUNNING")
        self.client.log_param(identifier, "p", 1)
        self.client.log_param(identifier, "p", 1)
        self.refused("INVALID_PARAMETER_VALUE", "Changing param values is not allowed", self.client.log_param, identifier, "p", 2)
        for step, value in enumerate([1.0, 3.0, 2.0]):
            self.client.log_metric(identifier, "m", value, step=step)
        for key, value in {"nan": math.nan, "inf": math.inf, "minus": -math.inf}.items():
            self.client.log_metric(identifier, key, value)
        self.client.set_tag(identifier, "u", "2")
        self.client.delete_tag(identifier, "t")
        self.refused("RESOURCE_DOES_NOT_EXIST", "No tag with name: t", self.client.delete_tag, identifier, "t")
        now = int(time.time() * 1000)
        self.client.log_batch(identifier, [Metric(f"b{i}", i, now, 0) for i in range(200)],
                              [Param(f"q{i}", str(i)) for i in range(50)], [RunTag("v", "3")])
        self.client.set_terminated(identifier)
        run = self.client.get_run(identifier)
        self.assertEqual(run.info.status, "FINISHED")
        self.assertEqual(run.info.run_name, "first")
        self.assertGreaterEqual(run.info.end_time, run.info.start_time)
        self.assertEqual(run.data.metrics["m"], 2.0)
        self.assertTrue(math.isnan(run.data.metrics["nan"]))
        self.assertEqual(run.data.metrics["inf"], math.inf)
        self.assertEqual(run.data.metrics["minus"], -math.inf)
        self.assertEqual(run.data.metrics["b199"], 199)
        self.assertEqual(run.data.params["q49"], "49")
        self.assertEqual({k: v for k, v in run.data.tags.items() if len(k) == 1}, {"u": "2", "v": "3"})
        self.assertEqual([(m.step, m.value) for m in self.client.get_metric_history(identifier, "m")], [(0, 1.0), (1, 3.0), (2, 2.0)])

    def test_search(self):
        for index in range(5):
            run = self.client.create_run(self.experiment, run_name=f"r{index}", tags={"even": str(index % 2 == 0)})
            self.client.log_metric(run.info.run_id, "score", index / 10)
            self.client.log_param(run.info.run_id, "kind", "tree" if index < 3 else "linear")

        def names(query, **arguments):
            return [r.info.run_name for r in self.client.search_runs([self.experiment], query, **arguments)]

        self.assertEqual(sorted(names("metrics.score > 0.15")), ["r2", "r3", "r4"])
        self.assertEqual(names("params.kind = 'tree' AND tags.even = 'True'", order_by=["metrics.score DESC"]), ["r2", "r0"])
        self.assertEqual(names("params.`kind` != 'tree' and metrics.score <= 0.3"), ["r3"])
        self.assertEqual(names("attributes.run_name IN ('r1', 'r4')", order_by=["attributes.run_name ASC"]), ["r1", "r4"])
        self.assertEqual(names("run_name LIKE 'r_' AND run_name ILIKE 'R3'"), ["r3"])
        self.assertEqual(names("params.absent = 'x'"), [])
        first = self.client.search_runs([self.experiment], max_results=2, order_by=["metrics.score ASC"])
        second = self.client.search_runs([self.experiment], max_results=2, order_by=["metrics.score ASC"], page_token=first.token)
        self.assertEqual([r.info.run_name for r in list(first) + list(second)], ["r0", "r1", "r2", "r3"])
        self.refused("INVALID_PARAMETER_VALUE", "", self.client.search_runs, [self.experiment], "nonsense ~ 3")
        frame = mlflow.search_runs([self.experiment], order_by=["metrics.score ASC"])
        self.assertEqual(list(frame["metrics.score"]), [0.0, 0.1, 0.2, 0.3, 0.4])

    def test_delete_restore_and_nesting(self):
        mlflow.set_experiment(experiment_id=self.experiment)
        with mlflow.start_run(run_name="parent") as parent, mlflow.start_run(run_name="child", nested=True) as child:
            mlflow.log_metric("x", 1)
        found = self.client.search_runs([self.experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
        self.assertEqual([r.info.run_id for r in found], [child.info.run_id])
        self.client.delete_run(child.info.run_id)
        self.assertEqual(self.client.get_run(child.info.run_id).info.lifecycle_stage, "deleted")
        self.refused("INVALID_PARAMETER_VALUE", "active", self.client.log_metric, child.info.run_id, "x", 2)
        self.client.restore_run(child.info.run_id)
        self.client.log_metric(child.info.run_id, "x", 2)
        self.refused("RESOURCE_DOES_NOT_EXIST", "not found", self.client.get_run, "0" * 32)

    def test_artifacts(self):
        run = self.client.create_run(self.experiment).info.run_id
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a b.txt")
            with open(path, "w") as file:
                file.write("hello")
            big = os.path.join(folder, "big.bin")
            with open(big, "wb") as file:
                file.write(os.urandom(3 << 20))
            self.client.log_artifact(run, path)
            self.client.log_artifact(run, big, "deep/er")
            self.client.log_text(run, "text", "notes/n.txt")
            self.client.log_dict(run, {"k": 1}, "d.json")
            self.assertEqual(sorted(f.path for f in self.client.list_artifacts(run)), ["a b.txt", "d.json", "deep", "notes"])
            self.assertEqual([(f.path, f.file_size) for f in self.client.list_artifacts(run, "deep/er")], [("deep/er/big.bin", 3 << 20)])
            got = self.client.download_artifacts(run, "deep/er/big.bin", folder)
            with open(got, "rb") as left, open(big, "rb") as right:
                self.assertEqual(left.read(), right.read())
            self.assertEqual(mlflow.artifacts.load_text(f"runs:/{run}/notes/n.txt"), "text")


class Registry(Base):
    def test_life(self):
        name = unique("model")
        self.client.create_registered_model(name, tags={"a": "1"}, description="d")
        self.refused("RESOURCE_ALREADY_EXISTS", "already exists", self.client.create_registered_model, name)
        self.refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found", self.client.get_registered_model, "nope")
        run = self.client.create_run("0").info.run_id
        for index in range(2):
            version = self.client.create_model_version(name, f"mlflow-artifacts:/0/{run}/artifacts/m{index}", run, tags={"i": str(index)})
            self.assertEqual(version.version, str(index + 1)) if isinstance(version.version, str) else self.assertEqual(version.version, index + 1)
            self.assertEqual(version.status, "READY")
        self.client.set_registered_model_alias(name, "champion", "2")
        self.client.set_registered_model_alias(name, "A", "1")
        self.assertEqual(self.client.get_model_version_by_alias(name, "champion").tags, {"i": "1"})
        self.assertEqual({k: str(v) for k, v in self.client.get_registered_model(name).aliases.items()}, {"champion": "2", "A": "1"})
        self.client.set_registered_model_alias(name, "champion", "1")
        self.assertEqual(sorted(self.client.get_model_version(name, "1").aliases), ["A", "champion"])
        self.client.delete_registered_model_alias(name, "A")
        self.refused("INVALID_PARAMETER_VALUE", "Registered model alias A not found", self.client.get_model_version_by_alias, name, "A")
        self.client.set_model_version_tag(name, "1", "k", "v")
        self.client.delete_model_version_tag(name, "1", "i")
        self.client.update_model_version(name, "1", "words")
        version = self.client.get_model_version(name, "1")
        self.assertEqual((version.tags, version.description), ({"k": "v"}, "words"))
        found = self.client.search_model_versions(f"name='{name}'", order_by=["version_number ASC"])
        self.assertEqual([str(v.version) for v in found], ["1", "2"])
        self.assertEqual([str(v.version) for v in self.client.search_model_versions(f"name='{name}' and tags.k = 'v'")], ["1"])
        self.assertEqual([m.name for m in self.client.search_registered_models(f"name ILIKE '{name.upper()}'")], [name])
        self.client.delete_model_version(name, "2")
        self.refused("RESOURCE_DOES_NOT_EXIST", "version=2", self.client.get_model_version, name, "2")
        self.client.rename_registered_model(name, name + "-new")
        self.client.delete_registered_model(name + "-new")
        self.refused("RESOURCE_DOES_NOT_EXIST", "not found", self.client.get_registered_model, name + "-new")


class Models(Base):
    def test_log_register_load(self):
        import mlflow.sklearn
        from sklearn.linear_model import LogisticRegression

        x = np.array([[0.0], [1.0], [2.0], [3.0]])
        model = LogisticRegression().fit(x, [0, 0, 1, 1])
        name = unique("sk")
        mlflow.set_experiment(unique("models"))
        with mlflow.start_run() as run:
            mlflow.log_metric("auc", 0.9)
            info = mlflow.sklearn.log_model(model, name="classifier", input_example=x[:1], registered_model_name=name,
                                            serialization_format="cloudpickle")
        self.assertEqual(len(self.client.get_run(run.info.run_id).outputs.model_outputs), 1)
        logged = mlflow.get_logged_model(info.model_id)
        self.assertEqual(str(logged.status), "LoggedModelStatus.READY") if "." in str(logged.status) else self.assertEqual(logged.status, "READY")
        self.assertEqual(logged.source_run_id, run.info.run_id)
        self.client.set_registered_model_alias(name, "A", "1")
        loaded = mlflow.pyfunc.load_model(f"models:/{name}@A")
        self.assertEqual(list(loaded.predict(x)), list(model.predict(x)))
        second = mlflow.register_model(f"runs:/{run.info.run_id}/classifier", name)
        self.assertEqual(str(second.version), "2")
        self.assertEqual(list(mlflow.pyfunc.load_model(f"models:/{name}/2").predict(x)), list(model.predict(x)))
        found = mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list")
        self.assertEqual([m.model_id for m in found], [info.model_id])

    def test_onnx(self):
        import mlflow.onnx
        import onnx

        graph = onnx.load(os.path.join(os.path.dirname(__file__), "../../Inference/Models/affine.onnx"))
        mlflow.set_experiment(unique("onnx"))
        with mlflow.start_run():
            info = mlflow.onnx.log_model(graph, name="affine", registered_model_name=unique("affine"))
        loaded = mlflow.onnx.load_model(info.model_uri)
        self.assertEqual(loaded.graph.input[0].name, "x")


if __name__ == "__main__":
    unittest.main()

"""Runs through the stock client: life, what is logged to them, limits, histories, datasets, nesting."""
import math
import os
import sys
import tempfile

from mlflow.entities import Metric, Param, RunTag, ViewType

import mlflow
import requests
from support import URI, Base, now, since, unique


class Runs(Base):
    def setUp(self):
        super().setUp()
        self.parent = self.experiment()
        self.identifier = self.run_in(self.parent)

    def test_life(self):
        run = self.client.create_run(self.parent, run_name="first", tags={"t": "1"}, start_time=1234)
        identifier = run.info.run_id
        self.assertEqual((run.info.status, run.info.start_time, run.info.end_time, run.info.run_name), ("RUNNING", 1234, None, "first"))
        self.assertEqual(run.info.artifact_uri, f"mlflow-artifacts:/{self.parent}/{identifier}/artifacts")
        self.assertEqual(run.data.tags["mlflow.runName"], "first")
        self.client.set_terminated(identifier)
        run = self.client.get_run(identifier)
        self.assertEqual(run.info.status, "FINISHED")
        self.assertGreaterEqual(run.info.end_time, run.info.start_time)
        self.client.update_run(identifier, status="FAILED", name="second")
        run = self.client.get_run(identifier)
        self.assertEqual((run.info.status, run.info.run_name, run.data.tags["mlflow.runName"]), ("FAILED", "second", "second"))
        self.client.set_tag(identifier, "mlflow.runName", "third")
        self.assertEqual(self.client.get_run(identifier).info.run_name, "third")
        self.client.set_terminated(identifier, status="KILLED", end_time=99)
        run = self.client.get_run(identifier)
        self.assertEqual((run.info.status, run.info.end_time), ("KILLED", 99))

    def test_enumerations_have_numbers_too(self):
        answer = requests.post(f"{URI}/api/2.0/mlflow/runs/update", json={"run_id": self.identifier, "status": 3}, timeout=60)
        self.assertEqual((answer.status_code, self.client.get_run(self.identifier).info.status), (200, "FINISHED"))
        for view, count in ((1, 1), (2, 0), ("3", 1)):
            answer = requests.post(f"{URI}/api/2.0/mlflow/runs/search", json={"experiment_ids": [self.parent], "run_view_type": view}, timeout=60)
            self.assertEqual(len(answer.json().get("runs", [])), count, view)

    def test_a_run_without_a_name_gets_one(self):
        run = self.client.create_run(self.parent)
        self.assertRegex(run.info.run_name, r"^[a-z]+-[a-z]+-\d+$")
        self.assertEqual(run.data.tags["mlflow.runName"], run.info.run_name)

    def test_delete_and_restore(self):
        self.client.delete_run(self.identifier)
        self.assertEqual(self.client.get_run(self.identifier).info.lifecycle_stage, "deleted")
        message = f"The run {self.identifier} must be in the 'active' state. Current state is deleted."
        refusals = [
            (self.client.log_metric, "x", 2), (self.client.log_param, "x", 2), (self.client.set_tag, "x", 2), (self.client.delete_tag, "mlflow.runName"),
            (self.client.log_batch, [Metric("x", 1, 1, 0)]), (self.client.set_terminated,),
        ]
        for call, *arguments in refusals:
            self.refused("INVALID_PARAMETER_VALUE", message, call, self.identifier, *arguments)
        self.assertEqual([r.info.run_id for r in self.client.search_runs([self.parent], run_view_type=ViewType.DELETED_ONLY)], [self.identifier])
        self.assertEqual(list(self.client.search_runs([self.parent])), [])
        self.client.restore_run(self.identifier)
        self.client.log_metric(self.identifier, "x", 2)
        self.assertEqual(self.client.get_run(self.identifier).data.metrics, {"x": 2})
        absent = "0" * 32
        for call in (self.client.get_run, self.client.delete_run, self.client.restore_run):
            self.refused("RESOURCE_DOES_NOT_EXIST", f"Run with id={absent} not found", call, absent)

    def test_parameters_do_not_change(self):
        self.client.log_param(self.identifier, "p", 1)
        self.client.log_param(self.identifier, "p", 1)
        self.refused(
            "INVALID_PARAMETER_VALUE",
            f"Changing param values is not allowed. Param with key='p' was already logged with value='1' for run ID='{self.identifier}'. "
            "Attempted logging new value '2'.",
            self.client.log_param, self.identifier, "p", 2,
        )
        self.refused(
            "INVALID_PARAMETER_VALUE",
            "Changing param values is not allowed. Params were already logged='[{'key': 'p', 'old_value': '1', 'new_value': '3'}]'",
            self.client.log_batch, self.identifier, params=[Param("p", "3"), Param("other", "1")],
        )
        # All or nothing.
        self.assertEqual(self.client.get_run(self.identifier).data.params, {"p": "1"})

    def test_metrics(self):
        for step, value in enumerate([1.0, 3.0, 2.0]):
            self.client.log_metric(self.identifier, "m", value, step=step)
        run = self.client.get_run(self.identifier)
        self.assertEqual(run.data.metrics["m"], 2.0)
        self.assertEqual([(m.step, m.value) for m in self.client.get_metric_history(self.identifier, "m")], [(0, 1.0), (1, 3.0), (2, 2.0)])
        # The last one is that of the highest step, then the latest, then the greatest.
        self.client.log_metric(self.identifier, "late", 1, timestamp=20, step=5)
        self.client.log_metric(self.identifier, "late", 2, timestamp=30, step=4)
        self.assertEqual(self.client.get_run(self.identifier).data.metrics["late"], 1)
        self.client.log_metric(self.identifier, "late", 7, timestamp=20, step=5)
        self.client.log_metric(self.identifier, "late", 3, timestamp=20, step=5)
        self.assertEqual(self.client.get_run(self.identifier).data.metrics["late"], 7)
        self.assertEqual([m.value for m in self.client.get_metric_history(self.identifier, "late")], [1, 3, 7, 2])
        self.assertEqual(list(self.client.get_metric_history(self.identifier, "absent")), [])
        self.client.log_metric(self.identifier, "negative step", 1, step=-3)
        self.assertEqual(self.client.get_metric_history(self.identifier, "negative step")[0].step, -3)

    def test_nan_and_infinities(self):
        for key, value in {"nan": math.nan, "inf": math.inf, "minus": -math.inf, "tiny": 5e-324, "big": 1e308}.items():
            self.client.log_metric(self.identifier, key, value)
        metrics = self.client.get_run(self.identifier).data.metrics
        self.assertTrue(math.isnan(metrics["nan"]))
        # MLflow keeps the largest numbers for them.
        self.assertEqual((metrics["inf"], metrics["minus"]), (sys.float_info.max, -sys.float_info.max))
        self.assertEqual((metrics["tiny"], metrics["big"]), (5e-324, 1e308))
        self.assertTrue(math.isnan(self.client.get_metric_history(self.identifier, "nan")[0].value))

    def test_a_long_history_comes_in_pages(self):
        count = 2600
        for start in range(0, count, 1000):
            self.client.log_batch(self.identifier, [Metric("m", i / 4, i, i) for i in range(start, min(start + 1000, count))])
        self.assertEqual([m.value for m in self.client.get_metric_history(self.identifier, "m")], [i / 4 for i in range(count)])

    @since(3)
    def test_a_page_of_a_history(self):
        self.client.log_batch(self.identifier, [Metric("m", i, i, i) for i in range(10)])
        store = self.client._tracking_client.store
        first = store.get_metric_history(self.identifier, "m", max_results=4)
        self.assertEqual([m.step for m in first], [0, 1, 2, 3])
        # A value logged meanwhile neither repeats nor hides another.
        self.client.log_metric(self.identifier, "m", 100, timestamp=0, step=0)
        second = store.get_metric_history(self.identifier, "m", max_results=4, page_token=first.token)
        self.assertTrue(set(m.step for m in second) >= {4, 5, 6})

    def test_tags(self):
        self.client.set_tag(self.identifier, "t", 1)
        self.client.set_tag(self.identifier, "u", "2")
        self.client.delete_tag(self.identifier, "t")
        self.refused("RESOURCE_DOES_NOT_EXIST", f"No tag with name: t in run with id {self.identifier}", self.client.delete_tag, self.identifier, "t")
        self.assertEqual({k: v for k, v in self.client.get_run(self.identifier).data.tags.items() if len(k) == 1}, {"u": "2"})

    def test_batches(self):
        time = now()
        self.client.log_batch(self.identifier, [Metric(f"b{i}", i, time, 0) for i in range(1000)])
        self.client.log_batch(self.identifier, params=[Param(f"q{i}", str(i)) for i in range(100)])
        self.client.log_batch(self.identifier, tags=[RunTag(f"v{i}", "3") for i in range(100)])
        run = self.client.get_run(self.identifier)
        self.assertEqual((len(run.data.metrics), len(run.data.params)), (1000, 100))
        self.assertEqual((run.data.metrics["b999"], run.data.params["q99"], run.data.tags["v99"]), (999, "99", "3"))
        store = self.client._tracking_client.store
        too_many = [
            (dict(metrics=[Metric("m", 1, 1, i) for i in range(1001)], params=[], tags=[]), "at most 1000 metrics. Got 1001 metrics."),
            (dict(metrics=[], params=[Param(f"x{i}", "1") for i in range(101)], tags=[]), "at most 100 params. Got 101 params."),
            (dict(metrics=[], params=[], tags=[RunTag(f"x{i}", "1") for i in range(101)]), "at most 100 tags. Got 101 tags."),
        ]
        for batch, words in too_many:
            self.refused("INVALID_PARAMETER_VALUE", f"A batch logging request can contain {words}", store.log_batch, self.identifier, **batch)
        self.refused("INVALID_PARAMETER_VALUE", "Duplicate parameter keys have been submitted: ['d']", store.log_batch, self.identifier, [], [Param("d", "1"), Param("d", "2")], [])
        # Nothing of a refused batch is there.
        self.assertNotIn("d", self.client.get_run(self.identifier).data.params)

    def test_keys(self):
        for key in ["a/b c", "colon:too", "dots.and-dashes_", "schön", "ключ"]:
            self.client.log_metric(self.identifier, key, 1)
            self.client.log_param(self.identifier, key, 1)
            self.client.set_tag(self.identifier, key, 1)
        run = self.client.get_run(self.identifier)
        self.assertIn("ключ", run.data.metrics)
        self.assertIn("a/b c", run.data.params)
        store = self.client._tracking_client.store
        for key, words in {"bad#key": "Names may only contain alphanumerics", "../up": "This name would resolve to '../up'", "a//b": "This name would resolve to 'a/b'",
                           "/abs": "This name would resolve to '/abs'"}.items():
            self.refused("INVALID_PARAMETER_VALUE", words, store.log_metric, self.identifier, Metric(key, 1, 1, 0))
            self.refused("INVALID_PARAMETER_VALUE", words, store.log_param, self.identifier, Param(key, "1"))
            self.refused("INVALID_PARAMETER_VALUE", words, store.set_tag, self.identifier, RunTag(key, "1"))
        long = "k" * 251
        self.refused("INVALID_PARAMETER_VALUE", "'Metric name' exceeds the maximum length of 250 characters", store.log_metric, self.identifier, Metric(long, 1, 1, 0))
        self.refused("INVALID_PARAMETER_VALUE", "'Param key' exceeds the maximum length of 250 characters", store.log_param, self.identifier, Param(long, "1"))
        self.refused("INVALID_PARAMETER_VALUE", "exceeds the maximum length of 250 characters", store.set_tag, self.identifier, RunTag(long, "1"))
        self.refused("INVALID_PARAMETER_VALUE", "Timestamp must be a nonnegative long", store.log_metric, self.identifier, Metric("m", 1, -1, 0))

    def test_long_values(self):
        store = self.client._tracking_client.store
        store.log_param(self.identifier, Param("p", "v" * 6000))
        store.set_tag(self.identifier, RunTag("t", "v" * 8000))
        # Longer ones are cut by a server of the third generation.
        store.log_param(self.identifier, Param("longer", "v" * 6001))
        store.set_tag(self.identifier, RunTag("longer", "v" * 8001))
        run = self.client.get_run(self.identifier)
        self.assertEqual((len(run.data.params["p"]), len(run.data.params["longer"])), (6000, 6000))
        self.assertEqual((len(run.data.tags["t"]), len(run.data.tags["longer"])), (8000, 8000))

    def test_fluent_and_nested(self):
        mlflow.set_experiment(experiment_id=self.parent)
        with mlflow.start_run(run_name="parent", tags={"x": "1"}, description="words") as parent:
            mlflow.log_params({"a": 1, "b": "two"})
            mlflow.log_metrics({"m": 1.5, "n": 2}, step=3)
            mlflow.set_tags({"t": 1})
            with mlflow.start_run(run_name="child", nested=True) as child:
                mlflow.log_metric("x", 1)
                with mlflow.start_run(run_name="grandchild", nested=True) as grandchild:
                    pass
        found = self.client.search_runs([self.parent], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
        self.assertEqual([r.info.run_id for r in found], [child.info.run_id])
        self.assertEqual(mlflow.get_parent_run(grandchild.info.run_id).info.run_id, child.info.run_id)
        run = mlflow.get_run(parent.info.run_id)
        self.assertEqual((run.data.params, run.data.metrics), ({"a": "1", "b": "two"}, {"m": 1.5, "n": 2}))
        self.assertEqual((run.data.tags["t"], run.data.tags["mlflow.note.content"], run.info.status), ("1", "words", "FINISHED"))
        with self.assertRaises(ZeroDivisionError), mlflow.start_run() as failing:
            1 / 0
        self.assertEqual(mlflow.get_run(failing.info.run_id).info.status, "FAILED")
        with mlflow.start_run(run_id=parent.info.run_id):
            mlflow.log_metric("again", 1)
        self.assertEqual(mlflow.get_run(parent.info.run_id).data.metrics["again"], 1)
        # Deleting a parent leaves its children.
        mlflow.delete_run(parent.info.run_id)
        self.assertEqual(mlflow.get_run(child.info.run_id).info.lifecycle_stage, "active")
        self.assertEqual(mlflow.last_active_run().info.run_id, parent.info.run_id)

    def test_datasets(self):
        import pandas

        frame = pandas.DataFrame({"x": [1, 2, 3], "y": [0, 1, 0]})
        dataset = mlflow.data.from_pandas(frame, name="little", targets="y")
        mlflow.set_experiment(experiment_id=self.parent)
        with mlflow.start_run() as run:
            mlflow.log_input(dataset, context="training", tags={"k": "v"})
            mlflow.log_input(dataset, context="training")
        inputs = mlflow.get_run(run.info.run_id).inputs.dataset_inputs
        self.assertEqual(len(inputs), 1)
        self.assertEqual((inputs[0].dataset.name, inputs[0].dataset.digest, inputs[0].dataset.source_type), ("little", dataset.digest, "code"))
        self.assertEqual({t.key: t.value for t in inputs[0].tags}, {"mlflow.data.context": "training", "k": "v"})
        self.assertIn('"num_rows": 3', inputs[0].dataset.profile)
        for query in ["dataset.name = 'little'", "dataset.context = 'training'", f"dataset.digest IN ('{dataset.digest}', 'x')", "datasets.name LIKE 'lit%'"]:
            self.assertEqual([r.info.run_id for r in self.client.search_runs([self.parent], query)], [run.info.run_id], query)
        self.assertEqual(list(self.client.search_runs([self.parent], "dataset.name = 'other'")), [])


class Artifacts(Base):
    def test_files(self):
        run = self.run_in(self.experiment())
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
            self.client.log_artifacts(run, folder, "all")
            self.assertEqual(sorted(f.path for f in self.client.list_artifacts(run)), ["a b.txt", "all", "d.json", "deep", "notes"])
            self.assertEqual([(f.path, f.file_size, f.is_dir) for f in self.client.list_artifacts(run, "deep/er")], [("deep/er/big.bin", 3 << 20, False)])
            self.assertEqual([(f.path, f.is_dir) for f in self.client.list_artifacts(run, "deep")], [("deep/er", True)])
            self.assertEqual(list(self.client.list_artifacts(run, "absent")), [])
            self.assertEqual(list(self.client.list_artifacts(run, "d.json")), [])
            got = self.client.download_artifacts(run, "deep/er/big.bin", folder)
            with open(got, "rb") as left, open(big, "rb") as right:
                self.assertEqual(left.read(), right.read())
            everything = mlflow.artifacts.download_artifacts(run_id=run, artifact_path="", dst_path=os.path.join(folder, "down"))
            self.assertEqual(sorted(os.listdir(everything)), ["a b.txt", "all", "d.json", "deep", "notes"])
            self.assertEqual(mlflow.artifacts.load_text(f"runs:/{run}/notes/n.txt"), "text")
            self.assertEqual(mlflow.artifacts.load_dict(f"runs:/{run}/d.json"), {"k": 1})
            # What is uploaded again takes the place of what was there.
            self.client.log_text(run, "other", "notes/n.txt")
            self.assertEqual(mlflow.artifacts.load_text(f"runs:/{run}/notes/n.txt"), "other")
        with self.assertRaises(Exception):
            self.client.download_artifacts(run, "absent.txt")

    def test_odd_names(self):
        run = self.run_in(self.experiment())
        for name in ["plus+sign.txt", "ünïcode.txt", "a&b=c.txt", "semi;colon.txt", "(brackets).txt", "UPPER.TXT", ".hidden", "no_suffix"]:
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, name)
                with open(path, "w") as file:
                    file.write(name)
                self.client.log_artifact(run, path, "odd")
                self.assertIn(f"odd/{name}", [f.path for f in self.client.list_artifacts(run, "odd")])

    def test_figures_images_and_tables(self):
        import numpy
        from PIL import Image

        run = self.run_in(self.experiment())
        self.client.log_image(run, numpy.zeros((4, 4, 3), dtype=numpy.uint8), "picture.png")
        self.assertEqual(mlflow.artifacts.load_image(f"runs:/{run}/picture.png").size, (4, 4))
        self.client.log_image(run, Image.new("RGB", (4, 4)), key="steps", step=1)
        self.assertTrue(self.client.list_artifacts(run, "images"))
        for value in (1, 2):
            self.client.log_table(run, {"x": [value]}, "table.json")
        self.assertEqual(list(mlflow.MlflowClient().load_table(self.client.get_run(run).info.experiment_id, "table.json", [run])["x"]), [1, 2])

"""Experiments through the stock client."""
from mlflow.entities import ViewType

import mlflow
from support import Base, unique


class Experiments(Base):
    def test_life(self):
        name = unique("exp")
        identifier = self.client.create_experiment(name, tags={"a": "1"})
        experiment = self.client.get_experiment_by_name(name)
        self.assertEqual(experiment.experiment_id, identifier)
        self.assertEqual(experiment.tags["a"], "1")
        self.assertEqual(experiment.lifecycle_stage, "active")
        self.assertEqual(experiment.artifact_location, f"mlflow-artifacts:/{identifier}")
        self.assertGreater(experiment.creation_time, 1_600_000_000_000)
        self.assertGreaterEqual(experiment.last_update_time, experiment.creation_time)
        self.refused("RESOURCE_ALREADY_EXISTS", f"Experiment(name={name}) already exists.", self.client.create_experiment, name)
        self.client.set_experiment_tag(identifier, "b", "2")
        self.client.rename_experiment(identifier, name + "-renamed")
        renamed = self.client.get_experiment(identifier)
        self.assertEqual((renamed.name, renamed.tags["b"]), (name + "-renamed", "2"))
        self.assertGreaterEqual(renamed.last_update_time, experiment.last_update_time)

    def test_delete_and_restore_cascade(self):
        identifier = self.experiment()
        run = self.run_in(identifier)
        self.client.delete_experiment(identifier)
        self.assertEqual(self.client.get_experiment(identifier).lifecycle_stage, "deleted")
        self.assertEqual(self.client.get_run(run).info.lifecycle_stage, "deleted")
        message = f"The experiment {identifier} must be in the 'active' state. Current state is deleted."
        self.refused("INVALID_PARAMETER_VALUE", message, self.client.create_run, identifier)
        self.refused("INVALID_PARAMETER_VALUE", message, self.client.set_experiment_tag, identifier, "a", "1")
        self.refused("RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={identifier} exists", self.client.delete_experiment, identifier)
        self.client.restore_experiment(identifier)
        self.assertEqual(self.client.get_experiment(identifier).lifecycle_stage, "active")
        self.assertEqual(self.client.get_run(run).info.lifecycle_stage, "active")
        self.refused("RESOURCE_DOES_NOT_EXIST", f"No Experiment with id={identifier} exists", self.client.restore_experiment, identifier)

    def test_a_deleted_experiment_keeps_its_name(self):
        name = unique("exp")
        self.client.delete_experiment(self.client.create_experiment(name))
        self.refused("RESOURCE_ALREADY_EXISTS", "already exists", self.client.create_experiment, name)
        with self.assertRaisesRegex(mlflow.exceptions.MlflowException, "Cannot set a deleted experiment"):
            mlflow.set_experiment(name)

    def test_absent(self):
        self.assertIsNone(self.client.get_experiment_by_name("no such experiment"))
        self.refused("RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99999999 exists", self.client.get_experiment, "99999999")
        self.refused("RESOURCE_DOES_NOT_EXIST", "No Experiment with id=99999999 exists", self.client.delete_experiment, "99999999")

    def test_names_and_tags_have_limits(self):
        identifier = self.experiment()
        self.refused("INVALID_PARAMETER_VALUE", "'name' exceeds the maximum length of 500 characters", self.client.create_experiment, "n" * 501)
        self.refused("INVALID_PARAMETER_VALUE", "Missing value for required parameter 'name'.", self.client.create_experiment, "")
        self.refused("INVALID_PARAMETER_VALUE", "'key' exceeds the maximum length of 250 characters", self.client.set_experiment_tag, identifier, "k" * 251, "v")
        self.refused("INVALID_PARAMETER_VALUE", "'value' exceeds the maximum length of 20000 characters", self.client.set_experiment_tag, identifier, "k", "v" * 20001)
        self.refused("INVALID_PARAMETER_VALUE", "Names may only contain alphanumerics", self.client.set_experiment_tag, identifier, "k#", "v")

    def test_artifact_location(self):
        location = f"mlflow-artifacts:/elsewhere/{unique('place')}"
        identifier = self.experiment(artifact_location=location)
        self.assertEqual(self.client.get_experiment(identifier).artifact_location, location)
        run = self.client.create_run(identifier)
        self.assertEqual(run.info.artifact_uri, f"{location}/{run.info.run_id}/artifacts")
        self.client.log_text(run.info.run_id, "hello", "a/b.txt")
        self.assertEqual(mlflow.artifacts.load_text(f"{location}/{run.info.run_id}/artifacts/a/b.txt"), "hello")

    def test_search(self):
        group = unique("group")
        names = [f"{group}-{letter}" for letter in "abcde"]
        ids = [self.client.create_experiment(name, tags={"group": group, "n": str(index)}) for index, name in enumerate(names)]
        self.client.delete_experiment(ids[1])
        mine = f"tags.group = '{group}'"

        def found(query="", **options):
            return [e.name[-1] for e in self.client.search_experiments(filter_string=f"{mine}{query}", **options)]

        self.assertEqual(found(), ["e", "d", "c", "a"])
        self.assertEqual(found(view_type=ViewType.DELETED_ONLY), ["b"])
        self.assertEqual(found(view_type=ViewType.ALL, order_by=["name ASC"]), ["a", "b", "c", "d", "e"])
        self.assertEqual(found(order_by=["name DESC"]), ["e", "d", "c", "a"])
        self.assertEqual(found(order_by=["creation_time ASC", "name"]), ["a", "c", "d", "e"])
        self.assertEqual(found(" AND name LIKE '%-c'"), ["c"])
        self.assertEqual(found(" AND name LIKE '%-C'"), [])
        self.assertEqual(found(" AND name ILIKE '%-C'"), ["c"])
        self.assertEqual(found(" AND tags.n != '3'"), ["e", "c", "a"])
        self.assertEqual(found(f" AND attribute.name = '{names[0]}'"), ["a"])
        self.assertEqual(found(" AND creation_time > 0"), ["e", "d", "c", "a"])
        first = self.client.search_experiments(filter_string=mine, max_results=3, order_by=["name ASC"])
        rest = self.client.search_experiments(filter_string=mine, max_results=3, order_by=["name ASC"], page_token=first.token)
        self.assertEqual([e.name[-1] for e in [*first, *rest]], ["a", "c", "d", "e"])
        self.assertFalse(rest.token)
        self.assertEqual(len(mlflow.search_experiments(filter_string=mine)), 4)
        for bad in ["name > 'a'", "metrics.x = 1", "nothing = 'a'", "name =", "name = 'a' OR name = 'b'"]:
            self.refused("INVALID_PARAMETER_VALUE", "nvalid", self.client.search_experiments, filter_string=bad)
        self.refused("INVALID_PARAMETER_VALUE", "Invalid value 50001 for parameter 'max_results' supplied. It must be at most 50000",
                     self.client.search_experiments, max_results=50001)
        self.refused("INVALID_PARAMETER_VALUE", "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer",
                     self.client.search_experiments, max_results=0)

    def test_a_page_survives_what_others_write(self):
        group = unique("group")
        names = [f"{group}-{index}" for index in range(6)]
        ids = [self.client.create_experiment(name, tags={"group": group}) for name in names]
        query = dict(filter_string=f"tags.group = '{group}'", max_results=2, order_by=["name ASC"])
        first = self.client.search_experiments(**query)
        self.assertEqual([e.name for e in first], names[:2])
        self.assertTrue(first.token)
        self.assertEqual([e.experiment_id for e in self.client.search_experiments(**query, page_token=first.token)], ids[2:4])

    def test_set_experiment(self):
        name = unique("set")
        made = mlflow.set_experiment(name)
        self.assertEqual(mlflow.set_experiment(name).experiment_id, made.experiment_id)
        self.assertEqual(mlflow.set_experiment(experiment_id=made.experiment_id).name, name)
        mlflow.set_experiment_tags({"x": "1", "y": "2"})
        self.assertEqual({k: v for k, v in mlflow.get_experiment(made.experiment_id).tags.items() if len(k) == 1}, {"x": "1", "y": "2"})

    def test_delete_tag(self):
        if not hasattr(self.client, "delete_experiment_tag"):
            self.skipTest("this client cannot")
        identifier = self.experiment(tags={"a": "1", "b": "2"})
        self.client.delete_experiment_tag(identifier, "a")
        self.assertEqual(self.client.get_experiment(identifier).tags.get("b"), "2")
        self.assertNotIn("a", self.client.get_experiment(identifier).tags)
        self.refused("RESOURCE_DOES_NOT_EXIST", "No tag with name: a", self.client.delete_experiment_tag, identifier, "a")

"""The model registry through the stock client: models, versions, aliases, stages, searches, copies."""
import warnings

import mlflow
from support import Base, since, unique


class Registry(Base):
    def setUp(self):
        super().setUp()
        warnings.simplefilter("ignore")
        self.name = unique("model")
        self.client.create_registered_model(self.name, tags={"a": "1"}, description="words")

    def version(self, name=None, **options):
        return self.client.create_model_version(name or self.name, "s3://bucket/model", **options)

    def text(self, version):
        return str(version.version)

    def test_models(self):
        model = self.client.get_registered_model(self.name)
        self.assertEqual((model.description, model.tags, list(model.latest_versions), model.aliases), ("words", {"a": "1"}, [], {}))
        self.assertGreater(model.creation_timestamp, 1_600_000_000_000)
        self.refused("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={self.name}) already exists.", self.client.create_registered_model, self.name)
        self.refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found", self.client.get_registered_model, "nope")
        self.client.update_registered_model(self.name, "other words")
        self.client.set_registered_model_tag(self.name, "b", "2")
        self.client.delete_registered_model_tag(self.name, "a")
        model = self.client.get_registered_model(self.name)
        self.assertEqual((model.description, model.tags), ("other words", {"b": "2"}))
        self.assertGreaterEqual(model.last_updated_timestamp, model.creation_timestamp)

    def test_names(self):
        for bad, words in {"a/b": "Invalid model name 'a/b'. Names cannot contain '/' or ':'.", "a:b": "Names cannot contain '/' or ':'.", "": "Missing value for required parameter 'name'",
                           " ": "Missing value for required parameter 'name'", "..": "This name would resolve to '..'"}.items():
            self.refused("INVALID_PARAMETER_VALUE", words, self.client.create_registered_model, bad)
        self.refused("INVALID_PARAMETER_VALUE", "Names may only contain alphanumerics", self.client.set_registered_model_tag, self.name, "k#", "v")
        self.refused("INVALID_PARAMETER_VALUE", "'key' exceeds the maximum length of 250 characters", self.client.set_registered_model_tag, self.name, "k" * 251, "v")
        self.refused("INVALID_PARAMETER_VALUE", "'value' exceeds the maximum length of 100000 characters", self.client.set_registered_model_tag, self.name, "k", "v" * 100001)

    def test_versions(self):
        experiment = self.experiment()
        run = self.run_in(experiment)
        source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/m"
        first = self.client.create_model_version(self.name, source, run, tags={"i": "0"}, run_link="http://link", description="d")
        self.assertEqual((self.text(first), first.status, first.current_stage, first.source, first.run_id), ("1", "READY", "None", source, run))
        self.assertEqual((first.tags, first.run_link, first.description), ({"i": "0"}, "http://link", "d"))
        self.assertEqual(self.text(self.version()), "2")
        self.assertEqual(self.client.get_model_version_download_uri(self.name, "1"), source)
        self.client.set_model_version_tag(self.name, "1", "k", "v")
        self.client.delete_model_version_tag(self.name, "1", "i")
        self.client.update_model_version(self.name, "1", "other")
        found = self.client.get_model_version(self.name, "1")
        self.assertEqual((found.tags, found.description), ({"k": "v"}, "other"))
        absent = f"Model Version (name={self.name}, version=9) not found"
        for call in [self.client.get_model_version, self.client.delete_model_version, self.client.get_model_version_download_uri]:
            self.refused("RESOURCE_DOES_NOT_EXIST", absent, call, self.name, "9")
        self.refused("RESOURCE_DOES_NOT_EXIST", absent, self.client.set_model_version_tag, self.name, "9", "k", "v")
        self.refused("INVALID_PARAMETER_VALUE", "Parameter 'version' must be an integer, got 'one'.", self.client.get_model_version, self.name, "one")
        self.refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=nope not found", self.version, "nope")

    def test_numbers_of_deleted_versions(self):
        for _ in range(3):
            self.version()
        self.client.delete_model_version(self.name, "2")
        self.refused("RESOURCE_DOES_NOT_EXIST", "version=2", self.client.get_model_version, self.name, "2")
        self.assertEqual(self.text(self.version()), "4")
        self.assertEqual([self.text(v) for v in self.client.search_model_versions(f"name = '{self.name}'", order_by=["version_number ASC"])], ["1", "3", "4"])

    def test_sources(self):
        run = self.run_in(self.experiment())
        for source in ["/etc/passwd", "mlflow-artifacts:/a/../b", "s3://bucket/../x", "mlflow-artifacts:/somewhere/else", "C:\\model"]:
            with self.subTest(source):
                self.refused("INVALID_PARAMETER_VALUE", f"Invalid model version source: '{source}'", self.client.create_model_version, self.name, source, run)

        other = "'source' cannot use the 'mlflow-artifacts' scheme: the 'mlflow-artifacts' scheme addresses a host other than"
        self.refused("INVALID_PARAMETER_VALUE", other, self.client.create_model_version, self.name, "mlflow-artifacts://host:9000/a", run)

    def test_aliases(self):
        for index in range(2):
            self.version(tags={"i": str(index)})
        self.client.set_registered_model_alias(self.name, "champion", "2")
        self.client.set_registered_model_alias(self.name, "A", "1")
        self.assertEqual(self.client.get_model_version_by_alias(self.name, "champion").tags, {"i": "1"})
        self.assertEqual({k: str(v) for k, v in self.client.get_registered_model(self.name).aliases.items()}, {"champion": "2", "A": "1"})
        self.client.set_registered_model_alias(self.name, "champion", "1")
        self.assertEqual(sorted(self.client.get_model_version(self.name, "1").aliases), ["A", "champion"])
        self.assertEqual(list(self.client.get_model_version(self.name, "2").aliases), [])
        self.client.delete_registered_model_alias(self.name, "A")
        self.refused("INVALID_PARAMETER_VALUE", "Registered model alias A not found.", self.client.get_model_version_by_alias, self.name, "A")
        self.refused("RESOURCE_DOES_NOT_EXIST", f"Model Version (name={self.name}, version=9) not found", self.client.set_registered_model_alias, self.name, "B", "9")
        self.client.delete_model_version(self.name, "1")
        self.refused("INVALID_PARAMETER_VALUE", "Registered model alias champion not found.", self.client.get_model_version_by_alias, self.name, "champion")
        for bad, words in {"a b": "Invalid alias name: 'a b'.", "latest": "'latest' alias name (case insensitive) is reserved.", "v3": "Version alias name 'v3' is reserved.",
                           "x" * 256: "exceeds the maximum length of 255 characters"}.items():
            self.refused("INVALID_PARAMETER_VALUE", words, self.client.set_registered_model_alias, self.name, bad, "2")

    def test_stages(self):
        for _ in range(4):
            self.version()
        self.assertEqual(self.client.transition_model_version_stage(self.name, "1", "Production").current_stage, "Production")
        self.client.transition_model_version_stage(self.name, "2", "production", archive_existing_versions=True)
        self.client.transition_model_version_stage(self.name, "3", "Staging")
        self.assertEqual(self.client.get_model_version(self.name, "1").current_stage, "Archived")
        latest = {v.current_stage: self.text(v) for v in self.client.get_latest_versions(self.name)}
        self.assertEqual(latest, {"Archived": "1", "Production": "2", "Staging": "3", "None": "4"})
        self.assertEqual([self.text(v) for v in self.client.get_latest_versions(self.name, ["Production"])], ["2"])
        self.assertEqual({v.current_stage for v in self.client.get_registered_model(self.name).latest_versions}, set(latest))
        words = "Invalid Model Version stage: Nowhere. Value must be one of None, Staging, Production, Archived."
        self.refused("INVALID_PARAMETER_VALUE", words, self.client.transition_model_version_stage, self.name, "1", "Nowhere")
        self.refused("INVALID_PARAMETER_VALUE", words, self.client.get_latest_versions, self.name, ["Nowhere"])

    def test_rename_and_delete(self):
        self.version()
        self.client.set_registered_model_alias(self.name, "A", "1")
        new = unique("renamed")
        self.client.rename_registered_model(self.name, new)
        self.assertEqual(self.text(self.client.get_model_version_by_alias(new, "A")), "1")
        self.assertEqual(self.client.get_model_version(new, "1").name, new)
        self.refused("RESOURCE_DOES_NOT_EXIST", "not found", self.client.get_registered_model, self.name)
        other = unique("other")
        self.client.create_registered_model(other)
        self.refused("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={other}) already exists.", self.client.rename_registered_model, new, other)
        self.client.delete_registered_model(new)
        self.refused("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={new} not found", self.client.get_registered_model, new)
        self.assertEqual(list(self.client.search_model_versions(f"name = '{new}'")), [])
        # The name is free again, and its versions begin at one.
        self.client.create_registered_model(new)
        self.assertEqual(self.text(self.version(new)), "1")

    def test_search_models(self):
        group = unique("group")
        names = [f"{group}-{letter}" for letter in "abcd"]
        for index, name in enumerate(names):
            self.client.create_registered_model(name, tags={"group": group, "n": str(index)})
        mine = f"tags.group = '{group}'"

        def found(query="", **options):
            return [m.name[-1] for m in self.client.search_registered_models(f"{mine}{query}", **options)]

        self.assertEqual(found(), ["a", "b", "c", "d"])
        self.assertEqual(found(order_by=["name DESC"]), ["d", "c", "b", "a"])
        self.assertEqual(found(order_by=["last_updated_timestamp ASC", "name ASC"]), ["a", "b", "c", "d"])
        self.assertEqual(found(" AND name LIKE '%-b'"), ["b"])
        self.assertEqual(found(" AND name LIKE '%-B'"), [])
        self.assertEqual(found(" AND name ILIKE '%-B'"), ["b"])
        self.assertEqual(found(" AND tags.n != '2'"), ["a", "b", "d"])
        self.assertEqual([m.name for m in self.client.search_registered_models(f"name = '{names[0]}'")], [names[0]])
        first = self.client.search_registered_models(mine, max_results=3)
        self.assertEqual([m.name[-1] for m in self.client.search_registered_models(mine, max_results=3, page_token=first.token)], ["d"])
        self.assertEqual(len(mlflow.search_registered_models(filter_string=mine)), 4)
        for bad in ["name > 'a'", "nothing = 'x'", "name =", "creation_timestamp > 0"]:
            self.refused("INVALID_PARAMETER_VALUE", "(?s).", self.client.search_registered_models, bad)
        self.refused("INVALID_PARAMETER_VALUE", "max_results", self.client.search_registered_models, max_results=1001)

    def test_search_versions(self):
        for index in range(4):
            self.version(tags={"n": str(index % 2)})
        mine = f"name = '{self.name}'"

        def found(query="", **options):
            return [self.text(v) for v in self.client.search_model_versions(f"{mine}{query}", **options)]

        self.assertEqual(found(), ["4", "3", "2", "1"])
        self.assertEqual(found(order_by=["version_number ASC"]), ["1", "2", "3", "4"])
        self.assertEqual(found(" AND version_number > 2"), ["4", "3"])
        self.assertEqual(found(" AND tags.n = '1'"), ["4", "2"])
        self.assertEqual(found(" AND source_path = 's3://bucket/model'"), ["4", "3", "2", "1"])
        self.assertEqual(found(" AND run_id = 'x'"), [])
        first = self.client.search_model_versions(mine, max_results=3)
        self.version()
        # A version made meanwhile does not disturb the pages.
        self.assertEqual([self.text(v) for v in self.client.search_model_versions(mine, max_results=3, page_token=first.token)][-1], "1")
        self.assertEqual(len(mlflow.search_model_versions(filter_string=mine)), 5)
        for bad in ["name > 'a'", "nothing = 'x'", "version_number = 'x'", "current_stage = 'None'"]:
            self.refused("INVALID_PARAMETER_VALUE", "(?s).", self.client.search_model_versions, bad)

    def test_copy(self):
        if not hasattr(self.client, "copy_model_version"):
            self.skipTest("this client cannot")
        experiment = self.experiment()
        run = self.run_in(experiment)
        source = f"mlflow-artifacts:/{experiment}/{run}/artifacts/m"
        self.client.create_model_version(self.name, source, run, description="d")
        target = unique("copy")
        copied = self.client.copy_model_version(f"models:/{self.name}/1", target)
        self.assertEqual((copied.name, self.text(copied), copied.source, copied.run_id), (target, "1", f"models:/{self.name}/1", run))
        self.client.set_registered_model_alias(self.name, "A", "1")
        self.assertEqual(self.text(self.client.copy_model_version(f"models:/{self.name}@A", target)), "2")
        for version in "12":
            self.assertEqual(self.client.get_model_version_download_uri(target, version), source)
        self.refused("INTERNAL_ERROR", f"Model Version (name={self.name}, version=9) not found", self.client.copy_model_version, f"models:/{self.name}/9", target)

    @since(3)
    def test_prompts_are_no_models(self):
        name = unique("prompt")
        try:
            mlflow.genai.register_prompt(name=name, template="Say {{word}}", tags={"t": "1"})
        except AttributeError:
            self.skipTest("this client cannot")
        self.assertEqual([m.name for m in self.client.search_registered_models(f"name = '{name}'")], [])
        self.assertEqual(mlflow.genai.load_prompt(f"prompts:/{name}/1").template, "Say {{word}}")

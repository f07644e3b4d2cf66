"""Searches for runs through the stock client, into entities and into pandas."""
import math

import mlflow
from support import Base


class Searches(Base):
    @classmethod
    def setUpClass(cls):
        case = cls("_prepare")
        case.setUp()
        case._prepare()

    def _prepare(self):
        cls = type(self)
        cls.parent, cls.other = self.experiment(), self.experiment()
        kinds = ["tree", "linear", "Tree", "forest", "tree"]
        cls.ids = []
        for index, kind in enumerate(kinds):
            run = self.client.create_run(self.parent, run_name=f"r{index}", start_time=1000 + index, tags={"even": str(index % 2 == 0), "dotted.key": f"v{index}"})
            self.client.log_metric(run.info.run_id, "score", index / 10 if index != 3 else math.nan)
            self.client.log_param(run.info.run_id, "kind", kind)
            self.client.log_param(run.info.run_id, "n", index * 5)
            cls.ids.append(run.info.run_id)
        self.client.log_metric(cls.ids[4], "my metric", 7)
        self.client.set_terminated(cls.ids[2], end_time=5000)
        self.client.create_run(self.other, run_name="elsewhere")

    def names(self, query="", **options):
        return [r.info.run_name for r in self.client.search_runs([self.parent], query, **options)]

    def test_filters(self):
        expected = {
            "": ["r4", "r3", "r2", "r1", "r0"],
            "metrics.score > 0.15": ["r4", "r2"],
            "metrics.score <= 0.1 AND metrics.score >= 0.1": ["r1"],
            "metrics.score != 0.2": ["r4", "r3", "r1", "r0"],
            "metrics.`my metric` = 7": ["r4"],
            "metrics.\"my metric\" < 7": [],
            "params.kind = 'tree'": ["r4", "r0"],
            "params.kind != 'tree'": ["r3", "r2", "r1"],
            "params.kind LIKE 'tr%'": ["r4", "r0"],
            "params.kind ILIKE 'TR%'": ["r4", "r2", "r0"],
            "params.kind LIKE '_ree'": ["r4", "r2", "r0"],
            "params.n = '5'": ["r1"],
            "params.absent = 'x'": [],
            "params.absent IS NULL": ["r4", "r3", "r2", "r1", "r0"],
            "params.kind IS NOT NULL AND tags.even = 'True'": ["r4", "r2", "r0"],
            "tags.dotted.key = 'v1'": ["r1"],
            "tags.`dotted.key` != 'v1'": ["r4", "r3", "r2", "r0"],
            "tags.even ILIKE 't%' and params.kind = \"tree\"": ["r4", "r0"],
            "attributes.run_name = 'r1'": ["r1"],
            "run_name LIKE 'r_' AND run_name ILIKE 'R3'": ["r3"],
            "tags.mlflow.runName = 'r2'": ["r2"],
            "status = 'FINISHED'": ["r2"],
            "attributes.status != 'FINISHED'": ["r4", "r3", "r1", "r0"],
            "start_time > 1002": ["r4", "r3"],
            "attributes.start_time <= 1001": ["r1", "r0"],
            "end_time = 5000": ["r2"],
            "created >= 1004": ["r4"],
            "artifact_uri LIKE 'mlflow-artifacts:%'": ["r4", "r3", "r2", "r1", "r0"],
            f"run_id = '{self.ids[1]}'": ["r1"],
            f"attributes.run_id IN ('{self.ids[1]}', '{self.ids[3]}')": ["r3", "r1"],
            f"run_id NOT IN ('{self.ids[1]}', '{self.ids[3]}')": ["r4", "r2", "r0"],
        }
        for query, found in expected.items():
            with self.subTest(query):
                self.assertEqual(self.names(query), found)

    def test_orders(self):
        expected = {
            ("metrics.score",): ["r0", "r1", "r2", "r4", "r3"],
            ("metrics.score DESC",): ["r4", "r2", "r1", "r0", "r3"],
            ("params.kind", "start_time DESC"): ["r2", "r3", "r1", "r4", "r0"],
            ("tags.even ASC", "attributes.run_name DESC"): ["r3", "r1", "r4", "r2", "r0"],
            ("start_time",): ["r0", "r1", "r2", "r3", "r4"],
            ("metrics.absent", "run_name"): ["r0", "r1", "r2", "r3", "r4"],
            ("end_time DESC", "run_name"): ["r2", "r0", "r1", "r3", "r4"],
        }
        for order, found in expected.items():
            with self.subTest(order):
                self.assertEqual(self.names(order_by=list(order)), found)

    def test_refusals(self):
        for query in ["score > 5", "metrics.score", "metrics.score >", "metrics.score = 'x'", "metrics.score LIKE '0'", "params.n = 5", "params.kind = tree", "nonsense ~ 3", "nothing.x = 1",
                      "metrics.score > 0 OR params.kind = 'tree'", "status > 'A'", "attributes.nothing = 'x'", "params.kind = 'tree", "params.kind IN ('a', 'b')", "start_time > '5'"]:
            with self.subTest(query):
                self.refused("INVALID_PARAMETER_VALUE", "(?s).", self.client.search_runs, [self.parent], query)
        for order in ["nothing", "metrics.score UP", "nothing.x", "attributes.nothing"]:
            with self.subTest(order):
                self.refused("INVALID_PARAMETER_VALUE", "(?s).", self.client.search_runs, [self.parent], order_by=[order])
        self.refused("INVALID_PARAMETER_VALUE", "Invalid value 50001 for parameter 'max_results' supplied", self.client.search_runs, [self.parent], max_results=50001)

    def test_pages(self):
        for order in [["metrics.score DESC"], ["start_time ASC"], ["params.kind", "run_name"], []]:
            whole = self.names(order_by=order)
            token, found = None, []
            for _ in range(5):
                page = self.client.search_runs([self.parent], max_results=2, order_by=order, page_token=token)
                found += [r.info.run_name for r in page]
                token = page.token
                if not token:
                    break
            self.assertEqual(found, whole)

    def test_experiments(self):
        found = self.client.search_runs([self.parent, self.other], "run_name IS NOT NULL") if False else self.client.search_runs([self.parent, self.other])
        self.assertEqual(len(found), 6)
        self.assertEqual(list(self.client.search_runs(["99999999"])), [])
        self.assertEqual([r.info.run_name for r in self.client.search_runs([self.other])], ["elsewhere"])

    def test_pandas(self):
        frame = mlflow.search_runs([self.parent], order_by=["attributes.start_time ASC"])
        self.assertEqual(list(frame["params.kind"]), ["tree", "linear", "Tree", "forest", "tree"])
        self.assertEqual([x for x in frame["metrics.score"] if not math.isnan(x)], [0.0, 0.1, 0.2, 0.4])
        self.assertEqual(list(frame["tags.mlflow.runName"]), [f"r{i}" for i in range(5)])
        self.assertEqual(set(frame["experiment_id"]), {self.parent})
        self.assertTrue({"run_id", "status", "start_time", "end_time", "artifact_uri"} <= set(frame.columns))
        listed = mlflow.search_runs([self.parent], "metrics.score > 0.15", output_format="list", max_results=1)
        self.assertEqual([r.info.run_name for r in listed], ["r4"])
        name = self.client.get_experiment(self.parent).name
        self.assertEqual(len(mlflow.search_runs(experiment_names=[name])), 5)
        self.assertTrue(mlflow.search_runs([self.parent], "params.kind = 'none'").empty)

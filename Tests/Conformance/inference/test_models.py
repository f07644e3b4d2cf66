"""Model control: configurations, version policies, loads with overrides, statistics, the index."""
import json
import shutil
import struct
import threading
import time
import unittest

import numpy as np
import tritonclient.http as http
from support import GRAPHS, IS_TRITON, METRICS, REPOSITORY, URL, infer, install, request
from tritonclient.utils import InferenceServerException

X = np.arange(6, dtype=np.float32).reshape(2, 3)

# In the style of the repositories that people have: comments, both forms of lists, settings of many kinds.
RICH = """
# A classifier.
name: "rich"
platform: "onnxruntime_onnx"
max_batch_size: 16
input [
  {
    name: "x"
    data_type: TYPE_FP32
    dims: [ 3 ]
  }
]
output [ { name: "y", data_type: TYPE_FP32, dims: [ 3 ], label_filename: "labels.txt" } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
dynamic_batching { preferred_batch_size: [ 4, 8 ] max_queue_delay_microseconds: 100 }
optimization { graph { level: 1 } }
parameters { key: "intra_op_thread_count" value: { string_value: "2" } }
parameters: { key: "enable_mem_arena", value: { string_value: "0" } }
parameters { key: "session.dynamic_block_base" value { string_value: "4" } }
parameters { key: "team" value { string_value: "fraud" } }
version_policy: { specific { versions: [ 1, 3 ] } }
model_warmup [
  { name: "zeros" batch_size: 4 inputs { key: "x" value { data_type: TYPE_FP32 dims: [ 3 ] zero_data: true } } },
  { name: "noise" batch_size: 1 count: 3 inputs { key: "x" value { data_type: TYPE_FP32 dims: 3 random_data: true } } },
  { name: "golden" batch_size: 2 inputs { key: "x" value { data_type: TYPE_FP32 dims: 3 input_data_file: "golden" } } }
]
"""


def x_input(array, name="x", kind="FP32"):
    value = http.InferInput(name, list(array.shape), kind)
    value.set_data_from_numpy(array)
    return value


class Models(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(URL, network_timeout=120)

    def ready(self, model):
        return sorted(int(e["version"]) for e in self.client.get_model_repository_index() if e["name"] == model and e.get("state") == "READY")

    def fails(self, pattern, model, **arguments):
        with self.assertRaisesRegex(InferenceServerException, pattern) as caught:
            self.client.load_model(model, **arguments)
        return caught.exception


class Configurations(Models):
    @unittest.skipIf(IS_TRITON, "threads and graph levels belong to its ONNX backend")
    def test_a_rich_configuration(self):
        install("rich", "affine", RICH, versions=(1, 2, 3))
        (REPOSITORY / "rich" / "labels.txt").write_text("a\nb\nc\n")
        warm = REPOSITORY / "rich" / "warmup"
        warm.mkdir()
        (warm / "golden").write_bytes(struct.pack("<3f", 1, 2, 3))
        self.client.load_model("rich")
        self.assertEqual(self.ready("rich"), [1, 3])
        metadata = self.client.get_model_metadata("rich")
        self.assertEqual(metadata["inputs"], [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}])
        self.assertEqual(metadata["versions"], ["1", "3"])
        self.assertEqual(metadata["platform"], "onnxruntime_onnx")
        config = self.client.get_model_config("rich")
        self.assertEqual(config["max_batch_size"], 16)
        self.assertEqual(config["backend"], "onnxruntime")
        self.assertEqual(config["input"][0]["dims"], [3])
        self.assertEqual(config["input"][0]["format"], "FORMAT_NONE")
        self.assertEqual(config["dynamic_batching"]["preferred_batch_size"], [4, 8])
        self.assertEqual(config["dynamic_batching"]["max_queue_delay_microseconds"], 100)
        self.assertEqual(config["version_policy"]["specific"]["versions"], [1, 3])
        self.assertEqual(config["parameters"]["team"]["string_value"], "fraud")
        self.assertEqual(config["instance_group"][0]["kind"], "KIND_CPU")
        self.assertEqual(config["default_model_filename"], "model.onnx")
        self.assertEqual(len(config["model_warmup"]), 3)
        # What it answers is a configuration that it takes.
        self.client.load_model("rich", config=json.dumps(config))
        self.assertEqual(self.ready("rich"), [1, 3])

    def test_batch_dimension_rules(self):
        install("batched", "affine", "max_batch_size: 4\n")
        self.client.load_model("batched")
        self.assertEqual(self.client.get_model_metadata("batched")["inputs"][0]["shape"], [-1, 3])
        self.assertEqual(self.client.get_model_config("batched")["input"][0]["dims"], [3])
        np.testing.assert_array_equal(self.client.infer("batched", [x_input(np.tile(X, (2, 1)))]).as_numpy("y"), np.tile(2 * X + 1, (2, 1)))
        for array, message in (
            (np.ones((5, 3), np.float32), "inference request batch-size must be <= 4 for 'batched'"),
            (np.ones((2, 4), np.float32), r"unexpected shape for input 'x' for model 'batched'. Expected \[-1,3\], got \[2,4\]"),
            (np.ones(3, np.float32), "unexpected shape|batch-size must be"),
        ):
            with self.assertRaisesRegex(InferenceServerException, message) as caught:
                self.client.infer("batched", [x_input(array)])
            self.assertEqual(caught.exception.status(), "400")

    def test_reshape(self):
        install("reshaped", "sums", 'max_batch_size: 4\ninput { name: "x" data_type: TYPE_FP32 dims: 6 reshape { shape: [ 2, 3 ] } }\n'
                'output { name: "y" data_type: TYPE_FP32 dims: [ 2, 1 ] reshape { shape: [ 2 ] } }\n')
        self.client.load_model("reshaped")
        result = self.client.infer("reshaped", [x_input(np.arange(12, dtype=np.float32).reshape(2, 6))])
        np.testing.assert_array_equal(result.as_numpy("y"), [[[3], [12]], [[21], [30]]])
        self.assertEqual(self.client.get_model_metadata("reshaped")["outputs"][0]["shape"], [-1, 2, 1])

    def test_what_contradicts_the_graph_is_named(self):
        io = 'input {{ name: "{}" data_type: TYPE_{} dims: {} }} output {{ name: "y" data_type: TYPE_FP32 dims: [-1, 3] }}\n'
        cases = [
            (io.format("z", "FP32", [-1, 3]), "input 'z'|'z'"),
            (io.format("x", "FP64", [-1, 3]), "TYPE_FP64 for input 'x', model provides TYPE_FP32"),
            (io.format("x", "FP32", [-1, 4]), "tensor 'x': the model expects 2 dimensions"),
            (io.format("x", "FP32", [3]), "tensor 'x': the model expects 2 dimensions"),
            ('output { name: "q" data_type: TYPE_FP32 dims: [-1, 3] }\n', "'q'"),
            ('max_batch_size: 2\ninput { name: "x" data_type: TYPE_FP32 dims: [-1, 3] }\n', "initial batch dimension"),
        ]
        if IS_TRITON:
            self.skipTest("its Python backend has no graph to compare with")
        for config, message in cases:
            install("contrary", "affine", config)
            self.fails(message, "contrary")
            self.assertEqual(self.ready("contrary"), [])
        install("unbatchable", "text", "max_batch_size: 2\n")
        self.fails("for the model to support batching", "unbatchable")

    @unittest.skipIf(IS_TRITON, "it supports more")
    def test_what_is_not_supported_is_refused_by_name(self):
        for config, name in (
            ("sequence_batching { }", "sequence_batching"), ("ensemble_scheduling { step { model_name: 'a' } }", "ensemble_scheduling"),
            ("response_cache { enable: true }", "response_cache"), ("instance_group { kind: KIND_GPU }", "KIND_GPU"),
            ("instance_group { gpus: 0 }", "gpus"), ("model_transaction_policy { decoupled: true }", "decoupled"),
            ("optimization { execution_accelerators { gpu_execution_accelerator { name: 'tensorrt' } } }", "tensorrt"),
            ("optimization { execution_accelerators { cpu_execution_accelerator { name: 'openvino' } } }", "openvino"),
            ("backend: 'tensorflow'", "tensorflow"), ("platform: 'tensorrt_plan'", "tensorrt_plan"),
            ("dynamic_batching { priority_levels: 2 }", "priority_levels"), ("optimization { graph { level: 7 } }", "graph.level"),
            ("parameters { key: 'intra_op_thread_count' value { string_value: 'many' } }", "intra_op_thread_count"),
            ("max_batch_size: -1", "max_batch_size"), ("name: 'other'", "other"), ("nonsense: 3", "unknown field"), ("input {", "config.pbtxt"),
            ("version_policy { specific { versions: 9 } }", "version 9"),
            ("model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 dims: [ 1, 3 ] input_data_file: '../../secret' } } }", "warm-up"),
        ):
            install("refused", "affine", config)
            self.assertIn(name, self.fails("(load failed for model|failed to load) 'refused'", "refused").message(), config)
            self.assertEqual(self.ready("refused"), [])

    @unittest.skipIf(IS_TRITON, "it serves a model whose warm-up failed")
    def test_a_version_whose_warm_up_fails_is_not_ready(self):
        sample = 'model_warmup { name: "bad" inputs { key: "x" value { data_type: TYPE_INT64 dims: 1 input_data_file: "index" } } }\n'
        install("cold", "lookup", sample)
        (REPOSITORY / "cold" / "warmup").mkdir()
        (REPOSITORY / "cold" / "warmup" / "index").write_bytes(struct.pack("<q", 7))
        self.fails("warm-up sample 'bad' failed", "cold")
        (REPOSITORY / "cold" / "warmup" / "index").write_bytes(struct.pack("<q", 2))
        self.client.load_model("cold")
        self.assertEqual(self.ready("cold"), [1])


class Loads(Models):
    def test_version_policies(self):
        install("many", "affine", versions=(1, 2, 5))
        for policy, versions in (
            (None, [5]), ({"latest": {"num_versions": 2}}, [2, 5]), ({"all": {}}, [1, 2, 5]), ({"specific": {"versions": [1]}}, [1]),
        ):
            config = {"backend": "onnxruntime"}
            if policy:
                config["version_policy"] = policy
            self.client.load_model("many", config=json.dumps(config) if policy else None)
            self.assertEqual(self.settled("many", versions), versions)
            self.assertEqual(self.client.get_model_metadata("many")["versions"], [str(v) for v in versions])
        self.client.unload_model("many")
        self.assertEqual(self.settled("many", []), [])

    def settled(self, model, expected):
        for _ in range(200):
            if self.ready(model) == expected:
                return expected
            threading.Event().wait(0.05)
        return self.ready(model)

    def test_a_model_never_loaded_has_neither_version_nor_state(self):
        install("untouched", "affine")
        entry = [e for e in self.client.get_model_repository_index() if e["name"] == "untouched"]
        self.assertEqual(entry, [{"name": "untouched"}])
        status, _, body = request("/v2/repository/index", b'{"ready":true}')
        self.assertEqual(status, 200)
        self.assertTrue(all(e["state"] == "READY" for e in json.loads(body)))
        self.assertNotIn("untouched", [e["name"] for e in json.loads(body)])

    def test_missing_and_empty_models(self):
        self.assertEqual(self.fails("failed to load 'missing', failed to poll from model repository", "missing").status(), "500")
        if not IS_TRITON:
            self.fails("failed to load", "..")
        (REPOSITORY / "hollow").mkdir(exist_ok=True)
        self.fails("failed to load 'hollow'", "hollow")
        self.client.unload_model("missing")

    @unittest.skipIf(IS_TRITON, "the sent files are a Python model's there")
    def test_files_of_a_load_serve_and_leave_the_repository_alone(self):
        install("sent", "affine")
        content = (GRAPHS / "affine3.onnx").read_bytes()
        config = json.dumps({"backend": "onnxruntime", "max_batch_size": 2})
        self.client.load_model("sent", config=config, files={"file:4/model.onnx": content})
        self.assertEqual(self.ready("sent"), [4])
        np.testing.assert_array_equal(self.client.infer("sent", [x_input(X)]).as_numpy("y"), 3 * X + 1)
        self.client.load_model("sent")
        self.assertEqual(self.ready("sent"), [1])
        np.testing.assert_array_equal(self.client.infer("sent", [x_input(X)]).as_numpy("y"), 2 * X + 1)
        self.fails("config", "sent", files={"file:4/model.onnx": content})
        for path in ("file:../4/model.onnx", "file:/etc/passwd", "file:4//model.onnx"):
            status, _, body = request("/v2/repository/models/sent/load", json.dumps({"parameters": {"config": "{}", path: "AAAA"}}).encode())
            self.assertEqual(status, 400)
            self.assertIn("failed to load 'sent'", json.loads(body)["error"])
        self.fails("load failed for model 'sent'", "sent", config=config, files={"file:4/model.onnx": b"no graph"})
        self.assertEqual(self.ready("sent"), [1])

    @unittest.skipIf(IS_TRITON, "it replaces in place")
    def test_another_configuration_replaces_without_a_gap(self):
        install("swapped", "affine")
        self.client.load_model("swapped")
        failures, answered, stop = [], [0], threading.Event()

        def load():
            client = http.InferenceServerClient(URL)
            while not stop.is_set() and len(failures) < 10:
                try:
                    client.infer("swapped", [x_input(X)])
                    answered[0] += 1
                except Exception as error:
                    failures.append(error)

        threads = [threading.Thread(target=load) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for size in range(2, 22):
                self.client.load_model("swapped", config=json.dumps({"max_batch_size": size}))
                self.assertEqual(self.client.get_model_config("swapped")["max_batch_size"], size)
            self.fails("KIND_GPU", "swapped", config=json.dumps({"instance_group": [{"kind": "KIND_GPU"}]}))
            self.assertEqual(self.client.get_model_config("swapped")["max_batch_size"], 21)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(answered[0], 20)

    @unittest.skipIf(IS_TRITON, "it looks at modification times")
    def test_a_load_of_the_same_changes_nothing_and_of_another_file_replaces(self):
        install("same", "affine")
        self.client.load_model("same")
        self.client.infer("same", [x_input(X)])
        self.client.load_model("same")
        count = lambda: self.client.get_inference_statistics("same")["model_stats"][0]["inference_count"]
        self.assertEqual(count(), 1)
        shutil.copy(GRAPHS / "affine3.onnx", REPOSITORY / "same" / "1" / "model.onnx")
        self.client.load_model("same")
        np.testing.assert_array_equal(self.client.infer("same", [x_input(X)]).as_numpy("y"), 3 * X + 1)


class Statistics(Models):
    def test_counts_and_durations(self):
        install("counted", "affine", "max_batch_size: 8\n")
        self.client.load_model("counted")
        for rows in (1, 2, 2):
            self.client.infer("counted", [x_input(np.ones((rows, 3), np.float32))])
        # Triton counts a request after its answer.
        end = time.monotonic() + 20
        while True:
            stats = self.client.get_inference_statistics("counted")["model_stats"]
            self.assertEqual(len(stats), 1)
            one = stats[0]
            if one["execution_count"] == 3 or time.monotonic() > end:
                break
            time.sleep(0.05)
        self.assertEqual((one["name"], one["version"]), ("counted", "1"))
        self.assertEqual((one["inference_count"], one["execution_count"]), (5, 3))
        self.assertGreater(one["last_inference"], 1_700_000_000_000)
        inner = one["inference_stats"]
        self.assertEqual(set(inner), {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit", "cache_miss"})
        for name in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            self.assertEqual(inner[name]["count"], 3, name)
        self.assertGreaterEqual(inner["success"]["ns"], inner["compute_infer"]["ns"])
        self.assertEqual(inner["cache_hit"], {"count": 0, "ns": 0})
        self.assertEqual({b["batch_size"]: b["compute_infer"]["count"] for b in one["batch_stats"]}, {1: 1, 2: 2})
        everything = {(s["name"], s["version"]) for s in self.client.get_inference_statistics()["model_stats"]}
        self.assertIn(("counted", "1"), everything)
        with self.assertRaises(InferenceServerException):
            self.client.get_inference_statistics("nobody")

    @unittest.skipIf(METRICS is None, "no metrics page given")
    def test_metrics_have_the_same_counts(self):
        install("measured", "affine", "max_batch_size: 8\n")
        self.client.load_model("measured")
        for rows in (1, 3):
            self.client.infer("measured", [x_input(np.ones((rows, 3), np.float32))])
        status, headers, body = request("/metrics", host=METRICS)
        self.assertEqual(status, 200)
        page = {}
        for line in body.decode().splitlines():
            if not line.startswith("#") and 'model="measured"' in line:
                name, value = line.rsplit(" ", 1)
                page[name.split("{")[0]] = float(value)
        self.assertEqual(page["nv_inference_request_success"], 2)
        self.assertEqual(page["nv_inference_count"], 4)
        self.assertEqual(page["nv_inference_exec_count"], 2)
        for name in ("request", "queue", "compute_input", "compute_infer", "compute_output"):
            self.assertIn(f"nv_inference_{name}_duration_us", page)
        self.assertIn("nv_inference_pending_request_count", page)
        for name in ("nv_cpu_utilization", "nv_cpu_memory_total_bytes", "nv_cpu_memory_used_bytes"):
            self.assertIn(f"\n{name} ", body.decode())

    def test_server_metadata_names_only_what_is_supported(self):
        extensions = self.client.get_server_metadata()["extensions"]
        self.assertLessEqual({"model_repository", "model_repository(unload_dependents)", "model_configuration", "binary_tensor_data", "statistics"}, set(extensions))
        if not IS_TRITON:
            self.assertFalse({"sequence", "system_shared_memory", "cuda_shared_memory", "trace", "logging"} & set(extensions))
            for path in ("/v2/systemsharedmemory/status", "/v2/trace/setting"):
                self.assertEqual(request(path)[0], 404)


if __name__ == "__main__":
    unittest.main()

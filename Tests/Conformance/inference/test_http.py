"""The stock tritonclient against a v2 model server that has the tiny graphs of Tests/Inference/Models.

SLIPWAY_MODEL_SERVER: host:port. Models: affine (versions 1 and 2: y = 2x+1, y = 3x+1), identity, log.
"""
import asyncio
import json
import unittest
import urllib.request

import numpy as np
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from support import IS_TRITON, URL, sent_files
from tritonclient.utils import InferenceServerException


def tensor(name, array, binary):
    kind = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64", "bool": "BOOL", "object": "BYTES"}
    value = http.InferInput(name, list(array.shape), kind[str(array.dtype)])
    value.set_data_from_numpy(array, binary_data=binary)
    return value


class Health(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(URL)

    def test_live_ready_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("affine"))
        self.assertTrue(self.client.is_model_ready("affine", "1"))
        self.assertFalse(self.client.is_model_ready("none"))
        metadata = self.client.get_server_metadata()
        self.assertIn("binary_tensor_data", metadata["extensions"])
        model = self.client.get_model_metadata("affine")
        self.assertEqual(model["inputs"], [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}])
        self.assertEqual(sorted(model["versions"]), ["1", "2"])
        config = self.client.get_model_config("affine")
        self.assertEqual(config["input"][0]["data_type"], "TYPE_FP32")

    def test_statistics_grow(self):
        before = self.client.get_inference_statistics("affine", "2")["model_stats"][0]["inference_stats"]["success"]["count"]
        self.client.infer("affine", [tensor("x", np.ones((1, 3), np.float32), True)], model_version="2")
        after = self.client.get_inference_statistics("affine", "2")["model_stats"][0]["inference_stats"]["success"]["count"]
        self.assertEqual(after, before + 1)


class Infer(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(URL)
        self.x = np.arange(6, dtype=np.float32).reshape(2, 3)

    def test_versions_and_encodings(self):
        for version, factor in (("1", 2), ("2", 3), ("", 3)):
            for input_binary in (False, True):
                for output_binary in (False, True):
                    result = self.client.infer(
                        "affine",
                        [tensor("x", self.x, input_binary)],
                        outputs=[http.InferRequestedOutput("y", binary_data=output_binary)],
                        model_version=version,
                        request_id="seven",
                    )
                    np.testing.assert_array_equal(result.as_numpy("y"), factor * self.x + 1)
                    self.assertEqual(result.get_response()["id"], "seven")
                    self.assertEqual(result.get_response()["model_version"], version or "2")

    def test_every_type(self):
        arrays = {
            "in_f32": np.array([1.5, -0.0, 3.4e38], np.float32),
            "in_f64": np.array([1e-300, 0.1, -2.5], np.float64),
            "in_i32": np.array([-(2**31), 0, 2**31 - 1], np.int32),
            "in_i64": np.array([-(2**63), 0, 2**63 - 1], np.int64),
            "in_b": np.array([True, False, True]),
            "in_s": np.array(["héllo", "", "a\"b\\c\n"], dtype=object),
        }
        for binary in (False, True):
            inputs = [tensor(name, array, binary) for name, array in arrays.items()]
            outputs = [http.InferRequestedOutput(name.replace("in_", "out_"), binary_data=binary) for name in arrays]
            result = self.client.infer("identity", inputs, outputs=outputs)
            for name, array in arrays.items():
                got = result.as_numpy(name.replace("in_", "out_"))
                if array.dtype == object:
                    got = np.array([item.decode() if isinstance(item, bytes) else item for item in got], dtype=object)
                np.testing.assert_array_equal(got, array)

    def test_nan_comes_through(self):
        result = self.client.infer("log", [tensor("x", np.array([[-1.0]], np.float32), True)])
        self.assertTrue(np.isnan(result.as_numpy("y")[0][0]))
        result = self.client.infer(
            "log", [tensor("x", np.array([[-1.0]], np.float32), False)],
            outputs=[http.InferRequestedOutput("y", binary_data=False)])
        self.assertTrue(np.isnan(result.as_numpy("y")[0][0]))

    def refused(self, status, pattern, model, inputs, **arguments):
        with self.assertRaisesRegex(InferenceServerException, pattern) as caught:
            self.client.infer(model, inputs, **arguments)
        self.assertEqual(caught.exception.status(), str(status))

    def test_refusals(self):
        self.refused(404, "unknown model", "none", [tensor("x", self.x, True)])
        self.refused(404, "version 9", "affine", [tensor("x", self.x, True)], model_version="9")
        self.refused(400, "unexpected inference input 'z'", "affine", [tensor("z", self.x, True)])
        self.refused(400, "FP64", "affine", [tensor("x", self.x.astype(np.float64), True)])
        self.refused(400, "unexpected shape", "affine", [tensor("x", np.ones((2, 4), np.float32), True)])
        self.refused(400, "unexpected inference output", "affine", [tensor("x", self.x, True)],
                     outputs=[http.InferRequestedOutput("nope")])

    def raw(self, body, headers=()):
        request = urllib.request.Request(f"http://{URL}/v2/models/affine/infer", data=body, headers=dict(headers), method="POST")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def test_broken_bodies(self):
        good = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
        self.assertEqual(self.raw(json.dumps(good).encode())[0], 200)
        deep = b'{"inputs":' + b"[" * 5000 + b"]" * 5000 + b"}"
        short = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "parameters": {"binary_data_size": 12}}]}
        header = json.dumps(short).encode()
        for body, headers in [
            (b"{", ()), (b"[]", ()), (deep, ()), (b'{"inputs":[]}', ()),
            (json.dumps(good).replace("[1, 2, 3]", "[1, 2]").encode(), ()),
            (json.dumps(good).replace("[1, 2, 3]", "[1, 2, 3, 4]").encode(), ()),
            (json.dumps(good).replace("[1, 2, 3]", '["a", 2, 3]').encode(), ()),
            (json.dumps(good).replace("FP32", "FP99").encode(), ()),
            (json.dumps(good).replace("[1, 3]", "[1, -3]").encode(), ()),
            (json.dumps(good).encode() + b"x", ()),
            (header + b"\0" * 8, [("Inference-Header-Content-Length", str(len(header)))]),
            (header + b"\0" * 16, [("Inference-Header-Content-Length", str(len(header)))]),
            (header, [("Inference-Header-Content-Length", "999999")]),
            (header, [("Inference-Header-Content-Length", "many")]),
        ]:
            status, answer = self.raw(body, headers)
            with self.subTest(body[:80]):
                # What is no JSON, or not of the types it should be, is an error of its own to Triton.
                self.assertIn(status, (400, 500) if IS_TRITON else (400,), answer)
                self.assertIn("error", json.loads(answer))

    @unittest.skipIf(IS_TRITON, "it takes no bytes for no rows")
    def test_an_empty_body(self):
        status, answer = self.raw(b"")
        self.assertEqual(status, 400)
        self.assertIn("error", json.loads(answer))

    def test_a_number_of_a_sequence_means_nothing_to_a_model_without(self):
        result = self.client.infer("affine", [tensor("x", self.x, True)], sequence_id=4, sequence_start=True)
        np.testing.assert_array_equal(result.as_numpy("y"), 3 * self.x + 1)

    @unittest.skipIf(IS_TRITON, "it has no limit, and waits")
    def test_too_large_is_413_and_the_server_lives_on(self):
        request = urllib.request.Request(f"http://{URL}/v2/models/affine/infer", data=b"x" * 10, method="POST")
        request.add_header("Content-Length", str(100 << 20))
        try:
            with urllib.request.urlopen(request, timeout=10):
                self.fail("accepted")
        except urllib.error.HTTPError as error:
            self.assertEqual(error.code, 413)
        self.assertTrue(self.client.is_server_live())


class Repository(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(URL)

    def test_load_unload_index(self):
        index = {(e["name"], e.get("version")): e for e in self.client.get_model_repository_index()}
        self.assertEqual(index[("affine", "1")]["state"], "READY")
        self.client.unload_model("log")
        self.assertFalse(self.client.is_model_ready("log"))
        self.client.unload_model("log")
        self.client.load_model("log")
        self.client.load_model("log")
        self.assertTrue(self.client.is_model_ready("log"))
        self.assertTrue(self.client.is_model_ready("affine", "1"))

    def test_failed_loads_say_so_each_time(self):
        for _ in range(2):
            with self.assertRaisesRegex(InferenceServerException, "load failed for model 'broken': version 1 is at UNAVAILABLE state: "):
                self.client.load_model("broken")
        for _ in range(2):
            with self.assertRaisesRegex(InferenceServerException, "failed to load 'none', failed to poll from model repository"):
                self.client.load_model("none")
        states = {e["name"]: e for e in self.client.get_model_repository_index()}
        self.assertEqual(states["broken"]["state"], "UNAVAILABLE")
        self.assertNotEqual(states["broken"]["reason"], "")

    def test_load_with_a_file(self):
        config, files = sent_files("affine")
        self.client.load_model("sent", config=json.dumps(config), files=files)
        result = self.client.infer("sent", [tensor("x", np.ones((1, 3), np.float32), True)])
        self.assertEqual(result.get_response()["model_version"], "7")
        self.client.unload_model("sent")


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = http_aio.InferenceServerClient(URL)
        self.addAsyncCleanup(self.client.close)

    async def test_infer(self):
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        self.assertTrue(await self.client.is_server_live())
        self.assertTrue(await self.client.is_server_ready())
        for binary in (False, True):
            results = await asyncio.gather(*[self.client.infer("affine", [tensor("x", x + i, binary)]) for i in range(50)])
            for index, result in enumerate(results):
                np.testing.assert_array_equal(result.as_numpy("y"), 3 * (x + index) + 1)
        with self.assertRaisesRegex(InferenceServerException, "unknown model"):
            await self.client.infer("none", [tensor("x", x, True)])

    async def test_control(self):
        await self.client.unload_model("identity")
        self.assertFalse(await self.client.is_model_ready("identity"))
        await self.client.load_model("identity")
        self.assertTrue(await self.client.is_model_ready("identity"))
        statistics = await self.client.get_inference_statistics("affine")
        self.assertEqual(statistics["model_stats"][0]["name"], "affine")
        self.assertIn("affine", {entry["name"] for entry in await self.client.get_model_repository_index()})


if __name__ == "__main__":
    unittest.main()

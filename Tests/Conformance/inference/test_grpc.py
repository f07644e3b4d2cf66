"""The stock tritonclient, and grpcio itself, against a v2 model server with the tiny graphs of Tests/Inference/Models.

SLIPWAY_MODEL_SERVER_GRPC: host:port. Models: affine (versions 1 and 2: y = 2x+1, y = 3x+1), identity, log; and
'broken', a folder that holds no graph.
"""
import asyncio
import json
import os
import queue
import socket
import threading
import time
import unittest

import grpc
import grpc.aio
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from support import IS_TRITON, sent_files
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

URL = os.environ["SLIPWAY_MODEL_SERVER_GRPC"]
SECONDS = 60
KINDS = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64", "bool": "BOOL", "object": "BYTES"}


def tensor(name, array):
    value = triton.InferInput(name, list(array.shape), KINDS[str(array.dtype)])
    value.set_data_from_numpy(array)
    return value


def rows(count=2):
    return np.arange(count * 3, dtype=np.float32).reshape(count, 3)


class Case(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(URL)
        self.addCleanup(self.client.close)

    def refused(self, status, pattern, call, *arguments, **named):
        with self.assertRaisesRegex(InferenceServerException, pattern) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status(), f"StatusCode.{status}")
        return caught.exception


class Health(Case):
    def test_live_ready(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("affine"))
        self.assertTrue(self.client.is_model_ready("affine", "1"))
        self.assertFalse(self.client.is_model_ready("affine", "9"))
        self.assertFalse(self.client.is_model_ready("none"))

    def test_metadata(self):
        metadata = self.client.get_server_metadata(as_json=True)
        self.assertIn("statistics", metadata["extensions"])
        if not IS_TRITON:
            self.assertNotIn("system_shared_memory", metadata["extensions"])
        model = self.client.get_model_metadata("affine")
        self.assertEqual([(i.name, i.datatype, list(i.shape)) for i in model.inputs], [("x", "FP32", [-1, 3])])
        self.assertEqual(sorted(model.versions), ["1", "2"])
        self.refused("NOT_FOUND", "none", self.client.get_model_metadata, "none")
        self.refused("NOT_FOUND", "9", self.client.get_model_metadata, "affine", "9")
        self.refused("INVALID_ARGUMENT", "many", self.client.get_model_metadata, "affine", "many")

    def test_config(self):
        config = self.client.get_model_config("affine").config
        self.assertEqual(config.name, "affine")
        self.assertEqual(config.input[0].name, "x")
        self.refused("NOT_FOUND", "none", self.client.get_model_config, "none")

    def test_statistics_grow(self):
        def count():
            return self.client.get_inference_statistics("affine", "2").model_stats[0].inference_stats.success.count

        before = count()
        self.client.infer("affine", [tensor("x", np.ones((1, 3), np.float32))], model_version="2")
        self.assertGreaterEqual(count(), before + 1)
        self.assertIn("identity", {entry.name for entry in self.client.get_inference_statistics().model_stats})
        self.refused("INVALID_ARGUMENT", "not available", self.client.get_inference_statistics, "none")

    def test_standard_health_service(self):
        with grpc.insecure_channel(URL) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            serving = bytes([8, 1])
            self.assertEqual(check(b"", timeout=SECONDS), serving)
            service = b"inference.GRPCInferenceService"
            self.assertEqual(check(bytes([10, len(service)]) + service, timeout=SECONDS), serving)
            # Triton tells the server's health whatever it is asked about, and only once.
            if not IS_TRITON:
                with self.assertRaises(grpc.RpcError) as caught:
                    check(bytes([10, 4]) + b"none", timeout=SECONDS)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
                watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=SECONDS)
                self.assertEqual(next(watch), serving)
                watch.cancel()

    @unittest.skipIf(IS_TRITON, "it has them")
    def test_what_is_not_there_says_so(self):
        for call in [
            self.client.get_system_shared_memory_status, self.client.get_cuda_shared_memory_status,
            self.client.get_trace_settings, self.client.get_log_settings,
        ]:
            self.refused("UNIMPLEMENTED", "not supported", call)


class Infer(Case):
    def test_versions(self):
        for version, factor in (("1", 2), ("2", 3), ("", 3)):
            result = self.client.infer(
                "affine", [tensor("x", rows())], outputs=[triton.InferRequestedOutput("y")], model_version=version,
                request_id="seven", client_timeout=SECONDS)
            np.testing.assert_array_equal(result.as_numpy("y"), factor * rows() + 1)
            answer = result.get_response()
            self.assertEqual((answer.id, answer.model_name, answer.model_version), ("seven", "affine", version or "2"))

    def test_every_type_raw(self):
        arrays = {
            "in_f32": np.array([1.5, -0.0, 3.4e38], np.float32),
            "in_f64": np.array([1e-300, 0.1, -2.5], np.float64),
            "in_i32": np.array([-(2**31), 0, 2**31 - 1], np.int32),
            "in_i64": np.array([-(2**63), 0, 2**63 - 1], np.int64),
            "in_b": np.array([True, False, True]),
            "in_s": np.array(["héllo", "", "a\"b\\c\n"], dtype=object),
        }
        result = self.client.infer("identity", [tensor(name, array) for name, array in arrays.items()])
        self.check(arrays, result)

    def check(self, arrays, result):
        for name, array in arrays.items():
            got = result.as_numpy(name.replace("in_", "out_"))
            if array.dtype == object:
                got = np.array([item.decode() for item in got], dtype=object)
            np.testing.assert_array_equal(got, array)

    def test_every_type_in_contents(self):
        values = {
            "in_f32": ("FP32", "fp32_contents", [1.5, -0.0, 2.5]),
            "in_f64": ("FP64", "fp64_contents", [1e-300, 0.1, -2.5]),
            "in_i32": ("INT32", "int_contents", [-(2**31), 0, 2**31 - 1]),
            "in_i64": ("INT64", "int64_contents", [-(2**63), 0, 2**63 - 1]),
            "in_b": ("BOOL", "bool_contents", [True, False, True]),
            "in_s": ("BYTES", "bytes_contents", ["héllo".encode(), b"", b"x"]),
        }
        request = service_pb2.ModelInferRequest(model_name="identity", id="t")
        for name, (kind, field, items) in values.items():
            entry = request.inputs.add(name=name, datatype=kind, shape=[3])
            getattr(entry.contents, field).extend(items)
        with grpc.insecure_channel(URL) as channel:
            answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=SECONDS)
        result = triton.InferResult(answer)
        for name, (kind, _, items) in values.items():
            got = result.as_numpy(name.replace("in_", "out_"))
            self.assertEqual(list(got), items, kind)

    def test_wrong_contents(self):
        def call(**changes):
            request = service_pb2.ModelInferRequest(model_name="affine")
            entry = request.inputs.add(name="x", datatype="FP32", shape=[1, 3])
            entry.contents.fp32_contents.extend(changes.get("values", [1, 2, 3]))
            entry.contents.int_contents.extend(changes.get("others", []))
            request.raw_input_contents.extend(changes.get("raw", []))
            with self.assertRaises(grpc.RpcError) as caught:
                service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=SECONDS)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
            return caught.exception.details()

        with grpc.insecure_channel(URL) as channel:
            self.assertIn("'x'", call(values=[1, 2]))
            self.assertIn("'x'", call(values=[1, 2, 3, 4]))
            self.assertIn("unexpected explicit tensor data for input tensor 'x'", call(values=[], others=[1, 2, 3]))
            self.assertIn("must not be specified", call(raw=[b"\0" * 12]))
            self.assertIn("'x'", call(values=[], raw=[b"\0" * 11]))
            self.assertIn("contents field must not be specified" if IS_TRITON else "expected 1", call(values=[], raw=[b"\0" * 12] * 2))

    def test_compressed(self):
        for algorithm in ("gzip", "deflate"):
            result = self.client.infer("affine", [tensor("x", rows(500))], compression_algorithm=algorithm)
            np.testing.assert_array_equal(result.as_numpy("y"), 3 * rows(500) + 1)

    def test_large(self):
        many = rows(500_000)
        result = self.client.infer("affine", [tensor("x", many)], client_timeout=SECONDS)
        np.testing.assert_array_equal(result.as_numpy("y"), 3 * many + 1)

    def test_classes(self):
        # 3x + 1; the lower index first among equals.
        result = self.client.infer("affine", [tensor("x", np.array([[0, 2, 2]], np.float32))], outputs=[triton.InferRequestedOutput("y", class_count=2)])
        np.testing.assert_array_equal(result.as_numpy("y"), [b"7.000000:1", b"7.000000:2"])

    def test_refusals(self):
        infer, x = self.client.infer, [tensor("x", rows())]
        self.refused("NOT_FOUND", "unknown model", infer, "none", x)
        self.refused("NOT_FOUND", "version 9", infer, "affine", x, model_version="9")
        self.refused("INVALID_ARGUMENT", "unexpected inference input 'z'", infer, "affine", [tensor("z", rows())])
        self.refused("INVALID_ARGUMENT", "FP64", infer, "affine", [tensor("x", rows().astype(np.float64))])
        self.refused("INVALID_ARGUMENT", "unexpected shape", infer, "affine", [tensor("x", np.ones((2, 4), np.float32))])
        self.refused("INVALID_ARGUMENT", "unexpected inference output", infer, "affine", x,
                     outputs=[triton.InferRequestedOutput("nope")])
        self.refused("INVALID_ARGUMENT", "output 'y' already exists in request", infer, "affine", x,
                     outputs=[triton.InferRequestedOutput("y")] * 2)
        shared = triton.InferInput("x", [1, 3], "FP32")
        shared.set_shared_memory("region", 12)
        self.refused("NOT_FOUND" if IS_TRITON else "INVALID_ARGUMENT", "shared memory", infer, "affine", [shared])

    def test_a_number_of_a_sequence_means_nothing_to_a_model_without(self):
        result = self.client.infer("affine", [tensor("x", rows())], sequence_id=4, sequence_start=True)
        np.testing.assert_array_equal(result.as_numpy("y"), 3 * rows() + 1)

    def test_broken_messages(self):
        with grpc.insecure_channel(URL) as channel:
            call = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            for message, code in [(b"", "NOT_FOUND"), (b"\x0a\x06affine", "INVALID_ARGUMENT")]:
                with self.assertRaises(grpc.RpcError) as caught:
                    call(message, timeout=SECONDS)
                self.assertEqual(caught.exception.code().name, code, "no inputs")
            for message in [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x01\xff", b"\x2b" * 100, b"\x80" * 11]:
                with self.assertRaises(grpc.RpcError) as caught:
                    call(message, timeout=SECONDS)
                # What is no message is the library's to refuse there, which says 'internal'.
                expected = grpc.StatusCode.INTERNAL if IS_TRITON else grpc.StatusCode.INVALID_ARGUMENT
                self.assertEqual(caught.exception.code(), expected, message)
            for method in ["ServerLive", "ModelMetadata", "RepositoryModelLoad"]:
                with self.assertRaises(grpc.RpcError) as caught:
                    channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(b"\xff\xff", timeout=SECONDS)
                self.assertEqual(caught.exception.code(), expected, method)
            with self.assertRaises(grpc.RpcError) as caught:
                channel.unary_unary("/inference.GRPCInferenceService/Nothing")(b"", timeout=SECONDS)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)

    @unittest.skipIf(IS_TRITON, "it has no limit")
    def test_too_large_and_the_connection_lives_on(self):
        with grpc.insecure_channel(URL) as channel:
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
            with self.assertRaises(grpc.RpcError) as caught:
                live(b"\0" * (2 << 20), timeout=SECONDS)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertEqual(live(b"", timeout=SECONDS), bytes([8, 1]))

    def test_async(self):
        answers = queue.Queue()
        for index in range(50):
            self.client.async_infer(
                "affine", [tensor("x", rows() + index)], lambda result, error, index=index: answers.put((index, result, error)),
                client_timeout=SECONDS)
        for _ in range(50):
            index, result, error = answers.get(timeout=SECONDS)
            self.assertIsNone(error)
            np.testing.assert_array_equal(result.as_numpy("y"), 3 * (rows() + index) + 1)

    def test_many_threads_on_one_channel(self):
        failures = []

        def work(seed):
            try:
                for step in range(50):
                    x = rows() + seed * 1000 + step
                    np.testing.assert_array_equal(self.client.infer("affine", [tensor("x", x)]).as_numpy("y"), 3 * x + 1)
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        self.assertEqual(failures, [])

    @unittest.skipIf(IS_TRITON, "it has no call that lasts")
    def test_deadline(self):
        with grpc.insecure_channel(URL) as channel:
            watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=1)
            began = time.monotonic()
            with self.assertRaises(grpc.RpcError) as caught:
                for _ in watch:
                    pass
            self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
            self.assertLess(time.monotonic() - began, SECONDS)

    def test_keepalive(self):
        options = triton.KeepAliveOptions(keepalive_time_ms=1000, keepalive_timeout_ms=SECONDS * 1000, keepalive_permit_without_calls=True)
        client = triton.InferenceServerClient(URL, keepalive_options=options)
        self.addCleanup(client.close)
        self.assertTrue(client.is_server_live())
        time.sleep(2.5)
        self.assertTrue(client.is_server_live())

    def test_http1_is_shown_out(self):
        host, port = URL.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=SECONDS) as peer:
            peer.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
            while peer.recv(4096):
                pass
        self.assertTrue(self.client.is_server_live())


class Stream(Case):
    def stream(self, **named):
        answers = queue.Queue()
        self.client.start_stream(lambda result, error: answers.put((result, error)), **named)
        self.addCleanup(self.client.stop_stream)
        return answers

    def test_answers_in_order(self):
        answers = self.stream()
        for index in range(200):
            self.client.async_stream_infer("affine", [tensor("x", rows() + index)], request_id=f"{index}")
        for index in range(200):
            result, error = answers.get(timeout=SECONDS)
            self.assertIsNone(error)
            self.assertEqual(result.get_response().id, f"{index}")
            np.testing.assert_array_equal(result.as_numpy("y"), 3 * (rows() + index) + 1)

    def test_an_error_does_not_end_it(self):
        answers = self.stream()
        self.client.async_stream_infer("none", [tensor("x", rows())], request_id="a")
        self.client.async_stream_infer("affine", [tensor("x", rows())], request_id="b")
        _, error = answers.get(timeout=SECONDS)
        self.assertIn("unknown model", error.message())
        result, error = answers.get(timeout=SECONDS)
        self.assertIsNone(error)
        self.assertEqual(result.get_response().id, "b")

    @unittest.skipIf(IS_TRITON, "it tells mistakes of a request in the stream even then")
    def test_an_error_ends_it_where_that_is_asked_for(self):
        answers = self.stream(headers={"triton_grpc_error": "true"})
        self.client.async_stream_infer("none", [tensor("x", rows())])
        _, error = answers.get(timeout=SECONDS)
        self.assertIn("unknown model", str(error))
        self.assertEqual(error.status(), "StatusCode.NOT_FOUND")

    def test_final_response(self):
        answers = self.stream()
        self.client.async_stream_infer("affine", [tensor("x", rows())], enable_empty_final_response=True)
        result, error = answers.get(timeout=SECONDS)
        self.assertIsNone(error)
        self.assertTrue(result.get_response().parameters["triton_final_response"].bool_param)

    def test_compressed(self):
        answers = self.stream(compression_algorithm="gzip")
        self.client.async_stream_infer("affine", [tensor("x", rows(300))])
        result, error = answers.get(timeout=SECONDS)
        self.assertIsNone(error)
        np.testing.assert_array_equal(result.as_numpy("y"), 3 * rows(300) + 1)


class Repository(Case):
    def test_load_unload_index(self):
        index = {(m.name, m.version): m.state for m in self.client.get_model_repository_index().models}
        self.assertEqual(index[("affine", "1")], "READY")
        self.client.unload_model("log")
        self.assertFalse(self.client.is_model_ready("log"))
        self.client.unload_model("log", unload_dependents=True)
        self.client.load_model("log")
        self.client.load_model("log")
        self.assertTrue(self.client.is_model_ready("log"))
        self.assertTrue(self.client.is_model_ready("affine", "1"))

    def test_failed_loads_say_so_each_time(self):
        for name, words in 2 * [
            ("broken", "load failed for model 'broken': version 1 is at UNAVAILABLE state: "),
            ("none", "failed to load 'none', failed to poll from model repository"),
        ]:
            with self.assertRaisesRegex(InferenceServerException, words):
                self.client.load_model(name)
        states = {m.name: m for m in self.client.get_model_repository_index().models}
        self.assertEqual(states["broken"].state, "UNAVAILABLE")
        self.assertNotEqual(states["broken"].reason, "")

    def test_load_with_a_file(self):
        config, files = sent_files("affine")
        self.client.load_model("sent", config=json.dumps(config), files=files)
        result = self.client.infer("sent", [tensor("x", np.ones((1, 3), np.float32))])
        self.assertEqual(result.get_response().model_version, "7")
        self.client.unload_model("sent")
        with self.assertRaisesRegex(InferenceServerException, "failed to poll" if IS_TRITON else "config"):
            self.client.load_model("sent", files=files)
        with grpc.insecure_channel(URL) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            value = service_pb2.ModelRepositoryParameter(int64_param=1)
            for name, text in (("config", "invalid value type"), ("file:1/x", "invalid value type"), ("other", "unrecognized")):
                with self.assertRaises(grpc.RpcError) as caught:
                    stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="sent", parameters={name: value}), timeout=SECONDS)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
                self.assertIn(text, caught.exception.details())


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = triton_aio.InferenceServerClient(URL)
        self.addAsyncCleanup(self.client.close)

    async def test_infer(self):
        self.assertTrue(await self.client.is_server_ready())
        results = await asyncio.gather(*[self.client.infer("affine", [tensor("x", rows() + i)]) for i in range(100)])
        for index, result in enumerate(results):
            np.testing.assert_array_equal(result.as_numpy("y"), 3 * (rows() + index) + 1)
        with self.assertRaisesRegex(InferenceServerException, "unknown model"):
            await self.client.infer("none", [tensor("x", rows())])

    async def test_stream(self):
        async def requests():
            for index in range(50):
                yield {"model_name": "affine", "inputs": [tensor("x", rows() + index)], "request_id": f"{index}"}

        seen = []
        async for result, error in self.client.stream_infer(requests()):
            self.assertIsNone(error)
            seen.append(result.get_response().id)
        self.assertEqual(seen, [f"{index}" for index in range(50)])

    @unittest.skipIf(IS_TRITON, "it has no call that lasts")
    async def test_cancellation_leaves_the_connection_well(self):
        async with grpc.aio.insecure_channel(URL) as channel:
            call = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
            self.assertEqual(await call.read(), bytes([8, 1]))
            call.cancel()
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
            self.assertEqual(await live(b"", timeout=SECONDS), bytes([8, 1]))

    async def test_control(self):
        await self.client.unload_model("identity")
        self.assertFalse(await self.client.is_model_ready("identity"))
        await self.client.load_model("identity")
        self.assertTrue(await self.client.is_model_ready("identity"))
        statistics = await self.client.get_inference_statistics("affine", as_json=True)
        self.assertEqual(statistics["model_stats"][0]["name"], "affine")


if __name__ == "__main__":
    unittest.main()

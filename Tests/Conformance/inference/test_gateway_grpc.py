"""The stock tritonclient against the gateway over gRPC.

SLIPWAY_GATEWAY_GRPC: host:port. Released: tumor, A on version 1 and B on version 2, half each; input X of three
numbers; the answer's 'label' is the version.
"""
import os
import queue
import time
import unittest
from collections import Counter

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

URL = os.environ["SLIPWAY_GATEWAY_GRPC"]
SECONDS = 60


def tensor(rows=1):
    value = triton.InferInput("X", [rows, 3], "FP32")
    value.set_data_from_numpy(np.ones((rows, 3), np.float32))
    return value


class Gateway(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(URL)
        self.addCleanup(self.client.close)

    def version(self, **named):
        return int(self.client.infer("tumor", [tensor()], **named).as_numpy("label")[0])

    def refused(self, status, pattern, call, *arguments, **named):
        with self.assertRaisesRegex(InferenceServerException, pattern) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.status(), f"StatusCode.{status}")

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("tumor"))
        self.assertTrue(self.client.is_model_ready("tumor", "2"))
        self.assertFalse(self.client.is_model_ready("tumor", "3"), "loaded, and not released")
        self.assertFalse(self.client.is_model_ready("none"))
        self.assertEqual(self.client.get_server_metadata().name, "slipway-gateway")
        metadata = self.client.get_model_metadata("tumor")
        self.assertEqual(sorted(metadata.versions), ["1", "2"])
        self.assertEqual([(i.name, i.datatype, list(i.shape)) for i in metadata.inputs], [("X", "FP32", [-1, 3])])
        self.refused("NOT_FOUND", "not released", self.client.get_model_metadata, "none")
        self.refused("UNIMPLEMENTED", "model server", self.client.load_model, "tumor")

    def test_standard_health(self):
        with grpc.insecure_channel(URL) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            end = time.monotonic() + SECONDS
            while check(b"", timeout=SECONDS) != bytes([8, 1]):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.1)

    def test_weights_and_stickiness(self):
        counts = Counter(self.version() for _ in range(200))
        self.assertEqual(set(counts), {1, 2})
        self.assertTrue(all(count > 50 for count in counts.values()), counts)
        for client in range(10):
            seen = {self.version(headers={"x-client-id": f"client-{client}"}) for _ in range(5)}
            self.assertEqual(len(seen), 1)
        self.assertEqual(len({self.version(headers={"x-client-id": f"client-{client}"}) for client in range(50)}), 2)

    def test_a_named_version_is_answered_by_it(self):
        for version in (1, 2):
            self.assertEqual({self.version(model_version=str(version)) for _ in range(10)}, {version})
        self.refused("NOT_FOUND", "version 3", self.version, model_version="3")

    def test_metadata_says_who_answered(self):
        request = service_pb2.ModelInferRequest(model_name="tumor", model_version="2", id="seven")
        entry = request.inputs.add(name="X", datatype="FP32", shape=[1, 3])
        entry.contents.fp32_contents.extend([1, 2, 3])
        with grpc.insecure_channel(URL) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            answer, call = stub.ModelInfer.with_call(request, timeout=SECONDS)
            metadata = dict(call.initial_metadata())
            self.assertEqual((answer.id, answer.model_name, answer.model_version), ("seven", "tumor", "2"))
            self.assertEqual(metadata["x-slipway-model"], "tumor")
            self.assertEqual(metadata["x-slipway-variant"], "B")
            self.assertEqual(metadata["x-slipway-version"], "2")
            self.assertIn("x-slipway-generation", metadata)
            entry.contents.fp32_contents.append(4)
            with self.assertRaises(grpc.RpcError) as caught:
                stub.ModelInfer(request, timeout=SECONDS)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)

    def test_refusals(self):
        self.refused("NOT_FOUND", "not released", self.client.infer, "none", [tensor()])
        wrong = triton.InferInput("X", [1, 4], "FP32")
        wrong.set_data_from_numpy(np.ones((1, 4), np.float32))
        self.refused("INVALID_ARGUMENT", "shape", self.client.infer, "tumor", [wrong])
        self.refused("INVALID_ARGUMENT", "x-client-id", self.version, headers={"x-client-id": "c" * 5000})

    def test_stream(self):
        answers = queue.Queue()
        self.client.start_stream(lambda result, error: answers.put((result, error)))
        self.addCleanup(self.client.stop_stream)
        for index in range(100):
            self.client.async_stream_infer("tumor" if index != 50 else "none", [tensor()], request_id=f"{index}")
        variants = Counter()
        for index in range(100):
            result, error = answers.get(timeout=SECONDS)
            if index == 50:
                self.assertIn("not released", error.message())
                continue
            self.assertIsNone(error)
            answer = result.get_response()
            self.assertEqual(answer.id, f"{index}")
            variants[answer.parameters["x-slipway-variant"].string_param] += 1
        self.assertEqual(set(variants), {"A", "B"})


if __name__ == "__main__":
    unittest.main()

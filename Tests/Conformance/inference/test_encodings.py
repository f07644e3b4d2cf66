"""Compressed bodies, and bodies that are a tensor's bytes and nothing else."""
import gzip
import json
import unittest
import zlib

import numpy as np
import tritonclient.http as http
from support import IS_TRITON, URL, install, install_types, request

X = np.arange(6, dtype=np.float32).reshape(2, 3)
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": X.flatten().tolist()}]}).encode()
RAW = {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"}


def setUpModule():
    client = http.InferenceServerClient(URL)
    for name, graph, config in (
        ("affine", "affine", ""), ("affine-batched", "affine", "max_batch_size: 8\n"), ("open", "open", ""),
        ("open-batched", "open", "max_batch_size: 8\n"), ("text", "text", ""),
    ):
        install(name, graph, config)
        client.load_model(name)
    install_types()
    client.load_model("types")


class Compression(unittest.TestCase):
    def test_every_pair_of_encodings(self):
        client = http.InferenceServerClient(URL)
        for sent in (None, "gzip", "deflate"):
            for wanted in (None, "gzip", "deflate"):
                for binary in (False, True):
                    value = http.InferInput("x", [2, 3], "FP32")
                    value.set_data_from_numpy(X, binary_data=binary)
                    result = client.infer(
                        "affine", [value], outputs=[http.InferRequestedOutput("y", binary_data=binary)],
                        request_compression_algorithm=sent, response_compression_algorithm=wanted)
                    np.testing.assert_array_equal(result.as_numpy("y"), 2 * X + 1)

    def test_an_answer_is_compressed_only_when_asked_and_says_so(self):
        for accept, used in (("gzip", "gzip"), ("deflate", "deflate"), ("gzip;q=0, deflate", "deflate"), ("br", None), ("identity", None), (None, None)):
            _, headers, body = request("/v2/models/affine/infer", BODY, {"Accept-Encoding": accept} if accept else {"Accept-Encoding": "identity"})
            self.assertEqual(headers.get("Content-Encoding"), used, accept)
            plain = gzip.decompress(body) if used == "gzip" else zlib.decompress(body) if used else body
            self.assertEqual(json.loads(plain)["outputs"][0]["data"], (2 * X + 1).flatten().tolist())

    @unittest.skipIf(IS_TRITON, "it takes what it could unpack of them")
    def test_damaged_bodies_are_refused(self):
        packed = gzip.compress(BODY)
        for body in (packed[:-9], packed[:10] + b"\xff" * 20, BODY, b""):
            status, _, answer = request("/v2/models/affine/infer", body, {"Content-Encoding": "gzip"})
            self.assertEqual(status, 400, body[:20])
            self.assertIn("error", json.loads(answer))

    def test_unknown_encodings_are_refused(self):
        status, _, answer = request("/v2/models/affine/infer", BODY, {"Content-Encoding": "br"})
        self.assertIn(status, (400, 501))
        self.assertIn("Unsupported compression type", json.loads(answer)["error"])

    @unittest.skipIf(IS_TRITON, "its limit is another")
    def test_a_bomb_ends_at_the_limit(self):
        bomb = gzip.compress(b" " * (200 << 20))
        self.assertLess(len(bomb), 300_000)
        status, _, answer = request("/v2/models/affine/infer", bomb, {"Content-Encoding": "gzip"})
        self.assertEqual(status, 429)
        self.assertIn("decompressed", json.loads(answer)["error"])

    @unittest.skipIf(IS_TRITON, "one member only")
    def test_a_gzip_body_of_several_members(self):
        packed = gzip.compress(BODY[:20]) + gzip.compress(BODY[20:])
        self.assertEqual(request("/v2/models/affine/infer", packed, {"Content-Encoding": "gzip"})[0], 200)


class Raw(unittest.TestCase):
    def answer(self, model, body, status=200):
        got, headers, answer = request(f"/v2/models/{model}/infer", body, RAW)
        self.assertEqual(got, status, answer)
        if status != 200:
            return json.loads(answer)["error"]
        length = int(headers["Inference-Header-Content-Length"])
        return json.loads(answer[:length])["outputs"][0], answer[length:]

    def test_the_variable_dimension_follows_from_the_bytes(self):
        output, data = self.answer("affine", X.tobytes())
        self.assertEqual(output["shape"], [2, 3])
        self.assertEqual(data, (2 * X + 1).tobytes())

    def test_a_batch_is_one(self):
        output, data = self.answer("affine-batched", X[:1].tobytes())
        self.assertEqual((output["shape"], data), ([1, 3], (2 * X[:1] + 1).tobytes()))
        self.assertIn("byte size mismatch", self.answer("affine-batched", X.tobytes(), 400))
        self.assertEqual(self.answer("open-batched", X.tobytes())[0]["shape"], [1, 6])

    def test_one_text(self):
        output, data = self.answer("text", b"a\xc3\xa9")
        self.assertEqual((output["shape"], data), ([1], b"\x03\0\0\0a\xc3\xa9"))

    def test_what_cannot_be_deduced_is_refused(self):
        self.assertIn("can not be deduced because there are more than one variable-sized dimension", self.answer("open", X.tobytes(), 400))
        self.assertIn("byte size mismatch", self.answer("affine", X.tobytes()[:-1], 400))
        self.assertIn("Raw request must only have 1 input", self.answer("types", X.tobytes(), 400))
        self.assertIn("unknown model", self.answer("none", X.tobytes(), 404).lower())


if __name__ == "__main__":
    unittest.main()

"""Every datatype, in binary and in JSON, against Python's onnxruntime."""
import json
import re
import unittest

import numpy as np
import tritonclient.http as http
from support import IS_TRITON, NUMPY, URL, infer, install, install_types, request, session

# Python in Triton has no arrays of BF16.
BINARY_ONLY = ("FP16",) if IS_TRITON else ("FP16", "BF16")
VALUES = {
    "BOOL": [True, False, True, True],
    "INT8": [-128, -1, 0, 127], "INT16": [-(2**15), -1, 0, 2**15 - 1],
    "INT32": [-(2**31), -1, 0, 2**31 - 1], "INT64": [-(2**63), -1, 0, 2**63 - 1],
    "UINT8": [0, 1, 128, 255], "UINT16": [0, 1, 2**15, 2**16 - 1],
    "UINT32": [0, 1, 2**31, 2**32 - 1], "UINT64": [0, 1, 2**63, 2**64 - 1],
    "FP16": [0.5, -65504.0, 6e-8, -0.0], "BF16": [0.5, -3.0, 2.0**100, -0.0],
    "FP32": [0.1, -3.4028235e38, 1e-45, -0.0], "FP64": [0.1, -1.7976931348623157e308, 5e-324, -0.0],
    "BYTES": ["", "héllo ✓", 'a"b\\c\n\t', "x" * 1000],
}
ARRAYS = {name: np.array(values, NUMPY[name]).reshape(2, 2) for name, values in VALUES.items() if not (IS_TRITON and name == "BF16")}


def setUpModule():
    install_types()
    install("affine", "affine")
    install("text", "text")
    client = http.InferenceServerClient(URL)
    client.load_model("types")
    client.load_model("affine")
    client.load_model("text")


def tensor(name, kind, array, binary):
    value = http.InferInput(name, list(array.shape), kind)
    value.set_data_from_numpy(array, binary_data=binary)
    return value


def text(array):
    return np.array([item.decode() if isinstance(item, bytes) else item for item in array.flatten()], object).reshape(array.shape)


class Types(unittest.TestCase):
    def setUp(self):
        self.client = http.InferenceServerClient(URL)

    def run_all(self, in_binary, out_binary):
        """in_binary, out_binary: datatype -> bool."""
        inputs = [tensor(f"in_{k}", k, a, in_binary(k)) for k, a in ARRAYS.items()]
        outputs = [http.InferRequestedOutput(f"out_{k}", binary_data=out_binary(k)) for k in ARRAYS]
        result = self.client.infer("types", inputs, outputs=outputs)
        for kind, array in ARRAYS.items():
            got = result.as_numpy(f"out_{kind}")
            self.assertEqual(result.get_output(f"out_{kind}")["datatype"], kind)
            if kind == "BYTES":
                np.testing.assert_array_equal(text(got), array)
            else:
                self.assertEqual(got.tobytes(), array.tobytes(), kind)

    def test_binary_both_ways_bit_for_bit(self):
        self.run_all(lambda kind: True, lambda kind: True)

    def test_json_both_ways(self):
        self.run_all(lambda kind: kind in BINARY_ONLY, lambda kind: kind in BINARY_ONLY)

    def test_json_and_binary_mixed_in_one_request(self):
        kinds = list(ARRAYS)
        for shift in (0, 1):
            mixed = lambda kind: kind in BINARY_ONLY or kinds.index(kind) % 2 == shift
            self.run_all(mixed, lambda kind: kind in BINARY_ONLY or not mixed(kind))

    def test_a_string_holds_any_bytes_and_only_text_goes_as_json(self):
        # Triton's Python backend cuts NUL bytes off an element's end.
        for item in (() if IS_TRITON else (b"\0",)) + (b"a\0b", b"", b"\xff\xfe"):
            value = tensor("x", "BYTES", np.array([item], object), True)
            result = self.client.infer("text", [value], outputs=[http.InferRequestedOutput("y", binary_data=True)])
            self.assertEqual(result.as_numpy("y").tolist(), [item])
        if not IS_TRITON:
            with self.assertRaisesRegex(Exception, "not UTF-8"):
                self.client.infer("text", [value], outputs=[http.InferRequestedOutput("y", binary_data=False)])

    def test_strings_that_are_too_few_or_too_many_are_counted(self):
        for count, pattern in ((0, "expected 1 string elements for inference input 'x' for model 'text', got 0"),
                               (2, "unexpected number of string elements 2 for inference input 'x' for model 'text', expecting 1")):
            value = http.InferInput("x", [1], "BYTES")
            value.set_data_from_numpy(np.array([b"x"], object))
            part = b"\1\0\0\0x" * count
            value._raw_data, value._parameters["binary_data_size"] = part, len(part)
            with self.assertRaisesRegex(Exception, pattern):
                self.client.infer("text", [value])

    @unittest.skipIf(IS_TRITON, "its messages since 2.60; the wheel's is older")
    def test_shapes_that_overflow_and_nests_that_are_too_deep_are_named(self):
        for shape, text in (([2**4, 2**60 + 2], "causes total element count to exceed maximum size of"),
                            ([2**2, 2**60 + 2], "byte size overflow for input 'x'"), ([2, -5], "Unable to parse 'shape'"),
                            ([2**40, 2**40, 0], "causes total element count"), ([0, 2**20, 2**20], "has more than")):
            status, _, answer = infer("affine", {"inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "data": [1]}]})
            self.assertIn(text, answer["error"])
            self.assertGreaterEqual(status, 400)
        for depth, accepted in ((50, True), (120, False)):
            data = [1.0, 2.0, 3.0]
            for _ in range(depth - 1):
                data = [data]
            status, _, answer = infer("affine", {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": data}]})
            self.assertEqual(status == 200, accepted, answer)
            if not accepted:
                self.assertIn("JSON nesting depth exceeds maximum allowed limit (100)", answer["error"])

    def test_half_precision_never_goes_as_json(self):
        for kind in BINARY_ONLY:
            inputs = [{"name": f"in_{k}", "datatype": k, "shape": [2, 2], "data": a.tolist() if k != kind else [1, 2, 3, 4]}
                      for k, a in ARRAYS.items() if k == kind or k not in BINARY_ONLY]
            status, _, answer = infer("types", {"inputs": inputs})
            self.assertEqual(status, 400)
            self.assertIn(f"receiving {kind} data via JSON is not supported", answer["error"])
        inputs = [tensor(f"in_{k}", k, a, True) for k, a in ARRAYS.items()]
        for kind in BINARY_ONLY:
            with self.assertRaisesRegex(Exception, f"sending {kind} data via JSON is not supported"):
                self.client.infer("types", inputs, outputs=[http.InferRequestedOutput(f"out_{kind}", binary_data=False)])

    def test_empty_tensors(self):
        inputs = [tensor(f"in_{k}", k, a[:0], True) for k, a in ARRAYS.items()]
        if IS_TRITON:
            self.skipTest("its Python backend makes a flat array of no strings")
        result = self.client.infer("types", inputs)
        for kind in ARRAYS:
            self.assertEqual(result.get_output(f"out_{kind}")["shape"], [0, 2])

    def test_numbers_out_of_their_type_are_refused(self):
        for kind, bad in (("INT8", 128), ("UINT8", -1), ("INT32", 2**31), ("UINT16", 2**16), ("UINT64", -1), ("INT64", 2**63), ("INT16", 1.5), ("BOOL", 2)):
            inputs = [{"name": f"in_{k}", "datatype": k, "shape": [1, 1], "data": [bad if k == kind else 0]}
                      for k in ARRAYS if k not in BINARY_ONLY + ("BYTES",)]
            self.assertIn(infer("types", {"inputs": inputs})[0], (400, 500) if IS_TRITON else (400,), kind)


class Numbers(unittest.TestCase):
    def setUp(self):
        random = np.random.default_rng(7)
        bits = random.integers(0, 2**32, 3000, dtype=np.uint32).view(np.float32)
        usual = random.normal(0, 10, 3000).astype(np.float32)
        self.x = np.concatenate([bits[np.isfinite(bits) & (np.abs(bits) < 1e38)], usual])
        self.x = self.x[: len(self.x) // 3 * 3].reshape(-1, 3)
        self.y = session("affine").run(None, {"x": self.x})[0]

    def test_binary_is_what_onnxruntime_computes(self):
        result = http.InferenceServerClient(URL).infer("affine", [tensor("x", "FP32", self.x, True)])
        self.assertEqual(result.as_numpy("y").tobytes(), self.y.tobytes())

    @unittest.skipIf(IS_TRITON, "it writes floats as doubles")
    def test_json_has_the_shortest_decimal_that_reads_back(self):
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": list(self.x.shape), "data": [float(v) for v in self.x.flatten()]}]}
        _, _, raw = request("/v2/models/affine/infer", json.dumps(body).encode())
        numbers = re.search(rb'"data":\[([^\]]*)\]', raw).group(1).split(b",")
        self.assertEqual(len(numbers), self.y.size)
        digits = lambda number: len(re.sub(r"e.*|[-.]", "", number).strip("0") or "0")
        for number, expected in zip(numbers, self.y.flatten()):
            self.assertEqual(np.float32(number), expected)
            shortest = np.format_float_scientific(expected, unique=True)
            self.assertEqual(digits(number.decode()), digits(shortest), (number, shortest))

    def test_json_nested_and_flat_are_one(self):
        x = self.x[:4]
        for data in (x.tolist(), [float(v) for v in x.flatten()], [x.tolist()]):
            status, _, answer = infer("affine", {"inputs": [{"name": "x", "datatype": "FP32", "shape": [4, 3], "data": data}]})
            self.assertEqual(status, 200)
            np.testing.assert_array_equal(np.array(answer["outputs"][0]["data"], np.float32), self.y[:4].flatten())


if __name__ == "__main__":
    unittest.main()

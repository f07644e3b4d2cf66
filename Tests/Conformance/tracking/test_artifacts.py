"""Artifacts through the stock mlflow client.

SLIPWAY_TRACKING_URI: the server. What `mlflow server` has too holds for it as well; SLIPWAY_TRACKING_ENGINE=mlflow leaves
out the rest (digests, and parts sent through the server).
"""
import contextlib
import hashlib
import os
import tempfile
import unittest

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from support import since

URI = os.environ["SLIPWAY_TRACKING_URI"]
REFERENCE = os.environ.get("SLIPWAY_TRACKING_ENGINE") == "mlflow"
mlflow.set_tracking_uri(URI)
PROXY = f"{URI}/api/2.0/mlflow-artifacts/artifacts"
ours = unittest.skipIf(REFERENCE, "not a feature of mlflow server on a folder")


@contextlib.contextmanager
def setting(**values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Base(unittest.TestCase):
    def setUp(self):
        self.client = MlflowClient(URI)
        self.run = self.client.create_run("0").info
        self.root = self.run.artifact_uri.removeprefix("mlflow-artifacts:/")
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = scratch.name

    def file(self, name, data):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        return path

    def back(self, path):
        with tempfile.TemporaryDirectory() as folder:
            with open(self.client.download_artifacts(self.run.run_id, path, folder), "rb") as file:
                return file.read()


class Files(Base):
    def test_names_and_empty(self):
        for name in ["a b.txt", "größe 日本.bin", "100%.txt", "a+b&c=d.txt", "..hidden", "x.tar.gz"]:
            self.client.log_artifact(self.run.run_id, self.file(name, name.encode()), "sub folder/é")
            self.assertEqual(self.back(f"sub folder/é/{name}"), name.encode())
        self.client.log_artifact(self.run.run_id, self.file("empty.bin", b""))
        self.assertEqual(self.back("empty.bin"), b"")
        self.assertEqual(len(self.client.list_artifacts(self.run.run_id, "sub folder/é")), 6)
        self.assertEqual([(f.path, f.file_size or 0) for f in self.client.list_artifacts(self.run.run_id) if not f.is_dir], [("empty.bin", 0)])

    def test_folder_replace_and_delete(self):
        for index in range(30):
            self.file(f"tree/{index % 3}/{index}.txt", str(index).encode())
        self.client.log_artifacts(self.run.run_id, os.path.join(self.folder, "tree"), "t")
        with tempfile.TemporaryDirectory() as folder:
            got = self.client.download_artifacts(self.run.run_id, "t", folder)
            self.assertEqual(sum(len(names) for _, _, names in os.walk(got)), 30)
        self.client.log_text(self.run.run_id, "new", "t/0/0.txt")
        self.assertEqual(self.back("t/0/0.txt"), b"new")
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
        repository = get_artifact_repository(self.run.artifact_uri)
        repository.delete_artifacts("t/0/0.txt")
        repository.delete_artifacts("t/1")
        repository.delete_artifacts("never was")
        self.assertEqual(len(self.client.list_artifacts(self.run.run_id, "t/0")), 9)
        self.assertEqual(self.client.list_artifacts(self.run.run_id, "t/1"), [])
        self.assertEqual([f.path for f in self.client.list_artifacts(self.run.run_id, "t")], ["t/0", "t/2"])
        with self.assertRaises(MlflowException):
            self.back("t/0/0.txt")

    def test_headers_and_ranges(self):
        self.client.log_text(self.run.run_id, "0123456789", "d/größe.json")
        url = f"{PROXY}/{self.root}/d/größe.json"
        whole = requests.get(url, timeout=60)
        self.assertEqual((whole.status_code, whole.text), (200, "0123456789"))
        self.assertEqual(whole.headers["Content-Type"].split(";")[0], "text/plain")
        self.assertEqual(whole.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(whole.headers["Content-Disposition"], "attachment; filename=groe.json; filename*=UTF-8''gr%C3%B6%C3%9Fe.json")
        self.assertEqual(whole.headers["Accept-Ranges"], "bytes")
        for text, part, place in [("bytes=0-3", "0123", "0-3"), ("bytes=-3", "789", "7-9"), ("bytes=4-", "456789", "4-9")]:
            answer = requests.get(url, headers={"Range": text}, timeout=60)
            self.assertEqual((answer.status_code, answer.text, answer.headers["Content-Range"]), (206, part, f"bytes {place}/10"))
        answer = requests.get(url, headers={"Range": "bytes=20-"}, timeout=60)
        self.assertEqual((answer.status_code, answer.headers["Content-Range"]), (416, "bytes */10"))
        for page in [f"{URI}/get-artifact?run_id={self.run.run_id}&path=d/gr%C3%B6%C3%9Fe.json"]:
            answer = requests.get(page, timeout=60)
            self.assertEqual((answer.text, answer.headers["X-Content-Type-Options"]), ("0123456789", "nosniff"))
            self.assertTrue(answer.headers["Content-Disposition"].startswith("attachment; "))
            again = requests.get(page, headers={"If-None-Match": answer.headers["ETag"]}, timeout=60)
            self.assertEqual((again.status_code, again.content), (304, b""))

    def test_refusals(self):
        def refused(answer, what):
            self.assertEqual(answer.status_code, 400, what)
            self.assertEqual((answer.json()["error_code"], answer.json()["message"]), ("INVALID_PARAMETER_VALUE", "Invalid path"), what)

        session = requests.Session()
        for path in ["%252e%252e/x", "a/%25252e%25252e/x", "%2Fetc/passwd", "C:/x", "a%23b", "file:%2F%2F%2Fetc/passwd"]:
            # MLflow's DELETE takes a first slash off and goes on.
            for method in ["GET", "PUT"] if path.startswith("%2F") else ["GET", "PUT", "DELETE"]:
                refused(session.request(method, f"{PROXY}/{path}", data=b"x" if method == "PUT" else None, timeout=60), f"{method} {path}")
        for path in ["../x", "/etc/passwd", "C:/x", "%2e%2e/x"]:
            refused(requests.get(f"{URI}/get-artifact", params={"run_id": self.run.run_id, "path": path}, timeout=60), path)
            refused(requests.get(f"{URI}/model-versions/get-artifact", params={"name": "nope", "version": "1", "path": path}, timeout=60), path)
            refused(requests.get(f"{URI}/api/2.0/mlflow/artifacts/list", params={"run_id": self.run.run_id, "path": path}, timeout=60), path)
            refused(requests.get(PROXY, params={"path": path}, timeout=60), path)
        absent = requests.get(f"{PROXY}/{self.root}/nope", timeout=60)
        self.assertEqual((absent.status_code, absent.json()["error_code"], absent.json()["message"]),
                         (404, "RESOURCE_DOES_NOT_EXIST", f"No such artifact: '{self.root}/nope'"))


@ours
class Digests(Base):
    def test_digest(self):
        data = os.urandom(100_000)
        self.client.log_artifact(self.run.run_id, self.file("a.bin", data))
        answer = requests.head(f"{PROXY}/{self.root}/a.bin", timeout=60)
        digest = hashlib.sha256(data).hexdigest()
        self.assertEqual((answer.headers["x-slipway-sha256"], answer.headers["ETag"]), (digest, f'"{digest}"'))
        self.assertEqual(answer.headers["Content-Length"], "100000")
        refused = requests.put(f"{PROXY}/{self.root}/b.bin", data=data, headers={"x-slipway-sha256": "0" * 64}, timeout=60)
        self.assertEqual(refused.status_code, 400)
        self.assertEqual([f.path for f in self.client.list_artifacts(self.run.run_id)], ["a.bin"])


@ours
class Parts(Base):
    small = {"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000000", "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "1000001"}

    def watch(self):
        seen = []
        send = requests.Session.send

        def sending(session, request, **named):
            seen.append((request.method, request.url.removeprefix(URI)))
            return send(session, request, **named)

        requests.Session.send = sending
        self.addCleanup(setattr, requests.Session, "send", send)
        return seen

    @since(3)
    def test_upload_as_the_server_advertises(self):
        seen = self.watch()
        data = os.urandom(5_000_000)
        with setting(**self.small):
            self.client.log_artifact(self.run.run_id, self.file("big.bin", data), "m")
            self.client.log_artifact(self.run.run_id, self.file("small.bin", b"x"), "m")
        self.assertEqual(sum("/mpu/parts/" in url for _, url in seen), 5)
        self.assertEqual(sum("/mpu/" in url for _, url in seen), 7)
        self.assertEqual(self.back("m/big.bin"), data)
        self.assertEqual([(f.path, f.file_size) for f in self.client.list_artifacts(self.run.run_id, "m")], [("m/big.bin", 5_000_000), ("m/small.bin", 1)])

    def test_upload_when_asked_for(self):
        data = os.urandom(2_000_002)
        with setting(MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD="true", **self.small):
            self.client.log_artifact(self.run.run_id, self.file("ö %.bin", data))
        self.assertEqual(self.back("ö %.bin"), data)

    @since(3)
    def test_failed_part_leaves_nothing(self):
        seen = self.watch()
        send = requests.Session.send

        def failing(session, request, **named):
            if "/mpu/parts/" in request.url and request.url.endswith("/2"):
                request.headers["x-slipway-sha256"] = "0" * 64
            return send(session, request, **named)

        requests.Session.send = failing
        with setting(**self.small), self.assertRaises(MlflowException):
            self.client.log_artifact(self.run.run_id, self.file("big.bin", os.urandom(3_000_000)))
        requests.Session.send = send
        self.assertEqual(self.client.list_artifacts(self.run.run_id), [])
        identifier = next(url.split("/")[-2] for _, url in seen if "/mpu/parts/" in url)
        self.assertIn(("POST", f"/api/2.0/mlflow-artifacts/mpu/abort/{self.root}"), seen)
        self.assertEqual(requests.get(f"{URI}/api/2.0/mlflow-artifacts/mpu/parts/{identifier}", timeout=60).status_code, 404)

    @since(3)
    def test_download_in_ranges(self):
        seen = self.watch()
        data = os.urandom(3_000_001)
        self.client.log_artifact(self.run.run_id, self.file("big.bin", data), "m")
        self.client.log_artifact(self.run.run_id, self.file("empty.bin", b""), "m")
        with setting(MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="true", MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE="1000000"):
            self.assertEqual(self.back("m/big.bin"), data)
            self.assertEqual(self.back("m/empty.bin"), b"")
        self.assertEqual(sum("/granted/" in url for _, url in seen), 4)

    @since(3)
    def test_model_of_parts_loads(self):
        import numpy as np
        import mlflow.sklearn
        from sklearn.ensemble import RandomForestClassifier

        x = np.random.default_rng(1).random((500, 4))
        model = RandomForestClassifier(100, random_state=1).fit(x, x[:, 0] > 0.5)
        with setting(MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE="10000", MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE="50000"):
            info = mlflow.sklearn.log_model(model, name="forest", serialization_format="cloudpickle")
        with setting(MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="true", MLFLOW_MULTIPART_DOWNLOAD_CHUNK_SIZE="70000"):
            loaded = mlflow.sklearn.load_model(info.model_uri)
        self.assertEqual(list(loaded.predict(x)), list(model.predict(x)))


if __name__ == "__main__":
    unittest.main()

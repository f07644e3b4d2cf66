"""The model server under pressure, as a process of its own: `make pressure`.

    .venv/bin/python Tests/Conformance/inference/pressure.py [swaps] [idle]

swaps  1,000 new versions of a model, each in place of the one before, under full load over HTTP and gRPC by stock
       clients: no request fails, and each answer is the version's that it names
idle   10,000 connections that say nothing, keep quiet after a request, or never end their head: the slow ones are
       ended by their limit, the others cost little memory, and clients that work notice nothing
"""
import argparse
import base64
import contextlib
import json
import pathlib
import re
import resource
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import numpy as np  # noqa: E402
import tritonclient.grpc as grpc  # noqa: E402
import tritonclient.http as http  # noqa: E402
from stack import END_SECONDS_MAX, ROOT, SLIPWAY, expect, free_url, get, port, until  # noqa: E402
import stack  # noqa: E402

SWAPS = 1000
CONNECTIONS = 10_000
# One of a listener's limits, docs/reference/http-limits.md: a head must come within 20 s; looked at every 5 s.
HEAD_SECONDS_MAX = 20 + 5 + 10
MEMORY_MIB_MAX = 250
X = np.array([[1, 2, 3]], np.float32)
GRAPHS = {0: (2, "affine.onnx"), 1: (3, "affine3.onnx")}
BODY = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}).encode()


@contextlib.contextmanager
def serving(folder):
    """`slipway serve` with the model "affine". -> its HTTP URL, its gRPC URL, its process."""
    place = folder / "models" / "affine" / "1"
    place.mkdir(parents=True)
    (place / "model.onnx").write_bytes(graph(0))
    url, grpc_url = free_url(), free_url()
    words = [SLIPWAY, "serve", "--http-port", port(url), "--grpc-port", port(grpc_url), "--metrics-port", "0",
             "--model-repository", folder / "models", "--load-model", "affine", "--home", folder / "home"]
    with open(folder / "log", "w") as log:
        child = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, cwd=ROOT)
    try:
        if not until(lambda: stack.answers(f"{url}/v2/models/affine/ready"), stack.READY_SECONDS_MAX):
            sys.exit(f"pressure: the model server was not ready: {(folder / 'log').read_text()[-2000:]}")
        yield url, grpc_url, child
    finally:
        child.terminate()
        try:
            expect("SIGTERM ends it cleanly", child.wait(END_SECONDS_MAX) == 0, child.returncode)
        except subprocess.TimeoutExpired:
            child.kill()
            expect("SIGTERM ends it", False)


def graph(number):
    return (ROOT / "Tests/Inference/Models" / GRAPHS[number % 2][1]).read_bytes()


def resident_mib(child):
    status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


class Callers:
    """Stock clients that ask as fast as they can until they are told to stop, and hold each answer to its version."""

    def __init__(self, url, grpc_url, each=2):
        self.done, self.asked, self.failures = threading.Event(), {"http": 0, "grpc": 0}, []
        self.threads = [threading.Thread(target=self.call, args=(kind, target)) for kind, target in
                        (("http", url), ("grpc", grpc_url)) for _ in range(each)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def call(self, kind, target):
        module = {"http": http, "grpc": grpc}[kind]
        client = module.InferenceServerClient(target.removeprefix("http://"))
        value = module.InferInput("x", [1, 3], "FP32")
        value.set_data_from_numpy(X)
        while not self.done.is_set():
            try:
                answer = client.infer("affine", [value])
                said = answer.get_response()
                version = int(said["model_version"] if kind == "http" else said.model_version)
                factor = GRAPHS[(version - 1) % 2][0]
                if not np.array_equal(answer.as_numpy("y"), factor * X + 1):
                    self.failures.append(f"{kind}: version {version} answered {answer.as_numpy('y')}")
            except Exception as error:
                self.failures.append(f"{kind}: {error}")
            self.asked[kind] += 1


def swaps(folder):
    with serving(folder) as (url, grpc_url, child):
        script = folder / "load.lua"
        script.write_text(f"wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\nwrk.body = [==[{BODY.decode()}]==]\n")
        load = subprocess.Popen(["wrk", "-t1", "-c16", "-d3600", "-s", script, f"{url}/v2/models/affine/infer"], stdout=subprocess.PIPE, text=True)
        began, first = time.monotonic(), resident_mib(child)
        with Callers(url, grpc_url) as callers:
            for number in range(1, SWAPS + 1):
                config = json.dumps({"backend": "onnxruntime"})
                parameters = {"config": config, f"file:{number + 1}/model.onnx": base64.b64encode(graph(number)).decode()}
                get(f"{url}/v2/repository/models/affine/load", json.dumps({"parameters": parameters}).encode())
        load.send_signal(signal.SIGINT)
        said = load.stdout.read()
        load.wait(END_SECONDS_MAX)
        took = time.monotonic() - began
        served = json.loads(get(f"{url}/v2/models/affine")[1])["versions"]
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors:.*", said)
        count = int(re.search(r"(\d+) requests in", said).group(1))
        print(f"{SWAPS} swaps in {took:.0f} s under {count} requests of wrk and {callers.asked} of stock clients; "
              f"resident {first:.0f} -> {resident_mib(child):.0f} MiB", flush=True)
        expect("the last version serves, alone", served == [str(SWAPS + 1)], served)
        expect("each kind of client was at work all the time", all(asked > SWAPS for asked in callers.asked.values()), callers.asked)
        expect("no request of a stock client failed or was answered by another version", not callers.failures, len(callers.failures), callers.failures[:3])
        expect("no request of the load failed", bad is None, bad and bad.group(0))


def idle(folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 512:
        sys.exit(f"pressure: {CONNECTIONS} connections need more open files than 'ulimit -Hn' allows: {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    beginnings = [
        b"", b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n", b"POST /v2/models/affine/infer HTTP/1.1\r\nhost: a\r\nx-slow: ",
    ]
    with serving(folder) as (url, grpc_url, child):
        alone = pace(url)
        before = resident_mib(child)
        held = []
        try:
            for number in range(CONNECTIONS):
                one = socket.create_connection(("127.0.0.1", int(port(url))), timeout=30)
                one.sendall(beginnings[number % 3])
                held.append(one)
            began = time.monotonic()
            with Callers(url, grpc_url, each=1) as callers:
                beside = pace(url)
                grown = resident_mib(child) - before
                slow = held[2::3]
                ended = told(slow, HEAD_SECONDS_MAX)
            print(f"{CONNECTIONS} connections: {grown:.0f} MiB more; median {alone:.2f} ms alone, {beside:.2f} ms beside them; "
                  f"the slow ones were ended {time.monotonic() - began:.0f} s after the last of them began", flush=True)
            expect(f"they cost less than {MEMORY_MIB_MAX} MiB", grown < MEMORY_MIB_MAX, grown)
            expect("every one that never ends its head is told 408", ended == {b"408": len(slow)}, ended)
            quiet = sum(is_open(one) for one in held[0::3] + held[1::3])
            expect("those that keep quiet are still there: their limit is longer", quiet == len(held) - len(slow), quiet)
            expect("no request of a working client failed", not callers.failures and min(callers.asked.values()) > 100, callers.asked, callers.failures[:3])
        finally:
            for one in held:
                one.close()
        expect("when they have gone the server is as it was", until(lambda: stack.answers(f"{url}/v2/health/ready"), 30) and pace(url) > 0)


def pace(url):
    """The median of 500 requests in milliseconds."""
    client = http.InferenceServerClient(url.removeprefix("http://"))
    value = http.InferInput("x", [1, 3], "FP32")
    value.set_data_from_numpy(X)
    times = []
    for _ in range(500):
        began = time.perf_counter()
        client.infer("affine", [value])
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] * 1000


def told(sockets, seconds):
    """-> status, or "closed" or "nothing" -> on how many connections it was told."""
    end, counts = time.monotonic() + seconds, {}
    with selectors.DefaultSelector() as selector:
        for one in sockets:
            selector.register(one, selectors.EVENT_READ)
        while selector.get_map() and time.monotonic() < end:
            for key, _ in selector.select(0.5):
                answer = key.fileobj.recv(4096)
                kind = answer.split(b" ")[1] if answer.startswith(b"HTTP/1.1 ") else b"closed"
                counts[kind] = counts.get(kind, 0) + 1
                selector.unregister(key.fileobj)
        if selector.get_map():
            counts["nothing"] = len(selector.get_map())
    return counts


def is_open(one):
    one.setblocking(False)
    try:
        while True:
            if not one.recv(4096):
                return False
    except BlockingIOError:
        return True
    except OSError:
        return False


TRIALS = {"swaps": swaps, "idle": idle}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", help="all if none is named")
    for name in parser.parse_args().trials or list(TRIALS):
        print(f"== {name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            TRIALS[name](pathlib.Path(folder))
    print(f"{stack.passed} passed, {stack.failed} failed")
    return 1 if stack.failed or not stack.passed else 0


if __name__ == "__main__":
    sys.exit(main())

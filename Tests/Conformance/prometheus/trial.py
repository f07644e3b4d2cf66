"""`slipway step observe` judges by a real Prometheus that scrapes two real gateways under traffic.

    bash ops/with-prometheus.sh .venv/bin/python Tests/Conformance/prometheus/trial.py

Everything is a process of its own, as in a cluster: tracking, model server, two gateways, the reconciler and
Debian's Prometheus. Where observe looks stands in envs/dev/platform.yaml. A candidate under traffic is
promoted; one without traffic, and one whose Prometheus is gone, is not.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
SLIPWAY = os.environ.get("SLIPWAY_BIN", str(ROOT / ".build/debug/slipway"))
PROMETHEUS = os.environ["SLIPWAY_PROMETHEUS_PROGRAM"]
GRAPH = ROOT / "Tests/Inference/Models/affine.onnx"
READY_SECONDS_MAX = 120
STEP_SECONDS_MAX = 180
END_SECONDS_MAX = 30
PAUSE_SECONDS = 0.01


def git(*words, cwd=None):
    subprocess.run(["git", "-c", "user.name=trial", "-c", "user.email=trial@example.com", *words], cwd=cwd, check=True, capture_output=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Stack:
    def __init__(self, folder):
        self.folder, self.children = folder, []
        self.tracking, self.server, self.prometheus = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        self.gateways = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
        self.repository = folder / "release.git"
        self.make_repository()
        self.start("tracking", SLIPWAY, "tracking", "--port", self.port(self.tracking), "--home", folder / "tracking")
        (folder / "models").mkdir()
        self.start("serve", SLIPWAY, "serve", "--http-port", self.port(self.server), "--grpc-port", "0", "--metrics-port", "0",
                   "--model-repository", folder / "models", "--home", folder / "serve")
        self.wait_for(f"{self.tracking}/health", f"{self.server}/v2/health/live")
        for number, url in enumerate(self.gateways):
            home = folder / f"gateway{number}"
            self.share_token(home)
            self.start(f"gateway{number}", SLIPWAY, "gateway", "--env", "dev", "--upstream", self.server, "--separate-models",
                       "--repository", self.repository, "--port", self.port(url), "--grpc-port", "0", "--home", home)
        self.wait_for(*(f"{url}/health" for url in self.gateways))
        self.share_token(folder / "reconciler")
        self.start("reconcile", SLIPWAY, "reconcile", "--env", "dev", "--repository", self.repository, "--port", "0", "--home", folder / "reconciler")
        self.start_prometheus()

    @staticmethod
    def port(url):
        return url.rsplit(":", 1)[1]

    def make_repository(self):
        tree = self.folder / "tree"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))
        git("clone", "--quiet", str(self.repository), str(tree))
        git("checkout", "--quiet", "-B", "main", cwd=tree)
        place = tree / "envs/dev"
        place.mkdir(parents=True)
        (place / "platform.yaml").write_text(
            "apiVersion: slipway.dev/v1\nkind: Platform\nmetadata: { name: dev }\nspec:\n"
            f"  tracking: {{ url: \"{self.tracking}\" }}\n  modelServers: [\"{self.server}\"]\n  gateways: {json.dumps(self.gateways)}\n"
            f"  observe:\n    prometheus:\n      url: \"{self.prometheus}\"\n      labels: {{ environment: dev }}\n      staleSeconds: 20\n"
        )
        git("add", "-A", cwd=tree)
        git("commit", "--quiet", "-m", "Begin", cwd=tree)
        git("push", "--quiet", "origin", "main", cwd=tree)

    def share_token(self, home):
        place = home / "dev"
        place.mkdir(parents=True, mode=0o700)
        (place / "token").touch(0o600)
        (place / "token").write_text("0123456789abcdef" * 4)

    def start(self, name, *words):
        with open(self.folder / f"{name}.log", "w") as log:
            child = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, cwd=ROOT)
        self.children.append((name, child))
        return child

    def start_prometheus(self):
        hosts = json.dumps([url.removeprefix("http://") for url in self.gateways])
        file = self.folder / "prometheus.yml"
        file.write_text(
            "global: { scrape_interval: 1s, scrape_timeout: 1s }\nscrape_configs:\n  - job_name: gateway\n"
            f"    static_configs: [{{ targets: {hosts}, labels: {{ environment: dev }} }}]\n"
        )
        address = self.prometheus.removeprefix("http://")
        self.prometheus_child = self.start("prometheus", PROMETHEUS, f"--config.file={file}", f"--storage.tsdb.path={self.folder}/data",
                                           f"--web.listen-address={address}", "--storage.tsdb.retention.time=1h")
        self.wait_for(f"{self.prometheus}/-/ready")

    def wait_for(self, *urls):
        end = time.monotonic() + READY_SECONDS_MAX
        for url in urls:
            while True:
                try:
                    urllib.request.urlopen(url, timeout=5).close()
                    break
                except OSError:
                    if time.monotonic() > end:
                        raise SystemExit(f"trial: '{url}' was not ready in {READY_SECONDS_MAX} s; logs in {self.folder}")
                    time.sleep(0.1)

    def end(self):
        for _, child in reversed(self.children):
            child.terminate()
        for _, child in reversed(self.children):
            try:
                child.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class Run:
    """The steps of one run, each a process, as an orchestrator would have them."""

    def __init__(self, stack, name, timeout):
        self.stack, self.name = stack, name
        self.project = stack.folder / f"project-{name}"
        shutil.copytree(ROOT / "Benchmarks/soak", self.project)
        file = self.project / "pipeline.yaml"
        text = file.read_text()
        changed = text.replace("window: 200ms, minRequests: 5, timeout: 30s", f"window: 3s, minRequests: 20, timeout: {timeout}")
        assert changed != text, "Benchmarks/soak/pipeline.yaml has other words than this trial knows"
        file.write_text(changed)

    def step(self, name, part=None):
        words = [SLIPWAY, "step", name, "--run", self.name, "--env", "dev", "--home", self.stack.folder / "steps", "--repository", self.stack.repository,
                 "--project", self.project, "--set", f"graph={GRAPH}", "--set", "factor=2", "--output", "json", *(["--part", part] if part else [])]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=STEP_SECONDS_MAX, cwd=ROOT)
        last = done.stdout.strip().splitlines()[-1:] or ["{}"]
        return done.returncode, json.loads(last[0]), done.stderr

    def go(self, *steps):
        for name in steps:
            code, outcome, said = self.step(*name.split(":"))
            if code != 0:
                raise SystemExit(f"trial: step '{name}' of run '{self.name}' ended with {code}: {outcome} {said[-2000:]}")

    def to_traffic(self):
        self.go("train", "evaluate", "register", "ready", "load", "smoke", "attach", "shift:50")

    def rest(self):
        return self.step("rollback")


class Traffic:
    """Requests to both gateways until it is ended."""

    def __init__(self, gateways):
        self.gateways, self.done, self.counts = gateways, threading.Event(), {}

    def __enter__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(len(self.gateways))
        self.futures = [self.pool.submit(self.send, url) for url in self.gateways]
        return self

    def __exit__(self, *_):
        self.done.set()
        for future in self.futures:
            future.result()
        self.pool.shutdown()

    def send(self, url):
        while not self.done.is_set():
            request = urllib.request.Request(f"{url}/predict", b'{"instances":[[1,2,3]]}', {"x-request-id": "trial"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                assert answer.headers["x-request-id"] == "trial"
                version = answer.headers["x-slipway-version"]
                self.counts[version] = self.counts.get(version, 0) + 1
            time.sleep(PAUSE_SECONDS)


passed = failed = 0


def expect(what, is_so, *facts):
    global passed, failed
    passed, failed = passed + bool(is_so), failed + (not is_so)
    print(f"{'ok     ' if is_so else 'FAILED '} {what}" + ("" if is_so else f": {facts}"), flush=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(pathlib.Path(folder))
        try:
            trial(stack)
        finally:
            stack.end()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def trial(stack):
    print(subprocess.run([PROMETHEUS, "--version"], capture_output=True, text=True).stdout.splitlines()[0], flush=True)
    first = Run(stack, "first", "60s")
    first.go("train", "evaluate", "register", "ready", "load", "smoke", "attach", "notify")

    healthy = Run(stack, "healthy", "60s")
    with Traffic(stack.gateways) as traffic:
        healthy.to_traffic()
        code, outcome, said = healthy.step("observe", "50")
        expect("a candidate under traffic passes, by what Prometheus has scraped", code == 0 and outcome.get("verdict") == "pass", code, outcome, said[-500:])
        code, outcome, said = healthy.step("shift", "100")
        expect("it gets all of the traffic", code == 0, code, outcome, said[-500:])
        code, outcome, said = healthy.step("observe", "100")
        expect("and passes again, against the champion's window before", code == 0 and outcome.get("verdict") == "pass", code, outcome, said[-500:])
        healthy.go("shift:promote", "notify")
    expect("both versions answered", set(traffic.counts) == {"1", "2"}, traffic.counts)

    silent = Run(stack, "silent", "8s")
    silent.to_traffic()
    code, outcome, said = silent.step("observe", "50")
    expect("without traffic the step is inconclusive, and no pass", code == 5 and outcome.get("verdict") == "inconclusive", code, outcome, said[-500:])
    code, outcome, said = silent.rest()
    expect("and is rolled back", outcome.get("runState") == "rolled-back", code, outcome, said[-500:])

    blind = Run(stack, "blind", "8s")
    with Traffic(stack.gateways):
        blind.to_traffic()
        stack.prometheus_child.terminate()
        stack.prometheus_child.wait(END_SECONDS_MAX)
        code, outcome, said = blind.step("observe", "50")
        expect("without Prometheus the step is inconclusive, whatever the traffic", code == 5 and outcome.get("verdict") == "inconclusive", code, outcome, said[-500:])
        expect("and says why", "Prometheus could not be reached" in " ".join(outcome.get("details", [])), outcome)
        code, outcome, said = blind.rest()
        expect("and is rolled back", outcome.get("runState") == "rolled-back", code, outcome, said[-500:])


if __name__ == "__main__":
    sys.exit(main())

"""What the trials share: our programs as processes of their own, as in a cluster, and the steps of runs on them.

SLIPWAY_BIN names the program; without it the debug build is tried.
"""
import concurrent.futures
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
SLIPWAY = os.environ.get("SLIPWAY_BIN", str(ROOT / ".build/debug/slipway"))
READY_SECONDS_MAX = 120
STEP_SECONDS_MAX = 180
END_SECONDS_MAX = 30
PAUSE_SECONDS = 0.01
LOG_CHARACTERS_MAX = 2000
ASKED = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}).encode()


def git(*words, cwd=None):
    subprocess.run(["git", "-c", "user.name=trial", "-c", "user.email=trial@example.com", *words], cwd=cwd, check=True, capture_output=True)


def free_url():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def port(url):
    return url.rsplit(":", 1)[1]


def get(url, body=None, headers=()):
    """-> headers, body of an answer that is a success; else an OSError."""
    with urllib.request.urlopen(urllib.request.Request(url, body, dict(headers)), timeout=30) as answer:
        return answer.headers, answer.read()


def until(holds, seconds):
    """Whether it came to hold in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


class Stack:
    def __init__(self, folder):
        self.folder, self.children = folder, {}
        self.repository = folder / "release.git"

    def make_repository(self, platform):
        """A release repository whose platform file of dev has this as its spec."""
        tree = self.folder / "tree"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))
        git("clone", "--quiet", str(self.repository), str(tree))
        git("checkout", "--quiet", "-B", "main", cwd=tree)
        place = tree / "envs/dev"
        place.mkdir(parents=True)
        spec = json.dumps(platform)  # JSON is YAML.
        (place / "platform.yaml").write_text(f"apiVersion: slipway.dev/v1\nkind: Platform\nmetadata: {{ name: dev }}\nspec: {spec}\n")
        git("add", "-A", cwd=tree)
        git("commit", "--quiet", "-m", "Begin", cwd=tree)
        git("push", "--quiet", "origin", "main", cwd=tree)

    def share_token(self, home):
        place = home / "dev"
        place.mkdir(parents=True, mode=0o700, exist_ok=True)
        (place / "token").touch(0o600)
        (place / "token").write_text("0123456789abcdef" * 4)

    def start(self, name, *words, cwd=ROOT):
        with open(self.folder / f"{name}.log", "a") as log:
            child = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, cwd=cwd)
        self.children[name] = child
        return child

    def start_gateways(self, urls, upstreams):
        for number, url in enumerate(urls):
            home = self.folder / f"gateway{number}"
            self.share_token(home)
            self.start(f"gateway{number}", SLIPWAY, "gateway", "--env", "dev", *(word for one in upstreams for word in ("--upstream", one)),
                       "--separate-models", "--repository", self.repository, "--port", port(url), "--grpc-port", "0", "--home", home)
        self.wait_for(*(f"{url}/health" for url in urls))

    def start_reconciler(self):
        self.share_token(self.folder / "reconciler")
        return self.start("reconcile", SLIPWAY, "reconcile", "--env", "dev", "--repository", self.repository, "--port", "0", "--home", self.folder / "reconciler")

    def wait_for(self, *urls):
        for url in urls:
            if not until(lambda url=url: answers(url), READY_SECONDS_MAX):
                raise SystemExit(f"trial: '{url}' was not ready in {READY_SECONDS_MAX} s")

    def end(self):
        for child in reversed(self.children.values()):
            child.terminate()
        for child in reversed(self.children.values()):
            try:
                child.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def say_logs(self):
        for name in self.children:
            print(f"-- {name}: {(self.folder / f'{name}.log').read_text()[-LOG_CHARACTERS_MAX:]}", flush=True)


def answers(url):
    try:
        get(url)
    except OSError:
        return False
    return True


class Run:
    """The steps of one run, each a process, as an orchestrator would have them. Its model is y = factor * x + 1."""

    GRAPHS = {2: "affine.onnx", 3: "affine3.onnx"}

    def __init__(self, stack, name, factor=2, window="3s", timeout="60s"):
        self.stack, self.name, self.factor = stack, name, factor
        self.project = stack.folder / f"project-{name}"
        shutil.copytree(ROOT / "Benchmarks/soak", self.project)
        file = self.project / "pipeline.yaml"
        text = file.read_text()
        changed = text.replace("window: 200ms, minRequests: 5, timeout: 30s", f"window: {window}, minRequests: 20, timeout: {timeout}")
        assert changed != text, "Benchmarks/soak/pipeline.yaml has other words than this trial knows"
        file.write_text(changed)

    def step(self, name, part=None):
        """-> exit code, outcome, what it said."""
        words = [SLIPWAY, "step", name, "--run", self.name, "--env", "dev", "--home", self.stack.folder / "steps", "--repository", self.stack.repository,
                 "--project", self.project, "--set", f"graph={ROOT / 'Tests/Inference/Models' / self.GRAPHS[self.factor]}",
                 "--set", f"factor={self.factor}", "--output", "json", *(["--part", part] if part else [])]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=STEP_SECONDS_MAX, cwd=ROOT)
        last = done.stdout.strip().splitlines()[-1:] or ["{}"]
        return done.returncode, json.loads(last[0]), done.stderr

    def go(self, *steps):
        """Steps, `name` or `name:part`, that must pass. -> the last one's outcome."""
        outcome = {}
        for name in steps:
            code, outcome, said = self.step(*name.split(":"))
            if code != 0:
                raise SystemExit(f"trial: step '{name}' of run '{self.name}' ended with {code}: {outcome} {said[-LOG_CHARACTERS_MAX:]}")
        return outcome


class Traffic:
    """Requests to each gateway until it is ended; what went wrong is kept."""

    def __init__(self, gateways, factors=None):
        """factors: version -> the factor that its answers must show."""
        self.gateways, self.factors = gateways, factors
        self.done, self.counts, self.failures = threading.Event(), {}, []

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
            try:
                headers, body = get(f"{url}/v2/models/soak/infer", ASKED, {"x-request-id": "trial"})
                version = headers["x-slipway-version"]
                self.counts[version] = self.counts.get(version, 0) + 1
                if headers["x-request-id"] != "trial":
                    self.failures.append(f"the request's id came back as {headers['x-request-id']}")
                if self.factors is not None:
                    self.check(version, json.loads(body))
            except OSError as error:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {error}")
            time.sleep(PAUSE_SECONDS)

    def check(self, version, answer):
        expected = [self.factors[version] * x + 1 for x in (1, 2, 3)]
        if answer["model_version"] != version or answer["outputs"][0]["data"] != expected:
            self.failures.append(f"version {version} answered {answer}")


passed = failed = 0


def expect(what, is_so, *facts):
    global passed, failed
    passed, failed = passed + bool(is_so), failed + (not is_so)
    print(f"{time.strftime('%H:%M:%S')} {'ok    ' if is_so else 'FAILED'} {what}" + ("" if is_so else f": {facts}"), flush=True)


def try_out(make, trial):
    """Runs a trial on the stack that is made in a folder for it. -> the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        stack = make(pathlib.Path(folder))
        try:
            stack.begin()
            trial(stack)
        except BaseException:
            stack.say_logs()
            raise
        finally:
            stack.end()
        if failed:
            stack.say_logs()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0

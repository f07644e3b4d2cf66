"""The example project under a real Airflow, against a real MLflow and our model server, gateway and reconciler.

Run by ops/airflow.sh, which starts MLflow and Airflow; starts the rest itself. Each trial says what it saw;
exit 1 when one of them saw something else. Arguments: names of trials, else all.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
SLIPWAY = os.environ["SLIPWAY_BIN"]
PROJECT = pathlib.Path(os.environ["SLIPWAY_PROJECTS"]) / "tumor"
START_SECONDS_MAX = 120
RUN_SECONDS_MAX = 900
END_SECONDS_MAX = 30
# Requests a second while a candidate is observed; the policy wants 40 in a window of two seconds at 10 %.
PAUSE_SECONDS = 0.004


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def git(*words, cwd=None):
    return subprocess.run(["git", "-c", "user.name=trial", "-c", "user.email=trial@example.com", *words], cwd=cwd, check=True, capture_output=True, text=True).stdout


class Stack:
    """Our own processes, as they are in a cluster: each alone."""

    def __init__(self, folder):
        self.folder, self.children = folder, []
        self.steps = pathlib.Path(os.environ["SLIPWAY_HOME"])
        self.repository = pathlib.Path(os.environ["SLIPWAY_REPOSITORY"])
        first = folder / "first"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(self.repository))
        git("clone", "--quiet", str(self.repository), str(first))
        git("checkout", "--quiet", "-B", "main", cwd=first)
        git("commit", "--quiet", "--allow-empty", "-m", "Begin", cwd=first)
        git("push", "--quiet", "origin", "main", cwd=first)
        self.tracking = os.environ["SLIPWAY_TRACKING"]
        self.server = os.environ["SLIPWAY_MODEL_SERVERS"]
        self.gateway = os.environ["SLIPWAY_GATEWAYS"]
        if os.environ.get("TRIAL_MODEL_SERVER") != "started":
            self.start("serve", "--http-port", self.server.rsplit(":", 1)[1], "--metrics-port", "0", "--model-repository", str(folder / "models"), "--home", str(folder / "serve"))
        self.wait_for(f"{self.server}/v2/health/live")
        home = folder / "gateway"
        self.start("gateway", "--env", "dev", "--upstream", self.server, "--separate-models", "--repository", str(self.repository), "--port", self.gateway.rsplit(":", 1)[1], "--home", str(home))
        self.wait_for(f"{self.gateway}/health")
        token = (home / "dev/token").read_text()
        place = folder / "reconciler/dev"
        place.mkdir(parents=True, mode=0o700)
        (place / "token").touch(0o600)
        (place / "token").write_text(token)
        self.start("reconcile", "--env", "dev", "--port", "0", "--home", str(folder / "reconciler"))

    def start(self, name, *words):
        log = open(self.folder / f"{name}.log", "w")
        (self.folder / "models").mkdir(exist_ok=True)
        self.children.append((name, subprocess.Popen([SLIPWAY, name, *words], stdout=log, stderr=log, cwd=ROOT)))

    def wait_for(self, url):
        end = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(url, timeout=5)
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
        for name, _ in self.children:
            say(f"{name}: {(self.folder / f'{name}.log').read_text()[-2000:]}")
        raise SystemExit(f"'{url}' did not answer")

    def end(self):
        for _, child in reversed(self.children):
            child.send_signal(signal.SIGTERM)
        codes = {}
        for name, child in self.children:
            try:
                codes[name] = child.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                child.kill()
                codes[name] = "killed"
        return codes

    def release(self):
        try:
            return git("show", "main:envs/dev/models/tumor.yaml", cwd=self.repository)
        except subprocess.CalledProcessError:
            return ""

    def champion(self):
        """The version that has all the traffic, as the gateway says; None without one."""
        with urllib.request.urlopen(f"{self.gateway}/models", timeout=10) as answer:
            models = json.load(answer)["models"]
        whole = [variant["version"] for model in models for variant in model["variants"] if variant["weight"] == 100]
        return whole[0] if len(whole) == 1 else None


class Traffic(threading.Thread):
    """Asks the gateway again and again; counts what it could not answer."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        rows = [[0.5] * 30]
        self.body = json.dumps({"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 30], "data": rows[0]}]}).encode()
        self.url, self.stopped = f"{gateway}/v2/models/tumor/infer", threading.Event()
        self.asked, self.failures = 0, []

    def run(self):
        while not self.stopped.is_set():
            request = urllib.request.Request(self.url, self.body, {"content-type": "application/json"})
            try:
                urllib.request.urlopen(request, timeout=10).read()
            except OSError as error:
                self.failures.append(str(error))
            self.asked += 1
            time.sleep(PAUSE_SECONDS)


def run(*settings, meanwhile=None):
    """One run through `slipway run --orchestrator airflow`: its exit code and outcome."""
    words = [word for setting in settings for word in ("--set", setting)]
    command = [SLIPWAY, "run", str(PROJECT), "--orchestrator", "airflow", "--output", "json", *words]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    told = []

    def read():
        for line in child.stderr:
            told.append(line.rstrip())
            say(f"    {line.rstrip()}")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    if meanwhile:
        meanwhile(told)
    try:
        out, _ = child.stdout.read(), child.wait(RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        child.kill()
        raise SystemExit("the run did not end") from None
    reader.join(10)
    return child.returncode, json.loads(out) if out.strip() else {}


def expect(what, is_so, *facts):
    say(f"{'ok  ' if is_so else 'FAIL'} {what}{': ' if facts else ''}{' '.join(str(fact) for fact in facts)}")
    if not is_so:
        expect.failed.append(what)


expect.failed = []


def first(stack):
    code, outcome = run("quality=baseline")
    expect("a first release is in service", code == 0 and outcome.get("state") == "succeeded", code, outcome.get("summary"))
    conditions = ["gateway-reloaded", "loaded", "notified", "ready", "registered", "smoke-passed"]
    expect("the six conditions hold", outcome.get("conditions") == conditions, outcome.get("conditions"))
    expect("the gateway serves it", stack.champion() == outcome.get("candidate"), stack.champion())


def better(stack):
    traffic = Traffic(stack.gateway)
    traffic.start()
    code, outcome = run("quality=better")
    traffic.stopped.set()
    expect("a better model replaces it by shifts", code == 0 and outcome.get("state") == "succeeded", code, outcome.get("summary"))
    expect("no request failed meanwhile", not traffic.failures, f"{traffic.asked} asked", traffic.failures[:2])
    expect("the gateway serves it alone", stack.champion() == outcome.get("candidate"), stack.champion())


def smoke(stack):
    before, text = stack.champion(), stack.release()
    code, outcome = run("quality=better", "golden=wrong")
    expect("a model that fails smoke is refused", code == 5 and outcome.get("state") == "refused", code, outcome.get("summary"))
    states = {step["name"]: step["state"] for step in outcome.get("steps", [])}
    expect("Airflow ran rollback", states.get("smoke") == "failed" and states.get("rollback") == "success", states)
    expect("what served serves on", stack.champion() == before and stack.release() == text, before)


def silent(stack):
    """Nobody asks: no verdict in the policy's time is no pass."""
    before = stack.champion()
    code, outcome = run("quality=better")
    expect("a candidate that nobody asks is rolled back", code == 5 and outcome.get("state") == "rolled-back", code, outcome.get("summary"))
    expect("the champion has all the traffic again", stack.champion() == before, before)


def killed(stack):
    """kill -9 of the scheduler and its workers while the candidate takes its first traffic."""
    pid_file = pathlib.Path(os.environ["AIRFLOW_SCHEDULER"])
    before = stack.champion()
    traffic = Traffic(stack.gateway)
    traffic.start()

    def kill(told):
        end = time.monotonic() + RUN_SECONDS_MAX
        while time.monotonic() < end and not any("attach" in line for line in told):
            time.sleep(0.2)
        os.killpg(int(pid_file.read_text()), signal.SIGKILL)
        say("    scheduler and workers killed (SIGKILL)")
        subprocess.run([os.environ["AIRFLOW_START_SCHEDULER"]], check=True)

    code, outcome = run("quality=better", meanwhile=kill)
    traffic.stopped.set()
    state = outcome.get("state")
    expect("after kill -9 the run ends finished or rolled back", (code, state) in [(0, "succeeded"), (5, "rolled-back"), (5, "refused")], code, state, outcome.get("summary"))
    wanted = outcome.get("candidate") if state == "succeeded" else before
    expect("one version has all the traffic", stack.champion() == wanted, stack.champion())
    expect("no request failed meanwhile", not traffic.failures, f"{traffic.asked} asked", traffic.failures[:2])


TRIALS = {"first": first, "better": better, "smoke": smoke, "silent": silent, "killed": killed}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", help=f"of {', '.join(TRIALS)}")
    names = parser.parse_args().trials or list(TRIALS)
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(pathlib.Path(folder))
        try:
            for name in names:
                say(f"== {name}")
                TRIALS[name](stack)
        finally:
            codes = stack.end()
            if expect.failed:
                for name in codes:
                    say(f"-- {name}: {(stack.folder / f'{name}.log').read_text()[-1500:]}")
        expect("SIGTERM ends every process of ours cleanly", all(code == 0 for code in codes.values()), codes)
    if expect.failed:
        sys.exit(f"airflow: failed: {'; '.join(expect.failed)}")


main()

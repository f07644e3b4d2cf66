"""The road of a model on two replicas of a real Triton and a real MLflow, over kill -9 of whatever serves.

    bash ops/with-mlflow.sh .venv/bin/python Tests/Conformance/triton/trial.py

Two Tritons, our gateway and our reconciler are processes of their own, as in a cluster. A replica that comes back
empty is filled again; one that cannot load a version keeps its release from succeeding.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from stack import ASKED, END_SECONDS_MAX, ROOT, Run, Stack, Traffic, answers, expect, free_url, get, port, try_out, until  # noqa: E402

TRITON_VENV = ROOT / ".tools/rivals/triton"
REPAIR_SECONDS_MAX = 120
ROAD = ("train", "evaluate", "register", "ready", "load", "smoke", "attach")
CONDITIONS = ["gateway-reloaded", "loaded", "notified", "ready", "registered", "smoke-passed"]


class Replica:
    """One Triton, whose models come by loads alone: after a restart it is empty."""

    def __init__(self, stack, name):
        self.stack, self.name, self.url = stack, name, free_url()
        self.ports = [port(self.url), port(free_url()), port(free_url())]

    def start(self, has_backend=True):
        folder = self.stack.folder / self.name
        shutil.rmtree(folder, ignore_errors=True)
        backend = folder / "backends/onnxruntime"
        backend.mkdir(parents=True)
        (folder / "models").mkdir()
        if has_backend:
            shutil.copy(ROOT / "Tests/Conformance/triton/onnxruntime.py", backend / "model.py")
        words = ["bash", str(ROOT / "Benchmarks/rivals/triton/start.sh"), str(TRITON_VENV), str(folder), str(folder / "models"), *self.ports]
        with open(self.stack.folder / f"{self.name}.log", "a") as log:
            # A session of its own: each model is a process, and all of them are to end.
            self.child = subprocess.Popen(words, stdout=log, stderr=log, cwd=ROOT, start_new_session=True)
        self.stack.children[self.name] = self.child
        self.stack.wait_for(f"{self.url}/v2/health/live")

    def kill(self):
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait(END_SECONDS_MAX)

    def has(self, version):
        return answers(f"{self.url}/v2/models/soak-v{version}/ready")

    def answer(self, version):
        return json.loads(get(f"{self.url}/v2/models/soak-v{version}/infer", ASKED)[1])["outputs"][0]["data"]


class TritonStack(Stack):
    def begin(self):
        self.replicas = [Replica(self, "triton0"), Replica(self, "triton1")]
        self.gateways = [free_url()]
        servers = [replica.url for replica in self.replicas]
        self.make_repository({"tracking": {"url": os.environ["SLIPWAY_MLFLOW_URL"]}, "modelServers": servers, "gateways": self.gateways})
        for replica in self.replicas:
            replica.start()
        self.start_gateways(self.gateways, servers)
        self.start_reconciler()

    def end(self):
        super().end()
        for replica in self.replicas:
            try:
                os.killpg(replica.child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def trial(stack):
    print(f"Triton {json.loads(get(f'{stack.replicas[0].url}/v2')[1])['version']}", flush=True)
    outcome = Run(stack, "first").go(*ROAD, "notify")
    expect("a first release is in service", outcome.get("runState") == "succeeded", outcome)
    expect("the six conditions hold", outcome.get("conditions") == CONDITIONS, outcome)
    expect("both replicas have it", all(replica.has(1) for replica in stack.replicas))

    with Traffic(stack.gateways, factors={"1": 2, "2": 3}) as traffic:
        one, other = stack.replicas
        one.kill()
        expect("without one replica the other serves", until(lambda: len(traffic.failures) == 0 and sum(traffic.counts.values()) > 100, 30), traffic.counts)
        one.start()
        expect("a replica that comes back empty is filled", until(lambda: one.has(1), REPAIR_SECONDS_MAX))
        expect("and answers as it did", one.answer(1) == [3, 5, 7], one.answer(1))

        second = Run(stack, "second", factor=3)
        outcome = second.go(*ROAD, "shift:50", "observe:50", "shift:100", "observe:100", "shift:promote", "notify")
        expect("a second version replaces it by shifts", outcome.get("runState") == "succeeded", outcome)
        expect("both replicas have it", all(replica.has(2) and replica.answer(2) == [4, 7, 10] for replica in stack.replicas))

        other.kill()
        other.start(has_backend=False)
        third = Run(stack, "third")
        third.go("train", "evaluate", "register", "ready")
        code, outcome, said = third.step("load")
        expect("a replica that cannot load keeps the release from succeeding", code in (5, 7), code, outcome)
        expect("and is named", other.url in json.dumps(outcome) + said, outcome, said[-500:])
        code, outcome, said = third.step("rollback")
        expect("the run goes no further", outcome.get("runState") in ("refused", "rolled-back", "failed"), code, outcome, said[-500:])
        other.kill()
        other.start()
        expect("mended, it is filled with what Git says", until(lambda: other.has(2), REPAIR_SECONDS_MAX))
        expect("and with nothing else that is new", not other.has(3))

        stack.children["reconcile"].kill()
        stack.children["reconcile"].wait(END_SECONDS_MAX)
        for replica in stack.replicas:
            expect("what serves does not need the reconciler", replica.answer(2) == [4, 7, 10])
        one.kill()
        one.start()
        stack.start_reconciler()
        expect("a reconciler that was killed carries on and fills it", until(lambda: one.has(2), REPAIR_SECONDS_MAX))
    expect("both versions answered", set(traffic.counts) == {"1", "2"}, traffic.counts)
    expect("no request failed or was answered by another version", not traffic.failures, len(traffic.failures), traffic.failures[:3])


if __name__ == "__main__":
    sys.exit(try_out(TritonStack, trial))

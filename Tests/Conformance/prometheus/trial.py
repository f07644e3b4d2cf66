"""`slipway step observe` judges by a real Prometheus that scrapes two real gateways under traffic.

    bash ops/with-prometheus.sh .venv/bin/python Tests/Conformance/prometheus/trial.py

Everything is a process of its own, as in a cluster: tracking, model server, two gateways, the reconciler and
Debian's Prometheus. Where observe looks stands in envs/dev/platform.yaml. A candidate under traffic is
promoted; one without traffic, and one whose Prometheus is gone, is not.
"""
import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from stack import END_SECONDS_MAX, SLIPWAY, Run, Stack, Traffic, expect, free_url, port, try_out  # noqa: E402

PROMETHEUS = os.environ["SLIPWAY_PROMETHEUS_PROGRAM"]
ROAD_TO_TRAFFIC = ("train", "evaluate", "register", "ready", "load", "smoke", "attach", "shift:50")


class ScrapedStack(Stack):
    def begin(self):
        tracking, server, self.prometheus = free_url(), free_url(), free_url()
        self.gateways = [free_url(), free_url()]
        prometheus = {"url": self.prometheus, "labels": {"environment": "dev"}, "staleSeconds": 20}
        self.make_repository({
            "tracking": {"url": tracking}, "modelServers": [server], "gateways": self.gateways, "observe": {"prometheus": prometheus},
        })
        self.start("tracking", SLIPWAY, "tracking", "--port", port(tracking), "--home", self.folder / "tracking")
        (self.folder / "models").mkdir()
        self.start("serve", SLIPWAY, "serve", "--http-port", port(server), "--grpc-port", "0", "--metrics-port", "0",
                   "--model-repository", self.folder / "models", "--home", self.folder / "serve")
        self.wait_for(f"{tracking}/health", f"{server}/v2/health/live")
        self.start_gateways(self.gateways, [server])
        self.start_reconciler()
        self.start_prometheus()

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


def trial(stack):
    print(subprocess.run([PROMETHEUS, "--version"], capture_output=True, text=True).stdout.splitlines()[0], flush=True)
    Run(stack, "first").go("train", "evaluate", "register", "ready", "load", "smoke", "attach", "notify")

    healthy = Run(stack, "healthy")
    with Traffic(stack.gateways) as traffic:
        healthy.go(*ROAD_TO_TRAFFIC)
        code, outcome, said = healthy.step("observe", "50")
        expect("a candidate under traffic passes, by what Prometheus has scraped", code == 0 and outcome.get("verdict") == "pass", code, outcome, said[-500:])
        code, outcome, said = healthy.step("shift", "100")
        expect("it gets all of the traffic", code == 0, code, outcome, said[-500:])
        code, outcome, said = healthy.step("observe", "100")
        expect("and passes again, against the champion's window before", code == 0 and outcome.get("verdict") == "pass", code, outcome, said[-500:])
        healthy.go("shift:promote", "notify")
    expect("both versions answered", set(traffic.counts) == {"1", "2"}, traffic.counts)
    expect("no request failed", not traffic.failures, traffic.failures[:3])

    silent = Run(stack, "silent", timeout="8s")
    silent.go(*ROAD_TO_TRAFFIC)
    code, outcome, said = silent.step("observe", "50")
    expect("without traffic the step is inconclusive, and no pass", code == 5 and outcome.get("verdict") == "inconclusive", code, outcome, said[-500:])
    code, outcome, said = silent.step("rollback")
    expect("and is rolled back", outcome.get("runState") == "rolled-back", code, outcome, said[-500:])

    blind = Run(stack, "blind", timeout="8s")
    with Traffic(stack.gateways):
        blind.go(*ROAD_TO_TRAFFIC)
        stack.prometheus_child.terminate()
        stack.prometheus_child.wait(END_SECONDS_MAX)
        code, outcome, said = blind.step("observe", "50")
        expect("without Prometheus the step is inconclusive, whatever the traffic", code == 5 and outcome.get("verdict") == "inconclusive", code, outcome, said[-500:])
        expect("and says why", "Prometheus could not be reached" in " ".join(outcome.get("details", [])), outcome)
        code, outcome, said = blind.step("rollback")
        expect("and is rolled back", outcome.get("runState") == "rolled-back", code, outcome, said[-500:])


if __name__ == "__main__":
    sys.exit(try_out(ScrapedStack, trial))

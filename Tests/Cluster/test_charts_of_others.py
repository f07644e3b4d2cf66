"""The rules that know charts of others: shown what they let through, and what they do not.

    .tools/venv/bin/python Tests/Cluster/test_charts_of_others.py
"""

import base64
import unittest
from types import SimpleNamespace

import network
import references
import workloads
from report import Report
from tree import Deployed, pods_of_operator, without_nulls


def application(app, env="dev", layer="baseline"):
    return {
        "kind": "Application",
        "metadata": {"name": f"{app}-{env}", "labels": {"app.kubernetes.io/name": app, "slipway.dev/env": env, "slipway.dev/layer": layer}},
        "spec": {"destination": {"namespace": f"{app}-{env}"}},
    }


def named(kind, name, **rest):
    return {"kind": kind, "metadata": {"name": name, "namespace": "x-dev"}, **rest}


class Rules(unittest.TestCase):
    def failures(self, rule, check, *arguments):
        report = Report()
        check(report, *arguments)
        return report.failures[rule]

    def test_a_null_is_a_field_that_is_not_there(self):
        self.assertEqual(without_nulls({"a": None, "b": [{"c": None, "d": 0}], "e": ""}), {"b": [{"d": 0}], "e": ""})

    def test_only_alertmanagers_configuration_may_be_a_secret_and_only_without_credentials(self):
        def secret(name, text, key="alertmanager.yaml"):
            return named("Secret", name, data={key: base64.b64encode(text.encode()).decode()})

        quiet = "receivers:\n  - name: slack\n    slack_configs: [{ api_url_file: /etc/webhook }]\n"
        self.assertFalse(self.failures("secrets", workloads._secret, secret("alertmanager-main", quiet)))
        self.assertFalse(self.failures("secrets", workloads._secret, named("Secret", "token", type="kubernetes.io/service-account-token")))
        for item in (
            secret("main", quiet), secret("alertmanager-main", quiet, key="password"),
            secret("alertmanager-main", "global:\n  api_url: https://chat.example/hook\n"),
            secret("alertmanager-main", "      - password: hunter\n"),
        ):
            self.assertTrue(self.failures("secrets", workloads._secret, item), item)

    def test_pods_that_an_operator_makes_can_be_selected(self):
        prometheus = named("Prometheus", "main", spec={"podMetadata": {"labels": {"team": "a"}}})
        labels = pods_of_operator(prometheus)["metadata"]["labels"]
        self.assertEqual((labels["app.kubernetes.io/name"], labels["team"]), ("prometheus", "a"))
        self.assertIsNone(pods_of_operator(named("Deployment", "main")))

    def test_a_monitor_finds_its_service_in_the_namespace_that_it_names(self):
        service = named("Service", "statsd", spec={"ports": [{"name": "scrape"}]})
        service["metadata"]["labels"] = {"component": "statsd"}
        watching, watched = Deployed(application("stack")), Deployed(application("airflow"), [service])
        tree = SimpleNamespace(deployed=[watching, watched])

        def monitor(port, **selector):
            return named("ServiceMonitor", "m", spec={
                "selector": selector, "endpoints": [{"port": port}], "namespaceSelector": {"matchNames": ["airflow-dev"]},
            })

        def failures(item):
            return self.failures("selectors", references._monitor, tree, watching, item)

        self.assertFalse(failures(monitor("scrape", matchLabels={"component": "statsd"})))
        self.assertFalse(failures(monitor("scrape", matchExpressions=[{"key": "component", "operator": "In", "values": ["statsd"]}])))
        self.assertTrue(failures(monitor("metrics", matchLabels={"component": "statsd"})))
        self.assertTrue(failures(monitor("scrape", matchExpressions=[{"key": "component", "operator": "DoesNotExist"}])))

    def test_a_rule_without_ports_or_peers_lets_in(self):
        def lets_in(rule):
            entry = SimpleNamespace(objects=[named("NetworkPolicy", "p", spec={"podSelector": {}, "ingress": [rule]})])
            return network._allowed(entry, [{"app": "a"}], "other-dev", 80)

        peer = {"namespaceSelector": {"matchLabels": {network.NAMESPACE: "other-dev"}}}
        self.assertTrue(lets_in({}) and lets_in({"from": [peer]}) and lets_in({"ports": [{"port": 80}]}))
        self.assertFalse(lets_in({"ports": [{"port": 81}]}) or lets_in({"from": [{"podSelector": {}}]}))

    def test_what_is_ours_keeps_a_stricter_rule_than_what_others_wrote(self):
        def pod(**labels):
            item = named("StatefulSet", "s", spec={
                "template": {"metadata": {}, "spec": {"containers": []}}, "volumeClaimTemplates": [{"metadata": {"name": "logs"}}],
            })
            item["metadata"]["labels"] = {"app.kubernetes.io/part-of": "slipway", **labels}
            return item

        def claims(item):
            return [text for text in self.failures("labels", workloads._labels, Deployed(application("airflow")), item) if "claim" in text]

        self.assertTrue(claims(pod(**{"app.kubernetes.io/component": "database"})))
        self.assertFalse(claims(pod(component="scheduler")))


if __name__ == "__main__":
    unittest.main()

"""The charts with other values than this repository's environments use: each must hold the same rules."""

import copy

import network
import references
import workloads
from tree import Deployed

# application, what it shows, values, secrets that they name
VARIANTS = [
    ("mlflow", "a database of your own", {"database": {"externalSecret": "own-database", "externalCidrs": ["10.1.0.0/28"]}}, {"own-database": ["dsn"]}),
    ("mlflow", "another S3", {"s3": {"endpoint": "https://s3.example.com:443", "cidrs": ["203.0.113.0/24"]}, "metrics": {"enabled": False}}, {}),
    ("mlflow", "several replicas, an ingress", {"replicas": 3, "allowedHosts": ["mlflow.example.com"], "clients": [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}, "podSelector": {"matchLabels": {"app": "ingress"}}}]}, {}),
    ("triton", "GPUs", {"gpus": 2, "arguments": ["--backend-config=onnxruntime,default-max-batch-size=0"]}, {}),
    ("triton", "another S3", {"s3": {"endpoint": "https://s3.example.com:443", "cidrs": ["203.0.113.0/24"]}, "metrics": {"enabled": False}}, {}),
    ("gateway", "a repository that needs a key", {"git": {"secret": "gateway-git", "url": "git@git.example.org:x.git", "cidrs": ["203.0.113.7/32"]}}, {}),
    ("gateway", "no autoscaling, no metrics", {"gateway": {"autoscaling": {"enabled": False}}, "metrics": {"enabled": False}}, {}),
    ("gateway", "another S3", {"s3": {"endpoint": "https://s3.example.com:443", "cidrs": ["203.0.113.0/24"]}, "reconciler": {"storageClass": "fast"}}, {}),
]

# application, values that the chart must refuse, part of what it says
REFUSED = [
    ("mlflow", {"database": {"externalSecret": "own-database"}}, "database.externalCidrs"),
    ("mlflow", {"s3": {"endpoint": "https://s3.example.com:443"}}, "s3.cidrs"),
    ("mlflow", {"s3": {"endpoint": "s3.example.com"}}, "endpoint"),
    ("mlflow", {"image": {"tag": "latest"}}, "tag"),
    ("mlflow", {"image": {"digest": "sha256:abc"}}, "digest"),
    ("triton", {"replicas": 0}, "replicas"),
    ("triton", {"resources": {"requests": {"cpu": "lots"}}}, "cpu"),
    ("gateway", {"git": {"ports": []}}, "ports"),
    ("gateway", {"gateway": {"autoscaling": {"replicasMin": 5, "replicasMax": 2}}}, "replicasMax"),
    ("gateway", {"gateway": {"logLevel": "loud"}}, "logLevel"),
]


def check(report, tree, schemas):
    for app, title, values, secrets in VARIANTS:
        original = next((entry for entry in tree.deployed if entry.name == f"{app}-dev"), None)
        if original is None:
            continue
        report.context = f"{app} with {title}: "
        entry = Deployed(original.application)
        entry.objects = render(tree, original, values)
        changed = copy.copy(tree)
        changed.catalogue = copy.deepcopy(tree.catalogue)
        known = changed.app(app).setdefault("secrets", [])
        known += [{"name": name, "keys": keys} for name, keys in secrets.items()]
        changed.deployed = [entry if other is original else other for other in tree.deployed]
        for item in entry.objects:
            schemas.check(report, item, entry.name)
        for module in (workloads, references, network):
            module.check(report, changed)
        report.context = ""
    for app, values, part in REFUSED:
        original = next((entry for entry in tree.deployed if entry.name == f"{app}-dev"), None)
        if original is None:
            continue
        try:
            render(tree, original, values)
            report.check("variants", False, f"{app} takes {values}")
        except Exception as error:  # What it raises is what is looked at.
            report.check("variants", part in str(error), f"{app} refuses {values} with other words: {error}")


def render(tree, entry, values):
    source = entry.application["spec"]["sources"][0]
    objects = tree.template(source["helm"]["releaseName"], source["path"], entry.namespace, source["helm"]["valueFiles"], values)
    for item in objects:
        item["metadata"].setdefault("namespace", entry.namespace)
    return objects

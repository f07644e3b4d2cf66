"""Renders the tree as Argo CD would: roots, projects, parents, applications, and what each of them deploys."""

import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import yaml

KUBERNETES = "1.36.2"
REVISION = "0123456789abcdef0123456789abcdef01234567"
HELM_SECONDS_MAX = 120
CLUSTER_KINDS = {
    "Namespace", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration", "PriorityClass", "StorageClass", "PersistentVolume", "APIService",
}


# Of the pods that the Prometheus operator makes: kind → its name in labels, its own port; all have the reloader beside.
MADE_BY_OPERATOR = {"Prometheus": ("prometheus", 9090), "Alertmanager": ("alertmanager", 9093)}


class RenderError(Exception):
    pass


@dataclass
class Deployed:
    """One Application and what it puts into the cluster."""

    application: dict
    objects: list = field(default_factory=list)
    absent: str = ""

    @property
    def name(self):
        return self.application["metadata"]["name"]

    @property
    def app(self):
        return self.application["metadata"]["labels"]["app.kubernetes.io/name"]

    @property
    def env(self):
        return self.application["metadata"]["labels"]["slipway.dev/env"]

    @property
    def layer(self):
        return self.application["metadata"]["labels"]["slipway.dev/layer"]

    @property
    def namespace(self):
        return self.application["spec"]["destination"]["namespace"]


class Tree:
    def __init__(self, root, helm):
        self.root, self.helm = Path(root), str(helm)
        self.catalogue = self.load("apps/catalogue.yaml")
        self.common = self.load("envs/common.yaml")
        self.projects, self.roots, self.sets, self.parents, self.deployed = {}, [], [], [], []

    def load(self, path):
        return yaml.safe_load((self.root / path).read_text())

    @property
    def environments(self):
        return self.catalogue["environments"]

    def app(self, name):
        return next(app for app in self.catalogue["apps"] if app["name"] == name)

    def template(self, release, chart, namespace, files=(), values=None, parameters=()):
        """The objects that `helm template` makes of a chart."""
        command = [self.helm, "template", release, str(self.root / chart), "--namespace", namespace, "--include-crds", "--skip-tests"]
        command += ["--kube-version", KUBERNETES, "--api-versions", "monitoring.coreos.com/v1"]
        for file in files:
            command += ["--values", str(self.root / file.lstrip("/"))]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as inline:
            if values:
                yaml.safe_dump(values, inline)
                inline.flush()
                command += ["--values", inline.name]
            for parameter in parameters:
                text = parameter["value"].replace("$ARGOCD_APP_REVISION", REVISION)
                command += ["--set-string" if parameter.get("forceString") else "--set", f"{parameter['name']}={text}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=HELM_SECONDS_MAX)
        if done.returncode:
            raise RenderError(f"helm template {chart}: {done.stderr.strip()}")
        return [without_nulls(item) for item in yaml.safe_load_all(done.stdout) if item]

    def render(self):
        """Follows bootstrap → roots → parents → applications."""
        for item in self.template("bootstrap", "bootstrap", "argocd", ["envs/common.yaml"]):
            self._take(item)
        for root in list(self.roots):
            for item in self.sources_of(root)[0]:
                self._take(item)
        for made in self.sets:
            self.parents += expand(made)
        for parent in self.parents:
            for child in self.sources_of(parent)[0]:
                self.deployed.append(Deployed(child))
        # A detached layer is checked as if it were attached.
        for layer, facts in self.catalogue["layers"].items():
            for env in self.environments if facts.get("detachable") else []:
                known = {entry.name for entry in self.deployed}
                files = ["envs/common.yaml", "apps/catalogue.yaml"]
                values = {"layer": layer, "env": env, "attached": True, "revision": REVISION}
                for child in self.template(f"{layer}-{env}", "apps/layer", "argocd", files, values):
                    if child["metadata"]["name"] not in known:
                        self.deployed.append(Deployed(child))
        for entry in self.deployed:
            entry.objects, entry.absent = self.sources_of(entry.application)

    def _take(self, item):
        kind = item["kind"]
        if kind == "AppProject":
            self.projects[item["metadata"]["name"]] = item
        elif kind == "Application":
            self.roots.append(item)
        elif kind == "ApplicationSet":
            self.sets.append(item)
        else:
            raise RenderError(f"a root makes a '{kind}'")

    def sources_of(self, application):
        """Objects of all sources; and why a source could not be rendered, if so."""
        spec, objects = application["spec"], []
        for source in spec.get("sources") or [spec["source"]]:
            folder = self.root / source["path"]
            if not folder.is_dir():
                return [], f"'{source['path']}' is not in the repository"
            if "helm" in source:
                missing = self.missing_dependencies(folder)
                if missing:
                    return [], f"{missing} is not vendored: run 'helm dependency build {source['path']}' where its repository can be reached"
                helm = source["helm"]
                objects += self.template(
                    helm["releaseName"], source["path"], spec["destination"]["namespace"],
                    helm.get("valueFiles", []), helm.get("valuesObject"), helm.get("parameters", []),
                )
            else:
                for file in sorted(folder.glob(source["directory"]["include"])):
                    objects += [item for item in yaml.safe_load_all(file.read_text()) if item]
        for item in objects:
            if item["kind"] not in CLUSTER_KINDS:
                item["metadata"].setdefault("namespace", spec["destination"]["namespace"])
        return objects, ""

    def definitions(self):
        """Files of definitions that vendored charts bring; the tree itself installs none of them."""
        return sorted(self.root.glob("*/*/charts/**/crds/*.yaml"))

    def missing_dependencies(self, folder):
        chart = yaml.safe_load((folder / "Chart.yaml").read_text())
        for dependency in chart.get("dependencies", []):
            name, version = dependency["name"], dependency["version"]
            packed = folder / "charts" / f"{name}-{version}.tgz"
            if not packed.exists() and not (folder / "charts" / name).is_dir():
                return f"dependency '{name} {version}' of '{folder.name}'"
        return ""


def without_nulls(value):
    """An object as a server sees it: a field that is null is one that is not there."""
    if isinstance(value, dict):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [without_nulls(child) for child in value]
    return value


def expand(made):
    """The Applications of an ApplicationSet with a list generator and plain `{{ .key }}` templates."""
    applications = []
    for generator in made["spec"]["generators"]:
        for element in generator["list"]["elements"]:
            text = yaml.safe_dump(made["spec"]["template"])
            text = re.sub(r"\{\{\s*\.(\w+)\s*\}\}", lambda match: element[match.group(1)], text)
            application = yaml.safe_load(text)
            application["metadata"]["namespace"] = made["metadata"]["namespace"]
            applications.append({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", **application})
    return applications


def pod_template(item):
    """The pod template of a workload; None for anything else."""
    kind, spec = item["kind"], item.get("spec", {})
    if kind in ("Deployment", "StatefulSet", "DaemonSet", "Job", "ReplicaSet"):
        return spec["template"]
    if kind == "CronJob":
        return spec["jobTemplate"]["spec"]["template"]
    if kind == "Pod":
        return item
    return None


def pods_of_operator(item):
    """What the Prometheus operator makes of a custom object, as far as selectors and ports go; None for anything else."""
    if item["kind"] not in MADE_BY_OPERATOR:
        return None
    name, port = MADE_BY_OPERATOR[item["kind"]]
    own = item["metadata"]["name"]
    labels = {
        "app.kubernetes.io/name": name, "app.kubernetes.io/instance": own, "app.kubernetes.io/managed-by": "prometheus-operator",
        name: own, "operator.prometheus.io/name": own, **item["spec"].get("podMetadata", {}).get("labels", {}),
    }
    ports = [{"name": item["spec"].get("portName", "web"), "containerPort": port}, {"name": "reloader-web", "containerPort": 8080}]
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "ports": ports}]}}


def containers(template):
    return template["spec"].get("initContainers", []) + template["spec"]["containers"]


def label(item):
    return f"{item['kind']} '{item['metadata'].get('namespace', '')}/{item['metadata']['name']}'"

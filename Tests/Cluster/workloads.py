"""What every object and every pod must be."""

import base64
import re

from check_secrets import credentials, hidden
from tree import containers, label, pod_template

NAMED = re.compile(r"^(?P<name>[^:@\s]+(:\d+/[^:@\s]+)?)(:(?P<tag>[\w][\w.-]{0,127}))?(@(?P<digest>sha256:[0-9a-f]{64}))?$")
# Application → kinds that its chart, of others, gives no labels to: those of the namespace stand for them.
UNLABELLED = {"minio": {"ConfigMap", "Job", "PersistentVolumeClaim", "Service", "ServiceAccount"}}
RESTRICTED_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def check(report, tree):
    registry = tree.common["global"]["registry"]
    for item in [*tree.projects.values(), *tree.roots, *tree.sets, *tree.parents, *(entry.application for entry in tree.deployed)]:
        labels = item["metadata"].get("labels") or {}
        report.check("labels", {"slipway.dev/layer", "slipway.dev/env"} <= set(labels), f"{label(item)} lacks the labels of layer and environment")
    for entry in tree.deployed:
        core = (tree.root / "charts" / entry.app / "templates/_slipway.tpl").exists()
        level = entry.application["spec"]["syncPolicy"]["managedNamespaceMetadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        for item in entry.objects:
            _labels(report, entry, item)
            _secret(report, item)
            template = pod_template(item)
            if template is None:
                continue
            if level == "restricted":
                _restricted(report, item, template)
            for container in containers(template):
                _container(report, item, container, registry, core, core and _ours(item))


def _ours(item):
    """Whether our own template made it: what we write is held to more than charts of others can be."""
    labels = item["metadata"].get("labels") or {}
    return labels.get("app.kubernetes.io/part-of") == "slipway" and "app.kubernetes.io/component" in labels


def _secret(report, item):
    """A Secret carries nothing; but the operator takes Alertmanager's configuration as one, which then holds no credential."""
    if item["kind"] != "Secret" or not (item.get("data") or item.get("stringData")):
        return report.check("secrets", True, "")
    data = {key: base64.b64decode(value).decode() for key, value in item.get("data", {}).items()} | item.get("stringData", {})
    if not item["metadata"]["name"].startswith("alertmanager-") or set(data) - {"alertmanager.yaml"} - {key for key in data if key.endswith(".tmpl")}:
        return report.check("secrets", False, f"{label(item)} carries data in plain text")
    for key, text in data.items():
        found = [str(finding) for finding in credentials(key, text)]
        found += re.findall(r"^\W*((?:api_url|password|token|auth_password|credentials|bearer_token|routing_key|service_key):.*)$", text, re.M)
        report.check("secrets", not found, f"{label(item)}: '{key}' holds what looks like a credential: {[hidden(line) for line in found]}")


def _labels(report, entry, item):
    if item["kind"] in UNLABELLED.get(entry.app, ()):
        return
    wanted = {"slipway.dev/layer": entry.layer, "slipway.dev/env": entry.env}
    template = pod_template(item)
    for where, metadata in ((label(item), item["metadata"]), (f"the pods of {label(item)}", (template or {}).get("metadata") or {})):
        if where.startswith("the pods") and template is None:
            continue
        labels = metadata.get("labels") or {}
        report.check("labels", all(labels.get(key) == value for key, value in wanted.items()), f"{where} lack the labels of layer and environment")
    for claim in item.get("spec", {}).get("volumeClaimTemplates", []) if item["kind"] == "StatefulSet" and _ours(item) else []:
        labels = claim["metadata"].get("labels") or {}
        report.check("labels", all(labels.get(key) == value for key, value in wanted.items()), f"a volume claim of {label(item)} lacks the labels")


def _restricted(report, item, template):
    """Pod Security "restricted", rule by rule."""
    spec, name = template["spec"], label(item)
    pod = spec.get("securityContext") or {}

    def must(holds, text):
        report.check("pod-security", holds, f"{name}: {text}")

    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        must(not spec.get(flag), f"{flag} is set")
    for volume in spec.get("volumes", []):
        must(set(volume) - {"name"} <= RESTRICTED_VOLUMES, f"volume '{volume['name']}' is of a kind that is not allowed")
    for container in containers(template):
        own, title = container.get("securityContext") or {}, f"container '{container['name']}'"
        must(own.get("runAsNonRoot", pod.get("runAsNonRoot")) is True, f"{title} may run as root")
        must(own.get("runAsUser", pod.get("runAsUser", 1)) != 0, f"{title} runs as user 0")
        must((own.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") in ("RuntimeDefault", "Localhost"), f"{title} has no seccomp profile")
        must(own.get("allowPrivilegeEscalation") is False, f"{title} may escalate privileges")
        must(not own.get("privileged"), f"{title} is privileged")
        must("ALL" in (own.get("capabilities") or {}).get("drop", []), f"{title} keeps capabilities")
        must(set((own.get("capabilities") or {}).get("add", [])) <= {"NET_BIND_SERVICE"}, f"{title} adds capabilities")
        must(not any(port.get("hostPort") for port in container.get("ports", [])), f"{title} takes a port of the host")


def _container(report, item, container, registry, core, ours):
    name = f"{label(item)}, container '{container['name']}'"
    image = container.get("image", "")
    match = NAMED.match(image)
    pinned = match and (match["digest"] or match["tag"] not in (None, "latest"))
    report.check("images", pinned, f"{name}: image '{image}' is not pinned")
    numbers, names = set(), set()
    for port in container.get("ports", []):
        number, title = port.get("containerPort"), port.get("name", "")
        report.check("ports", isinstance(number, int) and 1 <= number <= 65535, f"{name}: containerPort {number} is no port")
        key = (number, port.get("protocol", "TCP"))
        report.check("ports", key not in numbers and (not title or title not in names), f"{name}: port {number} '{title}' is there twice")
        report.check("ports", len(title) <= 15, f"{name}: port name '{title}' is longer than 15 characters")
        numbers.add(key)
        names.add(title)
    if not core:
        return
    host = image.split("/")[0]
    report.check("images", image.startswith(registry + "/") or "." in host, f"{name}: image '{image}' names no registry")
    own = container.get("securityContext") or {}
    report.check("pod-security", not ours or own.get("readOnlyRootFilesystem") is True, f"{name}: its root file system can be written")
    resources = container.get("resources") or {}
    report.check("resources", {"cpu", "memory"} <= set(resources.get("requests") or {}), f"{name} requests no cpu or memory")
    report.check("resources", "memory" in (resources.get("limits") or {}), f"{name} has no limit of memory")
    empty = [text for text in container.get("args", []) if re.fullmatch(r"--[\w-]+=", text)]
    report.check("arguments", not empty, f"{name}: {empty} say nothing")

"""Everything that is named exists: selectors, ports, ConfigMaps, Secrets, claims, accounts, addresses."""

import re

from tree import containers, label, pod_template, pods_of_operator

ADDRESS = re.compile(r"(?:https?|s3)://(?P<host>[a-z0-9.-]+?)\.(?P<namespace>[a-z0-9-]+)\.svc(?:\.cluster\.local)?(?::(?P<port>\d+))?")


def matches(selector, labels):
    """Equality only. An empty selector takes everything."""
    return all((labels or {}).get(key) == value for key, value in (selector or {}).items())


def selects(selector, labels):
    """A whole selector, matchLabels and matchExpressions."""
    labels = labels or {}

    def holds(expression):
        key, values = expression["key"], expression.get("values", [])
        return {
            "In": labels.get(key) in values, "NotIn": labels.get(key) not in values,
            "Exists": key in labels, "DoesNotExist": key not in labels,
        }[expression["operator"]]

    return matches(selector.get("matchLabels"), labels) and all(holds(expression) for expression in selector.get("matchExpressions", []))


def check(report, tree):
    for entry in tree.deployed:
        items = entry.objects
        pods = [(item, pod_template(item)) for item in items if pod_template(item)]
        operated = [(item, pods_of_operator(item)) for item in items if pods_of_operator(item)]
        by_kind = {}
        for item in items:
            by_kind.setdefault(item["kind"], {})[item["metadata"]["name"]] = item
        for item in items:
            _selectors(report, item, by_kind, pods + operated)
            if item["kind"] == "ServiceMonitor":
                _monitor(report, tree, entry, item)
        declared = {secret["name"]: set(secret["keys"]) for secret in tree.app(entry.app).get("secrets", [])}
        for item, template in pods:
            _names(report, item, template, by_kind, declared)
    _addresses(report, tree)


def _selectors(report, item, by_kind, pods):
    kind, spec, name = item["kind"], item.get("spec") or {}, label(item)
    templates = [template for _, template in pods]

    def some(selector):
        hits = [template for template in templates if matches(selector, template["metadata"].get("labels"))]
        report.check("selectors", hits, f"{name} selects no pod: {selector}")
        return hits

    if kind in ("Deployment", "StatefulSet", "DaemonSet"):
        labels = spec["template"]["metadata"].get("labels")
        report.check("selectors", spec["selector"]["matchLabels"] and matches(spec["selector"]["matchLabels"], labels), f"{name} does not select its own pods")
        for constraint in spec["template"]["spec"].get("topologySpreadConstraints", []):
            report.check("selectors", matches(constraint["labelSelector"]["matchLabels"], labels), f"{name} spreads other pods than its own")
        if kind == "StatefulSet":
            service = by_kind.get("Service", {}).get(spec["serviceName"])
            report.check("selectors", service and service["spec"].get("clusterIP") == "None" and matches(service["spec"]["selector"], labels),
                         f"{name} has no headless Service '{spec['serviceName']}'")
    elif kind == "Service" and spec.get("selector"):
        hits = some(spec["selector"])
        for port in spec["ports"]:
            target = port.get("targetPort", port["port"])
            known = {value for template in hits for c in containers(template) for p in c.get("ports", []) for value in (p.get("name"), p["containerPort"])}
            report.check("ports", target in known, f"{name}: targetPort '{target}' is a port of no pod")
    elif kind == "PodDisruptionBudget":
        some(spec["selector"]["matchLabels"])
    elif kind == "NetworkPolicy" and spec["podSelector"].get("matchLabels"):
        some(spec["podSelector"]["matchLabels"])
    elif kind == "HorizontalPodAutoscaler":
        target = by_kind.get(spec["scaleTargetRef"]["kind"], {}).get(spec["scaleTargetRef"]["name"])
        report.check("selectors", target, f"{name} scales nothing")
        report.check("selectors", not target or "replicas" not in target["spec"], f"{name} and its target both say how many replicas there are")
        report.check("selectors", spec["minReplicas"] <= spec["maxReplicas"], f"{name}: the least is more than the most")


def _monitor(report, tree, entry, item):
    """A ServiceMonitor finds a Service that has its ports, in its own namespace or in those that it names."""
    spec, name = item["spec"], label(item)
    namespaces = spec.get("namespaceSelector", {}).get("matchNames", [entry.namespace])
    # Argo CD and the kubelets' Service, which the operator writes, come from outside of the tree.
    watched = [other for other in tree.deployed if other.namespace in namespaces]
    if not watched:
        return
    for other in watched:
        if other.absent:
            return report.skip("selectors", f"{name}: what it watches in '{other.namespace}' could not be rendered")
    services = [
        service for other in watched for service in other.objects
        if service["kind"] == "Service" and selects(spec["selector"], service["metadata"].get("labels"))
    ]
    report.check("selectors", services, f"{name} selects no Service")
    for endpoint in spec["endpoints"]:
        ports = {port.get("name") for service in services for port in service["spec"]["ports"]}
        report.check("selectors", endpoint["port"] in ports, f"{name}: no Service has the port '{endpoint['port']}'")


def _names(report, item, template, by_kind, declared):
    spec, name = template["spec"], label(item)

    def config(reference, keys=()):
        found = by_kind.get("ConfigMap", {}).get(reference)
        report.check("named", found and set(keys) <= set(found.get("data", {})), f"{name}: ConfigMap '{reference}' {list(keys)} does not exist")

    def secret(reference, keys=()):
        sealed = by_kind.get("SealedSecret", {}).get(reference)
        known = set(sealed["spec"]["encryptedData"]) if sealed else declared.get(reference)
        report.check("named", known is not None and set(keys) <= known, f"{name}: Secret '{reference}' {list(keys)} is neither sealed nor declared in apps/catalogue.yaml")

    volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
    claims = {claim["metadata"]["name"] for claim in item.get("spec", {}).get("volumeClaimTemplates", [])}
    for volume in volumes.values():
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            if "configMap" in source:
                config(source["configMap"]["name"], [entry["key"] for entry in source["configMap"].get("items", [])])
            if "secret" in source:
                reference = source["secret"]
                secret(reference.get("secretName") or reference.get("name"), [entry["key"] for entry in reference.get("items", [])])
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            report.check("named", claim in by_kind.get("PersistentVolumeClaim", {}), f"{name}: claim '{claim}' does not exist")
    account = spec.get("serviceAccountName")
    report.check("named", account in by_kind.get("ServiceAccount", {}), f"{name}: ServiceAccount '{account}' does not exist")
    for pull in spec.get("imagePullSecrets", []):
        secret(pull["name"])
    for container in containers(template):
        for mount in container.get("volumeMounts", []):
            report.check("named", mount["name"] in volumes or mount["name"] in claims, f"{name}: volume '{mount['name']}' does not exist")
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                secret(source["secretKeyRef"]["name"], [source["secretKeyRef"]["key"]])
            if "configMapKeyRef" in source:
                config(source["configMapKeyRef"]["name"], [source["configMapKeyRef"]["key"]])
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                secret(source["secretRef"]["name"])
            if "configMapRef" in source:
                config(source["configMapRef"]["name"])
        ports = {port.get("name") for port in container.get("ports", [])} | {port["containerPort"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            port = container.get(probe, {}).get("httpGet", {}).get("port")
            report.check("ports", port is None or port in ports, f"{name}: {probe} asks the port '{port}', which is not there")


def _addresses(report, tree):
    """Addresses inside the cluster, in arguments, variables and envs/<env>/platform.yaml."""
    services, templates, absent = {}, {}, set()
    for entry in tree.deployed:
        if entry.absent:
            absent.add(entry.namespace)
        for item in entry.objects:
            if item["kind"] == "Service":
                services[(item["metadata"]["namespace"], item["metadata"]["name"])] = item
            if item["kind"] == "StatefulSet":
                templates[(item["metadata"]["namespace"], item["metadata"]["name"])] = item
    texts = []
    for entry in tree.deployed:
        for item in entry.objects:
            template = pod_template(item)
            for container in containers(template) if template else []:
                texts += [(label(item), entry.env, text) for text in container.get("args", [])]
                texts += [(label(item), entry.env, variable.get("value", "")) for variable in container.get("env", [])]
    for env in tree.environments:
        text = (tree.root / f"envs/{env}/platform.yaml").read_text()
        texts += [(f"envs/{env}/platform.yaml", env, line) for line in text.splitlines()]
    for where, env, text in texts:
        for match in ADDRESS.finditer(text):
            namespace, port = match["namespace"], int(match["port"] or 80)
            if namespace in absent:
                report.skip("addresses", f"{where} names '{match.group(0)}', and '{namespace}' could not be rendered")
                continue
            *pod, service = match["host"].split(".")
            found = services.get((namespace, service))
            report.check("addresses", found and port in {entry["port"] for entry in found["spec"]["ports"]}, f"{where} names '{match.group(0)}', which no Service answers")
            report.check("outside", namespace.endswith(f"-{env}"), f"{where} names '{match.group(0)}', which is not of '{env}'")
            if pod:
                owner, _, number = pod[0].rpartition("-")
                workload = templates.get((namespace, owner))
                report.check("addresses", workload and int(number) < workload["spec"]["replicas"] and workload["spec"]["serviceName"] == service,
                             f"{where} names '{match.group(0)}', and there is no such replica")
    for env in tree.environments:
        gateways = [item for entry in tree.deployed if entry.name == f"gateway-{env}" for item in entry.objects if item["metadata"]["name"] == "gateway" and item["kind"] == "Deployment"]
        triton = templates.get((f"triton-{env}", "triton"))
        for item in gateways if triton else []:
            upstream = [text for text in item["spec"]["template"]["spec"]["containers"][0]["args"] if text.startswith("--upstream=")]
            report.check("addresses", len(upstream) == triton["spec"]["replicas"], f"the gateway of '{env}' asks {len(upstream)} of {triton['spec']['replicas']} model servers")

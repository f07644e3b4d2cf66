"""Default deny, environments that cannot talk, and doors that open on both sides."""

import ipaddress

from references import matches
from tree import label, pod_template, pods_of_operator

NAMESPACE = "kubernetes.io/metadata.name"
SYSTEM = {"kube-system"}
PRIVATE = [ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]


def check(report, tree):
    namespaces = {entry.namespace for entry in tree.deployed}
    for entry in tree.deployed:
        if entry.absent or entry.layer != "core":
            continue
        policies = [item for item in entry.objects if item["kind"] == "NetworkPolicy"]
        deny = [p for p in policies if p["spec"]["podSelector"] == {} and not p["spec"].get("ingress") and not p["spec"].get("egress")]
        report.check("network", any(set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"} for p in deny), f"'{entry.namespace}' has no default deny")
        for policy in policies:
            _peers(report, entry, policy, namespaces)
        _doors(report, tree, entry, policies)


def _peers(report, entry, policy, namespaces):
    for direction, key in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(direction) or []:
            peers, name = rule.get(key), label(policy)
            report.check("network", peers and rule.get("ports"), f"{name}: a rule of {direction} lets everybody, or every port, through")
            for peer in peers or []:
                if "ipBlock" in peer:
                    _block(report, name, direction, peer["ipBlock"])
                elif "namespaceSelector" in peer:
                    target = (peer["namespaceSelector"].get("matchLabels") or {}).get(NAMESPACE, "")
                    own = target in SYSTEM or (target.endswith(f"-{entry.env}") and target in namespaces)
                    report.check("network", own, f"{name}: {direction} with '{target or 'any namespace'}', which is no application of '{entry.env}'")
                else:
                    report.check("network", peer.get("podSelector", {}).get("matchLabels"), f"{name}: {direction} with every pod of the namespace")


def _block(report, name, direction, block):
    network = ipaddress.ip_network(block["cidr"])
    left_out = [ipaddress.ip_network(text) for text in block.get("except", [])]
    for private in PRIVATE:
        reaches = network.overlaps(private) and network.prefixlen < private.prefixlen
        report.check("network", not reaches or private in left_out, f"{name}: {direction} with {network} reaches the cluster's own {private}")


def _allowed(entry, pods, source, port):
    """Whether policies of `entry` let `source` (a namespace) in to one of `pods` at `port`."""
    for item in entry.objects:
        if item["kind"] != "NetworkPolicy" or not any(matches(item["spec"]["podSelector"].get("matchLabels"), labels) for labels in pods):
            continue
        for rule in item["spec"].get("ingress") or []:
            # Charts of others have rules without ports, for all of them, or without peers, for everybody.
            ports, peers = rule.get("ports"), rule.get("from")
            if (not ports or port in {p["port"] for p in ports}) and (not peers or any(
                (peer.get("namespaceSelector", {}).get("matchLabels") or {}).get(NAMESPACE) == source for peer in peers
            )):
                return True
    return False


def _doors(report, tree, entry, policies):
    """A way out to another application must be a way in over there."""
    others = {other.namespace: other for other in tree.deployed}
    for policy in policies:
        for rule in policy["spec"].get("egress") or []:
            for peer in rule.get("to") or []:
                target = (peer.get("namespaceSelector", {}).get("matchLabels") or {}).get(NAMESPACE)
                other = others.get(target)
                if other is None:
                    continue
                if other.absent:
                    report.skip("network", f"{label(policy)}: the way into '{target}' is not looked at: {other.absent}")
                    continue
                made = [pod_template(item) or pods_of_operator(item) for item in other.objects]
                pods = [template["metadata"].get("labels") for template in made if template]
                for port in rule["ports"]:
                    report.check("network", _allowed(other, pods, entry.namespace, port["port"]), f"{label(policy)} leads to '{target}' port {port['port']}, which does not let it in")

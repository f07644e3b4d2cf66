"""Projects, destinations and waves: who may deploy what, where and after whom."""

from fnmatch import fnmatchcase

from tree import CLUSTER_KINDS, label

# (before, after): the first must be healthy before the second is begun, in each environment.
ORDER = [("mlflow", "airflow"), ("mlflow", "gateway"), ("triton", "gateway")]


def group(item):
    return item["apiVersion"].rpartition("/")[0]


def listed(entries, item_group, kind, name):
    return any(
        fnmatchcase(item_group, entry["group"]) and fnmatchcase(kind, entry["kind"]) and fnmatchcase(name, entry.get("name") or "*")
        for entry in entries or []
    )


def permits_destination(project, server, namespace):
    return any(fnmatchcase(server, d["server"]) and fnmatchcase(namespace, d["namespace"]) for d in project["spec"].get("destinations") or [])


def permits_object(project, server, item):
    """Argo CD's rule: cluster objects are refused unless listed; others are allowed unless listed or fenced out."""
    spec, kind, name = project["spec"], item["kind"], item["metadata"]["name"]
    if kind in CLUSTER_KINDS:
        return listed(spec.get("clusterResourceWhitelist"), group(item), kind, name) and not listed(
            spec.get("clusterResourceBlacklist"), group(item), kind, name
        )
    if listed(spec.get("namespaceResourceBlacklist"), group(item), kind, name):
        return False
    allowed = spec.get("namespaceResourceWhitelist")
    if allowed is not None and not listed(allowed, group(item), kind, name):
        return False
    return permits_destination(project, server, item["metadata"]["namespace"])


def check(report, tree):
    url = tree.common["global"]["repository"]["url"]
    owners = {entry.namespace: entry for entry in tree.deployed}
    for application in tree.roots + tree.parents + [entry.application for entry in tree.deployed]:
        spec, name = application["spec"], application["metadata"]["name"]
        project = tree.projects.get(spec["project"])
        if not report.check("fences", project, f"'{name}' names the project '{spec['project']}', which nothing makes"):
            continue
        destination = spec["destination"]
        report.check("fences", permits_destination(project, destination["server"], destination["namespace"]),
                     f"'{name}' may not deploy into '{destination['namespace']}' by its project '{spec['project']}'")
        for source in spec.get("sources") or [spec["source"]]:
            report.check("fences", source["repoURL"] in (project["spec"].get("sourceRepos") or []) and source["repoURL"] == url,
                         f"'{name}' takes '{source['repoURL']}', which its project '{spec['project']}' does not allow")
        automated = spec.get("syncPolicy", {}).get("automated", {})
        report.check("fences", automated.get("prune") and automated.get("selfHeal"), f"'{name}' does not prune and heal itself")
    for entry in tree.deployed:
        _own(report, tree, entry)
    for name, project in tree.projects.items():
        _others(report, tree, name, project, owners)
    for application in tree.roots + tree.parents:
        project = tree.projects["platform"]
        report.check("fences", application["spec"]["project"] == "platform" and application["spec"]["destination"]["namespace"] == "argocd",
                     f"'{application['metadata']['name']}' is no root of the project 'platform'")
    kinds = [("apps", "Deployment"), ("", "Namespace"), ("rbac.authorization.k8s.io", "ClusterRoleBinding")]
    for name in ("platform", "default"):
        for item_group, kind in kinds:
            item = {"apiVersion": f"{item_group}/v1".lstrip("/"), "kind": kind, "metadata": {"name": "x", "namespace": "argocd"}}
            server = tree.roots[0]["spec"]["destination"]["server"]
            report.check("fences", not permits_object(tree.projects[name], server, item), f"project '{name}' lets a {kind} in")
    _waves(report, tree)


def _own(report, tree, entry):
    """What an application deploys is in its own namespace and within its project."""
    spec = entry.application["spec"]
    expected = f"{entry.app}-{entry.env}"
    report.check("names", entry.name == expected and entry.namespace == expected, f"'{entry.name}' deploys into '{entry.namespace}', not '{expected}'")
    wanted = entry.env if tree.catalogue["layers"][entry.layer].get("projectPerEnvironment") else entry.layer
    report.check("fences", spec["project"] == wanted, f"'{entry.name}' is in project '{spec['project']}', not '{wanted}'")
    project = tree.projects.get(spec["project"])
    homes = {entry.namespace, *tree.app(entry.app).get("alsoNamespaces", [])}
    for item in entry.objects:
        if item["kind"] not in CLUSTER_KINDS:
            report.check("outside", item["metadata"]["namespace"] in homes, f"{label(item)} of '{entry.name}' lands outside its namespace")
        report.check("fences", project and permits_object(project, spec["destination"]["server"], item),
                     f"{label(item)} of '{entry.name}' is refused by its project '{spec['project']}'")


def _others(report, tree, name, project, owners):
    """No project reaches a namespace of another environment or layer, nor makes applications."""
    server = tree.roots[0]["spec"]["destination"]["server"]
    for destination in project["spec"].get("destinations") or []:
        report.check("fences", not set("*?[!") & set(destination["namespace"] + destination["server"]),
                     f"project '{name}' has a pattern as destination: '{destination['namespace']}'")
    for namespace, entry in owners.items():
        mine = entry.application["spec"]["project"] == name
        for item in (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": namespace}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        ):
            report.check("fences", permits_object(project, server, item) == mine,
                         f"project '{name}' {'refuses' if mine else 'lets in'} a {item['kind']} for '{namespace}'")
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": namespace}}
        report.check("fences", name == "baseline" or not permits_object(project, server, secret), f"project '{name}' lets a Secret into '{namespace}'")
    if name != "platform":
        for kind in ("Application", "AppProject", "ApplicationSet"):
            for namespace in ["argocd", *owners]:
                item = {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": {"name": "x", "namespace": namespace}}
                report.check("fences", not permits_object(project, server, item), f"project '{name}' lets an {kind} into '{namespace}'")


def _waves(report, tree):
    """Waves order only children of a parent Application, and only with a health check: both are looked at."""
    for made in tree.sets:
        template = made["spec"]["template"]
        report.check("waves", "argocd.argoproj.io/sync-wave" not in template["metadata"].get("annotations", {}),
                     f"ApplicationSet '{made['metadata']['name']}' sets a wave, which orders nothing there")
        report.check("waves", made["spec"]["syncPolicy"]["applicationsSync"] == "create-update", f"ApplicationSet '{made['metadata']['name']}' may delete an environment")
        parameters = {entry["name"]: entry["value"] for entry in template["spec"]["source"]["helm"]["parameters"]}
        report.check("waves", parameters.get("revision") == "$ARGOCD_APP_REVISION", f"the children of '{made['metadata']['name']}' do not follow their parent's commit")
    waves = {}
    for entry in tree.deployed:
        wave = entry.application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
        report.check("waves", wave.lstrip("-").isdigit(), f"'{entry.name}' has the wave '{wave}', which counts as 0")
        waves[entry.name] = int(wave)
    for env in tree.environments:
        for before, after in ORDER:
            first, second = waves.get(f"{before}-{env}"), waves.get(f"{after}-{env}")
            report.check("waves", first is not None and second is not None and first < second,
                         f"'{after}-{env}' (wave {second}) does not wait for '{before}-{env}' (wave {first})")

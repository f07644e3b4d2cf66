"""Breaks a copy of the tree, one mistake at a time, and asks that the right rule says so.

    .tools/venv/bin/python Tests/Cluster/breakages.py [NAME …]
"""

import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from check import REPOSITORY, RULES, examine
from schemas import Schemas

FOLDERS = ("apps", "baseline", "bootstrap", "charts", "envs", "optional")
MLFLOW, TRITON, GATEWAY = "charts/mlflow/templates/", "charts/triton/templates/", "charts/gateway/templates/"

# name, rule, part of the message, file, text that stands there, text instead (None: the file is removed)
BREAKAGES = [
    ("a template that does not render", "render", "helm template", GATEWAY + "gateway.yaml", "{{- if .Values.metrics.enabled }}", "{{- if .Values.metrics.enabled"),
    ("a value of the wrong type", "render", "replicas", "envs/prod/values/mlflow.yaml", "replicas: 2", "replicas: two"),
    ("a value that no chart knows", "render", "replicaz", "envs/prod/values/mlflow.yaml", "replicas: 2", "replicaz: 2"),
    ("a field that Kubernetes does not know", "built-in", "replicaz", TRITON + "server.yaml", "  replicas: {{ .Values.replicas }}", "  replicaz: {{ .Values.replicas }}"),
    ("a source's path misspelt", "custom", "pathh", "apps/layer/templates/applications.yaml", "      path: {{ $layer.folder }}/{{ $app.name }}", "      pathh: {{ $layer.folder }}/{{ $app.name }}"),
    ("automation misspelt", "custom", "automatd", "apps/layer/templates/applications.yaml", "    automated:", "    automatd:"),
    ("a ServiceMonitor without endpoints", "custom", "endpointz", "*/_slipway.tpl", "  endpoints:", "  endpoints: []\n  endpointz:"),
    ("dev deploys into prod", "fences", "may not deploy into 'mlflow-prod'", "apps/layer/templates/applications.yaml", "    namespace: {{ $name }}", "    namespace: {{ $app.name }}-prod"),
    ("a project with a pattern", "fences", "pattern", "apps/root/templates/projects.yaml", "      namespace: {{ . }}", "      namespace: '*-dev'"),
    ("Optional reaches a namespace of Core", "fences", "project 'optional' lets in a Deployment for 'mlflow-dev'", "apps/catalogue.yaml", "  - name: redis\n    layer: optional\n", "  - name: redis\n    layer: optional\n    alsoNamespaces: [mlflow-dev]\n"),
    ("a project that lets Namespaces in", "fences", "lets in a Namespace", "apps/root/templates/projects.yaml", "kind: Namespace, name: {{ . }} }", "kind: Namespace }"),
    ("an application that makes applications", "fences", "lets an Application into", "apps/root/templates/projects.yaml", '    - { group: argoproj.io, kind: "*" }\n', ""),
    ("a project that lets Secrets in", "fences", "lets a Secret into", "apps/root/templates/projects.yaml", "{{- if ne $layer \"baseline\" }}", "{{- if eq $layer \"baseline\" }}"),
    ("a role for the whole cluster in Core", "fences", "ClusterRole", GATEWAY + "gateway.yaml", "---\napiVersion: v1\nkind: Service\n", "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  {{- include \"slipway.metadata\" $gateway | nindent 2 }}\nrules: []\n---\napiVersion: v1\nkind: Service\n"),
    ("a source of somebody else", "fences", "takes", "apps/layer/templates/applications.yaml", "repoURL: {{ $.Values.global.repository.url }}\n      targetRevision: {{ $revision | quote }}\n      path: {{", "repoURL: https://elsewhere.example/x.git\n      targetRevision: {{ $revision | quote }}\n      path: {{"),
    ("a root that does not heal", "fences", "heal", "bootstrap/templates/_root.tpl", "      selfHeal: true", "      selfHeal: false"),
    ("the default project open", "fences", "'default' lets", "bootstrap/templates/project-platform.yaml", "  destinations: []\n  clusterResourceWhitelist: []\n  namespaceResourceBlacklist:\n    - { group: \"*\", kind: \"*\" }", "  destinations:\n    - { server: \"*\", namespace: \"*\" }"),
    ("a name outside the grammar", "names", "not 'mlflow-dev'", "apps/layer/templates/applications.yaml", 'printf "%s-%s" $app.name $env', 'printf "%s-%s" $env $app.name'),
    ("an object of another namespace", "outside", "lands outside", "*/_slipway.tpl", "namespace: {{ .root.Release.Namespace }}\nlabels:", "namespace: kube-system\nlabels:"),
    ("an address of the other environment", "outside", "is not of 'dev'", "envs/dev/platform.yaml", "mlflow.mlflow-dev", "mlflow.mlflow-prod"),
    ("the gateway beside its model server", "waves", "does not wait for 'triton-dev'", "apps/catalogue.yaml", "  - name: gateway\n    layer: core\n    wave: 1", "  - name: gateway\n    layer: core\n    wave: 0"),
    ("the pipeline before tracking", "waves", "does not wait for 'mlflow-prod'", "apps/catalogue.yaml", "  - name: airflow\n    layer: core\n    wave: 1", "  - name: airflow\n    layer: core\n    wave: -1"),
    ("children that follow a branch", "waves", "parent's commit", "apps/root/templates/environments.yaml", "value: $ARGOCD_APP_REVISION", "value: main"),
    ("a set that deletes", "waves", "delete an environment", "apps/root/templates/environments.yaml", "applicationsSync: create-update", "applicationsSync: sync"),
    ("no health check of Applications", "health", "would order nothing", "bootstrap/argocd-values.yaml", "resource.customizations.health.argoproj.io_Application:", "resource.customizations.health.argoproj.io_Applicatio:"),
    ("the health of the commit before", "health", "commit before", "bootstrap/argocd-values.yaml", "seen.targetRevision ~= wanted.targetRevision", "false"),
    ("a file that only dev has", "environments", "different files", "envs/prod/sealed/mlflow/.gitkeep", None, None),
    ("prod with fewer replicas", "environments", "in prod", "envs/prod/values/triton.yaml", "replicas: 3", "replicas: 1"),
    ("prod that differs elsewhere", "environments", "17s", "envs/prod/values/gateway.yaml", "gateway:\n", "metrics: { interval: 17s }\ngateway:\n"),
    ("an overlay that repeats the chart", "environments", "already", "envs/dev/values/triton.yaml", "environment: dev", "environment: dev\nreplicas: 2"),
    ("prod protects fewer aliases", "environments", "lacks what dev has", "envs/prod/platform.yaml", "[A, B, champion]", "[A, B]"),
    ("an overlay of the other environment", "environments", "names the environment", "envs/prod/values/mlflow.yaml", "environment: prod", "environment: dev"),
    ("objects without labels", "labels", "lack", "*/_slipway.tpl", "slipway.dev/env: {{ .root.Values.environment }}\n", ""),
    ("an image without a tag", "images", "not pinned", MLFLOW + "postgresql.yaml", 'image: {{ include "slipway.image" (dict "root" $ "image" .Values.postgresql.image) }}', "image: docker.io/library/postgres"),
    ("an image that moves", "images", "not pinned", "*/_slipway.tpl", '{{ required "every image has a tag" .image.tag }}', "latest"),
    ("a container as root", "pod-security", "run as root", "*/_slipway.tpl", "runAsNonRoot: true", "runAsNonRoot: false"),
    ("a container that may escalate", "pod-security", "escalate", "*/_slipway.tpl", "allowPrivilegeEscalation: false\n", ""),
    ("a root file system that can be written", "pod-security", "can be written", "*/_slipway.tpl", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    ("a volume of the host", "pod-security", "not allowed", TRITON + "server.yaml", "emptyDir: { sizeLimit: {{ .Values.scratch }} }", "hostPath: { path: /tmp }"),
    ("no requests", "resources", "requests no", GATEWAY + "_gateway.tpl", "    requests: { cpu: 10m, memory: 16Mi }\n", ""),
    ("an argument that says nothing", "arguments", "say nothing", GATEWAY + "reconciler.yaml", '--branch={{ include "gateway.git.branch" . }}', "--branch="),
    ("a Secret in plain text", "secrets", "plain text", GATEWAY + "gateway.yaml", "---\napiVersion: v1\nkind: Service\n", "---\napiVersion: v1\nkind: Secret\nmetadata:\n  {{- include \"slipway.metadata\" $gateway | nindent 2 }}\nstringData: { a: b }\n---\napiVersion: v1\nkind: Service\n"),
    ("a port that is none", "ports", "is no port", GATEWAY + "gateway.yaml", "containerPort: 8080", "containerPort: 808080"),
    ("a Service to a port that is not there", "ports", "is a port of no pod", TRITON + "server.yaml", "targetPort: metrics", "targetPort: metricz"),
    ("a selector that selects nothing", "selectors", "selects no pod", GATEWAY + "gateway.yaml", "  selector:\n    {{- include \"slipway.selector\" $gateway | nindent 4 }}\n  ports:\n    - { name: http, port: 8080, targetPort: http }\n---\n# Each", "  selector: { app: x }\n  ports:\n    - { name: http, port: 8080, targetPort: http }\n---\n# Each"),
    ("a monitor of nothing", "selectors", "selects no Service", "*/_slipway.tpl", 'slipway.dev/scrape: "true"', 'slipway.dev/scrape: "yes"'),
    ("a set whose Service is not headless", "selectors", "headless", TRITON + "server.yaml", "  clusterIP: None\n", ""),
    ("a ConfigMap that is not there", "named", "ConfigMap 'triton-probes'", TRITON + "server.yaml", "configMap: { name: triton-probe }", "configMap: { name: triton-probes }"),
    ("a Secret that nobody declared", "named", "neither sealed nor declared", "charts/mlflow/values.yaml", "secret: mlflow-s3", "secret: mlflow-s4"),
    ("a key that the Secret has not", "named", "neither sealed nor declared", "*/_slipway.tpl", "key: access-key-id", "key: access-key"),
    ("a claim that is not there", "named", "claim", GATEWAY + "reconciler.yaml", "claimName: gateway-reconciler", "claimName: reconciler"),
    ("an address that nobody answers", "addresses", "no Service answers", "envs/prod/platform.yaml", "gateway-replicas.gateway-prod", "gateways.gateway-prod"),
    ("fewer model servers asked than there are", "addresses", "asks 2 of 3", "envs/prod/values/gateway.yaml", "modelServers:\n  replicas: 3\n", ""),
    ("more model servers asked than there are", "addresses", "no such replica", "envs/prod/values/triton.yaml", "replicas: 3\n", ""),
    ("no default deny", "network", "no default deny", "*/_slipway.tpl", "  podSelector: {}\n  policyTypes: [Ingress, Egress]", "  podSelector: {}\n  policyTypes: [Ingress]"),
    ("a way into the other environment", "network", "no application of 'dev'", "*/_slipway.tpl", "kubernetes.io/metadata.name: {{ .app }}-{{ .root.Values.environment }}", "kubernetes.io/metadata.name: {{ .app }}-prod"),
    ("a rule that lets everybody in", "network", "everybody", GATEWAY + "network.yaml", "  ingress:\n    - from:\n", "  ingress:\n    - {}\n    - from:\n"),
    ("Git's rule that reaches the cluster", "network", "cluster's own", "charts/gateway/values.yaml", "exceptCidrs: [10.0.0.0/8, ", "exceptCidrs: ["),
    ("a door that is locked on the other side", "network", "does not let it in", "charts/mlflow/values.yaml", "clients: [gateway, airflow]", "clients: [airflow]"),
    ("two grammars", "grammar", "differ", GATEWAY + "_slipway.tpl", "{{- /*\nThe grammar", "{{- /*\nThe  grammar"),
    ("a value without documentation", "grammar", "no row", "charts/triton/README.md", "| `scratch`", "| `scratches`"),
    ("the repository's address a second time", "one-place", "repeats", "bootstrap/templates/_root.tpl", "{{ .root.Values.global.repository.url }}", "https://git.example.com/platform/slipway.git"),
    ("a schema that lets everything through", "variants", "takes", "charts/mlflow/values.schema.json", '"const": "latest"', '"const": "newest"'),
    ("YAML that lint refuses", "lint", "yamllint", "envs/dev/platform.yaml", "kind: Platform", "kind: Platform   "),
    ("a name that lint refuses", "lint", "helm lint", GATEWAY + "gateway.yaml", '(dict "name" "gateway-replicas")', '(dict "name" "Gateway_Replicas")'),
]


def edit(root, pattern, old, new):
    paths = sorted((root / "charts").glob("*/templates/_slipway.tpl")) if pattern.startswith("*/") else [root / pattern]
    for path in paths:
        if old is None:
            path.unlink()
            continue
        text = path.read_text()
        if old not in text:
            raise SystemExit(f"'{pattern}' does not hold the text to break: {old!r}")
        path.write_text(text.replace(old, new, 1))


def seen(case, helm, schemas):
    """What the rule of a breakage says about a copy that is broken so; empty: it saw nothing."""
    _, rule, part, file, old, new = case
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for entry in FOLDERS:
            if (REPOSITORY / entry).is_dir():
                shutil.copytree(REPOSITORY / entry, root / entry)
        shutil.copy(REPOSITORY / ".yamllint", root)
        edit(root, file, old, new)
        found = examine(root, helm, schemas, with_variants=rule == "variants")[0].failures[rule]
    return [message for message in found if part in message], found


def main():
    names, bad = sys.argv[1:], 0
    schemas = Schemas(os.environ.get("SLIPWAY_CRDS") or REPOSITORY.parent / "shared/reference/crds")
    helm = REPOSITORY / ".tools/bin/helm"
    cases = [case for case in BREAKAGES if not names or case[0] in names]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        waiting = [(case, None if case[1] == "custom" and not schemas.known else pool.submit(seen, case, helm, schemas)) for case in cases]
        for (name, rule, *_), result in waiting:
            if result is None:
                print(f"SKIPPED  {rule:14} {name}: no definitions")
                continue
            hits, found = result.result()
            bad += not hits
            print(f"{'ok' if hits else 'MISSED':8} {rule:14} {name}" + ("" if hits else f": {found[:2]}"), flush=True)
    covered = {rule for _, rule, *_ in BREAKAGES}
    if not names and covered != set(RULES):
        bad += 1
        print(f"MISSED   rules without a breakage: {sorted(set(RULES) - covered)}")
    print(f"breakages: {len(cases)}, {bad} not seen")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

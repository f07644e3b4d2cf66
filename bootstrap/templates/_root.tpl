{{- define "bootstrap.labels" -}}
app.kubernetes.io/part-of: slipway
slipway.dev/layer: {{ .layer }}
slipway.dev/env: all
{{- end }}

{{- /* One grammar for the three roots: (dict "root" $ "name" NAME "layer" LAYER). */}}
{{- define "bootstrap.root" -}}
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  name: {{ .name }}
  namespace: {{ .root.Values.argocd.namespace }}
  labels:
    {{- include "bootstrap.labels" . | nindent 4 }}
spec:
  project: platform
  source:
    repoURL: {{ .root.Values.global.repository.url }}
    targetRevision: {{ .root.Values.global.repository.revision }}
    path: apps/root
    helm:
      releaseName: {{ .name }}
      valueFiles:
        - /envs/common.yaml
        - /apps/catalogue.yaml
      valuesObject:
        layer: {{ .layer }}
        argocd:
          namespace: {{ .root.Values.argocd.namespace }}
          server: {{ .root.Values.argocd.server }}
  destination:
    server: {{ .root.Values.argocd.server }}
    namespace: {{ .root.Values.argocd.namespace }}
  syncPolicy:
    automated:
      prune: true
      selfHeal: true
    retry:
      limit: -1
      refresh: true
      backoff: { duration: 10s, factor: 2, maxDuration: 5m }
    syncOptions:
      - ServerSideApply=true
      - PruneLast=true
{{- end }}

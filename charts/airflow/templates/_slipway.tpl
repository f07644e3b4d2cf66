{{- /*
The grammar that all charts of this repository share. This file is the same, byte for byte, in every chart
(`make lint-cluster` compares them): a library chart would need a dependency build before each render.
*/}}

{{- define "slipway.labels" -}}
{{ include "slipway.selector" . }}
app.kubernetes.io/part-of: slipway
slipway.dev/layer: {{ .root.Values.layer }}
slipway.dev/env: {{ .root.Values.environment }}
{{- end }}

{{- /* (dict "root" $ "component" NAME): what selects a component's pods; never changes. */}}
{{- define "slipway.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "slipway.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "slipway.labels" . | nindent 2 }}
{{- end }}

{{- /* (dict "root" $ "image" IMAGE): an image without `registry` is ours. */}}
{{- define "slipway.image" -}}
{{- $global := .root.Values.global | default dict }}
{{- $path := "" }}
{{- if .image.registry }}
{{- $path = printf "%s/%s" .image.registry .image.repository }}
{{- if $global.mirror }}{{ $path = printf "%s/%s" $global.mirror $path }}{{ end }}
{{- else }}
{{- $path = .image.repository }}
{{- with $global.registry }}{{ $path = printf "%s/%s" . $path }}{{ end }}
{{- end }}
{{- $path }}:{{ required "every image has a tag" .image.tag }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- /* (dict "user" NUMBER): what Pod Security "restricted" asks of a pod, and a group that owns its volumes. */}}
{{- define "slipway.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user }}
runAsGroup: {{ .user }}
fsGroup: {{ .user }}
# Only once: later mounts leave files that only their owner may read as they are.
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "slipway.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
privileged: false
capabilities:
  drop: [ALL]
{{- end }}

{{- /* (dict "root" $ "component" NAME): replicas on different nodes and zones, where there are several. */}}
{{- define "slipway.spread" -}}
{{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "slipway.selector" $ | nindent 6 }}
{{- end }}
{{- end }}

{{- define "slipway.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "slipway.metadata" . | nindent 2 }}
automountServiceAccountToken: false
{{- end }}

{{- /* Nothing goes in or out but what other policies of the namespace allow; names are resolved. */}}
{{- define "slipway.defaultDeny" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "slipway.metadata" (dict "root" .root "component" "network" "name" "default-deny") | nindent 2 }}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "slipway.metadata" (dict "root" .root "component" "network" "name" "allow-dns") | nindent 2 }}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: kube-system
          podSelector:
            matchLabels:
              k8s-app: kube-dns
      ports:
        - { port: 53, protocol: UDP }
        - { port: 53, protocol: TCP }
{{- end }}

{{- /* (dict "root" $ "app" NAME): the namespace of an application in the same environment, by the label
that only the API server sets. */}}
{{- define "slipway.peer" -}}
namespaceSelector:
  matchLabels:
    kubernetes.io/metadata.name: {{ .app }}-{{ .root.Values.environment }}
{{- end }}

{{- /* Where the environment's objects are: what the values say, else its MinIO. */}}
{{- define "slipway.s3Endpoint" -}}
{{- .Values.s3.endpoint | default (printf "http://minio.minio-%s.svc:9000" .Values.environment) }}
{{- end }}

{{- /* An egress rule to the objects; with an endpoint of your own, `s3.cidrs` says where it is. */}}
{{- define "slipway.s3Egress" -}}
{{- if .Values.s3.endpoint }}
{{- if not .Values.s3.cidrs }}{{ fail "with s3.endpoint, s3.cidrs says where it is: the network policy lets nothing else out" }}{{ end }}
{{- range .Values.s3.cidrs }}
- to:
    - ipBlock: { cidr: {{ . }} }
  ports:
    - { port: {{ $.Values.s3.port }}, protocol: TCP }
{{- end }}
{{- else }}
- to:
    - {{- include "slipway.peer" (dict "root" $ "app" "minio") | nindent 6 }}
  ports:
    - { port: 9000, protocol: TCP }
{{- end }}
{{- end }}

{{- define "slipway.s3Environment" -}}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: { name: {{ .Values.s3.secret }}, key: access-key-id }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: { name: {{ .Values.s3.secret }}, key: secret-access-key }
- name: AWS_DEFAULT_REGION
  value: {{ .Values.s3.region | quote }}
{{- end }}

{{- define "slipway.serviceMonitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "slipway.metadata" . | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "slipway.selector" . | nindent 6 }}
      slipway.dev/scrape: "true"
  namespaceSelector:
    matchNames: [{{ .root.Release.Namespace }}]
  targetLabels: [slipway.dev/env]
  endpoints:
    - port: {{ .port }}
      path: /metrics
      interval: {{ .root.Values.metrics.interval }}
      scrapeTimeout: {{ .root.Values.metrics.timeout }}
{{- end }}

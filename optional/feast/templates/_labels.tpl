{{- /*
The chart has no values for labels. Of templates with one name Helm takes the parent's, so these labels, in place of the
chart's own, put layer and environment on its objects and its pods.
The environment is the end of the namespace `<app>-<env>`: the chart does not see this chart's values.
*/}}
{{- define "feast-feature-server.selectorLabels" -}}
app.kubernetes.io/name: {{ include "feast-feature-server.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
slipway.dev/layer: optional
slipway.dev/env: {{ .Release.Namespace | splitList "-" | last }}
{{- end }}

{{- /*
The chart has values for some of its objects' labels and none for others. Of templates with one name Helm takes the
parent's, so this one, in place of the chart's own, puts layer and environment on all of them.
The environment is the end of the namespace `<app>-<env>`: the chart does not see this chart's values.
*/}}
{{- define "alloy.labels" -}}
helm.sh/chart: {{ include "alloy.chart" . }}
{{ include "alloy.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: slipway
slipway.dev/layer: baseline
slipway.dev/env: {{ .Release.Namespace | splitList "-" | last }}
{{- end }}

{{- /* User and password reach libpq by its own variables: never part of a URI, a command or a log. */}}
{{- define "mlflow.database" -}}
{{- if .Values.database.externalSecret -}}
- name: MLFLOW_BACKEND_STORE_URI
  valueFrom:
    secretKeyRef: { name: {{ .Values.database.externalSecret }}, key: dsn }
{{- else -}}
- name: MLFLOW_BACKEND_STORE_URI
  value: postgresql+psycopg2://mlflow-postgresql:5432/{{ .Values.database.name }}
- name: PGUSER
  valueFrom:
    secretKeyRef: { name: {{ .Values.database.secret }}, key: username }
- name: PGPASSWORD
  valueFrom:
    secretKeyRef: { name: {{ .Values.database.secret }}, key: password }
{{- end }}
{{- end }}

{{- define "gateway.git.url" -}}
{{- $global := .Values.global | default dict }}
{{- .Values.git.url | default (dig "repository" "url" "" $global) }}
{{- end }}

{{- define "gateway.git.branch" -}}
{{- $global := .Values.global | default dict }}
{{- .Values.git.branch | default (dig "repository" "revision" "main" $global) }}
{{- end }}

{{- define "gateway.git.environment" -}}
{{- if .Values.git.secret -}}
- name: GIT_SSH_COMMAND
  value: ssh -i /git/ssh-privatekey -o IdentitiesOnly=yes -o UserKnownHostsFile=/git/known_hosts -o StrictHostKeyChecking=yes
{{- end }}
{{- end }}

{{- /* The home is a folder inside the volume, made by the process itself: it lets in its owner only. The
token is copied into it, as a file of a Secret can be read by the pod's group. */}}
{{- define "gateway.init" -}}
- name: token
  image: {{ include "slipway.image" (dict "root" $ "image" .Values.image) }}
  imagePullPolicy: IfNotPresent
  command:
    - sh
    - -euc
    - umask 077; mkdir -p "$1"; cp /token/token "$1/token.new"; mv "$1/token.new" "$1/token"
    - sh
    - /var/lib/slipway/home/{{ .Values.environment }}
  securityContext:
    {{- include "slipway.containerSecurity" . | nindent 4 }}
  resources:
    requests: { cpu: 10m, memory: 16Mi }
    limits: { memory: 64Mi }
  volumeMounts:
    - { name: home, mountPath: /var/lib/slipway }
    - { name: token, mountPath: /token, readOnly: true }
{{- end }}

{{- define "gateway.mounts" -}}
- { name: home, mountPath: /var/lib/slipway }
- { name: tmp, mountPath: /tmp }
{{- if .Values.git.secret }}
- { name: git, mountPath: /git, readOnly: true }
{{- end }}
{{- end }}

{{- define "gateway.volumes" -}}
- name: token
  secret: { secretName: {{ .Values.tokenSecret }}, defaultMode: 0440 }
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- if .Values.git.secret }}
- name: git
  # ssh accepts a key that its group can read only from root's files; these belong to root.
  secret: { secretName: {{ .Values.git.secret }}, defaultMode: 0440 }
{{- end }}
{{- end }}

{{- define "gateway.git.egress" -}}
- to:
    {{- range .Values.git.cidrs }}
    - ipBlock:
        cidr: {{ . }}
        {{- if and $.Values.git.exceptCidrs (eq . "0.0.0.0/0") }}
        except: {{ toJson $.Values.git.exceptCidrs }}
        {{- end }}
    {{- end }}
  ports:
    {{- range .Values.git.ports }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
{{- end }}

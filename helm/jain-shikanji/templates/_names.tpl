{{/* Labels of all objects; `component` is the service, `edge`, or the job. */}}
{{- define "labels" -}}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
app.kubernetes.io/part-of: jain-shikanji
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{ include "selector" . }}
{{- end }}

{{/* Labels of pods: without versions, so that an upgrade restarts only pods that change. */}}
{{- define "pod.labels" -}}
app.kubernetes.io/part-of: jain-shikanji
{{ include "selector" . }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* The address that servers bind, as the host of host:port. */}}
{{- define "listen.host" -}}
{{- $address := trimAll "[]" .Values.listenAddress -}}
{{ contains ":" $address | ternary (printf "[%s]" $address) $address }}
{{- end }}

{{/* The services and their dependencies. */}}
{{- define "architecture" -}}
{{ .Files.Get "files/architecture.yaml" }}
{{- end }}

{{/* Values of a service: its own merged over the defaults. */}}
{{- define "service.values" -}}
{{- $own := get .root.Values.services .name | default dict -}}
{{ mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy $own) | toYaml }}
{{- end }}

{{/* Name of a Secret; kind is database, keys, nats or tls. */}}
{{- define "secret" -}}
{{ get .root.Values.secrets .kind | replace "{service}" .name }}
{{- end }}

{{/* Image of this project; kind is services or edge. */}}
{{- define "image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ . }}/{{ end }}{{ get $image .kind }}
{{- $digest := get $image (printf "%sDigest" .kind) -}}
{{- if $digest }}@{{ $digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* postgresql://order@host:port/order_db?sslmode=... ; the password is a separate setting. */}}
{{- define "database.url" -}}
{{- $database := .root.Values.database -}}
postgresql://{{ .name }}@{{ .host }}:{{ .port }}/{{ .database }}?sslmode={{ $database.sslMode }}
{{- if $database.caSecret }}&sslrootcert=/etc/database-ca/ca.crt{{ end }}
{{- end }}

{{- define "pull" }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

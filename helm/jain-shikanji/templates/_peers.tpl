{{/* Peers and egress rules of network policies. */}}
{{- define "peer" }}
- podSelector: { matchLabels: { app.kubernetes.io/name: {{ .component }}, app.kubernetes.io/instance: {{ .root.Release.Name }} } }
{{- end }}
{{- define "to.dns" }}
- to: {{- toYaml .Values.networkPolicy.dns | nindent 4 }}
  ports: [{ protocol: UDP, port: 53 }, { protocol: TCP, port: 53 }]
{{- end }}
{{- define "to.database" }}
- to:
    {{- if .Values.postgresql.enabled }}
    {{- include "peer" (dict "root" . "component" "postgres") | nindent 4 }}
    {{- else }}
    {{- toYaml .Values.database.peers | nindent 4 }}
    {{- end }}
  ports:
    {{- range list .Values.database.port .Values.database.directPort .Values.database.readPort | uniq }}
    - { protocol: TCP, port: {{ . }} }
    {{- end }}
{{- end }}
{{- define "to.nats" }}
- to:
    {{- if .Values.natsServer.enabled }}
    {{- include "peer" (dict "root" . "component" "nats") | nindent 4 }}
    {{- else }}
    {{- toYaml .Values.nats.peers | nindent 4 }}
    {{- end }}
  ports: [{ protocol: TCP, port: {{ .Values.nats.port }} }]
{{- end }}
{{- define "to.otlp" }}
{{- with .Values.telemetry.otlpEndpoint }}
- to: {{- toYaml $.Values.networkPolicy.otlp | nindent 4 }}
  ports: [{ protocol: TCP, port: {{ regexFind "[0-9]+$" . }} }]
{{- end }}
{{- end }}

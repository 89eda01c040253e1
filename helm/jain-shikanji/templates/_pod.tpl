{{/* Pod Security `restricted`, and a group that can read mounted keys. */}}
{{- define "pod.security" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .uid | default 10001 }}
  runAsGroup: {{ .uid | default 10001 }}
  fsGroup: {{ .uid | default 10001 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end }}

{{- define "spread" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    # Replicas may share a node after a node is lost; `spread` decides what happens after a zone is lost.
    whenUnsatisfiable: {{ eq . "kubernetes.io/hostname" | ternary "ScheduleAnyway" $.root.Values.spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels: {{- include "selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{- define "placement" }}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Settings for the database and the keys of a service; sufficient for migrations. */}}
{{- define "service.env.data" -}}
{{- $prefix := upper .name -}}
{{- $database := .root.Values.database -}}
{{- $of := dict "root" .root "name" .name "database" .database -}}
- name: {{ $prefix }}_ENVIRONMENT
  value: production
- name: {{ $prefix }}_DATABASE_URL
  value: {{ include "database.url" (merge (dict "host" $database.host "port" $database.port) $of) | quote }}
- name: {{ $prefix }}_LISTEN_URL
  value: {{ include "database.url" (merge (dict "host" $database.directHost "port" $database.directPort) $of) | quote }}
- name: {{ $prefix }}_DATABASE_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ include "secret" (dict "root" .root "kind" "database" "name" .name) }}, key: password } }
{{- range $setting, $key := dict "FIELD_KEYS" "field-keys" "INDEX_KEY" "index-key" "SIGNING_KEY" "signing-key" }}
- name: {{ $prefix }}_{{ $setting }}
  valueFrom: { secretKeyRef: { name: {{ include "secret" (dict "root" $.root "kind" "keys" "name" $.name) }}, key: {{ $key }} } }
{{- end }}
{{- end }}

{{/* All settings of a service. */}}
{{- define "service.env" -}}
{{- $prefix := upper .name -}}
{{- $root := .root -}}
{{- $database := $root.Values.database -}}
{{ include "service.env.data" . }}
{{- with $database.readHost }}
- name: {{ $prefix }}_READ_URL
  value: {{ include "database.url" (dict "root" $root "name" $.name "database" $.database "host" . "port" $database.readPort) | quote }}
{{- end }}
- name: {{ $prefix }}_NATS_PASSWORD
  valueFrom: { secretKeyRef: { name: {{ include "secret" (dict "root" $root "kind" "nats" "name" .name) }}, key: password } }
{{- $telemetry := $root.Values.telemetry }}
{{- $settings := dict
  "DATABASE_POOL_SIZE" $database.poolSize
  "NATS_URL" $root.Values.nats.url
  "NATS_USER" .name
  "STREAM_REPLICAS" $root.Values.nats.streamReplicas
  "GRPC_HOST" (include "listen.host" $root)
  "GRPC_PORT" 50051
  "HEALTH_PORT" 50052
  "METRICS_PORT" 9464
  "TLS_DIR" "/etc/tls"
  "TRUST_DOMAIN" $root.Values.trustDomain
  "PEER_TARGET" "dns:///{service}:50051"
  "DRAIN_SECONDS" .values.drainSeconds
  "LOG_LEVEL" $telemetry.logLevel
  "TRACE_RATIO" $telemetry.traceRatio }}
{{- if $telemetry.otlpEndpoint }}{{ $_ := set $settings "OTLP_ENDPOINT" $telemetry.otlpEndpoint }}{{ end }}
{{- if eq .name "customer" }}
{{- $_ := set $settings "TOKEN_ISSUER" $root.Values.tokens.issuer }}
{{- $_ := set $settings "TOKEN_AUDIENCE" $root.Values.tokens.audience }}
{{- end }}
{{- range $key, $value := mergeOverwrite $settings .values.settings }}
- name: {{ $prefix }}_{{ $key }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- range $key, $reference := .values.secretSettings }}
- name: {{ $prefix }}_{{ $key }}
  valueFrom: { secretKeyRef: { name: {{ $reference.secret }}, key: {{ $reference.key }} } }
{{- end }}
{{- end }}

{{- define "database.ca.mount" }}
{{- if .Values.database.caSecret }}
- { name: database-ca, mountPath: /etc/database-ca, readOnly: true }
{{- end }}
{{- end }}

{{- define "database.ca.volume" }}
{{- if .Values.database.caSecret }}
- name: database-ca
  secret: { secretName: {{ .Values.database.caSecret }}, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- end }}

{{/* Mesh certificate of a ServiceAccount, under the file names that the code reads. */}}
{{- define "tls.volume" -}}
- name: tls
  secret:
    secretName: {{ include "secret" (dict "root" .root "kind" "tls" "name" .name) }}
    defaultMode: 288 # 0440
    items:
      - { key: ca.crt, path: ca.pem }
      - { key: tls.crt, path: cert.pem }
      - { key: tls.key, path: key.pem }
{{- end }}

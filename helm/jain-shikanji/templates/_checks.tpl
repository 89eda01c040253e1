{{/* Rejects invalid combinations of values; each message names the key and the remedy. Types and unknown keys: values.schema.json. */}}
{{- define "checks" }}
{{- $services := (include "architecture" . | fromYaml).services }}
{{- range $name, $_ := .Values.services }}
{{- if not (hasKey $services $name) }}
{{- fail (printf "services.%s: unknown service; the services are %s" $name (keys $services | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- range $kind := list "database" "keys" "nats" "tls" }}
{{- $pattern := get $.Values.secrets $kind }}
{{- if not (contains "{service}" $pattern) }}
{{- fail (printf "secrets.%s is %q: write {service} where the name of the service belongs, for example \"{service}-%s\"" $kind $pattern $kind) }}
{{- end }}
{{- end }}
{{- if eq .Values.image.tag "latest" }}
{{- fail "image.tag is \"latest\", which cannot be rolled back: set a version, or leave it empty for the chart's appVersion" }}
{{- end }}
{{- if and (eq .Values.certificates.source "generated") (not .Values.secrets.generate) }}
{{- fail "certificates.source is \"generated\" but secrets.generate is false: set secrets.generate=true, or certificates.source to cert-manager or given" }}
{{- end }}
{{- if and .Values.secrets.generate (ne .Values.certificates.source "generated") }}
{{- fail (printf "secrets.generate is true but certificates.source is %q, so that both would write the same Secrets: set certificates.source=generated" .Values.certificates.source) }}
{{- end }}
{{- if and (eq .Values.certificates.source "cert-manager") (not .Values.certificates.issuer.name) }}
{{- fail "certificates.issuer.name is empty: set it to the cert-manager issuer of the mesh, or set certificates.source to generated or given" }}
{{- end }}
{{- if ge (.Values.certificates.renewBefore | trimSuffix "h" | int) (.Values.certificates.duration | trimSuffix "h" | int) }}
{{- fail (printf "certificates.renewBefore (%s) is not shorter than certificates.duration (%s): lower renewBefore or raise duration" .Values.certificates.renewBefore .Values.certificates.duration) }}
{{- end }}
{{- if ge (int .Values.jobs.patienceSeconds) (int .Values.jobs.deadlineSeconds) }}
{{- fail (printf "jobs.patienceSeconds (%d) is not below jobs.deadlineSeconds (%d), so that a Job would be killed while it waits: lower patienceSeconds or raise deadlineSeconds" (int .Values.jobs.patienceSeconds) (int .Values.jobs.deadlineSeconds)) }}
{{- end }}
{{- if and .Values.test.placeOrder (not .Values.test.accountSecret) (not .Values.administrator.secret) }}
{{- fail "test.placeOrder is true but there is no account that orders: set test.accountSecret to the Secret of an account" }}
{{- end }}
{{- if and .Values.monitoring.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) }}
{{- fail "monitoring.enabled is true but networkPolicy.metricsFrom is empty, so that no client can read metrics: add your Prometheus to it" }}
{{- end }}
{{- if ne .Values.postgresql.enabled .Values.natsServer.enabled }}
{{- fail "postgresql.enabled and natsServer.enabled differ: the chart installs both servers or none; set both to the same value" }}
{{- end }}
{{- if and .Values.postgresql.enabled (not .Values.secrets.generate) }}
{{- fail "postgresql.enabled is true but secrets.generate is false: set secrets.generate=true, which generates the passwords of its logins" }}
{{- end }}
{{- if and .Values.postgresql.enabled (or (ne .Values.database.host "postgres") (ne .Values.database.directHost "postgres")) }}
{{- fail "postgresql.enabled is true but database.host or database.directHost is another server: set both to \"postgres\", or postgresql.enabled=false" }}
{{- end }}
{{- if and .Values.postgresql.enabled .Values.database.readHost }}
{{- fail "database.readHost is set but postgresql.enabled installs one server without replicas: leave database.readHost empty" }}
{{- end }}
{{- if and .Values.natsServer.enabled (ne (int .Values.nats.streamReplicas) 1) }}
{{- fail (printf "nats.streamReplicas is %d but natsServer.enabled installs one server: set nats.streamReplicas=1" (int .Values.nats.streamReplicas)) }}
{{- end }}
{{- if and (hasPrefix "verify" .Values.database.sslMode) (not .Values.database.caSecret) }}
{{- fail (printf "database.sslMode is %q but database.caSecret is empty: set it to the Secret whose ca.crt signed the server's certificate" .Values.database.sslMode) }}
{{- end }}
{{- $known := .Files.Get "files/settings.yaml" | fromYaml }}
{{- range $name, $_ := $services }}
{{- $values := include "service.values" (dict "root" $ "name" $name) | fromYaml }}
{{- include "checks.autoscaling" (dict "at" (printf "services.%s" $name) "autoscaling" $values.autoscaling) }}
{{- range $key, $reference := $values.secretSettings }}
{{- if not (and $reference.secret $reference.key) }}
{{- fail (printf "services.%s.secretSettings.%s has no secret or no key: write {secret: <name of a Secret>, key: <key in it>}" $name $key) }}
{{- end }}
{{- include "checks.setting" (dict "at" (printf "services.%s.secretSettings" $name) "key" $key "knows" (get $known.services $name) "what" $name) }}
{{- if hasKey $values.settings $key }}
{{- fail (printf "services.%s.settings.%s is also in secretSettings: remove one of them" $name $key) }}
{{- end }}
{{- end }}
{{- range $key, $value := $values.settings }}
{{- include "checks.setting" (dict "at" (printf "services.%s.settings" $name) "key" $key "knows" (get $known.services $name) "what" $name) }}
{{- if regexMatch "(PASSWORD|SECRET|TOKEN|KEY|KEYS)$" $key }}
{{- fail (printf "services.%s.settings.%s looks like a secret: put it into a Secret and reference it under secretSettings" $name $key) }}
{{- end }}
{{- if regexMatch "^(ENVIRONMENT|DATABASE_URL|LISTEN_URL|READ_URL|DATABASE_POOL_SIZE|NATS_.*|STREAM_REPLICAS|GRPC_.*|HEALTH_PORT|METRICS_PORT|TLS_DIR|TRUST_DOMAIN|PEERS|PEER_TARGET|DRAIN_SECONDS|LOG_LEVEL|OTLP_ENDPOINT|TRACE_RATIO|TOKEN_.*)$" $key }}
{{- fail (printf "services.%s.settings.%s is set by the chart: change it under database, nats, telemetry, tokens, trustDomain or drainSeconds" $name $key) }}
{{- end }}
{{- end }}
{{- if and (eq $name "payment") (or (hasKey $values.secretSettings "RAZORPAY_KEY_ID") (hasKey $values.secretSettings "STRIPE_SECRET_KEY")) (not $values.egress) $.Values.networkPolicy.enabled }}
{{- fail "services.payment.egress is empty but a payment gateway is configured: add the gateway's addresses, [{name: razorpay, cidrs: [...], port: 443}]" }}
{{- end }}
{{- if and (eq $name "payment") (hasKey $values.secretSettings "RAZORPAY_KEY_ID") (not (and (hasKey $values.secretSettings "RAZORPAY_KEY_SECRET") (hasKey $values.secretSettings "RAZORPAY_WEBHOOK_SECRET"))) }}
{{- fail "services.payment.secretSettings has RAZORPAY_KEY_ID but not RAZORPAY_KEY_SECRET and RAZORPAY_WEBHOOK_SECRET: add both" }}
{{- end }}
{{- if and (eq $name "notification") (hasKey $values.settings "SMTP_HOST") (not $values.egress) $.Values.networkPolicy.enabled }}
{{- fail "services.notification.egress is empty but SMTP_HOST is set: add the addresses of the mail relay, [{name: mail-relay, cidrs: [...], port: 587}]" }}
{{- end }}
{{- end }}
{{- include "checks.connections" . }}
{{- if and .Values.postgresql.enabled (gt (int .Values.database.maxConnections) (int .Values.postgresql.maxConnections)) }}
{{- fail "database.maxConnections is above postgresql.maxConnections: set both to the same value" }}
{{- end }}
{{- include "checks.autoscaling" (dict "at" "edge" "autoscaling" .Values.edge.autoscaling) }}
{{- if and .Values.edge.ingress.enabled (not .Values.edge.ingress.host) }}
{{- fail "edge.ingress.host is empty: set the public host, or set edge.ingress.enabled=false" }}
{{- end }}
{{- if and .Values.edge.gatewayRoute.enabled (not .Values.edge.gatewayRoute.parentRefs) }}
{{- fail "edge.gatewayRoute.parentRefs is empty: add the Gateway, [{name: public, namespace: gateways}], or set edge.gatewayRoute.enabled=false" }}
{{- end }}
{{- range $key := list "config_dir" "admin_socket" "listen_address" "listen_port" "metrics_port" "tls_dir" "trust_domain" "namespace" "token_issuer" "token_audience" "edge_peers" "listener_tls_dir" "otlp_target" "targets" }}
{{- if hasKey $.Values.edge.settings $key }}
{{- fail (printf "edge.settings.%s is set by the chart: remove it" $key) }}
{{- end }}
{{- end }}
{{- range $key, $_ := .Values.edge.settings }}
{{- include "checks.setting" (dict "at" "edge.settings" "key" $key "knows" $known.edge "what" "the edge") }}
{{- end }}
{{- if and (or .Values.edge.ingress.enabled .Values.edge.gatewayRoute.enabled) (not (hasKey .Values.edge.settings "trusted_hops")) }}
{{- fail "edge.settings.trusted_hops is not set but an Ingress or Gateway is in front of the edge, so that all clients would share the rate limits of one address: set edge.settings.trusted_hops=1, or the number of proxies" }}
{{- end }}
{{- end }}

{{- define "checks.setting" }}
{{- if not (has .key .knows) }}
{{- fail (printf "%s.%s: %s has no such setting; the settings are %s" .at .key .what (join ", " .knows)) }}
{{- end }}
{{- end }}

{{- define "checks.autoscaling" }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "%s.autoscaling.minReplicas (%d) is above maxReplicas (%d): lower minReplicas or raise maxReplicas" .at (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- end }}
{{- end }}

{{/*
The connection budget: replicas x (poolSize + reserve) <= maxConnections. Each service counts with the most replicas that it
may have and one more, which a rolling update adds. The reserve is for LISTEN, migrations and operator commands.
*/}}
{{- define "checks.connections" }}
{{- $reserve := 3 }}
{{- $services := (include "architecture" . | fromYaml).services }}
{{- $replicas := 0 }}
{{- range $name, $_ := $services }}
{{- $values := include "service.values" (dict "root" $ "name" $name) | fromYaml }}
{{- $replicas = add $replicas ($values.autoscaling.enabled | ternary $values.autoscaling.maxReplicas $values.replicas) 1 }}
{{- end }}
{{- $pool := int .Values.database.poolSize }}
{{- $needed := mul $replicas (add $pool $reserve) }}
{{- $available := int .Values.database.maxConnections }}
{{- if gt $needed (int64 $available) }}
{{- $fitting := sub (div $available $replicas) $reserve }}
{{- $server := .Values.postgresql.enabled | ternary "postgresql.maxConnections" "max_client_conn of the poolers in k8s/postgresql.yaml" }}
{{- fail (printf "database.poolSize: %d services with at most %d replicas x (database.poolSize %d + %d in reserve) need %d connections, but database.maxConnections is %d: %slower autoscaling.maxReplicas, or raise %s and database.maxConnections to %d" (len $services) $replicas $pool $reserve $needed $available (ge $fitting 1 | ternary (printf "lower database.poolSize to %d, " $fitting) "") $server $needed) }}
{{- end }}
{{- end }}

{{/* Combinations that cannot work. Each sentence names the key and the remedy. Types and unknown keys: the schema. */}}
{{- define "checks" }}
{{- $services := (include "architecture" . | fromYaml).services }}
{{- range $name, $_ := .Values.services }}
{{- if not (hasKey $services $name) }}
{{- fail (printf "services.%s: there is no such service; the services are %s" $name (keys $services | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- range $kind := list "database" "keys" "nats" "tls" }}
{{- $pattern := get $.Values.secrets $kind }}
{{- if not (contains "{service}" $pattern) }}
{{- fail (printf "secrets.%s is %q: name the Secrets with {service} in the place of the service, for example \"{service}-%s\"" $kind $pattern $kind) }}
{{- end }}
{{- end }}
{{- if eq .Values.image.tag "latest" }}
{{- fail "image.tag is \"latest\", which says nothing and cannot be rolled back: name a version, or leave it empty for the chart's own" }}
{{- end }}
{{- if and (eq .Values.certificates.source "generated") (not .Values.secrets.generate) }}
{{- fail "certificates.source is \"generated\" but secrets.generate is false: set secrets.generate=true, or certificates.source to cert-manager or given" }}
{{- end }}
{{- if and .Values.secrets.generate (ne .Values.certificates.source "generated") }}
{{- fail (printf "secrets.generate is true but certificates.source is %q, and two would write the same Secrets: set certificates.source=generated" .Values.certificates.source) }}
{{- end }}
{{- if and (eq .Values.certificates.source "cert-manager") (not .Values.certificates.issuer.name) }}
{{- fail "certificates.issuer.name is empty: name the cert-manager issuer of the mesh, or set certificates.source to generated or given" }}
{{- end }}
{{- if ge (.Values.certificates.renewBefore | trimSuffix "h" | int) (.Values.certificates.duration | trimSuffix "h" | int) }}
{{- fail (printf "certificates.renewBefore (%s) is not shorter than certificates.duration (%s): lower the one or raise the other" .Values.certificates.renewBefore .Values.certificates.duration) }}
{{- end }}
{{- if ge (int .Values.jobs.patienceSeconds) (int .Values.jobs.deadlineSeconds) }}
{{- fail (printf "jobs.patienceSeconds (%d) is not below jobs.deadlineSeconds (%d), so a job would be ended while it waits: lower the one or raise the other" (int .Values.jobs.patienceSeconds) (int .Values.jobs.deadlineSeconds)) }}
{{- end }}
{{- if and .Values.test.placeOrder (not .Values.test.accountSecret) (not .Values.administrator.secret) }}
{{- fail "test.placeOrder is true but nobody orders: name the Secret of an account under test.accountSecret" }}
{{- end }}
{{- if and .Values.monitoring.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) }}
{{- fail "monitoring.enabled is true but networkPolicy.metricsFrom is empty, so nobody may read: name your Prometheus there" }}
{{- end }}
{{- if ne .Values.postgresql.enabled .Values.natsServer.enabled }}
{{- fail "postgresql.enabled and natsServer.enabled differ: the chart brings both servers or none; set both the same" }}
{{- end }}
{{- if and .Values.postgresql.enabled (not .Values.secrets.generate) }}
{{- fail "postgresql.enabled is true but secrets.generate is false: set secrets.generate=true, so that its logins have passwords" }}
{{- end }}
{{- if and .Values.postgresql.enabled (or (ne .Values.database.host "postgres") (ne .Values.database.directHost "postgres")) }}
{{- fail "postgresql.enabled is true but database.host or database.directHost names another server: set both to \"postgres\", or postgresql.enabled=false" }}
{{- end }}
{{- if and .Values.postgresql.enabled .Values.database.readHost }}
{{- fail "database.readHost is set but postgresql.enabled brings one server without replicas: leave database.readHost empty" }}
{{- end }}
{{- if and .Values.natsServer.enabled (ne (int .Values.nats.streamReplicas) 1) }}
{{- fail (printf "nats.streamReplicas is %d but natsServer.enabled brings one server: set nats.streamReplicas=1" (int .Values.nats.streamReplicas)) }}
{{- end }}
{{- if and (hasPrefix "verify" .Values.database.sslMode) (not .Values.database.caSecret) }}
{{- fail (printf "database.sslMode is %q but database.caSecret is empty: name the Secret whose ca.crt signed the server's certificate" .Values.database.sslMode) }}
{{- end }}
{{- $connections := 0 }}
{{- $known := .Files.Get "files/settings.yaml" | fromYaml }}
{{- range $name, $_ := $services }}
{{- $values := include "service.values" (dict "root" $ "name" $name) | fromYaml }}
{{- $most := $values.autoscaling.enabled | ternary $values.autoscaling.maxReplicas $values.replicas }}
{{- $connections = add $connections (mul (add $most 1) (add $.Values.database.poolSize 3)) }}
{{- include "checks.autoscaling" (dict "at" (printf "services.%s" $name) "autoscaling" $values.autoscaling) }}
{{- range $key, $reference := $values.secretSettings }}
{{- if not (and $reference.secret $reference.key) }}
{{- fail (printf "services.%s.secretSettings.%s lacks its secret or its key: write {secret: <name of a Secret>, key: <key in it>}" $name $key) }}
{{- end }}
{{- include "checks.setting" (dict "at" (printf "services.%s.secretSettings" $name) "key" $key "knows" (get $known.services $name) "what" $name) }}
{{- if hasKey $values.settings $key }}
{{- fail (printf "services.%s.settings.%s is also in secretSettings: keep one of them" $name $key) }}
{{- end }}
{{- end }}
{{- range $key, $value := $values.settings }}
{{- include "checks.setting" (dict "at" (printf "services.%s.settings" $name) "key" $key "knows" (get $known.services $name) "what" $name) }}
{{- if regexMatch "(PASSWORD|SECRET|TOKEN|KEY|KEYS)$" $key }}
{{- fail (printf "services.%s.settings.%s looks like a secret: put it into a Secret and name that under secretSettings" $name $key) }}
{{- end }}
{{- if regexMatch "^(ENVIRONMENT|DATABASE_URL|LISTEN_URL|READ_URL|DATABASE_POOL_SIZE|NATS_.*|STREAM_REPLICAS|GRPC_.*|HEALTH_PORT|METRICS_PORT|TLS_DIR|TRUST_DOMAIN|PEERS|PEER_TARGET|DRAIN_SECONDS|LOG_LEVEL|OTLP_ENDPOINT|TRACE_RATIO|TOKEN_.*)$" $key }}
{{- fail (printf "services.%s.settings.%s is set by the chart: change it under database, nats, telemetry, tokens, trustDomain or drainSeconds" $name $key) }}
{{- end }}
{{- end }}
{{- if and (eq $name "payment") (or (hasKey $values.secretSettings "RAZORPAY_KEY_ID") (hasKey $values.secretSettings "STRIPE_SECRET_KEY")) (not $values.egress) $.Values.networkPolicy.enabled }}
{{- fail "services.payment.egress is empty but a payment gateway is configured: name the gateway's addresses, [{name: razorpay, cidrs: [...], port: 443}]" }}
{{- end }}
{{- if and (eq $name "payment") (hasKey $values.secretSettings "RAZORPAY_KEY_ID") (not (and (hasKey $values.secretSettings "RAZORPAY_KEY_SECRET") (hasKey $values.secretSettings "RAZORPAY_WEBHOOK_SECRET"))) }}
{{- fail "services.payment.secretSettings has RAZORPAY_KEY_ID alone: name RAZORPAY_KEY_SECRET and RAZORPAY_WEBHOOK_SECRET too" }}
{{- end }}
{{- if and (eq $name "notification") (hasKey $values.settings "SMTP_HOST") (not $values.egress) $.Values.networkPolicy.enabled }}
{{- fail "services.notification.egress is empty but SMTP_HOST names a mail relay: name its addresses, [{name: mail-relay, cidrs: [...], port: 587}]" }}
{{- end }}
{{- end }}
{{- if gt (int $connections) (int .Values.database.maxConnections) }}
{{- fail (printf "database.poolSize: %d connections at most, but database.maxConnections is %d: lower database.poolSize or autoscaling.maxReplicas, or raise the server's limit and this value" $connections (int .Values.database.maxConnections)) }}
{{- end }}
{{- if and .Values.postgresql.enabled (gt (int .Values.database.maxConnections) (int .Values.postgresql.maxConnections)) }}
{{- fail "database.maxConnections is above postgresql.maxConnections: set both the same" }}
{{- end }}
{{- include "checks.autoscaling" (dict "at" "edge" "autoscaling" .Values.edge.autoscaling) }}
{{- if and .Values.edge.ingress.enabled (not .Values.edge.ingress.host) }}
{{- fail "edge.ingress.host is empty: name the public host, or set edge.ingress.enabled=false" }}
{{- end }}
{{- if and .Values.edge.gatewayRoute.enabled (not .Values.edge.gatewayRoute.parentRefs) }}
{{- fail "edge.gatewayRoute.parentRefs is empty: name the Gateway, [{name: public, namespace: gateways}], or set edge.gatewayRoute.enabled=false" }}
{{- end }}
{{- range $key := list "config_dir" "admin_socket" "listen_address" "listen_port" "metrics_port" "tls_dir" "trust_domain" "namespace" "token_issuer" "token_audience" "edge_peers" "listener_tls_dir" "otlp_target" "targets" }}
{{- if hasKey $.Values.edge.settings $key }}
{{- fail (printf "edge.settings.%s is set by the chart: leave it out" $key) }}
{{- end }}
{{- end }}
{{- range $key, $_ := .Values.edge.settings }}
{{- include "checks.setting" (dict "at" "edge.settings" "key" $key "knows" $known.edge "what" "the edge") }}
{{- end }}
{{- if and (or .Values.edge.ingress.enabled .Values.edge.gatewayRoute.enabled) (not (hasKey .Values.edge.settings "trusted_hops")) }}
{{- fail "edge.settings.trusted_hops is not set but an Ingress or Gateway stands in front, and all its clients would share one address's limits: set edge.settings.trusted_hops=1, or how many proxies there are" }}
{{- end }}
{{- end }}

{{- define "checks.setting" }}
{{- if not (has .key .knows) }}
{{- fail (printf "%s.%s: %s has no such setting; it has %s" .at .key .what (join ", " .knows)) }}
{{- end }}
{{- end }}

{{- define "checks.autoscaling" }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "%s.autoscaling.minReplicas (%d) is above maxReplicas (%d): lower the one or raise the other" .at (int .autoscaling.minReplicas) (int .autoscaling.maxReplicas)) }}
{{- end }}
{{- end }}

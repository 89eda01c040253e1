{{/* When a hook runs, and when it goes. */}}
{{- define "secrets.hook" }}
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "jobs.hook" }}
    helm.sh/hook: {{ .events }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    helm.sh/hook-weight: {{ .weight | quote }}
{{- end }}

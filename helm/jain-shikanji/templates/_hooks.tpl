{{/*
Hook annotations. A hook is deleted after it succeeded. A failed Job stays, so that its log can be read, until the next Job
of the same name or for an hour (ttlSecondsAfterFinished).
*/}}
{{- define "secrets.hook" }}
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "jobs.hook" }}
    helm.sh/hook: {{ .events }}
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
    helm.sh/hook-weight: {{ .weight | quote }}
{{- end }}

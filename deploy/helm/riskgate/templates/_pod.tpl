{{- /* Numbers of values are floats: without this, 1048576 becomes 1.048576e+06. A part such as 0.05 stays as it is. */}}
{{- define "riskgate.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . | toString | quote }}{{ else }}{{ . | toString | quote }}{{ end }}
{{- end }}

{{- define "riskgate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "riskgate.caEnv" -}}
{{- if .Values.caBundle.configMap }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/riskgate/ca/ca.crt
{{- end }}
{{- end }}

{{- define "riskgate.caMount" -}}
{{- if .Values.caBundle.configMap }}
- { name: ca, mountPath: /etc/riskgate/ca, readOnly: true }
{{- end }}
{{- end }}

{{- define "riskgate.caVolume" -}}
{{- with .Values.caBundle }}
{{- if .configMap }}
- name: ca
  configMap:
    name: {{ .configMap }}
    items:
      - { key: {{ .key }}, path: ca.crt }
{{- end }}
{{- end }}
{{- end }}

{{- define "riskgate.env" -}}
- { name: NODE_ENV, value: production }
- { name: RISKGATE_PORT, value: "4000" }
- { name: RISKGATE_MIGRATE_AT_START, value: {{ not .Values.migrations.enabled | quote }} }
{{- range $name, $value := merge (dict) .Values.settings (dict "RISKGATE_HOST" "0.0.0.0") }}
- name: {{ $name }}
  value: {{ include "riskgate.text" $value }}
{{- end }}
- { name: DATABASE_URL_FILE, value: /run/secrets/riskgate/database-url }
{{- if .Values.secrets.redis.name }}
- { name: REDIS_URL_FILE, value: /run/secrets/riskgate/redis-url }
{{- end }}
{{- with .Values.secrets.tokens }}
{{- if .name }}
- { name: RISKGATE_JWT_SECRET_FILE, value: /run/secrets/riskgate/jwt-secret }
{{- end }}
{{- if .previousKey }}
- { name: RISKGATE_JWT_PREVIOUS_SECRET_FILE, value: /run/secrets/riskgate/jwt-previous-secret }
{{- end }}
{{- end }}
{{- with .Values.secrets.mlflow }}
{{- if .tokenKey }}
- { name: RISKGATE_MLFLOW_TOKEN_FILE, value: /run/secrets/riskgate/mlflow-token }
{{- end }}
{{- if .passwordKey }}
- { name: RISKGATE_MLFLOW_PASSWORD_FILE, value: /run/secrets/riskgate/mlflow-password }
{{- end }}
{{- if .webhookKey }}
- { name: RISKGATE_MLFLOW_WEBHOOK_SECRET_FILE, value: /run/secrets/riskgate/mlflow-webhook-secret }
{{- end }}
{{- end }}
{{- if .Values.settings.RISKGATE_MLFLOW_MODELS }}
- { name: RISKGATE_STATE_DIR, value: /var/lib/riskgate }
{{- end }}
{{- if .Values.secrets.releases.name }}
- { name: RISKGATE_RELEASE_KEY_FILE, value: /run/secrets/riskgate/release-key }
{{- end }}
{{- if .Values.secrets.tls.name }}
- { name: RISKGATE_TLS_CERT_FILE, value: /etc/riskgate/tls/tls.crt }
- { name: RISKGATE_TLS_KEY_FILE, value: /etc/riskgate/tls/tls.key }
{{- end }}
{{- if .Values.models.volume }}
- { name: RISKGATE_MODELS_DIR, value: /models }
{{- end }}
{{- if .Values.trustedDocuments.configMap }}
- { name: RISKGATE_TRUSTED_DOCUMENTS, value: /etc/riskgate/documents/documents.json }
{{- end }}
{{- include "riskgate.caEnv" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "riskgate.mounts" -}}
- { name: secrets, mountPath: /run/secrets/riskgate, readOnly: true }
{{- /* Where a version of the store is checked again, as after an upgrade. */}}
- { name: tmp, mountPath: /tmp }
{{- if .Values.secrets.tls.name }}
- { name: tls, mountPath: /etc/riskgate/tls, readOnly: true }
{{- end }}
{{- if .Values.models.volume }}
- { name: models, mountPath: /models, readOnly: true }
{{- end }}
{{- if .Values.settings.RISKGATE_MLFLOW_MODELS }}
- { name: state, mountPath: /var/lib/riskgate }
{{- end }}
{{- if .Values.trustedDocuments.configMap }}
- { name: documents, mountPath: /etc/riskgate/documents, readOnly: true }
{{- end }}
{{- include "riskgate.caMount" . }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "riskgate.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 4Gi }
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- with .Values.secrets }}
      - secret:
          name: {{ .database.name }}
          items:
            - { key: {{ .database.key }}, path: database-url }
      {{- if .redis.name }}
      - secret:
          name: {{ .redis.name }}
          items:
            - { key: {{ .redis.key }}, path: redis-url }
      {{- end }}
      {{- if .tokens.name }}
      - secret:
          name: {{ .tokens.name }}
          items:
            - { key: {{ .tokens.key }}, path: jwt-secret }
            {{- if .tokens.previousKey }}
            - { key: {{ .tokens.previousKey }}, path: jwt-previous-secret }
            {{- end }}
      {{- end }}
      {{- with .mlflow }}
      {{- if .name }}
      - secret:
          name: {{ .name }}
          items:
            {{- with .tokenKey }}
            - { key: {{ . }}, path: mlflow-token }
            {{- end }}
            {{- with .passwordKey }}
            - { key: {{ . }}, path: mlflow-password }
            {{- end }}
            {{- with .webhookKey }}
            - { key: {{ . }}, path: mlflow-webhook-secret }
            {{- end }}
      {{- end }}
      {{- end }}
      {{- if .releases.name }}
      - secret:
          name: {{ .releases.name }}
          items:
            - { key: {{ .releases.key }}, path: release-key }
      {{- end }}
      {{- end }}
{{- if .Values.secrets.tls.name }}
- name: tls
  secret: { secretName: {{ .Values.secrets.tls.name }}, defaultMode: 0440 }
{{- end }}
{{- with .Values.models.volume }}
- name: models
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.settings.RISKGATE_MLFLOW_MODELS }}
- name: state
  {{- toYaml .Values.mlflow.volume | nindent 2 }}
{{- end }}
{{- with .Values.trustedDocuments }}
{{- if .configMap }}
- name: documents
  configMap:
    name: {{ .configMap }}
    items:
      - { key: {{ .key }}, path: documents.json }
{{- end }}
{{- end }}
{{- include "riskgate.caVolume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

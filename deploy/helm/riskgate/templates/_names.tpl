{{- define "riskgate.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "riskgate.selectorLabels" -}}
app.kubernetes.io/name: riskgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "riskgate.labels" -}}
{{ include "riskgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "riskgate.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ printf "%s@%s" .repository .digest }}
{{- else }}{{ printf "%s:%s" .repository (.tag | default $.Chart.AppVersion) }}{{ end }}
{{- end }}
{{- end }}

{{- /* The name of the port, and what probes and the ServiceMonitor speak to it. */}}
{{- define "riskgate.scheme" -}}
{{- ternary "https" "http" (ne .Values.secrets.tls.name "") -}}
{{- end }}

{{- /* How many replicas there may be. */}}
{{- define "riskgate.maxReplicas" -}}
{{- ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled -}}
{{- end }}

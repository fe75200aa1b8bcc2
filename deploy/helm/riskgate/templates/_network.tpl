{{- /* A rule for connections to the peers, on their port. No peers: anywhere. */}}
{{- define "riskgate.egress" -}}
- ports:
    - { protocol: TCP, port: {{ .port }} }
  {{- with .to }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "riskgate.egressToNames" -}}
- ports:
    - { protocol: UDP, port: 53 }
    - { protocol: TCP, port: 53 }
{{- end }}

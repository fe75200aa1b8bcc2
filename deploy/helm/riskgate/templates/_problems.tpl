{{- /* Values that contradict each other, a line each. values.schema.json holds what one value alone can do wrong. */}}
{{- define "riskgate.problems" -}}
{{- $v := .Values -}}
{{- $problems := list -}}
{{- $maxReplicas := include "riskgate.maxReplicas" . | int -}}
{{- if not $v.image.repository }}
{{- $problems = append $problems "image.repository must name your image of riskgate." }}
{{- end }}
{{- if not $v.secrets.database.name }}
{{- $problems = append $problems "secrets.database.name must name the Secret with the address of PostgreSQL." }}
{{- end }}
{{- if and $v.migrations.enabled (not $v.secrets.migrations.name) }}
{{- $problems = append $problems "secrets.migrations.name must name the Secret of the role of migrations, unless migrations.enabled is false." }}
{{- end }}
{{- if and $v.upkeep.enabled (not $v.secrets.migrations.name) }}
{{- $problems = append $problems "secrets.migrations.name must name the Secret of the owner of the tables when upkeep.enabled is true." }}
{{- end }}
{{- if not (or $v.secrets.tokens.name $v.settings.RISKGATE_JWKS_URL) }}
{{- $problems = append $problems "secrets.tokens.name or settings.RISKGATE_JWKS_URL must be set: without a key no token can be checked." }}
{{- end }}
{{- if and $v.secrets.tokens.previousKey (not $v.secrets.tokens.name) }}
{{- $problems = append $problems "secrets.tokens.previousKey must not be set without secrets.tokens.name." }}
{{- end }}
{{- with $v.secrets.mlflow }}
{{- if ne (empty .name) (empty (or .tokenKey .passwordKey .webhookKey)) }}
{{- $problems = append $problems "secrets.mlflow needs a name together with tokenKey, passwordKey or webhookKey." }}
{{- end }}
{{- end }}
{{- if and (gt $maxReplicas 1) (not $v.secrets.redis.name) }}
{{- $problems = append $problems (printf "secrets.redis.name must be set, since there may be %d replicas: they share rate limits through Redis." $maxReplicas) }}
{{- end }}
{{- if $v.autoscaling.enabled }}
{{- if gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas) }}
{{- $problems = append $problems "autoscaling.minReplicas must not be greater than autoscaling.maxReplicas." }}
{{- end }}
{{- if not (or $v.autoscaling.cpuPercent $v.autoscaling.requestsPerSecond) }}
{{- $problems = append $problems "autoscaling needs autoscaling.cpuPercent or autoscaling.requestsPerSecond." }}
{{- end }}
{{- if and $v.autoscaling.cpuPercent (not (dig "requests" "cpu" "" $v.resources)) }}
{{- $problems = append $problems "autoscaling.cpuPercent is a part of resources.requests.cpu, which must be set." }}
{{- end }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- $problems = append $problems "ingress.hosts must name a host when ingress.enabled is true." }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.hosts) }}
{{- $problems = append $problems "httpRoute.hosts must name a host when httpRoute.enabled is true." }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
{{- $problems = append $problems "httpRoute.parentRefs must name a Gateway when httpRoute.enabled is true." }}
{{- end }}
{{- if and (or $v.ingress.enabled $v.httpRoute.enabled) (not $v.settings.RISKGATE_TRUSTED_PROXIES) }}
{{- $problems = append $problems "settings.RISKGATE_TRUSTED_PROXIES must name the proxy's addresses: otherwise all clients count as one address." }}
{{- end }}
{{- if and (or $v.ingress.enabled $v.httpRoute.enabled) $v.networkPolicy.enabled (not $v.networkPolicy.from) }}
{{- $problems = append $problems "networkPolicy.from must name the pods of the proxy: otherwise nobody reaches the gateway." }}
{{- end }}
{{- if and $v.serviceMonitor.enabled (not $v.secrets.metrics.name) }}
{{- $problems = append $problems "secrets.metrics.name must be set when serviceMonitor.enabled is true: /metrics needs an API key of role MONITOR." }}
{{- end }}
{{- if and $v.serviceMonitor.enabled $v.networkPolicy.enabled (not $v.networkPolicy.monitoringFrom) }}
{{- $problems = append $problems "networkPolicy.monitoringFrom must name the pods of Prometheus when serviceMonitor.enabled is true." }}
{{- end }}
{{- if $v.databaseMaxConnections }}
{{- /* A rolling update adds a replica. Each has two connections beside its pool. Migrations need one. */}}
{{- $pool := int ($v.settings.RISKGATE_DATABASE_POOL_SIZE | default 10) }}
{{- $needed := add (mul (add $maxReplicas 1) (add $pool 2)) 1 }}
{{- if gt (int $needed) (int $v.databaseMaxConnections) }}
{{- $lack := printf "%d replicas need up to %d connections during an update" $maxReplicas $needed }}
{{- $have := printf "databaseMaxConnections is %d" (int $v.databaseMaxConnections) }}
{{- $do := "Lower settings.RISKGATE_DATABASE_POOL_SIZE or the replicas." }}
{{- $problems = append $problems (printf "%s; %s. %s" $lack $have $do) }}
{{- end }}
{{- end }}
{{- range $v.extraEnv }}
{{- if regexMatch "^(RISKGATE_|DATABASE_URL|REDIS_URL|NODE_ENV$|NODE_EXTRA_CA_CERTS$)" .name }}
{{- $problems = append $problems (printf "extraEnv must not set %s: the chart sets it, from settings, secrets or caBundle." .name) }}
{{- end }}
{{- end }}
{{- join "\n" $problems }}
{{- end }}

{{- define "riskgate.refuseProblems" -}}
{{- with include "riskgate.problems" . }}
{{- fail (printf "\n\nThe values cannot be used:\n- %s\n" (. | replace "\n" "\n- ")) }}
{{- end }}
{{- end }}

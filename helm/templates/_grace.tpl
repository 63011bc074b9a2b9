{{/* How long a stop may take, from the timeouts. docs/operating.md, "Stopping", has the same sum. */}}

{{/* Seconds that orders on their way to a panel get: the longest a whole `add` may take at any provider. */}}
{{- define "gateway.drainSeconds" -}}
{{- if kindIs "invalid" .Values.settings.drainSeconds -}}
{{- $longest := 0 -}}
{{- if not .Values.providers.existingConfigMap -}}
{{- range $name, $provider := (fromYaml .Values.providers.file).providers -}}
{{- $total := 90 -}}
{{- if kindIs "map" $provider -}}
{{- $timeouts := get $provider "timeouts" | default dict -}}
{{- if kindIs "map" $timeouts -}}
{{- $total = get $timeouts "total" | default 90 -}}
{{- end -}}
{{- end -}}
{{- $longest = max $longest (float64 $total | ceil | int) -}}
{{- end -}}
{{- end -}}
{{- min 600 (ternary 90 $longest (eq (int $longest) 0)) -}}
{{- else -}}
{{- .Values.settings.drainSeconds -}}
{{- end -}}
{{- end }}

{{/* The delay, 10 seconds for what is being answered, the drain, and 5 to close the books. */}}
{{- define "gateway.graceNeeded" -}}
{{- add (.Values.settings.drainDelaySeconds | ceil | int) 10 (include "gateway.drainSeconds" . | float64 | ceil | int) 5 -}}
{{- end }}

{{- define "gateway.grace" -}}
{{- if kindIs "invalid" .Values.terminationGracePeriodSeconds -}}
{{- include "gateway.graceNeeded" . -}}
{{- else -}}
{{- int .Values.terminationGracePeriodSeconds -}}
{{- end -}}
{{- end }}

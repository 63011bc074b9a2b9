{{/*
What would lose money, keys or users, refused with a sentence before anything is installed. values.schema.json refuses
what no single value may be; here stands what values may not be together. Every manifest of a pod includes it.
*/}}
{{- define "gateway.refuse" -}}
{{- include "gateway.refuseBooks" . -}}
{{- include "gateway.refuseSecrets" . -}}
{{- include "gateway.refuseProviders" . -}}
{{- include "gateway.refuseTimes" . -}}
{{- include "gateway.refuseWays" . -}}
{{- end }}

{{- define "gateway.refuseBooks" -}}
{{- $sqlite := eq .Values.database.kind "sqlite" -}}
{{- if and $sqlite (gt (int .Values.replicas) 1) -}}
{{- fail (printf "replicas is %d and database.kind is sqlite: SQLite keeps the books in one file for one gateway, and a second one would keep other books, with other orders and other balances. Set replicas: 1, or database.kind: postgresql." (int .Values.replicas)) -}}
{{- end -}}
{{- if and $sqlite .Values.autoscaling.enabled -}}
{{- fail "autoscaling.enabled needs database.kind: postgresql: SQLite keeps the books in one file for one gateway." -}}
{{- end -}}
{{- if and $sqlite (not .Values.persistence.enabled) -}}
{{- fail "persistence.enabled is false and database.kind is sqlite: the books, with every balance and every order, would be gone with the pod. Set persistence.enabled: true, or database.kind: postgresql." -}}
{{- end -}}
{{- if $sqlite -}}
{{- range .Values.persistence.accessModes -}}
{{- if eq . "ReadWriteMany" -}}
{{- fail "persistence.accessModes has ReadWriteMany and database.kind is sqlite: volumes that many nodes write are network file systems, on which SQLite loses commits. Use ReadWriteOnce or ReadWriteOncePod." -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $sqlite .Values.database.existingSecret -}}
{{- fail "database.existingSecret is set and database.kind is sqlite: the books would be in a file, not in your PostgreSQL. Set database.kind: postgresql, or take the Secret away." -}}
{{- end -}}
{{- if and (not $sqlite) .Values.persistence.existingClaim -}}
{{- fail "persistence.existingClaim is for SQLite: with PostgreSQL each gateway gets a claim of its own." -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail (printf "autoscaling.minReplicas is %d, more than maxReplicas, %d." (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- end -}}
{{- end }}

{{- define "gateway.refuseSecrets" -}}
{{- if and (eq .Values.database.kind "postgresql") (not .Values.database.existingSecret) -}}
{{- fail "database.kind is postgresql, so database.existingSecret has to name the Secret with its URL, postgresql://user:password@host:5432/name." -}}
{{- end -}}
{{- if and (eq .Values.database.kind "postgresql") (not .Values.keySecret.existingSecret) -}}
{{- fail "database.kind is postgresql, so keySecret.existingSecret has to name the Secret under which users' keys are hashed: each gateway would make its own, and no user's key would open anything at the next. Make one: kubectl create secret generic gateway-key --from-literal=key-secret=$(openssl rand -hex 32)" -}}
{{- end -}}
{{- if and .Values.redis.url .Values.redis.existingSecret -}}
{{- fail "redis.url and redis.existingSecret are both set; one of them is enough." -}}
{{- end -}}
{{- if contains "@" .Values.redis.url -}}
{{- fail "redis.url has a password in it, which anybody who may read the release would see: put the URL into a Secret and name it in redis.existingSecret." -}}
{{- end -}}
{{- if contains "@" .Values.tracing.url -}}
{{- fail "tracing.url has a password in it, which anybody who may read the release would see: put it into a Secret with the key headers, authorization=Basic …, and name that in tracing.existingSecret." -}}
{{- end -}}
{{- if and .Values.tracing.existingSecret (not .Values.tracing.url) -}}
{{- fail "tracing.existingSecret is set and tracing.url is empty: nothing would be traced. Set tracing.url to the collector, http://collector.observability.svc:4318." -}}
{{- end -}}
{{- $own := include "gateway.ownVariables" . | splitList " " -}}
{{- range .Values.extraEnv -}}
{{- if has .name $own -}}
{{- fail (printf "extraEnv has %s, which the chart sets itself: it has a value of its own in values.yaml, and secrets have an existingSecret." .name) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "gateway.refuseProviders" -}}
{{- $hint := "give your providers.yaml: --set-file providers.file=providers.yaml" -}}
{{- if and (not .Values.providers.existingConfigMap) (not .Values.providers.file) -}}
{{- fail (printf "providers.file is empty and providers.existingConfigMap names none; %s." $hint) -}}
{{- end -}}
{{- if not .Values.providers.existingConfigMap -}}
{{- $read := fromYaml .Values.providers.file -}}
{{- if hasKey $read "Error" -}}
{{- fail (printf "providers.file cannot be read: %s. `gateway config check` tells every mistake in it." (get $read "Error")) -}}
{{- end -}}
{{- $providers := get $read "providers" | default dict -}}
{{- if or (not (kindIs "map" $providers)) (empty $providers) -}}
{{- fail (printf "providers.file names no provider; %s." $hint) -}}
{{- end -}}
{{- range $name, $provider := $providers -}}
{{- if not (kindIs "map" $provider) -}}
{{- fail (printf "providers.file: provider %s has no fields; `gateway config check` tells every mistake in it." $name) -}}
{{- end -}}
{{- if not (regexMatch "^\\$\\{(ENV|FILE):[^}]+\\}$" (get $provider "key" | toString)) -}}
{{- fail (printf "providers.file: the key of %s stands in it, and a ConfigMap is no place for a secret. Put it into the Secret that providers.existingSecret names, and write key: ${ENV:NAME} or ${FILE:/run/secrets/providers/name}." $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "gateway.refuseTimes" -}}
{{- $needed := include "gateway.graceNeeded" . | int -}}
{{- if lt (include "gateway.grace" . | int) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds is %d, and a stop may take %d: %v to be noticed, 10 for what is being answered, %s for orders on their way, 5 to close. Killed before, orders would be left in doubt." (int .Values.terminationGracePeriodSeconds) $needed .Values.settings.drainDelaySeconds (include "gateway.drainSeconds" .)) -}}
{{- end -}}
{{- end }}

{{- define "gateway.refuseWays" -}}
{{- if and .Values.ingress.enabled (empty .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs ingress.hosts: the names your users come by." -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (empty .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateway it hangs on." -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (not .Values.providers.existingConfigMap) -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.panelPorts -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- range $name, $provider := (fromYaml .Values.providers.file).providers -}}
{{- $private := and (kindIs "map" $provider) (get $provider "allow_private") -}}
{{- $url := get $provider "url" | default "" | toString -}}
{{- if and $private (empty $.Values.networkPolicy.extraEgress) -}}
{{- fail (printf "providers.file: %s has a private address, which the NetworkPolicy does not let out. Say where it is in networkPolicy.extraEgress." $name) -}}
{{- end -}}
{{- if and (not $private) (regexMatch "^https?://[^$/]+(/|$)" $url) -}}
{{- $host := (urlParse $url).host -}}
{{- $port := ternary (regexFind "[0-9]+$" $host | int) (ternary 80 443 (hasPrefix "http:" $url)) (regexMatch ":[0-9]+$" $host) -}}
{{- if not (has $port $ports) -}}
{{- fail (printf "providers.file: %s is at port %d, which the NetworkPolicy does not let out. Add it to networkPolicy.panelPorts." $name $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

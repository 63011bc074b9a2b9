{{/* The pods: what is the same in those that serve, that migrate and that test. */}}

{{- define "gateway.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int64 .Values.podSecurityContext.runAsUser }}
runAsGroup: {{ int64 .Values.podSecurityContext.runAsGroup }}
fsGroup: {{ int64 .Values.podSecurityContext.fsGroup }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "gateway.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Names of what `gateway.env` sets, apart by spaces: `extraEnv` may not have them. */}}
{{- define "gateway.ownVariables" -}}
GATEWAY_CONFIG GATEWAY_WATCH_CONFIG GATEWAY_DATA_DIR GATEWAY_DATABASE_URL GATEWAY_REDIS_URL GATEWAY_HOST GATEWAY_PORT GATEWAY_METRICS_HOST GATEWAY_METRICS_PORT GATEWAY_KEY_SECRET GATEWAY_KEY_SECRET_FILE GATEWAY_ANSWER_WITHIN GATEWAY_QUEUE_SECONDS GATEWAY_DRAIN_DELAY_SECONDS GATEWAY_DRAIN_SECONDS GATEWAY_EVENTS_URL GATEWAY_EVENTS_SECRET GATEWAY_EVENTS_SECRET_FILE GATEWAY_EVENTS_ALLOW_PRIVATE GATEWAY_WRONG_KEYS_PER_MINUTE GATEWAY_TRUSTED_PROXIES GATEWAY_TRACING_URL GATEWAY_TRACING_HEADERS GATEWAY_TRACING_HEADERS_FILE GATEWAY_TRACING_RATIO GATEWAY_TRACING_TRACEPARENT GATEWAY_LOG_LEVEL GATEWAY_LOG_FORMAT
{{- end }}

{{- define "gateway.secretVariable" -}}
- name: {{ .name }}
  valueFrom: {secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key | quote }}}}
{{- end }}

{{- define "gateway.env" -}}
- {name: GATEWAY_CONFIG, value: /etc/gateway/providers.yaml}
{{- if .Values.providers.rolloutOnChange }}
- {name: GATEWAY_WATCH_CONFIG, value: "no"}
{{- end }}
- {name: GATEWAY_DATA_DIR, value: /data}
- {name: GATEWAY_HOST, value: "0.0.0.0"}
- {name: GATEWAY_PORT, value: "8080"}
- {name: GATEWAY_METRICS_HOST, value: "0.0.0.0"}
- {name: GATEWAY_METRICS_PORT, value: {{ .Values.metrics.port | quote }}}
{{- if eq .Values.database.kind "postgresql" }}
{{ include "gateway.secretVariable" (dict "name" "GATEWAY_DATABASE_URL" "secret" .Values.database.existingSecret "key" .Values.database.secretKey) }}
{{- end }}
{{- if .Values.redis.existingSecret }}
{{ include "gateway.secretVariable" (dict "name" "GATEWAY_REDIS_URL" "secret" .Values.redis.existingSecret "key" .Values.redis.secretKey) }}
{{- else if .Values.redis.url }}
- {name: GATEWAY_REDIS_URL, value: {{ .Values.redis.url | quote }}}
{{- end }}
{{- if .Values.keySecret.existingSecret }}
{{ include "gateway.secretVariable" (dict "name" "GATEWAY_KEY_SECRET" "secret" .Values.keySecret.existingSecret "key" .Values.keySecret.secretKey) }}
{{- end }}
{{- if .Values.events.existingSecret }}
{{ include "gateway.secretVariable" (dict "name" "GATEWAY_EVENTS_URL" "secret" .Values.events.existingSecret "key" "url") }}
{{ include "gateway.secretVariable" (dict "name" "GATEWAY_EVENTS_SECRET" "secret" .Values.events.existingSecret "key" "secret") }}
- {name: GATEWAY_EVENTS_ALLOW_PRIVATE, value: {{ ternary "yes" "no" .Values.events.allowPrivate | quote }}}
{{- end }}
{{- if .Values.tracing.url }}
- {name: GATEWAY_TRACING_URL, value: {{ .Values.tracing.url | quote }}}
- {name: GATEWAY_TRACING_RATIO, value: {{ .Values.tracing.ratio | quote }}}
- {name: GATEWAY_TRACING_TRACEPARENT, value: {{ .Values.tracing.traceparent | quote }}}
{{- if .Values.tracing.existingSecret }}
{{ include "gateway.secretVariable" (dict "name" "GATEWAY_TRACING_HEADERS" "secret" .Values.tracing.existingSecret "key" "headers") }}
{{- end }}
{{- end }}
{{- with .Values.settings }}
- {name: GATEWAY_ANSWER_WITHIN, value: {{ .answerWithin | quote }}}
- {name: GATEWAY_QUEUE_SECONDS, value: {{ .queueSeconds | quote }}}
- {name: GATEWAY_DRAIN_DELAY_SECONDS, value: {{ .drainDelaySeconds | quote }}}
- {name: GATEWAY_DRAIN_SECONDS, value: {{ include "gateway.drainSeconds" $ | quote }}}
- {name: GATEWAY_WRONG_KEYS_PER_MINUTE, value: {{ int64 .wrongKeysPerMinute | quote }}}
{{- with .trustedProxies }}
- {name: GATEWAY_TRUSTED_PROXIES, value: {{ join "," . | quote }}}
{{- end }}
- {name: GATEWAY_LOG_LEVEL, value: {{ .logLevel | quote }}}
- {name: GATEWAY_LOG_FORMAT, value: {{ .logFormat | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every container of the gateway's is: its image, its user, its settings. */}}
{{- define "gateway.container" -}}
image: {{ include "gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "gateway.containerSecurity" . | nindent 2 }}
env:
  {{- include "gateway.env" . | nindent 2 }}
{{- $panels := and .Values.providers.existingSecret (eq .Values.providers.secretAs "env") }}
{{- if or $panels .Values.notify.existingSecret }}
envFrom:
  {{- if $panels }}
  - secretRef: {name: {{ .Values.providers.existingSecret | quote }}}
  {{- end }}
  {{- with .Values.notify.existingSecret }}
  - secretRef: {name: {{ . | quote }}}
  {{- end }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - {name: providers, mountPath: /etc/gateway, readOnly: true}
  - {name: data, mountPath: /data}
  - {name: tmp, mountPath: /tmp}
  {{- if and .Values.providers.existingSecret (eq .Values.providers.secretAs "files") }}
  - {name: provider-keys, mountPath: /run/secrets/providers, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Volumes but `data`, which every kind of pod has in a way of its own. */}}
{{- define "gateway.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if and .Values.providers.existingSecret (eq .Values.providers.secretAs "files") }}
- name: provider-keys
  secret: {secretName: {{ .Values.providers.existingSecret | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What all pods share beside their containers. No service links: a Service called `gateway` would set variables of ours. */}}
{{- define "gateway.podShared" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "gateway.podSecurity" . | nindent 2 }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{/* The template of the pods that serve. */}}
{{- define "gateway.pod" -}}
metadata:
  labels:
    {{- include "gateway.labels" . | nindent 4 }}
    app.kubernetes.io/component: gateway
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: gateway
    {{- if not .Values.providers.existingConfigMap }}
    {{- if .Values.providers.rolloutOnChange }}
    checksum/providers: {{ .Values.providers.file | sha256sum }}
    {{- else }}
    # Another providers.yaml is taken up while the gateway serves. Variables are read at its start alone, so a name that is
    # new in it is a rollout.
    checksum/variables: {{ regexFindAll "\\$\\{ENV:[^}:]+" .Values.providers.file -1 | uniq | sortAlpha | join " " | sha256sum }}
    {{- end }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "gateway.serviceAccount" . }}
  {{- include "gateway.podShared" . | nindent 2 }}
  terminationGracePeriodSeconds: {{ include "gateway.grace" . }}
  {{- if .Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "gateway.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  containers:
    - name: gateway
      args: [serve]
      {{- include "gateway.container" . | nindent 6 }}
      ports:
        - {name: http, containerPort: 8080, protocol: TCP}
        - {name: metrics, containerPort: {{ .Values.metrics.port }}, protocol: TCP}
      # Ten minutes for a start: large books may have a long migration.
      startupProbe:
        httpGet: {path: /startup, port: metrics}
        periodSeconds: 2
        failureThreshold: 300
        timeoutSeconds: 2
      # The event loop alone: no database that is away has a gateway killed.
      livenessProbe:
        httpGet: {path: /live, port: metrics}
        periodSeconds: 10
        failureThreshold: 6
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /ready, port: metrics}
        periodSeconds: 5
        failureThreshold: 2
        timeoutSeconds: 3
  volumes:
    {{- include "gateway.volumes" . | nindent 4 }}
    - name: providers
      configMap: {name: {{ include "gateway.configMap" . | quote }}}
    {{- if eq .Values.database.kind "sqlite" }}
    - name: data
      persistentVolumeClaim: {claimName: {{ include "gateway.claim" . | quote }}}
    {{- else if not .Values.persistence.enabled }}
    - name: data
      emptyDir: {sizeLimit: {{ .Values.persistence.size }}}
    {{- end }}
{{- end }}

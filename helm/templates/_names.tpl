{{/* Names, labels and the image: what every manifest says of itself. */}}

{{- define "gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* 40 letters at most, so that what is hung on it stays within 63. */}}
{{- define "gateway.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "gateway.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "gateway.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "gateway.release" -}}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "gateway.release" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* What selects the pods that serve, and no others; it can never be changed. */}}
{{- define "gateway.selector" -}}
{{ include "gateway.release" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "gateway.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "gateway.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "gateway.configMap" -}}
{{ .Values.providers.existingConfigMap | default (printf "%s-providers" (include "gateway.fullname" .)) }}
{{- end }}

{{- define "gateway.claim" -}}
{{ .Values.persistence.existingClaim | default (printf "%s-books" (include "gateway.fullname" .)) }}
{{- end }}

{{/* SQLite and pods without a volume are a Deployment; a volume for each of several pods is a StatefulSet. */}}
{{- define "gateway.kind" -}}
{{- if and (eq .Values.database.kind "postgresql") .Values.persistence.enabled -}}
StatefulSet
{{- else -}}
Deployment
{{- end }}
{{- end }}

{{- define "gateway.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) -}}
true
{{- end }}
{{- end }}

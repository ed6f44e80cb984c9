{{- define "chaperone.image" -}}
{{ .Values.image.repository }}{{ with .Values.image.digest }}@{{ . }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* key=value,key=value, as the functions read maps from their environment. */ -}}
{{- define "chaperone.pairs" -}}
{{- $pairs := list }}
{{- range $key, $value := . }}{{ $pairs = append $pairs (printf "%s=%v" $key $value) }}{{ end }}
{{- join "," $pairs }}
{{- end }}

{{- /* The settings of both Services, as items of env. */ -}}
{{- define "chaperone.env" -}}
{{- with .Values.extraEnv }}{{ toYaml . }}{{ end }}
{{- end }}

{{- /* The settings of the functions. */ -}}
{{- define "chaperone.functions" -}}
{{- $settings := dict
  "CHAPERONE_GUARD_IMAGE" .Values.guard.image
  "CHAPERONE_GUARD_LABELS" (include "chaperone.pairs" .Values.guard.labels)
  "CHAPERONE_GUARD_ANNOTATIONS" (include "chaperone.pairs" .Values.guard.annotations)
  "CHAPERONE_GUARD_REQUESTS" (include "chaperone.pairs" .Values.guard.requests)
  "CHAPERONE_GUARD_LIMITS" (include "chaperone.pairs" .Values.guard.limits)
  "CHAPERONE_GUARD_PULL_SECRETS" (join "," .Values.guard.pullSecrets)
  "CHAPERONE_GUARD_PRIORITY_CLASS" .Values.guard.priorityClass
  "CHAPERONE_AUDIENCE" .Values.audience
  "CHAPERONE_TRUSTED_SOURCES" (join "," .Values.trustedSources)
  "CHAPERONE_MAX_HOLD_DURATION" .Values.maxHoldDuration
  "CHAPERONE_EVENT_DEADLINE" .Values.eventDeadline }}
{{- if not (kindIs "invalid" .Values.guard.user) }}
{{- $settings = set $settings "CHAPERONE_GUARD_USER" (.Values.guard.user | int64 | toString) }}
{{- end }}
{{- if and (eq .Values.scope "cluster") (ne .Release.Namespace "chaperone") }}
{{- $settings = set $settings "CHAPERONE_PULSE_NAMESPACE" .Release.Namespace }}
{{- end }}
{{- $env := list }}
{{- range $name, $value := $settings }}
{{- if $value }}{{ $env = append $env (dict "name" $name "value" $value) }}{{ end }}
{{- end }}
{{- with concat $env .Values.extraEnv }}{{ toYaml . }}{{ end }}
{{- end }}

{{/*
The labels of every object. The first two are those of config/; the others are Helm's own.
*/}}
{{- define "esim-operator.labels" -}}
app.kubernetes.io/name: esim-operator
app.kubernetes.io/part-of: esim-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/*
The labels by which Pods of a component are found; the component is given.
*/}}
{{- define "esim-operator.selector" -}}
app.kubernetes.io/name: esim-operator
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/*
The annotation that keeps what must outlive the release.
*/}}
{{- define "esim-operator.keep" -}}
helm.sh/resource-policy: keep
{{- end }}

{{- define "esim-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
What config.yaml of the manager says: the values, and what other values imply.
*/}}
{{- define "esim-operator.controllers.config" -}}
{{- $config := dict "namespace" .Release.Namespace -}}
{{- with .Values.controllers -}}
{{- if .notifications.enabled -}}
{{- $_ := set $config "notifications" (dict "bindAddress" ":8444" "certDir" "/etc/esim-operator-notifications") -}}
{{- end -}}
{{- if .vendorWebhooks.enabled -}}
{{- $_ := set $config "vendorWebhooks" (dict "bindAddress" ":8445" "certDir" "/etc/esim-operator-vendor-webhooks") -}}
{{- end -}}
{{- with $.Values.proxy -}}
{{- if .url -}}
{{- $_ := set $config "operatorProxy" (dict "url" .url "direct" .direct) -}}
{{- end -}}
{{- end -}}
{{- $config = mergeOverwrite $config (deepCopy .config) -}}
{{- if and (gt (int .replicas) 1) (eq (dig "leaderElection" "enabled" true $config) false) -}}
{{- fail "controllers.config.leaderElection.enabled is false with more than one replica: each of them would buy. Leave it out, or set controllers.replicas to 1." -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/*
What config.yaml of the facade says.
*/}}
{{- define "esim-operator.facade.config" -}}
{{- $config := dict -}}
{{- if .Values.facade.tlsSecretName -}}
{{- $_ := set $config "tls" (dict "certFile" "/etc/esim-facade-tls/tls.crt" "keyFile" "/etc/esim-facade-tls/tls.key") -}}
{{- end -}}
{{- mergeOverwrite $config (deepCopy .Values.facade.config) | toYaml -}}
{{- end }}

{{/*
Environment of a container, for root and a component's values: Go reads the system's certificates
from one file, and those in the folders of SSL_CERT_DIR beside it.
*/}}
{{- define "esim-operator.environment" -}}
{{- $trusts := or .root.Values.extraCA.configMapName .root.Values.extraCA.secretName }}
{{- if or $trusts .values.env }}
env:
{{- if $trusts }}
- name: SSL_CERT_DIR
  value: /etc/ssl/certs:/etc/esim-operator-ca
{{- end }}
{{- with .values.env }}
{{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "esim-operator.caMount" -}}
{{- if or .Values.extraCA.configMapName .Values.extraCA.secretName }}
- name: extra-ca
  mountPath: /etc/esim-operator-ca
  readOnly: true
{{- end }}
{{- end }}

{{- define "esim-operator.caVolume" -}}
{{- with .Values.extraCA }}
{{- if and .configMapName .secretName }}
{{- fail "extraCA.configMapName and extraCA.secretName are both set; put all certificates into one of them" }}
{{- else if .configMapName }}
- name: extra-ca
  configMap:
    name: {{ .configMapName }}
{{- else if .secretName }}
- name: extra-ca
  secret:
    secretName: {{ .secretName }}
{{- end }}
{{- end }}
{{- end }}

{{/*
Where Pods run: component and its values are given.
*/}}
{{- define "esim-operator.placement" -}}
{{- $component := .component -}}
{{- with .values }}
{{- with .topologySpread }}
{{- if .topologyKeys }}
topologySpreadConstraints:
{{- $unsatisfiable := .whenUnsatisfiable }}
{{- range .topologyKeys }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: {{ $unsatisfiable }}
  labelSelector:
    matchLabels:
      {{- include "esim-operator.selector" $component | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/*
What Pod Security's restricted profile demands of a Pod, and of a container.
*/}}
{{- define "esim-operator.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "esim-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/*
Networks as peers of a NetworkPolicy.
*/}}
{{- define "esim-operator.networks" -}}
{{- range . }}
- ipBlock:
    cidr: {{ . | quote }}
{{- end }}
{{- end }}

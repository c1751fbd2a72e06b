{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{/* The image of all workloads. */}}
{{- define "weft.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* One network in the families in use, as Kube-OVN writes it: "v4", "v6" or "v4,v6". Called with (dict "key" KEY "context" $). */}}
{{- define "weft.network" -}}
{{- $values := .context.Values -}}
{{- $list := list -}}
{{- if ne $values.ipFamily "ipv6" }}{{ $list = append $list (index $values.ipv4 .key) }}{{ end -}}
{{- if ne $values.ipFamily "ipv4" }}{{ $list = append $list (index $values.ipv6 .key) }}{{ end -}}
{{- join "," (compact $list) -}}
{{- end }}

{{/* Labels of every object; selectors use only `app`, which is Kube-OVN's. */}}
{{- define "weft.labels" -}}
app.kubernetes.io/part-of: weft
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* Labels of every pod, beside `app`. */}}
{{- define "weft.podLabels" -}}
component: network
type: infra
app.kubernetes.io/part-of: weft
{{- end }}

{{/* Settings of every pod. It tolerates all taints, because nodes have no network before these pods run. */}}
{{- define "weft.podBasics" -}}
hostNetwork: true
# The node's resolver: cluster DNS needs the network that these pods provide.
dnsPolicy: Default
tolerations:
  - operator: Exists
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Annotations by which Prometheus finds the metrics. Called with (dict "port" PORT "context" $). */}}
{{- define "weft.scrape" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .port | quote }}
prometheus.io/path: /metrics
prometheus.io/scheme: {{ ternary "https" "http" .context.Values.monitoring.authentication }}
{{- end }}

{{/* Prefers control-plane nodes, if nodes have the label. */}}
{{- define "weft.preferControlPlane" -}}
preferredDuringSchedulingIgnoredDuringExecution:
  - weight: 100
    preference:
      matchExpressions:
        - key: node-role.kubernetes.io/control-plane
          operator: Exists
{{- end }}

{{/* Environment variables of every container of Weft: its pod and its node. */}}
{{- define "weft.podEnv" -}}
- name: POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- name: POD_NAMESPACE
  valueFrom: { fieldRef: { fieldPath: metadata.namespace } }
- name: POD_IP
  valueFrom: { fieldRef: { fieldPath: status.podIP } }
- name: POD_IPS
  valueFrom: { fieldRef: { fieldPath: status.podIPs } }
- name: KUBE_NODE_NAME
  valueFrom: { fieldRef: { fieldPath: spec.nodeName } }
{{- end }}

{{/* The address of the API server, where its Service is reachable only after Weft runs. By default kubelet sets these variables to the address of the Service. */}}
{{- define "weft.apiServerEnv" -}}
{{- with .Values.apiServer.host }}
- { name: KUBERNETES_SERVICE_HOST, value: {{ . | quote }} }
- { name: KUBERNETES_SERVICE_PORT, value: {{ $.Values.apiServer.port | int64 | quote }} }
{{- end }}
{{- end }}

{{/* The nodes of ovn-central, names and addresses as JSON; empty if the only replica can run on any node. */}}
{{- define "weft.centralNodes" -}}
{{- $nodes := .Values.central.nodes | default dict -}}
{{- $replicas := .Values.central.replicas | int -}}
{{- if and (gt $replicas 1) (not $nodes) -}}
{{- $found := dict -}}
{{- range (lookup "v1" "Node" "" "").items -}}
{{- $labels := .metadata.labels | default dict -}}
{{- $fits := hasKey $labels "node-role.kubernetes.io/control-plane" -}}
{{- with $.Values.central.nodeSelector }}{{ $fits = true }}{{ range $key, $value := . }}{{ if ne (get $labels $key) $value }}{{ $fits = false }}{{ end }}{{ end }}{{ end -}}
{{- if $fits -}}
{{- $name := .metadata.name -}}
{{- range .status.addresses -}}
{{- if and (eq .type "InternalIP") (not (hasKey $found $name)) }}{{ $_ := set $found $name .address }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range (slice (keys $found | sortAlpha) 0 (min $replicas (len $found))) }}{{ $_ := set $nodes . (get $found .) }}{{ end -}}
{{- end -}}
{{- if and (or (gt $replicas 1) $nodes) (ne (len $nodes) $replicas) -}}
{{- fail (printf "central.replicas is %d, but there are %d nodes for them: give central.nodes, names and addresses" $replicas (len $nodes)) -}}
{{- end -}}
{{- if ne (values $nodes | uniq | len) (len $nodes) -}}
{{- fail "two nodes of central.nodes have the same address" -}}
{{- end -}}
{{- toJson $nodes -}}
{{- end }}

{{/* The addresses of ovn-central's nodes, comma-separated, in the order of their names. */}}
{{- define "weft.centralAddresses" -}}
{{- $nodes := include "weft.centralNodes" . | fromJson -}}
{{- $list := list -}}
{{- range (keys $nodes | sortAlpha) }}{{ $list = append $list (get $nodes .) }}{{ end -}}
{{- join "," $list -}}
{{- end }}

{{/* Remotes of a database on ovn-central's nodes; empty if the only replica can run on any node: then its Service is used. Called with (dict "port" PORT "context" $). */}}
{{- define "weft.centralRemotes" -}}
{{- $list := list -}}
{{- $port := .port -}}
{{- $scheme := ternary "ssl" "tcp" .context.Values.tls.enabled -}}
{{- range (splitList "," (include "weft.centralAddresses" .context)) }}{{ if . }}{{ $list = append $list (printf "%s:[%s]:%d" $scheme . $port) }}{{ end }}{{ end -}}
{{- join "," $list -}}
{{- end }}
{{- define "weft.nbAddress" -}}
{{ .Values.controller.nbAddress | default (include "weft.centralRemotes" (dict "port" 6641 "context" .)) }}
{{- end }}
{{- define "weft.sbAddress" -}}
{{ .Values.ovs.sbAddress | default (include "weft.centralRemotes" (dict "port" 6642 "context" .)) }}
{{- end }}

{{/* With TLS, the databases accept no connections without it. A node without a certificate cannot connect to the southbound database, and its switch has no flows after a restart. */}}
{{- define "weft.checkTls" -}}
{{- if and .Values.tls.enabled .Release.IsUpgrade }}
{{- with include "weft.withoutCertificates" . }}
{{- fail (printf "this turns TLS on while nodes may have no certificates (%s). Upgrade with tls.enabled=false first, and then with tls.enabled=true: docs/security.md, Turn TLS on in a running cluster" .) }}
{{- end }}
{{- end }}
{{- range $name, $address := dict "controller.nbAddress" .Values.controller.nbAddress "ovs.sbAddress" .Values.ovs.sbAddress }}
{{- if and $.Values.tls.enabled (contains "tcp:" $address) }}{{ fail (printf "tls.enabled needs ssl: instead of tcp: in %s" $name) }}{{ end }}
{{- end }}
{{- end }}

{{/* Why nodes of a running installation without TLS may have no certificates. Empty if they have certificates, if TLS is enabled, and if helm does not read the cluster. */}}
{{- define "weft.withoutCertificates" -}}
{{- $namespace := .Release.Namespace -}}
{{- $central := lookup "apps/v1" "Deployment" $namespace "ovn-central" -}}
{{- $plain := not (empty $central) -}}
{{- range (dig "spec" "template" "spec" "containers" list $central) -}}
{{- range .env }}{{ if and (eq .name "OVN_TLS") (eq (.value | default "") "true") }}{{ $plain = false }}{{ end }}{{ end -}}
{{- end -}}
{{- if $plain -}}
{{- $missing := list -}}
{{- if not (lookup "v1" "ConfigMap" $namespace "weft-trust") }}{{ $missing = append $missing "there is no ConfigMap weft-trust" }}{{ end -}}
{{- range $name := list "kube-ovn-cni" "ovs-ovn" -}}
{{- $set := lookup "apps/v1" "DaemonSet" $namespace $name -}}
{{- $wanted := dig "status" "desiredNumberScheduled" 0 $set | int64 -}}
{{- $updated := dig "status" "updatedNumberScheduled" 0 $set | int64 -}}
{{- $observed := ge (dig "status" "observedGeneration" 0 $set | int64) (dig "metadata" "generation" 0 $set | int64) -}}
{{- if or (not $observed) (lt $updated $wanted) }}{{ $missing = append $missing (printf "%s is updated on %d of %d nodes" $name $updated $wanted) }}{{ end -}}
{{- if eq $name "kube-ovn-cni" -}}
{{- $requests := false -}}
{{- range (dig "spec" "template" "spec" "containers" list $set) -}}
{{- range .command }}{{ if hasPrefix "--certificate-dir=" . }}{{ $requests = true }}{{ end }}{{ end -}}
{{- end -}}
{{- if not $requests }}{{ $missing = append $missing "kube-ovn-cni requests none" }}{{ end -}}
{{- end -}}
{{- end -}}
{{- join "; " $missing -}}
{{- end -}}
{{- end }}

{{/* Secrets with the certificates of the databases and of the controller, as JSON; without names if the controller issues them. */}}
{{- define "weft.givenSecrets" -}}
{{- $given := .Values.tls.secrets -}}
{{- $manager := .Values.tls.certManager -}}
{{- if ne (empty $given.central) (empty $given.controller) -}}
{{- fail "tls.secrets needs central and controller: both, or neither" -}}
{{- end -}}
{{- if and $given.central (eq $given.central $given.controller) -}}
{{- fail "tls.secrets needs two Secrets: the certificates of ovn-central and the controller have different names" -}}
{{- end -}}
{{- range $given }}{{ if has . (list "weft-central" "weft-central-ca" "weft-node-ca") }}{{ fail (printf "tls.secrets cannot name %s, which the controller writes" .) }}{{ end }}{{ end -}}
{{- if $manager.enabled -}}
{{- if $given.central }}{{ fail "tls.secrets and tls.certManager.enabled exclude each other" }}{{ end -}}
{{- if not (get $manager.issuerRef "name") }}{{ fail "tls.certManager.enabled needs tls.certManager.issuerRef.name" }}{{ end -}}
{{- if deepEqual $manager.issuerRef $manager.nodeIssuerRef }}{{ fail "tls.certManager.nodeIssuerRef must be another issuer than issuerRef: the northbound database would accept nodes" }}{{ end -}}
{{- $given = dict "central" "weft-central-tls" "controller" "weft-controller-tls" -}}
{{- end -}}
{{- toJson $given -}}
{{- end }}

{{/* Whether the entry points of the image use TLS. */}}
{{- define "weft.tlsEnv" -}}
- { name: OVN_TLS, value: {{ .Values.tls.enabled | quote }} }
{{- end }}

{{/* Without kube-proxy no Service is reachable before Weft runs. */}}
{{- define "weft.checkReplacement" -}}
{{- if .Values.kubeProxyReplacement }}
{{- if .Values.nonPrimaryCNI }}{{ fail "kubeProxyReplacement cannot be set with nonPrimaryCNI: nodes reach Services through the primary network plugin" }}{{ end }}
{{- if not .Values.apiServer.host }}{{ fail "kubeProxyReplacement needs apiServer.host: the address of an API server, or of the load balancer in front of several" }}{{ end }}
{{- if not (include "weft.nbAddress" .) }}{{ fail "kubeProxyReplacement needs central.nodes, or controller.nbAddress: the address of the node of ovn-central, such as tcp:[10.0.0.1]:6641" }}{{ end }}
{{- if not (include "weft.sbAddress" .) }}{{ fail "kubeProxyReplacement needs central.nodes, or ovs.sbAddress: the address of the node of ovn-central, such as tcp:[10.0.0.1]:6642" }}{{ end }}
{{- end }}
{{- end }}

{{/* Startup, readiness and liveness probes of Weft's processes. Called with the port, which is on the node's loopback address:
kubelet can reach it, and pods, which could use up the connections of a port on the node's address, cannot. */}}
{{- define "weft.httpProbes" -}}
startupProbe:
  httpGet: { host: 127.0.0.1, path: /healthz, port: {{ . }} }
  periodSeconds: 1
  failureThreshold: 60
  timeoutSeconds: 5
readinessProbe:
  httpGet: { host: 127.0.0.1, path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 5
livenessProbe:
  httpGet: { host: 127.0.0.1, path: /healthz, port: {{ . }} }
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
{{- end }}

// SPDX-License-Identifier: Apache-2.0

import { COREDNS_IMAGE } from "./images.ts";
import type { LabSettings } from "./settings.ts";
import { chosen, DNS_SERVICE } from "./topology.ts";

const NAME = { namespace: "kube-system", name: "coredns" } as const;
const LABELS = { "k8s-app": "kube-dns" } as const;

const COREFILE = `.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    prometheus :9153
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    reload
    loadbalance
}
`;

/**
 * The objects of the cluster's DNS: as in kubeadm, except for the image and for names outside, which the lab does not
 * have.
 */
export function dnsObjects(settings: LabSettings): readonly unknown[] {
  const addresses = chosen(settings.ipFamily, DNS_SERVICE);
  const families = addresses.map((address) => (address.includes(":") ? "IPv6" : "IPv4"));
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: NAME },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "system:coredns" },
      rules: [
        { apiGroups: [""], resources: ["endpoints", "services", "pods", "namespaces"], verbs: ["list", "watch"] },
        { apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"], verbs: ["list", "watch"] },
      ],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "system:coredns" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:coredns" },
      subjects: [{ kind: "ServiceAccount", ...NAME }],
    },
    { apiVersion: "v1", kind: "ConfigMap", metadata: NAME, data: { Corefile: COREFILE } },
    {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { ...NAME, labels: LABELS },
      spec: {
        replicas: 2,
        selector: { matchLabels: LABELS },
        template: { metadata: { labels: LABELS }, spec: podSpec() },
      },
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { namespace: NAME.namespace, name: "kube-dns", labels: LABELS },
      spec: {
        selector: LABELS,
        clusterIP: addresses[0],
        clusterIPs: addresses,
        ipFamilies: families,
        ipFamilyPolicy: families.length > 1 ? "RequireDualStack" : "SingleStack",
        ports: [
          { name: "dns", port: 53, protocol: "UDP", targetPort: 53 },
          { name: "dns-tcp", port: 53, protocol: "TCP", targetPort: 53 },
          { name: "metrics", port: 9153, protocol: "TCP", targetPort: 9153 },
        ],
      },
    },
  ];
}

function podSpec(): unknown {
  return {
    serviceAccountName: NAME.name,
    priorityClassName: "system-cluster-critical",
    dnsPolicy: "Default",
    tolerations: [
      { key: "CriticalAddonsOnly", operator: "Exists" },
      { key: "node-role.kubernetes.io/control-plane", effect: "NoSchedule" },
    ],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: LABELS },
      },
    ],
    containers: [
      {
        name: "coredns",
        image: COREDNS_IMAGE,
        imagePullPolicy: "Never",
        args: ["-conf", "/etc/coredns/Corefile"],
        resources: { limits: { memory: "170Mi" }, requests: { cpu: "50m", memory: "70Mi" } },
        ports: [
          { name: "dns", containerPort: 53, protocol: "UDP" },
          { name: "dns-tcp", containerPort: 53, protocol: "TCP" },
        ],
        volumeMounts: [{ name: "config", mountPath: "/etc/coredns", readOnly: true }],
        readinessProbe: { httpGet: { path: "/ready", port: 8181 }, periodSeconds: 2 },
        livenessProbe: { httpGet: { path: "/health", port: 8080 }, initialDelaySeconds: 30, failureThreshold: 5 },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
          readOnlyRootFilesystem: true,
        },
      },
    ],
    volumes: [{ name: "config", configMap: { name: NAME.name, items: [{ key: "Corefile", path: "Corefile" }] } }],
  };
}

// SPDX-License-Identifier: Apache-2.0

import { LABEL, POD, podAnnotation, SERVICE } from "../../api/annotations.ts";
import { vpcDnsName } from "../../api/names.ts";
import { samePlain } from "../../collections/plain.ts";
import { COREDNS, COREFILE_VOLUME } from "../../facts/project-vpc-dns.ts";
import type { SwitchLbRuleFact } from "../../facts/switch-lb-rule.ts";
import type { DnsDeploymentFact, DnsDeploymentSpec, VpcDnsFact } from "../../facts/vpc-dns.ts";
import type { WeftEffect } from "../effects.ts";
import { makeObject, ownedBy, patchObject } from "../owned-object.ts";

/** The namespace of the Deployments, as in Kube-OVN. */
export const DNS_NAMESPACE = "kube-system";
const OWNER_KIND = "VpcDns";
/** Labels, as in Kube-OVN; `k8s-app` is the selector of the Deployment and the SwitchLBRule. */
const APP = "k8s-app";
const PORTS = [
  { name: "dns", port: 53, protocol: "UDP" },
  { name: "dns-tcp", port: 53, protocol: "TCP" },
  { name: "metrics", port: 9153, protocol: "TCP" },
] as const;

/**
 * Annotations of the pods: their own interface in the VPC, a secondary interface in the default subnet, and the route to the API server through it.
 */
export function dnsPodAnnotations(
  subnet: string,
  nad: { readonly name: string; readonly provider: string },
  towards: { readonly subnet: string; readonly host: string; readonly gateway: string },
): Readonly<Record<string, string>> {
  const { host, gateway } = towards;
  const dst = host.includes("/") ? host : `${host}/${host.includes(":") ? 128 : 32}`;
  return {
    [podAnnotation("ovn", "logical_switch")]: subnet,
    [POD.networks]: `default/${nad.name}`,
    [podAnnotation(nad.provider, "logical_switch")]: towards.subnet,
    [podAnnotation(nad.provider, "routes")]: JSON.stringify([{ dst, gw: gateway }]),
  };
}

/** The effects that create the Deployment of a VpcDns, or restore it. */
export function dnsDeployment(
  dns: VpcDnsFact,
  wanted: DnsDeploymentSpec,
  present: DnsDeploymentFact | undefined,
): readonly WeftEffect[] {
  const name = vpcDnsName(dns.name);
  const metadata = {
    name,
    namespace: DNS_NAMESPACE,
    labels: { [LABEL.vpcDns]: "true", [APP]: name },
    ownerReferences: ownedBy(OWNER_KIND, dns),
  };
  if (present === undefined) return [makeObject("dnsDeployments", { metadata, spec: deploymentSpec(name, wanted) })];
  if (present.dnsUid === dns.uid && samePlain(present.present, wanted)) return [];
  const gone = Object.fromEntries(Object.keys(present.present.annotations).map((key) => [key, null]));
  const { selector: _, template, ...rest } = deploymentSpec(name, wanted);
  const annotations = { ...gone, ...wanted.annotations };
  const spec = { ...rest, template: { ...template, metadata: { ...template.metadata, annotations } } };
  return [patchObject("dnsDeployments", present, { metadata, spec })];
}

/** As in Kube-OVN's template. */
function deploymentSpec(name: string, { replicas, image, corefile, annotations, env }: DnsDeploymentSpec) {
  const matchLabels = { [APP]: name };
  const expression = { key: APP, operator: "In", values: [name] };
  const apart = { labelSelector: { matchExpressions: [expression] }, topologyKey: "kubernetes.io/hostname" };
  return {
    replicas,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
    selector: { matchLabels },
    template: {
      metadata: { labels: matchLabels, annotations },
      spec: {
        priorityClassName: "system-cluster-critical",
        serviceAccountName: "vpc-dns",
        tolerations: [{ key: "CriticalAddonsOnly", operator: "Exists" }],
        nodeSelector: { "kubernetes.io/os": "linux" },
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, podAffinityTerm: apart }],
          },
        },
        securityContext: { seccompProfile: { type: "RuntimeDefault" } },
        containers: [
          {
            name: COREDNS,
            image,
            imagePullPolicy: "IfNotPresent",
            resources: { limits: { memory: "170Mi" }, requests: { cpu: "100m", memory: "70Mi" } },
            args: ["-conf", "/etc/coredns/Corefile"],
            env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
            volumeMounts: [{ name: COREFILE_VOLUME, mountPath: "/etc/coredns", readOnly: true }],
            ports: PORTS.map(({ name: port, port: containerPort, protocol }) => ({
              name: port,
              containerPort,
              protocol,
            })),
            securityContext: {
              allowPrivilegeEscalation: false,
              capabilities: { add: ["NET_BIND_SERVICE"], drop: ["ALL"] },
              readOnlyRootFilesystem: true,
            },
          },
        ],
        dnsPolicy: "Default",
        volumes: [
          { name: COREFILE_VOLUME, configMap: { name: corefile, items: [{ key: "Corefile", path: "Corefile" }] } },
        ],
      },
    },
  };
}

/** The effects that create the SwitchLBRule of a VpcDns, or restore it. It names the VPC, so that it does not depend on endpoints. */
export function dnsRule(
  dns: VpcDnsFact,
  vips: readonly string[],
  present: SwitchLbRuleFact | undefined,
): readonly WeftEffect[] {
  const name = vpcDnsName(dns.name);
  const place = { [SERVICE.logicalRouter]: dns.vpc, [SERVICE.logicalSwitch]: dns.subnet };
  if (present !== undefined && present.dnsUid === dns.uid && isAsWanted(name, vips, place, present)) return [];
  const metadata = {
    name,
    labels: { [LABEL.vpcDns]: "true" },
    annotations: place,
    ownerReferences: ownedBy(OWNER_KIND, dns),
  };
  const spec = {
    vip: vips.join(","),
    namespace: DNS_NAMESPACE,
    selector: [`${APP}:${name}`],
    endpoints: [],
    sessionAffinity: "",
    ports: PORTS,
  };
  if (present === undefined) return [makeObject("switchLbRules", { metadata, spec })];
  return [patchObject("switchLbRules", present, { metadata, spec })];
}

function isAsWanted(
  name: string,
  vips: readonly string[],
  place: Readonly<Record<string, string>>,
  { service, endpoints, vips: has }: SwitchLbRuleFact,
): boolean {
  if (service === undefined || endpoints.length > 0 || !samePlain([...has].sort(), [...vips].sort())) return false;
  const { namespace, selector, ports, sessionAffinity, annotations } = service;
  return (
    namespace === DNS_NAMESPACE &&
    sessionAffinity === "None" &&
    samePlain(selector, { [APP]: name }) &&
    samePlain(
      ports,
      PORTS.map((port) => ({ ...port, targetPort: port.port })),
    ) &&
    Object.entries(place).every(([key, value]) => annotations[key] === value)
  );
}

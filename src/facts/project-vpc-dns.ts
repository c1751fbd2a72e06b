// SPDX-License-Identifier: Apache-2.0

import type { VpcDnsSpec } from "../api/generated/vpcdns.ts";
import { vpcDnsName } from "../api/names.ts";
import { customObjectFields, makerOf, type ProjectedMeta } from "./meta.ts";
import type { DnsDeploymentFact, VpcDnsConfigFact, VpcDnsFact } from "./vpc-dns.ts";

/** Name of CoreDNS' container and of the cluster's Deployment of CoreDNS. */
export const COREDNS = "coredns";
/** The volume with the Corefile. */
export const COREFILE_VOLUME = "config-volume";

/** What {@link projectVpcDns} reads of a VpcDns. */
export interface VpcDnsObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: VpcDnsSpec;
}

/** The fact of a VpcDns, its defaults filled in. */
export function projectVpcDns({ metadata, spec = {} }: VpcDnsObject): VpcDnsFact {
  const { vpc = "", subnet = "", corefile, replicas } = spec;
  return {
    ...customObjectFields(metadata),
    vpc,
    subnet,
    corefile: corefile || "vpc-dns-corefile",
    replicas: replicas || 2,
  };
}

/** What {@link projectVpcDnsConfig} reads of a ConfigMap. */
export interface ConfigMapObject {
  readonly metadata: ProjectedMeta;
  readonly data?: Readonly<Record<string, string>> | null;
}

/** The settings, by Kube-OVN's keys. `enable-vpc-dns` defaults to true. */
export function projectVpcDnsConfig({ metadata, data }: ConfigMapObject): VpcDnsConfigFact {
  const value = (key: string): string => data?.[key]?.trim() ?? "";
  return {
    key: `${metadata.namespace ?? ""}/${metadata.name}`,
    enabled: !["false", "f", "0"].includes(value("enable-vpc-dns").toLowerCase()),
    vip: value("coredns-vip"),
    image: value("coredns-image"),
    nadName: value("nad-name"),
    nadProvider: value("nad-provider"),
    apiHost: value("k8s-service-host"),
    apiPort: value("k8s-service-port"),
  };
}

/** What {@link projectDnsDeployment} reads of a Deployment. */
export interface DeploymentObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: {
    readonly replicas?: number;
    readonly template?: {
      readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> };
      readonly spec?: {
        readonly containers?: readonly {
          readonly name: string;
          readonly image?: string;
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
        readonly volumes?: readonly { readonly name: string; readonly configMap?: { readonly name?: string } }[];
      };
    };
  };
}

/** The fact of a Deployment that a VpcDns has created, or with a name that a VpcDns may need, or of the cluster's CoreDNS; none for others. */
export function projectDnsDeployment({ metadata, spec = {} }: DeploymentObject): DnsDeploymentFact | undefined {
  const { name, namespace = "", uid } = metadata;
  const owner = makerOf(metadata, "VpcDns");
  if (owner.name === "" && name !== COREDNS && !name.startsWith(vpcDnsName(""))) return undefined;
  const { metadata: { annotations = {} } = {}, spec: pod = {} } = spec.template ?? {};
  const container = pod.containers?.find((one) => one.name === COREDNS);
  const volume = pod.volumes?.find((one) => one.name === COREFILE_VOLUME);
  return {
    key: `${namespace}/${name}`,
    name,
    uid,
    namespace,
    dns: owner.name,
    dnsUid: owner.uid,
    present: {
      replicas: spec.replicas ?? 1,
      image: container?.image ?? "",
      corefile: volume?.configMap?.name ?? "",
      annotations,
      env: Object.fromEntries((container?.env ?? []).map((one) => [one.name, one.value ?? ""])),
    },
  };
}

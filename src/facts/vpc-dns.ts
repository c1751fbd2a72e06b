// SPDX-License-Identifier: Apache-2.0

import type { CustomObjectFact, ObjectFact } from "./meta.ts";

/** One VpcDns. */
export interface VpcDnsFact extends CustomObjectFact {
  readonly vpc: string;
  readonly subnet: string;
  /** Name of the ConfigMap with the Corefile. */
  readonly corefile: string;
  readonly replicas: number;
}

/** ConfigMap `vpc-dns-config`: the settings of the DNS of all VPCs. */
export interface VpcDnsConfigFact {
  readonly key: string;
  readonly enabled: boolean;
  /** The address of the DNS server for pods; an address of each family at most, separated by a comma. */
  readonly vip: string;
  /** "": that of the cluster's CoreDNS. */
  readonly image: string;
  /** NetworkAttachmentDefinition of the interface towards the API server, in namespace `default`. */
  readonly nadName: string;
  readonly nadProvider: string;
  /** The API server's address for CoreDNS; "": that of Service `default/kubernetes`. */
  readonly apiHost: string;
  readonly apiPort: string;
}

/** The fields of a Deployment that a VpcDns writes, also read from the Deployment. */
export interface DnsDeploymentSpec {
  readonly replicas: number;
  readonly image: string;
  readonly corefile: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
}

/** A Deployment of `kube-system` that belongs to a VpcDns, or the cluster's CoreDNS. */
export interface DnsDeploymentFact extends ObjectFact {
  readonly namespace: string;
  /** Name and UID of the VpcDns that has created it, by its owner reference; "" for none. */
  readonly dns: string;
  readonly dnsUid: string;
  readonly present: DnsDeploymentSpec;
}

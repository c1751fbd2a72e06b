// SPDX-License-Identifier: Apache-2.0

import { vpcDnsUnit } from "../compile/vpc/vpc-dns.ts";
import { DNS_NAMESPACE } from "../compile/vpc/vpc-dns-objects.ts";
import { projectDnsDeployment, projectVpcDns, projectVpcDnsConfig } from "../facts/project-vpc-dns.ts";
import type { DnsDeploymentFact, VpcDnsConfigFact, VpcDnsFact } from "../facts/vpc-dns.ts";
import { CONFIG_MAPS, DEPLOYMENTS } from "../kube/resources.ts";
import type { Kind, Root } from "./kind.ts";

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly vpcDnses: VpcDnsFact;
    readonly vpcDnsConfigs: VpcDnsConfigFact;
    readonly dnsDeployments: DnsDeploymentFact;
  }
  interface FactIndexes {
    readonly vpcDnses: "vpc";
    readonly dnsDeployments: "dns";
  }
}

/** kubeovn.io/v1 VpcDns. */
export const vpcDnsKind: Kind<"vpcDnses"> = {
  facts: "vpcDnses",
  type: { group: "kubeovn.io", version: "v1", plural: "vpc-dnses", namespaced: false, kind: "VpcDns" },
  project: projectVpcDns,
  indexes: { vpc: ({ vpc }) => [vpc] },
  unit: vpcDnsUnit,
  status: "subresource",
  access: { verbs: [], why: "Watched; each creates a Deployment of CoreDNS and a SwitchLBRule." },
};

/** The ConfigMap with the settings of all VpcDns. */
export const vpcDnsConfigKind: Kind<"vpcDnsConfigs"> = {
  facts: "vpcDnsConfigs",
  type: CONFIG_MAPS,
  // By name, so that a permission for objects with this name is enough.
  fieldSelector: "metadata.name=vpc-dns-config",
  project: projectVpcDnsConfig,
  indexes: {},
  access: { verbs: [], names: ["vpc-dns-config"], why: "Watched: the settings of the DNS of VPCs." },
};

/** apps/v1 Deployments that VpcDns have created, and the cluster's CoreDNS. */
export const dnsDeploymentKind: Kind<"dnsDeployments"> = {
  facts: "dnsDeployments",
  type: DEPLOYMENTS,
  fieldSelector: `metadata.namespace=${DNS_NAMESPACE}`,
  project: projectDnsDeployment,
  indexes: { dns: ({ dns }) => (dns === "" ? [] : [dns]) },
  roots: rootsOfDns,
  access: {
    verbs: [],
    own: ["create", "patch", "delete"],
    why: "Watched: the Deployments of VPCs' DNS, and the image of the cluster's DNS.",
  },
};

/** The VpcDns that have created an object: objects of a deleted one are deleted. */
export function rootsOfDns(
  old: { readonly dns: string } | undefined,
  now: { readonly dns: string } | undefined,
): readonly Root[] {
  const names = [old, now].flatMap((one) => (one === undefined || one.dns === "" ? [] : [one.dns]));
  return [...new Set(names)].map((key) => ({ kind: vpcDnsUnit.name, key }));
}

// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import { commaList } from "../collections/comma-list.ts";
import { serviceSwitchRanges } from "../compile/service/service-switch.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject, NewObject } from "../kube/object.ts";
import { SUBNETS, VPCS } from "../kube/resources.ts";
import type { Settings } from "./settings.ts";

/** The informers: what they know, and how created objects are added before the watch delivers them. */
export interface Known {
  has(kind: "vpcs" | "subnets", name: string): boolean;
  made(kind: "vpcs" | "subnets", object: KubeObject): void;
}

/**
 * Creates the default VPC, the join subnet and the default subnet if they are missing. Existing objects are not changed, even if flags differ: they
 * belong to the administrator.
 */
export async function ensureDefaults(kube: Kube, settings: Settings, known: Known): Promise<void> {
  const ensure = async (kind: "vpcs" | "subnets", object: NewObject<KubeObject>): Promise<void> => {
    const { name = "" } = object.metadata;
    if (known.has(kind, name)) return;
    try {
      known.made(kind, await kube.create(kind === "vpcs" ? VPCS : SUBNETS, object));
    } catch (error) {
      if (!(error instanceof KubeError && error.code === "exists")) throw error;
    }
  };
  await ensure("vpcs", { metadata: { name: settings.clusterRouter }, spec: {} });
  const common = { vpc: settings.clusterRouter, provider: OVN_PROVIDER };
  await ensure("subnets", {
    metadata: { name: settings.nodeSwitch },
    spec: {
      ...common,
      default: false,
      cidrBlock: settings.nodeSwitchCidr,
      disableInterConnection: true,
      ...(settings.kubeProxyReplacement && { excludeIps: serviceSwitchRanges(settings.nodeSwitchCidr) }),
    },
  });
  await ensure("subnets", {
    metadata: { name: settings.defaultSubnet },
    spec: {
      ...common,
      default: true,
      cidrBlock: settings.defaultCidr,
      ...(settings.defaultGateway !== "" && { gateway: settings.defaultGateway }),
      ...(settings.defaultExcludeIps !== "" && { excludeIps: commaList(settings.defaultExcludeIps) }),
      gatewayType: "distributed",
      natOutgoing: true,
      enableLb: settings.enableLb,
    },
  });
}

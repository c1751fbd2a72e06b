// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../api/annotations.ts";
import { serviceSwitchRanges } from "../compile/service/service-switch.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject, NewObject } from "../kube/object.ts";
import { SUBNETS, VPCS } from "../kube/resources.ts";
import type { Settings } from "./settings.ts";

/** What the informers know already, and how they learn of what is made here before their watch tells them. */
export interface Known {
  has(kind: "vpcs" | "subnets", name: string): boolean;
  made(kind: "vpcs" | "subnets", object: KubeObject): void;
}

/**
 * Creates what every cluster needs where it is missing: the default VPC, the join subnet and the default subnet. What
 * exists is left as it is, whatever the flags say: the objects are the administrator's from then on.
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
      ...(settings.defaultExcludeIps !== "" && { excludeIps: settings.defaultExcludeIps.split(",") }),
      gatewayType: "distributed",
      natOutgoing: true,
      enableLb: settings.enableLb,
    },
  });
}

import { OVN_PROVIDER } from "../api/annotations.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject, NewObject } from "../kube/object.ts";
import { type ResourceType, SUBNETS, VPCS } from "../kube/resources.ts";
import type { Settings } from "./settings.ts";

/**
 * Creates what every cluster needs where it is missing: the default VPC, the join subnet and the default subnet. What
 * exists is left as it is, whatever the flags say: the objects are the administrator's from then on.
 */
export async function ensureDefaults(kube: Kube, settings: Settings): Promise<void> {
  await ensure(kube, VPCS, { metadata: { name: settings.clusterRouter }, spec: {} });
  const common = { vpc: settings.clusterRouter, provider: OVN_PROVIDER };
  await ensure(kube, SUBNETS, {
    metadata: { name: settings.nodeSwitch },
    spec: { ...common, default: false, cidrBlock: settings.nodeSwitchCidr, disableInterConnection: true },
  });
  await ensure(kube, SUBNETS, {
    metadata: { name: settings.defaultSubnet },
    spec: {
      ...common,
      default: true,
      cidrBlock: settings.defaultCidr,
      ...(settings.defaultGateway !== "" && { gateway: settings.defaultGateway }),
      ...(settings.defaultExcludeIps !== "" && { excludeIps: settings.defaultExcludeIps.split(",") }),
      gatewayType: "distributed",
      natOutgoing: true,
    },
  });
}

async function ensure(kube: Kube, type: ResourceType, object: NewObject<KubeObject>): Promise<void> {
  try {
    await kube.create(type, object);
  } catch (error) {
    if (!(error instanceof KubeError && error.code === "exists")) throw error;
  }
}

import { DENY_ALL_GROUP } from "../api/names.ts";
import type { FactChange, FactReader } from "../facts/store.ts";
import type { IpFact, PodFact } from "../facts/types.ts";
import type { AnyUnitKind } from "../unit/kind.ts";
import type { WeftEffect } from "./effects.ts";
import { groupUnit } from "./group.ts";
import { ipPoolUnit } from "./ippool.ts";
import { nameResolverUnit } from "./name-resolver.ts";
import { namespaceUnit } from "./namespace.ts";
import { nodeUnit } from "./node.ts";
import { podUnit } from "./pod.ts";
import { policyUnit } from "./policy.ts";
import { securityGroupUnit } from "./security-group.ts";
import { serviceUnit } from "./service.ts";
import { subnetUnit } from "./subnet.ts";
import { vipUnit } from "./vip.ts";
import { vpcUnit } from "./vpc.ts";

/** Every kind of unit, for the engine. A new kind is added here and in {@link rootsOf}. */
export const UNIT_KINDS: readonly AnyUnitKind<FactReader, WeftEffect>[] = [
  vpcUnit,
  subnetUnit,
  nodeUnit,
  podUnit,
  namespaceUnit,
  ipPoolUnit,
  vipUnit,
  groupUnit,
  policyUnit("networkpolicy", "networkPolicies"),
  nameResolverUnit,
  policyUnit("adminnetworkpolicy", "adminNetworkPolicies"),
  policyUnit("baselineadminnetworkpolicy", "baselineAdminNetworkPolicies"),
  policyUnit("clusternetworkpolicy", "clusterNetworkPolicies"),
  securityGroupUnit,
  serviceUnit,
];

/**
 * The units that exist because of a fact. An IP object stands for its holder, so that an address whose pod or node is gone
 * still has a unit to give it back.
 */
export function rootsOf(change: FactChange): readonly { readonly kind: string; readonly key: string }[] {
  switch (change.kind) {
    case "vpcs":
      return [{ kind: "vpc", key: change.key }];
    case "subnets":
      return [{ kind: "subnet", key: change.key }];
    case "nodes":
      return [{ kind: "node", key: change.key }];
    case "pods": {
      const holders = [change.old, change.new].flatMap((fact) => (fact === undefined ? [] : (fact as PodFact).holder));
      return [...new Set(holders)].map((key) => ({ kind: "pod", key }));
    }
    case "ipPools":
      return [{ kind: "ippool", key: change.key }];
    case "vips":
      return [{ kind: "vip", key: change.key }];
    case "groups":
      return [{ kind: "group", key: change.key }];
    case "networkPolicies":
      return [{ kind: "networkpolicy", key: change.key }];
    case "nameResolvers":
      return [{ kind: "nameresolver", key: change.key }];
    case "adminNetworkPolicies":
      return [{ kind: "adminnetworkpolicy", key: change.key }];
    case "baselineAdminNetworkPolicies":
      return [{ kind: "baselineadminnetworkpolicy", key: change.key }];
    case "clusterNetworkPolicies":
      return [{ kind: "clusternetworkpolicy", key: change.key }];
    case "securityGroups":
      return [{ kind: "securitygroup", key: change.key }];
    case "cluster":
      return [{ kind: "securitygroup", key: DENY_ALL_GROUP }];
    case "services":
      return [{ kind: "service", key: change.key }];
    case "namespaces":
      return [{ kind: "namespace", key: change.key }];
    case "ips": {
      const facts = [change.old, change.new] as readonly (IpFact | undefined)[];
      const holders = facts.flatMap((fact) => fact?.holder ?? []);
      return [...new Set(holders)]
        .filter((holder) => holder !== "")
        .map((holder) =>
          holder.startsWith("node:") ? { kind: "node", key: holder.slice(5) } : { kind: "pod", key: holder },
        );
    }
    default:
      return [];
  }
}

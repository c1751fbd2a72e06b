import type { FactReader } from "../facts/store.ts";
import type { FactKind } from "../facts/types.ts";
import type { EventSubject } from "../kube/recorder.ts";
import {
  ADMIN_NETWORK_POLICIES,
  BASELINE_ADMIN_NETWORK_POLICIES,
  CLUSTER_NETWORK_POLICIES,
  DNS_NAME_RESOLVERS,
  IP_POOLS,
  NAMESPACES,
  NETWORK_POLICIES,
  NODES,
  PODS,
  type ResourceType,
  SECURITY_GROUPS,
  SERVICES,
  SUBNETS,
  VIPS,
  VPCS,
} from "../kube/resources.ts";
import { splitUnitId } from "../unit/kind.ts";

/** Kind of unit → the facts and objects that its units stand for. Groups are nobody's own: policies share them. */
const KINDS: Readonly<Record<string, { readonly facts: FactKind; readonly type: ResourceType }>> = {
  vpc: { facts: "vpcs", type: VPCS },
  subnet: { facts: "subnets", type: SUBNETS },
  node: { facts: "nodes", type: NODES },
  namespace: { facts: "namespaces", type: NAMESPACES },
  ippool: { facts: "ipPools", type: IP_POOLS },
  vip: { facts: "vips", type: VIPS },
  networkpolicy: { facts: "networkPolicies", type: NETWORK_POLICIES },
  nameresolver: { facts: "nameResolvers", type: DNS_NAME_RESOLVERS },
  adminnetworkpolicy: { facts: "adminNetworkPolicies", type: ADMIN_NETWORK_POLICIES },
  baselineadminnetworkpolicy: { facts: "baselineAdminNetworkPolicies", type: BASELINE_ADMIN_NETWORK_POLICIES },
  clusternetworkpolicy: { facts: "clusterNetworkPolicies", type: CLUSTER_NETWORK_POLICIES },
  securitygroup: { facts: "securityGroups", type: SECURITY_GROUPS },
  service: { facts: "services", type: SERVICES },
};

/** The objects that a unit stands for, for Events about it: its own, or the pods that use a holder's addresses. */
export function unitObjects(facts: FactReader, unit: string): readonly EventSubject[] {
  const { kind, key } = splitUnitId(unit);
  if (kind === "pod") {
    return facts.by("pods", "holder", key).map(({ namespace, name, uid }) => ({ type: PODS, namespace, name, uid }));
  }
  const found = KINDS[kind];
  const fact = found === undefined ? undefined : facts.get(found.facts, key);
  if (found === undefined || fact === undefined) return [];
  const [first = "", second] = key.split("/");
  const where = second === undefined ? { name: first } : { namespace: first, name: second };
  const uid = "uid" in fact && typeof fact.uid === "string" ? { uid: fact.uid } : {};
  return [{ type: found.type, ...where, ...uid }];
}

import type { VpcSpec } from "../api/generated/vpc.ts";
import type { ObjectMeta } from "./meta.ts";
import type { PolicyRouteFact, StaticRouteFact, VpcFact } from "./types.ts";

/** What {@link projectVpc} reads of a Vpc. */
export interface VpcObject {
  readonly metadata: ObjectMeta;
  readonly spec?: VpcSpec;
}

/** The fact of a Vpc. Entries that lack what they need are left out: the CRD's rules refuse them beforehand. */
export function projectVpc(vpc: VpcObject, defaultVpc: string): VpcFact {
  const { name, uid, generation = 0, deletionTimestamp, finalizers = [] } = vpc.metadata;
  return {
    key: name,
    name,
    uid,
    generation,
    deleting: deletionTimestamp !== undefined,
    finalizers,
    isDefault: name === defaultVpc,
    namespaces: vpc.spec?.namespaces ?? [],
    defaultSubnet: vpc.spec?.defaultSubnet ?? "",
    staticRoutes: (vpc.spec?.staticRoutes ?? []).flatMap((route): StaticRouteFact[] => {
      if (!route.cidr || !route.nextHopIP) return [];
      const policy = route.policy === "policySrc" ? "policySrc" : "policyDst";
      return [{ policy, cidr: route.cidr, nextHopIp: route.nextHopIP, routeTable: route.routeTable ?? "" }];
    }),
    policyRoutes: (vpc.spec?.policyRoutes ?? []).flatMap((route): PolicyRouteFact[] => {
      const { action } = route;
      if (!route.match || (action !== "allow" && action !== "drop" && action !== "reroute")) return [];
      const nextHops = (route.nextHopIP ?? "").split(",").filter((hop) => hop !== "");
      if (action === "reroute" && nextHops.length === 0) return [];
      return [{ priority: route.priority ?? 0, match: route.match, action, nextHops }];
    }),
  };
}

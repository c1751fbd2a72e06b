// SPDX-License-Identifier: Apache-2.0

import { routerRuleKey } from "../../api/names.ts";
import { oldestRule } from "../../facts/nat-rule.ts";
import type { RecordedDerivation } from "../../facts/recorded-derivation.ts";
import type { FactReader } from "../../facts/store.ts";
import { readExternal } from "../service/external-balancer.ts";
import { slicesOnOvn } from "../service/secondary-endpoints.ts";
import { slicesInVpc, vpcOfService } from "../service/service-vpc.ts";

/** The facts `routerEndpoints`: see the fact. Whether a RouterLBRule is applied is not considered. */
export const routerEndpoints: RecordedDerivation<"routerEndpoints", "services"> = {
  kind: "routerEndpoints",
  of: "services",
  derive(reader, service) {
    const { key } = service;
    const rule = ruleOf(service.rule);
    if (service.loadBalancer === undefined && rule === undefined) return undefined;
    const all = slicesOnOvn(reader, reader.by("endpointSlices", "service", key));
    const vpc =
      rule === undefined
        ? vpcOfService(reader, service, all, reader.get("cluster", "cluster")?.router ?? "")
        : (reader.get("routerLbRules", rule)?.vpc ?? "");
    if (rule === undefined && readExternal(reader, service, vpc).served === undefined) return undefined;
    const slices = slicesInVpc(reader, service, all, vpc);
    const addresses = [...new Set(slices.flatMap((slice) => slice.endpoints.map(({ address }) => address)))].sort();
    if (addresses.length === 0) return undefined;
    return { key, vpc, who: rule === undefined ? `Service ${key}` : `RouterLBRule "${rule}"`, addresses };
  },
};

/**
 * The object by which a router balances connections to one of these targets, for messages; undefined if there is none. `keys`: of the index of rules by target.
 *
 * northd then sends all packets that leave with the address and port of the endpoint to the gateway chassis, also those of other connections
 * (`build_distr_lrouter_nat_flows_for_lb` in northd.c: priority 200 in `lr_in_gw_redirect`). A distributed floating IP would be translated on one chassis only on
 * the way in, and not at all on the way out, so the gateway chassis must translate it.
 */
export function balancerAtRouter(reader: FactReader, keys: readonly string[]): string | undefined {
  const rule = oldestRule(keys.flatMap((key) => reader.by("ovnDnatRules", "target", key)));
  if (rule !== undefined) return `OvnDnatRule "${rule.name}"`;
  return keys.flatMap((key) => reader.by("routerEndpoints", "address", key))[0]?.who;
}

/** The name of a RouterLBRule by the owner that a Service shows; undefined if it has none. */
function ruleOf(owner: string): string | undefined {
  const prefix = routerRuleKey("");
  return owner.startsWith(prefix) ? owner.slice(prefix.length) : undefined;
}

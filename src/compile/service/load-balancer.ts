// SPDX-License-Identifier: Apache-2.0

import { HAIRPIN_SOURCE } from "../../api/names.ts";
import type { DesiredRow } from "../../desired/fragment.ts";
import type { ServicePortFact } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { loadBalancerGroupId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { addHealthChecks } from "./health-checks.ts";

/** A load balancer in the group of a VPC. */
export interface LoadBalancer {
  /** Unique among all; it says to whom the row belongs. */
  readonly name: string;
  /** None: its addresses are without ports. */
  readonly protocol?: ServicePortFact["protocol"] | undefined;
  /** `address:port` → endpoints by commas. Without endpoints it answers at once that there are none. */
  readonly vips: Readonly<Record<string, string>>;
  /** Seconds for which a client keeps its endpoint after its last connection began; 0: it keeps none. */
  readonly affinity?: number;
  /** Its texts have variables of nodes in them, and its addresses are of this family. See `template-variables.ts`. */
  readonly template?: 4 | 6;
  /** How its endpoints are checked, see `HealthChecks`; absent for those that never are. */
  readonly checks?: Readonly<Record<string, string>>;
  /** Which endpoint a client has depends on its address alone. */
  readonly byClient?: boolean;
}

/** Adds the row of a load balancer, and its membership in the group that every switch of the VPC has. `of`: the Service. */
export function addLoadBalancer(
  build: FragmentBuilder,
  of: { readonly namespace: string; readonly name: string },
  vpc: string,
  balancer: LoadBalancer,
): DesiredRow {
  const { name, protocol, vips, affinity = 0, template, checks, byClient = false } = balancer;
  const id = `service/${name}`;
  const made = build.row("Load_Balancer", id, {
    name,
    protocol: protocol?.toLowerCase() as "tcp" | "udp" | "sctp" | undefined,
    vips,
    ...(checks && { ip_port_mappings: checks }),
    // Otherwise as it comes: with an affinity, too, for a client whose time is over may go elsewhere.
    selection_fields: byClient ? [template === 6 ? "ipv6_src" : "ip_src"] : [],
    options: {
      // Without endpoints: an answer at once, not silence.
      reject: "true",
      hairpin_snat_ip: `${HAIRPIN_SOURCE.v4} ${HAIRPIN_SOURCE.v6}`,
      // A UDP client that speaks on would never leave an endpoint that is gone; a TCP connection ends by itself.
      ...(protocol === "UDP" && { ct_flush: "true" }),
      ...(affinity > 0 && { affinity_timeout: String(affinity) }),
      ...(template !== undefined && { template: "true", "address-family": `ipv${template}` }),
    },
    external_ids: externalIds({ namespace: of.namespace, service: of.name, vpc }),
  });
  build.member("Load_Balancer_Group", loadBalancerGroupId(vpc), "load_balancer", made.uuid);
  if (Object.keys(checks ?? {}).length > 0) addHealthChecks(build, id, Object.keys(vips), of);
  return made;
}

// SPDX-License-Identifier: Apache-2.0

import { HAIRPIN_SOURCE } from "../../api/names.ts";
import type { DesiredRow } from "../../desired/fragment.ts";
import type { ServicePortFact } from "../../facts/service.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { insideBalancerGroupId, loadBalancerGroupId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { addHealthChecks } from "./health-checks.ts";

/** A load balancer in the group of a VPC. */
export interface LoadBalancer {
  /** Unique; it names the owner of the row. */
  readonly name: string;
  /** Undefined: the addresses have no ports. */
  readonly protocol?: ServicePortFact["protocol"] | undefined;
  /** `address:port` → endpoints, separated by commas. Without endpoints connections are refused at once. */
  readonly vips: Readonly<Record<string, string>>;
  /** Seconds for which a client keeps its endpoint after it last opened a connection; 0: no affinity. */
  readonly affinity?: number;
  /** The family of the addresses of a template load balancer, whose texts contain variables. See `template-variables.ts`. */
  readonly template?: 4 | 6;
  /** How its endpoints are checked, see `HealthChecks`; absent if they never are. */
  readonly checks?: Readonly<Record<string, string>>;
  /**
   * Switches of external subnets do not have it. northd applies the load balancers of a switch to packets of its localnet port too (ovn-northd(8), "Pre-LB"), before they reach
   * the router that they are sent to. What rejects clients of the VPC would reject clients outside as well.
   */
  readonly inside?: boolean;
  /** The endpoint depends only on the client's address. */
  readonly byClient?: boolean;
}

/**
 * The option of load balancers of switches by which a pod sees {@link HAIRPIN_SOURCE} where it reaches itself. By default it would see the load balancer's own address, and OVN would then return to the pod also what it
 * sends to other pods that have that address as their source, by an OvnSnatRule.
 */
export const HAIRPIN = { hairpin_snat_ip: `${HAIRPIN_SOURCE.v4} ${HAIRPIN_SOURCE.v6}` } as const;

/**
 * The group of a load balancer that the VPC's router has too: only of switches without clients outside, because northd would balance what enters an external subnet's switch by its localnet port there, and the router would not
 * translate the replies.
 */
export function podBalancerGroupId(vpc: string, inDefaultVpc: boolean): string {
  return inDefaultVpc ? insideBalancerGroupId(vpc) : loadBalancerGroupId(vpc);
}

/** Adds the row of a load balancer and its membership in a group of the VPC. `of`: the Service. */
export function addLoadBalancer(
  build: FragmentBuilder,
  of: { readonly namespace: string; readonly name: string },
  vpc: string,
  balancer: LoadBalancer,
): DesiredRow {
  const { name, protocol, vips, affinity = 0, template, checks, byClient = false, inside = false } = balancer;
  const id = `service/${name}`;
  const made = build.row("Load_Balancer", id, {
    name,
    protocol: protocol?.toLowerCase() as "tcp" | "udp" | "sctp" | undefined,
    vips,
    ...(checks && { ip_port_mappings: checks }),
    // Otherwise a hash of the packet; also with affinity, since a client may change its endpoint after the timeout.
    selection_fields: byClient ? [template === 6 ? "ipv6_src" : "ip_src"] : [],
    options: {
      // Without endpoints: refuse the connection, do not drop it.
      reject: "true",
      ...HAIRPIN,
      // A UDP client that keeps sending would never leave a removed endpoint; a TCP connection ends by itself.
      ...(protocol === "UDP" && { ct_flush: "true" }),
      ...(affinity > 0 && { affinity_timeout: String(affinity) }),
      ...(template !== undefined && { template: "true", "address-family": `ipv${template}` }),
    },
    external_ids: externalIds({ namespace: of.namespace, service: of.name, vpc }),
  });
  const group = inside ? insideBalancerGroupId(vpc) : loadBalancerGroupId(vpc);
  build.member("Load_Balancer_Group", group, "load_balancer", made.uuid);
  if (Object.keys(checks ?? {}).length > 0) addHealthChecks(build, id, Object.keys(vips), of);
  return made;
}

// SPDX-License-Identifier: Apache-2.0

import { nodesAddressSet } from "../../api/names.ts";
import { u2oIpName } from "../../api/port-names.ts";
import { hasU2oRouter, isOfSubnet, wantedU2oAddresses } from "../../claims/subnet-addresses.ts";
import { u2oVerdictKey } from "../../claims/verdict-keys.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { isUnderlay } from "../../facts/underlay.ts";
import type { Dual } from "../../net/dual.ts";
import type { Note } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { POLICY_PRIORITY } from "../gateway/router-policy-priorities.ts";
import { routerId } from "../owner-ids.ts";
import { externalIds } from "../rows.ts";
import { resolveNextHop } from "../vpc/policy-next-hop.ts";
import { isInSubnet } from "./subnet-localnet.ts";

/** The inputs of a subnet's `u2oInterconnection`. */
export interface U2oInput {
  /** The record of the router's address, if it can be used. */
  readonly router: IpFact | undefined;
  /** Why the router has no address. */
  readonly refusal: { readonly reason: string; readonly message: string } | undefined;
}

const FAMILIES = [
  { family: "v4", number: 4, ip: "ip4" },
  { family: "v6", number: 6, ip: "ip6" },
] as const;

/** Reads the inputs. */
export function readU2o(reader: FactReader, subnet: SubnetFact): U2oInput {
  const router = u2oRouterOf(reader, subnet);
  const refused =
    router === undefined && hasU2oRouter(subnet) ? reader.get("verdicts", u2oVerdictKey(subnet.name)) : undefined;
  return { router, refusal: refused && { reason: refused.reason, message: refused.message } };
}

/** The record of the address of the VPC's router in an underlay subnet; undefined if the router has no port there, or not yet. */
export function u2oRouterOf(reader: FactReader, subnet: SubnetFact): IpFact | undefined {
  if (!hasU2oRouter(subnet)) return undefined;
  const record = reader.get("ips", u2oIpName(subnet.vpc, subnet.name));
  if (record === undefined || !isOfSubnet(record, subnet.name) || record.deleting || record.mac === "")
    return undefined;
  const wanted = wantedU2oAddresses(subnet);
  const isWanted = (["v4", "v6"] as const).every(
    (family) =>
      (record[family] !== "") === (subnet.cidr[family] !== undefined) &&
      (wanted[family] === "" || wanted[family] === record[family]),
  );
  return isWanted && isInSubnet(subnet, record) ? record : undefined;
}

/** The router's own addresses in a subnet of its VPC: the gateway, or in an underlay subnet those for `u2oInterconnection`; none if it has no port there. */
export function routerAddresses(subnet: SubnetFact, router: IpFact | undefined): Dual<string> {
  if (!isUnderlay(subnet)) return subnet.gateway;
  return router === undefined ? {} : { ...(router.v4 && { v4: router.v4 }), ...(router.v6 && { v6: router.v6 }) };
}

/** The VPC of a subnet, as far as its routes concern {@link addU2oRoutes}. */
export interface U2oSurroundings {
  readonly isDefaultVpc: boolean;
  /** The ranges of the VPC's other subnets that its router is connected to, by whether they are overlay subnets. */
  readonly overlay: readonly string[];
  readonly underlay: readonly string[];
}

/**
 * Adds the policies by which packets of the subnet go to overlay subnets through the router, and all others to the physical gateway, as in Kube-OVN
 * (`addPolicyRouteForU2OInterconn` in `pkg/controller/subnet.go`): to nodes too, which do not route back through OVN.
 */
export function addU2oRoutes(build: FragmentBuilder, subnet: SubnetFact, of: U2oSurroundings): void {
  const { name, vpc, cidr, gateway, u2o } = subnet;
  const overlayOnly = u2o?.overlayOnly === true;
  for (const { family, number, ip } of FAMILIES) {
    const [block, hop] = [cidr[family], gateway[family]];
    if (block === undefined) continue;
    const policy = (id: string, priority: number, match: string, next?: string): void => {
      build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", `${name}/u2o/${id}/${family}`, {
        priority,
        match,
        action: next === undefined ? "allow" : "reroute",
        nexthops: next === undefined ? [] : [next],
        external_ids: externalIds({
          subnet: name,
          isU2ORoutePolicy: "true",
          ...(overlayOnly && { isU2OOverlayOnlyRoutePolicy: "true" }),
        }),
      });
    };
    const [to, from] = [`${ip}.dst == ${block}`, `${ip}.src == ${block}`];
    const isOfFamily = (range: string): boolean => range.includes(":") === (number === 6);
    const overlay = of.overlay.filter(isOfFamily).sort();
    const inside = overlayOnly ? overlay : [...overlay, ...of.underlay.filter(isOfFamily)].sort();
    // The default VPC has such a policy for each of its subnets.
    if (!of.isDefaultVpc && inside.length > 0)
      policy("inside", POLICY_PRIORITY.subnet, `${from} && ${ip}.dst == {${inside.join(", ")}}`);
    if (!overlayOnly && of.isDefaultVpc) policy("to", POLICY_PRIORITY.u2o, to);
    if (overlayOnly && overlay.length > 0)
      policy("to", POLICY_PRIORITY.u2o, `${ip}.src == {${overlay.join(", ")}} && ${to}`);
    if (overlayOnly) policy("same", POLICY_PRIORITY.u2oSame, `${from} && ${to}`);
    if (hop === undefined) continue;
    resolveNextHop(build, vpc, hop);
    if (of.isDefaultVpc)
      policy("nodes", POLICY_PRIORITY.subnet, `${ip}.dst == $${nodesAddressSet(number)} && ${from}`, hop);
    policy("gateway", overlayOnly ? POLICY_PRIORITY.u2oGateway : POLICY_PRIORITY.gateway, from, hop);
  }
}

/**
 * Adds the policies that drop what enters the router from an external network with a source address of the VPC's other subnets, or of nodes: rules trust
 * such addresses.
 */
export function addOutsideSources(
  build: FragmentBuilder,
  { name, vpc }: SubnetFact,
  port: string,
  { isDefaultVpc, overlay, underlay }: U2oSurroundings,
): void {
  for (const { number, ip } of FAMILIES) {
    const own = [...overlay, ...underlay].filter((range) => range.includes(":") === (number === 6)).sort();
    const sources = [...own, ...(isDefaultVpc ? [`$${nodesAddressSet(number)}`] : [])];
    if (sources.length === 0) continue;
    build.held("Logical_Router", routerId(vpc), "policies", "Logical_Router_Policy", `${name}/outside-sources/${ip}`, {
      priority: 32767,
      match: `inport == ${JSON.stringify(port)} && ${ip}.src == {${sources.join(", ")}}`,
      action: "drop",
      nexthops: [],
      external_ids: externalIds({ subnet: name, sources: ip }),
    });
  }
}

/** The router in the subnet's status. */
export function u2oStatus({ vpc }: SubnetFact, { router }: U2oInput): Readonly<Record<string, string>> {
  const { v4 = "", v6 = "", mac = "" } = router ?? {};
  return {
    u2oInterconnectionIP: [v4, v6].filter((address) => address !== "").join(","),
    u2oInterconnectionMAC: mac,
    u2oInterconnectionVPC: router === undefined ? "" : vpc,
  };
}

/** Problems, for the subnet's condition. */
export function u2oNotes({ u2o, protocol }: SubnetFact, { refusal }: U2oInput): readonly Note[] {
  if (u2o === undefined) return [];
  if (protocol === "Mac") {
    const message = "spec.u2oInterconnection has no effect: the subnet has no cidrBlock";
    return [{ reason: "NotSupported", message }];
  }
  if (refusal === undefined) return [];
  const message = `new pods wait until the router has an address in the subnet (spec.u2oInterconnection): ${refusal.message}`;
  return [{ reason: refusal.reason, message }];
}

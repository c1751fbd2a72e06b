// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, POD } from "../../api/annotations.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { isUnderlay } from "../../facts/underlay.ts";
import type { Ip } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";
import { parseDualIp } from "../../net/dual.ts";
import type { ReportEffect } from "../effects.ts";
import type { FragmentBuilder } from "../fragment-builder.ts";
import { podPortId, routerId } from "../owner-ids.ts";
import { reportPod } from "../reports.ts";
import { externalIds } from "../rows.ts";
import { u2oRouterOf } from "../subnet/subnet-u2o.ts";
import { resolveNextHop } from "../vpc/policy-next-hop.ts";
import { externalLink } from "../vpc/vpc-external.ts";
import type { NorthGateway, PortInput } from "./port-input.ts";

/**
 * Kube-OVN's priority (NorthGatewayRoutePolicyPriority): before the policy of the pod's subnet, after policies for
 * destinations in the cluster.
 */
const PRIORITY = 29_250;

const FAMILIES = [
  { family: "v4", match: "ip4" },
  { family: "v6", match: "ip6" },
] as const;

/** For pods without the annotation. */
export const NO_NORTH_GATEWAY: NorthGateway = { hops: {}, problems: [] };

/** Reads the annotation for the pod's own interface: only that can have it, in the default VPC, as in Kube-OVN. */
export function northGateway(
  reader: FactReader,
  { annotations }: PodFact,
  ip: IpFact,
  subnet: SubnetFact | undefined,
  router: string,
): NorthGateway {
  const text = annotations[POD.northGateway];
  if (text === undefined || text.trim() === "" || ip.provider !== OVN_PROVIDER || subnet === undefined)
    return NO_NORTH_GATEWAY;
  if (subnet.vpc !== router) return { hops: {}, problems: [`only pods in VPC "${router}" can have one`] };
  // The annotation's syntax has been validated with the other annotations.
  const wanted = parseDualIp(text.replaceAll(" ", "")) ?? {};
  const hops: { v4?: string; v6?: string } = {};
  const problems: string[] = [];
  for (const { family } of FAMILIES) {
    const hop = wanted[family];
    if (hop === undefined) continue;
    const problem =
      ip[family] === "" ? `the pod has no address of the family of ${hop.text}` : hopProblem(reader, hop, ip, router);
    if (problem === undefined) hops[family] = hop.text;
    else problems.push(problem);
  }
  return { hops, problems };
}

/** northd ignores a policy whose next hop is in no network of the router, and only logs it. */
function hopProblem(reader: FactReader, hop: Ip, ip: IpFact, router: string): string | undefined {
  const family = hop.family === 4 ? "v4" : "v6";
  if (ip[family] === hop.text) return `${hop.text} is the pod's own address`;
  const holder = reader.by("subnets", "vpc", router).find(({ name, cidr }) => {
    const range = parseCidr(cidr[family] ?? "");
    return range !== undefined && cidrContains(range, hop) && reader.get("verdicts", name)?.ok === true;
  });
  if (holder === undefined) return `${hop.text} is in no subnet of VPC "${router}"`;
  const u2o = u2oRouterOf(reader, holder);
  if (u2o?.[family] === hop.text) return `${hop.text} is the router's own address in subnet ${holder.name}`;
  if (isUnderlay(holder) && u2o === undefined)
    return externalLink(reader, router, holder.name) === undefined
      ? `${hop.text} is in external subnet ${holder.name}, in which VPC "${router}" has no port`
      : undefined;
  if (u2o === undefined && holder.gateway[family] === hop.text)
    return `${hop.text} is the router's own address, the gateway of subnet ${holder.name}`;
  return undefined;
}

/**
 * Adds the policies that send the pod's traffic to the outside to its next hop. They match nothing after the pod's
 * port is unbound, which the node's DEL causes even while no controller runs, and they never match another pod that
 * has got the address since.
 */
export function addNorthGateway(build: FragmentBuilder, { pod, ip, subnet, north }: PortInput): void {
  for (const { family, match } of FAMILIES) {
    const hop = north.hops[family];
    if (hop === undefined) continue;
    resolveNextHop(build, subnet.vpc, hop);
    const id = `${podPortId(ip.name, pod)}/north/${family}`;
    build.held("Logical_Router", routerId(subnet.vpc), "policies", "Logical_Router_Policy", id, {
      priority: PRIORITY,
      match: `${match}.src == ${ip[family]} && is_chassis_resident("${ip.name}")`,
      action: "reroute",
      nexthops: [hop],
      external_ids: externalIds({ subnet: subnet.name }),
    });
  }
}

/** The Event that reports problems of a pod's annotation. */
export function reportNorthGateway(pod: PodFact, { problems }: NorthGateway): readonly ReportEffect[] {
  if (problems.length === 0) return [];
  const message = `annotation ${POD.northGateway} is ignored: ${problems.join("; ")}`;
  return [reportPod(pod, "north-gateway", "InvalidNorthGateway", message)];
}

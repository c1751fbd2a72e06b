// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER } from "../../api/annotations.ts";
import { ContractError } from "../../contract/document.ts";
import { decodePodInterface } from "../../contract/pod.ts";
import type { SubnetContract } from "../../contract/subnet.ts";
import type { Ip } from "../../net/address.ts";
import { cidrContains } from "../../net/cidr.ts";
import type { NodePod } from "../pods/pods.ts";

/** An address and TCP port of a pod that the node reaches inside a VPC. */
export interface ProbeTarget {
  readonly ip: Ip;
  readonly port: number;
}

/** A pod that kubelet's probes do not reach, and why. */
export interface Unprobed {
  readonly pod: NodePod;
  readonly message: string;
}

/** What the node must reach in custom VPCs. */
export interface ProbePlan {
  /** VPC → its targets, sorted. */
  readonly vpcs: ReadonlyMap<string, readonly ProbeTarget[]>;
  readonly unprobed: readonly Unprobed[];
}

/** What the plan depends on besides the pods. */
export interface ProbeFacts {
  /** A subnet's node contract; an error if it cannot be read; undefined if there is no such subnet. */
  contractOf(subnet: string): SubnetContract | string | undefined;
  /** The prefix of the node's interface that contains the address; undefined if there is none. */
  nearby(ip: Ip): string | undefined;
}

/**
 * Plans which of the node's own packets are sent into which VPC: those to a port that kubelet probes, at the address of a pod of a custom VPC on this
 * node.
 *
 * A packet does not say which VPC it is for. So two kinds of addresses are never sent into a custom VPC: addresses in a network of the node's
 * interfaces (otherwise a pod could take the place of the API server), and addresses of pods of the default VPC on this node. Of pods of several
 * custom VPCs with the same address and port, the oldest is probed.
 * @returns a reason instead if a contract is not known: then the present state must stay.
 */
export function planProbes(pods: Iterable<NodePod>, { contractOf, nearby }: ProbeFacts): ProbePlan | string {
  const own = new Map<string, NodePod>();
  const wanted: { readonly pod: NodePod; readonly vpc: string; readonly ips: readonly Ip[] }[] = [];
  for (const pod of pods) {
    const at = pod.ended ? undefined : addressesOf(pod);
    const contract = at && contractOf(at.subnet);
    if (at === undefined || contract === undefined) continue;
    if (typeof contract === "string") return contract;
    const { probe } = contract;
    if (probe === undefined) for (const { text } of at.ips) own.set(text, pod);
    else if (pod.probePorts.length > 0) {
      // Otherwise anyone who may annotate a pod could redirect any address of the node into the VPC.
      const ips = at.ips.filter((ip) => probe.cidrs.some((cidr) => cidrContains(cidr, ip)));
      wanted.push({ pod, vpc: probe.vpc, ips });
    }
  }
  const vpcs = new Map<string, ProbeTarget[]>();
  /** address and port → the pod that has it. */
  const taken = new Map<string, { readonly pod: NodePod; readonly vpc: string }>();
  const unprobed: Unprobed[] = [];
  for (const { pod, vpc, ips } of wanted.sort((a, b) => compareAge(a.pod, b.pod))) {
    const problems: string[] = [];
    for (const ip of ips) {
      const [network, neighbour] = [nearby(ip), own.get(ip.text)];
      if (network !== undefined) problems.push(`${ip.text} is in ${network}, a network of this node`);
      else if (neighbour !== undefined) problems.push(`pod ${nameOf(neighbour)} of the default VPC has ${ip.text} too`);
      else
        for (const port of pod.probePorts) {
          const key = `${ip.text} ${port}`;
          const other = taken.get(key);
          if (other !== undefined && other.vpc !== vpc)
            problems.push(`pod ${nameOf(other.pod)} of VPC ${other.vpc} has ${ip.text} and port ${port} too`);
          if (other !== undefined) continue;
          taken.set(key, { pod, vpc });
          const targets = vpcs.get(vpc) ?? [];
          targets.push({ ip, port });
          vpcs.set(vpc, targets);
        }
    }
    if (problems.length > 0)
      unprobed.push({
        pod,
        message: `kubelet's probes do not reach this pod of VPC ${vpc}: on this node ${problems.join(", ")}; give it another address, or move it to another node`,
      });
  }
  for (const targets of vpcs.values()) targets.sort(compareTargets);
  return { vpcs: new Map([...vpcs].sort(([a], [b]) => (a < b ? -1 : 1))), unprobed };
}

/** Decoded annotations by pod: each change of any pod evaluates all pods again. */
const decoded = new WeakMap<NodePod, { readonly subnet: string; readonly ips: readonly Ip[] }>();

/** The addresses of a pod's own interface, from its status; undefined if it has none yet. */
function addressesOf(pod: NodePod): { readonly subnet: string; readonly ips: readonly Ip[] } | undefined {
  const known = decoded.get(pod);
  if (known !== undefined) return known;
  try {
    const state = decodePodInterface(pod.annotations, OVN_PROVIDER, { optionalMac: false });
    if (state.state === "waiting") return undefined;
    const { subnet, addresses } = state.contract;
    const found = { subnet, ips: addresses.map(({ ip }) => ip) };
    decoded.set(pod, found);
    return found;
  } catch (error) {
    // The pod's ADD reports the malformed annotation.
    if (error instanceof ContractError) return undefined;
    throw error;
  }
}

function nameOf({ namespace, name }: NodePod): string {
  return `${namespace}/${name}`;
}

function compareAge(a: NodePod, b: NodePod): number {
  const [first, second] = [a, b].map(({ created, uids }) => `${created} ${uids[0] ?? ""}`);
  return (first ?? "") < (second ?? "") ? -1 : 1;
}

function compareTargets(a: ProbeTarget, b: ProbeTarget): number {
  const byFamily = a.ip.family - b.ip.family;
  if (byFamily !== 0) return byFamily;
  return a.ip.value === b.ip.value ? a.port - b.port : a.ip.value < b.ip.value ? -1 : 1;
}

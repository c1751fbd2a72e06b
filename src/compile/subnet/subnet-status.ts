// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, SUBNET } from "../../api/annotations.ts";
import { nodePortName } from "../../api/port-names.ts";
import { recordAnnotations, writeAcceptedSubnet } from "../../facts/accepted.ts";
import type { ClusterFact } from "../../facts/cluster.ts";
import { joinDual } from "../../facts/project-subnet.ts";
import type { SubnetFact, VerdictFact } from "../../facts/subnet.ts";
import { hasLocalnet, isUnderlay } from "../../facts/underlay.ts";
import { translateSubnetRules } from "../../policy/subnet-rules.ts";
import { type ConditionEffect, fill, releaseIp, type WeftEffect } from "../effects.ts";
import { activeGateways, gatewayNotes } from "../gateway/gateway-nodes.ts";
import { malformedNotes, unsupportedNotes } from "../references.ts";
import { problemText, withNotes } from "../reports.ts";
import { subnetContract } from "./subnet-contract.ts";
import { dhcpProblems } from "./subnet-dhcp.ts";
import { readEgress } from "./subnet-egress.ts";
import type { SubnetInput } from "./subnet-input.ts";
import { keepsQuerier, multicastNotes, multicastStatus } from "./subnet-multicast.ts";
import { natRuleStatus, readNatRules } from "./subnet-nat-rules.ts";
import { u2oNotes, u2oStatus } from "./subnet-u2o.ts";
import { vipNotes } from "./subnet-vips.ts";

/** The effects of a subnet: its finalizer, defaults, records and status, of which the conditions say what of it is not accepted or not served. */
export function compileSubnetEffects(input: SubnetInput): readonly WeftEffect[] {
  const { subnet, verdict, cluster, gateways, notes, annotated } = input;
  const { name, uid, generation, problem, missing } = subnet;
  const condition = (ready: boolean, reason: string, message: string): ConditionEffect => {
    const key = `condition/subnets/${name}`;
    const { refused } = verdict;
    const state = {
      kind: "condition",
      key,
      resource: "subnets",
      name,
      uid,
      generation,
      ready,
      reason,
      message,
    } as const;
    const [active] = subnet.enableEcmp ? [] : activeGateways(subnet, gateways);
    const natOutgoingPolicyRules = natRuleStatus(subnet);
    const activateGateway = ready ? (active?.name ?? "") : "";
    const status = {
      ...{ activateGateway, natOutgoingPolicyRules },
      ...multicastStatus(subnet, input.multicast),
      ...u2oStatus(subnet, input.u2o),
    };
    return { ...state, ...(refused && { refused }), status };
  };
  const viaNodes =
    subnet.vpc === cluster.router &&
    name !== cluster.joinSubnet &&
    isOvnProvider(subnet.provider) &&
    !isUnderlay(subnet);
  const gatewayProblems = verdict.ok && viaNodes ? gatewayNotes(subnet, gateways) : [];
  const filled = fill(
    "subnets",
    { ...subnet, annotated, annotations: annotationsOf(input) },
    {
      finalizer: true,
      generation,
      annotations: wantedAnnotations(input),
      ...(problem === undefined && { spec: missing }),
    },
    withNotes(stateOf(input, condition), [
      ...gatewayProblems,
      ...notes,
      ...multicastNotes(subnet, input.multicast),
      ...u2oNotes(subnet, input.u2o),
      ...vipNotes(subnet, input.vips),
      ...unsupportedNotes(subnet),
      ...malformedNotes(subnet),
    ]),
  );
  return [...filled, ...releaseOwnAddresses(input)];
}

/** Releases the subnet's own addresses that are not wanted any more: the setting is off, or the range has changed; all when they are the last ones of a deleted subnet. */
function releaseOwnAddresses({ subnet, multicast, u2o, holders, ownAddresses }: SubnetInput): readonly WeftEffect[] {
  const names = new Set(ownAddresses.map(({ name }) => name));
  const isLast = subnet.deleting && holders.every((name) => names.has(name));
  const kept = [keepsQuerier(subnet, multicast) && multicast.querier?.name, u2o.router?.name];
  return ownAddresses.flatMap((record) => (isLast || !kept.includes(record.name) ? releaseIp(record) : []));
}

/** Why an underlay subnet is not connected to its network; undefined if it is. */
function disconnected({ subnet, localnet }: SubnetInput): { reason: string; message: string } | undefined {
  if (!hasLocalnet(subnet) || localnet !== undefined) return undefined;
  const what = subnet.protocol === "Mac" ? "MAC addresses" : "addresses";
  const message = `its pods get ${what} but have no connectivity outside the subnet: there is no Vlan of that name (spec.vlan "${subnet.vlan}")`;
  return { reason: "NoProviderNetwork", message };
}

function annotationsOf({ records, nodeContract }: SubnetInput): Readonly<Record<string, string>> {
  return {
    ...records,
    ...(nodeContract !== undefined && { [SUBNET.nodeContract]: nodeContract }),
  };
}

/** The annotations with its accepted configuration and its node contract. Neither is ever removed. */
function wantedAnnotations({
  subnet,
  verdict,
  cluster,
  egressTableOwner,
  localnet,
}: SubnetInput): Readonly<Record<string, string>> {
  const contract = subnetContract(subnet, verdict, cluster, egressTableOwner, localnet);
  return {
    ...(verdict.ok && subnet.protocol !== "Mac" && recordAnnotations(writeAcceptedSubnet(subnet))),
    ...(contract !== undefined && { [SUBNET.nodeContract]: contract }),
  };
}

function stateOf(
  input: SubnetInput,
  condition: (ready: boolean, reason: string, message: string) => ConditionEffect,
): ConditionEffect {
  const { subnet, verdict, cluster, holders, joinCidr, egressTableOwner } = input;
  if (!verdict.ok) return condition(false, verdict.reason, verdict.message);
  if (subnet.deleting) return condition(false, "InUse", inUse(holders, cluster));
  const lack = disconnected(input);
  if (lack !== undefined) return condition(false, lack.reason, lack.message);
  const problems = [
    ...translateSubnetRules(subnet, joinCidr).problems,
    ...dhcpProblems(subnet),
    ...readNatRules(subnet).problems,
    ...readEgress(subnet, cluster.router, egressTableOwner).problems,
  ];
  const [problem] = problems;
  if (problem === undefined) return condition(true, "Ready", former(subnet, verdict));
  return notAsWritten(condition(true, problem.reason, problemText(problems)));
}

/**
 * The condition of a subnet whose pods are served: condition `Validated` has the parts of the spec that are not
 * accepted.
 */
function notAsWritten(effect: ConditionEffect): ConditionEffect {
  const { reason, message, refused } = effect;
  return { ...effect, refused: refused ?? { reason, message } };
}

/** The configuration that stays active if a part of its spec is refused. */
function former({ cidr, gateway }: SubnetFact, { refused }: VerdictFact): string {
  if (refused === undefined) return "";
  return `the last accepted cidrBlock ${joinDual(cidr)} and gateway ${joinDual(gateway)} stay active; condition Validated says why the spec is not accepted`;
}

function inUse(holders: readonly string[], { joinSubnet }: ClusterFact): string {
  const shown = holders.slice(0, 5).join(", ");
  const more = holders.length > 5 ? ` and ${holders.length - 5} more` : "";
  const nodes = holders.some((name) => name.startsWith(nodePortName("")))
    ? `; nodes have addresses in "${joinSubnet}"`
    : "";
  return `waiting for addresses to be released: ${shown}${more}${nodes}`;
}

// SPDX-License-Identifier: Apache-2.0

import { GatewayGroups } from "../compile/gateway/gateway-groups.ts";
import { subnetGateways } from "../compile/gateway/gateway-nodes.ts";
import { NameCollisions } from "../compile/name-collisions.ts";
import { EipVpcs } from "../compile/nat/eip-vpcs.ts";
import { providerNodes } from "../compile/nat/provider-nodes.ts";
import { NodeSubnets } from "../compile/node/node-subnets.ts";
import { clusterServiceRanges } from "../compile/service/service-ranges.ts";
import { subnetPolicyUse } from "../compile/subnet/subnet-policy-use.ts";
import type { Unrecorded } from "../compile/subnet/subnet-verdict.ts";
import { SubnetVerdicts } from "../compile/subnet/subnet-verdicts.ts";
import { externalGateways } from "../compile/vpc/external-gateways.ts";
import { bfdPorts } from "../compile/vpc/vpc-bfd-nodes.ts";
import { VpcPeers } from "../compile/vpc/vpc-peers.ts";
import { type Deriver, deriverOf } from "../facts/derivation.ts";
import type { FactStore } from "../facts/store.ts";
import { GroupIndex } from "../policy/group-index.ts";
import { SecurityGroupIndex } from "../policy/security-group-index.ts";
import { addressHolders } from "./address-holders.ts";
import { zones } from "./zones.ts";

/**
 * The facts that follow from other facts alone: verdicts on subnets, who is in which group, which security groups exist, whose names run together, which
 * objects hold addresses, which nodes are the gateways of a subnet, which are connected to which networks outside, in which VPC an OvnEip is used, which VPCs are peered, and which zones there are. What they
 * say depends on the facts, not on the order in which these came.
 */
export class DerivedFacts {
  readonly #facts: FactStore;
  readonly #verdicts: SubnetVerdicts;
  /** By name, in the order in which they are told of a change: subnets before groups, for whatever else a change wakes must find the accepted configuration of now. */
  readonly #derivers: Readonly<Record<string, Deriver>>;
  readonly #started = new Set<Deriver>();

  /** `recording` says whose addresses in a subnet are being recorded; who has it calls {@link reconsider} when such an address is released. */
  constructor(facts: FactStore, recording?: Unrecorded["holders"]) {
    this.#facts = facts;
    this.#verdicts = new SubnetVerdicts(facts, recording);
    this.#derivers = {
      nameCollisions: new NameCollisions(facts),
      addressHolders: deriverOf(facts, addressHolders),
      bfdPorts: deriverOf(facts, bfdPorts),
      externalGateways: deriverOf(facts, externalGateways),
      zones: deriverOf(facts, zones),
      providerNodes: deriverOf(facts, providerNodes),
      serviceRanges: deriverOf(facts, clusterServiceRanges),
      subnets: this.#verdicts,
      subnetPolicyUse: deriverOf(facts, subnetPolicyUse),
      subnetGateways: deriverOf(facts, subnetGateways),
      nodeSubnets: new NodeSubnets(facts),
      gatewayGroups: new GatewayGroups(facts),
      eipVpcs: new EipVpcs(facts),
      vpcPeers: new VpcPeers(facts),
      "security groups": new SecurityGroupIndex(facts),
      groups: new GroupIndex(facts),
    };
  }

  /** Takes in all facts at once. */
  start(): void {
    for (const deriver of Object.values(this.#derivers)) {
      this.#started.add(deriver);
      deriver.start();
    }
  }

  /** Addresses may have been released without a change of an object: in one subnet, or in whichever. */
  reconsider(subnets?: Iterable<string>): void {
    this.#verdicts.reconsider(subnets);
  }

  /** Begins to hear of changes. One part that throws keeps the others from nothing. */
  follow(): void {
    for (const [name, deriver] of Object.entries(this.#derivers))
      this.#facts.derive((change) => {
        if (this.#started.has(deriver)) deriver.noteFact(change);
      }, name);
  }
}

// SPDX-License-Identifier: Apache-2.0

import { GatewayGroups } from "../compile/gateway/gateway-groups.ts";
import { subnetGateways } from "../compile/gateway/gateway-nodes.ts";
import { NameCollisions } from "../compile/name-collisions.ts";
import { eipVpcs } from "../compile/nat/eip-exclusion.ts";
import { nodeEipChassis } from "../compile/nat/node-eip-chassis.ts";
import { routerEndpoints } from "../compile/nat/router-endpoints.ts";
import { NodeSubnets } from "../compile/node/node-subnets.ts";
import { providerNodes } from "../compile/node/provider-nodes.ts";
import { clusterServiceRanges } from "../compile/service/service-ranges.ts";
import { subnetPolicyUse } from "../compile/subnet/subnet-policy-use.ts";
import { SubnetVerdicts } from "../compile/subnet/subnet-revalidation.ts";
import type { Unrecorded } from "../compile/subnet/subnet-validation.ts";
import { externalGateways } from "../compile/vpc/external-gateways.ts";
import { bfdPorts } from "../compile/vpc/vpc-bfd-nodes.ts";
import { vpcPeers } from "../compile/vpc/vpc-peers.ts";
import { type Deriver, deriverOf } from "../facts/derivation.ts";
import { recordedDeriver } from "../facts/recorded-derivation.ts";
import type { FactStore } from "../facts/store.ts";
import { GroupIndex } from "../policy/group-index.ts";
import { SecurityGroupIndex } from "../policy/security-group-index.ts";
import { addressHolders } from "./address-holders.ts";
import { nodeNames } from "./node-names.ts";
import { zones } from "./zones.ts";

/**
 * The derived facts: verdicts on subnets, members of groups, existing security groups, name collisions, objects that hold addresses, gateway nodes of
 * subnets, connections of nodes to external networks, chassis and VPCs of OvnEips, endpoints of routers, peered VPCs, zones, and names of nodes. They depend on the facts only, not on the order of
 * changes.
 */
export class DerivedFacts {
  readonly #facts: FactStore;
  readonly #verdicts: SubnetVerdicts;
  /** By name, in the order of notification: subnets before groups, because the others must read the current accepted configuration. */
  readonly #derivers: Readonly<Record<string, Deriver>>;
  readonly #started = new Set<Deriver>();

  /**
   * `recording` returns the owners whose addresses in a subnet are being recorded; {@link reconsider} must be called when such an address is
   * released.
   */
  constructor(facts: FactStore, recording?: Unrecorded["holders"]) {
    this.#facts = facts;
    this.#verdicts = new SubnetVerdicts(facts, recording);
    this.#derivers = {
      nameCollisions: new NameCollisions(facts),
      addressHolders: deriverOf(facts, addressHolders),
      bfdPorts: deriverOf(facts, bfdPorts),
      externalGateways: deriverOf(facts, externalGateways),
      zones: deriverOf(facts, zones),
      nodeNames: deriverOf(facts, nodeNames),
      providerNodes: deriverOf(facts, providerNodes),
      nodeEipChassis: deriverOf(facts, nodeEipChassis),
      serviceRanges: deriverOf(facts, clusterServiceRanges),
      subnets: this.#verdicts,
      subnetPolicyUse: deriverOf(facts, subnetPolicyUse),
      subnetGateways: deriverOf(facts, subnetGateways),
      nodeSubnets: new NodeSubnets(facts),
      gatewayGroups: new GatewayGroups(facts),
      eipVpcs: recordedDeriver(facts, eipVpcs),
      routerEndpoints: recordedDeriver(facts, routerEndpoints),
      vpcPeers: recordedDeriver(facts, vpcPeers),
      "security groups": new SecurityGroupIndex(facts),
      groups: new GroupIndex(facts),
    };
  }

  /** Processes all facts at once. */
  start(): void {
    for (const deriver of Object.values(this.#derivers)) {
      this.#started.add(deriver);
      deriver.start();
    }
  }

  /** Addresses may have been released without a change of an object: in the given subnets, or in any. */
  reconsider(subnets?: Iterable<string>): void {
    this.#verdicts.reconsider(subnets);
  }

  /** Subscribes to changes. An exception in one derivation does not affect the others. */
  follow(): void {
    for (const [name, deriver] of Object.entries(this.#derivers))
      this.#facts.derive((change) => {
        if (this.#started.has(deriver)) deriver.noteFact(change);
      }, name);
  }
}

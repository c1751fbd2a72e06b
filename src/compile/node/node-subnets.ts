// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import { samePlain } from "../../collections/plain.ts";
import { changeOf, type Deriver } from "../../facts/derivation.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { FactStore } from "../../facts/store.ts";
import type { NodeSubnetsFact } from "../../facts/subnet.ts";
import { isUnderlay } from "../../facts/underlay.ts";
import { AddressTable } from "../../net/address-table.ts";

/**
 * Maintains the facts `nodeSubnets`: the subnet of the default VPC whose range contains a node's InternalIP. A node's unit reads only this fact, so a
 * new subnet does not make all nodes read all subnets.
 */
export class NodeSubnets implements Deriver {
  readonly #facts: FactStore;
  readonly #nodes = new AddressTable();
  /** The subnets of the default VPC. */
  readonly #subnets = new AddressTable();

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  start(): void {
    for (const { name } of this.#facts.all("subnets")) this.#placeSubnet(name);
    for (const { name } of this.#facts.all("nodes")) this.#placeNode(name);
    for (const { name } of this.#facts.all("nodes")) this.#settle(name);
  }

  /** For a node only that node is evaluated; for a subnet, the nodes with an address in its former or present range. */
  noteFact(change: FactChange): void {
    const [node, subnet] = [changeOf("nodes", change), changeOf("subnets", change)];
    if (node !== undefined && !samePlain(node.old?.internal, node.new?.internal)) {
      this.#placeNode(change.key);
      this.#settle(change.key);
    } else if (subnet !== undefined) {
      this.#placeSubnet(change.key);
      const cidrs = [subnet.old, subnet.new].flatMap((fact) => fact?.cidr ?? []);
      for (const name of new Set(cidrs.flatMap((cidr) => Object.values(this.#nodes.overlapping(cidr)).flat())))
        this.#settle(name);
    } else if (change.kind === "cluster") {
      this.start();
    }
  }

  #placeNode(name: string): void {
    const node = this.#facts.get("nodes", name);
    this.#nodes.set(name, node === undefined ? [] : [node.internal]);
  }

  #placeSubnet(name: string): void {
    const subnet = this.#facts.get("subnets", name);
    const router = this.#facts.get("cluster", "cluster")?.router;
    // An underlay subnet may be the nodes' own network.
    const counts =
      subnet !== undefined && subnet.vpc === router && isOvnProvider(subnet.provider) && !isUnderlay(subnet);
    this.#subnets.set(name, counts ? [subnet.cidr] : []);
  }

  #settle(name: string): void {
    const subject = { part: "derived fact", where: "nodeSubnets", kind: "nodes", key: name } as const;
    this.#facts.failures.run(subject, () => void this.#facts.set("nodeSubnets", name, this.#subnetsOf(name)));
  }

  #subnetsOf(name: string): NodeSubnetsFact | undefined {
    const node = this.#facts.get("nodes", name);
    if (node === undefined) return undefined;
    const found = this.#subnets.overlapping(node.internal);
    const [[v4], [v6]] = [found.v4.toSorted(), found.v6.toSorted()];
    return v4 === undefined && v6 === undefined ? undefined : { key: name, ...(v4 && { v4 }), ...(v6 && { v6 }) };
  }
}

// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider } from "../../api/annotations.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { NodeFact } from "../../facts/node.ts";
import type { FactStore } from "../../facts/store.ts";
import type { NodeSubnetsFact, SubnetFact } from "../../facts/subnet.ts";
import { parseIp } from "../../net/address.ts";
import { cidrContains, parseCidr } from "../../net/cidr.ts";

const FAMILIES = ["v4", "v6"] as const;

/**
 * Maintains the facts `nodeSubnets`: the subnet of the default VPC whose range contains a node's InternalIP. A node's unit reads only this fact, so a
 * new subnet does not make all nodes read all subnets.
 */
export class NodeSubnets {
  readonly #facts: FactStore;
  #started = false;

  constructor(facts: FactStore) {
    this.#facts = facts;
  }

  /** Processes all facts at once. */
  start(): void {
    this.#started = true;
    for (const node of this.#facts.all("nodes")) this.#settle(node.name);
  }

  /** A fact has changed. For a node only that node is evaluated; for a subnet, the nodes with an address in its former or present range. */
  noteFact({ kind, key, old, new: now }: FactChange): void {
    if (!this.#started) return;
    if (kind === "nodes") this.#settle(key);
    else if (kind === "cluster") this.start();
    else if (kind === "subnets") {
      const ranges = [old, now] as readonly (SubnetFact | undefined)[];
      for (const node of this.#facts.all("nodes")) {
        if (ranges.some((subnet) => subnet !== undefined && familiesIn(node, subnet).length > 0))
          this.#settle(node.name);
      }
    }
  }

  #settle(name: string): void {
    const subject = { part: "derived fact", where: "nodeSubnets", kind: "nodes", key: name } as const;
    this.#facts.failures.run(subject, () => this.#facts.set("nodeSubnets", name, this.#subnetsOf(name)));
  }

  #subnetsOf(name: string): NodeSubnetsFact | undefined {
    const node = this.#facts.get("nodes", name);
    const router = this.#facts.get("cluster", "cluster")?.router;
    if (node === undefined || router === undefined) return undefined;
    const found: { v4?: string; v6?: string } = {};
    for (const subnet of this.#facts.by("subnets", "vpc", router)) {
      if (!isOvnProvider(subnet.provider)) continue;
      for (const family of familiesIn(node, subnet)) found[family] ??= subnet.name;
    }
    return Object.keys(found).length === 0 ? undefined : { key: name, ...found };
  }
}

/** The families in which a node's InternalIP is in a subnet's range. */
function familiesIn({ internal }: NodeFact, { cidr }: SubnetFact): readonly ("v4" | "v6")[] {
  return FAMILIES.filter((family) => {
    const ip = parseIp(internal[family] ?? "");
    const block = parseCidr(cidr[family] ?? "");
    return ip !== undefined && block !== undefined && cidrContains(block, ip);
  });
}

// SPDX-License-Identifier: Apache-2.0

import { type Block, isIn, keyOfAddress, type NumericAddress, readAddress, readRange } from "./addresses.ts";
import { annotation, type ClusterView, OWN, type SimulatedPod, type SimulatedSubnet } from "./cluster-view.ts";

/** Which addresses of a subnet are available, counted one by one. */
export class FreeAddresses {
  readonly #picture: ClusterView;
  /** subnet → key of an address → its holder. */
  readonly #held = new Map<string, Map<string, string>>();

  constructor(picture: ClusterView) {
    this.#picture = picture;
    const hold = (subnet: string, address: string, holder: string): void => {
      let held = this.#held.get(subnet);
      if (held === undefined) {
        held = new Map();
        this.#held.set(subnet, held);
      }
      held.set(keyOfAddress(address), held.get(keyOfAddress(address)) ?? holder);
    };
    for (const ip of picture.ips) for (const address of ip.addresses) hold(ip.subnet, address, ip.name);
    for (const one of picture.externals) for (const address of one.addresses) hold(one.subnet, address, one.name);
    for (const vip of picture.vips) for (const address of vip.addresses) hold(vip.subnet, address, vip.name);
  }

  /** The holder of an address of a subnet. */
  holder(subnet: string, address: string): string | undefined {
    return this.#held.get(subnet)?.get(keyOfAddress(address));
  }

  /** All addresses of one family that may be allocated: not the subnet's own, nor a node's. */
  #givable(subnet: SimulatedSubnet, block: Block): bigint[] {
    const values: bigint[] = [];
    const nodes = this.#picture.nodes.flatMap((node) => node.addresses);
    const whole = block.last - block.first >= 3n;
    for (let value = block.first; value <= block.last; value++) {
      const address: NumericAddress = { family: block.family, value };
      if (whole && (value === block.first || value === block.last)) continue;
      if (subnet.gateways.some((gateway) => gateway.family === block.family && gateway.value === value)) continue;
      if (nodes.some((node) => node.family === block.family && node.value === value)) continue;
      if (values.length > 5_000) throw new Error(`${subnet.name} is too large to be counted`);
      values.push(address.value);
    }
    return values;
  }

  /** Whether an address may be allocated in the subnet. */
  canBeHeld(subnet: SimulatedSubnet | undefined, text: string): boolean {
    const address = readAddress(text);
    const block = address && subnet?.blocks.find((candidate) => isIn(candidate, address));
    if (subnet === undefined || block === undefined) return false;
    return this.#givable(subnet, block).includes(address?.value ?? 0n);
  }

  /** Whether an address is one of a pool that is for other namespaces. */
  isForOthers(subnet: string, text: string, namespace: string): boolean {
    const address = readAddress(text);
    return this.#picture.pools.some(
      (pool) =>
        pool.subnet === subnet &&
        !pool.deleting &&
        !isFor(pool, namespace) &&
        address !== undefined &&
        pool.ranges.some((range) => isIn(range, address)),
    );
  }

  /** Counts of one family, as the subnet's status must have them. */
  counts(subnet: SimulatedSubnet, family: 4 | 6): { readonly available: Set<string>; readonly using: Set<string> } {
    const available = new Set<string>();
    const using = new Set<string>();
    for (const block of subnet.blocks) {
      if (block.family !== family) continue;
      for (const value of this.#givable(subnet, block)) {
        if (subnet.excluded.some((range) => isIn(range, { family, value }))) continue;
        const key = `${family}/${value}`;
        (this.#held.get(subnet.name)?.has(key) ? using : available).add(key);
      }
    }
    return { available, using };
  }

  /** Whether there is a free address for a request of any address, in one subnet, or one of its pools. */
  hasRoom(subnet: SimulatedSubnet, family: "any" | 4 | 6, pool?: string): boolean {
    const blocks = subnet.blocks.filter((block) => family === "any" || block.family === family);
    if (blocks.length === 0) return false;
    return blocks.every((block) =>
      this.#givable(subnet, block).some((value) => {
        const address = { family: block.family, value };
        if (this.#held.get(subnet.name)?.has(`${block.family}/${value}`)) return false;
        if (subnet.excluded.some((range) => isIn(range, address))) return false;
        const owners = this.#picture.pools.filter(
          (candidate) =>
            candidate.subnet === subnet.name &&
            !candidate.deleting &&
            candidate.ranges.some((range) => isIn(range, address)),
        );
        // If several pools name an address the first one has it: this is not checked here.
        return pool === undefined ? owners.length === 0 : owners.length === 1 && owners[0]?.name === pool;
      }),
    );
  }

  /**
   * Whether a pod without an address could have one. True only if this is certain, so that true for a waiting pod
   * is a fault.
   */
  couldServe(pod: SimulatedPod): boolean {
    const picture = this.#picture;
    const subnets = picture.subnetsFor(pod);
    const { ip_address, ip_pool, ip_family, mac_address, ...others } = pod.asked;
    // A running pod can only keep its address.
    if (annotation(pod, "allocated") === "true") {
      const had = annotation(pod, "ip_address").split(",");
      return subnets.some((subnet) => had.every((address) => this.#canHave(subnet, address, pod)));
    }
    if (mac_address !== undefined || Object.keys(others).some((key) => key !== "logical_switch")) return false;
    const family = ip_family === "ipv4" ? 4 : ip_family === "ipv6" ? 6 : "any";
    if (ip_address !== undefined) {
      return family === "any" && subnets.some((subnet) => this.#canHave(subnet, ip_address, pod));
    }
    if (ip_pool !== undefined) {
      if (/[,;]/.test(ip_pool)) {
        const entries = ip_pool.split(/[,;]/);
        const mine = pod.set === undefined ? entries : entries.slice(pod.set.ordinal, pod.set.ordinal + 1);
        return family === "any" && mine.some((entry) => subnets.some((subnet) => this.#canHave(subnet, entry, pod)));
      }
      const pool = picture.pools.find((candidate) => candidate.name === ip_pool && !candidate.deleting);
      const subnet = picture.subnet(pool?.subnet ?? "");
      if (pool === undefined || subnet === undefined || subnet.deleting || !picture.accepted(subnet)) return false;
      if (pod.asked["logical_switch"] !== undefined || !isFor(pool, pod.namespace)) return false;
      return this.hasRoom(subnet, family, pool.name);
    }
    const pools = picture.pools.filter(
      (pool) => pod.provider === OWN && !pool.deleting && pool.namespaces.includes(pod.namespace),
    );
    if (pools.length > 0) return false;
    return subnets.some((subnet) => this.hasRoom(subnet, family));
  }

  /** Whether one named address is available; in a dual-stack subnet any address of the other family is used. */
  #canHave(subnet: SimulatedSubnet, text: string, { port, namespace }: SimulatedPod): boolean {
    const address = readAddress(text);
    if (address === undefined) return false;
    const block = subnet.blocks.find((candidate) => isIn(candidate, address));
    if (block === undefined || !this.#givable(subnet, block).includes(address.value)) return false;
    const holder = this.holder(subnet.name, text);
    if (holder !== undefined && holder !== port) return false;
    if (holder === undefined && this.isForOthers(subnet.name, text, namespace)) return false;
    return subnet.blocks.every((other) => other === block || this.hasRoom(subnet, other.family));
  }
}

/** The addresses that a status field names: `a-b,c`. */
export function readRanges(text: string): Set<string> {
  const keys = new Set<string>();
  for (const part of text.split(",").filter((entry) => entry !== "")) {
    const range = readRange(part.replace("-", ".."));
    if (range === undefined) {
      keys.add(`?${part}`);
      continue;
    }
    for (let value = range.first; value <= range.last; value++) keys.add(`${range.family}/${value}`);
  }
  return keys;
}

function isFor({ namespaces }: { readonly namespaces: readonly string[] }, namespace: string): boolean {
  return namespaces.length === 0 || namespaces.includes(namespace);
}

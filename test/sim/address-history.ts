// SPDX-License-Identifier: Apache-2.0

import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { annotation, ClusterView, OWN, type SimulatedIp, type SimulatedPod } from "./cluster-view.ts";
import { FreeAddresses } from "./free-addresses.ts";

/** Addresses that an owner was given and must keep. */
interface Given {
  readonly address: string;
  readonly subnet: string;
}

/** Records which address each owner was given, and reports changes that must not happen. */
export class AddressHistory {
  readonly #kube: FakeKube;
  readonly #touched: ReadonlySet<string>;
  readonly #onViolation: (what: string) => void;
  /** UID of a pod, with the provider of a secondary interface → its addresses. */
  readonly #byPod = new Map<string, Given>();
  /** The owner of a retained address (ordinal of a StatefulSet, virtual machine) → its addresses. */
  readonly #byOwner = new Map<string, Given>();

  constructor(kube: FakeKube, touched: ReadonlySet<string>, onViolation: (what: string) => void) {
    this.#kube = kube;
    this.#touched = touched;
    this.#onViolation = onViolation;
  }

  /** Objects have changed: compares addresses, and forgets those that need not be kept any more. */
  look(): void {
    const picture = new ClusterView(this.#kube);
    const owners = new Set<string>();
    for (const set of picture.sets) {
      const { namespace, name, uid, deletionTimestamp } = set.metadata;
      const start = set.spec.ordinals?.start ?? 0;
      if (deletionTimestamp !== undefined) continue;
      for (let i = start; i < start + set.spec.replicas; i++) owners.add(`${namespace}/${name}-${i}/${uid}`);
    }
    for (const { metadata } of picture.machines) {
      if (metadata.deletionTimestamp === undefined) owners.add(`${metadata.namespace}/${metadata.name}/machine`);
    }
    for (const owner of this.#byOwner.keys()) if (!owners.has(owner.split(" ")[0] ?? "")) this.#byOwner.delete(owner);
    this.#forgetDropped(picture);
    for (const pod of picture.pods) this.#lookAt(picture, pod, owners);
  }

  /** Forgets interfaces that a pod no longer has, for the pod and for its ordinal. */
  #forgetDropped(picture: ClusterView): void {
    for (const pod of picture.pods) {
      if (pod.provider !== OWN || !pod.alive) continue;
      const own = picture.pods.filter((other) => other.uid === pod.uid);
      const owner = ownerOf(pod);
      for (const provider of SECONDARY) {
        if (own.some((other) => other.provider === provider)) continue;
        const self = `${pod.uid} ${provider}`;
        const port = `${pod.port}.${provider}`;
        if (pod.mayHave(provider)) {
          // Its network cannot be read at the moment: it must keep the interface.
          if (this.#byPod.delete(self) && !this.#touched.has(`ips/${port}`))
            this.#onViolation(`${pod.key} has lost its interface ${provider}, although it still names the network`);
          continue;
        }
        this.#byPod.delete(self);
        if (owner !== undefined) this.#byOwner.delete(`${owner} ${provider}`);
      }
    }
  }

  #lookAt(picture: ClusterView, pod: SimulatedPod, owners: ReadonlySet<string>): void {
    const named = ownerOf(pod);
    const promised = named === undefined ? undefined : this.#byOwner.get(named);
    // Its namespace was bound to another subnet: its address is not kept, even if that is reverted later.
    if (named !== undefined && promised !== undefined) {
      if (!picture.subnetsFor(pod).some((subnet) => subnet.name === promised.subnet)) this.#byOwner.delete(named);
    }
    const address = annotation(pod, "ip_address");
    const subnet = annotation(pod, "logical_switch");
    // Ignores what a user wrote into the annotation.
    if (annotation(pod, "allocated") !== "true" || address === "" || address === "10.16.0.200" || subnet === "") return;
    const ip = picture.ips.find((candidate) => candidate.name === pod.port);
    const given = { address, subnet };
    const self = pod.provider === OWN ? pod.uid : `${pod.uid} ${pod.provider}`;
    const before = this.#byPod.get(self);
    if (before === undefined) this.#byPod.set(self, given);
    else if (!keeps(address, before.address) && this.#mustKeep(picture, pod, before)) {
      this.#byPod.set(self, given);
      this.#onViolation(`${pod.key} runs with ${before.address} but its annotations have ${address}`);
    }
    const owner = ownerOf(pod);
    // Of a virtual machine's two pods only one has the address; the annotation of the other is old.
    if (!pod.alive || ip?.podUid !== pod.uid) return;
    if (owner === undefined || !owners.has(owner.split(" ")[0] ?? "") || !this.#retains(ip, pod)) return;
    const kept = this.#byOwner.get(owner);
    if (kept === undefined) this.#byOwner.set(owner, given);
    else if (kept.address !== address) {
      if (!keeps(address, kept.address) && this.#mustKeep(picture, pod, kept)) {
        this.#onViolation(`${pod.key} had ${kept.address}, which must be kept, and got ${address}`);
      }
      this.#byOwner.set(owner, given);
    }
  }

  #retains(ip: SimulatedIp | undefined, pod: SimulatedPod): boolean {
    return ip !== undefined && !this.#touched.has(`ips/${pod.port}`);
  }

  /** Whether the address must still be kept: not if a user deleted its record, or its subnet is gone or no longer the pod's. */
  #mustKeep(picture: ClusterView, pod: SimulatedPod, { subnet, address }: Given): boolean {
    if (this.#touched.has(`ips/${pod.port}`)) return false;
    if (pod.asked["ip_pool"] !== undefined) return false;
    if (pod.provider === OWN && picture.pools.some((pool) => pool.namespaces.includes(pod.namespace))) return false;
    const free = new FreeAddresses(picture);
    return picture
      .subnetsFor(pod)
      .some(
        (candidate) => candidate.name === subnet && address.split(",").every((text) => free.canBeHeld(candidate, text)),
      );
  }
}

/** Whether all earlier addresses are kept; a subnet may have got another family. */
function keeps(now: string, before: string): boolean {
  const has = now.split(",");
  return before.split(",").every((address) => has.includes(address));
}

/** The owner of a retained address, with the provider of a secondary interface. */
function ownerOf({ machine, set, namespace, name, provider }: SimulatedPod): string | undefined {
  const secondary = provider === OWN ? "" : ` ${provider}`;
  if (machine !== undefined) return `${namespace}/${machine}/machine${secondary}`;
  if (set !== undefined) return `${namespace}/${name}/${set.uid}${secondary}`;
  return undefined;
}

/** Providers of secondary interfaces in this simulation. */
const SECONDARY = ["fast.default.ovn", "fast.default", "lan.default.ovn", "lan.default"];

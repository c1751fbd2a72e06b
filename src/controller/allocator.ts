import { OVN_PROVIDER } from "../api/annotations.ts";
import { nodePortName, podPortName } from "../api/names.ts";
import { isOpen, subnetsOfNamespace } from "../compile/namespace-subnets.ts";
import { joinDual } from "../facts/project-subnet.ts";
import type { FactChange, FactStore } from "../facts/store.ts";
import type { IpFact, NodeFact, PodFact, SubnetFact } from "../facts/types.ts";
import { subnetConfig } from "../ipam/config.ts";
import type { Ipam } from "../ipam/ipam.ts";
import { requestFromAnnotations } from "../ipam/request.ts";
import type { Decision, Lease } from "../ipam/types.ts";

/** A decision to be recorded as an IP object before anything uses it. */
export interface IpRecord {
  readonly name: string;
  readonly lease: Lease;
  readonly node: string;
  /** The pod it is for; absent for a node. */
  readonly pod?: PodFact;
  /** The object that already has this name, to be taken over rather than created. */
  readonly takeOver?: IpFact;
}

/** What the allocator tells. It decides; writing and speaking is for others. */
export interface AllocatorOptions {
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** Record this; replaces an earlier record of the same name that is not yet written. */
  readonly record: (record: IpRecord) => void;
  /**
   * The record of that name is not needed any more. True where it was not yet being written; false where its outcome must
   * be awaited, for until then its address may turn out to be taken.
   */
  readonly withdraw: (name: string) => boolean;
  /** An old object stands in the way of a new address and must go first. */
  readonly discard: (ip: IpFact) => void;
  /** A pod or node cannot get an address; said once for each reason. */
  readonly refused: (object: PodFact | NodeFact, refusal: { readonly code: string; readonly message: string }) => void;
  /** Two records name one address, or one that no subnet has: said once for each record. */
  readonly disputed: (ip: IpFact, message: string) => void;
  /** The counters of a subnet have changed. */
  readonly usageChanged: (subnet: string) => void;
}

/**
 * Decides who gets which address: the one part of the controller that has a memory. The memory is rebuilt from the IP
 * objects when a leader starts, and follows their informer afterwards.
 *
 * A pod that is refused waits for a cause (a freed address, a changed subnet, pool or namespace) and is tried once for
 * each: there is no timer here.
 */
export class Allocator {
  readonly #options: AllocatorOptions;
  /** Owners (IP object names) decided but not yet seen as objects. */
  readonly #recording = new Set<string>();
  /** Refused pods and nodes: holder → the reason that was told. */
  readonly #waiting = new Map<string, string>();
  /** Records that name an address which is somebody else's → what was told. */
  readonly #disputes = new Map<string, string>();
  #active = false;

  constructor(options: AllocatorOptions) {
    this.#options = options;
  }

  /** How many pods and nodes wait for an address. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Becomes the one who decides: loads all subnets and records, then serves whoever has no address. */
  start(): void {
    const { facts } = this.#options;
    this.#active = true;
    this.#nodeAddresses();
    for (const subnet of facts.all("subnets")) this.#configure(subnet.name);
    for (const ip of facts.all("ips")) this.#reserve(ip);
    for (const node of facts.all("nodes")) this.#serveNode(node);
    for (const pod of facts.all("pods")) this.#servePod(pod);
  }

  /** Decides no more. The next leader starts from the objects. */
  stop(): void {
    this.#active = false;
    this.#recording.clear();
    this.#waiting.clear();
    this.#disputes.clear();
    const { ipam } = this.#options;
    for (const subnet of [...ipam.subnetNames()]) ipam.remove(subnet, { force: true });
  }

  /** A fact has changed. */
  noteFact(change: FactChange): void {
    if (!this.#active) return;
    const { facts } = this.#options;
    switch (change.kind) {
      case "pods": {
        const pod = facts.get("pods", change.key);
        if (pod === undefined) this.#forget(change.key, change.old as PodFact | undefined);
        else this.#servePod(pod);
        return;
      }
      case "nodes": {
        this.#nodeAddresses();
        const node = facts.get("nodes", change.key);
        if (node !== undefined) this.#serveNode(node);
        else this.#waiting.delete(`node:${change.key}`);
        return;
      }
      case "ips":
        this.#noteIp(change.old as IpFact | undefined, change.new as IpFact | undefined);
        return;
      case "verdicts":
      case "subnets":
        this.#configure(change.key);
        this.#serveWaiting();
        return;
      case "namespaces":
        this.#serveWaiting();
        return;
      default:
        return;
    }
  }

  #noteIp(old: IpFact | undefined, now: IpFact | undefined): void {
    const { ipam, facts } = this.#options;
    const fact = now ?? old;
    if (fact === undefined) return;
    if (now === undefined) {
      this.#recording.delete(fact.name);
      this.#disputes.delete(fact.name);
      const freed = ipam.release(fact.name);
      if (freed !== undefined) this.#options.usageChanged(freed.subnet);
    } else {
      if (this.#recording.delete(now.name)) this.#options.withdraw(now.name);
      this.#reserve(now);
    }
    const holder = fact.holder;
    const pod = facts.get("pods", holder);
    if (pod !== undefined) this.#servePod(pod);
    if (holder.startsWith("node:")) {
      const node = facts.get("nodes", holder.slice("node:".length));
      if (node !== undefined) this.#serveNode(node);
    }
    if (now === undefined) this.#serveWaiting();
  }

  #reserve(ip: IpFact): void {
    const { ipam, disputed, usageChanged } = this.#options;
    const { conflicts } = ipam.reserve({
      owner: ip.name,
      subnet: ip.subnet,
      ...(ip.v4 !== "" && { v4: ip.v4 }),
      ...(ip.v6 !== "" && { v6: ip.v6 }),
      ...(ip.mac !== "" && { mac: ip.mac }),
    });
    const message = conflicts[0]?.message;
    if (message === undefined) this.#disputes.delete(ip.name);
    else if (this.#disputes.get(ip.name) !== message) {
      this.#disputes.set(ip.name, message);
      disputed(ip, message);
    }
    usageChanged(ip.subnet);
  }

  #configure(name: string): void {
    const { facts, ipam, usageChanged } = this.#options;
    const subnet = facts.get("subnets", name);
    if (subnet === undefined) {
      ipam.remove(name, { force: true });
      return;
    }
    if (facts.get("verdicts", name)?.ok !== true) return;
    const parsed = subnetConfig({
      name,
      cidrBlock: joinDual(subnet.cidr),
      gateway: joinDual(subnet.gateway),
      excludeIps: subnet.excludeIps,
      macDomain: `vpc/${subnet.vpc}`,
    });
    if (!parsed.ok) return;
    ipam.configure(parsed.config);
    // Records that came before their subnet could not be held until now.
    for (const ip of facts.by("ips", "subnet", name)) this.#reserve(ip);
    usageChanged(name);
  }

  #nodeAddresses(): void {
    const { facts, ipam } = this.#options;
    const addresses = facts.all("nodes").flatMap((node) => {
      const { v4, v6 } = node.internal;
      return [v4, v6].flatMap((address) => (address === undefined ? [] : [{ address, node: node.name }]));
    });
    ipam.setNodeAddresses(addresses);
  }

  #serveWaiting(): void {
    const { facts } = this.#options;
    for (const holder of [...this.#waiting.keys()]) {
      const pod = facts.get("pods", holder);
      const node = holder.startsWith("node:") ? facts.get("nodes", holder.slice("node:".length)) : undefined;
      if (pod !== undefined) this.#servePod(pod);
      else if (node !== undefined) this.#serveNode(node);
      else this.#waiting.delete(holder);
    }
  }

  #serveNode(node: NodeFact): void {
    const { facts, ipam } = this.#options;
    const owner = nodePortName(node.name);
    if (this.#recording.has(owner) || facts.get("ips", owner) !== undefined) return;
    const join = facts.get("subnets", facts.get("cluster", "cluster")?.joinSubnet ?? "");
    if (join === undefined || !isOpen(facts, join)) {
      this.#waiting.set(`node:${node.name}`, "");
      return;
    }
    const decision = ipam.allocate({ owner, subnets: [join.name], want: { kind: "any" } });
    this.#decided(`node:${node.name}`, node, decision, { name: owner, node: node.name });
  }

  #servePod(pod: PodFact): void {
    const { facts } = this.#options;
    if (!pod.alive || pod.node === undefined) return;
    const owner = podPortName(pod.name, pod.namespace, OVN_PROVIDER);
    if (this.#recording.has(owner)) return;
    const old = facts.get("ips", owner);
    // An object on its way out frees its name first; its deletion wakes this pod again.
    if (old?.deleting) return;
    if (old !== undefined && (old.podUid === pod.uid || old.podUid === "")) return;
    const subnets = subnetsOfNamespace(facts, pod.namespace);
    const decision = this.#decide(pod, owner, subnets);
    if (old !== undefined && decision.ok && decision.how !== "same") {
      // The pod's successor wants something else than its namesake had: the record is made anew, not bent.
      this.#options.ipam.release(owner);
      this.#options.discard(old);
      return;
    }
    const record = { name: owner, node: pod.node, pod, ...(old === undefined ? {} : { takeOver: old }) };
    this.#decided(pod.key, pod, decision, record);
  }

  #decide(pod: PodFact, owner: string, subnets: readonly SubnetFact[]): Decision {
    const parsed = requestFromAnnotations({
      owner,
      annotations: pod.annotations,
      provider: OVN_PROVIDER,
      subnets: subnets.map((subnet) => subnet.name),
    });
    return parsed.ok ? this.#options.ipam.allocate({ ...parsed.request, move: true }) : parsed;
  }

  #decided(holder: string, object: PodFact | NodeFact, decision: Decision, record: Omit<IpRecord, "lease">): void {
    if (decision.ok) {
      this.#waiting.delete(holder);
      this.#recording.add(record.name);
      this.#options.record({ ...record, lease: decision.lease });
      this.#options.usageChanged(decision.lease.subnet);
      return;
    }
    const reason = `${decision.code}: ${decision.message}`;
    const told = this.#waiting.get(holder) === reason;
    this.#waiting.set(holder, reason);
    if (!told) this.#options.refused(object, decision);
  }

  /** A record was given up: nothing was written, so its address is free again. */
  dropped(name: string): void {
    this.#recording.delete(name);
    if (!this.#active || this.#options.facts.get("ips", name) !== undefined) return;
    const freed = this.#options.ipam.release(name);
    if (freed !== undefined) this.#options.usageChanged(freed.subnet);
    this.#serveWaiting();
  }

  /** A pod is gone before its address was recorded: nobody else will give it back. */
  #forget(key: string, pod: PodFact | undefined): void {
    this.#waiting.delete(key);
    if (pod === undefined) return;
    const owner = podPortName(pod.name, pod.namespace, OVN_PROVIDER);
    if (this.#recording.has(owner) && this.#options.withdraw(owner)) this.dropped(owner);
  }
}

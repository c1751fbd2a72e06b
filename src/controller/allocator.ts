import { OVN_PROVIDER } from "../api/annotations.ts";
import { nodePortName, podPortName } from "../api/names.ts";
import { CHANGING } from "../compile/derived.ts";
import { poolVerdictKey } from "../compile/ippool.ts";
import { isRetained } from "../compile/retention.ts";
import type { FactChange } from "../facts/store.ts";
import type { IpFact, NodeFact, PodFact, VipFact } from "../facts/types.ts";
import type { Refusal } from "../ipam/refusal.ts";
import type { AddressRequest, Decision, Lease } from "../ipam/types.ts";
import { parseDualIp } from "../net/dual.ts";
import { Holdings, type HoldingsOptions } from "./holdings.ts";
import { namingOtherList } from "./listed-twice.ts";
import { likeness, openPart, podWish, vipOwner } from "./pod-wish.ts";
import { configureNodes, configureSubnet } from "./subnet-configuration.ts";
import { WaitingList } from "./waiting.ts";

/** A decision to be recorded in Kubernetes before anything uses it. `name` is the owner in IPAM. */
export type AddressRecord =
  | {
      readonly kind: "ip";
      readonly name: string;
      readonly lease: Lease;
      readonly node: string;
      /** The pod it is for; absent for a node. */
      readonly pod?: PodFact;
      /** UID of what keeps the address beyond the pod, see `IpFact.ownerUid`. */
      readonly ownerUid: string;
      /** The object that already has this name, to be taken over rather than created. */
      readonly takeOver?: IpFact;
    }
  | { readonly kind: "reservation"; readonly name: string; readonly lease: Lease; readonly ip: IpFact }
  | { readonly kind: "vip"; readonly name: string; readonly lease: Lease; readonly vip: VipFact };

/** Who may be told that there is no address. */
export type Applicant = PodFact | NodeFact | IpFact | VipFact;

/** What the allocator tells. It decides; writing and speaking is for others. */
export interface AllocatorOptions extends HoldingsOptions {
  /** Record this; replaces an earlier record of the same name that is not yet written. */
  readonly record: (record: AddressRecord) => void;
  /**
   * The record of that name is not needed any more. True where it was not yet being written; false where its outcome must
   * be awaited, for until then its address may turn out to be taken.
   */
  readonly withdraw: (name: string) => boolean;
  /** Somebody cannot get an address; said once for each reason. `kind` is the fact's. */
  readonly refused: (kind: "pods" | "nodes" | "ips" | "vips", object: Applicant, refusal: Refusal) => void;
}

/**
 * Decides who gets which address: the one part of the controller that has a memory. The memory is rebuilt from the IP
 * objects, the Vips, the pods and the northbound database when a leader starts, and follows the informers afterwards.
 *
 * Whoever is refused waits for a cause (a freed address, a changed subnet, pool or namespace) and is tried once for
 * each: there is no timer here.
 */
export class Allocator {
  readonly #options: AllocatorOptions;
  /** Owners decided but not yet seen as objects. */
  readonly #recording = new Set<string>();
  readonly #holdings: Holdings;
  /** By `kind/key` of the facts. */
  readonly #waiting = new WaitingList();
  #active = false;

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#holdings = new Holdings(options);
  }

  /** How many wait for an address. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Becomes the one who decides: takes in all that is held, then serves whoever has no address. */
  start(): void {
    const { facts, ipam, usageChanged } = this.#options;
    this.#active = true;
    configureNodes(facts, ipam);
    for (const subnet of facts.all("subnets")) configureSubnet(facts, ipam, subnet.name);
    this.#holdings.start();
    for (const subnet of facts.all("subnets")) usageChanged(subnet.name);
    this.#serveAll();
  }

  /** Decides no more. The next leader starts from the objects. */
  stop(): void {
    this.#active = false;
    this.#recording.clear();
    this.#waiting.clear();
    this.#holdings.stop();
  }

  /** A fact has changed. */
  noteFact(change: FactChange): void {
    if (!this.#active) return;
    const { facts } = this.#options;
    switch (change.kind) {
      case "pods":
        this.#notePod(change.old as PodFact | undefined, change.new as PodFact | undefined);
        return;
      case "nodes": {
        configureNodes(facts, this.#options.ipam);
        const node = facts.get("nodes", change.key);
        if (node === undefined) this.#waiting.delete(`nodes/${change.key}`);
        else this.#serveNode(node);
        return;
      }
      case "ips":
        this.#noteIp(change.old as IpFact | undefined, change.new as IpFact | undefined);
        return;
      case "vips":
        this.#noteVip(change.old as VipFact | undefined, change.new as VipFact | undefined);
        return;
      case "subnets":
        this.#reconfigure(change.key);
        return;
      case "verdicts":
        if (!change.key.includes("/")) this.#reconfigure(change.key);
        return;
      case "ipPools": {
        const pools = [change.old, change.new].flatMap(
          (fact) => (fact as { subnet?: string } | undefined)?.subnet ?? [],
        );
        if (change.new === undefined) facts.set("verdicts", poolVerdictKey(change.key), undefined);
        for (const subnet of new Set(pools)) this.#reconfigure(subnet);
        return;
      }
      case "namespaces":
      case "vpcs":
        this.#waiting.serveAll();
        return;
      default:
        return;
    }
  }

  /** Ports of the northbound database have changed. */
  notePorts(): void {
    for (const subnet of this.#holdings.notePorts()) this.#freed(subnet);
  }

  /** A record was given up: nothing was written, so its address is free again. */
  dropped(name: string): void {
    this.#recording.delete(name);
    if (!this.#active || this.#options.facts.get("ips", name) !== undefined) return;
    this.#release(name);
  }

  #notePod(old: PodFact | undefined, now: PodFact | undefined): void {
    const { facts } = this.#options;
    if (old !== undefined && (now === undefined || now.uid !== old.uid)) {
      this.#waiting.delete(`pods/${old.key}`);
      const owner = ownerOf(old);
      // Gone before its address was recorded: nobody else will give it back.
      if (facts.get("ips", owner) === undefined && (!this.#recording.has(owner) || this.#options.withdraw(owner))) {
        this.dropped(owner);
      }
    }
    // A machine's next pod may have waited for its last one to go.
    for (const pod of facts.by("pods", "holder", (now ?? old)?.holder ?? "")) this.#servePod(pod);
  }

  #noteIp(old: IpFact | undefined, now: IpFact | undefined): void {
    const { facts } = this.#options;
    const fact = now ?? old;
    if (fact === undefined) return;
    if (this.#recording.delete(fact.name)) this.#options.withdraw(fact.name);
    const freed = now === undefined ? this.#holdings.release(fact.name) : undefined;
    if (now === undefined) {
      this.#waiting.delete(`ips/${fact.name}`);
      facts.set("disputes", fact.name, undefined);
    } else {
      this.#holdings.reserve(now);
      this.#serveReservation(now);
    }
    for (const pod of facts.by("pods", "holder", fact.holder)) this.#servePod(pod);
    const node = fact.holder.startsWith("node:") ? facts.get("nodes", fact.holder.slice("node:".length)) : undefined;
    if (node !== undefined) this.#serveNode(node);
    if (freed === undefined) return;
    // A pod that still uses the address has it again by now. Otherwise it is free when the port is gone as well.
    this.#holdings.holdPort(fact.name);
    // A Vip has its addresses again that a pod had taken.
    for (const vip of facts.by("vips", "subnet", freed)) this.#holdings.reserveVip(vip);
    this.#freed(freed);
  }

  #noteVip(old: VipFact | undefined, now: VipFact | undefined): void {
    const name = vipOwner((now ?? old)?.name ?? "");
    if (now === undefined || now.deleting) {
      this.#waiting.delete(`vips/${(now ?? old)?.name}`);
      if (now === undefined) this.#release(name);
      return;
    }
    if (this.#recording.delete(name)) this.#options.withdraw(name);
    this.#holdings.reserveVip(now);
    this.#serveVip(now);
    if (now.given && old?.given !== true) this.#waiting.serveAll();
  }

  /** An address that no record speaks for is free, as soon as no port has it. */
  #letGo(owner: string): void {
    const freed = this.#holdings.release(owner);
    if (freed === undefined) return;
    this.#holdings.holdPort(owner);
    this.#freed(freed);
  }

  #release(owner: string): void {
    const freed = this.#holdings.release(owner);
    if (freed !== undefined) this.#freed(freed);
  }

  /** An address of a subnet may be free: a reservation that was disputed comes first, then those who wait. */
  #freed(subnet: string): void {
    const { facts, usageChanged } = this.#options;
    for (const { key } of facts.all("disputes")) {
      const ip = facts.get("ips", key);
      if (ip?.subnet !== subnet) continue;
      this.#holdings.reserve(ip);
      this.#serveReservation(ip);
    }
    usageChanged(subnet);
    this.#waiting.serveAll();
  }

  #reconfigure(subnet: string): void {
    const { facts, ipam, usageChanged } = this.#options;
    configureSubnet(facts, ipam, subnet);
    // Records that came before their subnet could not be held until now.
    for (const ip of facts.by("ips", "subnet", subnet)) this.#holdings.reserve(ip);
    usageChanged(subnet);
    this.#waiting.serveAll();
  }

  #serveAll(): void {
    const { facts } = this.#options;
    for (const node of facts.all("nodes")) this.#serveNode(node);
    for (const ip of facts.all("ips")) this.#serveReservation(ip);
    for (const vip of facts.all("vips")) this.#serveVip(vip);
    for (const pod of facts.all("pods")) this.#servePod(pod);
  }

  #serveNode(node: NodeFact): void {
    const { facts } = this.#options;
    const name = nodePortName(node.name);
    if (this.#recording.has(name) || facts.get("ips", name) !== undefined) return;
    const join = facts.get("cluster", "cluster")?.joinSubnet ?? "";
    const decision = this.#allocate({ owner: name, subnets: [join], want: { kind: "any" }, move: true });
    this.#decided("nodes", node, decision, (lease) => ({ kind: "ip", name, lease, node: node.name, ownerUid: "" }));
  }

  #serveReservation(ip: IpFact): void {
    const addresses = parseDualIp([ip.v4, ip.v6].filter((address) => address !== "").join(",")) ?? {};
    const fixed = addresses.v4 !== undefined || addresses.v6 !== undefined;
    if (!ip.reserved || ip.deleting || (fixed && ip.mac !== "") || this.#recording.has(ip.name)) return;
    if (this.#options.facts.get("disputes", ip.name) !== undefined) return;
    const decision = this.#allocate({
      owner: ip.name,
      subnets: [ip.subnet],
      want: fixed ? { kind: "static", addresses } : { kind: "any" },
      ...(ip.mac !== "" && { mac: ip.mac }),
    });
    this.#decided("ips", ip, decision, (lease) => ({ kind: "reservation", name: ip.name, lease, ip }));
  }

  #serveVip(vip: VipFact): void {
    const name = vipOwner(vip.name);
    if (vip.given || vip.deleting || this.#recording.has(name)) return;
    const asked = vip.v4 || vip.v6 ? parseDualIp([vip.v4, vip.v6].filter((address) => address !== "").join(",")) : {};
    const fixed = asked !== undefined && (asked.v4 !== undefined || asked.v6 !== undefined);
    const decision = this.#allocate({
      owner: name,
      subnets: [vip.subnet],
      want: fixed ? { kind: "static", addresses: asked } : { kind: "any" },
      ...(vip.mac !== "" && { mac: vip.mac }),
      ...(vip.type === "switch_lb_vip" && { mac: "none" }),
    });
    this.#decided("vips", vip, decision, (lease) => ({ kind: "vip", name, lease, vip }));
  }

  #servePod(pod: PodFact): void {
    const { facts, discard } = this.#options;
    const { node } = pod;
    const name = ownerOf(pod);
    if (!pod.alive || node === undefined || this.#recording.has(name)) return;
    const old = facts.get("ips", name);
    if (old !== undefined) {
      // An object on its way out frees its name first; its deletion wakes this pod again.
      if (old.deleting || facts.get("disputes", name) !== undefined) return;
      if (old.podUid === pod.uid || old.podUid === "") return;
      // A machine that migrates has two pods: the address is the first one's until that is gone.
      const others = facts.by("pods", "holder", pod.holder);
      if (others.some((other) => other.uid === old.podUid && other.alive)) return;
    }
    if (old === undefined) {
      const decision = this.#decidePod(pod, name, true);
      this.#decided("pods", pod, decision, (lease) => this.#recordOf(pod, node, lease));
      // What its port had when this leader started is not kept for a pod that asks for what it cannot have; a closed subnet opens again.
      if (!decision.ok && decision.code !== "SubnetNotReady") this.#letGo(name);
      return;
    }
    // Until the old record is gone its address is taken, whatever the pod is to get: nothing is taken or let go here.
    const decision = this.#decidePod(pod, name, false);
    if (decision.ok && decision.how !== "same") {
      // The pod's successor wants something else than its namesake had: the record is made anew, not bent.
      discard(old);
      return;
    }
    // What its namesake had is nobody's if the successor cannot have it, unless it is kept for a better one.
    if (!decision.ok && !old.reserved && !isRetained(facts, old)) discard(old);
    this.#decided("pods", pod, decision, (lease) => ({ ...this.#recordOf(pod, node, lease), takeOver: old }));
  }

  #recordOf(pod: PodFact, node: string, lease: Lease): Extract<AddressRecord, { kind: "ip" }> {
    const { facts } = this.#options;
    const ownerUid = facts.get("machines", pod.holder)?.uid ?? (pod.owner?.kind === "StatefulSet" ? pod.owner.uid : "");
    return { kind: "ip", name: ownerOf(pod), lease, node, pod, ownerUid };
  }

  /** `take`: holds what is decided. */
  #decidePod(pod: PodFact, owner: string, take: boolean): Decision {
    const wish = podWish(this.#options.facts, pod, owner);
    if (!wish.ok) return wish;
    const decision = this.#allocate(wish.request, take);
    return decision.ok ? decision : namingOtherList(this.#options.facts, pod, decision);
  }

  /** Asks IPAM, but only for subnets that are in force. */
  #allocate(request: AddressRequest, take = true): Decision {
    const { facts, ipam } = this.#options;
    const open = openPart(facts, request);
    if (!open.ok) return open;
    return take ? ipam.allocate(open.request) : ipam.decide(open.request);
  }

  #decided<K extends "pods" | "nodes" | "ips" | "vips">(
    kind: K,
    object: Applicant,
    decision: Decision,
    record: (lease: Lease) => AddressRecord,
  ): void {
    const id = `${kind}/${object.key}`;
    if (decision.ok) {
      const made = record(decision.lease);
      this.#waiting.delete(id);
      this.#recording.add(made.name);
      this.#options.record(made);
      this.#options.usageChanged(decision.lease.subnet);
      return;
    }
    const serve = (): void => this.#serveAgain(kind, object.key);
    // A subnet that changes is closed until all have changed: in the same instant those who wait are tried again.
    if (this.#options.facts.get("verdicts", decision.subnet ?? "")?.reason === CHANGING) {
      this.#waiting.briefly(id, serve);
      return;
    }
    if (this.#waiting.refused(id, decision, this.#likeness(object), serve))
      this.#options.refused(kind, object, decision);
  }

  /** Those who are alike find the same left; who has a record is like nobody else. */
  #likeness(object: Applicant): string | undefined {
    if (!("holder" in object && "annotations" in object)) return undefined;
    return this.#options.facts.get("ips", ownerOf(object)) === undefined ? likeness(object) : undefined;
  }

  #serveAgain(kind: "pods" | "nodes" | "ips" | "vips", key: string): void {
    const { facts } = this.#options;
    const pod = kind === "pods" ? facts.get("pods", key) : undefined;
    const node = kind === "nodes" ? facts.get("nodes", key) : undefined;
    const ip = kind === "ips" ? facts.get("ips", key) : undefined;
    const vip = kind === "vips" ? facts.get("vips", key) : undefined;
    if (pod !== undefined) this.#servePod(pod);
    else if (node !== undefined) this.#serveNode(node);
    else if (ip !== undefined) this.#serveReservation(ip);
    else if (vip !== undefined) this.#serveVip(vip);
    else this.#waiting.delete(`${kind}/${key}`);
  }
}

/** The owner in IPAM of a pod's address: the name of its IP object and of its port. */
export function ownerOf(pod: Pick<PodFact, "namespace" | "holder">): string {
  return podPortName(pod.holder.slice(pod.namespace.length + 1), pod.namespace, OVN_PROVIDER);
}

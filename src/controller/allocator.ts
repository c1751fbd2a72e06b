import { OVN_PROVIDER, POD, type PodRequestKey, podAnnotation } from "../api/annotations.ts";
import { nodePortName, podPortName, routerPortName } from "../api/names.ts";
import { CHANGING } from "../compile/derived.ts";
import { poolVerdictKey } from "../compile/ippool.ts";
import { isOpen, subnetsOfNamespace } from "../compile/namespace-subnets.ts";
import { isRetained, ordinalOf } from "../compile/retention.ts";
import { joinDual } from "../facts/project-subnet.ts";
import type { FactChange, FactStore } from "../facts/store.ts";
import type { IpFact, NodeFact, PodFact, SubnetFact, VipFact } from "../facts/types.ts";
import { subnetConfig } from "../ipam/config.ts";
import type { Ipam } from "../ipam/ipam.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import { requestFromAnnotations } from "../ipam/request.ts";
import { vipUnknown } from "../ipam/sentences.ts";
import type { AddressRequest, Decision, Lease } from "../ipam/types.ts";
import { parseDualIp } from "../net/dual.ts";
import { stableMac } from "../unit/identity.ts";
import { type Claim, type CommittedPort, claimsAtStart, lostRecord } from "./claims.ts";

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
export interface AllocatorOptions {
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** The pod ports that the northbound database holds now, asked for when a leader starts. */
  readonly committedPorts: () => Iterable<CommittedPort>;
  /** One of them, as it is now. */
  readonly committedPort: (name: string) => CommittedPort | undefined;
  /** Record this; replaces an earlier record of the same name that is not yet written. */
  readonly record: (record: AddressRecord) => void;
  /**
   * The record of that name is not needed any more. True where it was not yet being written; false where its outcome must
   * be awaited, for until then its address may turn out to be taken.
   */
  readonly withdraw: (name: string) => boolean;
  /** An object stands in the way of another address, or its address is another's: it must go. */
  readonly discard: (ip: IpFact) => void;
  /** Somebody cannot get an address; said once for each reason. `kind` is the fact's. */
  readonly refused: (kind: "pods" | "nodes" | "ips" | "vips", object: Applicant, refusal: Refusal) => void;
  /** A record and something else disagree about an address, and how that was resolved: said once for each record. */
  readonly disputed: (ip: IpFact, message: string) => void;
  /** A pod's record was lost, and what became of its address. */
  readonly restored: (pod: PodFact, message: string) => void;
  /** The counters of a subnet have changed. */
  readonly usageChanged: (subnet: string) => void;
}

/** Somebody who waits: how to try again, and the reason that was told. */
interface Waiting {
  readonly serve: () => void;
  readonly reason: string;
  /** What is the same for all who would be refused if one of them is: that there is no address left of the kind that they want. */
  readonly alike: string | undefined;
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
  /** Names of ports whose addresses are held although neither a record nor a pod speaks for them → those addresses. */
  readonly #orphans = new Map<string, CommittedPort>();
  /** `kind/key` of those who were refused. */
  readonly #waiting = new Map<string, Waiting>();
  #active = false;

  constructor(options: AllocatorOptions) {
    this.#options = options;
  }

  /** How many wait for an address. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Becomes the one who decides: takes in all that is held, then serves whoever has no address. */
  start(): void {
    const { facts, ipam, disputed } = this.#options;
    this.#active = true;
    this.#nodeAddresses();
    for (const subnet of facts.all("subnets")) this.#configure(subnet.name);
    const claims = claimsAtStart(facts, this.#options.committedPorts());
    for (const ip of claims.settled) this.#reserve(ip);
    for (const claim of claims.ports) this.#claim(claim);
    // A Vip was given what was free then: it goes before a record that names its address and never got a port.
    for (const vip of facts.all("vips")) this.#reserveVip(vip);
    for (const ip of claims.records) this.#reserve(ip);
    for (const { ip, message } of claims.disagreements) disputed(ip, message);
    for (const claim of claims.annotated) this.#claim(claim);
    for (const port of claims.orphans) this.#holdOrphan(port);
    ipam.loaded();
    for (const subnet of facts.all("subnets")) this.#options.usageChanged(subnet.name);
    this.#serveAll();
  }

  /** Decides no more. The next leader starts from the objects. */
  stop(): void {
    this.#active = false;
    this.#recording.clear();
    this.#waiting.clear();
    this.#orphans.clear();
    const { ipam, facts } = this.#options;
    ipam.clear();
    for (const { key } of facts.all("disputes")) facts.set("disputes", key, undefined);
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
        this.#nodeAddresses();
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
        this.#serveWaiting();
        return;
      default:
        return;
    }
  }

  /** Ports of the northbound database have changed. */
  notePorts(): void {
    for (const [name, held] of this.#orphans) {
      const port = this.#options.committedPort(name);
      if (port !== undefined && port.v4 === held.v4 && port.v6 === held.v6) continue;
      this.#orphans.delete(name);
      this.#release(orphanOwner(name));
    }
  }

  /** All or nothing: with half of what it had a pod cannot go on. */
  #claim(claim: Claim): void {
    const { ipam, restored } = this.#options;
    const clash = ipam.reserve(claim).conflicts.find(({ code }) => isClash(code));
    if (clash !== undefined) ipam.release(claim.owner);
    if (claim.pod !== undefined) restored(claim.pod, lostRecord(claim, clash?.message));
  }

  /** Nobody else gets the address of a port that is there. */
  #holdOrphan(port: CommittedPort): void {
    const { name, subnet, v4, v6 } = port;
    const { lease } = this.#options.ipam.reserve({
      owner: orphanOwner(name),
      subnet,
      ...(v4 && { v4 }),
      ...(v6 && { v6 }),
    });
    if (lease !== undefined) this.#orphans.set(name, port);
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
    const { facts, ipam, committedPort } = this.#options;
    const fact = now ?? old;
    if (fact === undefined) return;
    if (this.#recording.delete(fact.name)) this.#options.withdraw(fact.name);
    const freed = now === undefined ? ipam.release(fact.name) : undefined;
    if (now === undefined) {
      this.#waiting.delete(`ips/${fact.name}`);
      facts.set("disputes", fact.name, undefined);
    } else {
      this.#reserve(now);
      this.#serveReservation(now);
    }
    for (const pod of facts.by("pods", "holder", fact.holder)) this.#servePod(pod);
    const node = fact.holder.startsWith("node:") ? facts.get("nodes", fact.holder.slice("node:".length)) : undefined;
    if (node !== undefined) this.#serveNode(node);
    if (freed === undefined) return;
    // A pod that still uses the address has it again by now. Otherwise it is free when the port is gone as well.
    const port = committedPort(fact.name);
    if (port !== undefined) this.#holdOrphan(port);
    // A Vip has its addresses again that a pod had taken.
    for (const vip of facts.by("vips", "subnet", freed.subnet)) this.#reserveVip(vip);
    this.#freed(freed.subnet);
  }

  #noteVip(old: VipFact | undefined, now: VipFact | undefined): void {
    const name = vipOwner((now ?? old)?.name ?? "");
    if (now === undefined || now.deleting) {
      this.#waiting.delete(`vips/${(now ?? old)?.name}`);
      if (now === undefined) this.#release(name);
      return;
    }
    if (this.#recording.delete(name)) this.#options.withdraw(name);
    this.#reserveVip(now);
    this.#serveVip(now);
    if (now.given && old?.given !== true) this.#serveWaiting();
  }

  /** An address that no record speaks for is free, as soon as no port has it. */
  #letGo(owner: string): void {
    const freed = this.#options.ipam.release(owner);
    if (freed === undefined) return;
    const port = this.#options.committedPort(owner);
    if (port !== undefined) this.#holdOrphan(port);
    this.#freed(freed.subnet);
  }

  #release(owner: string): void {
    const freed = this.#options.ipam.release(owner);
    if (freed !== undefined) this.#freed(freed.subnet);
  }

  /** An address of a subnet may be free: a reservation that was disputed comes first, then those who wait. */
  #freed(subnet: string): void {
    const { facts, usageChanged } = this.#options;
    for (const { key } of facts.all("disputes")) {
      const ip = facts.get("ips", key);
      if (ip?.subnet !== subnet) continue;
      this.#reserve(ip);
      this.#serveReservation(ip);
    }
    usageChanged(subnet);
    this.#serveWaiting();
  }

  #reserve(ip: IpFact): void {
    if (ip.v4 === "" && ip.v6 === "" && ip.mac === "") return;
    const { ipam, facts, disputed, discard, usageChanged } = this.#options;
    const { name, subnet, v4, v6, mac } = ip;
    const { conflicts } = ipam.reserve({
      owner: name,
      subnet,
      ...(v4 !== "" && { v4 }),
      ...(v6 !== "" && { v6 }),
      ...(mac !== "" && { mac }),
    });
    usageChanged(subnet);
    // Whoever holds an odd address (outside of a subnet that has shrunk, the gateway's) goes on holding it; that is only said.
    for (const { code, message } of conflicts) if (!isClash(code)) disputed(ip, message);
    const message = conflicts.find(({ code }) => isClash(code))?.message;
    const told = facts.get("disputes", name)?.message === message;
    facts.set("disputes", name, message === undefined ? undefined : { key: name, message });
    if (message === undefined || told) return;
    disputed(ip, message);
    // The earlier record stands. A record that the controller made itself goes, and its pod is given another address;
    // one that a user made is left to the user.
    if (!ip.reserved && !ip.deleting) discard(ip);
  }

  #reserveVip({ name, subnet, given, v4, v6, mac, type }: VipFact): void {
    if (!given) return;
    this.#options.ipam.reserve({
      owner: vipOwner(name),
      subnet,
      ...(v4 !== "" && { v4 }),
      ...(v6 !== "" && { v6 }),
      // The address of a load balancer is answered for with the router's MAC, which is nobody's to reserve.
      ...(mac !== "" && type !== "switch_lb_vip" && { mac }),
    });
  }

  #reconfigure(subnet: string): void {
    this.#configure(subnet);
    // Records that came before their subnet could not be held until now.
    for (const ip of this.#options.facts.by("ips", "subnet", subnet)) this.#reserve(ip);
    this.#options.usageChanged(subnet);
    this.#serveWaiting();
  }

  #configure(name: string): void {
    const { facts, ipam } = this.#options;
    const subnet = facts.get("subnets", name);
    // Of two pools that name one address the first keeps it: the one that was there first.
    const pools = facts
      .by("ipPools", "subnet", name)
      .toSorted((a, b) => (a.created < b.created ? -1 : a.created > b.created ? 1 : 0));
    // One that its neighbours keep from being in force gives nothing (see `#allocate`), but what is held in it is held.
    const parsed =
      subnet === undefined || subnet.problem !== undefined
        ? undefined
        : subnetConfig({
            name,
            cidrBlock: joinDual(subnet.cidr),
            gateway: joinDual(subnet.gateway),
            excludeIps: subnet.excludeIps,
            macDomain: subnet.vlan === "" ? `vpc/${subnet.vpc}` : `vlan/${subnet.vlan}`,
            reservedMacs: [{ mac: stableMac(routerPortName(subnet.vpc, name)), holder: `gateway/${name}` }],
            pools: pools.filter((pool) => !pool.deleting).map((pool) => ({ name: pool.name, ips: pool.ips })),
          });
    if (subnet === undefined) ipam.remove(name, { force: true });
    const problems =
      parsed?.ok === true ? [...parsed.poolProblems, ...ipam.configure(parsed.config).problems] : undefined;
    for (const pool of pools) {
      const key = poolVerdictKey(pool.name);
      const problem = problems?.find((candidate) => candidate.pool === pool.name);
      if (problems === undefined || facts.get("verdicts", name)?.ok !== true) {
        const message =
          subnet === undefined
            ? `there is no subnet "${name}" (spec.subnet); create it, or delete the pool and make one of a subnet that there is`
            : `subnet "${name}" (spec.subnet) is not in force; see its own conditions`;
        facts.set("verdicts", key, { key, ok: false, reason: "SubnetNotReady", message });
      } else if (problem !== undefined) {
        facts.set("verdicts", key, { key, ok: false, reason: problem.code, message: problem.message });
      } else {
        facts.set("verdicts", key, { key, ok: true, reason: "Ready", message: "" });
      }
    }
  }

  #nodeAddresses(): void {
    const { facts, ipam } = this.#options;
    const addresses = facts.all("nodes").flatMap((node) => {
      const { v4, v6 } = node.internal;
      return [v4, v6].flatMap((address) => (address === undefined ? [] : [{ address, node: node.name }]));
    });
    ipam.setNodeAddresses(addresses);
  }

  #serveAll(): void {
    const { facts } = this.#options;
    for (const node of facts.all("nodes")) this.#serveNode(node);
    for (const ip of facts.all("ips")) this.#serveReservation(ip);
    for (const vip of facts.all("vips")) this.#serveVip(vip);
    for (const pod of facts.all("pods")) this.#servePod(pod);
  }

  /**
   * Something that was refused may now be met. Those who wait are served in the order in which they came; where one finds nothing left,
   * the others who want the same are not tried: addresses are only taken here, and a thousand may wait for the one that has come free.
   */
  #serveWaiting(): void {
    const nothingLeft = new Set<string>();
    for (const [id, { serve, alike }] of [...this.#waiting]) {
      if (alike !== undefined && nothingLeft.has(alike)) continue;
      serve();
      const still = this.#waiting.get(id)?.alike;
      if (still !== undefined) nothingLeft.add(still);
    }
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
    const { facts } = this.#options;
    const vip = (pod.annotations[POD.vip] ?? "").trim();
    if (vip !== "") return this.#decideVip(pod, owner, vip, take);
    const pools = facts.by("ipPools", "namespace", pod.namespace).filter((pool) => !pool.deleting);
    const place = pod.owner?.kind === "StatefulSet" ? ordinalOf(pod.name) : undefined;
    const parsed = requestFromAnnotations({
      owner,
      annotations: pod.annotations,
      provider: OVN_PROVIDER,
      subnets: subnetsOfNamespace(facts, pod.namespace).map((subnet) => subnet.name),
      ...(pools.length > 0 && { namespacePools: pools.map((pool) => pool.name) }),
      ...(place !== undefined && { ordinal: place.ordinal }),
    });
    return parsed.ok ? this.#allocate({ ...parsed.request, move: true }, take) : parsed;
  }

  /** A pod that takes a Vip's addresses, and its MAC, for as long as it is there. */
  #decideVip(pod: PodFact, owner: string, name: string, take: boolean): Decision {
    const { facts } = this.#options;
    const vip = facts.get("vips", name);
    if (vip === undefined)
      return vipUnknown(
        name,
        facts.all("vips").map((other) => other.name),
      );
    const refusal = vipRefusal(pod, vip);
    if (refusal !== undefined) return refusal;
    const addresses = parseDualIp([vip.v4, vip.v6].filter((address) => address !== "").join(",")) ?? {};
    const from = vipOwner(name);
    const mac = vip.mac === "" ? {} : { mac: vip.mac };
    const want = { kind: "static" as const, addresses };
    return this.#allocate({ owner, subnets: [vip.subnet], want, ...mac, from, move: true }, take);
  }

  /** Asks IPAM, but only for subnets that are in force: it knows the others as well, for what is held in them. */
  #allocate(request: AddressRequest, take = true): Decision {
    const { facts, ipam } = this.#options;
    const isClosed = (name: string): boolean => {
      const subnet = facts.get("subnets", name);
      return subnet !== undefined && (!isOpen(facts, subnet) || subnet.provider !== OVN_PROVIDER);
    };
    const { want } = request;
    const subnets = request.subnets.filter((name) => !isClosed(name));
    const pools = want.kind === "pool" ? want.pools : [];
    const openPools = pools.filter((pool) => !isClosed(facts.get("ipPools", pool)?.subnet ?? ""));
    const closed = subnets.length < request.subnets.length ? request.subnets.find(isClosed) : undefined;
    if (closed !== undefined && subnets.length === 0) return notReady(facts.get("subnets", closed), closed);
    if (pools.length > 0 && openPools.length === 0) {
      const name = facts.get("ipPools", pools[0] ?? "")?.subnet ?? "";
      return notReady(facts.get("subnets", name), name);
    }
    const asked = { ...request, subnets, want: want.kind === "pool" ? { ...want, pools: openPools } : want };
    return take ? ipam.allocate(asked) : ipam.decide(asked);
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
    // Not the whole sentence: who else holds addresses of a pool changes all the time.
    const reason = [decision.code, decision.subnet, decision.value, decision.holder].join(" ");
    const before = this.#waiting.get(id);
    // A subnet that changes is closed until all have changed: in the same instant those who wait are tried again.
    if (this.#options.facts.get("verdicts", decision.subnet ?? "")?.reason === CHANGING) {
      const serve = (): void => this.#serveAgain(kind, object.key);
      if (before === undefined) this.#waiting.set(id, { reason: "", alike: undefined, serve });
      return;
    }
    const told = before?.reason === reason;
    const alike = decision.code === "NoAvailableAddress" ? this.#likeness(object) : undefined;
    this.#waiting.set(id, { reason, alike, serve: () => this.#serveAgain(kind, object.key) });
    if (!told) this.#options.refused(kind, object, decision);
  }

  /** What decides where a pod's address may come from; nothing where it names addresses of its own choice, or a MAC, or has a record. */
  #likeness(object: Applicant): string | undefined {
    if (!("holder" in object && "annotations" in object)) return undefined;
    const wish = (key: PodRequestKey): string => object.annotations[podAnnotation(OVN_PROVIDER, key)]?.trim() ?? "";
    const pool = wish("ip_pool");
    if (wish("ip_address") !== "" || wish("mac_address") !== "" || /[;,.:]/.test(pool)) return undefined;
    if (this.#options.facts.get("ips", ownerOf(object)) !== undefined) return undefined;
    return [object.namespace, wish("logical_switch"), pool, wish("ip_family")].join(" ");
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

/** Why a pod cannot take a Vip's addresses, if so. */
function vipRefusal(pod: PodFact, { name, given, type, namespace }: VipFact): Refusal | undefined {
  const say = (code: Refusal["code"], message: string): Refusal => refuse(code, message, { value: name, holder: name });
  if (type !== "") {
    return say("VipNotForPods", `Vip "${name}" is of type "${type}", and no pod can take it; name one without a type.`);
  }
  if (namespace !== "" && namespace !== pod.namespace) {
    const message = `Vip "${name}" is for pods of namespace "${namespace}", not of "${pod.namespace}"; name one of that, or one without a namespace.`;
    return say("VipNotForPods", message);
  }
  return given ? undefined : say("VipNotReady", `Vip "${name}" has no address yet; see its Events.`);
}

function notReady(fact: SubnetFact | undefined, subnet: string): Refusal {
  const why =
    fact !== undefined && fact.provider !== OVN_PROVIDER
      ? `is for further interfaces, of provider "${fact.provider}", and not for a pod's own; name one of provider "${OVN_PROVIDER}"`
      : "is not in force, or is being deleted; see its conditions, or name another one";
  return refuse("SubnetNotReady", `Subnet "${subnet}" ${why}.`, { subnet, value: subnet });
}

/** Whether a conflict is one of two records that name the same. */
function isClash(code: Refusal["code"]): boolean {
  return code === "AddressInUse" || code === "MacInUse";
}

/** The owner in IPAM of a pod's address: the name of its IP object and of its port. */
export function ownerOf(pod: Pick<PodFact, "namespace" | "holder">): string {
  return podPortName(pod.holder.slice(pod.namespace.length + 1), pod.namespace, OVN_PROVIDER);
}

/** The owner in IPAM of the address of a port for which nobody speaks. */
function orphanOwner(port: string): string {
  return `port/${port}`;
}

/** The owner in IPAM of a Vip's address; no IP object's name holds a slash. */
export function vipOwner(name: string): string {
  return `vip/${name}`;
}

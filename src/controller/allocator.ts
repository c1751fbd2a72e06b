import { isOvnProvider, podAnnotation } from "../api/annotations.ts";
import { nodePortName } from "../api/port-names.ts";
import { namingOtherList } from "../claims/listed-twice.ts";
import { furtherInterfaces, interfaceOf, OWN_INTERFACE, type PodInterface, portOf } from "../claims/pod-interfaces.ts";
import {
  ANY_PURPOSE,
  likeness,
  NODE_PURPOSE,
  openPart,
  type Purpose,
  podWish,
  purposeOf,
  vipOwner,
  wantOf,
} from "../claims/pod-wish.ts";
import { isRetained } from "../claims/retention.ts";
import { poolVerdictKey, vipVerdictKey } from "../claims/verdict-keys.ts";
import type { FactChange } from "../facts/store.ts";
import type { DisputeFact, IpFact, NodeFact, PodFact } from "../facts/types.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import type { AddressRequest, Decision, Lease } from "../ipam/types.ts";
import type { VipFact } from "../kinds/vip.ts";
import { byAge } from "./claims.ts";
import { Holdings, type HoldingsOptions, namespaceOf } from "./holdings.ts";
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
      /** The interface's provider, where the name does not say it. */
      readonly provider?: string;
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
  /** An address was decided for a pod. */
  readonly decided?: (pod: PodFact) => void;
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
  /** By `kind/key` of the facts, and for a pod's further interfaces what tells them apart behind that. */
  readonly #waiting = new WaitingList();
  /** Key of a pod → what tells its further interfaces apart, as they were served last; pods without any are not in it. */
  readonly #further = new Map<string, ReadonlySet<string>>();
  #active = false;

  constructor(options: AllocatorOptions) {
    this.#options = options;
    this.#holdings = new Holdings(options);
  }

  /** How many wait for an address. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether a pod was told why one of its interfaces has no address. */
  isTold(pod: PodFact, provider: string): boolean {
    const subject = provider === OWN_INTERFACE.provider ? undefined : provider;
    return this.#waiting.isTold(waitingId("pods", pod.key, subject));
  }

  /** How far a pod's own interface has got, for people. */
  stateOf(pod: PodFact): string {
    const { facts } = this.#options;
    const name = portOf(pod, OWN_INTERFACE.provider);
    if (this.#recording.has(name)) return "decided, and being recorded";
    const ip = facts.get("ips", name);
    if (ip === undefined) return this.isTold(pod, OWN_INTERFACE.provider) ? "refused" : "not decided";
    if (ip.deleting) return "another's record is being deleted";
    if (facts.get("disputes", name) !== undefined) return "its record is disputed";
    return ip.podUid === "" || ip.podUid === pod.uid ? "recorded" : `recorded for pod ${ip.podUid}`;
  }

  /** Serves a pod again, whatever was decided. */
  retry(pod: PodFact): void {
    if (this.#active) this.#servePod(pod);
  }

  /** Becomes the one who decides: takes in all that is held, then serves whoever has no address. */
  start(): void {
    const { facts, ipam, usageChanged } = this.#options;
    this.#active = true;
    configureNodes(facts, ipam);
    for (const subnet of facts.all("subnets")) this.#configure(subnet.name);
    this.#holdings.start();
    for (const subnet of facts.all("subnets")) usageChanged(subnet.name);
    this.#serveAll();
  }

  /** Decides no more. The next leader starts from the objects. */
  stop(): void {
    this.#active = false;
    this.#recording.clear();
    this.#waiting.clear();
    this.#further.clear();
    this.#holdings.stop();
  }

  /** A fact has changed; for {@link FactStore.derive}: when somebody is served, IPAM knows of all subnets, pools and nodes what the facts say. */
  configure({ kind, key, old, new: now }: FactChange): void {
    if (!this.#active) return;
    const { facts, ipam } = this.#options;
    if (kind === "nodes") configureNodes(facts, ipam);
    else if (kind === "subnets" || isSubnetVerdict(kind, key)) this.#configure(key);
    else if (kind === "ipPools") {
      if (now === undefined) facts.set("verdicts", poolVerdictKey(key), undefined);
      for (const subnet of subnetsOf(old, now)) this.#configure(subnet);
    }
  }

  /** A fact has changed, and {@link configure} has been told. */
  noteFact(change: FactChange): void {
    if (!this.#active) return;
    const { facts } = this.#options;
    switch (change.kind) {
      case "pods":
        this.#notePod(change.old as PodFact | undefined, change.new as PodFact | undefined);
        return;
      case "attachments":
        for (const pod of facts.by("pods", "network", change.key)) this.#servePod(pod);
        return;
      case "nodes": {
        const node = facts.get("nodes", change.key);
        if (node === undefined) this.#waiting.delete(`nodes/${change.key}`);
        else this.#serveNode(node);
        const { v4, v6 } = (change.old as NodeFact | undefined)?.internal ?? {};
        const gone = [v4, v6].some(
          (was) => was !== undefined && was !== node?.internal.v4 && was !== node?.internal.v6,
        );
        if (gone) this.#waiting.serveAll();
        return;
      }
      case "ips":
        this.#noteIp(change.old as IpFact | undefined, change.new as IpFact | undefined);
        return;
      case "vips":
        this.#noteVip(change.old as VipFact | undefined, change.new as VipFact | undefined);
        return;
      case "subnets":
        this.#reconfigured(change.key);
        return;
      case "verdicts":
        if (isSubnetVerdict(change.kind, change.key)) this.#reconfigured(change.key);
        return;
      case "ipPools":
        for (const subnet of subnetsOf(change.old, change.new)) this.#reconfigured(subnet);
        return;
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
      this.#waiting.delete(waitingId("pods", old.key));
      this.#giveUp(portOf(old, OWN_INTERFACE.provider));
      this.#keepFurther(old, new Set());
    }
    // A machine's next pod may have waited for its last one to go.
    for (const pod of facts.by("pods", "holder", (now ?? old)?.holder ?? "")) this.#servePod(pod);
  }

  /** Nobody wants an address any more that may not have been recorded yet: then nobody else will give it back. */
  #giveUp(owner: string): void {
    if (this.#options.facts.get("ips", owner) !== undefined) return;
    if (!this.#recording.has(owner) || this.#options.withdraw(owner)) this.dropped(owner);
  }

  /** A pod is to have these further interfaces, and no others that it had or waited for. */
  #keepFurther(pod: PodFact, subjects: ReadonlySet<string>): void {
    const before = this.#further.get(pod.key) ?? new Set();
    if (subjects.size === 0) this.#further.delete(pod.key);
    else this.#further.set(pod.key, subjects);
    const { facts } = this.#options;
    for (const subject of before) {
      if (subjects.has(subject)) continue;
      this.#waiting.delete(waitingId("pods", pod.key, subject));
      const others = facts.by("pods", "holder", pod.holder).filter((other) => other.uid !== pod.uid && other.alive);
      if (others.some((other) => interfaceOf(facts, other, subject) !== undefined)) continue;
      this.#giveUp(portOf(pod, subject));
    }
  }

  #noteIp(old: IpFact | undefined, now: IpFact | undefined): void {
    const { facts } = this.#options;
    const fact = now ?? old;
    if (fact === undefined) return;
    const undone = this.#stopRecording(fact.name) && now !== undefined ? this.#undo(fact.name, now) : undefined;
    const freed = now === undefined ? this.#holdings.releaseRecord(fact) : undefined;
    if (now === undefined) {
      this.#waiting.delete(`ips/${fact.name}`);
      facts.set("disputes", fact.name, undefined);
    } else {
      this.#holdings.reserve(now);
      this.#serveReservation(now);
      if (undone !== undefined) this.#freed(undone);
    }
    for (const pod of facts.by("pods", "holder", fact.holder)) this.#servePod(pod);
    const node = fact.holder.startsWith("node:") ? facts.get("nodes", fact.holder.slice("node:".length)) : undefined;
    if (node !== undefined) this.#serveNode(node);
    // Somebody else may have waited for its name.
    if (now === undefined && freed === undefined) this.#waiting.serveAll();
    if (freed === undefined) return;
    // A pod that still uses the address has it again by now. Otherwise it is free when the port is gone as well.
    this.#holdings.holdPort(fact.name);
    // A Vip has its addresses again that a pod had taken.
    for (const vip of facts.by("vips", "subnet", freed)) this.#holdings.reserveVip(vip);
    this.#freed(freed);
  }

  /** True where something was to be recorded under that name. */
  #stopRecording(name: string): boolean {
    const recording = this.#recording.delete(name);
    if (recording) this.#options.withdraw(name);
    return recording;
  }

  /**
   * An object has come while an address was to be recorded in it: as a rule that record. Where another hand was first, what was decided
   * is not recorded and never will be, and is let go; what the object says counts. Returns the subnet of which an address is free then.
   */
  #undo(owner: string, { subnet, v4, v6 }: Pick<IpFact, "subnet" | "v4" | "v6">): string | undefined {
    const lease = this.#options.ipam.leaseOf(owner);
    const same = lease?.subnet === subnet && (lease.v4 ?? "") === v4 && (lease.v6 ?? "") === v6;
    return same ? undefined : this.#holdings.release(owner);
  }

  #noteVip(old: VipFact | undefined, now: VipFact | undefined): void {
    const name = vipOwner((now ?? old)?.name ?? "");
    if (now?.given !== false) this.#options.facts.set("verdicts", vipVerdictKey((now ?? old)?.name ?? ""), undefined);
    if (now === undefined || now.deleting) {
      this.#waiting.delete(`vips/${(now ?? old)?.name}`);
      if (now === undefined) this.#release(name);
      return;
    }
    const undone = this.#stopRecording(name) ? this.#undo(name, now) : undefined;
    this.#holdings.reserveVip(now);
    this.#serveVip(now);
    if (undone !== undefined) this.#freed(undone);
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
      if (ip?.subnet === subnet) this.#reserveAgain(ip);
    }
    usageChanged(subnet);
    this.#waiting.serveAll();
  }

  /** A record may hold now what it could not; where that was all that kept its pod from it, the pod is served. */
  #reserveAgain(ip: IpFact): void {
    const { facts } = this.#options;
    const disputed = facts.get("disputes", ip.name) !== undefined;
    this.#holdings.reserve(ip);
    if (!disputed || facts.get("disputes", ip.name) !== undefined) return;
    this.#serveReservation(ip);
    for (const pod of facts.by("pods", "holder", ip.holder)) this.#servePod(pod);
  }

  /** Two that have one MAC and come into one network are told: neither gives it up by itself. */
  #configure(subnet: string): void {
    const { facts, ipam, disputed } = this.#options;
    for (const { holder = "", message } of configureSubnet(facts, ipam, subnet)) {
      const ip = facts.get("ips", holder);
      if (ip !== undefined) disputed(ip, message);
    }
  }

  #reconfigured(subnet: string): void {
    const { facts, usageChanged } = this.#options;
    // Records that came before their subnet could not be held until now.
    for (const ip of byAge(facts.by("ips", "subnet", subnet))) this.#reserveAgain(ip);
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
    const old = facts.get("ips", name);
    // Its record may have the name that an earlier version gave it.
    if (this.#recording.has(name) || facts.by("ips", "holder", `node:${node.name}`).length > 0) return;
    if (old !== undefined) {
      if (!old.deleting) this.#refused("nodes", node, nameTaken(old), {});
      return;
    }
    const join = facts.get("cluster", "cluster")?.joinSubnet ?? "";
    const decision = this.#allocate({ owner: name, subnets: [join], want: { kind: "any" }, move: true }, NODE_PURPOSE);
    this.#decided("nodes", node, decision, (lease) => ({ kind: "ip", name, lease, node: node.name }));
  }

  #serveReservation(ip: IpFact): void {
    const { facts } = this.#options;
    const want = wantOf(ip);
    const fixed = want.kind === "static";
    const provider = facts.get("subnets", ip.subnet)?.provider;
    // Where another plugin makes the interface its MAC is that plugin's affair.
    const addressOnly = provider !== undefined && !isOvnProvider(provider);
    if (!ip.reserved || ip.deleting || (fixed && (ip.mac !== "" || addressOnly)) || this.#recording.has(ip.name))
      return;
    if (facts.get("disputes", ip.name) !== undefined) return;
    const request: AddressRequest = {
      owner: ip.name,
      subnets: [ip.subnet],
      want,
      namespace: namespaceOf(ip),
      ...(addressOnly && { mac: "none" }),
      ...(ip.mac !== "" && { mac: ip.mac }),
    };
    this.#decided("ips", ip, this.#allocate(request, ANY_PURPOSE), (lease) => ({
      kind: "reservation",
      name: ip.name,
      lease,
      ip,
    }));
  }

  #serveVip(vip: VipFact): void {
    const name = vipOwner(vip.name);
    if (vip.given || vip.deleting || this.#recording.has(name)) return;
    const request: AddressRequest = {
      owner: name,
      subnets: [vip.subnet],
      want: wantOf(vip),
      namespace: vip.namespace,
      ...(vip.mac !== "" && { mac: vip.mac }),
      ...(vip.type === "switch_lb_vip" && { mac: "none" }),
    };
    const decision = this.#allocate(request, ANY_PURPOSE);
    this.#decided("vips", vip, decision, (lease) => ({ kind: "vip", name, lease, vip }));
  }

  #servePod(pod: PodFact): void {
    this.#serveInterface(pod, OWN_INTERFACE);
    const { facts } = this.#options;
    const none = pod.networks === undefined && pod.networksProblem === undefined;
    if (none && !this.#further.has(pod.key)) return;
    const { interfaces, unclear } = pod.alive ? furtherInterfaces(facts, pod) : { interfaces: [], unclear: [] };
    const subjects = [...interfaces.map(({ provider }) => provider), ...unclear.map(({ id }) => id)];
    this.#keepFurther(pod, new Set(subjects));
    for (const one of interfaces) this.#serveInterface(pod, one);
    for (const { id, code, message, value } of unclear) {
      this.#refused("pods", pod, refuse(code, message, { value }), { subject: id });
    }
  }

  #serveInterface(pod: PodFact, own: PodInterface): void {
    const { facts, discard } = this.#options;
    const { node } = pod;
    const name = portOf(pod, own.provider);
    if (!pod.alive || node === undefined || this.#recording.has(name)) return;
    const old = facts.get("ips", name);
    const about: About = own.provider === OWN_INTERFACE.provider ? {} : { subject: own.provider };
    if (old !== undefined) {
      // An object on its way out frees its name first; its deletion wakes this pod again.
      if (old.deleting) return;
      const dispute = facts.get("disputes", name);
      if (dispute !== undefined) {
        // A disputed record that the controller made goes; one that a user made is left to the user.
        if (old.reserved) this.#refused("pods", pod, reservationDisputed(old, dispute), about);
        return;
      }
      if (old.holder !== pod.holder || old.provider !== own.provider) {
        this.#refused("pods", pod, nameTaken(old), about);
        return;
      }
      if (old.podUid === pod.uid || old.podUid === "") {
        const refusal = this.#unusable(pod, own, old);
        if (refusal === undefined) this.#waiting.delete(waitingId("pods", pod.key, about.subject));
        else this.#refused("pods", pod, refusal, about);
        return;
      }
      // A machine that migrates has two pods: the address is the first one's until that is gone.
      const others = facts.by("pods", "holder", pod.holder);
      const first = others.find((other) => other.uid === old.podUid && other.alive);
      if (first !== undefined) {
        this.#refused("pods", pod, firstPodRuns(old, first), about);
        return;
      }
    }
    const made = (lease: Lease): AddressRecord & { kind: "ip" } => ({
      kind: "ip",
      name,
      lease,
      node,
      pod,
      ...(!name.endsWith(`.${own.provider}`) && about.subject !== undefined && { provider: own.provider }),
    });
    if (old === undefined) {
      const alike = likeness(pod, own);
      const decision = this.#decidePod(pod, own, true);
      this.#decided("pods", pod, decision, made, { ...about, ...(alike !== undefined && { alike }) });
      // What its port had when this leader started is not kept for a pod that asks for what it cannot have; a closed subnet opens again.
      if (!decision.ok && decision.code !== "SubnetNotReady") this.#letGo(name);
      return;
    }
    // Until the old record is gone its address is taken, whatever the pod is to get: nothing is taken or let go here.
    let decision = this.#decidePod(pod, own, false);
    // What it keeps is the same, but there is more: its subnet has got another family.
    if (decision.ok && decision.how === "extended") decision = this.#decidePod(pod, own, true);
    else if (decision.ok && decision.how !== "same") {
      // The pod's successor wants something else than its namesake had: the record is made anew, not bent.
      discard(old);
      return;
    }
    // What its namesake had is nobody's if the successor cannot have it, unless it is kept for a better one.
    if (!decision.ok && !old.reserved && !isRetained(facts, old)) discard(old);
    this.#decided("pods", pod, decision, (lease) => ({ ...made(lease), takeOver: old }), about);
  }

  /** Why a pod that has a record, its own or a user's for it, has no network by that; nothing where it has or is about to. */
  #unusable(pod: PodFact, { provider }: PodInterface, { name, subnet, reserved }: IpFact): Refusal | undefined {
    const { facts } = this.#options;
    if (pod.annotations[podAnnotation(provider, "allocated")] === "true") return undefined;
    const about = { subnet, value: subnet };
    if (facts.get("subnets", subnet) === undefined) {
      const message = `IP object "${name}", which is this pod's, is of subnet "${subnet}", and there is none; create it, or delete the object.`;
      return refuse("SubnetUnknown", message, about);
    }
    if (facts.get("verdicts", subnet)?.ok !== true) {
      const message = `IP object "${name}", which is this pod's, is of subnet "${subnet}", which is not in force; see its conditions, or delete the object.`;
      return refuse("SubnetNotReady", message, about);
    }
    if (!reserved || !this.#waiting.isTold(waitingId("ips", name))) return undefined;
    const message = `IP object "${name}", which reserves an address for this pod, has not been given one; see its Events.`;
    return refuse("ReservationUnmet", message, { value: name });
  }

  /** `take`: holds what is decided. */
  #decidePod(pod: PodFact, own: PodInterface, take: boolean): Decision {
    const { facts } = this.#options;
    const wish = podWish(facts, pod, own);
    if (!wish.ok) return wish;
    const decision = this.#allocate(wish.request, purposeOf(own), take);
    return decision.ok ? decision : namingOtherList(facts, pod, own.provider, decision);
  }

  /** Asks IPAM, but only for subnets that are in force. */
  #allocate(request: AddressRequest, purpose?: Purpose, take = true): Decision {
    const { facts, ipam } = this.#options;
    const open = openPart(facts, request, purpose);
    if (!open.ok) return open;
    return take ? ipam.allocate(open.request) : ipam.decide(open.request);
  }

  #decided(
    kind: ApplicantKind,
    object: Applicant,
    decision: Decision,
    record: (lease: Lease) => AddressRecord,
    about: About = {},
  ): void {
    if (!decision.ok) {
      this.#refused(kind, object, decision, about);
      return;
    }
    const made = record(decision.lease);
    this.#waiting.delete(waitingId(kind, object.key, about.subject));
    this.#recording.add(made.name);
    this.#options.record(made);
    if (made.kind === "ip" && made.pod !== undefined) this.#options.decided?.(made.pod);
    this.#options.usageChanged(decision.lease.subnet);
  }

  #refused(kind: ApplicantKind, object: Applicant, refusal: Refusal, { subject, alike }: About): void {
    const { key } = object;
    const id = waitingId(kind, key, subject);
    const serve = (): void => this.#serveAgain(kind, key, subject);
    if (kind === "vips") {
      const key = vipVerdictKey(object.name);
      this.#options.facts.set("verdicts", key, { key, ok: false, reason: refusal.code, message: refusal.message });
    }
    if (!this.#waiting.refused(id, refusal, alike, serve)) return;
    // Of which of a pod's interfaces it is said, where it is not its own.
    const said =
      subject === undefined ? refusal : { ...refusal, message: `Interface "${subject}": ${refusal.message}` };
    this.#options.refused(kind, object, said);
  }

  #serveAgain(kind: ApplicantKind, key: string, subject: string | undefined): void {
    const { facts } = this.#options;
    const pod = kind === "pods" ? facts.get("pods", key) : undefined;
    const own = subject === undefined ? OWN_INTERFACE : pod && interfaceOf(facts, pod, subject);
    const node = kind === "nodes" ? facts.get("nodes", key) : undefined;
    const ip = kind === "ips" ? facts.get("ips", key) : undefined;
    const vip = kind === "vips" ? facts.get("vips", key) : undefined;
    if (pod !== undefined) {
      // What is unclear waits for its definition or for another annotation, not for an address.
      if (own !== undefined) this.#serveInterface(pod, own);
    } else if (node !== undefined) this.#serveNode(node);
    else if (ip !== undefined) this.#serveReservation(ip);
    else if (vip !== undefined) this.#serveVip(vip);
    else this.#waiting.delete(waitingId(kind, key, subject));
  }
}

/** Whether a fact is the verdict on a subnet; those on pools and Vips have a prefix. */
function isSubnetVerdict(kind: string, key: string): boolean {
  return kind === "verdicts" && !key.includes("/");
}

/** The subnets of a pool before and after a change. */
function subnetsOf(...pools: readonly unknown[]): ReadonlySet<string> {
  return new Set(pools.flatMap((pool) => (pool as { subnet?: string } | undefined)?.subnet ?? []));
}

type ApplicantKind = "pods" | "nodes" | "ips" | "vips";

/** What else there is to say of somebody who is refused. */
interface About {
  /** Which of a pod's further interfaces, or networks. */
  readonly subject?: string;
  /** See `WaitingList.refused`. */
  readonly alike?: string;
}

function waitingId(kind: ApplicantKind, key: string, subject?: string): string {
  return subject === undefined ? `${kind}/${key}` : `${kind}/${key}/${subject}`;
}

/** A record that a user made may have any name, also that which another one's is to have. */
function nameTaken({ name, holder }: IpFact): Refusal {
  const whose = holder === "" ? "keeps an address for nobody" : `is that of ${holder}`;
  const message = `IP object "${name}", whose name the record of this address is to have, ${whose} (spec.podName, spec.namespace); delete it, or make it this one's.`;
  return refuse("NameTaken", message, { value: name, ...(holder !== "" && { holder }) });
}

/** A reservation, which a pod is to have, names what it may not. */
function reservationDisputed({ name }: IpFact, { message }: DisputeFact): Refusal {
  const text = `IP object "${name}", which reserves an address for this pod, does not hold: ${message} Delete the object or change it.`;
  return refuse("ReservationDisputed", text, { value: name });
}

/** Of two pods of one machine, as while it migrates, one has the address. */
function firstPodRuns({ v4, v6, name }: IpFact, first: PodFact): Refusal {
  const address = [v4, v6].filter((text) => text !== "").join(",");
  const message = `The address of IP object "${name}" (${address}) is that of pod "${first.key}" as long as it runs; this pod gets it then.`;
  return refuse("AddressInUse", message, { value: address, holder: first.key });
}

import { vipOwner } from "../claims/pod-wish.ts";
import type { FactStore } from "../facts/store.ts";
import type { IpFact, PodFact } from "../facts/types.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { Refusal } from "../ipam/refusal.ts";
import { holderText } from "../ipam/sentences.ts";
import type { VipFact } from "../kinds/vip.ts";
import { type Claim, type CommittedPort, claimsAtStart, isRunning, isToldReservation, lostRecord } from "./claims.ts";

/** What holdings follow, and what they tell. */
export interface HoldingsOptions {
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** The pod ports that the northbound database holds now, asked for when a leader starts. */
  readonly committedPorts: () => Iterable<CommittedPort>;
  /** One of them, as it is now. */
  readonly committedPort: (name: string) => CommittedPort | undefined;
  /** An object stands in the way of another address, or its address is another's: it must go. */
  readonly discard: (ip: IpFact) => void;
  /** A record and something else disagree about an address, and how that was resolved: said once for each record. */
  readonly disputed: (ip: IpFact, message: string) => void;
  /** A pod's record was lost, and what became of its address. */
  readonly restored: (pod: PodFact, message: string) => void;
  /** The counters of a subnet have changed. */
  readonly usageChanged: (subnet: string) => void;
}

/**
 * Who holds which address, by what is there: records, Vips, pods and ports. It tells IPAM, and says where two name the same.
 */
export class Holdings {
  readonly #options: HoldingsOptions;
  /** Names of ports whose addresses are held although neither a record nor a pod speaks for them → those addresses. */
  readonly #orphans = new Map<string, CommittedPort>();

  constructor(options: HoldingsOptions) {
    this.#options = options;
  }

  /** Takes in all that is held, in the order in which it is to be believed. */
  start(): void {
    const { facts, ipam, disputed } = this.#options;
    const claims = claimsAtStart(facts, this.#options.committedPorts());
    for (const ip of claims.settled) this.reserve(ip);
    for (const claim of claims.ports) this.#claim(claim);
    // A Vip was given what was free then: it goes before a record that names its address and never got a port.
    for (const vip of facts.all("vips")) this.reserveVip(vip);
    for (const ip of claims.running) this.reserve(ip);
    // Before those who can wait: two ports with one address would be in the database at once.
    for (const port of claims.ghosts) this.#holdOrphan(port);
    for (const ip of claims.records) this.reserve(ip);
    for (const { ip, message } of claims.disagreements) disputed(ip, message);
    for (const claim of claims.annotated) this.#claim(claim);
    for (const port of claims.orphans) this.#holdOrphan(port);
    ipam.loaded();
  }

  /** Forgets all. */
  stop(): void {
    const { ipam, facts } = this.#options;
    this.#orphans.clear();
    ipam.clear();
    for (const { key } of facts.all("disputes")) facts.set("disputes", key, undefined);
  }

  /** Ports of the northbound database have changed. Yields each subnet of which an address is free by that. */
  *notePorts(): Iterable<string> {
    for (const [name, held] of this.#orphans) {
      const port = this.#options.committedPort(name);
      if (port !== undefined && port.v4 === held.v4 && port.v6 === held.v6) continue;
      this.#orphans.delete(name);
      const freed = this.release(orphanOwner(name));
      if (freed !== undefined) yield freed;
    }
  }

  /** Nothing speaks for an owner's address any more. Returns the subnet of which it was, if there was one. */
  release(owner: string): string | undefined {
    return this.#options.ipam.release(owner)?.subnet;
  }

  /**
   * The record of an address has been deleted. The address is still its pod's where the pod was told of it, as it is when a leader starts:
   * its subnet or its pool may be for others by now. Returns the subnet of which the address is free otherwise.
   */
  releaseRecord(ip: IpFact): string | undefined {
    const pods = !ip.holder.startsWith("node:");
    if (pods && isRunning(this.#options.facts, ip)) return undefined;
    return this.release(ip.name);
  }

  /** As long as a port has the address that its owner gave up, nobody else gets it. */
  holdPort(owner: string): void {
    const port = this.#options.committedPort(owner);
    if (port !== undefined) this.#holdOrphan(port);
  }

  /** An IP object holds what it names. */
  reserve(ip: IpFact): void {
    if (ip.v4 === "" && ip.v6 === "" && ip.mac === "") return;
    const { ipam, facts, disputed, discard, usageChanged } = this.#options;
    const { name, subnet, v4, v6, mac } = ip;
    const record = {
      owner: name,
      subnet,
      ...(v4 !== "" && { v4 }),
      ...(v6 !== "" && { v6 }),
      ...(mac !== "" && { mac }),
    };
    const { conflicts } = ipam.reserve(record);
    usageChanged(subnet);
    // Whoever holds an odd address (outside of a subnet that has shrunk, the gateway's) goes on holding it; that is only said.
    for (const { code, message } of conflicts) if (!isClash(code)) disputed(ip, message);
    const clash = conflicts.find(({ code }) => isClash(code));
    const ghost = clash?.holder?.startsWith(ORPHAN) === true ? holderText(clash.holder) : undefined;
    // What a user reserves is kept free in any case, but no pod of another namespace gets it by that.
    const foreign =
      ip.reserved && !isToldReservation(facts, ip) ? ipam.poolRefusal(record, namespaceOf(ip))?.message : undefined;
    const message =
      clash && ghost !== undefined
        ? `${clash.value} is still that of ${ghost}: "${name}" has it then`
        : (clash?.message ?? foreign);
    const told = facts.get("disputes", name)?.message === message;
    facts.set("disputes", name, message === undefined ? undefined : { key: name, message });
    if (message === undefined || told) return;
    disputed(ip, message);
    // What only a port stands in the way of waits for that to go. Otherwise the earlier record stands: a record that the controller
    // made itself goes, and its pod is given another address; one that a user made is left to the user.
    if (!ip.reserved && !ip.deleting && ghost === undefined) discard(ip);
  }

  /** A Vip holds what it was given. */
  reserveVip({ name, subnet, given, v4, v6, mac, type }: VipFact): void {
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

  /** All or nothing: with half of what it had a pod cannot go on. */
  #claim(claim: Claim): void {
    const { ipam, restored } = this.#options;
    // Anybody may have written what a pod has in its annotations, where neither a record nor a port says the same.
    const foreign =
      claim.source === "its annotations" && claim.pod ? ipam.poolRefusal(claim, claim.pod.namespace) : undefined;
    const clash = foreign ?? ipam.reserve(claim).conflicts.find(({ code }) => isClash(code));
    if (clash !== undefined && foreign === undefined) ipam.release(claim.owner);
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
}

/** Whether a conflict is one of two records that name the same. */
function isClash(code: Refusal["code"]): boolean {
  return code === "AddressInUse" || code === "MacInUse";
}

const ORPHAN = "port/";

/** The owner in IPAM of the address of a port for which nobody speaks. */
function orphanOwner(port: string): string {
  return `${ORPHAN}${port}`;
}

/** The namespace of the pod that a record is for; "" for none. */
export function namespaceOf({ holder }: IpFact): string {
  const slash = holder.indexOf("/");
  return slash < 0 ? "" : holder.slice(0, slash);
}

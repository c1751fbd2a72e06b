// SPDX-License-Identifier: Apache-2.0

import { OVN_PROVIDER, POD, podAnnotation } from "../../api/annotations.ts";
import { nodePortName } from "../../api/port-names.ts";
import { isFailedTarget } from "../../claims/migration.ts";
import { interfaceOf, podInterfaces, portOf } from "../../claims/pod-interfaces.ts";
import { podPortId } from "../../compile/owner-ids.ts";
import type { RowUuid } from "../../desired/identity.ts";
import type { PortFact } from "../../facts/database.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactReader } from "../../facts/store.ts";
import { parseDualIp } from "../../net/dual.ts";

/** A held address without an IP object. */
export interface RecoveredLease {
  /** The pod that has it; absent for a node. */
  readonly pod?: PodFact;
  /** Where it was found. */
  readonly source: "the northbound database" | "its annotations";
  readonly owner: string;
  readonly subnet: string;
  readonly mac?: string;
  readonly v4?: string;
  readonly v6?: string;
}

/** All leases when a leader starts, in order of precedence for conflicts. */
export interface RecoveredLeases {
  /** IP objects whose ports are committed, the oldest first. */
  readonly settled: readonly IpFact[];
  /** Committed ports of nodes and pods whose record is lost. */
  readonly ports: readonly RecoveredLease[];
  /** IP objects without their port whose pods have the addresses of the Vip that they name, the oldest first. */
  readonly handedOver: readonly IpFact[];
  /** IP objects without their port whose pods or nodes run with the address (the database is an old copy), the older first. */
  readonly running: readonly IpFact[];
  /** Orphaned ports: no record has their name, no running pod has their address. They exist until they are swept. */
  readonly unowned: readonly PortFact[];
  /** IP objects without port and running pod, the oldest first. */
  readonly records: readonly IpFact[];
  /** Annotations of pods without record and port. */
  readonly annotated: readonly RecoveredLease[];
  /** Existing ports with another address than their record or their pod. */
  readonly orphans: readonly PortFact[];
  /** Records that differ from the database, and how that is resolved. */
  readonly disagreements: readonly { readonly ip: IpFact; readonly message: string }[];
}

/** Objects by age: of two with one address the older one has it. */
export function byAge<F extends { readonly key: string; readonly created?: string }>(
  objects: readonly F[],
): readonly F[] {
  const ageOf = ({ created = "" }: F): string => created;
  return objects.toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : ageOf(a) > ageOf(b) ? 1 : a.key < b.key ? -1 : 1));
}

/**
 * Collects all leases from IP objects, pods and the northbound database. Committed ports take precedence: pods run with them, whatever a deposed
 * leader has written since. `rowUuid`: the uuid in the database. Pure.
 */
export function recoverLeases(facts: FactReader, rowUuid: RowUuid): RecoveredLeases {
  const committed = new Map(facts.all("ports").map((port) => [port.name, port]));
  const all = byAge(facts.all("ips"));
  const { settled = [], portless = [] } = Object.groupBy(all, (ip) =>
    matches(ip, committed.get(ip.name)) ? "settled" : "portless",
  );
  const {
    handedOver = [],
    running = [],
    idle = [],
  } = Object.groupBy(portless, (ip) =>
    isHandedOver(facts, ip) ? "handedOver" : isRunning(facts, ip) ? "running" : "idle",
  );
  // Of two reservations of one address the completed one has it: creation times are in whole seconds, and the address may have been released for the
  // younger one.
  const records = idle.toSorted((a, b) => Number(isIncomplete(a)) - Number(isIncomplete(b)));
  const disagreements = portless.flatMap((ip) => {
    const port = committed.get(ip.name);
    if (port === undefined || (ip.v4 === "" && ip.v6 === "")) return [];
    const message = `the northbound database had ${text(port)} for port ${ip.name}, the IP object has ${text(ip)}; the IP object's is used`;
    return [{ ip, message }];
  });
  const ports: RecoveredLease[] = [];
  const said: RecoveredLease[] = [];
  for (const { name } of facts.all("nodes")) {
    const owner = nodePortName(name);
    const port = committed.get(owner);
    if (port === undefined || facts.get("ips", owner) !== undefined) continue;
    if (facts.by("ips", "holder", `node:${name}`).length > 0) continue;
    ports.push(traceOf(port, { source: "the northbound database", owner }));
  }
  for (const pod of facts.all("pods")) {
    if (!pod.alive || isFailedTarget(facts, pod)) continue;
    for (const { provider } of podInterfaces(facts, pod).interfaces) {
      const owner = portOf(pod, provider);
      if (facts.get("ips", owner) !== undefined) continue;
      const port = committed.get(owner);
      if (port !== undefined && isOf(port, pod, rowUuid)) {
        ports.push(traceOf(port, { pod, source: "the northbound database", owner }));
        continue;
      }
      const own = annotated(pod.annotations, provider);
      if (own !== undefined) said.push(traceOf(own, { pod, source: "its annotations", owner }));
    }
  }
  const spokenFor = new Set([...settled.map((ip) => ip.name), ...ports.map((trace) => trace.owner)]);
  const known = new Set(said.flatMap(({ v4, v6 }) => [v4, v6]));
  const isGhost = ({ name, v4, v6 }: PortFact): boolean =>
    facts.get("ips", name) === undefined && !known.has(v4) && !known.has(v6);
  const unspoken = [...committed.values()].filter((port) => !spokenFor.has(port.name));
  const ghosts = unspoken.filter(isGhost);
  const orphans = unspoken.filter((port) => !isGhost(port));
  return { settled, ports, handedOver, running, unowned: ghosts, records, annotated: said, orphans, disagreements };
}

/** Whether a user's reservation has not been given its MAC yet. */
function isIncomplete({ reserved, mac }: IpFact): boolean {
  return reserved && mac === "";
}

/** Whether a pod has the addresses of the Vip that it names, which has handed them over for as long as the pod exists. */
function isHandedOver(facts: FactReader, { holder, podUid, provider, subnet, v4, v6 }: IpFact): boolean {
  if (provider !== OVN_PROVIDER) return false;
  return facts.by("pods", "holder", holder).some((pod) => {
    const vip = facts.get("vips", (pod.annotations[POD.vip] ?? "").trim());
    if (!pod.alive || pod.uid !== podUid || vip?.given !== true || vip.subnet !== subnet) return false;
    // Of a Vip with one family the pod may have another address of the other.
    return (vip.v4 === "" || vip.v4 === v4) && (vip.v6 === "" || vip.v6 === v6);
  });
}

/** Whether a node or pod uses the address of a record, even without a port. */
export function isRunning(facts: FactReader, ip: IpFact): boolean {
  if (ip.holder.startsWith("node:")) return true;
  return facts.by("pods", "holder", ip.holder).some((pod) => {
    if (!pod.alive || pod.uid !== ip.podUid) return false;
    const { name, provider } = ip;
    const own = portOf(pod, provider) === name && interfaceOf(facts, pod, provider) !== undefined;
    return own && annotated(pod.annotations, provider) !== undefined;
  });
}

/** Whether a pod runs with the address of a user's reservation. */
export function isReservationInUse(facts: FactReader, { holder, name, provider, v4, v6 }: IpFact): boolean {
  return facts.by("pods", "holder", holder).some((pod) => {
    if (!pod.alive || portOf(pod, provider) !== name) return false;
    const own = annotated(pod.annotations, provider);
    return own !== undefined && own.v4 === v4 && own.v6 === v6;
  });
}

function traceOf(
  { subnet, mac, v4, v6 }: Omit<PortFact, "key" | "name">,
  of: Pick<RecoveredLease, "pod" | "source" | "owner">,
): RecoveredLease {
  return { ...of, subnet, ...(mac && { mac }), ...(v4 && { v4 }), ...(v6 && { v6 }) };
}

/** Whether a port is this pod's, not that of an earlier pod with the same name, as in a database restored from an old backup. */
function isOf({ name, uuid }: PortFact, pod: PodFact, rowUuid: RowUuid): boolean {
  return uuid === undefined || uuid === rowUuid("Logical_Switch_Port", podPortId(name, pod));
}

/** The message for a pod whose record is lost: what it keeps or, if another owner has it (`taken`), what to do. */
export function lostRecordMessage(
  { owner, source, mac = "", v4 = "", v6 = "" }: RecoveredLease,
  taken: string | undefined,
): string {
  const had = text({ mac, v4, v6 });
  const lost = `the IP object ${owner} was missing, and ${source} had ${had} for this pod`;
  if (taken === undefined) return `${lost}: the pod keeps its address, and the object is recreated`;
  return `${lost}, but ${taken} Delete the pod: the new one gets another address`;
}

/** The lease in a pod's annotations. */
function annotated(
  annotations: Readonly<Record<string, string>>,
  provider: string,
): Omit<PortFact, "key" | "name"> | undefined {
  const said = (key: Parameters<typeof podAnnotation>[1]): string => annotations[podAnnotation(provider, key)] ?? "";
  if (said("allocated") !== "true") return undefined;
  const { v4, v6 } = parseDualIp(said("ip_address")) ?? {};
  return { subnet: said("logical_switch"), mac: said("mac_address"), v4: v4?.text ?? "", v6: v6?.text ?? "" };
}

function matches(ip: IpFact, port: PortFact | undefined): boolean {
  return port !== undefined && port.v4 === ip.v4 && port.v6 === ip.v6 && port.mac === ip.mac;
}

function text({ mac, v4, v6 }: { readonly mac: string; readonly v4: string; readonly v6: string }): string {
  return [mac, v4, v6].filter((part) => part !== "").join(" ");
}

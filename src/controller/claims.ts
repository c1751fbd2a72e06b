import { OVN_PROVIDER, podAnnotation } from "../api/annotations.ts";
import { podPortName } from "../api/names.ts";
import type { FactReader } from "../facts/store.ts";
import type { IpFact } from "../facts/types.ts";
import { parseDualIp } from "../net/dual.ts";

/** A pod's port as the northbound database has it. */
export interface CommittedPort {
  /** The port's name, which is the IP object's. */
  readonly name: string;
  readonly subnet: string;
  readonly mac: string;
  readonly v4: string;
  readonly v6: string;
}

/** An address that is held although no IP object says so. */
export interface Claim {
  readonly owner: string;
  readonly subnet: string;
  readonly mac?: string;
  readonly v4?: string;
  readonly v6?: string;
}

/** All that is held when a leader starts, the most trusted first. */
export interface Claims {
  /** The IP objects in the order in which they are to be believed, where two name one address. */
  readonly records: readonly IpFact[];
  /** What pods and ports say where the record is lost: nobody else may get these addresses meanwhile. */
  readonly unrecorded: readonly Claim[];
  /** Ports that have another address than their record, or whose pod and record are gone: they are still there. */
  readonly orphans: readonly CommittedPort[];
  /** Records that the database contradicts, and what becomes of it. */
  readonly disagreements: readonly { readonly ip: IpFact; readonly message: string }[];
}

/**
 * Collects who holds what from IP objects, pods and the northbound database. A record whose port is committed goes before one
 * that never got so far, then the older one. Pure.
 */
export function claimsAtStart(facts: FactReader, ports: Iterable<CommittedPort>): Claims {
  const committed = new Map([...ports].map((port) => [port.name, port]));
  const records = [...facts.all("ips")].sort(
    (a, b) =>
      Number(matches(b, committed.get(b.name))) - Number(matches(a, committed.get(a.name))) ||
      (a.created < b.created ? -1 : a.created > b.created ? 1 : a.name < b.name ? -1 : 1),
  );
  const disagreements = records.flatMap((ip) => {
    const port = committed.get(ip.name);
    if (port === undefined || matches(ip, port) || (ip.v4 === "" && ip.v6 === "")) return [];
    const message = `the northbound database had ${text(port)} for port ${ip.name}, the record says ${text(ip)}; the record stands`;
    return [{ ip, message }];
  });
  const unrecorded: Claim[] = [];
  for (const pod of facts.all("pods")) {
    const owner = podPortName(pod.holder.slice(pod.namespace.length + 1), pod.namespace, OVN_PROVIDER);
    if (!pod.alive || facts.get("ips", owner) !== undefined) continue;
    const claim = committed.get(owner) ?? annotated(pod.annotations);
    if (claim === undefined) continue;
    const { subnet, mac, v4, v6 } = claim;
    unrecorded.push({ owner, subnet, ...(mac && { mac }), ...(v4 && { v4 }), ...(v6 && { v6 }) });
  }
  const claimed = new Set(unrecorded.map((claim) => claim.owner));
  const orphans = [...committed.values()].filter((port) => {
    const record = facts.get("ips", port.name);
    return !claimed.has(port.name) && (record === undefined || !matches(record, port));
  });
  return { records, unrecorded, orphans, disagreements };
}

/** What a pod's annotations say that it was given. */
function annotated(annotations: Readonly<Record<string, string>>): Omit<CommittedPort, "name"> | undefined {
  const said = (key: Parameters<typeof podAnnotation>[1]): string =>
    annotations[podAnnotation(OVN_PROVIDER, key)] ?? "";
  if (said("allocated") !== "true") return undefined;
  const { v4, v6 } = parseDualIp(said("ip_address")) ?? {};
  return { subnet: said("logical_switch"), mac: said("mac_address"), v4: v4?.text ?? "", v6: v6?.text ?? "" };
}

function matches(ip: IpFact, port: CommittedPort | undefined): boolean {
  return port !== undefined && port.v4 === ip.v4 && port.v6 === ip.v6 && port.mac === ip.mac;
}

function text({ mac, v4, v6 }: { readonly mac: string; readonly v4: string; readonly v6: string }): string {
  return [mac, v4, v6].filter((part) => part !== "").join(" ");
}

// SPDX-License-Identifier: Apache-2.0

import type { AnyClaimKind } from "../../claims/claim.ts";
import { sampleFacts } from "../../compile/testing/sample-facts.ts";
import { rowUuid } from "../../desired/identity.ts";
import type { PortFact } from "../../facts/database.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import { type IpObject, POD_UID_ANNOTATION, projectIp } from "../../facts/project-ip.ts";
import type { FactStore } from "../../facts/store.ts";
import { Ipam } from "../../ipam/ipam.ts";
import { hashedMacs } from "../../ipam/mac-choice.ts";
import { Allocator } from "../allocation/allocator.ts";
import type { AddressRecord } from "../allocation/recordings.ts";

/** A record, and the owner that it names. */
interface SeenRecord extends AddressRecord {
  readonly kind: "ip" | "reservation" | "vip";
  readonly node: string | undefined;
  readonly pod: PodFact | undefined;
  readonly takeOver: IpFact | undefined;
}

/** A port of the northbound database. */
export type SeenPort = Omit<PortFact, "key">;

/** An allocator on the sample cluster; `write` does what the recorder and the informer would do. */
export function rig(
  facts: FactStore = sampleFacts(),
  ports: readonly SeenPort[] = [],
  kinds?: readonly AnyClaimKind[],
) {
  const ipam = new Ipam({ macs: hashedMacs("test") });
  const records = new Map<string, SeenRecord>();
  const refused: string[] = [];
  const said: string[] = [];
  const conflicting: string[] = [];
  const discarded: string[] = [];
  /** The records that are to go now: discarded, and neither kept nor changed since. */
  const going = new Map<string, IpFact>();
  const restored: string[] = [];
  /** Decisions and releases, in their order. */
  const logged: string[] = [];
  const writing = new Set<string>();
  const usageListeners: ((subnet: string) => void)[] = [];
  const allocator = new Allocator(
    {
      facts,
      ipam,
      rowUuid,
      record: (record) => records.set(record.name, seen(facts, record)),
      withdraw: (name) => {
        if (writing.has(name)) return false;
        records.delete(name);
        return true;
      },
      discard: (ip) => {
        discarded.push(ip.name);
        going.set(ip.name, ip);
      },
      keep: (name) => going.delete(name),
      refused: (claimant, { code, message }) => {
        refused.push(`${claimant.key} ${code}`);
        said.push(message);
      },
      reportConflict: (ip) => conflicting.push(ip.name),
      restored: (pod, message) => restored.push(`${pod.key}: ${message}`),
      decided: ({ kind, key }, { owner, v4 }) => logged.push(`${kind}/${key}: ${owner} has ${v4}`),
      released: (owner, subnet) => logged.push(`${owner} of ${subnet} is free`),
      usageChanged: (subnet) => {
        for (const listener of usageListeners) listener(subnet);
      },
    },
    kinds,
  );
  /** Reports the ports that the database has now. */
  const notePorts = (): void => {
    for (const { key } of facts.all("ports")) {
      if (!ports.some(({ name }) => name === key)) facts.set("ports", key, undefined);
    }
    for (const port of ports) facts.set("ports", port.name, { key: port.name, ...port });
  };
  notePorts();
  facts.derive((change) => allocator.configure(change));
  facts.subscribe((change) => allocator.noteFact(change));
  const write = (name: string): void => {
    const write = records.get(name)?.write;
    if (write?.verb !== "create") throw new Error(`no IP object decided for ${name}`);
    records.delete(name);
    const { metadata, ...rest } = write.body;
    facts.set("ips", name, projectIp({ ...rest, metadata: { ...metadata, name, uid: `uid-ip-${name}` } } as IpObject));
  };
  return {
    ...{ facts, ipam, allocator, records, refused, said, conflicting, discarded, going, restored, writing, write },
    ...{ notePorts, usageListeners, logged },
  };
}

function seen(facts: FactStore, record: AddressRecord): SeenRecord {
  const { write, name } = record;
  const { metadata, spec } = write.body as unknown as IpObject;
  const uid = metadata.annotations?.[POD_UID_ANNOTATION];
  const old = write.verb === "patch" ? facts.get("ips", name) : undefined;
  const kind = write.kind === "vips" ? "vip" : old !== undefined && spec?.nodeName === undefined ? "reservation" : "ip";
  const holder = old?.holder ?? `${spec?.namespace}/${spec?.podName}`;
  const pod = facts.by("pods", "holder", holder).find((candidate) => candidate.uid === uid);
  return { ...record, kind, node: spec?.nodeName, pod, takeOver: kind === "ip" ? old : undefined };
}

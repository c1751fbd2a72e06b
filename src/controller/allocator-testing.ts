import { holderName } from "../claims/pod-interfaces.ts";
import { sampleFacts } from "../compile/testing.ts";
import { type IpObject, POD_UID_ANNOTATION, projectIp } from "../facts/project-ip.ts";
import type { FactStore } from "../facts/store.ts";
import { Ipam } from "../ipam/ipam.ts";
import { hashedMacs } from "../ipam/macs.ts";
import { type AddressRecord, Allocator } from "./allocator.ts";
import type { CommittedPort } from "./claims.ts";

/** An allocator on the sample cluster; `write` does what the recorder and the informer would do. */
export function rig(facts: FactStore = sampleFacts(), ports: readonly CommittedPort[] = []) {
  const ipam = new Ipam({ macs: hashedMacs("test") });
  const records = new Map<string, AddressRecord>();
  const refused: string[] = [];
  const said: string[] = [];
  const disputed: string[] = [];
  const discarded: string[] = [];
  const restored: string[] = [];
  const writing = new Set<string>();
  const allocator = new Allocator({
    facts,
    ipam,
    record: (record) => records.set(record.name, record),
    withdraw: (name) => {
      if (writing.has(name)) return false;
      records.delete(name);
      return true;
    },
    discard: (ip) => discarded.push(ip.name),
    committedPorts: () => ports,
    committedPort: (name) => ports.find((port) => port.name === name),
    refused: (_kind, object, { code, message }) => {
      refused.push(`${object.key} ${code}`);
      said.push(message);
    },
    disputed: (ip) => disputed.push(ip.name),
    restored: (pod, message) => restored.push(`${pod.key}: ${message}`),
    usageChanged: () => {},
  });
  facts.derive((change) => allocator.configure(change));
  facts.subscribe((change) => allocator.noteFact(change));
  const write = (name: string): void => {
    const record = records.get(name);
    if (record?.kind !== "ip") throw new Error(`no IP object decided for ${name}`);
    records.delete(name);
    const { lease, pod, node } = record;
    const object: IpObject = {
      metadata: { name, uid: `uid-ip-${name}`, annotations: pod ? { [POD_UID_ANNOTATION]: pod.uid } : {} },
      spec: {
        podName: pod === undefined ? node : holderName(pod),
        namespace: pod?.namespace ?? "",
        nodeName: node,
        subnet: lease.subnet,
        v4IpAddress: lease.v4 ?? "",
        v6IpAddress: lease.v6 ?? "",
        macAddress: lease.mac ?? "",
        podType: pod?.owner?.kind === "StatefulSet" ? "StatefulSet" : "",
      },
    };
    facts.set("ips", name, projectIp(object));
  };
  return { facts, ipam, allocator, records, refused, said, disputed, discarded, restored, writing, write };
}

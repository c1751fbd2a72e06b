// SPDX-License-Identifier: Apache-2.0

import { type Ip, parseIp } from "../net/address.ts";
import { cidrContains, hostCidr, parseCidr, textContains } from "../net/cidr.ts";

/** Who announces: every speaker, or those on the nodes that have the pod or a ready endpoint. */
export type AnnouncePolicy = "cluster" | "local";

/** The policy of a value of annotation `ovn.kubernetes.io/bgp`; undefined for none and for an invalid one, which the controller reports. */
export function readAnnouncePolicy(value: string | undefined): AnnouncePolicy | undefined {
  if (value === "true" || value === "cluster") return "cluster";
  return value === "local" ? "local" : undefined;
}

/** A subnet. */
export interface SpeakerSubnet {
  readonly name: string;
  readonly vpc: string;
  readonly policy: AnnouncePolicy | undefined;
  /** None if the subnet is not ready, or is a network outside, whose hosts are neighbours of its router. */
  readonly cidrs: readonly string[];
}

/** A pod with an interface in OVN that has not ended. Its addresses are those of its records: its author can write any address into its annotations. */
export interface SpeakerPod {
  readonly uid: string;
  readonly node: string;
  readonly policy: AnnouncePolicy | undefined;
  /** The providers of its interfaces in OVN that are set up. */
  readonly providers: readonly string[];
}

/** The record of a pod's addresses: an IP object, which the controller writes. */
export interface SpeakerRecord {
  /** UID of the pod. */
  readonly pod: string;
  readonly provider: string;
  readonly subnet: string;
  /** Read once for each version of a record: there may be ten thousand, and every change looks at all. */
  readonly addresses: readonly RecordedAddress[];
}

/** An address of a record. */
export interface RecordedAddress {
  readonly ip: Ip;
  /** The address alone as a CIDR. */
  readonly prefix: string;
}

/** An address of a record; none if the text is not one. */
export function recordedAddress(address: string): RecordedAddress | undefined {
  const ip = parseIp(address);
  return ip && { ip, prefix: hostCidr(ip).text };
}

/** A Service with a policy. */
export interface SpeakerService {
  /** `namespace/name`. */
  readonly key: string;
  readonly policy: AnnouncePolicy;
  /** The VPC of its endpoints, as the controller has written it; "" for the default one. */
  readonly vpc: string;
  /** Of a Service of type ClusterIP; otherwise none. */
  readonly clusterIps: readonly string[];
  /** `status.loadBalancer.ingress` of mode VIP. */
  readonly ingressIps: readonly string[];
  readonly externalIps: readonly string[];
  /** `externalTrafficPolicy: Local`: other nodes drop connections. */
  readonly nodeLocal: boolean;
}

/** An OvnEip that has its addresses. */
export interface SpeakerEip {
  readonly name: string;
  readonly subnet: string;
  /** `nat`, `lrp` or `lsp`. */
  readonly type: string;
  /** The VPC that uses it; "" for none. */
  readonly vpc: string;
  readonly policy: AnnouncePolicy | undefined;
  readonly addresses: readonly string[];
}

/** What a speaker knows of the cluster. */
export interface SpeakerFacts {
  readonly subnets: Iterable<SpeakerSubnet>;
  readonly pods: Iterable<SpeakerPod>;
  readonly records: Iterable<SpeakerRecord>;
  readonly services: Iterable<SpeakerService>;
  readonly eips: Iterable<SpeakerEip>;
  /** Whether the Service with that key has a ready endpoint on this node. */
  readonly hasEndpoint: (service: string) => boolean;
}

/** What decides beside the facts. */
export interface AnnouncementSettings {
  /** The node of the speaker. */
  readonly node: string;
  /** The VPC that nodes are in. */
  readonly defaultVpc: string;
  readonly announceClusterIp: boolean;
  /** CIDRs whose addresses are announced if a Service has them in `spec.externalIPs`, which its author chooses. */
  readonly externalRanges: readonly string[];
}

/** One route that a speaker announces. */
export interface Announcement {
  /** CIDR. */
  readonly prefix: string;
  /** The address of the router that has it; absent: this node. */
  readonly nextHop?: string;
}

/**
 * The routes that the speaker on one node announces, each prefix once, sorted. Only what a node itself reaches has the node as its next hop: addresses of the
 * default VPC, because another VPC may have the same ones.
 */
export function announcements(facts: SpeakerFacts, settings: AnnouncementSettings): readonly Announcement[] {
  const found = new Map<string, Announcement>();
  const add = (prefix: string | undefined, nextHop?: string): void => {
    if (prefix !== undefined && !found.has(prefix)) found.set(prefix, { prefix, ...(nextHop && { nextHop }) });
  };
  const subnets = new Map(
    [...facts.subnets].map((subnet) => [
      subnet.name,
      { ...subnet, blocks: subnet.cidrs.flatMap((cidr) => parseCidr(cidr) ?? []) },
    ]),
  );
  for (const { vpc, policy, blocks } of subnets.values())
    if (vpc === settings.defaultVpc && policy === "cluster") for (const { text } of blocks) add(text);
  const pods = new Map([...facts.pods].map((pod) => [pod.uid, pod]));
  for (const record of facts.records) {
    const [pod, subnet] = [pods.get(record.pod), subnets.get(record.subnet)];
    if (pod === undefined || !pod.providers.includes(record.provider)) continue;
    if (subnet === undefined || subnet.vpc !== settings.defaultVpc) continue;
    // A subnet that is announced as a whole has its pods' addresses in it.
    const policy = pod.policy ?? (subnet.policy === "local" ? "local" : undefined);
    if (policy !== "cluster" && !(policy === "local" && pod.node === settings.node)) continue;
    // The subnet's range may have changed, or be that of a network outside.
    for (const { ip, prefix } of record.addresses)
      if (subnet.blocks.some((block) => cidrContains(block, ip))) add(prefix);
  }
  for (const service of facts.services)
    for (const address of servedAt(service, facts, settings)) add(hostPrefix(address));
  const eips = new Map([...facts.eips].map((eip) => [eip.name, eip]));
  for (const eip of eips.values()) {
    if (eip.policy === undefined || eip.type !== "nat") continue;
    // Kube-OVN's name of the address of a VPC's router in an external subnet.
    const router = eips.get(`${eip.vpc}-${eip.subnet}`);
    if (router?.type !== "lrp" || router.subnet !== eip.subnet) continue;
    const hops = addressesIn(router.addresses);
    for (const ip of addressesIn(eip.addresses)) {
      const nextHop = hops.find(({ family }) => family === ip.family);
      if (nextHop !== undefined) add(hostCidr(ip).text, nextHop.text);
    }
  }
  return [...found.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
}

/** The addresses of a Service that this node serves to clients outside. */
function servedAt(
  { key, policy, vpc, clusterIps, ingressIps, externalIps, nodeLocal }: SpeakerService,
  { hasEndpoint }: SpeakerFacts,
  { defaultVpc, announceClusterIp, externalRanges }: AnnouncementSettings,
): readonly string[] {
  if (vpc !== "" && vpc !== defaultVpc) return [];
  if ((policy === "local" || nodeLocal) && !hasEndpoint(key)) return [];
  const external = externalIps.filter((address) => externalRanges.some((range) => textContains(range, address)));
  return [...(announceClusterIp ? clusterIps : []), ...ingressIps, ...external];
}

function hostPrefix(address: string): string | undefined {
  const ip = parseIp(address);
  return ip && hostCidr(ip).text;
}

/** Texts of objects come into BIRD's configuration only as what they are read as. */
function addressesIn(texts: readonly string[]): readonly Ip[] {
  return texts.flatMap((text) => parseIp(text) ?? []);
}

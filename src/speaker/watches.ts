// SPDX-License-Identifier: Apache-2.0

import { isOvnProvider, LABEL, POD, podAnnotation, SERVICE, SUBNET } from "../api/annotations.ts";
import type { OvnEipSpec, OvnEipStatus } from "../api/generated/ovneip.ts";
import type { SubnetSpec, SubnetStatus } from "../api/generated/subnet.ts";
import { commaList } from "../collections/comma-list.ts";
import { samePlain } from "../collections/plain.ts";
import { type IpObject, projectIp } from "../facts/project-ip.ts";
import { type Informer, informer } from "../kube/informer.ts";
import type { InformerTime } from "../kube/informer-options.ts";
import type { Kube } from "../kube/kube.ts";
import type { KubeObject } from "../kube/object.ts";
import { ENDPOINT_SLICES, IPS, OVN_EIPS, PODS, type ResourceType, SERVICES, SUBNETS } from "../kube/resources.ts";
import type { EndpointSlice, Pod, Service } from "../kube/types.ts";
import {
  readAnnouncePolicy,
  recordedAddress,
  type SpeakerEip,
  type SpeakerFacts,
  type SpeakerPod,
  type SpeakerRecord,
  type SpeakerService,
  type SpeakerSubnet,
} from "./announcements.ts";

/** The label that names the Service of an EndpointSlice (discovery.k8s.io/v1). */
const SERVICE_LABEL = "kubernetes.io/service-name";
/** How the annotation of an interface that is set up ends; before it is the interface's provider. */
const ROUTED_SUFFIX = podAnnotation("", "routed");

/** What a speaker watches. */
export interface SpeakerWatches {
  readonly synced: boolean;
  whenSynced(signal: AbortSignal): Promise<void>;
  /** What is known now. */
  readonly facts: SpeakerFacts;
  /** Calls `listener` after each change. */
  subscribe(listener: () => void): void;
  start(): void;
  stop(): Promise<void>;
}

/** Creates the informers of a speaker on a node. Nothing is read before `start()`. */
export function speakerWatches(
  from: {
    readonly kube: Kube;
    readonly node: string;
    readonly defaultVpc: string;
    readonly time?: InformerTime;
  },
  onError: (error: unknown, context: string) => void,
): SpeakerWatches {
  const { kube, node } = from;
  const watch = <T extends KubeObject, P>(
    type: ResourceType,
    project: (object: T) => P | undefined,
    absent: "wait" | "empty" = "wait",
  ): Informer<P> =>
    informer<T, P>(kube, type, { project, equal: samePlain, fromMemory: true, absent, onError, ...from.time });
  const subnets = watch<SubnetObject, SpeakerSubnet>(SUBNETS, (one) => announcedSubnet(one, from.defaultVpc));
  const pods = watch<Pod, SpeakerPod>(PODS, (pod) => announcedPod(pod, node));
  const records = watch<RecordObject, SpeakerRecord>(IPS, announcedRecord);
  const services = watch<Service, SpeakerService>(SERVICES, announcedService);
  const eips = watch<EipObject, SpeakerEip>(OVN_EIPS, announcedEip, "empty");
  const slices = watch<EndpointSlice, string>(ENDPOINT_SLICES, (slice) => announcedSlice(slice, node));
  const all = [subnets, pods, records, services, eips, slices];
  return {
    get synced() {
      return all.every(({ synced }) => synced);
    },
    async whenSynced(signal) {
      await Promise.all(all.map((each) => each.whenSynced(signal)));
    },
    get facts() {
      const served = new Set(slices.values());
      return {
        ...{ subnets: subnets.values(), pods: pods.values(), records: records.values() },
        ...{ services: services.values(), eips: eips.values() },
        hasEndpoint: (service: string) => served.has(service),
      };
    },
    subscribe(listener) {
      for (const each of all) each.subscribe(listener);
    },
    start() {
      for (const each of all) each.start();
    },
    async stop() {
      await Promise.all(all.map((each) => each.stop()));
    },
  };
}

interface SubnetObject extends KubeObject {
  readonly spec?: SubnetSpec;
  readonly status?: SubnetStatus;
}

/** A subnet, with its ranges as long as it is ready, or waits for its last pods before it is deleted. */
export function announcedSubnet({ metadata, spec = {}, status = {} }: SubnetObject, defaultVpc: string): SpeakerSubnet {
  const ready = status.conditions?.some(
    ({ type, status: is, reason }) => type === "Ready" && (is === "True" || reason === "InUse"),
  );
  return {
    name: metadata.name,
    vpc: spec.vpc || defaultVpc,
    policy: readAnnouncePolicy(metadata.annotations?.[SUBNET.bgp]),
    cidrs: ready === true && !spec.vlan ? commaList(spec.cidrBlock ?? "") : [],
  };
}

/** A pod that may be announced: on another node only one with a policy of its own. */
export function announcedPod({ metadata, spec = {}, status = {} }: Pod, node: string): SpeakerPod | undefined {
  const { annotations = {} } = metadata;
  const policy = readAnnouncePolicy(annotations[POD.bgp]);
  const own = spec.nodeName === node;
  if (spec.nodeName === undefined || (policy === undefined && !own) || spec.hostNetwork) return undefined;
  // Its address may be another pod's by now.
  if (status.phase === "Succeeded" || status.phase === "Failed") return undefined;
  const providers = Object.entries(annotations).flatMap(([key, value]) => {
    const provider = key.endsWith(ROUTED_SUFFIX) ? key.slice(0, -ROUTED_SUFFIX.length) : "";
    return isOvnProvider(provider) && value === "true" ? provider : [];
  });
  return providers.length === 0 ? undefined : { uid: metadata.uid, node: spec.nodeName, policy, providers };
}

type RecordObject = KubeObject & IpObject;

/** The record of a pod's addresses; undefined for those of nodes and others, and for reservations. */
export function announcedRecord(object: RecordObject): SpeakerRecord | undefined {
  const { podUid, provider, subnet, v4, v6 } = projectIp(object);
  const addresses = [v4, v6].flatMap((address) => recordedAddress(address) ?? []);
  return podUid === "" || addresses.length === 0 ? undefined : { pod: podUid, provider, subnet, addresses };
}

/** A Service with a policy. */
export function announcedService({ metadata, spec = {}, status = {} }: Service): SpeakerService | undefined {
  const policy = readAnnouncePolicy(metadata.annotations?.[SERVICE.bgp]);
  if (policy === undefined || spec.type === "ExternalName") return undefined;
  const clusterIps = spec.type === "ClusterIP" || spec.type === undefined ? (spec.clusterIPs ?? []) : [];
  const ingress = status.loadBalancer?.ingress ?? [];
  return {
    key: `${metadata.namespace ?? ""}/${metadata.name}`,
    policy,
    vpc: metadata.annotations?.[SERVICE.vpc] ?? "",
    clusterIps: clusterIps.filter((ip) => ip !== "None"),
    ingressIps:
      spec.type === "LoadBalancer" ? ingress.flatMap(({ ip, ipMode }) => (ip && ipMode !== "Proxy" ? ip : [])) : [],
    externalIps: spec.externalIPs ?? [],
    nodeLocal: spec.externalTrafficPolicy === "Local",
  };
}

interface EipObject extends KubeObject {
  readonly spec?: OvnEipSpec;
  readonly status?: OvnEipStatus;
}

/** An OvnEip once it has addresses. */
export function announcedEip({ metadata, spec = {}, status = {} }: EipObject): SpeakerEip | undefined {
  const addresses = [status.v4Ip ?? "", status.v6Ip ?? ""].filter((ip) => ip !== "");
  if (addresses.length === 0 || metadata.deletionTimestamp !== undefined) return undefined;
  return {
    name: metadata.name,
    subnet: spec.externalSubnet ?? "",
    type: status.type || spec.type || "nat",
    vpc: metadata.labels?.[LABEL.vpc] ?? "",
    policy: readAnnouncePolicy(metadata.annotations?.[POD.bgp]),
    addresses,
  };
}

/** The Service of a slice that has a ready endpoint on this node. */
export function announcedSlice({ metadata, endpoints }: EndpointSlice, node: string): string | undefined {
  const service = metadata.labels?.[SERVICE_LABEL];
  const here = endpoints?.some(({ nodeName, conditions }) => nodeName === node && conditions?.ready !== false);
  return service && here ? `${metadata.namespace ?? ""}/${service}` : undefined;
}

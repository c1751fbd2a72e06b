// SPDX-License-Identifier: Apache-2.0

import {
  annotationDomain,
  OVN_PROVIDER,
  ovnAttachmentProvider,
  POD,
  type PodKey,
  podAnnotation,
} from "../../api/annotations.ts";
import { podPortName } from "../../api/port-names.ts";
import { type Placement, placementOf } from "../../claims/migration.ts";
import { allocatedProviders, interfaceOf, mayHave, type PodInterface } from "../../claims/pod-interfaces.ts";
import { isRetained, mayBeKept } from "../../claims/retention.ts";
import { decodePodQos, encodePodQos, type PodQos } from "../../contract/qos-record.ts";
import type { Fragment } from "../../desired/fragment.ts";
import type { UnitKind } from "../../desired/unit-kind.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import { profileKey } from "../../facts/policy-group.ts";
import type { FactReader } from "../../facts/store.ts";
import type { SubnetFact } from "../../facts/subnet.ts";
import { groupsOfInterface } from "../../policy/group.ts";
import { customVpc } from "../../policy/pod-vpcs.ts";
import { annotate, markIp, releaseIp, type WeftEffect } from "../effects.ts";
import { FragmentBuilder } from "../fragment-builder.ts";
import { reportPod } from "../reports.ts";
import { readLocalnet } from "../subnet/subnet-localnet.ts";
import { externalAddresses, makeAnnotatedEips, NO_EXTERNAL, reportExternalAddresses } from "./external-addresses.ts";
import { reportForeignAnnotations } from "./foreign-annotations.ts";
import { NO_NORTH_GATEWAY, northGateway, reportNorthGateway } from "./north-gateway.ts";
import { reportDhcpOptions } from "./pod-dhcp.ts";
import { addPort, resultsOf } from "./pod-port.ts";
import { podQos, recordQos, reportForeignQos, reportQos } from "./pod-qos.ts";
import { reportRoutes } from "./pod-route-problems.ts";
import { missingSecurityGroups, reportMissingGroups } from "./pod-security-groups.ts";
import { type PortInput, podGateway } from "./port-input.ts";
import { NO_SHARED, sharedAddresses } from "./shared-addresses.ts";
import { reportStrayAnnotations, type StrayAnnotations, strayAnnotations } from "./stray-annotations.ts";
import { NO_STRAYS, reportStrayVips, type StrayVips, strayVips } from "./stray-vips.ts";

/** One interface: the record of its address, and its pod. */
interface InterfaceInput extends Omit<PortInput, "pod" | "node" | "groups" | "subnet"> {
  readonly pod: PodFact | undefined;
  /**
   * The record names this pod, or, for a virtual machine, another pod from which this one has the address: the record
   * follows.
   */
  readonly own: boolean;
  /** The subnet of its address, if it is accepted. */
  readonly subnet: SubnetFact | undefined;
  /** The address is kept although no pod uses it. */
  readonly retained: boolean;
  /** Its pod exists but does not have this interface any more. */
  readonly dropped: boolean;
  /** Names of the groups that it is in; `undefined` while they are not known. */
  readonly groups: readonly string[] | undefined;
  /** Names of security groups that it should be in and that do not exist. */
  readonly missing: readonly string[];
}

interface PodInput {
  readonly interfaces: readonly InterfaceInput[];
  /** The pods that run or are to run. */
  readonly alive: readonly PodFact[];
  /** Pods that name Vips whose addresses they cannot have. */
  readonly strays: readonly { readonly pod: PodFact; readonly vips: StrayVips }[];
  /** Pods with annotations about interfaces that they do not have. */
  readonly astray: readonly { readonly pod: PodFact; readonly annotations: StrayAnnotations }[];
  /** Annotations of pods about interfaces that they do not have any more. */
  readonly stale: readonly { readonly pod: PodFact; readonly providers: readonly string[] }[];
}

/**
 * A pod: the port of each of its interfaces with all memberships in one fragment, hence in one transaction, and its
 * annotations once that is committed. Addresses are not decided here: compile reads the IP objects that allocation
 * has recorded. Interfaces are independent: an interface that waits for its address, or cannot have one, does not
 * affect the others.
 *
 * Its key is the holder of the addresses, `namespace/pod` or `namespace/machine`. The unit outlives the pod while an
 * IP object names it, to release the address after the port is deleted, or to keep it if it is retained.
 */
export const podUnit: UnitKind<FactReader, PodInput, WeftEffect> = {
  name: "pod",
  priority: 3,

  read(reader, key) {
    const pods = reader.by("pods", "holder", key);
    const ips = reader.by("ips", "holder", key).filter((ip) => !ip.reserved || ip.deleting || pods.length > 0);
    if (pods.length === 0 && ips.length === 0) return undefined;
    const own = ips.filter((ip) => ip.provider === OVN_PROVIDER);
    // IP objects that another program created may have any name.
    const first = own.find((ip) => isNamedAfter(ip)) ?? own[0];
    const further = ips.filter((ip) => ip.provider !== OVN_PROVIDER);
    const interfaces = (first === undefined ? further : [first, ...further]).map((ip) => readOne(reader, pods, ip));
    const stale = pods.flatMap((pod) => {
      const gone = allocatedProviders(pod).filter((provider) => interfaceOf(reader, pod, provider) === undefined);
      return pod.alive && gone.length > 0 ? { pod, providers: gone } : [];
    });
    const alive = pods.filter((pod) => pod.alive);
    const strays = alive.flatMap((pod) => {
      const vips = strayVips(reader, pod);
      return vips === NO_STRAYS ? [] : { pod, vips };
    });
    const astray = alive.flatMap((pod) => {
      const annotations = strayAnnotations(reader, pod);
      return annotations === undefined ? [] : { pod, annotations };
    });
    return { interfaces, stale, strays, astray, alive };
  },

  compile({ interfaces, stale, strays, astray, alive }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const effects: WeftEffect[] = [];
    /** A pod → its wanted annotations: one patch for all of them. */
    const patches = new Map<PodFact, Record<string, string | undefined>>();
    const addAnnotations = (pod: PodFact, annotations: Readonly<Record<string, string | undefined>>): void =>
      void patches.set(pod, { ...patches.get(pod), ...annotations });
    /** A pod → the QoS of its ports. */
    const active = new Map<PodFact, PodQos>();
    const reports: WeftEffect[] = [
      ...alive.flatMap(reportInvalidAnnotations),
      ...strays.flatMap(({ pod, vips }) => reportStrayVips(pod, vips)),
      ...astray.map(({ pod, annotations }) => reportStrayAnnotations(pod, annotations)),
    ];
    for (const { pod, providers } of stale) {
      const keys = Object.keys(pod.annotations).filter((key) =>
        providers.some((provider) => key.startsWith(`${annotationDomain(provider)}/`)),
      );
      addAnnotations(pod, Object.fromEntries(keys.map((key) => [key, undefined])));
    }
    for (const one of interfaces) {
      const { pod, ip, subnet, retained, dropped, groups } = one;
      if (pod === undefined || !pod.alive) {
        // Retained addresses are kept until a user deletes the IP object.
        const kept = (ip.reserved || retained) && !ip.deleting;
        if (!kept) effects.push(releaseIp(ip, mayBeKept(ip) && !ip.deleting && !dropped));
        continue;
      }
      const { own } = one;
      if (own) effects.push(...markIp(ip, pod));
      // The record of a former pod with this name, which a user is deleting: it must be deleted first.
      if (ip.deleting && !own) effects.push(releaseIp(ip));
      // A user's reservation may have no MAC or address until the allocator sets them.
      else if (
        own &&
        subnet !== undefined &&
        isComplete(one, subnet) &&
        hasGateway(one, pod) &&
        pod.node !== undefined &&
        groups !== undefined
      ) {
        const port = { ...one, pod, node: pod.node, subnet, groups };
        if (one.onOvn) addPort(build, port);
        const having = one.target === undefined ? [pod] : [pod, one.target.pod];
        for (const each of having) addAnnotations(each, resultsOf({ ...port, pod: each }));
        if (one.onOvn) {
          for (const each of having) {
            const qos = podQos(each, ip);
            if (each === pod) effects.push(...recordQos(ip, qos));
            active.set(each, { ...active.get(each), [ip.provider]: qos });
            reports.push(...reportQos(each, ip.provider, qos));
          }
          reports.push(...reportDhcpOptions(port));
        } else reports.push(...reportForeignQos(pod, ip.provider), ...reportForeignAnnotations(pod, ip.provider));
        reports.push(...reportMissingGroups(pod, ip.provider, one.missing));
        reports.push(...reportRoutes(port), ...reportNorthGateway(pod, one.north));
        effects.push(...makeAnnotatedEips(pod, one.external));
        reports.push(...reportExternalAddresses(pod, one.external));
      }
    }
    for (const [pod, qos] of active)
      addAnnotations(pod, { [POD.qos]: encodePodQos({ ...waitingQos(pod, interfaces), ...qos }) });
    for (const [pod, wanted] of patches) effects.push(...annotate("pods", pod, wanted));
    return build.finish([...effects, ...reports]);
  },
};

/** The recorded QoS of a pod's interfaces; interfaces that wait for something keep it. */
function waitingQos(pod: PodFact, interfaces: readonly InterfaceInput[]): PodQos {
  const its = new Set(interfaces.flatMap((one) => (one.pod === pod ? one.ip.provider : [])));
  return Object.fromEntries(
    Object.entries(decodePodQos(pod.annotations[POD.qos])).filter(([provider]) => its.has(provider)),
  );
}

/** The Event about a pod's invalid annotations. */
function reportInvalidAnnotations(pod: PodFact): readonly WeftEffect[] {
  const { invalidAnnotations = [] } = pod;
  if (invalidAnnotations.length === 0) return [];
  const message = invalidAnnotations.map((one) => one.message).join(". ");
  return [reportPod(pod, "annotations", "InvalidAnnotation", message)];
}

function readOne(reader: FactReader, pods: readonly PodFact[], ip: IpFact): InterfaceInput {
  const { provider } = ip;
  const alive = pods.filter((pod) => pod.alive);
  const ofThose = alive.flatMap((pod) => {
    const found = interfaceOf(reader, pod, provider);
    return found === undefined ? [] : { pod, found };
  });
  // Addresses that the pod may have once its network is known are kept meanwhile.
  const without = alive.length > 0 && ofThose.length === 0;
  const dropped = without && !alive.some((pod) => mayHave(reader, pod, provider));
  const having = ofThose.map((one) => one.pod);
  const place: Placement = placementOf(reader, having, ip.podUid);
  const pod = without ? undefined : (place.owner ?? (having.length > 0 ? undefined : pods[0]));
  const own = ofThose.find((one) => one.pod === pod)?.found;
  const named = reader.get("subnets", ip.subnet);
  // An address of the join subnet is treated as a node's.
  const ofNodes = named?.name === reader.get("cluster", "cluster")?.joinSubnet;
  const open = named !== undefined && !ofNodes && reader.get("verdicts", named.name)?.ok && !isConflicting(reader, ip);
  const onOvn = own?.onOvn === true;
  const router = reader.get("cluster", "cluster")?.router ?? "";
  const subnet = open ? named : undefined;
  const vpc = named && customVpc(reader, named);
  return {
    pod,
    own: pod !== undefined && isOwn(ip, pod),
    ...(place.target !== undefined && { target: place.target }),
    ...(vpc !== undefined && { vpc }),
    ip,
    ...(own?.network && { network: own.network }),
    onOvn,
    dropped,
    retained: !dropped && (pod === undefined || !pod.alive) && isRetained(reader, ip),
    shared: pod === undefined || !onOvn ? NO_SHARED : sharedAddresses(reader, pod, ip.subnet),
    subnet,
    ...gatewayIn(reader, named),
    north: pod === undefined || !onOvn ? NO_NORTH_GATEWAY : northGateway(reader, pod, ip, subnet, router),
    external: pod === undefined || !onOvn ? NO_EXTERNAL : externalAddresses(reader, pod, ip, subnet, router),
    groups: pod === undefined || own === undefined || !onOvn ? [] : named && groupsOf(reader, pod, own, vpc),
    missing: pod === undefined || !onOvn ? [] : missingSecurityGroups(reader, pod, provider),
  };
}

/**
 * Whether a pod has the address of a record: a virtual machine's pod has it from the pod before it as soon as its
 * annotation says so.
 */
function isOwn(ip: IpFact, { uid, key, holder, annotations }: PodFact): boolean {
  if (ip.podUid === uid || ip.podUid === "") return true;
  const annotation = (key: PodKey): string | undefined => annotations[podAnnotation(ip.provider, key)];
  return (
    holder !== key &&
    annotation("allocated") === "true" &&
    annotation("ip_address") === [ip.v4, ip.v6].filter((text) => text !== "").join(",")
  );
}

/** The groups of a port; `undefined` while they are not known. */
function groupsOf(
  reader: FactReader,
  pod: PodFact,
  { provider, network }: PodInterface,
  vpc: string | undefined,
): readonly string[] | undefined {
  const profile = reader.get("profiles", profileKey(pod.profile, vpc));
  // Policies name networks, so all interfaces in that network are included.
  const named = network === undefined ? provider : ovnAttachmentProvider(network.name, network.namespace);
  return profile && groupsOfInterface(profile, named);
}

/** Whether an IP object has the name that the allocator gives it. */
function isNamedAfter({ holder, name, provider }: IpFact): boolean {
  const [namespace = "", owner = ""] = holder.split("/");
  return name === podPortName(owner, namespace, provider);
}

function isComplete({ ip, onOvn }: InterfaceInput, subnet: SubnetFact): boolean {
  const bare = subnet.protocol === "Mac";
  return (bare || ip.v4 !== "" || ip.v6 !== "") && (ip.mac !== "" || !(onOvn || bare));
}

function gatewayIn(reader: FactReader, subnet: SubnetFact | undefined): Pick<InterfaceInput, "gateway" | "localnet"> {
  const gateway = subnet && podGateway(reader, subnet);
  const localnet = subnet && readLocalnet(reader, subnet);
  return { ...(gateway && { gateway }), ...(localnet && { localnet }) };
}

/** A new pod waits for its gateway; others keep their ports while a setting of the subnet changes. */
function hasGateway({ ip, gateway }: InterfaceInput, { annotations }: PodFact): boolean {
  return gateway !== undefined || annotations[podAnnotation(ip.provider, "allocated")] === "true";
}

function isConflicting(reader: FactReader, ip: IpFact): boolean {
  return reader.get("addressConflicts", ip.name) !== undefined;
}

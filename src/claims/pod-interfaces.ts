// SPDX-License-Identifier: Apache-2.0

import {
  annotationDomain,
  ipamAttachmentProvider,
  OVN_PROVIDER,
  ovnAttachmentProvider,
  podAnnotation,
} from "../api/annotations.ts";
import { podPortName } from "../api/port-names.ts";
import type { NetworkSelectionFact } from "../facts/network-attachment.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";

/** One interface of a pod that gets its address here. */
export interface PodInterface {
  /** The prefix of its annotations and the end of its name. */
  readonly provider: string;
  /** Whether it is a port of OVN. Otherwise another plugin creates it, and it only has an address. */
  readonly onOvn: boolean;
  /** The network that the pod names for it; absent for its own interface, and if the annotation is not valid any more. */
  readonly network?: NetworkSelectionFact;
}

/** A network of a pod that it cannot have now. */
export interface UnresolvedNetwork {
  /** Distinguishes it from the pod's other networks. */
  readonly id: string;
  /** The problem: reason and message. */
  readonly code: "NetworkUnknown" | "NetworkUnclear" | "InterfaceNotSupported";
  readonly message: string;
  readonly value: string;
  /** The providers that it may have later; absent if that may be any. */
  readonly providers?: readonly string[];
}

/** The desired interfaces of a pod. */
export interface PodInterfaces {
  readonly interfaces: readonly PodInterface[];
  readonly unclear: readonly UnresolvedNetwork[];
}

/** A pod's own interface. */
export const PRIMARY_INTERFACE: PodInterface = { provider: OVN_PROVIDER, onOvn: true };

/** Whether a pod has been given its own interface. */
const GIVEN = podAnnotation(OVN_PROVIDER, "allocated");

/** The result for nearly all pods. */
const USUAL: PodInterfaces = { interfaces: [PRIMARY_INTERFACE], unclear: [] };

/** DNS-1123 label: an interface's name that is part of an annotation and of an object's name. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
/** RFC 1123 subdomain: the name of an object, and the prefix of an annotation. */
const NAME_LIMIT = 253;

/**
 * The desired interfaces of a pod: its own, unless another network or network plugin creates it, and those of the networks that it names. The pod
 * keeps an interface that it has if the definition or its annotation was deleted or became invalid, and as long as Multus reports it: an incorrect
 * edit must not disconnect a pod.
 */
export function podInterfaces(reader: FactReader, pod: PodFact): PodInterfaces {
  const { networks = [], networksProblem } = pod;
  const own = hasPrimary(reader, pod);
  if (networksProblem !== undefined) {
    const unclear = { id: "networks", code: "NetworkUnclear", message: networksProblem, value: "networks" } as const;
    const further = remembered(reader, pod).map((provider) => ({ provider, onOvn: looksOnOvn(provider) }));
    return { interfaces: own ? [PRIMARY_INTERFACE, ...further] : further, unclear: [unclear] };
  }
  if (networks.length === 0 && own && pod.attached === undefined) return USUAL;
  const interfaces: PodInterface[] = own ? [PRIMARY_INTERFACE] : [];
  const unclear: UnresolvedNetwork[] = [];
  for (const selection of networks) {
    const named = suffixOf(networks, selection, pod.annotations);
    const network = named === undefined ? selection : { ...selection, interface: named };
    const key = `${network.namespace}/${network.name}`;
    const id = network.interface === "" ? key : `${key}@${network.interface}`;
    const say = (code: UnresolvedNetwork["code"], message: string, providers: readonly string[] = []): void =>
      void unclear.push({ id, code, message, value: key, providers });
    const definition = reader.get("attachments", key);
    if (definition?.wants === "other") continue;
    const onOvn: PodInterface = {
      provider: ovnAttachmentProvider(network.name, network.namespace, named),
      onOvn: true,
      network,
    };
    const besides: PodInterface = {
      provider: ipamAttachmentProvider(network.name, network.namespace, named),
      onOvn: false,
      network,
    };
    if (definition === undefined || definition.wants === "unclear") {
      const known = remembered(reader, pod);
      const kept = [onOvn, besides].find(({ provider }) => known.includes(provider));
      const either = [onOvn.provider, besides.provider];
      if (kept !== undefined) interfaces.push(kept);
      else if (definition !== undefined)
        say(
          definition.unsupported ? "InterfaceNotSupported" : "NetworkUnclear",
          `NetworkAttachmentDefinition "${key}": ${definition.problem}.`,
          either,
        );
      else {
        const message = `NetworkAttachmentDefinition "${key}", which the pod names, does not exist; create it.`;
        say("NetworkUnknown", message, either);
      }
      continue;
    }
    const made = definition.wants === "ovn" ? onOvn : besides;
    const problem = unusable(pod, made, named, interfaces);
    if (problem === undefined) interfaces.push(made);
    else say("NetworkUnclear", `Network "${key}" ${problem}.`);
  }
  return { interfaces: [...interfaces, ...stillAttached(reader, pod, interfaces)], unclear };
}

/**
 * The interfaces that a pod does not name any more but still has according to Multus, which creates and removes them with the sandbox. If
 * multus-dynamic-networks-controller removes an interface of a running pod, the status shows it.
 */
function stillAttached(reader: FactReader, pod: PodFact, named: readonly PodInterface[]): readonly PodInterface[] {
  const { attached } = pod;
  if (attached === undefined) return [];
  const records = reader.by("ips", "holder", pod.holder);
  const has = (provider: string): boolean =>
    records.some(
      ({ provider: its, v4, v6, mac }) =>
        its === provider &&
        attached.some(({ network, addresses }) => {
          const [namespace = "", name = ""] = network.split("/");
          const isOf = `${provider}.`.startsWith(`${ipamAttachmentProvider(name, namespace)}.`);
          return isOf && [v4, v6, mac].some((text) => text !== "" && addresses.includes(text));
        }),
    );
  return remembered(reader, pod)
    .filter((provider) => named.every((other) => other.provider !== provider) && has(provider))
    .map((provider) => ({ provider, onOvn: looksOnOvn(provider) }));
}

/**
 * Whether a pod's own interface is ours. It is not if a default network replaces it, or another network plugin creates it. A pod that has it keeps
 * it: neither annotation nor setting changes a running sandbox.
 */
function hasPrimary(reader: FactReader, { replacesPrimary, annotations }: PodFact): boolean {
  if (annotations[GIVEN] === "true") return true;
  return !replacesPrimary && reader.get("cluster", "cluster")?.nonPrimary !== true;
}

/**
 * The suffix of the provider of an interface; `undefined` for none. It depends on the other networks of the pod, which may change while it runs: an
 * existing interface keeps its suffix.
 * @param annotations the pod's; they record what it has been given.
 */
export function suffixOf(
  networks: readonly NetworkSelectionFact[],
  one: NetworkSelectionFact,
  annotations: Readonly<Record<string, string>>,
): string | undefined {
  const given = (suffix: string | undefined): boolean =>
    [ovnAttachmentProvider, ipamAttachmentProvider].some(
      (of) => annotations[podAnnotation(of(one.name, one.namespace, suffix), "allocated")] === "true",
    );
  const suffix = tellingApart(networks, one);
  if (given(suffix)) return suffix;
  const all = onSameNetwork(networks, one);
  const isFree = (other: string | undefined): boolean => all.every((each) => tellingApart(networks, each) !== other);
  const called = interfaceName(networks, one);
  // It was one of several.
  if (suffix === undefined) return given(called) && isFree(called) ? called : undefined;
  // It was the only one.
  return all[0] === one && given(undefined) && isFree(undefined) ? undefined : suffix;
}

/**
 * The name that distinguishes several interfaces on a network, as in Kube-OVN. Without a name, Multus assigns one. A single interface needs only the
 * network's name, as in Kube-OVN.
 */
function tellingApart(networks: readonly NetworkSelectionFact[], one: NetworkSelectionFact): string | undefined {
  const same = onSameNetwork(networks, one);
  if (same.length === 1) return undefined;
  if (one.interface !== "") return one.interface;
  if (one.isDefault || same.filter((other) => other.interface === "").length === 1) return undefined;
  return interfaceName(networks, one);
}

/** The name of a network's interface in the pod. Multus names those without one by their position among the networks of the pod: `net1`, `net2` … */
export function interfaceName(networks: readonly NetworkSelectionFact[], one: NetworkSelectionFact): string {
  if (one.interface !== "") return one.interface;
  return one.isDefault ? "eth0" : `net${networks.filter(({ isDefault }) => !isDefault).indexOf(one) + 1}`;
}

function onSameNetwork(
  networks: readonly NetworkSelectionFact[],
  { namespace, name }: NetworkSelectionFact,
): readonly NetworkSelectionFact[] {
  return networks.filter((other) => other.namespace === namespace && other.name === name);
}

/** Why a pod cannot have this interface, independent of free addresses. */
function unusable(
  pod: PodFact,
  { provider }: PodInterface,
  named: string | undefined,
  others: readonly PodInterface[],
): string | undefined {
  if (named !== undefined && !LABEL.test(named))
    return `has an interface name "${named}" that cannot be part of an annotation key; use lower-case letters, digits and "-"`;
  // It would be the provider of another network, on OVN.
  if (named === OVN_PROVIDER)
    return `has the interface name "${named}", which is reserved where a pod names a network more than once; use another one`;
  if (others.some((other) => other.provider === provider))
    return 'is named more than once with the same interface name; give each an "interface" of its own';
  const names = [portOf(pod, provider), annotationDomain(provider)];
  const long = names.find((name) => name.length > NAME_LIMIT);
  return (
    long && `leads to the name "${long.slice(0, 60)}…", which has ${long.length} characters; the limit is ${NAME_LIMIT}`
  );
}

/** The desired interface of a pod with this provider. */
export function interfaceOf(reader: FactReader, pod: PodFact, provider: string): PodInterface | undefined {
  return podInterfaces(reader, pod).interfaces.find((candidate) => candidate.provider === provider);
}

/** Whether a pod may have an interface of this provider later. */
export function mayHave(reader: FactReader, pod: PodFact, provider: string): boolean {
  const { interfaces, unclear } = podInterfaces(reader, pod);
  return (
    interfaces.some((candidate) => candidate.provider === provider) ||
    unclear.some(({ providers }) => providers === undefined || providers.includes(provider))
  );
}

/** The name under which a pod's addresses are held: its own, or that of its virtual machine. */
export function holderName({ namespace, holder }: Pick<PodFact, "namespace" | "holder">): string {
  return holder.slice(namespace.length + 1);
}

/** The name of an interface's port, of its IP object, and of its owner in IPAM. */
export function portOf(pod: Pick<PodFact, "namespace" | "holder">, provider: string): string {
  return podPortName(holderName(pod), pod.namespace, provider);
}

/** The providers, except its own interface's, for which a pod's annotations record an allocation. */
export function allocatedProviders(pod: PodFact): readonly string[] {
  const providers = Object.keys(pod.annotations).flatMap((key) => {
    const provider = /^(.+)\.kubernetes\.io\/allocated$/.exec(key)?.[1];
    return provider === undefined || provider === OVN_PROVIDER || pod.annotations[key] !== "true" ? [] : provider;
  });
  return providers.sort();
}

/** The providers of a pod's existing secondary interfaces, by its IP objects and annotations. */
function remembered(reader: FactReader, pod: PodFact): readonly string[] {
  const recorded = reader
    .by("ips", "holder", pod.holder)
    .flatMap((ip) => (ip.provider !== OVN_PROVIDER && ip.podUid === pod.uid ? ip.provider : []));
  return [...new Set([...recorded, ...allocatedProviders(pod)])].sort();
}

/** The kind of an interface of which only the provider is known: `<nad>.<namespace>.ovn`, perhaps with `.<interface>` behind that. */
function looksOnOvn(provider: string): boolean {
  return /^[^.]+\..+\.ovn(?:\.[^.]+)?$/.test(provider);
}

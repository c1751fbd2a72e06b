// SPDX-License-Identifier: Apache-2.0

import {
  ipamAttachmentProvider,
  isOvnProvider,
  OVN_PROVIDER,
  ovnAttachmentProvider,
  POD,
  podAnnotation,
} from "../api/annotations.ts";
import { unsupportedType } from "../api/interface-types.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactReader } from "../facts/store.ts";
import type { FactTypes } from "../facts/types.ts";
import type { VpcFact } from "../facts/vpc.ts";
import { type Refusal, refuse } from "../ipam/refusal.ts";
import { vipUnknown } from "../ipam/refusal-messages.ts";
import { requestFromAnnotations } from "../ipam/request-annotations.ts";
import {
  FOR_PRIMARY_INTERFACES,
  type RequestResult,
  type SubnetEligibility,
  withEligibleSubnets,
} from "./eligible-subnets.ts";
import { subnetsOfNamespace, vpcOfNamespace } from "./namespace-subnets.ts";
import { addressesIn } from "./object-addresses.ts";
import { type PodInterface, portOf } from "./pod-interfaces.ts";
import { ordinalOf } from "./retention.ts";

/**
 * The address that a pod requests for one of its interfaces, from accepted subnets. What its annotations mean, also for a pod of a StatefulSet, is decided in
 * src/ipam/request-annotations.ts, and whether the address is free in src/ipam/allocation-decision.ts.
 */
export function podRequest(facts: FactReader, pod: PodFact, own: PodInterface): RequestResult {
  const type = pod.annotations[podAnnotation(own.provider, "pod_nic_type")] ?? "";
  const unsupported = own.onOvn ? unsupportedType(type.trim()) : undefined;
  if (unsupported !== undefined) {
    const message = `Annotation ${podAnnotation(own.provider, "pod_nic_type")} ${unsupported}.`;
    return refuse("InterfaceNotSupported", message, { value: type });
  }
  const desired = addressRequestFor(facts, pod, own);
  return desired.ok ? withEligibleSubnets(facts, desired.request, purposeOf(own)) : desired;
}

/** By its annotations, its namespace and its owner. */
function addressRequestFor(facts: FactReader, pod: PodFact, { provider, onOvn, network }: PodInterface): RequestResult {
  const owner = portOf(pod, provider);
  const place = pod.owner?.kind === "StatefulSet" ? ordinalOf(pod.name) : undefined;
  const common = {
    owner,
    annotations: pod.annotations,
    provider,
    ...(place !== undefined && { ordinal: place.ordinal }),
  };
  if (provider !== OVN_PROVIDER) {
    const attachment = {
      nad: network?.name ?? "",
      namespace: network?.namespace ?? "",
      interfaceName: network?.interface ?? "",
      ips: network?.ips ?? "",
      mac: network?.mac ?? "",
      addressOnly: !onOvn,
    };
    const bound = boundProvider({ provider, onOvn, ...(network && { network }) });
    const subnets = facts.by("subnets", "provider", bound).filter((subnet) => !subnet.deleting);
    const parsed = requestFromAnnotations({ ...common, subnets: subnets.map(({ name }) => name), attachment });
    if (!parsed.ok) return parsed;
    const { request } = parsed;
    if (request.subnets.length === 0 && request.want.kind !== "pool") return noSubnet(provider, bound);
    return { ok: true, request: { ...request, namespace: pod.namespace, move: true } };
  }
  const vip = (pod.annotations[POD.vip] ?? "").trim();
  if (vip !== "") return vipRequestFor(facts, pod, owner, vip);
  const pools = facts.by("ipPools", "namespace", pod.namespace).filter((pool) => !pool.deleting);
  const parsed = requestFromAnnotations({
    ...common,
    subnets: subnetsOfNamespace(facts, pod.namespace).map((subnet) => subnet.name),
    ...(pools.length > 0 && { namespacePools: pools.map((pool) => pool.name) }),
  });
  if (!parsed.ok) return parsed;
  const { request } = parsed;
  const none = request.subnets.length === 0 && request.want.kind !== "pool";
  const vpc = none ? vpcOfNamespace(facts, pod.namespace) : undefined;
  if (vpc !== undefined) return noSubnetInVpc(vpc, pod.namespace);
  return { ok: true, request: { ...request, namespace: pod.namespace, move: true } };
}

/** A namespace of a VPC that has no subnets yet. */
function noSubnetInVpc({ name, defaultSubnet }: VpcFact, namespace: string): Refusal {
  const message =
    defaultSubnet === ""
      ? `Namespace "${namespace}" belongs to VPC "${name}" (spec.namespaces), which has no subnet for it; set spec.defaultSubnet of the VPC, or add the namespace to spec.namespaces of a subnet.`
      : `Namespace "${namespace}" belongs to VPC "${name}" (spec.namespaces), whose spec.defaultSubnet "${defaultSubnet}" is not a subnet of that VPC; create it, or set another one.`;
  return refuse("SubnetUnknown", message, { value: name });
}

/** The provider in the Subnet of an interface: without the name that distinguishes several interfaces on a network. */
function boundProvider({ provider, onOvn, network }: PodInterface): string {
  if (network === undefined) return provider;
  return (onOvn ? ovnAttachmentProvider : ipamAttachmentProvider)(network.name, network.namespace);
}

function noSubnet(provider: string, bound: string): Refusal {
  const message = `No subnet has the provider "${bound}" of a network that the pod names; create a subnet with that spec.provider, or name a subnet in ${podAnnotation(provider, "logical_switch")}.`;
  return refuse("SubnetUnknown", message, { value: bound });
}

/** A pod that uses a Vip's addresses and MAC as long as the pod exists. */
function vipRequestFor(facts: FactReader, pod: PodFact, owner: string, name: string): RequestResult {
  const vip = facts.get("vips", name);
  if (vip === undefined)
    return vipUnknown(
      name,
      facts.all("vips").map((other) => other.name),
    );
  const refusal = vipRefusal(pod, vip);
  if (refusal !== undefined) return refusal;
  const mac = vip.mac === "" ? {} : { mac: vip.mac };
  const want = { kind: "static" as const, addresses: addressesIn(vip) };
  const { namespace } = pod;
  const request = { owner, subnets: [vip.subnet], want, ...mac, from: vipOwner(name), namespace, move: true };
  return { ok: true, request };
}

/** Why a pod cannot use a Vip's addresses, if it cannot. */
function vipRefusal(pod: PodFact, { name, given, type, namespace }: FactTypes["vips"]): Refusal | undefined {
  const say = (code: Refusal["code"], message: string): Refusal => refuse(code, message, { value: name, holder: name });
  if (type !== "") {
    return say(
      "VipNotForPods",
      `Vip "${name}" is of type "${type}", which pods cannot use; choose a Vip without a type.`,
    );
  }
  if (namespace !== "" && namespace !== pod.namespace) {
    const message = `Vip "${name}" is for pods of namespace "${namespace}", not of "${pod.namespace}"; choose a Vip of that namespace, or one without a namespace.`;
    return say("VipNotForPods", message);
  }
  return given ? undefined : say("VipNotReady", `Vip "${name}" has no address yet; see its conditions.`);
}

/** For one interface of a pod. */
function purposeOf(one: PodInterface): SubnetEligibility {
  const { provider: own, onOvn } = one;
  if (own === OVN_PROVIDER) return FOR_PRIMARY_INTERFACES;
  const bound = boundProvider(one);
  return {
    accepts: (provider) => provider === bound || isOvnProvider(provider) === onOvn,
    refusal: (provider) =>
      onOvn
        ? `is of provider "${provider}" and has no logical switch for interface "${own}"; choose a subnet of provider "${bound}" or "${OVN_PROVIDER}"`
        : `is of provider "${provider}" and for OVN ports only, which interface "${own}" is not; choose a subnet of provider "${bound}"`,
  };
}

/** The owner in IPAM of a Vip's address. */
export function vipOwner(name: string): string {
  return `vip/${name}`;
}

// SPDX-License-Identifier: Apache-2.0

import { ipamAttachmentProvider, OVN_PROVIDER, ovnAttachmentProvider, podAnnotation } from "../../api/annotations.ts";
import { CNI_ERROR } from "../../api/cni-message.ts";
import { unsupportedType } from "../../api/interface-types.ts";
import { interfaceName, suffixOf } from "../../claims/pod-interfaces.ts";
import { ContractError } from "../../contract/document.ts";
import { decodePodInterface, type InterfaceAddress, type PodInterfaceState } from "../../contract/pod.ts";
import type { NetworkSelectionFact } from "../../facts/network-attachment.ts";
import { projectNetworks } from "../../facts/project-networks.ts";
import type { NodePod } from "../pods/pods.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";
import { type PodRoute, wantedRoutes } from "./wanted-routes.ts";

/** The controller's allocation for one interface of a pod. */
export interface Allocation {
  /**
   * The network's provider, followed by the interface's name if the pod uses the network more than once; the port's
   * name has the same form.
   */
  readonly provider: string;
  /** The interface has the pod's default route. */
  readonly isDefault: boolean;
  /** IPv4 before IPv6; empty if the subnet allocates MAC addresses only. */
  readonly addresses: readonly InterfaceAddress[];
  /** "" if another plugin creates the interface and chooses the MAC address. */
  readonly mac: string;
  readonly subnet: string;
  /** The KubeVirt virtual machine that owns the address and the port; absent where the pod owns them. */
  readonly machine?: string;
  readonly routes: readonly PodRoute[];
}

/** `missing`: the annotations that the controller has not written yet. */
export type AllocationState =
  | { readonly state: "ready"; readonly allocation: Allocation }
  | { readonly state: "waiting"; readonly missing: "address" | "route" };

/**
 * Reads the controller's allocation for the requested interface from a pod's annotations. The routes of the network
 * configuration are added to the pod's own.
 * @throws CniError if an annotation is malformed, or requests an interface that this daemon does not support.
 */
export function readAllocation(
  pod: NodePod,
  request: Pick<PodRequest, "ipamOnly" | "provider" | "ifName" | "routes">,
): AllocationState {
  const { networks, its } = networkOf(pod, request);
  const ofInterface = `${request.provider}.${request.ifName}`;
  // A pod that does not name the network may still have an allocation: its network annotation may have changed.
  const isGiven = pod.annotations[podAnnotation(ofInterface, "allocated")] === "true";
  const hasSuffix = its === undefined ? isGiven : suffixOf(networks, its, pod.annotations) !== undefined;
  const provider = hasSuffix ? ofInterface : request.provider;
  const state = decode(pod, provider, request.ipamOnly);
  if (state.state === "waiting") return state;
  const { nicType, routes: stated, defaultRoute, ...contract } = state.contract;
  const { addresses } = contract;
  const of = `pod ${pod.namespace}/${pod.name}`;
  const unsupported = unsupportedType(nicType);
  if (unsupported !== undefined) throw new CniError(CNI_ERROR.unsupportedField, `${of} ${unsupported}`);
  // Multus can replace the pod's primary network by another one, which is then eth0.
  const isDefault = defaultRoute ?? (provider === OVN_PROVIDER || request.ifName === "eth0");
  const routes = wantedRoutes(its, { isDefault, addresses, stated }, { configured: request.routes, of });
  return { state: "ready", allocation: { provider, isDefault, ...contract, routes } };
}

/** The networks that a pod names, and the one that a request is about; undefined for the primary network. */
function networkOf(
  { name, namespace, uids, annotations }: NodePod,
  { provider, ifName }: Pick<PodRequest, "provider" | "ifName">,
): { readonly networks: readonly NetworkSelectionFact[]; readonly its?: NetworkSelectionFact } {
  const { networks = [] } = projectNetworks({ name, namespace, uid: uids[0] ?? "", annotations });
  const its = networks.find((one) => {
    const providers = [ovnAttachmentProvider(one.name, one.namespace), ipamAttachmentProvider(one.name, one.namespace)];
    return interfaceName(networks, one) === ifName && providers.includes(provider);
  });
  return { networks, ...(its && { its }) };
}

function decode(pod: NodePod, provider: string, ipamOnly: boolean): PodInterfaceState {
  try {
    return decodePodInterface(pod.annotations, provider, { optionalMac: ipamOnly });
  } catch (error) {
    throw error instanceof ContractError ? notReadable(pod, error) : error;
  }
}

function notReadable(pod: NodePod, cause: ContractError): CniError {
  return new CniError(CNI_ERROR.internal, `${cause.message} (of pod ${pod.namespace}/${pod.name})`, {
    cause,
    details: "it is written by the controller; recreate the pod to allocate again",
  });
}

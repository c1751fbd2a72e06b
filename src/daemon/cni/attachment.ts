// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../../api/cni-message.ts";
import { podPortName } from "../../api/port-names.ts";
import { EXTERNAL_ID, type PodPort, type Ports } from "../ovs/ports.ts";
import { CniError } from "./cni-error.ts";
import type { PodRequest } from "./request.ts";

/**
 * Whether a port belongs to an interface of the network with that provider, so that the network's requests may change
 * it. The logical port's name contains the provider, and the interface's name if a pod uses a network twice.
 */
export function isOfProvider({ externalIds: ids }: Pick<PodPort, "externalIds">, provider: string): boolean {
  const owner = ids[EXTERNAL_ID.machine] ?? ids[EXTERNAL_ID.podName] ?? "";
  const namespace = ids[EXTERNAL_ID.podNamespace] ?? "";
  const ifName = ids[EXTERNAL_ID.ifName];
  const has = ids[EXTERNAL_ID.ifaceId];
  const providers = ifName === undefined ? [provider] : [provider, `${provider}.${ifName}`];
  return providers.some((each) => has === podPortName(owner, namespace, each));
}

/**
 * Checks that an ADD does not replace the port of another interface. A new port replaces an earlier one of the same
 * name or logical port, so that an ADD can be repeated; two networks with the same provider by mistake would replace
 * each other's ports.
 * @throws CniError 7 if another interface of the container uses `logicalPort`.
 */
export function refuseConfusion(ports: Ports, request: PodRequest, logicalPort: string): void {
  const refuse = (why: string): CniError =>
    new CniError(CNI_ERROR.invalidConfig, `pod ${request.podNamespace}/${request.podName}: ${why}`, {
      details: `the network configuration ${request.network ?? ""} has provider ${request.provider}; each network of a pod has a provider of its own, <name>.<namespace>.ovn, and each of its interfaces a name of its own`,
    });
  for (const port of ports.ofContainer(request.containerId)) {
    const [present, ifName] = [port.externalIds[EXTERNAL_ID.ifaceId], port.externalIds[EXTERNAL_ID.ifName]];
    if (ifName === request.ifName && !isOfProvider(port, request.provider)) {
      throw refuse(`${ifName} is already the interface of logical port ${present}`);
    }
    if (ifName !== request.ifName && present === logicalPort) {
      throw refuse(`logical port ${logicalPort} is already its ${ifName}, and cannot be ${request.ifName} too`);
    }
  }
}

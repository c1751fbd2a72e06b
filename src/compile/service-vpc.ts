// SPDX-License-Identifier: Apache-2.0

import type { EndpointSliceFact, ServiceFact } from "../facts/service.ts";
import type { FactReader } from "../facts/store.ts";

/**
 * The VPC of a Service, as Kube-OVN finds it: the one that a user has chosen by naming router and switch; else that of its first endpoint that
 * is a pod of its namespace; else the one that it was in; else the default one.
 */
export function vpcOfService(
  reader: FactReader,
  service: ServiceFact,
  slices: readonly EndpointSliceFact[],
  defaultVpc: string,
): string {
  return service.chosenVpc || (vpcOfEndpoints(reader, service, slices) ?? (service.vpc || defaultVpc));
}

/**
 * An endpoint names its pod by `targetRef`, so an address that pods have in several VPCs says nothing wrong. One that names none goes by its address; pods
 * of a namespace may have it in several VPCs, and then the Service stays where it is. Other namespaces' pods have no say.
 */
function vpcOfEndpoints(
  reader: FactReader,
  { namespace, vpc }: ServiceFact,
  slices: readonly EndpointSliceFact[],
): string | undefined {
  for (const { endpoints } of slices) {
    for (const { address, pod } of endpoints) {
      if (pod !== "" && !pod.startsWith(`${namespace}/`)) continue;
      // Of a pod of a virtual machine the machine has the address.
      const holder = pod === "" ? "" : (reader.get("pods", pod)?.holder ?? pod);
      const found = reader
        .by("ips", "address", address)
        .filter((ip) => (pod === "" ? ip.holder.startsWith(`${namespace}/`) : ip.holder === holder))
        .flatMap((ip) => reader.get("subnets", ip.subnet)?.vpc ?? []);
      if (found.length > 0) return found.includes(vpc) ? vpc : found[0];
    }
  }
  return undefined;
}

// SPDX-License-Identifier: Apache-2.0

import type { EndpointFact, EndpointSliceFact, ServiceFact } from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import { textContains } from "../../net/cidr.ts";
import { connectedRanges } from "../vpc/vpc-peerings.ts";

/**
 * The VPC of a Service, as in Kube-OVN: the one that a user has chosen by naming router and switch; else that of its first endpoint that is a pod of
 * its namespace; else its former one; else the default VPC.
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
 * The EndpointSlices of a Service without endpoints that are pods of another VPC but whose address is in a subnet of the Service's VPC: there the
 * address belongs, or may belong, to another pod. An endpoint whose address is in no subnet of the VPC stays: it may be in a peered VPC.
 */
export function slicesInVpc(
  reader: FactReader,
  { namespace }: ServiceFact,
  slices: readonly EndpointSliceFact[],
  vpc: string,
): readonly EndpointSliceFact[] {
  return slices.map((slice) => {
    const endpoints = slice.endpoints.filter((endpoint) => {
      const vpcs = vpcsOfEndpoint(reader, namespace, endpoint);
      return vpcs.length === 0 || vpcs.includes(vpc) || !isInVpc(reader, vpc, endpoint.address);
    });
    return endpoints.length === slice.endpoints.length ? slice : { ...slice, endpoints };
  });
}

/** The VPC of the first endpoint that is in any. If it is in several, the former VPC of the Service is preferred. */
function vpcOfEndpoints(
  reader: FactReader,
  { namespace, vpc }: ServiceFact,
  slices: readonly EndpointSliceFact[],
): string | undefined {
  for (const { endpoints } of slices) {
    for (const endpoint of endpoints) {
      const found = vpcsOfEndpoint(reader, namespace, endpoint);
      if (found.length > 0) return found.includes(vpc) ? vpc : found[0];
    }
  }
  return undefined;
}

/**
 * The VPCs in which an endpoint has its address. An endpoint names its pod by `targetRef`, so pods with the same address in other VPCs do not matter.
 * One without `targetRef` is found by its address, which pods of the namespace may have in several VPCs. Pods of other namespaces are not considered.
 */
function vpcsOfEndpoint(reader: FactReader, namespace: string, { address, pod }: EndpointFact): readonly string[] {
  if (pod !== "" && !pod.startsWith(`${namespace}/`)) return [];
  // The address of a virtual machine's pod belongs to the virtual machine.
  const holder = pod === "" ? "" : (reader.get("pods", pod)?.holder ?? pod);
  return reader
    .by("ips", "address", address)
    .filter((ip) => (pod === "" ? ip.holder.startsWith(`${namespace}/`) : ip.holder === holder))
    .flatMap((ip) => reader.get("subnets", ip.subnet)?.vpc ?? []);
}

function isInVpc(reader: FactReader, vpc: string, address: string): boolean {
  return connectedRanges(reader, vpc).some(({ cidr }) => textContains(cidr, address));
}

// SPDX-License-Identifier: Apache-2.0

import { podInterfaces } from "../../claims/pod-interfaces.ts";
import type { EndpointFact, EndpointSliceFact } from "../../facts/service.ts";
import type { FactReader } from "../../facts/store.ts";
import { isV6 } from "./endpoint-choice.ts";

/**
 * The EndpointSlices of a Service as OVN can balance them. If another network plugin creates pods' primary
 * interfaces, slices contain the addresses of those, which OVN cannot reach. An endpoint that is a pod then has the
 * address of the pod's first interface on OVN, as in Kube-OVN; without one it is left out. Its primary address
 * remains an endpoint for kube-proxy, which serves clients on the primary network. Otherwise the slices are returned
 * unchanged.
 */
export function slicesOnOvn(reader: FactReader, slices: readonly EndpointSliceFact[]): readonly EndpointSliceFact[] {
  if (reader.get("cluster", "cluster")?.nonPrimary !== true) return slices;
  return slices.map((slice) => ({
    ...slice,
    endpoints: slice.endpoints.flatMap((endpoint) => onOvn(reader, endpoint) ?? []),
  }));
}

function onOvn(reader: FactReader, endpoint: EndpointFact): EndpointFact | undefined {
  const pod = endpoint.pod === "" ? undefined : reader.get("pods", endpoint.pod);
  // An endpoint without a pod was written by a user with the address that is meant.
  if (endpoint.pod === "") return endpoint;
  if (pod === undefined) return undefined;
  const records = reader.by("ips", "holder", pod.holder);
  if (records.some(({ v4, v6 }) => v4 === endpoint.address || v6 === endpoint.address)) return endpoint;
  const first = podInterfaces(reader, pod).interfaces.find((one) => one.onOvn);
  const ip = records.find(({ provider }) => provider === first?.provider);
  const address = (isV6(endpoint.address) ? ip?.v6 : ip?.v4) ?? "";
  return address === "" ? undefined : { ...endpoint, address };
}

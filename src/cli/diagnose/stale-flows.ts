// SPDX-License-Identifier: Apache-2.0

import { parseIp } from "../../net/address.ts";
import type { ClusterModel } from "../cluster-model.ts";
import type { Finding } from "./finding.ts";
import type { SeenNode, TrackedView } from "./on-node/node-view.ts";

/** A tracked UDP flow of a Service to an address that is none of its endpoints. */
interface StaleFlow extends TrackedView {
  /** `NAMESPACE/NAME`. */
  readonly service: string;
}

/** The flows of {@link SeenNode.tracked} to endpoints that a Service no longer has. */
export function staleServiceFlows({ facts }: ClusterModel, { tracked }: SeenNode): readonly StaleFlow[] {
  if (tracked.length === 0) return [];
  const services = new Map<string, { readonly key: string; readonly endpoints: ReadonlySet<string> }>();
  for (const { key, addresses, externalIps, ingressIps, ports } of facts.all("services")) {
    const slices = facts.by("endpointSlices", "service", key);
    const endpoints = new Set(
      slices.flatMap((slice) => slice.endpoints.map(({ address }) => parseIp(address)?.text ?? address)),
    );
    for (const address of [...addresses, ...externalIps, ...ingressIps])
      for (const { port, protocol } of ports)
        if (protocol === "UDP") services.set(`${parseIp(address)?.text} ${port}`, { key, endpoints });
  }
  return tracked.flatMap((flow): readonly StaleFlow[] => {
    const service = services.get(`${flow.virtual} ${flow.port}`);
    if (service === undefined || service.endpoints.has(flow.backend)) return [];
    return [{ ...flow, service: service.key }];
  });
}

/** Findings for stale flows of a node. */
export function diagnoseStaleFlows(node: string, stale: readonly StaleFlow[]): readonly Finding[] {
  return stale.map(({ virtual, port, backend, service, count }) => ({
    ...{ area: "node", object: `Node ${node}`, concerns: [service], severity: "warning" },
    problem: `sends UDP packets of Service ${service} to ${backend}, which is none of its endpoints`,
    evidence: `${count} tracked flow${count === 1 ? "" : "s"} to ${virtual} port ${port} (ovs-appctl dpctl/dump-conntrack, conntrack -L)`,
    remedy: `the daemon removes such flows when endpoints change; \`weftctl log daemon ${node}\` says why it did not. By hand: \`weftctl appctl ${node} dpctl/flush-conntrack\` ends all connections of the node's pods`,
  }));
}

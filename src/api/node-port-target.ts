// SPDX-License-Identifier: Apache-2.0

/** What {@link nodePortTarget} reads of a Service. */
export interface PoliciesAndPorts {
  readonly type?: string;
  readonly internalTrafficPolicy?: string;
  readonly externalTrafficPolicy?: string;
  readonly ports?:
    | readonly { readonly protocol?: string | null; readonly port?: number | null; readonly nodePort?: number | null }[]
    | null;
}

/**
 * The port of the ClusterIP to which a node translates a node port or an external address, where no kube-proxy does that. It is the Service's port, but
 * for a Service with `internalTrafficPolicy: Local` whose clients outside use the endpoints of all nodes: at its port OVN balances to those of one node.
 * There it is the number of the node port, at which OVN balances to all; unless the Service has that number as a port of the same protocol.
 */
export function nodePortTarget(spec: PoliciesAndPorts, { protocol, port, nodePort }: Port): number {
  const outside = spec.type === "NodePort" || spec.type === "LoadBalancer";
  if (!outside || spec.internalTrafficPolicy !== "Local" || spec.externalTrafficPolicy === "Local") return port;
  const taken = (spec.ports ?? []).some((other) => (other.protocol ?? "TCP") === protocol && other.port === nodePort);
  return nodePort > 0 && !taken ? nodePort : port;
}

/** One port of the Service; 0: it has no node port. */
interface Port {
  readonly protocol: string;
  readonly port: number;
  readonly nodePort: number;
}

// SPDX-License-Identifier: Apache-2.0

/** The part of a Service that {@link nodePortTarget} reads. */
export interface PoliciesAndPorts {
  readonly type?: string;
  readonly internalTrafficPolicy?: string;
  readonly externalTrafficPolicy?: string;
  readonly ports?:
    | readonly { readonly protocol?: string | null; readonly port?: number | null; readonly nodePort?: number | null }[]
    | null;
}

/**
 * The port of the ClusterIP to which a node translates a node port or an external address without kube-proxy. It is the Service's port, except for a
 * Service with `internalTrafficPolicy: Local` whose external clients use the endpoints of all nodes: at the Service's port OVN balances to the
 * endpoints of one node. Then it is the number of the node port, at which OVN balances to all endpoints, unless the Service has a port with that
 * number and protocol.
 */
export function nodePortTarget(spec: PoliciesAndPorts, { protocol, port, nodePort }: Port): number {
  const outside = spec.type === "NodePort" || spec.type === "LoadBalancer";
  if (!outside || spec.internalTrafficPolicy !== "Local" || spec.externalTrafficPolicy === "Local") return port;
  const taken = (spec.ports ?? []).some((other) => (other.protocol ?? "TCP") === protocol && other.port === nodePort);
  return nodePort > 0 && !taken ? nodePort : port;
}

/** One port of the Service; 0: no node port. */
interface Port {
  readonly protocol: string;
  readonly port: number;
  readonly nodePort: number;
}

// SPDX-License-Identifier: Apache-2.0

import { storable } from "../api/text.ts";
import type { AdminPeerFact, AdminPolicyFact, AdminPolicyKind, AdminPortFact, AdminRuleFact } from "./admin-policy.ts";
import { ourAnnotations, type ProjectedMeta } from "./meta.ts";

/** policy.networking.k8s.io/v1alpha1 AdminNetworkPolicyPort. */
interface PortObject {
  readonly portNumber?: { readonly protocol?: string; readonly port?: number };
  readonly portRange?: { readonly protocol?: string; readonly start?: number; readonly end?: number };
  readonly namedPort?: string;
}

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicyProtocol{TCP,UDP,SCTP}. */
interface TransportObject {
  readonly destinationPort?: {
    readonly number?: number;
    readonly range?: { readonly start?: number; readonly end?: number };
  };
}

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicyProtocol. */
interface ProtocolObject {
  readonly tcp?: TransportObject;
  readonly udp?: TransportObject;
  readonly sctp?: TransportObject;
  readonly destinationNamedPort?: string;
}

interface RuleObject {
  readonly name?: string;
  readonly action?: string;
  readonly from?: readonly AdminPeerFact[];
  readonly to?: readonly AdminPeerFact[];
  readonly ports?: readonly PortObject[];
  readonly protocols?: readonly ProtocolObject[];
}

/** What the projections read of a policy of any of the three kinds. */
export interface AdminPolicyObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: {
    readonly tier?: string;
    readonly priority?: number;
    readonly subject?: AdminPeerFact;
    readonly ingress?: readonly RuleObject[];
    readonly egress?: readonly RuleObject[];
  };
}

/** The fact of a policy of the kind `kind`. */
export function projectAdminPolicy(kind: AdminPolicyKind, { metadata, spec = {} }: AdminPolicyObject): AdminPolicyFact {
  const tier = kind === "anp" ? "Admin" : kind === "banp" ? "Baseline" : (spec.tier ?? "");
  return {
    key: metadata.name,
    namespace: "",
    name: metadata.name,
    uid: metadata.uid,
    generation: metadata.generation ?? 0,
    kind,
    tier,
    ...(kind !== "banp" && spec.priority !== undefined && { priority: spec.priority }),
    annotations: ourAnnotations(metadata),
    subject: peer(spec.subject ?? {}),
    ingress: (spec.ingress ?? []).map((entry) => rule(kind, entry, entry.from ?? [])),
    egress: (spec.egress ?? []).map((entry) => rule(kind, entry, entry.to ?? [])),
  };
}

function rule(kind: AdminPolicyKind, entry: RuleObject, peers: readonly AdminPeerFact[]): AdminRuleFact {
  const { name, action = "" } = entry;
  const ports = kind === "cnp" ? entry.protocols?.map(protocolPort) : entry.ports?.map(port);
  // It is part of an ACL's name, which administrators read.
  return { ...(name && { name: storable(name) }), action, peers: peers.map(peer), ...(ports && { ports }) };
}

/** Only known fields: a peer with an unknown field must not look like one with fewer conditions. */
function peer({ namespaces, pods, nodes, networks, domainNames }: AdminPeerFact): AdminPeerFact {
  return {
    ...(namespaces && { namespaces }),
    ...(pods && { pods }),
    ...(nodes && { nodes }),
    ...(networks && { networks }),
    ...(domainNames && { domainNames }),
  };
}

function port({ portNumber, portRange, namedPort }: PortObject): AdminPortFact {
  if (portNumber !== undefined) return range(portNumber.protocol, portNumber.port, portNumber.port);
  if (portRange !== undefined) return range(portRange.protocol, portRange.start, portRange.end);
  return namedPort === undefined ? {} : { name: namedPort };
}

function protocolPort({ tcp, udp, sctp, destinationNamedPort }: ProtocolObject): AdminPortFact {
  for (const [protocol, transport] of Object.entries({ TCP: tcp, UDP: udp, SCTP: sctp })) {
    if (transport === undefined) continue;
    const { number, range: span } = transport.destinationPort ?? {};
    return range(protocol, number ?? span?.start, number ?? span?.end);
  }
  return destinationNamedPort === undefined ? {} : { name: destinationNamedPort };
}

function range(protocol: string | undefined, first: number | undefined, last: number | undefined): AdminPortFact {
  return { protocol: protocol ?? "TCP", ...(first !== undefined && { first }), ...(last !== undefined && { last }) };
}

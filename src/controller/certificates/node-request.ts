// SPDX-License-Identifier: Apache-2.0

import { NODE } from "../../api/annotations.ts";
import { DAEMON_ACCOUNT, TOKEN_NODE } from "../../api/certificates.ts";
import type { CertificateRequest, Node } from "../../kube/types.ts";
import { isCommonName } from "../../pki/authority.ts";

/** A signer's verdict on a request: the name to certify, a final refusal, or what is still missing. */
export type RequestVerdict =
  | { readonly kind: "sign"; readonly commonName: string }
  | { readonly kind: "deny"; readonly message: string }
  | { readonly kind: "wait"; readonly message: string };

/** Usages that a node may request; it gets the second (RFC 5280 names, as certificates.k8s.io writes them). */
const USES: ReadonlySet<string> = new Set(["digital signature", "client auth"]);

/** The node whose daemon made a request, according to its token; or a verdict if there is none. */
export function requestingNode(request: CertificateRequest, namespace: string): string | RequestVerdict {
  const { username = "", extra = {}, usages = [] } = request.spec;
  if (username !== `system:serviceaccount:${namespace}:${DAEMON_ACCOUNT}`)
    return { kind: "deny", message: `${username} is not the account of weft-daemon` };
  const other = usages.find((usage) => !USES.has(usage));
  if (other !== undefined) return { kind: "deny", message: `nodes get no certificates for "${other}"` };
  const [node] = extra[TOKEN_NODE] ?? [];
  return node ?? { kind: "deny", message: "the token of the request is not bound to a pod of a node" };
}

/**
 * Decides a request of `node`, an object of the API server; `undefined`: it does not exist. `twins`: names of the nodes with that chassis. The name
 * comes from the Node, where only its own daemon can write it, and a name that another node has is refused, so no node can impersonate another one.
 */
export function judgeRequest(node: Node | undefined, twins: (chassis: string) => readonly string[]): RequestVerdict {
  if (node === undefined) return { kind: "deny", message: "there is no such Node" };
  const { name, annotations = {} } = node.metadata;
  const chassis = annotations[NODE.chassis];
  if (chassis === undefined) return { kind: "wait", message: `Node ${name} has no annotation ${NODE.chassis} yet` };
  if (!isCommonName(chassis))
    return {
      kind: "deny",
      message: `the system-id of node ${name}, ${JSON.stringify(chassis.slice(0, 80))}, cannot be a name in a certificate: up to 64 letters, digits, "-", "." and "_"`,
    };
  const others = twins(chassis).filter((other) => other !== name);
  if (others.length > 0)
    return { kind: "deny", message: `node ${others.slice(0, 3).join(", ")} is chassis ${chassis}, not only ${name}` };
  return { kind: "sign", commonName: chassis };
}

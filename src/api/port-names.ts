// SPDX-License-Identifier: Apache-2.0

/**
 * Names of logical ports that can be computed without other objects: the daemon uses them for OVS, and IP objects have these names. They depend on
 * their parts only. They are Kube-OVN's if the parts are unambiguous; otherwise a digest follows. Of two ambiguous names, the more usual one has no
 * digest:
 *
 * | name | may be | without digest |
 * | --- | --- | --- |
 * | `node-x.y` | pod `node-x` in `y`; node `x.y` | the pod's |
 * | `node-x.y.z` | pod `node-x.y` in `z`; node `x.y.z` | the node's |
 * | `a.b.c.d` | interface of pod `a` in `b` on network `c` of `d`; pod `a.b.c` in `d` | the interface's |
 */
import { OVN_PROVIDER } from "./annotations.ts";
import { digestOf } from "./composed-name.ts";

/** The prefix of the port names of nodes. */
export const NODE_PREFIX = "node-";

/** The prefixes of other port names, before the first dot. */
const U2O = "u2o-interconnection";
const QUERIER = "mcast-querier";
const FIRST_LABELS: ReadonlySet<string> = new Set([U2O, QUERIER, "localnet"]);

/** The end of a name with a digest; no other name has it. */
const DIGEST = /-x[0-9a-f]{20}$/;
const DIGEST_LENGTH = 22;
/** The longest name of an object: an RFC 1123 subdomain. */
const LIMIT = 253;

/**
 * The logical switch port of one interface of a pod, and with it the `IP` object of that interface and the `iface-id`
 * of the OVS port: `<pod>.<ns>` or `<pod>.<ns>.<provider>`, at most 253 characters. `owner` is the pod's name, or that of its virtual machine.
 */
export function podPortName(owner: string, namespace: string, provider: string = OVN_PROVIDER): string {
  const own = provider === OVN_PROVIDER;
  const plain = own ? `${owner}.${namespace}` : `${owner}.${namespace}.${provider}`;
  const clear = own ? isClear(owner, namespace) : isClearFurther(owner, namespace, provider);
  return portName(plain, clear, ["pod", owner, namespace, provider]);
}

/** Whether the name of a pod's own interface is unambiguous. */
function isClear(owner: string, namespace: string): boolean {
  const labels = owner.split(".");
  if (FIRST_LABELS.has(labels[0] ?? "")) return false;
  return labels.length === 1 || !(owner.startsWith(NODE_PREFIX) || isFurther([...labels, namespace]));
}

function isClearFurther(owner: string, namespace: string, provider: string): boolean {
  if (owner.includes(".") || owner.startsWith(NODE_PREFIX) || FIRST_LABELS.has(owner)) return false;
  return isFurther([owner, namespace, ...provider.split(".")]);
}

/** Whether labels can be a pod, a namespace, and a provider `<nad>.<ns>`, `<nad>.<ns>.ovn` or `<nad>.<ns>.ovn.<interface>`. */
function isFurther(labels: readonly string[]): boolean {
  if (labels.length === 4) return true;
  return (labels.length === 5 || labels.length === 6) && labels[4] === OVN_PROVIDER;
}

/** The logical switch port of a node on the join switch, and its `IP` object: `node-<node>`. */
export function nodePortName(node: string): string {
  return portName(`${NODE_PREFIX}${node}`, node.split(".").length !== 2, ["node", node]);
}

/** The `IP` object of a subnet's underlay-to-overlay router port: `u2o-interconnection.<vpc>.<subnet>`. */
export function u2oIpName(vpc: string, subnet: string): string {
  return portName(`${U2O}.${vpc}.${subnet}`, !vpc.includes(".") && !subnet.includes("."), ["u2o", vpc, subnet]);
}

/** Whether a name is that of {@link u2oIpName}, for some VPC and subnet. No pod's port has such a name. */
export function isU2oIpName(name: string): boolean {
  return name.startsWith(`${U2O}.`);
}

/** The `IP` object of a subnet's multicast querier: `mcast-querier.<subnet>`. */
export function multicastQuerierName(subnet: string): string {
  return portName(`${QUERIER}.${subnet}`, true, ["mcast", subnet]);
}

function portName(plain: string, clear: boolean, parts: readonly string[]): string {
  if (clear && plain.length <= LIMIT && !DIGEST.test(plain)) return plain;
  return `${plain.slice(0, LIMIT - DIGEST_LENGTH).replace(/[-.]+$/, "")}-x${digestOf(parts)}`;
}

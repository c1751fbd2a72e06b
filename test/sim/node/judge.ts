// SPDX-License-Identifier: Apache-2.0

import { isIn, type NumericAddress, readAddress, readBlock } from "../addresses.ts";
import { type ClusterView, JOIN, OWN, type SimulatedPod } from "../cluster-view.ts";
import type { SimNode } from "./node.ts";
import type { Sandbox } from "./runtime.ts";

/** The node's own interface into OVN. */
const GATEWAY = "ovn0";
/** Links must be up (IFF_UP): a route through a link that is down does not work. */
const MAIN_TABLE = 254;

/** For each sandbox with a network that its node cannot reach, why: read from the machine alone. */
export function unreachableSandboxes(
  node: SimNode,
  picture: ClusterView,
): { readonly sandbox: Sandbox; readonly why: string }[] {
  return node.runtime.sandboxes.flatMap((sandbox) => {
    const pod = picture.pods.find(({ uid, provider }) => uid === sandbox.pod.uid && provider === OWN);
    if (sandbox.result === undefined || sandbox.ending || node.broken.has(sandbox.netns)) return [];
    // Its record, through which OVN knows its port, must exist and belong to it: its state is checked elsewhere.
    const ip = picture.ips.find(({ name }) => name === pod?.port);
    const subnet = picture.subnet(ip?.subnet ?? "");
    if (pod === undefined || ip?.podUid !== pod.uid || subnet?.accepted !== true) return [];
    const why = missingPart(node, sandbox, pod.port) ?? missingWay(node, picture, sandbox, subnet.vpc);
    return why === undefined ? [] : [{ sandbox, why }];
  });
}

function missingPart(node: SimNode, sandbox: Sandbox, port: string): string | undefined {
  const end = [...node.machine.pairs].find(([, { wanted }]) => wanted.netns === sandbox.netns);
  if (end === undefined) return "it has no interface";
  const [name, { configured, wanted }] = end;
  if (node.machine.kernel.link(name)?.up !== true) return `the host's end ${name} is down`;
  if (!configured) return "its interface has no address";
  const ours = sandbox.result?.ips?.map(({ ip }) => ip) ?? [];
  if (wanted.addresses.map(({ ip }) => ip.text).join() !== ours.join()) return "its interface has another address";
  const face = node.vswitch.server.rows("Interface").find((row) => row.name === name);
  if (face === undefined) return `there is no port ${name}`;
  if (face.external_ids["iface-id"] !== port)
    return `port ${name} is bound to ${face.external_ids["iface-id"] ?? "nothing"}`;
  return undefined;
}

/** The node's own traffic reaches only pods of the default VPC, and only if it has an address in the join subnet of the same family. */
function missingWay(node: SimNode, picture: ClusterView, sandbox: Sandbox, vpc: string): string | undefined {
  if (vpc !== "ovn-cluster") return undefined;
  const own = picture.ips.find(({ name }) => name === `node-${node.name}`);
  const joined = (own?.addresses ?? []).flatMap((text) => readAddress(text) ?? []);
  if (own === undefined || !picture.nodes.some(({ name }) => name === node.name)) return undefined;
  for (const { ip } of sandbox.result?.ips ?? []) {
    const address = readAddress(ip);
    if (address === undefined || !joined.some(({ family }) => family === address.family)) continue;
    const device = deviceTo(node, address);
    if (device !== GATEWAY) return `the way to ${ip} leads to ${device ?? "nowhere"}`;
  }
  return undefined;
}

/** The link through which the node sends to an address: the longest prefix of its main table whose link is up. */
function deviceTo(node: SimNode, address: NumericAddress): string | undefined {
  const { kernel } = node.machine;
  const names = new Map(kernel.links().map((link) => [link.index, link]));
  const matching = kernel.routes({ table: MAIN_TABLE }).flatMap((route) => {
    const block = readBlock(route.destination);
    const link = names.get(route.device ?? -1);
    if (block === undefined || !isIn(block, address) || link === undefined || !link.up) return [];
    return [{ size: block.last - block.first, name: link.name }];
  });
  return matching.sort((a, b) => (a.size < b.size ? -1 : a.size > b.size ? 1 : 0))[0]?.name;
}

/**
 * Differences between a node and its contract, when all is quiet. `contracts`: subnet → the controller's contract for
 * nodes.
 */
export function judgeNode(
  node: SimNode,
  picture: ClusterView,
  contracts: ReadonlyMap<string, string>,
  touched: ReadonlySet<string>,
): string[] {
  return [
    ...unreachableSandboxes(node, picture).map(
      ({ sandbox, why }) => `${sandbox.pod.namespace}/${sandbox.pod.name} cannot be reached: ${why}`,
    ),
    ...podsWithoutNetwork(node, picture).flatMap(({ key, port }) =>
      touched.has(`ips/${port}`) ? [] : [`${key} has an address and no network`],
    ),
    ...leftovers(node, picture),
    ...wrongGateway(node, picture, contracts),
    ...ownWays(node, picture),
  ].map((what) => `on ${node.name}, ${what}`);
}

/** Pods with an allocated address that have no network. */
function podsWithoutNetwork(node: SimNode, picture: ClusterView): SimulatedPod[] {
  return picture.pods.filter((pod) => {
    if (pod.provider !== OWN || pod.node !== node.name || !pod.alive || pod.machine !== undefined) return false;
    if (pod.annotations["ovn.kubernetes.io/routed"] !== "true") return false;
    const sandbox = node.runtime.sandboxes.find(({ pod: { uid } }) => uid === pod.uid);
    return sandbox?.result === undefined && sandbox?.ending !== true;
  });
}

/**
 * Ports and host ends without a sandbox. Those that the runtime has lost stay as long as the pod exists, because the daemon cannot know that they are not
 * used.
 */
function leftovers(node: SimNode, picture: ClusterView): string[] {
  const found: string[] = [];
  const { sandboxes, lost } = node.runtime;
  const mayStay = [...lost].filter(([, uid]) => picture.pods.some((pod) => pod.uid === uid));
  const containers = new Set([
    ...sandboxes.map(({ container }) => container),
    ...mayStay.map(([container]) => container),
  ]);
  for (const { name, external_ids: ids } of node.vswitch.server.rows("Interface")) {
    const container = ids["container_id"];
    if (container !== undefined && !containers.has(container)) found.push(`port ${name} is orphaned`);
  }
  for (const { name, kind } of node.machine.kernel.links()) {
    if (kind !== "veth" || !/^[0-9a-f]{12}_h$/.test(name)) continue;
    if (![...containers].some((container) => name.startsWith(container.slice(0, 12))))
      found.push(`link ${name} is orphaned`);
  }
  return found;
}

/** `ovn0` with its addresses, and exactly the routes through it that the subnets require. */
function wrongGateway(node: SimNode, picture: ClusterView, contracts: ReadonlyMap<string, string>): string[] {
  const own = picture.ips.find(({ name }) => name === `node-${node.name}`);
  const join = picture.subnet(JOIN);
  if (own === undefined || join === undefined) return [];
  const { kernel } = node.machine;
  const link = kernel.link(GATEWAY);
  if (link?.up !== true) return [`${GATEWAY} is ${link === undefined ? "not there" : "down"}`];
  const found: string[] = [];
  const has = kernel.addresses({ index: link.index }).filter(({ scope }) => scope !== "link");
  const addresses = has
    .map(({ address }) => address)
    .sort()
    .join();
  if (addresses !== [...own.addresses].sort().join())
    found.push(`${GATEWAY} has ${addresses}, not ${own.addresses.join()}`);
  const families = own.addresses.flatMap((text) => readAddress(text)?.family ?? []);
  const joined = new Set((join.object.spec as { cidrBlock?: string }).cidrBlock?.split(","));
  const wanted = new Set<string>();
  for (const [name, contract] of contracts) {
    if (name === JOIN || contract === "") continue;
    const { cidrs } = JSON.parse(contract) as { readonly cidrs: readonly string[] };
    for (const cidr of cidrs) {
      const family = cidr.includes(":") ? 6 : 4;
      if (families.includes(family) && !joined.has(cidr)) wanted.add(cidr);
    }
  }
  // The kernel adds those of the addresses itself.
  const routes = kernel
    .routes({ device: link.index, table: MAIN_TABLE })
    .filter(({ gateway }) => gateway !== undefined);
  for (const cidr of wanted)
    if (!routes.some(({ destination }) => destination === cidr)) found.push(`there is no route to ${cidr}`);
  for (const { destination } of routes)
    if (!wanted.has(destination)) found.push(`there is a route to ${destination} for nothing`);
  if (![...node.machine.tables.keys()].some((name) => / weft/.test(name))) found.push("there are no packet rules");
  if (node.machine.conflist === undefined) found.push("the runtime has no network configuration");
  return found;
}

/** A node reaches other nodes and external hosts through its own network. */
function ownWays(node: SimNode, picture: ClusterView): string[] {
  const others = picture.nodes.flatMap(({ addresses }) => addresses).filter(({ family }) => family === 4);
  const world = readAddress("192.0.2.200");
  return [...others, ...(world === undefined ? [] : [world])].flatMap((address) => {
    const device = deviceTo(node, address);
    return device === GATEWAY ? [`its own traffic to ${address.value} leaves by ${device}`] : [];
  });
}

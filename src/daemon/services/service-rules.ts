// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE, SERVICE_INTERFACE } from "../../api/names.ts";
import type { NodeServices } from "../../contract/node.ts";
import type { Family, Ip } from "../../net/address.ts";
import { type Cidr, cidrContains } from "../../net/cidr.ts";
import { isInVpc, type NftProtocol, type NodeService } from "./node-services.ts";

/** The nftables table of the Services that nodes serve. */
export const SERVICE_TABLE = "inet weft/services";

/** The input of the table. */
export interface ServiceRulesInput {
  readonly contract: NodeServices;
  /** The node's own addresses from which it connects to pods, at most one of each family. */
  readonly from: readonly Ip[];
  readonly services: readonly NodeService[];
  /** Key of a Service with `local` → its endpoints on this node. */
  readonly endpoints: ReadonlyMap<string, readonly LocalEndpoint[]>;
  /** Its ready endpoints on all nodes. */
  readonly everywhere: ReadonlyMap<string, readonly LocalEndpoint[]>;
}

/** An endpoint of one port of a Service. */
export interface LocalEndpoint {
  /** Name of the Service's port. */
  readonly port: string;
  readonly protocol: NftProtocol;
  readonly ip: Ip;
  readonly number: number;
}

/**
 * Compiles the nftables rules for node ports and external addresses, and for the node's own connections to Services,
 * as input of `nft -f -`. A node port or external address is translated to the ClusterIP, which is routed to
 * `ovn-services`, where OVN balances it as for pods. The source is the node's address on the switch of Services, so
 * that replies return through this node. With `externalTrafficPolicy: Local` the destination is translated to an
 * endpoint on this node instead, and the client's address is kept; connections of the node itself from an address of
 * `from` go to any ready endpoint of such a Service, also with their own source. Replies to its other addresses, such as
 * an external address that it announces, would not come back from other nodes.
 *
 * The chains come before kube-proxy's, so both can run until kube-proxy is removed. Named sets and maps are not used,
 * see `compileHostRules`. Pure; the order of the input does not matter.
 */
export function compileServiceRules(input: ServiceRulesInput): string {
  const { sources } = input.contract;
  const rules = sources.map(({ family }) => serviceRules(family, input));
  return [
    `table ${SERVICE_TABLE} {}`,
    `delete table ${SERVICE_TABLE}`,
    `table ${SERVICE_TABLE} {`,
    "  chain local {",
    ...rules.flatMap(({ local }) => local),
    "  }",
    "  chain own {",
    ...rules.flatMap(({ own }) => own),
    "  }",
    "  chain services {",
    ...rules.flatMap(({ all }) => all),
    "  }",
    "  chain prerouting {",
    "    type nat hook prerouting priority dstnat - 5; policy accept;",
    `    iifname != "${NODE_INTERFACE}" jump local`,
    "    jump services",
    "  }",
    "  chain output {",
    // nft 1.0 has no name for this priority in this hook.
    "    type nat hook output priority -105; policy accept;",
    ...input.from.map(({ family, text }) => `    ${family === 4 ? "ip" : "ip6"} saddr ${text} jump own`).sort(),
    "    jump services",
    "  }",
    "  chain forward {",
    "    type filter hook forward priority filter - 1; policy accept;",
    ...sources.flatMap((source) => refuseUnknown(source, input.contract.cidrs)),
    "  }",
    "  chain postrouting {",
    "    type nat hook postrouting priority srcnat - 2; policy accept;",
    ...sources.flatMap((source) => sourceRules(source, input.contract.cidrs)),
    "  }",
    "}",
    "",
  ].join("\n");
}

/**
 * Translation of destinations of one family. `local`: clients outside use only endpoints on this node of Services with `externalTrafficPolicy:
 * Local`; the node itself (`own`) and its pods use all endpoints, as in kube-proxy.
 */
function serviceRules(
  family: Family,
  { contract, services, endpoints, everywhere }: ServiceRulesInput,
): Record<"local" | "own" | "all", readonly string[]> {
  const word = family === 4 ? "ip" : "ip6";
  const filters: string[] = [];
  const local: string[] = [];
  const ofNode: string[] = [];
  const external = new Map<string, string>();
  const nodePorts = new Map<string, string>();
  const ranked = inOrder(services, contract.vpc);
  const owners = ownersOf(ranked);
  const toNode = `fib daddr type local ${word} daddr != ${family === 4 ? "127.0.0.0/8" : "::1"}`;
  for (const service of ranked) {
    const address = service.addresses.find((ip) => ip.family === family);
    if (address === undefined) continue;
    const [own, balanced] = [service.externalIps, service.loadBalancerIps].map((ips) =>
      ips.filter((ip) => ip.family === family),
    );
    const keepsClient = service.local && isInVpc(service, contract.vpc);
    const ranges = service.sourceRanges.filter((range) => range.family === family);
    for (const { name, protocol, port, nodePort, target: number } of service.ports) {
      if (service.sourceRanges.length > 0) {
        const others = ranges.length === 0 ? "" : `${word} saddr != ${set(ranges)} `;
        for (const ip of (balanced ?? []).filter((ip) => owners.get(externalKey(ip, protocol, port)) === service.key))
          filters.push(
            `${word} daddr ${ip.text} ${protocol} dport ${port} ${others}counter drop comment "loadBalancerSourceRanges"`,
          );
      }
      const target = `${address.text} . ${number}`;
      const endpointsIn = (map: ServiceRulesInput["endpoints"]): readonly LocalEndpoint[] =>
        (map.get(service.key) ?? []).filter(
          (each) => each.port === name && each.protocol === protocol && each.ip.family === family,
        );
      const [here, ready] = keepsClient ? [endpointsIn(endpoints), endpointsIn(everywhere)] : [[], []];
      const keep = (match: string): void => {
        if (!keepsClient) return;
        local.push(
          ...(toOne(word, match, here, service) ?? [`${match} counter drop comment "no endpoint on this node"`]),
        );
        ofNode.push(...(toOne(word, match, ready, service) ?? []));
      };
      for (const ip of [...(own ?? []), ...(balanced ?? [])]) {
        const key = externalKey(ip, protocol, port);
        if (owners.get(key) !== service.key || contract.cidrs.some((cidr) => cidrContains(cidr, ip))) continue;
        keep(`${word} daddr ${ip.text} ${protocol} dport ${port}`);
        external.set(key, target);
      }
      if (nodePort === 0) continue;
      keep(`${toNode} ${protocol} dport ${nodePort}`);
      nodePorts.set(`${protocol} . ${nodePort}`, target);
    }
  }
  const lookUp = (key: string, map: ReadonlyMap<string, string>): readonly string[] =>
    map.size === 0 ? [] : [`dnat ${word} to ${key} map { ${elements(map)} }`];
  const indent = (rule: string): string => `    ${rule}`;
  const all = [
    ...lookUp(`${word} daddr . meta l4proto . th dport`, external),
    ...lookUp("meta l4proto . th dport", nodePorts).map((rule) => `${toNode} ${rule}`),
  ];
  return { local: [...filters, ...local].map(indent), own: ofNode.map(indent), all: all.map(indent) };
}

/** Those of the nodes' VPC first, then by age, then by key: of several Services with one external address and port the first one has it. */
function inOrder(services: readonly NodeService[], vpc: string): readonly NodeService[] {
  const rank = (service: NodeService): string => `${isInVpc(service, vpc) ? 0 : 1} ${service.created} ${service.key}`;
  return [...services].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/** External address and port → the key of the Service that has it. An address in a status comes before `externalIPs`, as in `takenPorts` of the controller. */
function ownersOf(services: readonly NodeService[]): ReadonlyMap<string, string> {
  const owners = new Map<string, string>();
  for (const list of ["loadBalancerIps", "externalIps"] as const)
    for (const service of services)
      for (const { protocol, port } of service.ports)
        for (const ip of service[list]) {
          const key = externalKey(ip, protocol, port);
          if (!owners.has(key)) owners.set(key, service.key);
        }
  return owners;
}

function externalKey({ text }: Ip, protocol: NftProtocol, port: number): string {
  return `${text} . ${protocol} . ${port}`;
}

/** Without a seed the kernel takes a random one whenever rules are loaded (nft_hash.c), and any change of a Service would move all clients. */
const SEED = "0x77656674";

/**
 * Distributes connections over endpoints: in turn, or by the client's address for a Service with session affinity. Undefined without endpoints: those from
 * outside are dropped then, so that an external load balancer tries another node.
 */
function toOne(
  word: "ip" | "ip6",
  match: string,
  endpoints: readonly LocalEndpoint[],
  { affinity }: Pick<NodeService, "affinity">,
): readonly [string] | undefined {
  const targets = [...new Set(endpoints.map(({ ip, number }) => `${ip.text} . ${number}`))].sort();
  if (targets.length === 0) return undefined;
  const map = targets.map((target, i) => `${i} : ${target}`).join(", ");
  const count = targets.length;
  const turn = affinity ? `jhash ${word} saddr mod ${count} seed ${SEED}` : `numgen random mod ${count}`;
  return [`${match} dnat ${word} to ${turn} map { ${map} }`];
}

/**
 * Refuses packets that OVN has not balanced: the Service has no endpoints, the packet returns from OVN, and would be
 * sent to OVN again.
 */
function refuseUnknown({ family, text }: Ip, cidrs: readonly Cidr[]): readonly string[] {
  const word = family === 4 ? "ip" : "ip6";
  const ranges = cidrs.filter((cidr) => cidr.family === family);
  if (ranges.length === 0) return [];
  const match = `    iifname "${NODE_INTERFACE}" ${word} saddr ${text} ${word} daddr ${set(ranges)}`;
  return [
    `${match} meta l4proto tcp counter reject with tcp reset`,
    `${match} counter reject with icmpx port-unreachable`,
  ];
}

/** Sources of one family: towards OVN the node's address for Services; from there to an endpoint outside OVN the node's own address. */
function sourceRules({ family, text }: Ip, cidrs: readonly Cidr[]): readonly string[] {
  const word = family === 4 ? "ip" : "ip6";
  const ranges = cidrs.filter((cidr) => cidr.family === family);
  if (ranges.length === 0) return [];
  return [
    `    oifname "${SERVICE_INTERFACE}" ${word} daddr ${set(ranges)} ${word} saddr != ${text} snat ${word} to ${text} comment "to Services"`,
    `    oifname != { "${NODE_INTERFACE}", "${SERVICE_INTERFACE}" } ${word} saddr ${text} masquerade comment "to endpoints outside the VPC"`,
  ];
}

function set(cidrs: readonly Cidr[]): string {
  return `{ ${cidrs
    .map(({ text }) => text)
    .sort()
    .join(", ")} }`;
}

function elements(map: ReadonlyMap<string, string>): string {
  return [...map]
    .map(([key, value]) => `${key} : ${value}`)
    .sort()
    .join(", ");
}

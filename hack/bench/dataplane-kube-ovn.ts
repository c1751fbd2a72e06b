// SPDX-License-Identifier: Apache-2.0

import type { Lab } from "../lab/lab.ts";
import { addressOf } from "../lab/topology.ts";
import { nbctl } from "./dataplane-others.ts";
import { type AddedLink, addLink, inside, type PathEnd, removeLinks, vsctl } from "./dataplane-raw.ts";
import { CONNECTIONS_PORT, IPERF_PORT } from "./dataplane-traffic.ts";

/**
 * The rows that Kube-OVN v1.17.0 (github.com/kubeovn/kube-ovn, commit 1533681d) writes for the pods, the subnet, the nodes, the Services and the NetworkPolicy of
 * the bench, in the same northbound database as Weft's, with another router, switches and names. Kube-OVN itself does not run.
 *
 * | rows | taken from |
 * | --- | --- |
 * | router and its options | `createVpcRouter`, pkg/controller/vpc.go |
 * | switches and their ports to the router, without options | `CreateLogicalSwitch`, pkg/ovs/ovn-nb-logical_switch.go; `CreateRouterPortOp`, pkg/ovs/ovn-nb.go |
 * | default route to the gateway of the join subnet | `handleAddOrUpdateVpc`, pkg/controller/vpc.go |
 * | six load balancers, of all Services of a protocol each, on each switch but the join subnet's | `initLB`, pkg/controller/init.go; pkg/controller/subnet.go |
 * | ports: addresses without `port_security` (its default), options and DHCP | `buildLogicalSwitchPort`, pkg/ovs/ovn-nb-logical_switch_port.go |
 * | port groups of each node, and of each node and subnet, with their pods | `handleAddNode`, pkg/controller/node.go; `createPortGroupForDistributedSubnet`, pkg/controller/subnet.go |
 * | router policies 31000 (subnets), 30000 (nodes), 29000 (distributed gateways) | pkg/controller/subnet.go, pkg/controller/node.go; priorities: pkg/util/const.go |
 * | policy: group, address sets, ACLs 2000 and 2001 of tier 2; ACLs 3000 of nodes | pkg/controller/network_policy.go, `CreateNodeACL`, pkg/ovs/ovn-nb-acl.go |
 * | `use_ct_inv_match=false`, while its paths are measured | `SetUseCtInvMatch`, pkg/ovs/ovn-nb_global.go |
 * | the pod's interface and its port of br-int | `configureNic`, pkg/daemon/ovs_linux.go |
 *
 * Not there: `external_ids`, by which Weft would take the rows for those of a Kube-OVN that it replaces; `ls_dnat_mod_dl_dst`, `ls_ct_skip_dst_lport_ips` and
 * `prefer_local_backend`, which only Kube-OVN's build of OVN knows; the nodes' interfaces `ovn0`, for no path leads there. What its start-ovs.sh sets (hw-offload
 * off, no other threads on a small machine) is so here too.
 */
export interface KubeOvnRows {
  readonly undo: () => Promise<void>;
  /** Runs `action` while the option of the whole database is as Kube-OVN sets it. */
  readonly during: <T>(action: () => Promise<T>) => Promise<T>;
  /** Addresses of Services of the second and of the third pod. */
  readonly service: string;
  readonly guarded: string;
}

const [ROUTER, PODS, JOIN] = ["weft-bench-ko", "weft-bench-ko-pods", "weft-bench-ko-join"];
/** Of the pods' subnet, and of the join subnet. */
const [ROUTER_MAC, JOIN_MAC] = ["0a:00:00:00:fe:01", "0a:00:00:00:fe:02"];
const JOIN_PREFIX = "100.65.0";
const [NODE_ROUTES, SUBNET_ROUTES, GATEWAY_ROUTES] = [30_000, 31_000, 29_000];

/**
 * Writes the rows and gives the pods another interface. `ends`: the client, its Services' pods (the third one has the policy) and others, with addresses from
 * `prefix`.2 on; Services get addresses of `services`.
 */
export async function addKubeOvnRows(
  lab: Lab,
  ends: readonly PathEnd[],
  { prefix, services }: { readonly prefix: string; readonly services: string },
): Promise<KubeOvnRows> {
  const links = await Promise.all(
    ends.map((end, i) => addLink(lab, end, { port: `kubeovnp${i}`, inside: "kubeovn0" })),
  );
  const [service, guarded] = [`${services}.10`, `${services}.11`];
  const pods = `${prefix}.0/24`;
  await nbctl(lab, ...joined(router(pods, prefix)));
  await nbctl(
    lab,
    ...joined(balancers(services, [service, ends[1]?.address ?? ""], [guarded, ends[2]?.address ?? ""])),
  );
  await nbctl(lab, ...joined(ports(ends, links)));
  await nbctl(lab, ...joined(lab.nodes.flatMap((node, i) => nodeRows(node, i, ends, lab))));
  await nbctl(lab, ...joined(policy(ends)));
  for (const [i, { node, port }] of links.entries()) {
    const ids = ["set", "interface", port, `external_ids:iface-id=${portName(i)}`];
    await vsctl(lab, node, "add-port", "br-int", port, "--", ...ids);
    await inside(ends[i]?.netns ?? "", "ip", "route", "add", `${services}.0/24`, "via", `${prefix}.1`);
  }
  await nbctl(lab, "--wait=hv", "sync");
  const option = "options:use_ct_inv_match";
  return {
    service,
    guarded,
    during: async (action) => {
      await nbctl(lab, "--wait=hv", "set", "NB_Global", ".", `${option}=false`);
      try {
        return await action();
      } finally {
        await nbctl(lab, "--wait=hv", "remove", "NB_Global", ".", "options", "use_ct_inv_match");
      }
    },
    undo: async () => {
      for (const { node, port } of links) await vsctl(lab, node, "--if-exists", "del-port", port);
      await removeLinks(lab, links);
      for (const name of [PODS, JOIN]) await nbctl(lab, "--if-exists", "ls-del", name);
      await nbctl(lab, "--if-exists", "lr-del", ROUTER);
      for (const name of [...BALANCERS.map(balancerName)]) await nbctl(lab, "--if-exists", "lb-del", name);
      for (const name of [GUARDED, ...lab.nodes.flatMap((node) => [nodeGroup(node), subnetGroup(node)])])
        await nbctl(lab, "--if-exists", "destroy", "Port_Group", name);
      for (const name of [ALLOWED, EXCEPTED]) await nbctl(lab, "--if-exists", "destroy", "Address_Set", name);
    },
  };
}

/** Commands of ovn-nbctl for one transaction. */
function joined(commands: readonly (readonly string[])[]): readonly string[] {
  return commands.flatMap((command, i) => (i === 0 ? command : ["--", ...command]));
}

const portName = (i: number): string => `weft-bench-ko-${i}`;

function router(pods: string, prefix: string): readonly (readonly string[])[] {
  const options = [
    "mac_binding_age_threshold=300",
    "dynamic_neigh_routers=true",
    "always_learn_from_arp_request=false",
  ];
  const attach = (name: string, mac: string, gateway: string): readonly (readonly string[])[] => [
    ["ls-add", name],
    ["lrp-add", ROUTER, `${ROUTER}-${name}`, mac, gateway],
    ["lsp-add", name, `${name}-${ROUTER}`],
    ["lsp-set-type", `${name}-${ROUTER}`, "router"],
    ["lsp-set-addresses", `${name}-${ROUTER}`, "router"],
    ["lsp-set-options", `${name}-${ROUTER}`, `router-port=${ROUTER}-${name}`],
  ];
  return [
    ["lr-add", ROUTER],
    ["set", "Logical_Router", ROUTER, ...options.map((option) => `options:${option}`)],
    ...attach(PODS, ROUTER_MAC, `${prefix}.1/24`),
    ...attach(JOIN, JOIN_MAC, `${JOIN_PREFIX}.1/16`),
    ["lr-route-add", ROUTER, "0.0.0.0/0", `${JOIN_PREFIX}.1`],
    ...[pods, `${JOIN_PREFIX}.0/16`].map((cidr) => allow(SUBNET_ROUTES, `ip4.dst == ${cidr}`)),
  ];
}

const allow = (priority: number, match: string): readonly string[] => [
  ...["lr-policy-add", ROUTER, `${priority}`, match, "allow"],
];

const BALANCERS = ["tcp", "udp", "sctp"].flatMap((protocol) => [
  { protocol, session: false },
  { protocol, session: true },
]);

const balancerName = ({ protocol, session }: { readonly protocol: string; readonly session: boolean }): string =>
  `weft-bench-ko-${protocol}${session ? "-session" : ""}-loadbalancer`;

/** The Services of a small cluster: the API server, DNS, and those of the bench. */
function balancers(
  services: string,
  ...bench: readonly (readonly [address: string, endpoint: string])[]
): readonly (readonly string[])[] {
  const vips = new Map<string, string[]>([
    ["tcp", [`"${services}.1:443"="172.18.0.2:6443"`, `"${services}.2:53"="10.16.0.2:53,10.16.0.3:53"`]],
    ["udp", [`"${services}.2:53"="10.16.0.2:53,10.16.0.3:53"`]],
  ]);
  for (const [address, endpoint] of bench)
    for (const [protocol, port] of [
      ["tcp", IPERF_PORT],
      ["udp", IPERF_PORT],
      ["tcp", CONNECTIONS_PORT],
    ] as const)
      vips.get(protocol)?.push(`"${address}:${port}"="${endpoint}:${port}"`);
  return BALANCERS.flatMap((balancer) => {
    const { protocol, session } = balancer;
    const name = balancerName(balancer);
    const columns = session
      ? ["selection_fields=ip_src,ipv6_src", "options:affinity_timeout=10800"]
      : [`vips={${vips.get(protocol)?.join(",") ?? ""}}`, ...(protocol === "udp" ? ["options:ct_flush=true"] : [])];
    return [
      ["create", "Load_Balancer", `name=${name}`, `protocol=${protocol}`, ...columns],
      ["ls-lb-add", PODS, name],
    ];
  });
}

function ports(ends: readonly PathEnd[], links: readonly AddedLink[]): readonly (readonly string[])[] {
  return ends.flatMap(({ address }, i) => [
    ["lsp-add", PODS, portName(i)],
    ["lsp-set-addresses", portName(i), `${links[i]?.mac} ${address}`],
  ]);
}

const dotted = (name: string): string => name.replaceAll("-", ".");
const nodeGroup = (node: string): string => dotted(`${ROUTER}-node-${node}`);
const subnetGroup = (node: string): string => dotted(`${PODS}-${node}`);

function nodeRows(node: string, i: number, ends: readonly PathEnd[], lab: Lab): readonly (readonly string[])[] {
  const join = `${JOIN_PREFIX}.${i + 2}`;
  const pods = [...ends.entries()].filter(([, end]) => end.node === node).map(([nth]) => portName(nth));
  const reroute = (priority: number, match: string): readonly string[] => [
    ...["lr-policy-add", ROUTER, `${priority}`, match, "reroute", join],
  ];
  const acl = (flags: readonly string[], direction: string, match: string): readonly string[] => [
    ...["--type=port-group", "--tier=2", ...flags, "acl-add", nodeGroup(node), direction, "3000", match],
    "allow-related",
  ];
  const address = addressOf(lab.nodes[i] ?? "").v4;
  const own = `$${nodeGroup(node)}_ip4`;
  return [
    ["lsp-add", JOIN, `${ROUTER}-node-${node}`],
    ["lsp-set-addresses", `${ROUTER}-node-${node}`, `0a:00:00:00:ff:0${i + 1} ${join}`],
    ["pg-add", nodeGroup(node), ...pods],
    ["pg-add", subnetGroup(node), ...pods],
    reroute(NODE_ROUTES, `ip4.dst == ${address}`),
    reroute(GATEWAY_ROUTES, `ip4.src == $${subnetGroup(node)}_ip4`),
    acl([], "to-lport", `ip4.src == ${address} && ip4.dst == ${own}`),
    acl(["--apply-after-lb"], "from-lport", `ip4.dst == ${address} && ip4.src == ${own}`),
  ];
}

const [GUARDED, ALLOWED, EXCEPTED] = ["weft.bench.ko.guarded", "weft.bench.ko.allow.0", "weft.bench.ko.except.0"];

function policy(ends: readonly PathEnd[]): readonly (readonly string[])[] {
  const acl = (priority: number, match: string, action: string): readonly string[] => [
    ...["--type=port-group", "--tier=2", "acl-add", GUARDED, "to-lport", `${priority}`, match, action],
  ];
  const port = `outport == @${GUARDED} && ip`;
  return [
    ["pg-add", GUARDED, portName(2)],
    ["create", "Address_Set", `name=${ALLOWED}`, `addresses="${ends[0]?.address}"`],
    ["create", "Address_Set", `name=${EXCEPTED}`],
    acl(2000, port, "drop"),
    acl(2001, `${port} && ip4.src == $${ALLOWED} && ip4.src != $${EXCEPTED}`, "allow-related"),
  ];
}

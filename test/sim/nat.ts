// SPDX-License-Identifier: Apache-2.0

import type { Random } from "./random.ts";
import type { Action, NatAction, NatType } from "./script.ts";

/** External subnets, of which the default one may have both families. Few addresses, so that everything that can have one wants the same ones. */
const EXTERNAL = "external" as const;
const FURTHER = "out" as const;
const BLOCKS = { [EXTERNAL]: ["172.30.0.0/28", "172.30.0.0/28,fd00:30::/124"], [FURTHER]: ["172.31.0.0/29"] } as const;
const BASES = { [EXTERNAL]: "172.30.0", [FURTHER]: "172.31.0" } as const;
type External = keyof typeof BLOCKS;

/** VPCs with the same addresses inside, and the default one. */
const VPCS = ["nat-a", "nat-b"] as const;
const INSIDE = "10.90.0.0/28";
const VLAN = "wire";
const EIPS = ["e1", "e2", "e3", "e4"] as const;
const RULES = ["r1", "r2", "r3"] as const;
const SERVICES = ["lb-1", "lb-2"] as const;
const GATEWAYS = ["n1", "n2", "n3"] as const;
const CONFIG = { type: "configmaps", ns: "kube-system", name: "ovn-external-gw-config" } as const;

/** An external network, VPCs that are connected to it, and some of the objects that have addresses there. */
export function natAtFirst(random: Random): Action[] {
  const subnets = Object.keys(BLOCKS) as External[];
  return [
    { at: random.int(0, 2_000), do: "nat-put", type: "vlans", name: VLAN, spec: { id: 0, provider: "outside" } },
    ...subnets.map((name): Action => ({ at: random.int(0, 3_000), do: "subnet", ...externalSubnet(random, name) })),
    ...GATEWAYS.slice(0, 2).flatMap((name, i): Action[] => [
      { at: random.int(0, 2_000), do: "node", name, address: `172.18.0.${11 + i}` },
      { at: random.int(2_000, 6_000), do: "nat-node", name, gateway: true },
    ]),
    ...VPCS.flatMap((vpc): Action[] => [
      { at: random.int(0, 2_000), do: "vpc", name: vpc, spec: { enableExternal: true } },
      { at: random.int(0, 4_000), do: "subnet", name: `${vpc}-pods`, spec: { vpc, cidrBlock: INSIDE } },
      podIn(random, random.int(2_000, 8_000), `${vpc}-pods`, "1"),
    ]),
    { at: random.int(0, 9_000), do: "vpc", name: "ovn-cluster", spec: { enableExternal: random.chance(0.7) } },
    ...EIPS.slice(0, 3).map((name): Action => ({ at: random.int(0, 9_000), do: "nat-put", ...eip(random, name) })),
    { at: random.int(0, 9_000), do: "nat-put", ...fip(random, "r1") },
    { at: random.int(0, 9_000), do: "nat-put", ...snat(random, "r1") },
    { at: random.int(0, 9_000), do: "nat-put", ...dnat(random, "r1") },
    { at: random.int(0, 9_000), do: "nat-put", ...service(random, "lb-1") },
  ];
}

/** One thing that a user does with objects that have addresses outside, or with what those need. */
export function natAction(random: Random, at: number): Action[] {
  const what = random.weighted({
    ...{ eip: 4, fip: 5, snat: 4, dnat: 4, balancer: 3, service: 4, vip: 2, pod: 4, kiosk: 4, config: 2, vpc: 3 },
    ...{ external: 1, inside: 1, vlan: 0.5, node: 2, reserve: 1, row: 2, delete: 8, again: 4 },
  });
  switch (what) {
    case "eip":
      return [{ at, do: "nat-put", ...eip(random, random.pick(EIPS)) }];
    case "fip":
      return [{ at, do: "nat-put", ...fip(random, random.pick(RULES)) }];
    case "snat":
      return [{ at, do: "nat-put", ...snat(random, random.pick(RULES)) }];
    case "dnat":
      return [{ at, do: "nat-put", ...dnat(random, random.pick(RULES)) }];
    case "balancer":
      return [{ at, do: "nat-put", ...balancer(random, random.pick(RULES)) }];
    case "service":
      return [{ at, do: "nat-put", ...service(random, random.pick(SERVICES)) }];
    case "vip": {
      const subnet = random.pick([EXTERNAL, FURTHER, "nat-a-pods"] as const);
      const base = subnet === "nat-a-pods" ? "10.90.0" : BASES[subnet];
      const v4ip = random.chance(0.6) ? { v4ip: `${base}.${random.int(2, 6)}` } : {};
      const type = random.pick(["", "switch_lb_vip", "kube_host_vm_vip"]);
      return [
        { at, do: "vip", name: random.pick(["vip-x", "vip-y"]), spec: { namespace: "default", subnet, type, ...v4ip } },
      ];
    }
    case "pod":
      return [podIn(random, at, random.pick(["nat-a-pods", "nat-b-pods", EXTERNAL]), random.pick(["1", "2"]))];
    case "kiosk":
      return [kiosk(random, at)];
    case "config": {
      const type = random.pick(["centralized", "distributed"]);
      const nic = random.chance(0.5) ? { "nic-ip": `${anyHost(random, EXTERNAL)}/28` } : {};
      const enabled = { "enable-external-gw": String(random.chance(0.7)) };
      return [{ at, do: "nat-put", ...CONFIG, data: { ...enabled, "external-gw-nodes": "n1,n3", type, ...nic } }];
    }
    case "vpc": {
      const extra = random.pick([null, [EXTERNAL], [FURTHER], [EXTERNAL, FURTHER]]);
      const spec = { enableExternal: random.chance(0.8), extraExternalSubnets: extra };
      return [{ at, do: "vpc", name: random.pick([...VPCS, "ovn-cluster"]), spec }];
    }
    case "external":
      return [{ at, do: "subnet", ...externalSubnet(random, random.pick([EXTERNAL, FURTHER] as const)) }];
    case "inside": {
      const vpc = random.pick(VPCS);
      return [{ at, do: "subnet", name: `${vpc}-pods`, spec: { vpc, cidrBlock: INSIDE } }];
    }
    case "vlan":
      return [{ at, do: "nat-put", type: "vlans", name: VLAN, spec: { id: random.pick([0, 7]), provider: "outside" } }];
    case "node":
      return [{ at, do: "nat-node", name: random.pick(GATEWAYS), gateway: random.chance(0.7) }];
    case "reserve": {
      const subnet = random.pick([EXTERNAL, FURTHER] as const);
      return [{ at, do: "reserve", name: "keep-out", spec: { subnet, v4IpAddress: anyHost(random, subnet) } }];
    }
    case "row":
      return [
        {
          at,
          do: "nat-lose-row",
          table: random.pick(["NAT", "Load_Balancer", "Logical_Router_Port"]),
          pick: random.next(),
        },
      ];
    case "delete":
      return [gone(random, at)];
    case "again": {
      // Another object of the name, at once or when the former is gone.
      const [type, make, names] = random.pick(MAKERS);
      const name = random.pick(names);
      const last: Action = { at, do: "nat-delete", type, name, ...(type === "services" && { ns: "default" }) };
      return [last, { at: at + random.pick([1, 300, 6_000]), do: "nat-put", ...make(random, name) }];
    }
  }
}

type Put = Omit<Extract<NatAction, { do: "nat-put" }>, "do">;

const MAKERS: readonly (readonly [NatType, (random: Random, name: string) => Put, readonly string[]])[] = [
  ["ovn-eips", eip, EIPS],
  ["ovn-fips", fip, RULES],
  ["ovn-snat-rules", snat, RULES],
  ["ovn-dnat-rules", dnat, RULES],
  ["router-lb-rules", balancer, RULES],
  ["services", service, SERVICES],
];

function externalSubnet(random: Random, name: External) {
  return { name, spec: { vlan: VLAN, cidrBlock: random.pick(BLOCKS[name]) } };
}

function anyHost(random: Random, subnet: External): string {
  return `${BASES[subnet]}.${random.int(2, 6)}`;
}

function anyEip(random: Random): string {
  return random.weighted({
    e1: 4,
    e2: 3,
    e3: 2,
    e4: 1,
    n1: 0.5,
    "nat-a-external": 1,
    "pods-172-30-0-3": 0.3,
    nowhere: 0.3,
  });
}

function eip(random: Random, name: string): Put {
  const externalSubnet = random.pick([EXTERNAL, EXTERNAL, FURTHER] as const);
  const asked = random.chance(0.5) ? { v4Ip: anyHost(random, externalSubnet) } : {};
  const put = { type: "ovn-eips", spec: { externalSubnet, ...asked } } as const;
  // That of a node has its name.
  if (random.chance(0.1)) return { ...put, name: random.pick(GATEWAYS), spec: { ...put.spec, type: "lsp" } };
  return { ...put, name, spec: { ...put.spec, ...(random.chance(0.3) && { type: "nat" }) } };
}

/** A target by its IP object, its Vip or its address, which exists in both VPCs. */
function target(random: Random): Readonly<Record<string, unknown>> {
  const how = random.weighted({ ip: 5, vip: 2, address: 3, nowhere: 0.3 });
  const low = random.int(2, 5);
  return {
    ip: { ipName: random.pick(["nat-a-1.default", "nat-a-2.default", "nat-b-1.default", "kiosk-1.default"]) },
    vip: { ipType: "vip", ipName: random.pick(["vip-x", "vip-y"]) },
    address: { vpc: random.pick(VPCS), v4Ip: `10.90.0.${low}` },
    nowhere: { ipName: "absent.default" },
  }[how];
}

function fip(random: Random, name: string): Put {
  const type = random.pick(["distributed", "centralized", undefined]);
  return { type: "ovn-fips", name, spec: { ovnEip: anyEip(random), ...(type && { type }), ...target(random) } };
}

function snat(random: Random, name: string): Put {
  const from = random.pick<Readonly<Record<string, unknown>>>([
    ...VPCS.map((vpc) => ({ vpcSubnet: `${vpc}-pods` })),
    { vpcSubnet: "ovn-default" },
    { ipName: "nat-a-1.default" },
    { vpc: "nat-b", v4IpCidr: "10.90.0.0/29" },
    { vpc: "nat-a", v4IpCidr: INSIDE },
  ]);
  return { type: "ovn-snat-rules", name, spec: { ovnEip: anyEip(random), ...from } };
}

function dnat(random: Random, name: string): Put {
  const ports = {
    externalPort: random.pick(["80", "53"]),
    internalPort: "8080",
    protocol: random.pick(["tcp", "udp"]),
  };
  return { type: "ovn-dnat-rules", name, spec: { ovnEip: anyEip(random), ...ports, ...target(random) } };
}

function balancer(random: Random, name: string): Put {
  const to = random.chance(0.5) ? { selector: ["app:web"] } : { endpoints: ["10.90.0.2", "10.90.0.3"] };
  const ports = [{ name: "web", port: random.pick([80, 443]), targetPort: 8080, protocol: "TCP" }];
  const spec = {
    ovnEip: anyEip(random),
    vpc: random.pick([...VPCS, "ovn-cluster"]),
    namespace: "default",
    ports,
    ...to,
  };
  return { type: "router-lb-rules", name, spec };
}

function service(random: Random, name: string): Put {
  const subnet = random.pick([EXTERNAL, EXTERNAL, FURTHER] as const);
  const asked = random.chance(0.5) ? { loadBalancerIP: anyHost(random, subnet) } : {};
  const vpc = random.pick(VPCS);
  const place = { "ovn.kubernetes.io/logical_router": vpc, "ovn.kubernetes.io/logical_switch": `${vpc}-pods` };
  const ports = [
    { name: "web", port: 80, targetPort: 8080, protocol: "TCP", nodePort: name === "lb-1" ? 30_081 : 30_082 },
  ];
  const clusterIP = name === "lb-1" ? "10.96.0.81" : "10.96.0.82";
  const type = random.chance(0.85) ? "LoadBalancer" : "ClusterIP";
  return {
    ...{ type: "services", ns: "default", name },
    annotations: { "ovn.kubernetes.io/service_external_ip_from_subnet": subnet, ...(random.chance(0.4) && place) },
    spec: { type, clusterIP, clusterIPs: [clusterIP], selector: { app: "web" }, ports, ...asked },
  };
}

/** A pod inside a VPC, or in the external network itself, with an address that others name as well. */
function podIn(random: Random, at: number, subnet: string, which: string): Action {
  const isOutside = subnet === EXTERNAL;
  const base = isOutside ? BASES[EXTERNAL] : "10.90.0";
  const wishes = {
    logical_switch: subnet,
    ...(random.chance(0.6) && { ip_address: `${base}.${random.int(2, 5)}` }),
  };
  const name = isOutside ? `outside-${which}` : `${subnet.replace("-pods", "")}-${which}`;
  return { at, do: "pod", ns: "default", name, labels: { app: "web" }, wishes };
}

/** A pod of the default VPC that names its external addresses. */
function kiosk(random: Random, at: number): Action {
  const name = random.pick(["kiosk-1", "kiosk-2"]);
  if (random.chance(0.3)) return { at, do: "delete-pod", ns: "default", name };
  const way = random.pick<Readonly<Record<string, string>>>([
    { eip: anyHost(random, EXTERNAL) },
    { snat: anyHost(random, EXTERNAL) },
    { eip: anyHost(random, EXTERNAL), snat: anyHost(random, EXTERNAL) },
    { eip: anyHost(random, FURTHER) },
  ]);
  return {
    at,
    do: "pod",
    ns: "default",
    name,
    labels: { app: "web" },
    wishes: { logical_switch: "ovn-default", ...way },
  };
}

function gone(random: Random, at: number): Action {
  const what = random.weighted({ made: 8, pod: 3, subnet: 1, vip: 1, vpc: 0.7, vlan: 0.3, config: 1 });
  switch (what) {
    case "made": {
      const [type, , names] = random.pick(MAKERS);
      const name =
        type === "ovn-eips" && random.chance(0.15) ? random.pick(["n1", "nat-a-external"]) : random.pick(names);
      return { at, do: "nat-delete", type, name, ...(type === "services" && { ns: "default" }) };
    }
    case "pod": {
      const name = random.pick(["nat-a-1", "nat-a-2", "nat-b-1", "nat-b-2", "outside-1", "outside-2", "kiosk-1"]);
      return { at, do: "delete-pod", ns: "default", name };
    }
    case "subnet":
      return { at, do: "delete", type: "subnets", name: random.pick([EXTERNAL, FURTHER, "nat-a-pods"]) };
    case "vip":
      return { at, do: "delete", type: "vips", name: random.pick(["vip-x", "vip-y"]) };
    case "vpc":
      return { at, do: "delete", type: "vpcs", name: random.pick(VPCS) };
    case "vlan":
      return { at, do: "nat-delete", type: "vlans", name: VLAN };
    case "config":
      return { at, do: "nat-delete", ...CONFIG };
  }
}

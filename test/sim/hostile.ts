// SPDX-License-Identifier: Apache-2.0

import { ovnEipKind } from "../../src/kinds/ovn-eip.ts";
import { switchLbRuleKind } from "../../src/kinds/switch-lb-rule.ts";
import { vpcDnsKind } from "../../src/kinds/vpc-dns.ts";
import {
  ADMIN_NETWORK_POLICIES,
  CONFIG_MAPS,
  DNS_NAME_RESOLVERS,
  IP_POOLS,
  IPS,
  NAMESPACES,
  NETWORK_ATTACHMENTS,
  NETWORK_POLICIES,
  type ResourceType,
  SECURITY_GROUPS,
  SUBNETS,
  VIPS,
  VPCS,
} from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { MAX_ANNOTATIONS } from "../../src/kube/testing/fake-store.ts";
import { type Cluster, merge, objectRef } from "./cluster.ts";
import { Random } from "./random.ts";
import type { HostileAction } from "./script.ts";

/** The prefix of the names of hostile objects: they are not checked, all others are. */
const PREFIX = "hostile-";

/** Whether an object, or a row that is named after one, is hostile. Names of port groups have dots instead of hyphens; SwitchLBRules and VpcDns create objects with prefixes. */
export function isHostile(name: string): boolean {
  return /(^|[./]|slr-|vpc-dns-)hostile[-.]/.test(name);
}

/** Whether only hostile subnets have a range: whether such a subnet is accepted is not checked. */
export function isHostileRange(cidr: string): boolean {
  return /^10\.9\d\./.test(cidr);
}

/** Values that a CRD without validation accepts; JSON values of an unexpected type. */
const ODD: readonly ((random: Random) => unknown)[] = [
  () => null,
  (random) => random.pick([0, -1, 5, 1.5, 1e300, 5e-324, 2 ** 53, -(2 ** 63)]),
  (random) => random.chance(0.5),
  () => "",
  () => [],
  () => ({}),
  () => [null],
  () => [[["10.90.0.2"]]],
  () => [5, "10.90.0.3", {}],
  () => ({ length: 3, 0: "10.90.0.2" }),
  () => ({ matchLabels: { team: 5 }, matchExpressions: [{ key: null, operator: "Near", values: "x" }] }),
  () => [{ matchLabels: "blue" }, { matchExpressions: {} }],
  () => ({ toString: "x", constructor: null, __proto__: 5 }),
  () => "10.90.0.0/33,fd00::/129,,",
  () => '\u0000\u202e\ud83d\ude00\u00e4\u0301 $(reboot) " -- ;',
  () => "9".repeat(400),
  (random) => "10.90.0.2,".repeat(random.int(1, 20_000)),
  (random) => Array.from({ length: random.int(1, 5_000) }, (_, i) => `10.90.${i >> 8}.${i & 255}`),
  () => JSON.parse(`${"[".repeat(500)}${"]".repeat(500)}`),
];

interface Target {
  readonly type: ResourceType;
  /** A valid specification; some of its fields get unusual values. */
  readonly spec: (i: number) => Readonly<Record<string, unknown>>;
  /** Fields that may be made invalid in an object, without affecting others. */
  readonly edits: readonly string[];
}

const TARGETS: Readonly<Record<string, Target>> = {
  subnets: {
    type: SUBNETS,
    spec: (i) => ({
      cidrBlock: `10.9${i % 10}.0.0/28`,
      gateway: `10.9${i % 10}.0.1`,
      excludeIps: [`10.9${i % 10}.0.1`],
      vpc: "ovn-cluster",
      provider: "ovn",
      namespaces: [],
      namespaceSelectors: [],
      gatewayType: "distributed",
      gatewayNode: "",
      gatewayNodeSelectors: [],
      acls: [],
      allowSubnets: [],
      dhcpV4Options: "",
      dhcpV6Options: "",
      ipv6RAConfigs: "",
      mtu: 1400,
      vlan: "",
      protocol: "IPv4",
    }),
    edits: [
      "acls",
      "mtu",
      "dhcpV4Options",
      "dhcpV6Options",
      "ipv6RAConfigs",
      "allowSubnets",
      "natOutgoing",
      "gatewayNodeSelectors",
    ],
  },
  vpcs: {
    type: VPCS,
    spec: () => ({ namespaces: [], staticRoutes: [], policyRoutes: [], vpcPeerings: [], extraExternalSubnets: [] }),
    edits: ["staticRoutes", "policyRoutes", "vpcPeerings", "extraExternalSubnets", "enableExternal"],
  },
  ippools: {
    type: IP_POOLS,
    spec: () => ({ subnet: `${PREFIX}nowhere`, ips: [], namespaces: [] }),
    edits: ["enableAddressSet"],
  },
  vips: {
    type: VIPS,
    spec: () => ({
      namespace: "default",
      subnet: `${PREFIX}nowhere`,
      type: "",
      v4ip: "",
      selector: [],
      attachSubnets: [],
    }),
    edits: ["selector", "attachSubnets"],
  },
  ovneips: {
    type: ovnEipKind.type,
    spec: () => ({ externalSubnet: `${PREFIX}nowhere`, type: "nat", v4Ip: "", v6Ip: "", macAddress: "" }),
    edits: ["type", "v6Ip"],
  },
  switchlbrules: {
    type: switchLbRuleKind.type,
    spec: () => ({ vip: "", namespace: `${PREFIX}nowhere`, selector: [], endpoints: [], ports: [] }),
    edits: ["selector", "endpoints", "sessionAffinity"],
  },
  vpcdnses: {
    type: vpcDnsKind.type,
    spec: (i) => ({
      vpc: "ovn-cluster",
      subnet: i % 2 === 0 ? "ovn-default" : `${PREFIX}nowhere`,
      corefile: "",
      replicas: 1,
    }),
    edits: ["corefile", "replicas"],
  },
  ips: {
    type: IPS,
    spec: () => ({
      subnet: `${PREFIX}nowhere`,
      podName: "x",
      namespace: "default",
      v4IpAddress: "",
      macAddress: "",
      podType: "",
    }),
    edits: ["attachIps", "attachMacs", "attachSubnets", "containerID"],
  },
  securitygroups: {
    type: SECURITY_GROUPS,
    spec: () => ({ ingressRules: [], egressRules: [], allowSameGroupTraffic: true }),
    edits: [],
  },
  dnsnameresolvers: { type: DNS_NAME_RESOLVERS, spec: () => ({ name: "www.example.org." }), edits: [] },
  attachments: { type: NETWORK_ATTACHMENTS, spec: () => ({ config: "{}" }), edits: [] },
  adminpolicies: {
    type: ADMIN_NETWORK_POLICIES,
    spec: () => ({
      priority: 5,
      subject: { namespaces: { matchLabels: { "sim.test/none": "x" } } },
      ingress: [],
      egress: [],
    }),
    edits: [],
  },
};

/**
 * Writes unexpected input: into custom objects of a cluster whose CRDs validate less than Weft's, and as much as the
 * API server accepts.
 */
export class Hostile {
  readonly #kube: FakeKube;
  readonly #cluster: Cluster;
  readonly #seed: string;

  constructor(kube: FakeKube, cluster: Cluster, seed: string) {
    this.#kube = kube;
    this.#cluster = cluster;
    this.#seed = seed;
  }

  act({ what, pick }: HostileAction): void {
    const random = new Random(`${this.#seed}/hostile/${what}/${pick}`);
    const target = TARGETS[what];
    if (target !== undefined) {
      if (target.edits.length > 0 && random.chance(0.4)) this.#edit(target, random);
      else this.#make(target, random, pick);
      return;
    }
    switch (what) {
      case "status":
        this.#spoilStatus(random);
        return;
      case "annotations":
        this.#pod(pick, fullAnnotations(random, random.pick([MAX_ANNOTATIONS, MAX_ANNOTATIONS - 2_000])), {});
        return;
      case "ports":
        this.#pod(pick, {}, { spec: { containers: manyPorts() } });
        return;
      case "names":
        this.#pod(pick, {}, {}, `${PREFIX}${"x.".repeat(122)}x`);
        return;
      case "dnsconfig":
        this.#dnsConfig(random);
        return;
      case "policy":
        this.#policy(pick, random);
        return;
    }
  }

  #make({ type, spec }: Target, random: Random, pick: number): void {
    const name = `${PREFIX}${pick % 40}`;
    const ref = type.namespaced ? { namespace: "default", name } : { name };
    const odd = malformed(spec(pick % 10), random);
    const body = random.chance(0.05) ? random.pick([null, 5, "x", []]) : odd;
    const exists = this.#kube.object(type, ref) !== undefined;
    this.#cluster.ignore(
      exists
        ? this.#kube.patch(type, ref, merge({ spec: odd }))
        : this.#kube.create(type, { metadata: ref, spec: body as object }),
    );
  }

  #edit({ type, edits }: Target, random: Random): void {
    const objects = this.#kube.objects(type).filter(({ metadata }) => !isHostile(metadata.name));
    if (objects.length === 0) return;
    const object = random.pick(objects);
    const value = random.pick(ODD)(random);
    this.#cluster.ignore(this.#kube.patch(type, objectRef(object), merge({ spec: { [random.pick(edits)]: value } })));
  }

  #spoilStatus(random: Random): void {
    const subnets = this.#kube.objects(SUBNETS);
    if (subnets.length === 0) return;
    const value = random.pick(ODD)(random);
    const field = random.pick(["conditions", "v4usingIPs", "v4usingIPrange", "v6availableIPs", "activateGateway"]);
    const patch = merge({ status: { [field]: value } });
    this.#cluster.ignore(this.#kube.patch(SUBNETS, objectRef(random.pick(subnets)), patch, { subresource: "status" }));
  }

  #pod(pick: number, annotations: Record<string, string>, more: object, name = `${PREFIX}${pick % 40}`): void {
    if (this.#kube.object(NAMESPACES, { name: "default" }) === undefined) return;
    this.#cluster.createPod("default", name, { annotations, labels: { "sim.test/hostile": "x".repeat(63) } }, more);
  }

  /** The settings of all VpcDns: texts, because the API server accepts nothing else. */
  #dnsConfig(random: Random): void {
    const odd = ["", "\u0000", "10.96.0.300", "fd96::3,10.96.0.3", "x".repeat(5_000), "false", '"', "1e300"];
    const sound = {
      "coredns-vip": "10.96.0.3",
      "coredns-image": "coredns:1",
      "nad-name": `${PREFIX}${random.int(0, 39)}`,
      "nad-provider": "dns.default.ovn",
      "k8s-service-host": "10.96.0.1",
      "enable-vpc-dns": "true",
    };
    const data = Object.fromEntries(
      Object.entries(sound).map(([key, value]) => [key, random.chance(0.1) ? random.pick(odd) : value]),
    );
    const ref = { namespace: "kube-system", name: "vpc-dns-config" };
    const exists = this.#kube.object(CONFIG_MAPS, ref) !== undefined;
    this.#cluster.ignore(
      exists
        ? this.#kube.patch(CONFIG_MAPS, ref, merge({ data }))
        : this.#kube.create(CONFIG_MAPS, { metadata: ref, data } as never),
    );
  }

  #policy(pick: number, random: Random): void {
    const peers = Array.from({ length: random.int(1_000, 3_000) }, (_, i) => ({
      podSelector: { matchLabels: { peer: String(i % 50) } },
      ...(i % 2 === 0 && { namespaceSelector: { matchLabels: { team: String(i) } } }),
    }));
    const blocks = Array.from({ length: 2_000 }, (_, i) => ({
      ipBlock: { cidr: `192.168.${i & 255}.${(i >> 8) * 16}/28` },
    }));
    const spec = {
      podSelector: { matchLabels: { "sim.test/hostile": "x".repeat(63) } },
      policyTypes: ["Ingress"],
      ingress: [{ from: random.chance(0.5) ? peers : blocks, ports: [{ port: "p1" }, { port: 80, endPort: 65_535 }] }],
    };
    const ref = { namespace: "default", name: `${PREFIX}${pick % 3}` };
    if (this.#kube.object(NETWORK_POLICIES, ref) === undefined)
      this.#cluster.ignore(this.#kube.create(NETWORK_POLICIES, { metadata: ref, spec }));
  }
}

/** A specification with unusual values in some fields. */
function malformed(spec: Readonly<Record<string, unknown>>, random: Random): Record<string, unknown> {
  const odd: Record<string, unknown> = { ...spec };
  for (const field of Object.keys(spec)) if (random.chance(0.3)) odd[field] = random.pick(ODD)(random);
  return odd;
}

/** Annotations about interfaces that together are as large as allowed. */
function fullAnnotations(random: Random, size: number): Record<string, string> {
  const annotations: Record<string, string> = {};
  const keys = [
    "k8s.v1.cni.cncf.io/networks",
    "ovn.kubernetes.io/security_groups",
    "ovn.kubernetes.io/aaps",
    "ovn.kubernetes.io/port_vips",
    "ovn.kubernetes.io/routes",
    "ovn.kubernetes.io/ip_pool",
    "example.org/unicode",
  ];
  const values = [
    "default/fast,",
    "group-\u00e9,",
    "10.16.0.3,",
    '{"dst":"0.0.0.0/0"},',
    "\ud83d\ude00",
    "[",
    "a".repeat(64),
  ];
  let left = size;
  // The part that the simulation itself writes.
  left -= 200;
  const chosen = keys
    .filter(() => random.chance(0.5))
    .concat("example.org/rest")
    .slice(0, 4);
  for (const [i, key] of chosen.entries()) {
    const value = random.pick(values);
    const share = i === chosen.length - 1 ? left : Math.floor(left / 4);
    const times = Math.max(1, Math.floor((share - key.length) / Buffer.byteLength(value)));
    annotations[key] = value.repeat(times);
    left -= key.length + Buffer.byteLength(annotations[key]);
  }
  return annotations;
}

/** Ten thousand named ports: about 600 KiB, of the 1.5 MiB that an object may have in etcd. */
function manyPorts(): readonly object[] {
  return Array.from({ length: 10 }, (_, container) => ({
    name: `c${container}`,
    image: "x",
    ports: Array.from({ length: 1_000 }, (_, i) => ({
      name: `p${i}`,
      containerPort: 1_000 * container + i + 1,
      protocol: "TCP",
    })),
  }));
}

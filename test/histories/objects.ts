// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";

/** The fields of an object that an edit sets, in addition to its name. */
export interface Body {
  readonly metadata?: {
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** One of some values, of whatever types. */
const pick = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
/** A field that is often left out. */
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 3 });

// Few values, so that objects conflict; some are invalid, as in objects that are older than the CRDs' rules.
const address = pick(
  ...["10.50.0.9", "10.50.0.1", "10.51.0.7", "10.99.0.1", "fd50::9", "", "x", "10.50.0.9,10.50.0.10"],
  ...["10.50.0.9,fd50::9", "169.254.0.2", "10.16.0.5", "::ffff:10.50.0.9", "10.50.0.255"],
);
const range = pick(
  ...["10.50.0.0/24", "10.50.0.0/16", "10.51.0.0/24", "0.0.0.0/0", "::/0", "fd50::/64", "10.50.0.0/24,fd50::/64"],
  ...["x", "", "10.96.0.0/16", "100.64.0.0/24", "10.50.0.5/32"],
);
const vpcName = pick("va", "vb", "ovn-cluster", "nowhere", "");
const subnetName = pick("sa", "sb", "sc", "ovn-default", "join", "external", "nowhere");
const match = pick(...["ip4", "ip4.src == 10.50.0.0/24", "ip4 &&", "ip6", "(((", "ip4.dst == $x", 'inport == "x"', ""]);

const staticRoute = fc.record({
  cidr: range,
  nextHopIP: address,
  policy: pick("policyDst", "policySrc", undefined),
  routeTable: pick("", "rt", undefined),
  bfdId: pick("", "x", undefined),
});

/** A Vpc's spec. */
export const vpc = fc.record({
  namespaces: maybe(pick([], ["default"], ["blue"], ["nowhere", "blue"])),
  defaultSubnet: maybe(subnetName),
  staticRoutes: maybe(fc.array(staticRoute, { maxLength: 4 })),
  policyRoutes: maybe(
    fc.array(
      fc.record({
        priority: pick(0, 10, 32_767, 32_766),
        match,
        action: pick("allow", "drop", "reroute"),
        nextHopIP: address,
      }),
      { maxLength: 4 },
    ),
  ),
  enableExternal: maybe(fc.boolean()),
  extraExternalSubnets: maybe(pick([], ["out"], ["sa", "out"], ["nowhere"])),
  vpcPeerings: maybe(
    fc.array(
      fc.record({
        remoteVpc: vpcName,
        localConnectIP: pick(
          ...["169.254.0.1/30", "169.254.0.2/30", "10.50.0.1/24", "x", "fd99::1/64,169.254.0.1/30", ""],
        ),
      }),
      { maxLength: 3 },
    ),
  ),
  enableBfd: maybe(fc.boolean()),
  bfdPort: maybe(
    fc.record({
      enabled: fc.boolean(),
      ip: address,
      nodeSelector: maybe(pick<object>({ matchLabels: { role: "gateway" } }, {})),
    }),
  ),
});

/** A Subnet's spec. */
export const subnet = fc.record({
  vpc: vpcName,
  cidrBlock: range,
  gateway: maybe(address),
  routeTable: maybe(pick("", "rt", "x")),
  gatewayType: maybe(pick("centralized", "distributed")),
  gatewayNode: maybe(pick("n1", "n2", "n1,n2", "nowhere", "n1:1.2.3.4,n2:x", "n1,n1", ",")),
  gatewayNodeSelectors: maybe(pick([], [{ matchLabels: { role: "gateway" } }])),
  enableEcmp: maybe(fc.boolean()),
  natOutgoing: maybe(fc.boolean()),
  natOutgoingPolicyRules: maybe(
    fc.array(fc.record({ action: pick("nat", "forward", "x"), match: fc.record({ srcIPs: range, dstIPs: range }) }), {
      maxLength: 3,
    }),
  ),
  externalEgressGateway: maybe(address),
  policyRoutingTableID: maybe(pick(0, 1000, 254)),
  policyRoutingPriority: maybe(pick(0, 1000, 40_000)),
  nodeNetwork: maybe(pick("", "storage", "x")),
  enableMulticastSnoop: maybe(fc.boolean()),
  namespaces: maybe(pick([], ["blue"], ["default"])),
  excludeIps: maybe(pick([], ["10.50.0.1..10.50.0.20"], ["x"])),
  enableDHCP: maybe(fc.boolean()),
  enableLb: maybe(fc.boolean()),
  private: maybe(fc.boolean()),
  allowSubnets: maybe(fc.array(range, { maxLength: 2 })),
  acls: maybe(
    fc.array(
      fc.record({
        direction: pick("to-lport", "from-lport"),
        priority: pick(1000, 2300),
        match,
        action: pick("allow", "drop", "x"),
      }),
      { maxLength: 2 },
    ),
  ),
  provider: maybe(pick("ovn", "net.default.ovn")),
  protocol: maybe(pick("IPv4", "Dual")),
});

const port = fc.record({
  name: pick("", "a", "b"),
  port: pick(53, 80, 0),
  targetPort: maybe(pick(8080, 80)),
  protocol: maybe(pick("TCP", "UDP", "SCTP", "X")),
});

/** A SwitchLBRule's spec. */
export const rule = fc.record({
  vip: pick(...["10.50.0.100", "10.50.0.100,fd50::100", "172.31.0.1", "10.50.0.1", "10.16.0.1", "10.96.0.9", "x", ""]),
  namespace: pick("default", "blue", "nowhere", ""),
  selector: maybe(pick([], ["app: web"], ["x"])),
  endpoints: maybe(fc.array(pick("10.50.0.9", "fd50::9", "10.99.0.9", "x"), { maxLength: 3 })),
  sessionAffinity: maybe(pick("", "ClientIP", "x")),
  ports: fc.array(port, { maxLength: 2 }),
});

/** The annotations that place a SwitchLBRule's address. */
export const place = maybe(
  pick<Readonly<Record<string, string>>>(
    { "ovn.kubernetes.io/logical_router": "va", "ovn.kubernetes.io/logical_switch": "sa" },
    { "ovn.kubernetes.io/logical_router": "nowhere", "ovn.kubernetes.io/logical_switch": "sa" },
    { "ovn.kubernetes.io/service_health_check": "false" },
  ),
);

/** A VpcDns' spec. */
export const dns = fc.record({
  vpc: vpcName,
  subnet: subnetName,
  replicas: maybe(pick(0, 1, 2)),
  corefile: maybe(pick("c", "")),
});

/** The settings of all VpcDns. */
export const dnsConfig = fc.record({
  "coredns-vip": pick(
    ...["10.96.0.3", "10.96.0.3,10.96.0.4", "x", "10.96.0.3,x", "fd96::3", "10.96.0.3,fd96::3", "::ffff:10.96.0.3"],
  ),
  "coredns-image": pick("i", ""),
  "nad-name": pick("nad", "x"),
  "nad-provider": pick("nad.default.ovn", ""),
  "k8s-service-host": pick("10.96.0.1", "", "x"),
});

/** A Vip's spec. */
export const vip = fc.record({
  subnet: subnetName,
  namespace: pick("default", "blue", "nowhere"),
  type: pick("", "switch_lb_vip"),
  v4ip: maybe(address),
  selector: maybe(pick([], ["app: web"])),
});

/** An external subnet's spec. */
export const externalSubnet = fc.record({
  vlan: pick("vl", "vl", "nowhere"),
  cidrBlock: pick("172.30.0.0/28", "172.30.0.0/28,fd30::/120", "10.50.0.0/24"),
});

/** The spec of the external subnet that is used where none is named. */
export const defaultExternalSubnet = fc.record({
  vlan: pick("vl", "vl", "nowhere"),
  cidrBlock: pick("172.29.0.0/28", "172.29.0.0/28,fd29::/120"),
});

/** The ConfigMap that connects the default VPC to it. */
export const externalConfig = fc.record(
  {
    "enable-external-gw": pick("true", "true", "false", "x"),
    "external-gw-nodes": pick("n1", "n1,n3", "n2,nowhere", ""),
    type: pick("centralized", "distributed", "x"),
    "nic-ip": pick("172.29.0.5/28", "172.29.0.6", "172.29.0.5,fd29::5", "10.50.0.9", "x"),
    "nic-mac": pick("00:00:00:00:29:05", "x"),
  },
  { requiredKeys: [] },
);

/** A Vlan's spec. */
export const vlan = fc.record({ id: maybe(pick(0, 7)), provider: pick("external", "x", "") });

/** Specs of OvnEips by name: they cannot be changed once addresses are allocated. */
export const ovnEips = {
  e1: { externalSubnet: "out" },
  e2: { externalSubnet: "out", type: "nat", v4Ip: "172.30.0.5" },
  e3: { externalSubnet: "out", type: "lsp", v4Ip: "172.30.0.5" },
  e4: { externalSubnet: "sa", v4Ip: "10.50.0.9" },
  e5: { v4Ip: "172.29.0.5" },
} as const;

const eipName = pick("e1", "e2", "e3", "e4", "e5", "va-out", "pods-172-29-0-5", "nowhere");
const target = {
  ipType: maybe(pick("ip", "vip")),
  ipName: maybe(pick("p1.blue", "p3.default", "v1", "nowhere", "")),
  vpc: maybe(vpcName),
  v4Ip: maybe(pick("10.50.0.9", "10.51.0.7", "10.99.0.1", "")),
  v6Ip: maybe(pick("fd50::9", "")),
};

/** An OvnFip's spec. */
export const ovnFip = fc.record({ ovnEip: eipName, type: maybe(pick("distributed", "centralized")), ...target });

/** An OvnSnatRule's spec. */
export const ovnSnatRule = fc.record({
  ovnEip: eipName,
  vpcSubnet: maybe(subnetName),
  ipName: maybe(pick("p1.blue", "nowhere")),
  vpc: maybe(vpcName),
  v4IpCidr: maybe(pick("10.50.0.0/24", "10.50.0.9", "")),
});

/** An OvnDnatRule's spec. */
export const ovnDnatRule = fc.record({
  ovnEip: eipName,
  externalPort: pick("80", "53"),
  internalPort: pick("80", "8080"),
  protocol: pick("tcp", "udp"),
  ...target,
});

/** A RouterLBRule's spec. */
export const routerRule = fc.record({
  ovnEip: eipName,
  vpc: vpcName,
  namespace: pick("default", "blue", "nowhere", ""),
  selector: maybe(pick([], ["app: web"], ["x"])),
  endpoints: maybe(fc.array(pick("10.50.0.9", "fd50::9", "10.99.0.9", "x"), { maxLength: 3 })),
  sessionAffinity: maybe(pick("", "ClientIP", "x")),
  ports: fc.array(port, { maxLength: 2 }),
});

/** A Service's spec. */
export const service = fc
  .record({
    type: pick("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
    clusterIP: pick("10.96.0.9", "None", "10.96.0.3"),
    externalIPs: maybe(pick([], ["10.50.0.9"], ["1.2.3.4", "10.16.0.5"])),
    internalTrafficPolicy: maybe(pick("Local", "Cluster")),
    externalTrafficPolicy: maybe(pick("Local", "Cluster")),
    trafficDistribution: maybe(pick("PreferClose", "PreferSameNode", "x")),
    sessionAffinity: maybe(pick("ClientIP", "None")),
    ports: pick<readonly object[]>(
      [{ name: "a", port: 80, protocol: "TCP", nodePort: 30_080 }],
      [
        { name: "a", port: 80, protocol: "TCP" },
        { name: "b", port: 53, protocol: "UDP" },
      ],
    ),
    selector: maybe(pick({ app: "web" })),
    healthCheckNodePort: maybe(pick(30_999)),
    loadBalancerIP: maybe(pick("172.30.0.5", "172.30.0.6", "172.29.0.5", "nowhere")),
    loadBalancerClass: maybe(pick("weft.kubeovn.io/external-subnet", "example.com/other")),
  })
  .map((spec) => ({ ...spec, clusterIPs: [spec.clusterIP] }));

/** The annotations that choose the VPC and subnet of a Service, or the external subnet of its addresses. */
export const servicePlace = maybe(
  pick<Readonly<Record<string, string>>>(
    { "ovn.kubernetes.io/service_external_ip_from_subnet": "out" },
    { "ovn.kubernetes.io/service_external_ip_from_subnet": "external" },
    { "ovn.kubernetes.io/service_external_ip_from_subnet": "sa", "ovn.kubernetes.io/vpc": "va" },
    { "ovn.kubernetes.io/service_external_ip_from_subnet": "nowhere" },
    { "ovn.kubernetes.io/vpc": "va" },
    { "ovn.kubernetes.io/vpc": "nowhere" },
    { "ovn.kubernetes.io/switch_lb_vip": "10.50.0.100" },
    { "ovn.kubernetes.io/logical_router": "vb", "ovn.kubernetes.io/logical_switch": "sb" },
  ),
);

/** An EndpointSlice's fields. */
export const slice = fc.record({
  addressType: pick("IPv4"),
  ports: pick([{ name: "a", port: 8080, protocol: "TCP" }]),
  endpoints: fc.array(
    fc.record({
      addresses: pick(["10.50.0.9"], ["10.16.0.2"], ["10.99.0.9"], ["x"]),
      nodeName: maybe(pick("n1", "n2", "nowhere")),
      conditions: maybe(fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() })),
      targetRef: maybe(pick({ kind: "Pod", name: "p1", namespace: "blue" })),
    }),
    { maxLength: 2 },
  ),
});

const peer = pick<object>(
  { podSelector: { matchLabels: { app: "web" } } },
  { namespaceSelector: {} },
  { namespaceSelector: { matchLabels: { team: "blue" } }, podSelector: {} },
  { ipBlock: { cidr: "10.50.0.0/24", except: ["10.50.0.9/32"] } },
  { ipBlock: { cidr: "x" } },
);

/** A NetworkPolicy's spec. */
export const policy = fc.record({
  podSelector: pick<object>({}, { matchLabels: { app: "web" } }, { matchLabels: { app: "none" } }),
  policyTypes: maybe(pick(["Ingress"], ["Egress"], ["Ingress", "Egress"])),
  ingress: maybe(
    fc.array(
      fc.record({
        from: maybe(fc.array(peer, { maxLength: 2 })),
        ports: maybe(
          pick<readonly object[]>([{ port: 80 }], [{ port: "a", protocol: "UDP" }], [{ port: 80, endPort: 9 }]),
        ),
      }),
      { maxLength: 2 },
    ),
  ),
  egress: maybe(fc.array(fc.record({ to: maybe(fc.array(peer, { maxLength: 2 })) }), { maxLength: 2 })),
});

const externalAddress = pick("172.29.0.5", "172.29.0.6", "172.30.0.5", "172.29.0.5,fd29::5", "10.50.0.9", "x", "");

/** The requests of a pod. */
export const podRequests = fc.record(
  {
    "ovn.kubernetes.io/routes": maybe(
      pick(...['[{"dst":"10.0.0.0/8","gw":"10.50.0.1"}]', "[{]", "[]", '[{"gw":"fd50::1"}]', '[{"dst":"x","gw":"y"}]']),
    ),
    "ovn.kubernetes.io/default_route": maybe(pick("true", "false", "x")),
    "ovn.kubernetes.io/north_gateway": maybe(pick("10.50.0.9", "x", "fd50::9", "1.2.3.4", "10.16.0.5")),
    "ovn.kubernetes.io/logical_switch": maybe(subnetName),
    "ovn.kubernetes.io/ip_address": maybe(address),
    "ovn.kubernetes.io/tunnel_interface": maybe(pick("storage", "x")),
    "ovn.kubernetes.io/vip": maybe(pick("v1", "x")),
    "ovn.kubernetes.io/aaps": maybe(pick("v1,v2", "x")),
    "ovn.kubernetes.io/eip": maybe(externalAddress),
    "ovn.kubernetes.io/snat": maybe(externalAddress),
  },
  { requiredKeys: [] },
);

/**
 * The annotations of a node: its networks, and the chassis that its daemon has reported; two nodes may report the
 * same one.
 */
export const nodeNotes = fc.record(
  {
    "ovn.kubernetes.io/node_networks": pick(
      ...['{"storage":"172.18.0.2"}', "{", '{"storage":"x"}', "{}", '{"storage":5}'],
      '{"storage":"10.50.0.9","x":"fd50::9"}',
    ),
    "ovn.kubernetes.io/chassis": pick("chassis-1", "chassis-2", "chassis-3"),
  },
  { requiredKeys: [] },
);

/** Labels of a node. */
export const nodeLabels = pick<Readonly<Record<string, string>>>(
  {},
  { role: "gateway" },
  { role: "gateway", "topology.kubernetes.io/zone": "z1" },
  { "ovn.kubernetes.io/external-gw": "true" },
  { "ovn.kubernetes.io/external-gw": "true", role: "gateway" },
);

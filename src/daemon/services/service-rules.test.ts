// SPDX-License-Identifier: Apache-2.0

import { execFileSync } from "node:child_process";
import t from "tap";
import { parseIp } from "../../net/address.ts";
import { parseCidr } from "../../net/cidr.ts";
import { noNft } from "../../netlink/testing/netns.ts";
import { readNodeService, type ServiceWithPorts } from "./node-services.ts";
import { compileServiceRules, type ServiceRulesInput } from "./service-rules.ts";

const ip = (text: string) => parseIp(text)!;
const CONTRACT: ServiceRulesInput["contract"] = {
  mac: "02:00:00:00:00:02",
  portName: "node-weft-1/services",
  sources: [ip("100.64.128.2"), ip("fd00:100:64::8002")],
  gateways: [ip("100.64.128.1"), ip("fd00:100:64::8001")],
  cidrs: [parseCidr("10.96.0.0/12")!, parseCidr("fd00:10:96::/112")!],
  vpc: "ovn-cluster",
};

function service(name: string, spec: ServiceWithPorts["spec"], ingress: readonly string[] = []) {
  const metadata = { name, namespace: "default", uid: name, resourceVersion: "1" };
  const status = { loadBalancer: { ingress: ingress.map((each) => ({ ip: each })) } };
  const made = readNodeService({
    metadata,
    spec: { clusterIPs: ["10.96.0.7", "fd00:10:96::7"], ports: [{ port: 80, nodePort: 30_080 }], ...spec },
    status,
  });
  if (made === undefined) throw new Error(`${name} is not served by nodes`);
  return made;
}

const input = (more: Partial<ServiceRulesInput> = {}): ServiceRulesInput => ({
  contract: CONTRACT,
  from: [ip("172.18.0.11")],
  services: [],
  endpoints: new Map(),
  everywhere: new Map(),
  ...more,
});

/** The rules of one chain. */
function chain(text: string, name: string): readonly string[] {
  const lines = text.split("\n");
  const rest = lines.slice(lines.indexOf(`  chain ${name} {`) + 1);
  return rest.slice(0, rest.indexOf("  }")).map((line) => line.trim());
}

const FULL = input({
  services: [
    service("web", { type: "NodePort", externalIPs: ["198.51.100.7"] }),
    service(
      "near",
      {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        clusterIPs: ["10.96.0.8", "fd00:10:96::8"],
        ports: [{ name: "dns", protocol: "UDP", port: 53, nodePort: 30_053 }],
        loadBalancerSourceRanges: ["192.0.2.0/24"],
      },
      ["198.51.100.8", "2001:db8::8"],
    ),
  ],
  endpoints: new Map([
    ["default/near", [{ port: "dns", protocol: "udp" as const, ip: ip("10.16.0.9"), number: 5353 }]],
  ]),
});

t.test("node ports and external addresses become the Service's address, of the same family", async (t) => {
  const rules = chain(compileServiceRules(FULL), "services");
  t.same(rules, [
    "dnat ip to ip daddr . meta l4proto . th dport map { 198.51.100.7 . tcp . 80 : 10.96.0.7 . 80, 198.51.100.8 . udp . 53 : 10.96.0.8 . 53 }",
    "fib daddr type local ip daddr != 127.0.0.0/8 dnat ip to meta l4proto . th dport map { tcp . 30080 : 10.96.0.7 . 80, udp . 30053 : 10.96.0.8 . 53 }",
    "dnat ip6 to ip6 daddr . meta l4proto . th dport map { 2001:db8::8 . udp . 53 : fd00:10:96::8 . 53 }",
    "fib daddr type local ip6 daddr != ::1 dnat ip6 to meta l4proto . th dport map { tcp . 30080 : fd00:10:96::7 . 80, udp . 30053 : fd00:10:96::8 . 53 }",
  ]);
});

t.test("with externalTrafficPolicy Local clients outside get endpoints of this node only", async (t) => {
  const rules = chain(compileServiceRules(FULL), "local");
  t.same(
    rules.filter((rule) => rule.includes("ip daddr") && rule.includes("dnat")),
    [
      "ip daddr 198.51.100.8 udp dport 53 dnat ip to numgen random mod 1 map { 0 : 10.16.0.9 . 5353 }",
      "fib daddr type local ip daddr != 127.0.0.0/8 udp dport 30053 dnat ip to numgen random mod 1 map { 0 : 10.16.0.9 . 5353 }",
    ],
  );
  t.ok(
    rules.includes(`ip6 daddr 2001:db8::8 udp dport 53 counter drop comment "no endpoint on this node"`),
    "without an endpoint the client gets no answer",
  );
  t.equal(
    rules[0],
    `ip daddr 198.51.100.8 udp dport 53 ip saddr != { 192.0.2.0/24 } counter drop comment "loadBalancerSourceRanges"`,
  );
  t.ok(
    rules.includes(`ip6 daddr 2001:db8::8 udp dport 53 counter drop comment "loadBalancerSourceRanges"`),
    "ranges of one family accept no client of the other",
  );
});

t.test(
  "with externalTrafficPolicy Local the node itself gets endpoints of all nodes, with its own address",
  async (t) => {
    const udp = (address: string) => ({ port: "dns", protocol: "udp" as const, ip: ip(address), number: 5353 });
    const everywhere = new Map([["default/near", [udp("10.16.0.9"), udp("10.16.1.9")]]]);
    const wide = chain(compileServiceRules({ ...FULL, everywhere }), "own");
    const map = "map { 0 : 10.16.0.9 . 5353, 1 : 10.16.1.9 . 5353 }";
    t.same(wide, [
      `ip daddr 198.51.100.8 udp dport 53 dnat ip to numgen random mod 2 ${map}`,
      `fib daddr type local ip daddr != 127.0.0.0/8 udp dport 30053 dnat ip to numgen random mod 2 ${map}`,
    ]);
    const services = FULL.services.map((each) => ({ ...each, affinity: true }));
    const sticky = compileServiceRules({ ...FULL, services, everywhere });
    const hash = "jhash ip saddr mod 2 seed 0x77656674";
    t.match(
      chain(sticky, "own")[0],
      `dnat ip to ${hash} ${map}`,
      "by the client's address with affinity, and the same after the rules are replaced",
    );
    t.match(chain(sticky, "local").join("\n"), "jhash ip saddr mod 1 seed 0x77656674 map { 0 : 10.16.0.9 . 5353 }");
    t.notMatch(
      chain(compileServiceRules(FULL), "own").join("\n"),
      /dnat/,
      "without a ready one it is OVN's, also if one on this node is terminating",
    );
  },
);

t.test(
  "the node's other addresses, to which replies from other nodes do not come, reach such a Service by OVN",
  async (t) => {
    const output = (from: readonly string[]) =>
      chain(compileServiceRules(input({ from: from.map(ip) })), "output").slice(-3);
    const own = ["ip saddr 172.18.0.11 jump own", "ip6 saddr fd00:172:18::11 jump own", "jump services"];
    t.same(output(["172.18.0.11", "fd00:172:18::11"]), own);
    t.same(output(["fd00:172:18::11", "172.18.0.11"]), own);
    t.notMatch(output([]).join("\n"), "own");
  },
);

t.test("packets to Services always have the node's address for them", async (t) => {
  t.match(chain(compileServiceRules(input()), "postrouting"), [
    /^type nat hook postrouting priority srcnat - 2/,
    /^oifname "ovn-services" ip daddr \{ 10.96.0.0\/12 \} ip saddr != 100.64.128.2 snat ip to 100.64.128.2/,
    /^oifname != \{ "ovn0", "ovn-services" \} ip saddr 100.64.128.2 masquerade/,
    /^oifname "ovn-services" ip6 daddr/,
    /^oifname != .* ip6 saddr fd00:100:64::8002 masquerade/,
  ]);
});

t.test(
  "of Services with one external address and port the oldest of the nodes' VPC has it, and no ClusterIP is taken",
  async (t) => {
    const made = (
      name: string,
      day: number,
      more: object = {},
      vpc = "ovn-cluster",
      ingress: readonly string[] = [],
    ) => ({
      ...service(
        name,
        { externalIPs: ["198.51.100.7"], clusterIPs: [`10.96.0.${day}`], ports: [{ port: 80 }], ...more },
        ingress,
      ),
      ...{ created: `2026-01-${day}T00:00:00Z`, vpc },
    });
    const foreign = made("foreign", 10, {}, "team-a");
    const [old, young] = [made("old", 12), made("a-young", 13, { externalIPs: ["198.51.100.7", "10.96.0.12"] })];
    for (const services of [
      [foreign, old, young],
      [young, old, foreign],
    ])
      t.match(chain(compileServiceRules(input({ services })), "services"), [
        "dnat ip to ip daddr . meta l4proto . th dport map { 198.51.100.7 . tcp . 80 : 10.96.0.12 . 80 }",
      ]);
    const balanced = made("balanced", 14, { type: "LoadBalancer", externalIPs: [] }, "ovn-cluster", ["198.51.100.7"]);
    t.match(
      chain(compileServiceRules(input({ services: [old, balanced] })), "services")[0],
      "tcp . 80 : 10.96.0.14 . 80",
    );
    const local = made("local", 15, { externalTrafficPolicy: "Local", type: "LoadBalancer" });
    t.notMatch(
      compileServiceRules(input({ services: [old, local] })),
      "no endpoint on this node",
      "nor are its clients dropped",
    );
  },
);

t.test("the order of Services changes nothing", async (t) => {
  const { services } = FULL;
  t.equal(compileServiceRules({ ...FULL, services: [...services].reverse() }), compileServiceRules(FULL));
});

t.test("a Service with only a ClusterIP is not served by the node", async (t) => {
  const metadata = { name: "s", namespace: "default", uid: "u", resourceVersion: "1" };
  const read = (spec: NonNullable<ServiceWithPorts["spec"]>, labels = {}) =>
    readNodeService({ metadata: { ...metadata, labels }, spec });
  const ports = [{ port: 80, nodePort: 30_080 }];
  t.equal(read({ type: "ClusterIP", clusterIPs: ["10.96.0.7"], ports }), undefined);
  t.equal(read({ type: "ExternalName", externalIPs: ["198.51.100.7"] }), undefined);
  t.equal(read({ type: "NodePort", clusterIPs: ["None"], ports }), undefined, "nor one without an address");
  for (const label of ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]) {
    for (const value of ["other", ""]) {
      const found = read({ type: "NodePort", clusterIPs: ["10.96.0.7"], ports }, { [label]: value });
      t.equal(found, undefined, `nor one that is excluded by ${label}: "${value}"`);
    }
  }
  t.match(read({ clusterIPs: ["10.96.0.7"], externalIPs: ["198.51.100.7"], ports }), {
    ports: [{ protocol: "tcp", port: 80, nodePort: 0 }],
  });
  const ingress = [{ ip: "198.51.100.7", ipMode: "Proxy" }, { ip: "198.51.100.8" }];
  const balanced = readNodeService({
    metadata,
    spec: { type: "LoadBalancer", clusterIPs: ["10.96.0.7"], ports },
    status: { loadBalancer: { ingress } },
  });
  t.same(
    balanced?.loadBalancerIps.map(({ text }) => text),
    ["198.51.100.8"],
    "an address that the load balancer translates itself is excluded",
  );
});

t.test("a node port uses a port with all endpoints, if the Service's own has one node's", async (t) => {
  const rules = (spec: ServiceWithPorts["spec"]) => compileServiceRules(input({ services: [service("s", spec)] }));
  const local = { type: "LoadBalancer", internalTrafficPolicy: "Local", externalIPs: ["198.51.100.7"] };
  const wide = rules(local);
  t.match(wide, "tcp . 30080 : 10.96.0.7 . 30080");
  t.match(wide, "198.51.100.7 . tcp . 80 : 10.96.0.7 . 30080");
  t.match(rules({ type: "LoadBalancer" }), "tcp . 30080 : 10.96.0.7 . 80");
  const taken = [
    { port: 80, nodePort: 30_080 },
    { name: "b", port: 30_080, nodePort: 30_081 },
  ];
  t.match(rules({ ...local, ports: taken }), "tcp . 30080 : 10.96.0.7 . 80");
});

t.test("endpoints of another VPC are not reached by a node, whatever the policy", async (t) => {
  const metadata = { name: "s", namespace: "default", uid: "u", resourceVersion: "1" };
  const spec = { type: "NodePort", clusterIPs: ["10.96.0.7"], externalTrafficPolicy: "Local" };
  const inVpc = (vpc: string, ofNodes = "ovn-cluster") => {
    const annotations = { "ovn.kubernetes.io/vpc": vpc };
    const service = readNodeService({
      metadata: { ...metadata, annotations },
      spec: { ...spec, ports: [{ port: 80, nodePort: 30_080 }] },
    })!;
    const endpoints = new Map([
      ["default/s", [{ port: "", protocol: "tcp", ip: ip("10.16.0.5"), number: 8080 } as const]],
    ]);
    return compileServiceRules(input({ contract: { ...CONTRACT, vpc: ofNodes }, services: [service], endpoints }));
  };
  t.match(inVpc("ovn-cluster"), "10.16.0.5 . 8080");
  t.match(inVpc("core", "core"), "10.16.0.5 . 8080", "the default VPC has the name that the controller states");
  t.notMatch(inVpc("ovn-cluster", "core"), "10.16.0.5");
  const rules = inVpc("team-a");
  t.notMatch(rules, "10.16.0.5", "the address is of a pod of the default VPC");
  t.match(rules, "tcp . 30080 : 10.96.0.7 . 80", "OVN refuses");
});

t.test("nft accepts the rules, also as a replacement", { skip: noNft() }, async (t) => {
  const far = [{ port: "dns", protocol: "udp" as const, ip: ip("10.16.1.9"), number: 5353 }];
  const services = FULL.services.map((service) => ({ ...service, affinity: true }));
  const sticky = { ...FULL, services, everywhere: new Map([["default/near", far]]) };
  for (const each of [input(), FULL, sticky]) {
    const script = compileServiceRules(each);
    t.doesNotThrow(() =>
      execFileSync("unshare", ["--net", "nft", "-f", "-"], {
        input: `${script}${script}`,
        stdio: ["pipe", "ignore", "pipe"],
      }),
    );
  }
});

// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { equalsGolden } from "../../collections/testing/golden.ts";
import { notPlain } from "../../collections/testing/not-plain.ts";
import type { DesiredRow } from "../../desired/fragment.ts";
import { rowUuid } from "../../desired/identity.ts";
import { mapEntry } from "../../desired/map-entry.ts";
import { deriverOf } from "../../facts/derivation.ts";
import { projectService } from "../../facts/project-service.ts";
import type { FactStore } from "../../facts/store.ts";
import { nodeNames } from "../../kinds/node-names.ts";
import { zones } from "../../kinds/zones.ts";
import { formatFragment } from "../../reconcile/plan-text.ts";
import type { WeftEffect } from "../effects.ts";
import { insideBalancerGroupId, leavingSetId, loadBalancerGroupId } from "../owner-ids.ts";
import {
  addChassis,
  addEndpoints,
  addIp,
  addNetwork,
  addNode,
  addPod,
  addService,
  addSubnet,
  addVpc,
  followed,
  NETWORK_CONFIG,
  SAMPLE_CLUSTER,
  sampleFacts,
} from "../testing/sample-facts.ts";
import { serviceUnit } from "./service.ts";

const GROUPS = new Map<string, string>(
  ["ovn-cluster", "team-a", "team-b"].map((vpc) => {
    const id = loadBalancerGroupId(vpc);
    return [rowUuid("Load_Balancer_Group", id), `Load_Balancer_Group ${id}`] as const;
  }),
);
for (const node of ["weft-1", "weft-2", "weft-3"])
  GROUPS.set(rowUuid("Chassis_Template_Var", node), `Chassis_Template_Var ${node}`);

/** Compares a Service's fragment with `service.golden/<name>.txt`; WEFT_GOLDEN=write regenerates the file. */
function golden(t: Test, name: string, facts: FactStore, key: string): void {
  const input = serviceUnit.read(facts, key);
  t.equal(notPlain(input), undefined, "the input can be compared with a later one");
  const text =
    input === undefined ? "(no unit)\n" : formatFragment(serviceUnit.compile(input), (uuid) => GROUPS.get(uuid));
  equalsGolden(t, new URL(`./service.golden/${name}.txt`, import.meta.url), text);
}

/** The vips of a Service's load balancer for a protocol. */
function vips(facts: FactStore, key: string, protocol = "tcp"): unknown {
  const input = serviceUnit.read(facts, key);
  const rows = input === undefined ? [] : serviceUnit.compile(input).rows;
  return rows.find(({ columns }) => columns["protocol"] === protocol)?.columns["vips"];
}

/** The first load balancer of a Service. */
function balancer(facts: FactStore, key: string): DesiredRow | undefined {
  return serviceUnit.compile(serviceUnit.read(facts, key)!).rows[0];
}

function effects(facts: FactStore, key: string): readonly WeftEffect[] {
  return serviceUnit.compile(serviceUnit.read(facts, key)!).effects;
}

/** The reports about a Service. */
function reports(facts: FactStore, key: string): readonly string[] {
  return effects(facts, key).flatMap((effect) => (effect.kind === "report" ? [effect.message] : []));
}

const DUAL = { clusterIPs: ["10.96.0.20", "fd00:10:96::20"] };
const HTTP = { name: "http", protocol: "TCP", port: 80 };
const ready = (...addresses: string[]) => addresses.map((address) => ({ addresses: [address] }));

t.test(
  "a Service is one load balancer for each protocol, with its endpoints of each family by each slice's own ports",
  async (t) => {
    const facts = sampleFacts();
    addService(facts, "web", {
      ...DUAL,
      ports: [HTTP, { name: "dns", protocol: "UDP", port: 53 }, { name: "dns-tcp", protocol: "TCP", port: 53 }],
    });
    const ports = (http: number) => [
      { name: "http", protocol: "TCP", port: http },
      { name: "dns", protocol: "UDP", port: 5353 },
      { name: "dns-tcp", protocol: "TCP", port: 5353 },
    ];
    addEndpoints(facts, "web", "web-1", { ports: ports(8080), endpoints: ready("10.16.0.9", "10.16.0.2") });
    // A named target port with another number in other pods of the Service.
    addEndpoints(facts, "web", "web-2", { ports: ports(8081), endpoints: ready("10.16.0.3", "10.16.0.9") });
    addEndpoints(facts, "web", "web-3", { ports: ports(8080), endpoints: ready("fd00:10:16::2") });
    addEndpoints(facts, "other", "other-1", { ports: ports(8080), endpoints: ready("10.16.0.4") });
    golden(t, "dual-stack", facts, "default/web");
  },
);

t.test("with another primary network plugin the endpoints are the pods' first interfaces on OVN", async (t) => {
  const facts = sampleFacts();
  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, nonPrimary: true });
  addVpc(facts, "team-a", {});
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn", vpc: "team-a" });
  const annotations = { "k8s.v1.cni.cncf.io/networks": "net1" };
  for (const [name, last] of [
    ["b", 2],
    ["c", 3],
  ] as const) {
    addPod(facts, name, { node: "weft-1", annotations });
    const common = { podName: name, namespace: "default", nodeName: "weft-1", v6: "" };
    addIp(facts, `${name}.default.net1.default.ovn`, { ...common, subnet: "net1", v4: `10.30.0.${last}` });
  }
  addPod(facts, "without", { node: "weft-1" });
  const of = (pod: string, address: string) => ({
    addresses: [address],
    targetRef: { kind: "Pod", namespace: "default", name: pod },
  });
  addService(facts, "web", { ...DUAL, ports: [HTTP] });
  const ports = [{ ...HTTP, port: 8080 }];
  const endpoints = [of("b", "192.168.0.5"), of("c", "10.30.0.3"), of("without", "192.168.0.6"), of("b", "fd00::5")];
  addEndpoints(facts, "web", "web-1", { ports, endpoints: [...endpoints, ...ready("172.18.0.9")] });
  t.same(vips(facts, "default/web"), {
    "10.96.0.20:80": "10.30.0.2:8080,10.30.0.3:8080,172.18.0.9:8080",
    "[fd00:10:96::20]:80": "",
  });
  t.match(effects(facts, "default/web"), [{ kind: "annotate", annotations: { "ovn.kubernetes.io/vpc": "team-a" } }]);
  facts.set("cluster", "cluster", SAMPLE_CLUSTER);
  t.match(vips(facts, "default/web"), { "10.96.0.20:80": /192\.168\.0\.5:8080/ });
});

t.test("the endpoint of a client of a Service with affinity is kept, and its retransmissions pass", async (t) => {
  const facts = sampleFacts();
  const spec = { ...DUAL, ports: [HTTP], sessionAffinity: "ClientIP" };
  addService(facts, "web", { ...spec, sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } });
  const endpoints = ready("10.16.0.2", "fd00:10:16::2", "10.96.0.7");
  addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints });
  golden(t, "affinity", facts, "default/web");
  const led = (): readonly string[] => {
    const input = serviceUnit.read(facts, "default/web");
    const rows = input === undefined ? [] : serviceUnit.compile(input).rows;
    return rows
      .filter(({ columns }) => columns["protocol"] === undefined)
      .flatMap(({ columns }) => Object.keys(columns["vips"] ?? {}));
  };
  t.same(led(), ["10.16.0.2", "fd00:10:16::2"]);
  facts.set("serviceRanges", "services", { key: "services", cidrs: ["10.96.0.0/12", "fd00:10:16::/120"] });
  t.same(led(), ["10.16.0.2"], "an address that may be another Service's is not led to itself");
  for (const [seconds, kept, said] of [
    [undefined, "10800", undefined],
    [65_535, "65535", undefined],
    [86_400, "65535", /more than OVN supports/],
  ] as const) {
    addService(facts, "web", { ...spec, sessionAffinityConfig: { clientIP: { timeoutSeconds: seconds ?? null } } });
    t.match(balancer(facts, "default/web")?.columns["options"], { affinity_timeout: kept });
    const [problem] = reports(facts, "default/web");
    if (said === undefined) t.equal(problem, undefined);
    else t.match(problem, said);
  }
});

t.test(
  "parts of a Service or its endpoints that OVN would misread are left out individually, and reported",
  async (t) => {
    const facts = sampleFacts();
    addService(facts, "web", {
      clusterIPs: ["10.96.0.20", "::ffff:10.96.0.20"],
      ports: [HTTP, { ...HTTP, port: 70_000 }],
    });
    const endpoints = [...ready("10.16.0.2", "10.16.0.300", "::ffff:10.16.0.4", "web.example"), { addresses: [] }];
    addEndpoints(facts, "web", "web-1", {
      ports: [
        { ...HTTP, port: 8080 },
        { ...HTTP, port: 0 },
      ],
      endpoints,
    });
    addEndpoints(facts, "web", "web-2", { ports: [{ ...HTTP, port: 8081 }], endpoints: ready("10.16.0.3") });
    t.same(vips(facts, "default/web"), { "10.96.0.20:80": "10.16.0.2:8080,10.16.0.3:8081" });
    const [said] = reports(facts, "default/web");
    for (const path of [
      'spec.clusterIPs[1]: "::ffff:10.96.0.20" is an IPv4-mapped IPv6 address',
      "spec.ports[1].port: 70000 is not a valid port (1 to 65535)",
      'EndpointSlice web-1 endpoints[1].addresses[0]: "10.16.0.300" is not a valid IP address',
      'EndpointSlice web-1 endpoints[2].addresses[0]: "::ffff:10.16.0.4" is an IPv4-mapped IPv6 address',
      'EndpointSlice web-1 endpoints[3].addresses[0]: "web.example" is not a valid IP address',
      "EndpointSlice web-1 ports[1].port: 0 is not a valid port",
    ])
      t.ok(said?.includes(path), path);
    addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints: ready("10.16.0.2") });
    addService(facts, "web", { clusterIPs: ["10.96.0.20"], ports: [HTTP] });
    t.same(reports(facts, "default/web"), []);
  },
);

t.test("a Service without an annotation is in the VPC of its endpoints, and reports it", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team-a", {});
  addSubnet(facts, "shop", { cidrBlock: "10.30.0.0/24", vpc: "team-a" });
  addService(facts, "web", { ...DUAL, ports: [HTTP] });
  const vpcOf = () => balancer(facts, "default/web")?.columns["external_ids"];
  const annotation = () =>
    effects(facts, "default/web").flatMap((effect) => (effect.kind === "annotate" ? [effect.annotations] : []));
  t.match(vpcOf(), { vpc: "ovn-cluster" });
  t.same(annotation(), [], "no EndpointSlice has been seen");
  addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints: ready("10.30.0.2") });
  t.same(annotation(), [{ "ovn.kubernetes.io/vpc": "ovn-cluster" }], "the address is unused");
  const ip = { podName: "w", nodeName: "weft-1", subnet: "shop", v4: "10.30.0.2", v6: "" };
  addIp(facts, "w.other", { ...ip, namespace: "other" });
  t.match(vpcOf(), { vpc: "ovn-cluster" }, "other namespaces' pods do not matter");
  addIp(facts, "w.default", { ...ip, namespace: "default" });
  t.match(vpcOf(), { vpc: "team-a" });
  t.same(annotation(), [{ "ovn.kubernetes.io/vpc": "team-a" }]);
  const annotated = (annotations: Record<string, string>) =>
    addService(facts, "web", { ...DUAL, ports: [HTTP] }, { annotations });
  annotated({ "ovn.kubernetes.io/vpc": "team-a" });
  t.same(annotation(), []);
  facts.set("ips", "w.default", undefined);
  t.match(vpcOf(), { vpc: "team-a" }, "without pods it stays in its former VPC");
  annotated({ "ovn.kubernetes.io/logical_router": "ovn-cluster", "ovn.kubernetes.io/logical_switch": "ovn-default" });
  addIp(facts, "w.default", { ...ip, namespace: "default" });
  t.match(vpcOf(), { vpc: "ovn-cluster" }, "a Service that names router and switch is in that VPC");
});

t.test("pods of two VPCs with one address are distinguished by the names in the EndpointSlice", async (t) => {
  const facts = sampleFacts();
  for (const vpc of ["team-a", "team-b"]) {
    addVpc(facts, vpc, {});
    addSubnet(facts, `${vpc}-pods`, { cidrBlock: "10.30.0.0/24", vpc });
    for (const [i, name] of ["one", "two"].entries()) {
      const podName = `${name}-${vpc}`;
      const of = { podName, namespace: "default", nodeName: "weft-1", subnet: `${vpc}-pods` };
      addIp(facts, `${podName}.default`, { ...of, v4: `10.30.0.${i + 2}`, v6: "" });
    }
  }
  addService(facts, "web", { clusterIPs: ["10.96.0.20"], ports: [HTTP] });
  const serve = (...endpoints: readonly (readonly [string, string])[]): void =>
    addEndpoints(facts, "web", "web-1", {
      ports: [{ ...HTTP, port: 8080 }],
      endpoints: endpoints.map(([address, name]) => ({ addresses: [address], targetRef: { kind: "Pod", name } })),
    });
  const made = () => {
    const { external_ids, vips } = balancer(facts, "default/web")?.columns ?? {};
    return [(external_ids as { vpc: string }).vpc, Object.values(vips ?? {})];
  };
  serve(["10.30.0.2", "one-team-b"]);
  t.same(made(), ["team-b", ["10.30.0.2:8080"]], "not the VPC of the namespace's other pod with that address");
  serve(["10.30.0.2", "one-team-a"], ["10.30.0.3", "two-team-b"]);
  t.same(
    made(),
    ["team-a", ["10.30.0.2:8080"]],
    "10.30.0.3 is another pod in this VPC, which the Service does not select",
  );
});

t.test("an endpoint in another VPC stays if its address is in no subnet of the Service's own", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team-a", {});
  addSubnet(facts, "shop", { cidrBlock: "10.30.0.0/24", vpc: "team-a" });
  const annotations = { "ovn.kubernetes.io/logical_router": "ovn-cluster", "ovn.kubernetes.io/logical_switch": "x" };
  addService(facts, "web", { clusterIPs: ["10.96.0.20"], ports: [HTTP] }, { annotations });
  const of = { podName: "w", namespace: "default", nodeName: "weft-1", subnet: "shop" };
  addIp(facts, "w.default", { ...of, v4: "10.30.0.2", v6: "" });
  addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints: ready("10.30.0.2") });
  t.match(balancer(facts, "default/web")?.columns, {
    external_ids: { vpc: "ovn-cluster" },
    vips: { "10.96.0.20:80": "10.30.0.2:8080" },
  });
});

t.test("a Service without endpoints keeps its addresses, to refuse connections", async (t) => {
  const facts = sampleFacts();
  addService(facts, "web", { ...DUAL, ports: [HTTP] });
  golden(t, "no-endpoints", facts, "default/web");
});

t.test("only ready endpoints are used; if none is ready, those that terminate but still serve", async (t) => {
  const facts = sampleFacts();
  addService(facts, "web", { clusterIP: "10.96.0.20", clusterIPs: ["10.96.0.20"], ports: [HTTP] });
  const endpoint = (address: string, conditions: object) => ({ addresses: [address], conditions });
  const ending = { ready: false, serving: true, terminating: true };
  const slice = (...endpoints: { addresses: string[]; conditions: object }[]) =>
    addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints });
  slice(
    endpoint("10.16.0.2", { ready: true }),
    endpoint("10.16.0.3", ending),
    endpoint("10.16.0.4", { ready: false, serving: false, terminating: false }),
    endpoint("10.16.0.5", {}),
  );
  t.same(vips(facts, "default/web"), { "10.96.0.20:80": "10.16.0.2:8080,10.16.0.5:8080" });
  slice(
    endpoint("10.16.0.3", ending),
    endpoint("10.16.0.4", { ready: false, serving: true, terminating: false }),
    endpoint("10.16.0.6", { ready: false, serving: false, terminating: true }),
  );
  t.same(vips(facts, "default/web"), { "10.96.0.20:80": "10.16.0.3:8080" });
});

t.test("a Service of another VPC is balanced there, once the VPC exists", async (t) => {
  const facts = sampleFacts();
  const annotations = { "ovn.kubernetes.io/vpc": "team-a" };
  addService(facts, "web", { ...DUAL, ports: [HTTP] }, { annotations });
  t.same(vips(facts, "default/web"), { "10.96.0.20:80": "", "[fd00:10:96::20]:80": "" }, "refused in the default VPC");
  t.match(reports(facts, "default/web"), [/VPC "team-a" does not exist/]);
  addVpc(facts, "team-a", {});
  golden(t, "custom-vpc", facts, "default/web");
});

t.test("clients of the default VPC are refused at all addresses of a Service of another VPC", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team-a", {});
  const external = { externalIPs: ["192.0.2.7"], loadBalancerSourceRanges: ["198.51.100.0/24"] };
  const annotations = { "ovn.kubernetes.io/vpc": "team-a" };
  const status = { loadBalancer: { ingress: [{ ip: "192.0.2.8" }] } };
  const spec = { clusterIPs: ["10.96.0.20"], ports: [HTTP], ...external };
  addService(facts, "web", spec, { annotations }, status);
  const { rows, edges } = serviceUnit.compile(serviceUnit.read(facts, "default/web")!);
  const inGroup = (id: string) => {
    const group = rowUuid("Load_Balancer_Group", id);
    const members = edges.filter(({ row }) => row === group).map(({ member }) => member);
    return rows.filter(({ uuid }) => members.includes(uuid)).map(({ columns }) => columns["vips"]);
  };
  t.same(inGroup(loadBalancerGroupId("ovn-cluster")), [{ "10.96.0.20:80": "" }]);
  t.same(
    inGroup(insideBalancerGroupId("ovn-cluster")),
    [{ "192.0.2.7:80": "", "192.0.2.8:80": "" }],
    "external addresses in a group that external subnets do not have: their clients outside are not refused",
  );
  t.same(inGroup(loadBalancerGroupId("team-a")), [{ "10.96.0.20:80": "", "192.0.2.7:80": "" }], "no endpoints yet");
  facts.set("services", "default/web", undefined);
  addService(facts, "own", { clusterIPs: ["10.96.0.21"], ports: [HTTP] });
  const own = serviceUnit.compile(serviceUnit.read(facts, "default/own")!).rows;
  t.equal(own.length, 1, "nothing of the default VPC's own is refused");
});

t.test(
  "of Services with one external address and port the oldest has it, and a ClusterIP stays with its Service",
  async (t) => {
    const facts = sampleFacts();
    for (const vpc of ["team-a", "team-b"]) addVpc(facts, vpc, {});
    const DNS = { name: "dns", protocol: "UDP", port: 53 };
    const add = (name: string, address: string, externalIPs: string[], day: number, vpc = "ovn-cluster") => {
      const metadata = {
        annotations: { "ovn.kubernetes.io/vpc": vpc },
        creationTimestamp: `2026-01-0${day}T00:00:00Z`,
      };
      addService(facts, name, { clusterIPs: [address], externalIPs, ports: [HTTP, DNS] }, metadata);
    };
    /** Group → the addresses with a port 80 in it. */
    const served = (name: string) => {
      const input = serviceUnit.read(facts, `default/${name}`);
      const { rows, edges } = input === undefined ? { rows: [], edges: [] } : serviceUnit.compile(input);
      const balancers = new Map(rows.map(({ uuid, columns }) => [uuid, columns]));
      return edges.flatMap(({ row, member }) => {
        const { protocol, vips = {} } = balancers.get(String(member)) ?? {};
        const group = GROUPS.get(row)?.replace(/.*\//, "") ?? "inside";
        return protocol === "tcp" ? Object.keys(vips as object).map((vip) => `${group} ${vip}`) : [];
      });
    };
    add("second", "10.96.0.21", ["192.0.2.7", "10.96.0.20"], 2);
    t.same(served("second"), ["ovn-cluster 10.96.0.21:80", "ovn-cluster 10.96.0.20:80", "ovn-cluster 192.0.2.7:80"]);
    add("first", "10.96.0.20", ["192.0.2.7"], 1);
    t.same(served("second"), ["ovn-cluster 10.96.0.21:80"]);
    t.same(served("first"), ["ovn-cluster 10.96.0.20:80", "ovn-cluster 192.0.2.7:80"]);
    const said = reports(facts, "default/second").join();
    for (const port of ["80/TCP", "53/UDP"]) {
      t.match(
        said,
        `10.96.0.20 with port ${port} is an address of Service default/first; this Service is not reachable there`,
      );
      t.match(
        said,
        `192.0.2.7 with port ${port} is also of Service default/first, which is older; this Service is not`,
      );
    }
    add("foreign", "10.96.0.30", ["192.0.2.7", "10.96.0.20", "192.0.2.9"], 0, "team-a");
    add("also", "10.96.0.31", ["192.0.2.7"], 3, "team-b");
    t.same(
      served("foreign"),
      [
        ...["10.96.0.30:80", "10.96.0.20:80", "192.0.2.7:80", "192.0.2.9:80"].map((vip) => `team-a ${vip}`),
        ...["ovn-cluster 10.96.0.30:80", "inside 192.0.2.9:80"],
      ],
      "its own VPC has other addresses; where Services of the default VPC are served it refuses no client of them",
    );
    t.ok(served("also").includes("team-b 192.0.2.7:80"), "as an older one of another VPC has");
    t.same(served("first"), ["ovn-cluster 10.96.0.20:80", "ovn-cluster 192.0.2.7:80"]);
    facts.set("services", "default/first", undefined);
    t.same(served("second").length, 3, "once it is gone");
  },
);

t.test("Services that kube-proxy ignores by a label, whatever its value, are ignored", async (t) => {
  for (const name of ["service-proxy-name", "headless"]) {
    for (const value of ["x", ""]) {
      const facts = sampleFacts();
      addService(facts, "theirs", { ...DUAL, ports: [HTTP] }, { labels: { [`service.kubernetes.io/${name}`]: value } });
      t.equal(vips(facts, "default/theirs"), undefined, `${name}: "${value}"`);
    }
  }
});

t.test(
  "a Service is in the VPC of its endpoints' pods, although other pods have their addresses elsewhere",
  async (t) => {
    const facts = sampleFacts();
    for (const vpc of ["team-a", "team-b"]) {
      addVpc(facts, vpc, {});
      addSubnet(facts, `shop-${vpc}`, { cidrBlock: "10.30.0.0/24", vpc });
    }
    const ip = { nodeName: "weft-1", v4: "10.30.0.2", v6: "", namespace: "default" };
    addIp(facts, "a.default", { ...ip, podName: "a", subnet: "shop-team-a" });
    addIp(facts, "b.default", { ...ip, podName: "b", subnet: "shop-team-b" });
    addService(facts, "web", { ...DUAL, ports: [HTTP] });
    const vpcWith = (targetRef?: { kind: string; name: string; namespace?: string }) => {
      const endpoints = [{ addresses: ["10.30.0.2"], ...(targetRef && { targetRef }) }];
      addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints });
      return balancer(facts, "default/web")?.columns["external_ids"];
    };
    t.match(vpcWith({ kind: "Pod", name: "b" }), { vpc: "team-b" });
    t.match(vpcWith({ kind: "Pod", name: "a" }), { vpc: "team-a" });
    t.match(vpcWith({ kind: "Pod", name: "c" }), { vpc: "ovn-cluster" }, "the pod has no address yet");
    t.match(vpcWith({ kind: "Pod", namespace: "other", name: "b" }), { vpc: "ovn-cluster" }, "another namespace's");
    t.match(vpcWith({ kind: "Node", name: "b" }), { vpc: "team-a" }, "no pod is named, so its address decides");
  },
);

const POLICY_LOCAL = { ...DUAL, ports: [HTTP], internalTrafficPolicy: "Local" };
const onNode = (address: string, nodeName: string, more: object = {}) => ({ addresses: [address], nodeName, ...more });

t.test("with internalTrafficPolicy Local each node has an entry for its endpoints, and others refuse", async (t) => {
  const facts = sampleFacts();
  addService(facts, "web", { ...POLICY_LOCAL, externalIPs: ["192.0.2.7"] });
  addEndpoints(facts, "web", "web-1", {
    ports: [{ ...HTTP, port: 8080 }],
    endpoints: [
      onNode("10.16.0.2", "weft-1"),
      onNode("10.16.0.3", "weft-1"),
      onNode("10.16.0.4", "weft-1", { conditions: { ready: false, serving: true, terminating: true } }),
      onNode("10.16.0.5", "weft-2", { conditions: { ready: false, serving: true, terminating: true } }),
      { addresses: ["10.16.0.6"] },
    ],
  });
  addEndpoints(facts, "web", "web-2", {
    ports: [{ ...HTTP, port: 8080 }],
    endpoints: [onNode("fd00:10:16::2", "weft-1")],
  });
  golden(t, "local", facts, "default/web");
});

t.test("in a sticky Service with internalTrafficPolicy Local a client's address determines its endpoint", async (t) => {
  const facts = sampleFacts();
  addService(facts, "web", { ...POLICY_LOCAL, sessionAffinity: "ClientIP" });
  const { rows } = serviceUnit.compile(serviceUnit.read(facts, "default/web")!);
  t.same(
    rows.map(({ columns }) => [columns["name"], columns["selection_fields"]]),
    [
      ["default/web/tcp/local4", ["ip_src"]],
      ["default/web/tcp/local6", ["ipv6_src"]],
      ["default/web/refuse", []],
    ],
  );
  for (const { columns } of rows) t.notMatch(columns["options"], { affinity_timeout: String });
});

t.test("differences between a Service's spec and OVN's behaviour are reported", async (t) => {
  const facts = sampleFacts();
  const sticky = { sessionAffinity: "ClientIP" };
  for (const [spec, said] of [
    [{ trafficDistribution: "PreferSameNode" }, undefined],
    [{ trafficDistribution: "PreferClose", ...sticky }, /^spec\.trafficDistribution: a Service with sessionAffinity/],
    [
      { internalTrafficPolicy: "Local", ...sticky },
      /^spec\.sessionAffinityConfig: the session affinity has no timeout/,
    ],
    [{ trafficDistribution: "PreferClose", internalTrafficPolicy: "Local" }, undefined],
    [sticky, undefined],
  ] as const) {
    addService(facts, "web", { ...DUAL, ports: [HTTP], ...spec });
    const [problem] = reports(facts, "default/web");
    if (said === undefined) t.equal(problem, undefined);
    else t.match(problem, said);
  }
});

t.test("external addresses are balanced as kube-proxy does for pods: by all endpoints", async (t) => {
  const facts = sampleFacts();
  const spec = { clusterIPs: ["10.96.0.20"], ports: [HTTP] };
  const endpoints = [onNode("10.16.0.2", "weft-1"), onNode("10.16.0.3", "weft-2")];
  addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints });
  const both = "10.16.0.2:8080,10.16.0.3:8080";
  const set = (more: object, ingress: readonly { ip?: string; ipMode?: string; hostname?: string }[] = []) => {
    const metadata = { name: "web", namespace: "default", uid: "uid-web" };
    const object = { metadata, spec: { ...spec, ...more }, status: { loadBalancer: { ingress } } };
    facts.set("services", "default/web", projectService(object));
    return vips(facts, "default/web");
  };
  t.same(set({ externalIPs: ["192.0.2.7", "10.96.0.20", "192.0.2.7"] }), {
    "10.96.0.20:80": both,
    "192.0.2.7:80": both,
  });
  const ingress = [
    { ip: "198.51.100.9" },
    { ip: "198.51.100.8", ipMode: "VIP" },
    { ip: "198.51.100.7", ipMode: "Proxy" },
    { hostname: "lb.example" },
    { ip: "2001:db8::9" },
  ];
  const addresses = (more: object) => Object.keys(set(more, ingress) as object);
  t.same(addresses({ externalTrafficPolicy: "Local" }), [
    "10.96.0.20:80",
    "198.51.100.8:80",
    "198.51.100.9:80",
    "[2001:db8::9]:80",
  ]);
  t.same(
    addresses({ loadBalancerSourceRanges: [" 203.0.113.0/24 "] }),
    ["10.96.0.20:80", "[2001:db8::9]:80"],
    "OVN cannot restrict sources: that is left to kube-proxy, for the family concerned",
  );
  t.same(set({ externalIPs: ["192.0.2.7"], internalTrafficPolicy: "Local" }), {
    "10.96.0.20:80": "^local.uid_dweb.tcp.80.v4",
  });
  const input = serviceUnit.read(facts, "default/web")!;
  t.match(
    serviceUnit.compile(input).rows.find(({ columns }) => columns["name"] === "default/web/tcp")?.columns["vips"],
    { "192.0.2.7:80": both },
    "an internal policy applies to cluster addresses only",
  );
  set({ externalIPs: ["192.0.2.300"] });
  t.match(reports(facts, "default/web"), [/spec\.externalIPs\[0\]: "192\.0\.2\.300" is not a valid IP address/]);
});

const zone = (...names: string[]) => ({ hints: { forZones: names.map((name) => ({ name })) } });

t.test("endpoints with hints are for their zones, on the nodes of which they are balanced", async (t) => {
  const facts = sampleFacts();
  followed(facts, deriverOf(facts, zones));
  addChassis(facts, "weft-1", "c1", "a");
  addChassis(facts, "weft-2", "c2", "b");
  addNode(facts, "weft-3", "172.18.0.13");
  addService(facts, "web", { ...DUAL, ports: [HTTP], trafficDistribution: "PreferClose" });
  const slice = (...endpoints: object[]) =>
    addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints: endpoints as never });
  const names = () => serviceUnit.compile(serviceUnit.read(facts, "default/web")!).rows.map(({ label }) => label);
  slice(onNode("10.16.0.2", "weft-1", zone("a")), onNode("10.16.0.3", "weft-2", zone("c")));
  golden(t, "zones", facts, "default/web");
  slice(onNode("10.16.0.2", "weft-1", zone("a")), onNode("10.16.0.3", "weft-2"));
  t.same(names(), ["service/default/web/tcp"], "one endpoint without a hint");
  const ending = { conditions: { ready: false, serving: true, terminating: true } };
  slice(onNode("10.16.0.2", "weft-1", zone("a")), onNode("10.16.0.3", "weft-2", ending));
  t.equal(names().length, 4, "a terminating one has none");
  slice(onNode("10.16.0.2", "weft-1", { ...zone("a"), ...ending }));
  t.same(names(), ["service/default/web/tcp"], "if none is ready zones are ignored");
  slice(onNode("10.16.0.2", "weft-1", zone("a")));
  addService(facts, "web", { ...DUAL, ports: [HTTP], sessionAffinity: "ClientIP" });
  t.equal(names()[0], "service/default/web/tcp", "a client that keeps its endpoint keeps it in any zone");
});

const node = (...names: string[]) => ({ forNodes: names.map((name) => ({ name })) });

t.test(
  "endpoints with node hints are for clients on these nodes, and clients on other nodes have those of their zone",
  async (t) => {
    const facts = sampleFacts();
    for (const derivation of [zones, nodeNames]) followed(facts, deriverOf(facts, derivation as typeof zones));
    for (const [i, name] of ["weft-1", "weft-2", "weft-3"].entries()) addNode(facts, name, `172.18.0.1${i}`);
    addService(facts, "web", { ...DUAL, ports: [HTTP], trafficDistribution: "PreferSameNode" });
    const slice = (...endpoints: object[]) =>
      addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints: endpoints as never });
    const made = () => serviceUnit.compile(serviceUnit.read(facts, "default/web")!);
    const names = () => made().rows.map(({ label }) => label);
    const [one, two] = [
      onNode("10.16.0.2", "weft-1", { hints: node("weft-1") }),
      onNode("10.16.0.3", "weft-2", { hints: node("weft-2") }),
    ];
    slice(one, two);
    golden(t, "same-node", facts, "default/web");
    addChassis(facts, "weft-1", "c1", "a");
    addChassis(facts, "weft-2", "c2", "b");
    addChassis(facts, "weft-3", "c3", "a");
    const both = (address: string, name: string, zoneName: string) =>
      onNode(address, name, { hints: { ...node(name), ...zone(zoneName).hints } });
    slice(both("10.16.0.2", "weft-1", "a"), both("10.16.0.3", "weft-2", "b"));
    golden(t, "same-node-zones", facts, "default/web");
    slice(one, onNode("10.16.0.3", "weft-2"));
    t.same(names(), ["service/default/web/tcp"], "one endpoint without a hint");
    const ending = { conditions: { ready: false, serving: true, terminating: true } };
    slice(one, onNode("10.16.0.3", "weft-2", { hints: node("weft-2"), ...ending }));
    t.same(
      made().edges.flatMap(({ table, member }) => (table === "Chassis_Template_Var" ? [member] : [])),
      [
        mapEntry("same.uid_dweb.tcp.80.v4", "10.16.0.2:8080"),
        mapEntry("other.uid_dweb.tcp.80.v4", ""),
        mapEntry("other.uid_dweb.tcp.80.v4", ""),
      ],
      "clients on the node of one that is terminating have another node's",
    );
    slice(onNode("10.16.0.2", "weft-1", { hints: node("weft-1"), ...ending }));
    t.same(names(), ["service/default/web/tcp"], "none is ready");
    slice(one);
    addService(facts, "web", { ...DUAL, ports: [HTTP], sessionAffinity: "ClientIP" });
    t.equal(names()[0], "service/default/web/tcp", "a client that keeps its endpoint keeps it on any node");
  },
);

t.test(
  "endpoints that see their clients' addresses are known to the policies by which their replies leave",
  async (t) => {
    const facts = sampleFacts();
    addVpc(facts, "team-a", {});
    addEndpoints(facts, "web", "web-1", {
      ports: [{ ...HTTP, port: 8080 }],
      endpoints: [onNode("10.16.0.2", "weft-1"), onNode("10.16.0.3", "weft-2")],
    });
    const members = (spec: object, metadata: object = {}): readonly string[] => {
      addService(facts, "web", { clusterIPs: ["10.96.0.20"], ports: [HTTP], ...spec }, metadata);
      const { edges } = serviceUnit.compile(serviceUnit.read(facts, "default/web")!);
      const set = rowUuid("Address_Set", leavingSetId("local", 4));
      return edges.flatMap(({ row, member }) => (row === set ? [member] : []));
    };
    const local = { externalTrafficPolicy: "Local" };
    t.same(members({ type: "NodePort", ...local }), ["10.16.0.2", "10.16.0.3"]);
    t.same(members({ type: "LoadBalancer", ...local }), ["10.16.0.2", "10.16.0.3"]);
    t.same(members({ type: "NodePort" }), []);
    t.same(members({ externalIPs: ["192.0.2.7"], ...local }), [], "it has no node ports");
    const elsewhere = {
      annotations: { "ovn.kubernetes.io/logical_router": "team-a", "ovn.kubernetes.io/logical_switch": "x" },
    };
    t.same(members({ type: "NodePort", ...local }, elsewhere), [], "nodes do not reach it");
  },
);

t.test("a new or deleted node does not compile a Service with hints again, a zone does", async (t) => {
  const facts = sampleFacts();
  addChassis(facts, "weft-1", "c1", "a");
  addChassis(facts, "weft-2", "c2", "a");
  followed(facts, deriverOf(facts, zones));
  const changed: string[] = [];
  t.teardown(facts.subscribe(({ kind, key }) => kind === "zones" && changed.push(key)));
  addNode(facts, "weft-3", "172.18.0.13");
  addChassis(facts, "weft-3", "c3", "a");
  facts.set("nodes", "weft-2", undefined);
  t.same(
    changed.filter((key) => key !== ""),
    [],
  );
  addChassis(facts, "weft-1", "c1", "b");
  t.same(
    changed.filter((key) => key !== ""),
    ["b"],
  );
  facts.set("nodes", "weft-3", undefined);
  t.same(
    changed.filter((key) => key !== ""),
    ["b", "a"],
  );
});

t.test("a Service without a cluster address is not balanced", async (t) => {
  const facts = sampleFacts();
  addService(facts, "headless", { clusterIP: "None", clusterIPs: ["None"], ports: [HTTP] });
  addService(facts, "named", { type: "ExternalName", ports: [HTTP] });
  addService(facts, "new", { ports: [HTTP] });
  for (const name of ["headless", "named", "new"]) t.equal(facts.get("services", `default/${name}`), undefined, name);
});

t.test("changes of a Service or its endpoints without relevance compile nothing again", async (t) => {
  const facts = sampleFacts();
  const ports = [{ ...HTTP, port: 8080 }];
  addService(facts, "web", { ...DUAL, ports: [HTTP] });
  addEndpoints(facts, "web", "web-1", { ports, endpoints: ready("10.16.0.2", "10.16.0.3") });
  t.teardown(facts.subscribe((change) => t.fail(`${change.kind} ${change.key} has changed`)));
  addService(facts, "web", { ...DUAL, ports: [HTTP], type: "LoadBalancer" }, { labels: { some: "label" } });
  addEndpoints(facts, "web", "web-1", { ports, endpoints: ready("10.16.0.3", "10.16.0.2") });
});

t.test(
  "node ports of a Service with internalTrafficPolicy Local use all endpoints, at a port of their own",
  async (t) => {
    const facts = sampleFacts();
    const made = (spec: object, replacement = true) => {
      facts.set("cluster", "cluster", { ...facts.get("cluster", "cluster")!, kubeProxyReplacement: replacement });
      const ports = [{ ...HTTP, nodePort: 30_080 }];
      addService(facts, "web", { clusterIPs: ["10.96.0.20"], type: "NodePort", ports, ...spec });
      const { rows } = serviceUnit.compile(serviceUnit.read(facts, "default/web")!);
      return rows.find(({ columns }) => String(columns["name"]).endsWith("/node-ports"))?.columns["vips"];
    };
    const endpoints = [
      { addresses: ["10.16.0.2"], nodeName: "weft-1" },
      { addresses: ["10.16.0.3"], nodeName: "weft-2" },
    ];
    addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints });
    const local = { internalTrafficPolicy: "Local" };
    t.same(made(local), { "10.96.0.20:30080": "10.16.0.2:8080,10.16.0.3:8080" });
    t.equal(made(local, false), undefined, "kube-proxy serves them");
    t.equal(made({}), undefined, "at the Service's port all are used already");
    t.equal(made({ ...local, externalTrafficPolicy: "Local" }), undefined, "the node translates to its own");
    t.equal(made({ ...local, type: "ClusterIP" }), undefined, "it has no node port");
    const taken = [
      { ...HTTP, nodePort: 30_080 },
      { name: "b", protocol: "TCP", port: 30_080, nodePort: 30_081 },
    ];
    t.match(made({ ...local, ports: taken }), { "10.96.0.20:30081": "" }, "not at a port that the Service has");
  },
);

t.test("an Event reports what nodes do not do for a sticky Service without kube-proxy", async (t) => {
  const facts = sampleFacts();
  const said = (spec: object, kubeProxyReplacement: boolean) => {
    facts.set("cluster", "cluster", { ...facts.get("cluster", "cluster")!, kubeProxyReplacement });
    addService(facts, "web", { clusterIPs: ["10.96.0.20"], ports: [HTTP], sessionAffinity: "ClientIP", ...spec });
    return reports(facts, "default/web");
  };
  t.match(said({ type: "NodePort" }, true), [
    /spec\.sessionAffinity: .* all clients that come to one node have one endpoint/,
  ]);
  t.same(said({ type: "NodePort" }, false), []);
  t.same(said({}, true), []);
});

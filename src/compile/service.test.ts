import { existsSync, readFileSync, writeFileSync } from "node:fs";
import t, { type Test } from "tap";
import type { FactStore } from "../facts/store.ts";
import { formatFragment } from "../reconcile/text.ts";
import { rowUuid } from "../unit/identity.ts";
import { loadBalancerGroupId } from "./owner-ids.ts";
import { serviceUnit } from "./service.ts";
import { addEndpoints, addService, addVpc, sampleFacts } from "./testing.ts";

const GROUPS = new Map(
  ["ovn-cluster", "team-a"].map((vpc) => {
    const id = loadBalancerGroupId(vpc);
    return [rowUuid("Load_Balancer_Group", id), `Load_Balancer_Group ${id}`];
  }),
);

/** Compares a Service's fragment with `service.golden/<name>.txt`; WEFT_GOLDEN=write makes the file anew. */
function golden(t: Test, name: string, facts: FactStore, key: string): void {
  const input = serviceUnit.read(facts, key);
  const text =
    input === undefined ? "(no unit)\n" : formatFragment(serviceUnit.compile(input), (uuid) => GROUPS.get(uuid));
  const file = new URL(`./service.golden/${name}.txt`, import.meta.url);
  if (process.env["WEFT_GOLDEN"] === "write") writeFileSync(file, text);
  t.equal(text, existsSync(file) ? readFileSync(file, "utf8") : "", name);
}

/** The vips of a Service's load balancer for a protocol. */
function vips(facts: FactStore, key: string, protocol = "tcp"): unknown {
  const input = serviceUnit.read(facts, key);
  const rows = input === undefined ? [] : serviceUnit.compile(input).rows;
  return rows.find(({ columns }) => columns["protocol"] === protocol)?.columns["vips"];
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
    // A named target port, which other pods of the Service have another number for.
    addEndpoints(facts, "web", "web-2", { ports: ports(8081), endpoints: ready("10.16.0.3", "10.16.0.9") });
    addEndpoints(facts, "web", "web-3", { ports: ports(8080), endpoints: ready("fd00:10:16::2") });
    addEndpoints(facts, "other", "other-1", { ports: ports(8080), endpoints: ready("10.16.0.4") });
    golden(t, "dual-stack", facts, "default/web");
  },
);

t.test("a client of a Service with affinity is led by its address alone", async (t) => {
  const facts = sampleFacts();
  addService(facts, "web", {
    ...DUAL,
    ports: [HTTP],
    sessionAffinity: "ClientIP",
  });
  addEndpoints(facts, "web", "web-1", { ports: [{ ...HTTP, port: 8080 }], endpoints: ready("10.16.0.2") });
  golden(t, "affinity", facts, "default/web");
});

t.test("a Service without endpoints keeps its addresses, to refuse", async (t) => {
  const facts = sampleFacts();
  addService(facts, "web", { ...DUAL, ports: [HTTP] });
  golden(t, "no-endpoints", facts, "default/web");
});

t.test("only ready endpoints count; where none is, those that end but still serve", async (t) => {
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
  t.equal(vips(facts, "default/web"), undefined);
  addVpc(facts, "team-a", {});
  golden(t, "custom-vpc", facts, "default/web");
});

t.test("what OVN cannot keep to is left to kube-proxy, and other proxies' Services to them", async (t) => {
  const facts = sampleFacts();
  addService(facts, "local", { ...DUAL, ports: [HTTP], internalTrafficPolicy: "Local" });
  t.equal(vips(facts, "default/local"), undefined);
  addService(
    facts,
    "theirs",
    { ...DUAL, ports: [HTTP] },
    { labels: { "service.kubernetes.io/service-proxy-name": "x" } },
  );
  t.equal(vips(facts, "default/theirs"), undefined);
});

t.test("a Service without a cluster address is nothing to balance", async (t) => {
  const facts = sampleFacts();
  addService(facts, "headless", { clusterIP: "None", clusterIPs: ["None"], ports: [HTTP] });
  addService(facts, "named", { type: "ExternalName", ports: [HTTP] });
  addService(facts, "new", { ports: [HTTP] });
  for (const name of ["headless", "named", "new"]) t.equal(facts.get("services", `default/${name}`), undefined, name);
});

t.test("what says nothing new of a Service or its endpoints wakes nobody", async (t) => {
  const facts = sampleFacts();
  const ports = [{ ...HTTP, port: 8080 }];
  addService(facts, "web", { ...DUAL, ports: [HTTP] });
  addEndpoints(facts, "web", "web-1", { ports, endpoints: ready("10.16.0.2", "10.16.0.3") });
  t.teardown(facts.subscribe((change) => t.fail(`${change.kind} ${change.key} has changed`)));
  addService(facts, "web", { ...DUAL, ports: [HTTP], type: "LoadBalancer" }, { labels: { some: "label" } });
  addEndpoints(facts, "web", "web-1", { ports, endpoints: ready("10.16.0.3", "10.16.0.2") });
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { SwitchLBRuleSpec } from "../../api/generated/switchlbrule.ts";
import { equalsGolden } from "../../collections/testing/golden.ts";
import { projectSwitchLbRule } from "../../facts/project-switch-lb-rule.ts";
import type { FactStore } from "../../facts/store.ts";
import { projectVip } from "../../kinds/vip.ts";
import { vipUnit } from "../../kinds/vip-unit.ts";
import { formatFragment } from "../../reconcile/plan-text.ts";
import { conditionsIn, type WeftEffect } from "../effects.ts";
import { addEndpoints, addIp, addService, addSubnet, addVpc, sampleFacts } from "../testing/sample-facts.ts";
import { serviceUnit } from "./service.ts";
import { switchLbRuleUnit } from "./switch-lb-rule.ts";

const VIP = "172.31.0.5";
const PORTS = [{ name: "http", port: 80, targetPort: 8080, protocol: "TCP" }];

function addRule(facts: FactStore, name: string, spec: SwitchLBRuleSpec, annotations = {}): void {
  const metadata = {
    name,
    uid: `uid-rule-${name}`,
    generation: 1,
    creationTimestamp: "2026-01-01T00:00:00Z",
    annotations,
  };
  const base = { vip: VIP, selector: ["app: web"], ports: PORTS };
  facts.set("switchLbRules", name, projectSwitchLbRule({ metadata, spec: { ...base, ...spec } }));
}

/** The Service of a rule in the API server. */
function addRuleService(facts: FactStore, rule: string, vip = VIP, more = {}, ports: typeof PORTS = PORTS): void {
  const spec = {
    clusterIP: "None",
    clusterIPs: ["None"],
    selector: { app: "web" },
    ipFamilies: ["IPv4"],
    sessionAffinity: "None",
    ports,
  };
  const owner = {
    apiVersion: "kubeovn.io/v1",
    kind: "SwitchLBRule",
    name: rule,
    uid: `uid-rule-${rule}`,
    controller: true,
  };
  const annotations = { "ovn.kubernetes.io/switch_lb_vip": vip, ...more };
  addService(facts, `slr-${rule}`, spec, { annotations, ownerReferences: [owner] });
}

function addWeb(facts: FactStore, service: string, ...addresses: string[]): void {
  const endpoints = addresses.map((address) => ({ addresses: [address] }));
  addEndpoints(facts, service, `${service}-1`, { ports: [{ name: "http", protocol: "TCP", port: 8080 }], endpoints });
}

function effects(facts: FactStore, rule = "web"): readonly WeftEffect[] {
  const input = switchLbRuleUnit.read(facts, rule);
  return input === undefined ? [] : switchLbRuleUnit.compile(input).effects;
}

function state(facts: FactStore, rule = "web") {
  return conditionsIn(effects(facts, rule))[0];
}

/** The addresses of the load balancers of a rule's Service, and their VPC. */
function balanced(facts: FactStore, rule = "web"): unknown {
  const input = serviceUnit.read(facts, `default/slr-${rule}`);
  const rows = input === undefined ? [] : serviceUnit.compile(input).rows;
  return rows.map(({ columns }) => [columns["vips"], (columns["external_ids"] as Record<string, string>)["vpc"]]);
}

t.test("the Service of a rule is written until it is as wanted, and then no more", async (t) => {
  const facts = sampleFacts();
  addRule(facts, "web", {});
  t.match(effects(facts), [{ kind: "make-object", resource: "services", body: { spec: { clusterIP: "None" } } }]);
  addRuleService(facts, "web");
  t.same(
    effects(facts).map(({ kind }) => kind),
    ["condition"],
  );
  addRule(facts, "web", { selector: ["app: other"] });
  t.match(effects(facts), [{ kind: "patch-object", body: { spec: { selector: { app: "other" } } } }, {}]);
  addRule(facts, "web", { selector: [], endpoints: ["10.16.0.2", "fd00:10:16::2"] });
  t.match(effects(facts), [{ kind: "drop-object", resource: "services" }, {}, {}, {}], "its slices would stay");
  addRule(facts, "web", { namespace: "gone" });
  t.match(effects(facts), [{ kind: "drop-object" }, { kind: "condition", reason: "NamespaceNotFound" }]);
});

t.test("a rule is balanced in the VPC of its endpoints, and nowhere before it has any", async (t) => {
  const facts = sampleFacts();
  addVpc(facts, "team", {});
  addSubnet(facts, "shop", { cidrBlock: "10.30.0.0/24", vpc: "team" });
  addRule(facts, "web", {});
  addRuleService(facts, "web");
  addWeb(facts, "slr-web");
  t.same(balanced(facts), []);
  t.match(state(facts), { ready: false, reason: "NoEndpoints" });
  addIp(facts, "w.default", {
    podName: "w",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "shop",
    v4: "10.30.0.9",
    v6: "",
  });
  addWeb(facts, "slr-web", "10.30.0.9");
  t.same(balanced(facts), [[{ [`${VIP}:80`]: "10.30.0.9:8080" }, "team"]]);
  t.match(state(facts), { ready: true, reason: "Ready", message: `${VIP} in VPC "team"`, status: { ports: "80/TCP" } });
});

t.test("a VIP that another object of the VPC has is refused; in another VPC it is free", async (t) => {
  const facts = sampleFacts();
  addWeb(facts, "slr-web", "10.16.0.9");
  const judge = (vip: string) => {
    addRule(facts, "web", { vip });
    addRuleService(facts, "web", vip);
    const { ready, reason } = state(facts) ?? {};
    return [ready, reason];
  };
  t.same(judge(VIP), [true, "Ready"]);
  t.same(judge("10.16.0.2"), [false, "VipIsPodAddress"]);
  t.same(balanced(facts), []);
  t.same(judge("100.64.0.2"), [false, "VipIsNodeAddress"]);
  t.same(judge("172.18.0.11"), [false, "VipIsNodeAddress"]);
  t.same(judge("10.16.0.1"), [false, "VipIsGateway"]);
  t.same(judge("10.16.0.200"), [true, "VipNotReserved"]);
  addService(facts, "api", { clusterIPs: ["10.96.0.10"], ports: [{ name: "http", protocol: "TCP", port: 80 }] });
  t.same(judge("10.96.0.10"), [false, "VipIsClusterIp"]);
  addRule(facts, "older", {});
  addRuleService(facts, "older");
  addWeb(facts, "slr-older", "10.16.0.9");
  t.same(judge(VIP), [false, "VipInUse"]);
  t.match(state(facts, "older"), { ready: true });
  addVpc(facts, "team", {});
  addSubnet(facts, "shop", { cidrBlock: "10.16.0.0/24", vpc: "team" });
  facts.set("ips", "a.default", undefined);
  addIp(facts, "w.default", {
    podName: "w",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "shop",
    v4: "10.16.0.9",
    v6: "",
  });
  addWeb(facts, "slr-older");
  addRule(
    facts,
    "older",
    {},
    { "ovn.kubernetes.io/logical_router": "ovn-cluster", "ovn.kubernetes.io/logical_switch": "x" },
  );
  for (const vip of ["10.96.0.10", "172.18.0.11", "100.64.0.2"]) t.same(judge(vip), [true, "Ready"], vip);
});

t.test("rules and a Service share an address by different ports", async (t) => {
  const facts = sampleFacts();
  const judge = (rule: string, ports: typeof PORTS, vip: string) => {
    addRule(facts, rule, { vip, ports });
    addRuleService(facts, rule, vip, {}, ports);
    addWeb(facts, `slr-${rule}`, "10.16.0.9");
    return state(facts, rule)?.reason;
  };
  const clusterIp = "10.96.0.10";
  addService(facts, "dns", { clusterIPs: [clusterIp], ports: [{ name: "dns", protocol: "UDP", port: 53 }] });
  const http = { name: "http", protocol: "TCP", port: 80, targetPort: 8080 };
  const https = { ...http, port: 443 };
  t.equal(judge("a", [http], clusterIp), "Ready");
  t.equal(judge("b", [https], clusterIp), "Ready");
  t.equal(judge("c", [{ ...http, port: 53 }], clusterIp), "Ready", "of another protocol");
  t.equal(judge("d", [{ ...http, protocol: "UDP", port: 53 }], clusterIp), "VipIsClusterIp");
  t.match(
    state(facts, "d")?.message,
    /VIP 10\.96\.0\.10 is the ClusterIP of Service default\/dns, which has 53\/UDP, too/u,
  );
  t.equal(judge("e", [https], clusterIp), "VipInUse");
});

t.test("a Service without a rule has no VIP, whatever its annotation says", async (t) => {
  const facts = sampleFacts();
  const annotations = { "ovn.kubernetes.io/switch_lb_vip": "10.16.0.2" };
  addService(facts, "slr-web", { clusterIPs: ["None"], ports: [{ name: "http", port: 80 }] }, { annotations });
  addWeb(facts, "slr-web", "10.16.0.9");
  t.same(balanced(facts), []);
  const input = serviceUnit.read(facts, "default/slr-web")!;
  t.match(serviceUnit.compile(input).effects[0], { kind: "report", reason: "NoSwitchLBRule" });
});

t.test("no Event says so of a Service whose rule has just been deleted", async (t) => {
  const facts = sampleFacts();
  addRule(facts, "web", {});
  addRuleService(facts, "web");
  addWeb(facts, "slr-web", "10.16.0.9");
  facts.set("switchLbRules", "web", undefined);
  const { rows, effects } = serviceUnit.compile(serviceUnit.read(facts, "default/slr-web")!);
  t.same(rows, []);
  t.notOk(effects.some(({ kind }) => kind === "report"));
});

t.test("an invalid spec is refused with its fields, and leaves the Service unchanged", async (t) => {
  const facts = sampleFacts();
  const spec = { vip: "10.0.0.256", selector: ["web"], endpoints: ["x"], ports: [{ port: 0 }], sessionAffinity: "Ip" };
  addRule(facts, "web", spec);
  t.match(effects(facts), [{ kind: "condition", ready: false, reason: "InvalidAddress" }]);
  for (const field of ["vip", "selector[0]", "endpoints[0]", "ports[0].port", "sessionAffinity"])
    t.match(state(facts)?.message, `spec.${field}: `);
  addRule(facts, "web", {});
  addRuleService(facts, "web");
  addWeb(facts, "slr-web", "10.16.0.9");
  addRule(facts, "web", spec);
  t.match(effects(facts), [{ kind: "condition", ready: true, refused: { reason: "InvalidAddress" } }]);
  t.same(balanced(facts), [[{ [`${VIP}:80`]: "10.16.0.9:8080" }, "ovn-cluster"]]);
});

t.test("the objects of a rule are deleted when it is deleted, or another one has its name", async (t) => {
  const facts = sampleFacts();
  addRule(facts, "web", {});
  addRuleService(facts, "web");
  facts.set("switchLbRules", "web", undefined);
  t.match(effects(facts), [{ kind: "drop-object", resource: "services", name: "slr-web" }]);
  const metadata = { name: "web", uid: "uid-new" };
  facts.set("switchLbRules", "web", projectSwitchLbRule({ metadata, spec: { vip: VIP, ports: PORTS } }));
  t.match(effects(facts), [{ kind: "drop-object", uid: "uid-slr-web" }]);
});

t.test(
  "endpoints on OVN are checked from a Vip of their subnet, which is created for that and deleted with the last rule",
  async (t) => {
    const facts = sampleFacts();
    addRule(facts, "web", {});
    const placed = { "ovn.kubernetes.io/vpc": "ovn-cluster" };
    addRuleService(facts, "web", VIP, placed);
    addWeb(facts, "slr-web", "10.16.0.2", "203.0.113.10");
    const fragment = () => serviceUnit.compile(serviceUnit.read(facts, "default/slr-web")!);
    const tables = () => fragment().rows.map(({ table }) => table);
    const make = {
      kind: "make-object",
      resource: "vips",
      body: { metadata: { name: "ovn-default" }, spec: { subnet: "ovn-default" } },
    };
    t.match(fragment().effects, [make]);
    t.same(tables(), ["Load_Balancer"], "nothing is checked without a source address");
    const labels = { "weft.kubeovn.io/health-check-source": "true" };
    const metadata = { name: "ovn-default", uid: "uid-source", labels };
    const given = { v4ip: "10.16.0.99", mac: "02:00:00:00:00:99" };
    const vip = (type = "") =>
      projectVip({
        metadata,
        spec: { subnet: "ovn-default", type, v4ip: given.v4ip, macAddress: given.mac },
        status: given,
      });
    facts.set("vips", "ovn-default", vip());
    t.same(fragment().effects, []);
    const text = formatFragment(fragment(), () => undefined);
    equalsGolden(t, new URL("./service.golden/switch-lb-rule.txt", import.meta.url), text);
    const [balancer, check] = fragment().rows;
    t.same(balancer?.columns["ip_port_mappings"], { "10.16.0.2": "a.default:10.16.0.99" }, "others are not checked");
    t.match(check, { table: "Load_Balancer_Health_Check", columns: { vip: `${VIP}:80` } });
    const source = () => vipUnit.compile(vipUnit.read(facts, "ovn-default")!).effects;
    t.notMatch(source(), [{ kind: "drop-object" }]);
    facts.set("vips", "ovn-default", vip("switch_lb_vip"));
    t.match(fragment().effects, [{ kind: "report", reason: "NoCheckSource" }]);
    facts.set("vips", "ovn-default", vip());
    addRuleService(facts, "web", VIP, { ...placed, "ovn.kubernetes.io/service_health_check": "false" });
    t.same(tables(), ["Load_Balancer"]);
    t.same(fragment().rows[0]?.columns["ip_port_mappings"], {});
    t.match(source(), [{ kind: "drop-object", resource: "vips", name: "ovn-default" }]);
  },
);

t.test(
  "a duplicate port and an endpoint that the API server would refuse are reported, and the Service stays unchanged",
  async (t) => {
    const facts = sampleFacts();
    addVpc(facts, "team", {});
    for (const [spec, reason, message] of [
      [
        { ports: [...PORTS, { ...PORTS[0], name: "again" }] },
        "InvalidPort",
        /spec\.ports\[1\]\.port: 80\/TCP is also another/,
      ],
      [
        { endpoints: ["127.0.0.1"] },
        "InvalidAddress",
        /spec\.endpoints\[0\]: "127\.0\.0\.1" cannot be an endpoint: it is loop/,
      ],
      [{ endpoints: ["fe80::1"] }, "InvalidAddress", /it is link-local/],
      [{ endpoints: ["0.0.0.0"] }, "InvalidAddress", /it is the unspecified address/],
    ] as const) {
      addRule(facts, "web", spec);
      t.match(conditionsIn(effects(facts))[0], { ready: false, reason, message });
      t.same(
        effects(facts).filter(({ kind }) => kind !== "condition"),
        [],
        "nothing is made",
      );
    }
    addRule(facts, "web", { ports: [...PORTS, { ...PORTS[0], name: "udp", protocol: "UDP" }] });
    t.equal(effects(facts)[0]?.kind, "make-object", "one number of two protocols is valid");
  },
);

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { decodeQos, type Qos } from "../../contract/qos-record.ts";
import { addIp, addNetwork, addPod, addSubnet, NETWORK_CONFIG, sampleFacts } from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

const RECORD = "weft.kubeovn.io/qos";

/**
 * The rows and effects of a pod with these annotations. `qos`: the record in its IP object; undefined for one of an
 * older version.
 */
function compile(annotations: Readonly<Record<string, string>>, qos?: string) {
  const facts = sampleFacts();
  addSubnet(facts, "net", { cidrBlock: "10.40.0.0/24" });
  addPod(facts, "a", { node: "weft-1", annotations });
  addIp(facts, "a.default", {
    podName: "a",
    namespace: "default",
    nodeName: "weft-1",
    subnet: "net",
    v4: "10.40.0.2",
    v6: "",
    ...(qos !== undefined && { qos }),
  });
  const input = podUnit.read(facts, "default/a");
  if (input === undefined) throw new Error("no input");
  const { rows, edges, effects } = podUnit.compile(input);
  const written = (resource: string) => {
    const found = effects.find((effect) => effect.kind === "annotate" && effect.resource === resource);
    return found?.kind === "annotate" ? found.annotations[RECORD] : undefined;
  };
  return {
    rules: rows.filter(({ table }) => table === "QoS"),
    edges: edges.filter(({ column }) => column === "qos_rules"),
    record: written("pods"),
    /** The content that is written into the IP object. */
    kept: written("ips"),
    event: effects.find((effect) => effect.kind === "report"),
  };
}

const ALLOCATED = { "ovn.kubernetes.io/allocated": "true" };

t.test("each limit is one rule of the pod's own port, with OVN's direction the other way round", (t) => {
  const { rules, edges, record, event } = compile({
    "ovn.kubernetes.io/ingress_rate": "10",
    "ovn.kubernetes.io/egress_rate": "3",
    "ovn.kubernetes.io/egress_burst": "1",
  });
  t.match(rules, [
    {
      columns: {
        direction: "to-lport",
        match: 'outport == "a.default"',
        bandwidth: { rate: 10_000, burst: 8_000 },
        external_ids: { port: "a.default", pod: "default/a" },
      },
    },
    { columns: { direction: "from-lport", match: 'inport == "a.default"', bandwidth: { rate: 3_000, burst: 1_000 } } },
  ]);
  t.equal(rules.length, 2);
  t.strictSame(
    edges.map(({ member }) => member),
    rules.map(({ uuid }) => uuid),
  );
  t.equal(record, '{"ovn":{"ingress":{"rate":10000,"burst":8000},"egress":{"rate":3000,"burst":1000}}}');
  t.equal(event, undefined);
  t.end();
});

t.test("a pod without limits has no rule and no record, and one whose limits are removed loses its record", (t) => {
  t.match(compile({}), { rules: [], record: undefined });
  t.match(compile({ ...ALLOCATED, [RECORD]: '{"ovn":{"ingress":{"rate":10000,"burst":8000}}}' }), {
    rules: [],
    record: null,
  });
  t.end();
});

t.test("the active QoS is recorded in the IP object, once, and stays there while an annotation is invalid", (t) => {
  const limited = { ...ALLOCATED, "ovn.kubernetes.io/ingress_rate": "10" };
  const record = '{"ingress":{"rate":10000,"burst":8000}}';
  t.equal(compile(limited, "{}").kept, record);
  t.equal(compile(limited, record).kept, undefined);
  t.equal(compile(ALLOCATED, record).kept, "{}", "a removed limit");
  t.equal(compile(ALLOCATED, "{}").kept, undefined);
  t.equal(compile(ALLOCATED).kept, undefined, "an object of an older version is not written without need");
  const invalid = compile({ ...limited, "ovn.kubernetes.io/ingress_rate": "fast" }, record);
  t.match(invalid.rules, [{ columns: { bandwidth: { rate: 10_000 } } }]);
  t.match(invalid.event, { message: /; 10 Mbit\/s \(burst 8 Mbit\) stays active$/ });
  t.match(JSON.parse(invalid.kept ?? ""), { ingress: { rate: 10_000 }, problem: /fast/ });
  t.end();
});

t.test("a record that a user writes on a running pod is not used as the previous value", (t) => {
  const forged = { ...ALLOCATED, [RECORD]: '{"ovn":{"ingress":{"rate":4000000000,"burst":4000000000}}}' };
  const invalid = { ...forged, "ovn.kubernetes.io/ingress_rate": "fast" };
  t.match(compile(invalid, '{"ingress":{"rate":10000,"burst":8000}}').rules, [
    { columns: { bandwidth: { rate: 10_000 } } },
  ]);
  t.strictSame(compile(invalid, "{}").rules, []);
  t.equal(compile(forged, "{}").record, null, "and it is removed");
  t.end();
});

t.test("the record of an older version, which only the pod has, goes into the IP object", (t) => {
  const record = '{"ingress":{"rate":10000,"burst":8000}}';
  const before = { ...ALLOCATED, [RECORD]: `{"ovn":${record}}` };
  t.equal(compile({ ...before, "ovn.kubernetes.io/ingress_rate": "10" }).kept, record);
  const invalid = compile({ ...before, "ovn.kubernetes.io/ingress_rate": "fast" });
  t.match(invalid.rules, [{ columns: { bandwidth: { rate: 10_000 } } }]);
  t.match(JSON.parse(invalid.kept ?? ""), { ingress: { rate: 10_000 } });
  t.end();
});

t.test("an invalid rate of a running pod leaves the last valid one active, and the Event reports it", (t) => {
  const before = { ...ALLOCATED, [RECORD]: '{"ovn":{"ingress":{"rate":10000,"burst":8000}}}' };
  const { rules, record, event } = compile({ ...before, "ovn.kubernetes.io/ingress_rate": "fast" });
  t.match(rules, [{ columns: { bandwidth: { rate: 10_000, burst: 8_000 } } }]);
  t.match(event, {
    reason: "InvalidQoS",
    message:
      /^annotation ovn.kubernetes.io\/ingress_rate is "fast", which is invalid: .*; 10 Mbit\/s \(burst 8 Mbit\) stays active$/,
  });
  t.notMatch(record, /refused/);
  const none = compile({ ...ALLOCATED, "ovn.kubernetes.io/ingress_rate": "fast" });
  t.match(none, { rules: [], event: { message: /; no limit is active$/ } });
  t.notMatch(none.record, /refused/, "a running pod is not refused");
  t.end();
});

t.test(
  "an invalid rate of a new pod refuses its interface until it is corrected; the other direction is active",
  (t) => {
    const { rules, record, event } = compile({
      "ovn.kubernetes.io/ingress_rate": "-1",
      "ovn.kubernetes.io/egress_rate": "5",
    });
    t.match(rules, [{ columns: { direction: "from-lport" } }]);
    t.equal(rules.length, 1);
    t.match(event, { message: /; the interface is not created$/ });
    t.match(JSON.parse(record ?? ""), { ovn: { egress: { rate: 5_000 }, refused: true } });
    const again = { ...ALLOCATED, [RECORD]: record ?? "" };
    t.match(JSON.parse(compile({ ...again, "ovn.kubernetes.io/ingress_rate": "-2" }).record ?? ""), {
      ovn: { refused: true },
    });
    t.equal(
      compile({ ...again, "ovn.kubernetes.io/ingress_rate": "2" }).record,
      '{"ovn":{"ingress":{"rate":2000,"burst":1600}}}',
    );
    t.end();
  },
);

t.test("a pod with a user's allocation annotation is new according to its IP object's first record", (t) => {
  const { event, record } = compile({ ...ALLOCATED, "ovn.kubernetes.io/ingress_rate": "fast" }, '{"refused":true}');
  t.match(event, { message: /; the interface is not created$/ });
  t.match(JSON.parse(record ?? "{}"), { ovn: { refused: true } });
  t.match(compile({ ...ALLOCATED, "ovn.kubernetes.io/ingress_rate": "2" }, '{"refused":true}'), {
    kept: '{"ingress":{"rate":2000,"burst":1600}}',
  });
  t.end();
});

t.test(
  "a pod with a user's allocation annotation is new to an IP object that was not created for it, such as a reservation",
  (t) => {
    const facts = sampleFacts();
    const forged = { ...ALLOCATED, [RECORD]: '{"ovn":{"ingress":{"rate":4000000000,"burst":4000000000}}}' };
    addPod(facts, "a", { node: "weft-1", annotations: { ...forged, "ovn.kubernetes.io/ingress_rate": "fast" } });
    const kept = (qos?: string): Qos => {
      const ip = facts.get("ips", "a.default");
      if (ip === undefined) throw new Error("no IP object");
      facts.set("ips", "a.default", { ...ip, podUid: "", reserved: true, ...(qos !== undefined && { qos }) });
      const input = podUnit.read(facts, "default/a");
      const effects = input === undefined ? [] : podUnit.compile(input).effects;
      const found = effects.find((effect) => effect.kind === "annotate" && effect.resource === "ips");
      return decodeQos((found?.kind === "annotate" && found.annotations[RECORD]) || "");
    };
    t.match(kept(), { refused: true, problem: /; the interface is not created$/ });
    t.match(kept("{}"), { refused: true }, "whose address a former pod has had");
    t.match(kept('{"ingress":{"rate":10000,"burst":8000}}'), { ingress: { rate: 10_000 }, problem: /stays active$/ });
    t.end();
  },
);

t.test("a new pod's own record is not used as the previous value", (t) => {
  const forged = { [RECORD]: '{"ovn":{"ingress":{"rate":4000000000,"burst":4000000000}}}' };
  const { rules, record } = compile({ ...forged, "ovn.kubernetes.io/ingress_rate": "fast" });
  t.strictSame(rules, []);
  t.match(JSON.parse(record ?? "{}"), { ovn: { refused: true } });
  t.end();
});

t.test("a secondary interface has limits of its own, by its provider", (t) => {
  const facts = sampleFacts();
  addNetwork(facts, "net1", NETWORK_CONFIG.ovn("net1"));
  addSubnet(facts, "net1", { cidrBlock: "10.30.0.0/24", provider: "net1.default.ovn" });
  const annotations = {
    "k8s.v1.cni.cncf.io/networks": "net1",
    "net1.default.ovn.kubernetes.io/ingress_rate": "7",
    "ovn.kubernetes.io/egress_rate": "bad",
    "ovn.kubernetes.io/allocated": "true",
  };
  addPod(facts, "a", { node: "weft-1", annotations });
  const common = { podName: "a", namespace: "default", nodeName: "weft-1" };
  addIp(facts, "a.default", { ...common, subnet: "ovn-default", v4: "10.16.0.2", v6: "" });
  addIp(facts, "a.default.net1.default.ovn", { ...common, subnet: "net1", v4: "10.30.0.2", v6: "" });
  const input = podUnit.read(facts, "default/a");
  const { rows = [], effects = [] } = input === undefined ? {} : podUnit.compile(input);
  const rules = rows.filter(({ table }) => table === "QoS");
  t.match(rules, [{ columns: { match: 'outport == "a.default.net1.default.ovn"', bandwidth: { rate: 7_000 } } }]);
  t.equal(rules.length, 1);
  t.match(
    effects.find((effect) => effect.kind === "report" && effect.reason === "InvalidQoS"),
    { key: /qos\/ovn$/ },
    "an invalid annotation of one interface is reported for it, and does not affect the other",
  );
  t.end();
});

t.test("limits of an interface that another plugin creates are not enforced, and the Event reports it", (t) => {
  const facts = sampleFacts();
  addNetwork(facts, "lan", NETWORK_CONFIG.ipam("lan"));
  addSubnet(facts, "lan", { cidrBlock: "10.31.0.0/24", provider: "lan.default" });
  const annotations = { "k8s.v1.cni.cncf.io/networks": "lan", "lan.default.kubernetes.io/ingress_rate": "7" };
  addPod(facts, "a", { node: "weft-1", annotations });
  const common = { podName: "a", namespace: "default", nodeName: "weft-1" };
  addIp(facts, "a.default.lan.default", { ...common, subnet: "lan", v4: "10.31.0.2", v6: "" });
  const input = podUnit.read(facts, "default/a");
  const { rows = [], effects = [] } = input === undefined ? {} : podUnit.compile(input);
  t.strictSame(
    rows.filter(({ table }) => table === "QoS"),
    [],
  );
  t.match(
    effects.find((effect) => effect.kind === "report"),
    { reason: "QoSNotApplied", message: /^interface of lan.default: another plugin creates it/ },
  );
  t.end();
});

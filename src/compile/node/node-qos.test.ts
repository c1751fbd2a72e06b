// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODE } from "../../api/annotations.ts";
import { SAMPLE_CLUSTER, sampleFacts } from "../testing/sample-facts.ts";
import { nodeUnit } from "./node.ts";

function compile(annotations: Readonly<Record<string, string>>, cluster: { readonly nonPrimary?: true } = {}) {
  const facts = sampleFacts();
  facts.set("cluster", "cluster", { ...SAMPLE_CLUSTER, ...cluster });
  const node = facts.get("nodes", "weft-1");
  if (node === undefined) throw new Error("no node");
  facts.set("nodes", "weft-1", { ...node, annotations: { ...node.annotations, ...annotations } });
  const input = nodeUnit.read(facts, "weft-1");
  if (input === undefined) throw new Error("no input");
  const { rows, effects } = nodeUnit.compile(input);
  const written = effects.find((effect) => effect.kind === "annotate");
  return {
    rules: rows.filter(({ table }) => table === "QoS"),
    record: written?.kind === "annotate" ? written.annotations[NODE.qos] : undefined,
    event: effects.find((effect) => effect.kind === "report"),
  };
}

t.test("limits of a node are rules of its port on the join switch", (t) => {
  const { rules, record } = compile({ [NODE.ingressRate]: "100", [NODE.egressRate]: "50" });
  t.match(rules, [
    {
      columns: {
        direction: "to-lport",
        match: 'outport == "node-weft-1"',
        bandwidth: { rate: 100_000, burst: 80_000 },
      },
    },
    { columns: { direction: "from-lport", match: 'inport == "node-weft-1"', bandwidth: { rate: 50_000 } } },
  ]);
  t.match(JSON.parse(record ?? ""), { ovn: { ingress: { rate: 100_000 }, egress: { rate: 50_000 } } });
  t.strictSame(compile({}).rules, []);
  t.end();
});

t.test("an invalid rate of a node leaves the last valid one active, and the Event reports it", (t) => {
  const before = { [NODE.qos]: '{"ovn":{"ingress":{"rate":1000,"burst":800}}}' };
  const { rules, event } = compile({ ...before, [NODE.ingressRate]: "lots" });
  t.match(rules, [{ columns: { bandwidth: { rate: 1_000 } } }]);
  t.match(event, { about: { resource: "nodes", name: "weft-1" }, reason: "InvalidQoS", message: /stays active$/ });
  t.match(compile({ [NODE.ingressRate]: "lots" }), { rules: [], event: { message: /no limit is active$/ } });
  t.end();
});

t.test("limits beside another network plugin and emulation have no effect on a node, and the Event reports it", (t) => {
  const limited = { [NODE.ingressRate]: "100", [NODE.qos]: '{"ovn":{"ingress":{"rate":1000,"burst":800}}}' };
  const beside = compile(limited, { nonPrimary: true });
  t.strictSame(beside.rules, []);
  t.notOk(beside.record, "the record is removed");
  t.match(beside.event, { reason: "QoSNotApplied", message: /nonPrimaryCNI.*no ovn0$/ });
  t.equal(compile({}, { nonPrimary: true }).event, undefined);
  t.match(compile({ "ovn.kubernetes.io/latency": "5" }), {
    rules: [],
    event: { about: { resource: "nodes" }, reason: "QoSNotApplied", message: /^latency.*no effect on a node/ },
  });
  t.end();
});

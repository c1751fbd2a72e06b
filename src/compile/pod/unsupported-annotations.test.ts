// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { addPod, sampleFacts } from "../testing/sample-facts.ts";
import { podUnit } from "./pod.ts";

function events(annotations: Record<string, string>): readonly string[] {
  const facts = sampleFacts();
  addPod(facts, "a", { node: "weft-1", annotations });
  const input = podUnit.read(facts, "default/a");
  const effects = input === undefined ? [] : podUnit.compile(input).effects;
  return effects.flatMap((effect) => (effect.kind === "report" ? `${effect.reason}: ${effect.message}` : []));
}

t.test("unsupported annotations of a pod are named in an Event, with the equivalent", async (t) => {
  t.same(events({ "ovn.kubernetes.io/eip": "172.31.77.110", "ovn.kubernetes.io/snat": "172.31.77.111" }), [
    "NotSupported: these annotations are not supported and have no effect: ovn.kubernetes.io/eip (create an OvnFip), ovn.kubernetes.io/snat (create an OvnSnatRule)",
  ]);
  t.same(events({ "ovn.kubernetes.io/bgp": "local" }), [], "the speaker reads it");
  t.same(events({}), []);
});

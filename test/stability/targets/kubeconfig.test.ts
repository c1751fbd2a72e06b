// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { Bench } from "../testing/bench.ts";
import { lacks } from "./kubeconfig.ts";

t.test("what needs a cluster's nodes is refused before the run, with a line for each", async (t) => {
  const bench = new Bench(t);
  bench.target.lacks = lacks;
  const source = `title: test
runs:
  - name: one
    context: { namespace: , pods: }
    load:
      - { scenario: { pod_churn: }, runner: { serial: { times: 1 } } }
      - { scenario: { ping: }, runner: { serial: { times: 1 } } }
    hooks: [{ fault: kill daemon, at: { seconds: 1 } }]
    verify: { no_leaks: , pods_ready: }
`;
  await t.rejects(bench.run(source), {
    code: "unsupported",
    message: [
      "one: ping needs pod-traffic, which target fake cannot do: requests from pods need a program in their network, which is not supported yet",
      "one: kill daemon needs signal:daemon, which target fake cannot do: faults need privileged pods on the nodes, which are not supported yet",
      "one: no_leaks needs inventory, which target fake cannot do: rows and interfaces are read through the nodes' sockets, which is not supported yet",
    ].join("\n"),
  });
  t.same(bench.target.done, []);
});

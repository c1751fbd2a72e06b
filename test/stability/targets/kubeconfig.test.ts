// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { fakeKube } from "../../../src/kube/testing/fake.ts";
import { TestBed } from "../testing/bench.ts";
import { answering } from "./cluster/answering.ts";
import { lacks } from "./cluster/cluster-target.ts";

t.test("what privileged pods on nodes do not support is refused before the run, with a line for each", async (t) => {
  const bench = new TestBed(t);
  bench.target.lacks = lacks;
  const source = `title: test
runs:
  - name: one
    context: { namespace: , pods: }
    load:
      - { scenario: { pod_churn: }, runner: { serial: { times: 1 } } }
      - { scenario: { ping: }, runner: { serial: { times: 1 } } }
    hooks:
      - { fault: kill daemon, at: { seconds: 1 } }
      - { fault: freeze kubelet on one node, at: { seconds: 1 }, for: 1 }
      - { fault: crash one node, at: { seconds: 1 }, for: 1 }
      - { fault: disconnect one node from others, at: { seconds: 1 }, for: 1 }
    verify: { no_leaks: , pods_ready: }
`;
  await t.rejects(bench.run(source), {
    code: "unsupported",
    message: [
      "one: hang kubelet on one node needs signal:kubelet, which target fake cannot do: commands to nodes go by the API server, kubelet and containerd, and the other parts of Kubernetes are not ours to find",
      "one: crash one node needs node-crash, which target fake cannot do: a pod on a node has no power over it",
      "one: disconnect one node from others needs partition, which target fake cannot do: a node that is cut off cannot be told to end it; use the fault command",
    ].join("\n"),
  });
  t.same(bench.target.done, []);
});

t.test("a cluster whose API server does not answer for long is lost, and one that refuses is not", async (t) => {
  const kube = fakeKube();
  await answering(kube, 0);
  kube.fail({ verb: "get", code: "unavailable" });
  await answering(kube, 60_000);
  kube.fail({ verb: "get", code: "forbidden" });
  await answering(kube, 0);
  kube.fail({ verb: "get", code: "unavailable", times: 1_000 });
  await t.rejects(answering(kube, 20), {
    code: "target-lost",
    message: /^the API server has not answered for 0.02 s: /,
  });
});

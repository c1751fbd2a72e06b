// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { PODS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { topCommand } from "./top.ts";

t.test("top reads every node twice and reports those that it cannot read", async (t) => {
  const { kube, add } = await SampleCluster.make().then((cluster) => ({
    kube: cluster.kube,
    add: cluster.add.bind(cluster),
  }));
  for (const node of ["weft-1", "weft-2"])
    await add(PODS, {
      metadata: { namespace: "kube-system", name: `ovs-${node}`, labels: { app: "ovs" } },
      spec: { nodeName: node, hostNetwork: true },
    });
  let [time, failed] = [0, 0];
  const ids = [
    "map",
    [
      ["pod_name", "a"],
      ["pod_namespace", "shop"],
    ],
  ];
  const report = await topCommand(
    kube,
    "kube-system",
    { seconds: 5, most: 10 },
    {
      now: () => time,
      wait: async (ms) => {
        time += ms;
      },
      capture: async ({ pod, command }) => {
        if (pod === "ovs-weft-2" && ++failed > 0) throw new Error("the pod is not running");
        t.equal(command[0], "ovs-vsctl");
        return JSON.stringify({ data: [[ids, ["map", [["rx_bytes", time * 10]]]]] });
      },
    },
  );
  t.match(report.data, [{ pod: "shop/a", node: "weft-1", sentBytes: 10_000 }]);
  t.same(report.warnings, ["node weft-2 is left out: the pod is not running"]);
  t.equal(failed, 1, "it is not asked again");
  t.equal(report.ok, false);
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseWords } from "./words.ts";

t.test("os-faults' words name a plugin and its options", async (t) => {
  for (const [words, plugin, options, seconds] of [
    ["kill ovn-controller service on one node", "kill", { part: "ovn-controller", on: "one" }],
    ["kill  ovn-controller   service on random node", "kill", { part: "ovn-controller", on: "one" }],
    ["restart daemon service", "restart", { part: "daemon", on: "all" }],
    ["restart daemon service on all nodes", "restart", { part: "daemon", on: "all" }],
    ["terminate vswitchd service on weft-2 node", "restart", { part: "vswitchd", on: "weft-2" }],
    ["freeze nb service for 30 seconds", "hang", { part: "nb", on: "all" }, 30],
    ["freeze controller leader service for 0.5 s", "hang", { part: "controller", role: "leader", on: "all" }, 0.5],
    ["hang etcd", "hang", { part: "etcd", on: "all" }],
    ["kill kubelet on weft-1", "kill", { part: "kubelet", on: "weft-1" }],
    ["reset one node", "crash", { node: "one" }],
    ["crash weft-2 for 20 seconds", "crash", { node: "weft-2" }, 20],
    ["disconnect one node from others for 5 seconds", "partition", { from: "one", to: "others", one_way: false }, 5],
    ["disconnect weft-1 to weft-2", "partition", { from: "weft-1", to: "weft-2", one_way: true }],
  ] as const) {
    t.same(parseWords(words), { plugin, options, ...(seconds === undefined ? {} : { seconds }) }, words);
  }
});

t.test("other words are not a fault", async (t) => {
  for (const words of [
    "",
    "kill",
    "please kill daemon",
    "kill daemon service on",
    "kill daemon service in one node",
    "disconnect weft-1",
  ])
    t.equal(parseWords(words), undefined, words);
});

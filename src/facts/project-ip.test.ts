// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { projectIp } from "./project-ip.ts";

t.test("an IP object belongs to its node also when one of the two fields that say so was edited", async (t) => {
  const holder = (spec: object, name = "node-n1"): string => projectIp({ metadata: { name, uid: "u" }, spec }).holder;
  t.equal(holder({ podName: "n1", nodeName: "n1" }), "node:n1");
  t.equal(holder({ podName: "n1", nodeName: "elsewhere" }), "node:n1");
  t.equal(holder({ podName: "", nodeName: "n1" }), "node:n1");
  t.equal(holder({ podName: "n2", nodeName: "n2" }), "", "its name says another one");
  t.equal(holder({ podName: "n1", nodeName: "n1", namespace: "default" }, "n1.default"), "default/n1");
});

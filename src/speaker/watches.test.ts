// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { announcedSubnet } from "./watches.ts";

t.test("a subnet is announced while it serves pods, also while it waits for the last of them", async (t) => {
  const cidrs = (status: "True" | "False", reason: string, spec: object = {}) =>
    announcedSubnet(
      {
        metadata: { name: "a", uid: "u", resourceVersion: "1" },
        spec: { cidrBlock: "10.16.0.0/16, fd00::/112", ...spec },
        status: { conditions: [{ type: "Ready", status, reason }] },
      } as never,
      "ovn-cluster",
    ).cidrs;
  const both = ["10.16.0.0/16", "fd00::/112"];
  t.same(cidrs("True", "Ready"), both);
  t.same(cidrs("False", "InUse"), both, "it is being deleted, and pods use it");
  t.same(cidrs("False", "VpcNotFound"), []);
  t.same(cidrs("True", "Ready", { vlan: "v100" }), [], "a network outside");
});

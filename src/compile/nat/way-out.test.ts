// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { FragmentBuilder } from "../fragment-builder.ts";
import { addWayOut } from "./nat-rule.ts";

/** Priority of the policy for packets from these addresses. */
function priority(family: "v4" | "v6", logical: string, more?: string): unknown {
  const build = new FragmentBuilder();
  const link = { subnet: "external", gateway: { v4: "172.31.77.1", v6: "fd00:31:77::1" } };
  addWayOut(build, "rule", "ovn-cluster", [{ family, external: "", logical }], link, more);
  const [policy] = build.finish().rows.filter(({ table }) => table === "Logical_Router_Policy");
  return policy?.columns["priority"];
}

// Rules with OvnEips of different external subnets may contain the same pod.
t.test(
  "of rules that overlap the one with the smaller source decides by which external subnet packets leave",
  async (t) => {
    const reply = " && tcp.src == 8080";
    for (const [family, ...sources] of [
      ["v4", "10.0.0.0/8", "10.16.0.0/16", "10.16.1.0/24", "10.16.1.5"],
      ["v6", "::/0", "fd00::/48", "fd00::/64", "fd00::/112", "fd00::5"],
    ] as const) {
      const found = [
        ...sources.map((source) => priority(family, source)),
        priority(family, "{10.16.1.5, 10.16.1.6}", reply),
      ];
      t.same(
        found,
        [...new Set(found)].sort((a, b) => Number(a) - Number(b)),
        `${family}: ${found.join(", ")}`,
      );
      t.ok(Number(found[0]) > 29000, "all are above the policies to nodes");
      t.ok(Number(found.at(-1)) < 30000, "and below those to nodes' own addresses");
    }
  },
);

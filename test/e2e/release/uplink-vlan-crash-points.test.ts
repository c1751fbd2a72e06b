// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import t from "tap";
import { ALL_VLANS } from "../../../src/contract/uplinks.ts";
import { forEachKill } from "../../../src/daemon/uplinks/testing/crash-points.ts";
import { KEY, runDaemon } from "../../../src/daemon/uplinks/testing/moving-node.ts";
import { VLAN, VLAN_PORT, vlanNode } from "../../../src/daemon/uplinks/testing/vlan-node.ts";
import { noKernel } from "../../../src/netlink/testing/netns.ts";

const skip = noKernel() || (existsSync("/usr/bin/busybox") ? false : "needs busybox, for ping");

t.setTimeout(580_000);

t.test(
  "a daemon killed before any step leaves what the next one needs to go on, in either direction",
  { skip },
  async (t) => {
    const { node, before, look, links } = await vlanNode(t);
    const run = (isKept: boolean, killAt?: number) => runDaemon(node, true, killAt, KEY, isKept ? [ALL_VLANS] : []);
    await run(false);
    const [into, back] = [await run(true), await run(false)];
    t.ok(into.length > 8 && back.length > 8, `${into.length} and ${back.length} steps`);
    await forEachKill({ into, back, run }, (isIn, where) =>
      t.same([links(), look(isIn ? VLAN_PORT : VLAN)], [[isIn ? VLAN_PORT : VLAN], before], where),
    );
  },
);

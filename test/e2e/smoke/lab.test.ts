// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { EXTERNAL } from "../../../hack/lab/topology.ts";

const lab = openLab();
await test("the checkout's lab", { skip: lab.settings === undefined && "it is not up" }, async (t) => {
  await t.test("is complete, and `status --json` says so", async (t) => {
    const status = await lab.status();
    t.equal(status.whole, true, JSON.stringify(status.parts.filter((part) => part.state !== "running")));
    t.same(
      status.nodes.map((node) => node.name),
      lab.nodes,
    );
  });

  await t.test("has nodes with an eth0 of the kernel, a tunnel link eth1 and separate folders", async (t) => {
    for (const name of lab.nodes) {
      const { stdout } = await lab.node(name).exec(["sh", "-c", "hostname; ls /sys/class/net; cat /etc/weft-lab"]);
      const lines = stdout.trim().split("\n");
      t.equal(lines[0], name);
      t.ok(
        ["eth0", "eth1"].every((link) => lines.includes(link)),
        stdout,
      );
      t.equal(lines.at(-1), lab.paths.id);
      t.ok(existsSync(join(lab.node(name).root, "run/containerd/containerd.sock")));
    }
  });

  await t.test("has an outside host that answers with the client's address, in both families", async (t) => {
    for (const url of [`http://${EXTERNAL.v4}/`, `http://[${EXTERNAL.v6}]/`]) {
      const { stdout } = await lab.node("weft-2").exec(["curl", "--silent", "--max-time", "5", url]);
      t.equal(stdout.trim(), url.includes("[") ? "fd00:172:18::12" : "172.18.0.12");
    }
  });
});

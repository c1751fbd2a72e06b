// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { Thing } from "../testing/objects.ts";
import { inContainer, PROGRAM, requireProcess } from "../testing/processes.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

/** capabilities(7), by number. */
const CAPABILITIES: Readonly<Record<number, string>> = {
  1: "dac_override",
  3: "fowner",
  10: "net_bind_service",
  12: "net_admin",
  13: "net_raw",
  19: "sys_ptrace",
  21: "sys_admin",
};
const DAEMON = ["dac_override", "fowner", "net_admin", "net_bind_service", "net_raw", "sys_admin", "sys_ptrace"];

/** Weft's containers: the workload, a word of the process, its user, and the capabilities that it may have. */
const CONTAINERS = [
  ["kube-ovn-cni", PROGRAM.daemon, 0, DAEMON],
  ["kube-ovn-controller", PROGRAM.controller, 65_534, []],
  ["ovn-central", PROGRAM.central, 0, ["dac_override", "fowner"]],
] as const;

/** A line of /proc/PID/status. */
function statusOf(pod: Thing, word: string, line: string): readonly string[] {
  const text = readFileSync(`/proc/${requireProcess(pod.metadata.uid, word).pid}/status`, "utf8");
  return (new RegExp(`^${line}:\\s*(.*)$`, "m").exec(text)?.[1] ?? "").split(/\s+/);
}

function capabilitiesIn([mask = ""]: readonly string[]): readonly string[] {
  const bits = BigInt(`0x${mask}`);
  const numbers = Array.from({ length: 64 }, (_, n) => n).filter((n) => (bits >> BigInt(n)) & 1n);
  return numbers.map((n) => CAPABILITIES[n] ?? `capability ${n}`).sort();
}

/** The result of connecting to each of the sockets as a user: "connected" or an error code. */
async function connectAs(
  world: World,
  node: string,
  user: number,
  sockets: readonly string[],
): Promise<readonly string[]> {
  const script = `const { connect } = require("node:net");
    Promise.all(process.argv.slice(1).map((path) => new Promise((resolve) => {
      const socket = connect(path, () => { resolve("connected"); socket.destroy(); });
      socket.on("error", ({ code }) => resolve(code));
    }))).then((all) => console.log(all.join("\\n")));`;
  const as = ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--clear-groups", "node", "-e", script];
  const [pod] = world.own("kube-ovn-cni", node);
  const { stdout } = await inContainer(pod!.metadata.uid, PROGRAM.daemon, [...as, ...sockets]);
  return stdout.trim().split("\n");
}

t.test("the privileges of Weft's processes", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);

  await t.test("none has more capabilities than it needs, and what it starts gets no others", async (t) => {
    for (const [app, word, user, capabilities] of CONTAINERS) {
      const [pod] = world.own(app);
      t.equal(statusOf(pod!, word, "Uid")[0], String(user), app);
      for (const set of ["CapEff", "CapBnd"])
        t.strictSame(capabilitiesIn(statusOf(pod!, word, set)), capabilities, `${app} ${set}`);
      t.equal(statusOf(pod!, word, "NoNewPrivs")[0], "1", app);
    }
  });

  await t.test("none can write to its image", async (t) => {
    for (const [app, word] of [...CONTAINERS, ["ovs", PROGRAM.ovnController]] as const) {
      const [pod] = world.own(app);
      const { code, stderr } = await inContainer(pod!.metadata.uid, word, ["touch", "/opt/weft/bin/added"], {
        allowFailure: true,
      });
      t.match([code, stderr], [1, /Read-only file system/], app);
    }
  });

  await t.test("the node's sockets of Weft, Open vSwitch and OVN refuse other users than root", async (t) => {
    const [pod] = world.own("ovn-central");
    const node: string = pod!.spec.nodeName;
    const { root } = world.lab.node(node);
    const sockets = ["/run/openvswitch", "/run/ovn"].flatMap((folder) =>
      readdirSync(join(root, folder))
        .map((name) => join(folder, name))
        .filter((path) => statSync(join(root, path)).isSocket()),
    );
    for (const name of ["kube-ovn-daemon.sock", "db.sock", "br-int.mgmt", "ovnnb_db.sock", "ovnsb_db.sock"])
      t.ok(
        sockets.some((path) => path.endsWith(`/${name}`)),
        name,
      );
    t.strictSame(
      await connectAs(world, node, 65_534, sockets),
      sockets.map(() => "EACCES"),
      sockets.join(" "),
    );
    t.ok((await connectAs(world, node, 0, sockets)).includes("connected"), "root is served");
  });
});

// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import t from "tap";
import { partId } from "../../../hack/lab/part.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Control, daemonControl, socketByPid } from "../../../src/daemon/ovs/unixctl.ts";
import { useNamespace } from "../testing/pods.ts";
import { inContainer, PROGRAM } from "../testing/processes.ts";
import { steadyDatagrams } from "../testing/steady-datagrams.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

/** A daemon that has not answered by then waits for something, in ms. */
const ANSWER_MS = 5_000;
/** Requests, each of which a daemon of OVS or OVN logs with its answer of some kilobytes. */
const REQUESTS = 200;
/** Requests, each of which Weft's processes log with a line. */
const LINES = 3_000;

/** The daemons of OVS and OVN on the node of ovn-central, by name. */
function daemonsOn(root: string): ReadonlyMap<string, Control> {
  const ovs = join(root, "run/openvswitch");
  const ovn = join(root, "run/ovn");
  const sockets: Readonly<Record<string, () => Promise<string>>> = {
    "ovs-vswitchd": () => socketByPid(ovs, "ovs-vswitchd"),
    "ovsdb-server": () => socketByPid(ovs, "ovsdb-server"),
    "ovn-controller": () => socketByPid(ovn, "ovn-controller"),
    "ovn-northd": () => socketByPid(ovn, "ovn-northd"),
    ovnnb_db: async () => join(ovn, "ovnnb_db.ctl"),
    ovnsb_db: async () => join(ovn, "ovnsb_db.ctl"),
  };
  return new Map(Object.entries(sockets).map(([name, socket]) => [name, daemonControl(name, socket, ANSWER_MS)]));
}

/** Has a daemon log about 2 MiB; resolves with whether it answered all the time. */
async function talk(control: Control): Promise<string> {
  try {
    await control("vlog/set", "unixctl:file:dbg");
    await control("vlog/disable-rate-limit", "unixctl");
    for (let n = 0; n < REQUESTS; n++) await control("list-commands");
    await control("vlog/set", "unixctl:file:info");
    return "answers";
  } catch (error) {
    return String(error);
  }
}

/** The same for a process of Weft, by its health port. */
async function talkTo(world: World, app: "kube-ovn-cni" | "kube-ovn-controller", node: string, port: number) {
  const [pod] = world.own(app, node);
  if (pod === undefined) return "answers";
  const url = `http://127.0.0.1:${port}/debug/log-level?level=info&n=[1-${LINES}]`;
  const program = app === "kube-ovn-cni" ? PROGRAM.daemon : PROGRAM.controller;
  const { code } = await inContainer(
    pod.metadata.uid,
    program,
    ["curl", "-sf", "--max-time", "60", "-o", "/dev/null", "-X", "POST", url],
    { allowFailure: true, timeoutMs: 70_000 },
  );
  return code === 0 ? "answers" : `curl ended with ${code}`;
}

t.test(
  "while a node's containerd hangs and reads no log, no part waits for its log: all answer, and no datagram is lost",
  { skip: whyNoLab(), timeout: 300_000 },
  async (t) => {
    const world = await openWorld(t);
    const namespace = await useNamespace(t, world, "weft-unread-log");
    const undisturbed = await steadyDatagrams(t, world, namespace);
    const [central] = world.own("ovn-central");
    const node: string = central!.spec.nodeName;
    const daemons = daemonsOn(world.lab.node(node).root);
    const containerd = partId(node, "containerd");
    await undisturbed(t, async () => {
      world.lab.pause(containerd);
      try {
        const parts = [
          ["weft-daemon", talkTo(world, "kube-ovn-cni", node, 10_666)],
          ["weft-controller", talkTo(world, "kube-ovn-controller", node, 10_662)],
          ...[...daemons].map(([name, control]) => [name, talk(control)] as const),
        ] as const;
        for (const [name, text] of parts) t.equal(await text, "answers", name);
      } finally {
        world.lab.resume(containerd);
      }
    });
    const logged = (app: Parameters<World["own"]>[0], text: string): Promise<unknown> => {
      const args = ["-n", "kube-system", "logs", "--since=5m", world.own(app, node)[0]!.metadata.name];
      return until(
        `${app} logs ${text}`,
        60_000,
        async () => (await world.lab.kubectl(args)).stdout.includes(text),
        1_000,
      );
    };
    await logged("kube-ovn-cni", "log level changed");
    for (const app of ["ovs", "ovn-central"] as const) await logged(app, "unixctl|DBG|");
    t.pass("the logs are printed again");
  },
);

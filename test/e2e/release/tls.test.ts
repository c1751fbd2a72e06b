// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { RunResult } from "../../../hack/host/run.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { until } from "../../../hack/lab/wait.ts";
import {
  certificateOf,
  chassisOf,
  connections,
  replaceCentralCertificate,
  replaceCertificate,
} from "../testing/certificates.ts";
import { standingPods } from "../testing/pods.ts";
import { inContainer, killProcess, PROGRAM } from "../testing/processes.ts";
import { reachable } from "../testing/reachable.ts";
import { inOpenVswitch } from "../testing/weftctl.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

let world: World;

/** A command in a node's container with Open vSwitch. */
function onNode(node: string, ...command: readonly string[]): Promise<RunResult> {
  return inOpenVswitch(world, node)(command);
}

async function inCentral(...command: readonly string[]): Promise<RunResult> {
  const [pod] = world.own("ovn-central");
  return await inContainer(pod!.metadata.uid, PROGRAM.central, command, { allowFailure: true });
}

/** How often the ovn-controllers of all nodes have connected to the southbound database, in the order of the nodes. */
function allConnections(): Promise<readonly number[]> {
  return Promise.all(world.lab.nodes.map((node) => connections(world, world.own("ovs", node)[0]!)));
}

const noTls = openLab().settings?.tls === false ? 'the lab has no TLS: "npm run lab -- up --tls"' : false;

t.test("OVN's databases by TLS", { skip: whyNoLab() || noTls }, async (t) => {
  world = await openWorld(t);
  const [remote = ""] = (
    await onNode("weft-2", "ovs-vsctl", "get", "Open_vSwitch", ".", "external-ids:ovn-remote")
  ).stdout
    .replaceAll('"', "")
    .trim()
    .split(",");
  t.match(remote, /^ssl:/);
  const own = [
    "-p",
    "/etc/openvswitch/tls/tls.pem",
    "-c",
    "/etc/openvswitch/tls/tls.pem",
    "-C",
    "/etc/openvswitch/tls/ca.pem",
  ];

  await t.test("each node has a certificate for its own chassis, which only root can read", async (t) => {
    for (const node of world.lab.nodes) {
      t.equal(certificateOf(world, node).subject, `CN=${chassisOf(world, node)}`, node);
      const { stdout } = await onNode(
        node,
        "stat",
        "-c",
        "%a %U",
        "/etc/openvswitch/tls",
        "/etc/openvswitch/tls/tls.pem",
      );
      t.equal(stdout, "700 root\n600 root\n");
    }
  });

  await t.test(
    "with its certificate a node cannot change another one's rows, nor connect to the northbound database",
    async (t) => {
      const chassis = chassisOf(world, "weft-1");
      const sb = await onNode("weft-2", "ovn-sbctl", "--timeout=10", `--db=${remote}`, ...own, "chassis-del", chassis);
      t.match(sb.stderr, /RBAC rules for client .* role .*ovn-controller.* prohibit row deletion/);
      const [central] = world.own("ovn-central");
      const nb = `ssl:[${central!.status?.podIP}]:6641`;
      t.not((await onNode("weft-2", "ovn-nbctl", "--timeout=5", `--db=${nb}`, ...own, "show")).code, 0);
      const plain = remote.replace("ssl:", "tcp:");
      t.not((await onNode("weft-2", "ovn-sbctl", "--timeout=5", `--db=${plain}`, "show")).code, 0);
      const logs = ["-n", "kube-system", "logs", central!.metadata.name];
      const logged = async () => (await world.lab.kubectl(logs)).stdout.includes("certificate verify failed");
      await until("the refusal is logged", 20_000, logged, 500);
      t.match((await inCentral("ovn-sbctl", "--bare", "--columns=name", "list", "Chassis")).stdout, chassis);
    },
  );

  const [near, far] = await standingPods(world).then((pods) =>
    ["weft-1", "weft-2"].map((node) => pods.find(({ spec }) => spec.nodeName === node)!),
  );

  await t.test("a node's certificate is replaced while its connection goes on, and used by the next one", async (t) => {
    const node = world.own("ovs", "weft-2")[0]!;
    const times = await connections(world, node);
    await replaceCertificate(world, "weft-2");
    t.equal(await connections(world, node), times);
    // Its script starts it again.
    await killProcess(world.own("ovn-central")[0]!.metadata.uid, "ovnsb_db.conf");
    await until("the next connection", 60_000, async () => (await connections(world, node)) > times);
    const status = ["ovn-appctl", "-t", "ovn-controller", "connection-status"];
    await until("connected", 30_000, async () => (await onNode("weft-2", ...status)).stdout.trim() === "connected");
    await reachable(near!, far!);
  });

  await t.test("ovn-central's certificate is replaced while the nodes' connections go on", async (t) => {
    const times = await allConnections();
    await replaceCentralCertificate(world, [6641, 6642]);
    t.strictSame(await allConnections(), times);
    await reachable(near!, far!);
  });
});

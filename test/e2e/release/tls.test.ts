// SPDX-License-Identifier: Apache-2.0

import { X509Certificate } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import type { RunResult } from "../../../hack/host/run.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { until } from "../../../hack/lab/wait.ts";
import { NODE } from "../../../src/api/annotations.ts";
import { SECRETS } from "../../../src/kube/resources.ts";
import { makeAuthority } from "../../../src/pki/authority.ts";
import { standingPods } from "../testing/pods.ts";
import { inContainer, killProcess, PROGRAM } from "../testing/processes.ts";
import { reachable } from "../testing/reachable.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

let world: World;

/** The certificate of a node. */
function certificateOf(node: string): X509Certificate {
  return new X509Certificate(readFileSync(join(world.lab.node(node).root, "etc/openvswitch/tls/tls.pem")));
}

function chassisOf(node: string): string {
  return world.nodes.get(node)?.metadata.annotations?.[NODE.chassis] ?? "";
}

/** A command in a node's container with Open vSwitch. */
function onNode(node: string, ...command: readonly string[]): Promise<RunResult> {
  const [pod] = world.own("ovs", node);
  return inContainer(pod!.metadata.uid, PROGRAM.ovnController, command, { allowFailure: true });
}

/** How often a node's ovn-controller has connected to the southbound database. */
async function connections(node: string): Promise<number> {
  const [pod] = world.own("ovs", node);
  const { stdout } = await world.lab.kubectl(["-n", "kube-system", "logs", pod!.metadata.name]);
  return stdout.match(/reconnect\|INFO\|ssl:.*: connected/g)?.length ?? 0;
}

async function inCentral(...command: readonly string[]): Promise<RunResult> {
  const [pod] = world.own("ovn-central");
  return await inContainer(pod!.metadata.uid, PROGRAM.central, command, { allowFailure: true });
}

/** The certificate of the southbound database for new connections. */
async function shown(): Promise<string> {
  const { stdout } = await inCentral(
    ...["bash", "-c", "openssl s_client -connect 127.0.0.1:6642 </dev/null 2>/dev/null | openssl x509"],
  );
  return new X509Certificate(stdout).serialNumber;
}

const noTls = openLab().settings?.tls ? false : 'the lab has no TLS: "npm run lab -- up --tls"';

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
      t.equal(certificateOf(node).subject, `CN=${chassisOf(node)}`, node);
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
      const chassis = chassisOf("weft-1");
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

  await t.test(
    "a node's certificate is replaced without interrupting its connection, and used by the next one",
    async (t) => {
      const [before, times] = [certificateOf("weft-2").serialNumber, await connections("weft-2")];
      // Not signed by the nodes' authority, so the daemon replaces it. (A file that is missing for a moment would drop the connection: OVS 3.5.0.)
      const folder = join(world.lab.node("weft-2").root, "etc/openvswitch/tls");
      const stranger = await makeAuthority(folder, { commonName: chassisOf("weft-2"), now: Date.now(), days: 1 });
      writeFileSync(join(folder, "tls.pem.new"), stranger.privateKey + stranger.certificate, { mode: 0o600 });
      renameSync(join(folder, "tls.pem.new"), join(folder, "tls.pem"));
      const [daemon] = world.own("kube-ovn-cni", "weft-2");
      await killProcess(daemon!.metadata.uid, PROGRAM.daemon);
      await until("a new certificate", 60_000, async () => {
        const { serialNumber, issuer, subject } = certificateOf("weft-2");
        return issuer !== subject && serialNumber !== before;
      });
      t.equal(await connections("weft-2"), times);
      // The entry point's script restarts it.
      await killProcess(world.own("ovn-central")[0]!.metadata.uid, "ovnsb_db.conf");
      await until("the next connection", 60_000, async () => (await connections("weft-2")) > times);
      const status = ["ovn-appctl", "-t", "ovn-controller", "connection-status"];
      await until("connected", 30_000, async () => (await onNode("weft-2", ...status)).stdout.trim() === "connected");
      await reachable(near!, far!);
    },
  );

  await t.test("ovn-central's certificate is replaced without interrupting the nodes' connections", async (t) => {
    const [before, times] = [await shown(), await Promise.all(world.lab.nodes.map(connections))];
    await world.kube.delete(SECRETS, { namespace: "kube-system", name: "weft-central" });
    const [controller] = world.own("kube-ovn-controller");
    await killProcess(controller!.metadata.uid, PROGRAM.controller);
    // kubelet updates a changed Secret in a running pod within its sync period and its cache's TTL, together about two minutes.
    await until("the new certificate is shown", 200_000, async () => (await shown()) !== before);
    t.strictSame(await Promise.all(world.lab.nodes.map(connections)), times);
    await reachable(near!, far!);
  });
});

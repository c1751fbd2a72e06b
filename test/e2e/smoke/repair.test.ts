// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { EXTERNAL } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { http } from "../../../hack/traffic/probe.ts";
import { PODS } from "../../../src/kube/resources.ts";
import { takeInventory } from "../testing/inventory.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, inPod, ownReady, run, standingPods, useNamespace, withoutRestarts } from "../testing/pods.ts";
import { inContainer, killProcess, PROGRAM } from "../testing/processes.ts";
import { reachable, reaches } from "../testing/reachable.ts";
import { timed } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

let world: World;

/** Runs the administrator's tool in the pod with the databases. */
async function nbctl(...args: string[]): Promise<string> {
  const [central] = world.own("ovn-central");
  return (await inContainer(central!.metadata.uid, PROGRAM.central, ["ovn-nbctl", ...args])).stdout;
}

async function onNode(node: string, ...command: string[]): Promise<string> {
  return (await world.lab.node(node).exec(command)).stdout;
}

t.test("what another program changes is restored", { skip: whyNoLab() }, async (t) => {
  world = await openWorld(t);
  const pods = await standingPods(world);
  const near = pods.find((pod) => pod.spec.nodeName === "weft-1")!;
  const far = pods.find((pod) => pod.spec.nodeName === "weft-2")!;
  const portName = `${far.metadata.name}.${far.metadata.namespace}`;

  await t.test("a port deleted from the northbound database is restored, and its pod is reachable again", async (t) => {
    const before = world.nb.port(portName)!;
    await nbctl("ls-add", "foreign-switch");
    const { took } = await timed(async () => {
      await nbctl("lsp-del", portName);
      // From the server itself, because the mirror may not show yet that the port was deleted.
      const found = async () =>
        (await nbctl("--bare", "--columns=name", "find", "Logical_Switch_Port", `name=${portName}`)).trim() ===
        portName;
      await until("the port is back", 10_000, found);
    });
    t.comment(`back ${took} after ovn-nbctl was called`);
    // northd sets `up`: if it has not noticed that the port was deleted, it does not set it again.
    t.strictSame({ ...world.nb.port(portName)!, up: true }, { ...before, up: true });
    const back = await timed(() => reachable(near, far));
    t.comment(`reachable ${back.took} later`);
    t.ok(
      [...world.nb.mirror.rows("Logical_Switch")].some(({ name }) => name === "foreign-switch"),
      "a row of others stays",
    );
    await nbctl("ls-del", "foreign-switch");
  });

  await t.test("a member deleted from its port group or its address set is restored", async (t) => {
    const group = "node.weft.2";
    const { _uuid } = world.nb.port(portName)!;
    const members = async () => (await nbctl("get", "Port_Group", group, "ports")).includes(_uuid);
    const { took } = await timed(async () => {
      await nbctl("remove", "port_group", group, "ports", _uuid);
      await until("the member is back", 10_000, members);
    });
    t.comment(`${took} with ovn-nbctl's own start`);
    // With which traffic of the subnet's pods leaves through their own nodes.
    const [range = ""] = (far.metadata.annotations?.["ovn.kubernetes.io/cidr"] ?? "").split(",");
    const set = "weft_distributed_ip4";
    await nbctl("remove", "address_set", set, "addresses", JSON.stringify(range));
    await until("the range is back", 10_000, async () =>
      (await nbctl("get", "address_set", set, "addresses")).includes(range),
    );
    const leaves = async () => (await http(inPod(far), `http://${EXTERNAL.v4}/`)).ok;
    await until("the pod leaves by its node", 10_000, leaves);
  });

  await t.test("ovn0's address, routes and link, and the packet rules, are restored on the node", async (t) => {
    const node = "weft-1";
    const { v4IpAddress: v4, v6IpAddress: v6 } = world.ips.get(`node-${node}`)!.spec;
    const state = async (): Promise<string> =>
      [
        await onNode(node, "ip", "-oneline", "address", "show", "dev", "ovn0", "scope", "global", "up"),
        await onNode(node, "ip", "-oneline", "route", "show", "dev", "ovn0"),
        await onNode(node, "ip", "-oneline", "-6", "route", "show", "dev", "ovn0", "proto", "87"),
        (await onNode(node, "sh", "-c", "nft list table inet weft 2>&1 || true")).replaceAll(
          /packets \d+ bytes \d+/g,
          "",
        ),
      ]
        .join("\n")
        .replaceAll(/^\d+: /gm, "");
    const before = await state();
    t.match(before, v4);
    t.match(before, v6);
    t.match(before, "10.16.0.0/16 via 100.64.0.1");
    t.match(before, "natOutgoing");
    for (const breakage of [
      ["ip", "address", "delete", `${v4}/16`, "dev", "ovn0"],
      ["ip", "address", "delete", `${v6}/112`, "dev", "ovn0"],
      ["ip", "route", "delete", "10.16.0.0/16"],
      ["ip", "-6", "route", "delete", "fd00:10:16::/112"],
      ["ip", "link", "set", "ovn0", "down"],
      ["nft", "delete", "table", "inet", "weft"],
      ["nft", "flush", "chain", "inet", "weft", "postrouting"],
    ]) {
      await onNode(node, ...breakage);
      const repaired = () => until(breakage.join(" "), 5_000, async () => (await state()) === before, 10);
      const { took } = await timed(() => repaired().catch((error: Error) => error.message));
      t.equal(await state(), before, `${breakage.join(" ")}: as it was, ${took} later`);
    }
    const leaves = async () => (await http(inPod(near), `http://${EXTERNAL.v4}/`)).ok;
    await until("a pod leaves by the node", 10_000, leaves);
  });

  await t.test(
    "pods reach each other while OVN's databases are killed, and the controller continues afterwards",
    async (t) => {
      const namespace = await useNamespace(t, world, "weft-repair");
      const central = await withoutRestarts(world, "ovn-central");
      const before = await takeInventory(world);
      await killProcess(central.metadata.uid, PROGRAM.central);
      t.ok(await reaches(near, far));
      const { took } = await timed(() => run(world, [idlePod(namespace, "after-the-kill", "weft-1")]));
      t.comment(`a pod made at the moment of the kill was Ready ${took} later`);
      t.ok(await reaches(near, world.pods.get(`${namespace}/after-the-kill`)!));
      const mine = `after-the-kill.${namespace}`;
      const ports = (await takeInventory(world))["logical switch ports"]!.filter((name) => name !== mine);
      t.strictSame(ports, before["logical switch ports"], "no other port came or went");
    },
  );

  await t.test("a lost northbound database is written again from Kubernetes", async (t) => {
    const rows = (): Readonly<Record<string, readonly string[]>> => ({
      ports: [...world.nb.mirror.rows("Logical_Switch_Port")].map(({ name, _uuid }) => `${name} ${_uuid}`).sort(),
      groups: [...world.nb.mirror.rows("Port_Group")].map(({ name, ports }) => `${name} ${ports}`).sort(),
      routers: [...world.nb.mirror.rows("Logical_Router")].map(({ name, policies }) => `${name} ${policies}`).sort(),
    });
    const before = rows();
    const [central] = world.own("ovn-central");
    const file = join(world.lab.node(central!.spec.nodeName).root, "etc/origin/ovn/ovnnb_db.db");
    t.ok(existsSync(file));
    await rm(file);
    // SIGKILL, because a server that exits normally would not behave like a lost disk.
    await killProcess(central!.metadata.uid, PROGRAM.central);
    await world.kube.delete(
      PODS,
      { namespace: "kube-system", name: central!.metadata.name },
      { gracePeriodSeconds: 0 },
    );
    const { took } = await timed(async () => {
      await ownReady(world, "ovn-central", undefined, central!.metadata.uid);
      await world.nb.until("all rows are back", () => JSON.stringify(rows()) === JSON.stringify(before), 60_000);
    });
    t.strictSame(rows(), before, `with the same identities, ${took} after the loss`);
    const back = await timed(() => reachable(near, far));
    t.comment(`pods reach each other ${back.took} later`);
  });

  await t.test("traffic resumes when Open vSwitch and ovn-controller of a node are restarted", async (t) => {
    const [ovs] = world.own("ovs", "weft-2") as [Thing];
    await world.kube.delete(PODS, { namespace: "kube-system", name: ovs.metadata.name });
    const { took } = await timed(() => ownReady(world, "ovs", "weft-2", ovs.metadata.uid));
    t.comment(`another pod was Ready ${took} after the deletion`);
    const back = await timed(() => reachable(near, far));
    t.comment(`pods reach each other ${back.took} later`);
    t.match(await http(inPod(far), `http://${EXTERNAL.v4}/`), { ok: true }, "and the world");
  });
});

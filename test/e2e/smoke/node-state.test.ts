// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { VSWITCH } from "../../../src/ovsdb/generated/vswitch.ts";
import { mutate } from "../../../src/ovsdb/operation.ts";
import { standingPods, withoutRestarts } from "../testing/pods.ts";
import { killProcess, PROGRAM } from "../testing/processes.ts";
import { reachable } from "../testing/reachable.ts";
import { timed } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NODE = "weft-1";

t.test(
  "Weft's state of a node is restored, and that of other programs is not changed",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const pods = await standingPods(world);
    const near = pods.find((pod) => pod.spec.nodeName === NODE)!;
    const far = pods.find((pod) => pod.spec.nodeName !== NODE)!;
    const { client, mirror } = world.ovs(NODE);
    const onNode = async (...command: string[]): Promise<string> => (await world.lab.node(NODE).exec(command)).stdout;
    const face = () => [...mirror.rows("Interface")].find((row) => row.external_ids["pod_uid"] === near.metadata.uid);
    const daemon = await withoutRestarts(world, "kube-ovn-cni", NODE);

    /** Another program's objects on the node; some of them resemble Weft's. */
    const foreign = async (): Promise<string> =>
      [
        await onNode("ip", "-brief", "address", "show", "dev", "foo_h", "scope", "global"),
        await onNode("ip", "route", "show", "198.18.99.0/24"),
        await onNode("ip", "rule", "show", "priority", "20000"),
        await onNode("ip", "link", "show", "group", "4711"),
        await onNode("nft", "list", "table", "inet", "weftish"),
      ].join("\n");
    await onNode("ip", "link", "add", "foo_h", "group", "4711", "type", "veth", "peer", "name", "foo_p");
    t.teardown(async () => {
      await onNode("ip", "link", "delete", "foo_h");
      await onNode("ip", "rule", "delete", "priority", "20000");
      await onNode("nft", "delete", "table", "inet", "weftish");
    });
    await onNode("ip", "address", "add", "198.18.7.1/24", "dev", "foo_h");
    await onNode("ip", "link", "set", "foo_h", "up");
    await onNode("ip", "route", "add", "198.18.99.0/24", "via", "198.18.7.9");
    await onNode("ip", "rule", "add", "priority", "20000", "from", "198.18.7.0/24", "lookup", "7777");
    await onNode("nft", "add", "table", "inet", "weftish");
    const before = await foreign();
    t.match(before, /198\.18\.7\.1\/24[\s\S]*198\.18\.99\.0\/24[\s\S]*lookup 7777[\s\S]*weftish/);

    await t.test("a pod's interface is marked with its owner", async (t) => {
      const alias = await onNode("ip", "link", "show", face()!.name);
      t.match(alias, `alias weft: pod ${near.metadata.namespace}/${near.metadata.name} uid=${near.metadata.uid}`);
    });

    await t.test("orphaned rules and qdiscs with our mark are removed", async (t) => {
      await onNode(
        "ip",
        "rule",
        "add",
        "priority",
        "20001",
        "from",
        "198.18.8.0/24",
        "lookup",
        "7777",
        "protocol",
        "87",
      );
      const gone = async () => (await onNode("ip", "rule", "show", "priority", "20001")) === "";
      const { took } = await timed(() => until("the rule is gone", 5_000, gone, 10));
      t.comment(`${took} later`);
    });

    await t.test("a port that is lost while the daemon is down is restored, and its pod is reachable", async (t) => {
      const { _uuid, name, external_ids } = face()!;
      const port = [...mirror.rows("Port")].find((row) => row.interfaces.includes(_uuid))!;
      await killProcess(daemon.metadata.uid, PROGRAM.daemon);
      await client.transact(VSWITCH.name, [
        mutate(VSWITCH, "Bridge", [["name", "==", "br-int"]], [["ports", "delete", [port._uuid]]]),
      ]);
      const { took } = await timed(() =>
        until("the port is back", 60_000, async () => (face()?._uuid ?? _uuid) !== _uuid),
      );
      t.comment(`back ${took} after the daemon was killed`);
      // A restarted daemon does not know which request made the port.
      const { "ovn-installed": _, "ovn-installed-ts": __, "weft-request": ___, ...ids } = external_ids;
      t.match(face(), { name, external_ids: ids });
      await reachable(near, far);
      await reachable(far, near);
    });

    t.equal(await foreign(), before, "what others have set on the node is as it was");
  },
);

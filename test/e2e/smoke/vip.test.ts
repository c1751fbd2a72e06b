// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { ping } from "../../../hack/traffic/probe.ts";
import { VIPS } from "../../../src/kube/resources.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, inPod, run, standingPods, useNamespace } from "../testing/pods.ts";
import { timed } from "../testing/when.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const VIP = "weft-vip";
const ADDRESS = "10.16.200.200";

t.test("a Vip", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [client] = await standingPods(world);
  const namespace = await useNamespace(t, world, VIP);
  const vips = new Objects(world.kube, VIPS);
  await vips.ready();
  t.teardown(() => vips.stop());
  await world.kube.create<Thing>(VIPS, {
    metadata: { name: VIP },
    spec: { subnet: "ovn-default", namespace, v4ip: ADDRESS, selector: ["role: server"] },
    status: {},
  });
  t.teardown(async () => {
    await world.kube.delete(VIPS, { name: VIP });
    await vips.gone(VIP);
  });
  const vip = await vips.until(VIP, "has its address", (vip) => (vip?.status?.v4ip === ADDRESS ? vip : false));
  t.match(vip.status, { v4ip: ADDRESS, mac: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/ });
  const labelled = (name: string, node: string) => {
    const pod = idlePod(namespace, name, node, { "ovn.kubernetes.io/aaps": VIP });
    return { ...pod, metadata: { ...pod.metadata, labels: { role: "server" } } };
  };
  const servers = await run(world, [labelled("one", "weft-1"), labelled("two", "weft-2")]);
  const port = await world.nb.until("the virtual port has both parents", () => {
    const port = world.nb.port(VIP);
    return port?.options["virtual-parents"] === `one.${namespace},two.${namespace}` && port;
  });
  t.match(port, { type: "virtual", options: { "virtual-ip": ADDRESS } });

  for (const server of [...servers, servers[0]!]) {
    const { name } = server.metadata;
    await inPod(server)(["ip", "address", "add", `${ADDRESS}/32`, "dev", "eth0"]);
    // keepalived does the same when it becomes the master.
    await inPod(server)(["busybox", "arping", "-U", "-c", "1", "-I", "eth0", ADDRESS]);
    const answers = async (): Promise<boolean> => (await ping(inPod(client!), ADDRESS, 1)).ok;
    const { took } = await timed(() => until(`${ADDRESS} answers`, 15_000, answers));
    t.pass(`it answers ${took} after ${name} has taken it`);
    await inPod(server)(["ip", "address", "delete", `${ADDRESS}/32`, "dev", "eth0"]);
    t.notOk(await answers(), `and not when ${name} has let go of it`);
  }
});

// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { vswitchdControl } from "../../../src/daemon/ovs/unixctl.ts";
import { SERVICES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { inPod, type PodManifest, run, standingPods, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-udp-flows";

/** A flow of datagrams from a pod, each of which asks a server for its name; "" if there is no answer within a second. */
async function openFlow(t: Test, from: Thing, address: string, port: number) {
  const folder = t.testdir({});
  const [ask, said] = [join(folder, "ask"), join(folder, "said")];
  await inPod(from)(["mkfifo", ask, said]);
  const script = `exec 3<>/dev/udp/${address}/${port}
    while read -r word <${ask}; do
      [ "$word" = end ] && exit
      printf hostname >&3; timeout 1 dd bs=512 count=1 <&3 2>/dev/null >${said}
    done`;
  const flow = inPod(from)(["bash", "-c", script]);
  return {
    async ask(): Promise<string> {
      await writeFile(ask, "ask\n");
      return (await readFile(said, "utf8")).trim();
    },
    async end(): Promise<void> {
      await writeFile(ask, "end\n");
      await flow;
    },
  };
}

t.test(
  "a UDP client that sends while Open vSwitch still has the old flows is moved to another endpoint",
  { skip: whyNoLab() },
  async (t) => {
    const world = await openWorld(t);
    const [first = "", second = ""] = world.lab.nodes;
    const [client] = (await standingPods(world)).filter(({ spec }) => spec.nodeName === first);
    await useNamespace(t, world, NAME);
    const labelled = (pod: PodManifest): PodManifest => ({
      ...pod,
      metadata: { ...pod.metadata, labels: { server: pod.metadata.name ?? "" } },
    });
    await run(world, [labelled(webPod(NAME, "here", first)), labelled(webPod(NAME, "there", second))]);
    const service = await world.kube.create<Thing>(SERVICES, {
      metadata: { name: "names", namespace: NAME },
      spec: {
        selector: { server: "here" },
        ipFamilyPolicy: "RequireDualStack",
        ports: [{ port: 81, targetPort: 8081, protocol: "UDP" }],
      },
      status: {},
    });
    const vswitchd = vswitchdControl(join(world.lab.node(first).root, "run/openvswitch"));
    const ovs = world.ovs(first);
    const installed = (): number =>
      Math.max(...[...ovs.mirror.rows("Bridge")].map(({ external_ids: ids }) => Number(ids["ovn-nb-cfg"] ?? 0)));
    let isPaused = false;
    // Without a pause ovs-vswitchd would wait for one.
    const resume = async (): Promise<void> => {
      if (isPaused) await vswitchd("revalidator/resume");
      isPaused = false;
    };
    t.teardown(resume);
    let to = "here";
    for (const address of service.spec.clusterIPs as readonly string[]) {
      const from = to;
      to = from === "here" ? "there" : "here";
      await t.test(address, async (t) => {
        const flow = await openFlow(t, client!, address, 81);
        await until("it is answered", 10_000, async () => (await flow.ask()) === from);
        const before = installed();
        // Until then cached flows stay, as they may for a moment on a busy machine.
        await vswitchd("revalidator/pause");
        isPaused = true;
        const body = { spec: { selector: { server: to } } };
        await world.kube.patch(SERVICES, { namespace: NAME, name: "names" }, { type: "merge", body });
        await ovs.until("ovn-controller has the new endpoint", () => installed() > before);
        t.equal(
          await flow.ask(),
          from,
          "a datagram that meets cached flows opens the connection to the old endpoint again",
        );
        await resume();
        await until("it is moved", 10_000, async () => (await flow.ask()) === to);
        t.equal(await flow.ask(), to);
        await flow.end();
      });
    }
  },
);

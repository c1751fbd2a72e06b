// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { diagnoseCommand } from "../../../src/cli/diagnose/command.ts";
import type { Finding } from "../../../src/cli/diagnose/finding.ts";
import { inNode, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { inOpenVswitch, podCommands } from "../testing/weftctl.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-diagnose";

t.setTimeout(600_000);

/** A trouble that is made on a node or in a pod, what is found then, and how it is removed. */
interface Trouble {
  readonly name: string;
  readonly area: "node" | "pod";
  make(): Promise<unknown>;
  repair(): Promise<unknown>;
  readonly found: readonly RegExp[];
}

t.test("each trouble is found, and no longer found when it is repaired", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [near = "", far = ""] = world.lab.nodes;
  const commands = podCommands(world);
  await useNamespace(t, world, NAMESPACE);
  const [pod] = await run(world, [webPod(NAMESPACE, "web", near)]);
  if (pod === undefined) throw new Error("there is no pod");
  const named = { node: near, pod: `${NAMESPACE}/web` } as const;
  const inside = inPod(pod);
  const ask = async (area: "node" | "pod"): Promise<readonly string[]> => {
    const question = { area, name: named[area] };
    const { data, warnings = [] } = await diagnoseCommand(world.kube, "kube-system", question, Date.now(), commands);
    t.same(warnings, []);
    const { findings } = data as { readonly findings: readonly Finding[] };
    // Other tests may have left Events.
    return findings.filter(({ evidence }) => !evidence.startsWith("Event of")).map(({ problem }) => problem);
  };
  const other = inNode(world, far);
  const own = ((world.nodes.get(near)?.status?.addresses ?? []) as readonly { address: string }[])
    .map(({ address }) => address)
    .find((address) => address.includes(":"));
  const route = (await inside(["ip", "-6", "route", "show", "default"])).stdout.trim().split("\n")[0] ?? "";
  const ovs = inOpenVswitch(world, far);
  const tunnel = (await ovs(["ovs-vsctl", "list-ports", "br-phy"])).stdout.trim().split("\n")[0] ?? "";
  const large = `table=0,priority=100,in_port=${tunnel},udp,tp_dst=6081`;
  const flow = (text: string) => ovs(["ovs-ofctl", "add-flow", "br-phy", text]);
  const troubles: readonly Trouble[] = [
    {
      ...{ name: "a pod without a default route", area: "pod" },
      make: () => inside(["ip", "-6", "route", "del", "default"]),
      repair: () => inside(["ip", "-6", "route", "add", ...route.split(/\s+/)]),
      found: [/^has no default route for IPv6$/],
    },
    {
      ...{ name: "a pod with a larger MTU than tunnels carry", area: "pod" },
      make: () => inside(["ip", "link", "set", "eth0", "mtu", "1700"]),
      repair: () => inside(["ip", "link", "set", "eth0", "mtu", "1400"]),
      found: [/^interface eth0 has MTU 1700, and the tunnels carry 1400$/],
    },
    {
      ...{ name: "a pod whose checksums are left to a network card", area: "pod" },
      make: () => inside(["ethtool", "-K", "eth0", "tx", "on"]),
      repair: () => inside(["ethtool", "-K", "eth0", "tx", "off"]),
      found: [/^checksums of packets from eth0 are left to a network card$/],
    },
    {
      ...{ name: "a network between nodes that carries less than the MTU", area: "node" },
      async make() {
        await flow("table=1,priority=10,reg0=0/1,actions=NORMAL");
        await flow("table=1,priority=20,reg0=1/1,actions=drop");
        await flow(`${large},actions=check_pkt_larger(1300)->NXM_NX_REG0[0],resubmit(,1)`);
      },
      async repair() {
        await ovs(["ovs-ofctl", "--strict", "del-flows", "br-phy", large]);
        await ovs(["ovs-ofctl", "del-flows", "br-phy", "table=1"]);
      },
      found: [
        new RegExp(`^packets of the full size do not reach node ${far}$`),
        new RegExp(`^packets of the full size do not reach node ${far}$`),
      ],
    },
    {
      ...{ name: "tunnels that carry nothing", area: "node" },
      make: () => flow(`${large},actions=drop`),
      repair: () => ovs(["ovs-ofctl", "--strict", "del-flows", "br-phy", large]),
      found: [
        new RegExp(`^does not reach node ${far} through the tunnels$`),
        new RegExp(`^does not reach node ${far} through the tunnels$`),
      ],
    },
    {
      ...{ name: "a node's address that another machine has", area: "node" },
      make: () => other(["ip", "address", "add", `${own}/128`, "dev", "eth0", "nodad"]),
      repair: () => other(["ip", "address", "del", `${own}/128`, "dev", "eth0"]),
      found: [new RegExp(`^its address ${own} is used by another machine, ([0-9a-f]{2}:){5}[0-9a-f]{2}$`)],
    },
  ];
  for (const area of ["node", "pod"] as const) t.same(await ask(area), [], `${area}: a healthy one has no finding`);
  for (const trouble of troubles) await tryTrouble(t, trouble, ask);
});

async function tryTrouble(
  t: Test,
  { name, area, make, repair, found }: Trouble,
  ask: (area: "node" | "pod") => Promise<readonly string[]>,
): Promise<void> {
  await t.test(name, async (t) => {
    await make();
    try {
      const problems = await ask(area);
      t.match(problems, found);
      t.equal(problems.length, found.length, problems.join("; "));
    } finally {
      await repair();
    }
    t.same(await ask(area), [], "repaired");
  });
}

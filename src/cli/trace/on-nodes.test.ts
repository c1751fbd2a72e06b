// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { NODES, PODS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { LackingRight, ToolError, type ToolTarget } from "../tools/targets.ts";
import { traceCommand } from "./command.ts";
import type { NodeAnswers } from "./on-nodes.ts";

const IDS = (...pairs: readonly (readonly [string, string])[]): unknown => ["map", pairs];
const table = (...data: readonly unknown[]): string => JSON.stringify({ headings: ["name", "external_ids"], data });

/** A part of `ofproto/trace`: the datapath's actions for a packet, and the tables before. */
function traced(actions: string, destination = "10.16.0.3", tables = ""): string {
  return `Flow: icmp,dl_src=00:00:00:00:00:02,dl_dst=00:00:00:00:00:03,nw_src=10.16.0.2,nw_dst=${destination},nw_ttl=64\n${tables}\nFinal flow: unchanged\nMegaflow: ip\nDatapath actions: ${actions}\n`;
}

/** The answers of nodes, by node and in order; records what is run. */
async function world(answers: Readonly<Record<string, readonly string[]>>, datapath = "system") {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/a");
  await cluster.pod("other/b", {}, { node: "weft-2" });
  for (const [i, name] of ["weft-1", "weft-2"].entries()) {
    const annotations = { "ovn.kubernetes.io/chassis": `c${i + 1}` };
    await cluster.kube.patch(NODES, { name }, { type: "merge", body: { metadata: { annotations } } });
    await cluster.add(PODS, {
      metadata: { namespace: "kube-system", name: `ovs-${i + 1}`, labels: { app: "ovs" } },
      spec: { nodeName: name, hostNetwork: true },
    });
  }
  const left = new Map(Object.entries(answers).map(([node, texts]) => [node, [...texts]]));
  const ran: ToolTarget[] = [];
  const nodes: NodeAnswers = {
    ...{ kube: cluster.kube, namespace: "kube-system" },
    capture: async (target) => {
      ran.push(target);
      const next = left.get(target.pod)?.shift();
      if (next === undefined) throw new ToolError(`${target.pod} does not answer`);
      const pods = table(["b_h", IDS(["pod_namespace", "other"], ["pod_name", "b"])]);
      const peer = target.pod === "ovs-1" ? "c2@172.18.0.12" : "c1@172.18.0.11";
      return [pods, table(["ovn-x-0", IDS(["ovn-chassis-id", peer])]), '"172.18.0.11"', datapath, next].join("\n");
    },
    start: () => {
      throw new Error("no packet is sent");
    },
  };
  const ask = async (to = "10.16.0.3") => {
    const { data, text, ok, warnings } = await traceCommand(cluster.kube, "default", ["a", to], { nodes });
    return { data, text, ok, warnings: warnings ?? [] };
  };
  return { ask, ran, nodes };
}

const TUNNEL =
  "set(tunnel(tun_id=0x4,dst=172.18.0.12,ttl=64,tp_dst=6081,geneve({class=0x102,type=0x80,len=4,0x20003}),flags(df|csum|key))),genev_sys_6081";

t.test(
  "a packet is followed through the tunnel, with the tunnel's keys, to the pod's interface on its node",
  async (t) => {
    const { ask, ran } = await world({ "ovs-1": [traced(TUNNEL)], "ovs-2": [traced("b_h")] });
    const { text, ok, data } = await ask();
    t.equal(ok, true, text);
    t.match(text, "✓ node weft-1: Open vSwitch sends it from default/a into the tunnel to node weft-2 (172.18.0.12)");
    t.match(text, "✓ node weft-2: Open vSwitch delivers it from the tunnel to weft-1 to pod other/b, interface b_h");
    t.match(data, { paths: [{ family: "IPv4", nodes: { outcome: "pod", receiver: "other/b" } }] });
    const [first, second] = ran.map(({ command }) => command.slice(-2));
    t.match(first, [
      "external_ids:iface-id=a.default",
      /^dp_hash=\d+,icmp,dl_src=.*,nw_dst=10\.16\.0\.3,nw_ttl=64,icmp_type=8/,
    ]);
    t.match(second, [
      'options:remote_ip="172.18.0.11"',
      /^dp_hash=\d+,tun_id=0x4,tun_src=172\.18\.0\.11,tun_dst=172\.18\.0\.12,tun_metadata0=0x20003,icmp,/,
    ]);
  },
);

t.test("where a node drops what the objects allow, the packet is dropped, and the flow is named", async (t) => {
  const { ask } = await world({
    "ovs-1": [traced(TUNNEL)],
    "ovs-2": [traced("drop", "10.16.0.3", "44. metadata=0x4, priority 1001, cookie 0x1a2b3c4d\n    drop")],
  });
  const { text, ok, data } = await ask();
  t.equal(ok, false);
  t.match(text, "✗ node weft-2: Open vSwitch drops it from the tunnel to weft-1, in table 44");
  t.match(text, "the objects allow it, but the nodes drop it");
  t.match(data, { verdict: "dropped", paths: [{ verdict: "dropped", droppedBy: /^node weft-2: / }] });
});

t.test("a node that does not answer is a step that is not known, and what the objects say stays", async (t) => {
  const { ask } = await world({ "ovs-1": [traced(TUNNEL)], "ovs-2": [] });
  const { text, ok } = await ask();
  t.equal(ok, true);
  t.match(text, "? node weft-2: cannot be asked: ovs-2 does not answer");
});

t.test("an account without the right gets the logical steps, and a warning", async (t) => {
  const { nodes } = await world({});
  const why = "this account lacks the verb get on pods/exec in namespace kube-system";
  const { text, ok, warnings } = await traceCommand(nodes.kube, "default", ["a", "10.16.0.3"], {
    nodes: { ...nodes, capture: () => Promise.reject(new LackingRight(why)) },
  });
  t.equal(ok, true);
  t.notMatch(text, "Open vSwitch");
  t.same(warnings, [`the nodes were not asked: ${why}`]);
});

t.test("a node that has just asked for the MAC of the tunnel's next hop is asked again", async (t) => {
  const miss = traced(
    "drop",
    "10.16.0.3",
    "     >> neighbor cache miss for 172.18.0.12 on bridge br-phy, sending ARP request",
  );
  const { ask } = await world({ "ovs-1": [miss, traced(TUNNEL)], "ovs-2": [traced("b_h")] });
  t.equal((await ask()).ok, true);
  const never = await world({ "ovs-1": [miss, miss] });
  const { text } = await never.ask();
  t.match(text, "? node weft-1: Open vSwitch cannot send it from default/a: neighbor cache miss for 172.18.0.12");
});

t.test("a loop of nodes ends", async (t) => {
  const back = TUNNEL.replace("172.18.0.12", "172.18.0.11");
  const many = <T>(text: T): readonly T[] => Array.from({ length: 20 }, () => text);
  const { ask } = await world({ "ovs-1": many(traced(TUNNEL)), "ovs-2": many(traced(back)) });
  const { text } = await ask();
  t.match(text, /✗ node weft-1: is the 8th on the way: a loop/);
});

/** A trace with a number of recirculations before the last actions. */
function recirculated(times: number, actions: string): string {
  const part = (i: number): string => {
    const text = traced(i < times ? `ct(zone=${i + 1}),recirc(0x${(i + 1).toString(16)})` : actions);
    return i === 0 ? text : text.replace("Flow: ", `Flow: recirc_id=0x${i.toString(16)},`);
  };
  return Array.from({ length: times + 1 }, (_, i) => part(i)).join("\n");
}

t.test(
  "a packet that the userspace datapath drops for its recirculations is dropped, also where flows send it",
  async (t) => {
    const says = async (datapath: string, here: number, there: number): Promise<string> => {
      const answers = { "ovs-1": [recirculated(here, TUNNEL)], "ovs-2": [recirculated(there, "b_h")] };
      return (await (await world(answers, datapath)).ask()).text;
    };
    t.match(await says("netdev", 8, 7), "✓ node weft-2: Open vSwitch delivers it");
    t.match(
      await says("netdev", 9, 7),
      "✗ node weft-1: the userspace datapath drops it from default/a: it needs 9 recirculations, and the limit is 8",
    );
    // That of the tunnel's own header counts.
    t.match(
      await says("netdev", 8, 8),
      "✗ node weft-2: the userspace datapath drops it from the tunnel to weft-1: it needs 9 recirculations",
    );
    t.match(await says("system", 9, 9), "✓ node weft-2: Open vSwitch delivers it");
  },
);

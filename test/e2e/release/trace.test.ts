// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { type Exec, ping } from "../../../hack/traffic/probe.ts";
import { traceCommand } from "../../../src/cli/trace/command.ts";
import type { NodePath } from "../../../src/cli/trace/on-nodes.ts";
import type { TraceWithPackets } from "../../../src/cli/trace/with-packets.ts";
import { SECURITY_GROUPS, SERVICES, VPCS } from "../../../src/kube/resources.ts";
import type { Trace } from "../../../src/reachability/traces.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects, createPolicy, policyApplies } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { inOpenVswitch, podCommands } from "../testing/weftctl.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-trace";
const VPC = "weft-trace-island";
const GROUP = "weft-trace-group";
const PORT = 8080;
const VACANT = ["10.16.200.200", "fd00:10:16::fe00"] as const;

t.setTimeout(900_000);

/** One question, and how packets answer it: an address of each family, and TCP or an echo request. */
interface Cell {
  readonly from: string;
  readonly exec: Exec;
  readonly to: string;
  readonly addresses: readonly [string, string];
  /** Absent: ICMP. */
  readonly port?: number;
}

t.test("what weftctl trace says is what packets do, for each pair and family", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [near = "", far = ""] = world.lab.nodes;
  const nodes = podCommands(world);
  await useNamespace(t, world, NAMESPACE);
  await world.kube.create(VPCS, { metadata: { name: VPC }, spec: {} });
  t.teardown(() => world.kube.delete(VPCS, { name: VPC }));
  await useSubnet(t, world, "weft-trace-far", { vpc: VPC, cidrBlock: "10.91.0.0/24,fd00:91::/120" });
  await useSubnet(t, world, "weft-trace-private", { cidrBlock: "10.92.0.0/24,fd00:92::/120", private: true });
  for (const name of ["weft-trace-far", "weft-trace-private"]) await judged(world, name);
  await world.kube.create(SECURITY_GROUPS, { metadata: { name: GROUP }, spec: { allowSameGroupTraffic: true } });
  t.teardown(() => world.kube.delete(SECURITY_GROUPS, { name: GROUP }));

  const on = (subnet: string) => ({ "ovn.kubernetes.io/logical_switch": subnet });
  const group = { "ovn.kubernetes.io/port_security": "true", "ovn.kubernetes.io/security_groups": GROUP };
  const pods = await run(
    world,
    [
      webPod(NAMESPACE, "client", near),
      webPod(NAMESPACE, "quiet", near),
      webPod(NAMESPACE, "neighbour", near),
      webPod(NAMESPACE, "web", far),
      webPod(NAMESPACE, "closed", far),
      webPod(NAMESPACE, "guarded", far, group),
      webPod(NAMESPACE, "member", near, group),
      webPod(NAMESPACE, "private", far, on("weft-trace-private")),
      webPod(NAMESPACE, "island-one", near, on("weft-trace-far")),
      webPod(NAMESPACE, "island-two", far, on("weft-trace-far")),
    ],
    120_000,
  );
  const pod = (name: string): Thing => {
    const found = pods.find(({ metadata }) => metadata.name === name);
    if (found === undefined) throw new Error(`there is no pod ${name}`);
    return found;
  };
  const service = async (name: string): Promise<readonly [string, string]> => {
    const made = await world.kube.create<Thing>(SERVICES, {
      metadata: { namespace: NAMESPACE, name },
      spec: { selector: { app: name }, ipFamilyPolicy: "RequireDualStack", ports: [{ port: 80, targetPort: PORT }] },
      status: {},
    });
    t.teardown(() => world.kube.delete(SERVICES, { namespace: NAMESPACE, name }));
    const ips: readonly string[] = made.spec.clusterIPs;
    return [ips.find((ip) => !ip.includes(":")) ?? "", ips.find((ip) => ip.includes(":")) ?? ""];
  };
  const [web, closed] = [await service("web"), await service("closed")];
  await createPolicy(world, NAMESPACE, "closed", {
    podSelector: { matchLabels: { app: "closed" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { app: "neighbour" } } }] }],
  });
  await createPolicy(world, NAMESPACE, "quiet", {
    podSelector: { matchLabels: { app: "quiet" } },
    ...{ policyTypes: ["Egress"], egress: [] },
  });
  for (const name of ["closed", "quiet"]) await policyApplies(world, NAMESPACE, name);

  const tcp = (from: string, to: string): Cell => ({
    ...{ from, exec: inPod(pod(from)), to, addresses: addressesOf(pod(to)), port: PORT },
  });
  const dialling = (from: string, to: string, addresses: readonly [string, string]): Cell => ({
    ...{ from, exec: inPod(pod(from)), to: `svc/${NAMESPACE}/${to}`, addresses, port: 80 },
  });
  const nodeAddresses = (world.nodes.get(far)?.status?.addresses ?? []) as readonly { type: string; address: string }[];
  const internal = nodeAddresses.flatMap(({ type, address }) => (type === "InternalIP" ? address : []));
  const cells: readonly Cell[] = [
    tcp("client", "web"),
    tcp("client", "neighbour"),
    tcp("client", "closed"),
    tcp("neighbour", "closed"),
    tcp("quiet", "web"),
    tcp("client", "guarded"),
    tcp("member", "guarded"),
    tcp("client", "private"),
    tcp("client", "island-one"),
    tcp("island-one", "island-two"),
    tcp("island-one", "web"),
    dialling("client", "web", web),
    dialling("client", "closed", closed),
    dialling("neighbour", "closed", closed),
    { from: "client", exec: inPod(pod("client")), to: VACANT[0], addresses: VACANT },
    {
      ...{ from: "client", exec: inPod(pod("client")), to: `node/${far}` },
      addresses: [internal.find((ip) => !ip.includes(":")) ?? "", internal.find((ip) => ip.includes(":")) ?? ""],
    },
    { ...tcp("client", "web"), from: `node/${near}`, exec: inNode(world, near) },
    { ...tcp("client", "closed"), from: `node/${near}`, exec: inNode(world, near) },
    { from: "quiet", exec: inPod(pod("quiet")), to: "neighbour", addresses: addressesOf(pod("neighbour")) },
  ];
  for (const cell of cells) await compare(t, world, cell, nodes);

  await t.test("real packets are counted where they arrive", async (t) => {
    for (const [to, arrive] of [
      ["web", true],
      ["closed", false],
    ] as const) {
      const asked = ["client", to, "tcp", String(PORT)] as const;
      const { data, text } = await traceCommand(world.kube, NAMESPACE, asked, { nodes, packets: true });
      const { packets, packetsDisagree } = data as TraceWithPackets;
      t.equal(packetsDisagree, undefined, text);
      t.equal(packets.length, 2);
      for (const { left, arrived, answer } of packets) {
        t.ok(left >= 3, `${left} left`);
        t.equal((arrived[`${NAMESPACE}/${to}`] ?? 0) >= 3, arrive, text);
        t.equal(answer === "answered", arrive);
      }
    }
  });

  await t.test("a flow of another program that drops packets is found, and gone when it is removed", async (t) => {
    const [from, to] = [addressesOf(pod("client"))[0], addressesOf(pod("web"))[0]];
    const match = `table=0,priority=65535,ip,nw_src=${from},nw_dst=${to}`;
    const ofctl = (...args: readonly string[]) => inOpenVswitch(world, near)(["ovs-ofctl", ...args]);
    const ask = () => traceCommand(world.kube, NAMESPACE, ["client", to, "tcp", String(PORT)], { nodes });
    t.equal((await ofctl("add-flow", "br-int", `${match},actions=drop`)).code, 0);
    try {
      const { ok, text } = await ask();
      t.equal(ok, false, text);
      t.match(text, new RegExp(`Dropped by node ${near}: Open vSwitch drops it from ${NAMESPACE}/client, in table 0`));
    } finally {
      await ofctl("--strict", "del-flows", "br-int", match);
    }
    t.equal((await ask()).ok, true);
  });
});

/** A trace of each family, by objects and by the nodes, against packets. */
async function compare(t: Test, world: World, cell: Cell, nodes: ReturnType<typeof podCommands>): Promise<void> {
  const { from, exec, to, addresses, port } = cell;
  await t.test(`${from} → ${to} ${port ?? "icmp"}`, async (t) => {
    const asked = [from, to, ...(port === undefined ? ["icmp"] : ["tcp", String(port)])] as const;
    let { data, text } = await traceCommand(world.kube, NAMESPACE, asked as Parameters<typeof traceCommand>[2], {
      nodes,
    });
    if (text.includes("but the nodes")) {
      // Nodes apply policies with a delay.
      await syncNodes(world);
      ({ data, text } = await traceCommand(world.kube, NAMESPACE, asked as Parameters<typeof traceCommand>[2], {
        nodes,
      }));
    }
    const traces = (Array.isArray(data) ? data : [data]) as readonly Trace[];
    const paths = traces.flatMap((trace) => trace.paths as readonly NodePath[]);
    for (const [i, family] of (["IPv4", "IPv6"] as const).entries()) {
      const address = addresses[i] ?? "";
      if (address === "") continue;
      const open = port === undefined ? (await ping(exec, address, 1)).ok : await connects(exec, address, port);
      const own = paths.filter((path) => path.family === family);
      const said = own.length > 0 && own.every(({ verdict }) => verdict === "delivered" || verdict === "leaves");
      t.equal(said, open, `${family}: ${said ? "delivered" : "dropped"}${said === open ? "" : `\n${text}`}`);
      for (const { nodes: seen } of own) {
        if (seen === undefined || seen.outcome === "unknown") continue;
        // Behind the node's kernel there may be no one who answers.
        if (seen.outcome === "node" && !to.startsWith("node/")) continue;
        t.equal(seen.outcome !== "dropped", open, `${family} by Open vSwitch: ${seen.outcome}\n${text}`);
      }
    }
    t.notMatch(text, "but the nodes", "objects and nodes agree");
  });
}

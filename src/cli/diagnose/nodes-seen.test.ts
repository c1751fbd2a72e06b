// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { SUBNET } from "../../api/annotations.ts";
import { encodeSubnetContract } from "../../contract/subnet.ts";
import { ENDPOINT_SLICES, NODES, PODS, SERVICES, SUBNETS } from "../../kube/resources.ts";
import { SampleCluster } from "../testing/sample-cluster.ts";
import { LackingRight, ToolError, type ToolTarget } from "../tools/targets.ts";
import { diagnoseCommand } from "./command.ts";
import type { Finding } from "./finding.ts";
import type { SeenNode, SeenPod } from "./on-node/node-view.ts";

const POD: SeenPod = {
  ...{ port: "web.default", pod: "default/web", interface: "eth0", offload: false },
  link: { name: "eth0", mtu: 1400, up: true, addresses: ["10.16.0.2", "fd00:10:16::2"] },
  routes: [
    { destination: "default", device: "eth0", family: 4 },
    { destination: "default", device: "eth0", family: 6 },
  ],
  checksums: { received: 1000, wrong: 0 },
};
const HEALTHY: SeenNode = {
  links: [
    { name: "eth0", mtu: 1500, up: true, addresses: ["172.18.0.11"] },
    { name: "ovn0", mtu: 1400, up: true, addresses: ["100.64.0.2", "fd00:100:64::2"] },
  ],
  routes: [
    { destination: "10.16.0.0/16", device: "ovn0", family: 4 },
    { destination: "fd00:10:16::/112", device: "ovn0", family: 6 },
  ],
  ...{ userspace: true, checksums: { received: 10_000, wrong: 3 } },
  tunnel: { type: "geneve", address: "172.18.0.11", link: "eth0", mtu: 1500, offload: false },
  pods: [POD],
  echoes: [{ node: "weft-2", address: "100.64.0.3", small: true, full: true, size: 1400 }],
  ...{ duplicates: [], tracked: [], problems: [] },
};

/** The findings on node 1 with a view, without those of the API server. */
async function findings(
  view: Partial<SeenNode>,
  prepare?: (cluster: SampleCluster) => Promise<unknown>,
): Promise<readonly string[]> {
  const cluster = await SampleCluster.make();
  await cluster.pod("default/web");
  const contract = (cidrs: readonly string[]) => ({
    [SUBNET.nodeContract]: encodeSubnetContract({ cidrs, natOutgoing: true, gatewayType: "distributed", mtu: 0 }),
  });
  for (const [name, cidrs] of [
    ["ovn-default", ["10.16.0.0/16", "fd00:10:16::/112"]],
    ["join", ["100.64.0.0/16", "fd00:100:64::/112"]],
  ] as const)
    await cluster.kube.patch(
      SUBNETS,
      { name },
      { type: "merge", body: { metadata: { annotations: contract(cidrs) } } },
    );
  await cluster.add(PODS, {
    metadata: { namespace: "kube-system", name: "daemon-1", labels: { app: "kube-ovn-cni" } },
    spec: { nodeName: "weft-1", hostNetwork: true },
  });
  await prepare?.(cluster);
  const { data } = await diagnoseCommand(
    cluster.kube,
    "kube-system",
    { area: "all" },
    Date.now(),
    answering({ ...HEALTHY, ...view }),
  );
  return seen(data);
}

function answering(view: SeenNode) {
  return {
    capture: async ({ command }: ToolTarget) => {
      if (command[1] !== "diagnose-node") throw new ToolError(`unknown command ${command.join(" ")}`);
      return JSON.stringify(view);
    },
  };
}

const FROM_API = /not ready there|no controller leads|has not reported a chassis|is not ready$/;
function seen(data: unknown): readonly string[] {
  const { findings: all } = data as { readonly findings: readonly Finding[] };
  t.ok(all.every(({ evidence, remedy }) => evidence !== "" && remedy !== ""));
  return all.map(({ object, problem }) => `${object} ${problem}`).filter((text) => !FROM_API.test(text));
}

t.test("a healthy node has no finding", async (t) => {
  t.same(await findings({}), []);
});

t.test("tunnels: a node that is not reached, and one that packets of the full size do not reach", async (t) => {
  const echo = { node: "weft-2", address: "100.64.0.3", size: 1400 };
  t.same(await findings({ echoes: [{ ...echo, small: false, full: false }] }), [
    "Node weft-1 does not reach node weft-2 through the tunnels",
  ]);
  t.same(await findings({ echoes: [{ ...echo, small: true, full: false }] }), [
    "Node weft-1 packets of the full size do not reach node weft-2",
  ]);
  const notReady = (cluster: SampleCluster) =>
    cluster.kube.patch(
      NODES,
      { name: "weft-2" },
      { type: "merge", body: { status: { conditions: [{ type: "Ready", status: "False" }] } } },
      { subresource: "status" },
    );
  t.same(await findings({ echoes: [{ ...echo, small: false, full: false }] }, notReady), ["Node weft-2 is not Ready"]);
});

t.test("MTU: a pod whose interface is larger than tunnels carry, and one that differs from its Subnet", async (t) => {
  const pod = (mtu: number): SeenPod => ({ ...POD, link: { ...POD.link!, mtu } });
  t.same(await findings({ pods: [pod(1500)] }), [
    "Pod default/web interface eth0 has MTU 1500, and the tunnels carry 1400",
  ]);
  t.same(await findings({ pods: [pod(1300)] }), []);
  const subnet = (mtu: number) => (cluster: SampleCluster) =>
    cluster.kube.patch(SUBNETS, { name: "ovn-default" }, { type: "merge", body: { spec: { mtu } } });
  t.same(await findings({ pods: [pod(1300)] }, subnet(1300)), []);
  t.same(await findings({ pods: [pod(1400)] }, subnet(1300)), [
    "Pod default/web interface eth0 has MTU 1400, and its Subnet ovn-default 1300",
  ]);
});

t.test("checksums: those that no hardware computes in user space, and many wrong ones", async (t) => {
  const tunnel = { ...HEALTHY.tunnel!, offload: true };
  const pods = [{ ...POD, offload: true }];
  t.same(await findings({ tunnel, pods }), [
    "Node weft-1 checksums of packets from eth0 are left to a network card",
    "Pod default/web checksums of packets from eth0 are left to a network card",
  ]);
  t.same(await findings({ tunnel, pods, userspace: false }), [], "the kernel's datapath completes them");
  t.same(await findings({ checksums: { received: 900, wrong: 100 } }), [
    "Node weft-1 packets arrive with wrong checksums",
  ]);
  t.same(await findings({ pods: [{ ...POD, checksums: { received: 100_000, wrong: 100 } }] }), [], "one of a thousand");
});

t.test("routes: a node without one to a Subnet, and a pod without its address or a default route", async (t) => {
  t.same(await findings({ routes: HEALTHY.routes.slice(1) }), [
    "Node weft-1 has no route to 10.16.0.0/16 (Subnet ovn-default) by ovn0",
  ]);
  t.same(
    await findings({
      routes: [...HEALTHY.routes.slice(1), { destination: "10.16.0.0/16", device: "cni0", family: 4 }],
    }),
    ["Node weft-1 has no route to 10.16.0.0/16 (Subnet ovn-default) by ovn0"],
  );
  t.same(await findings({ links: HEALTHY.links.slice(0, 1) }), ["Node weft-1 has no interface ovn0"]);
  t.same(await findings({ pods: [{ ...POD, routes: POD.routes.slice(0, 1) }] }), [
    "Pod default/web has no default route for IPv6",
  ]);
  t.same(await findings({ pods: [{ ...POD, link: { ...POD.link!, addresses: ["10.16.0.2"] } }] }), [
    "Pod default/web interface eth0 does not have its address fd00:10:16::2",
  ]);
});

t.test("the wire: an address that another machine has", async (t) => {
  const mac = "0a:00:00:00:00:99";
  t.same(
    await findings({
      duplicates: [
        { address: "172.18.0.11", mac },
        { address: "10.16.0.2", pod: "default/web", mac },
      ],
    }),
    [
      `Node weft-1 its address 172.18.0.11 is used by another machine, ${mac}`,
      `Pod default/web its address 10.16.0.2 is used by another machine, ${mac}`,
    ],
  );
});

t.test(
  "stale flows: a UDP flow of a Service to what is none of its endpoints, still so when they are read again",
  async (t) => {
    const flow = { virtual: "10.96.0.10", port: 53, backend: "10.16.0.9", backendPort: 53, count: 2 };
    const service = (backend: string) => async (cluster: SampleCluster) => {
      await cluster.add(SERVICES, {
        metadata: { namespace: "default", name: "dns" },
        spec: { clusterIP: "10.96.0.10", clusterIPs: ["10.96.0.10"], ports: [{ port: 53, protocol: "UDP" }] },
      });
      await cluster.add(ENDPOINT_SLICES, {
        metadata: { namespace: "default", name: "dns-1", labels: { "kubernetes.io/service-name": "dns" } },
        addressType: "IPv4",
        endpoints: [{ addresses: [backend], conditions: { ready: true } }],
        ports: [{ protocol: "UDP", port: 53 }],
      });
    };
    t.same(await findings({ tracked: [flow] }, service("10.16.0.8")), [
      "Node weft-1 sends UDP packets of Service default/dns to 10.16.0.9, which is none of its endpoints",
    ]);
    t.same(await findings({ tracked: [flow] }, service("10.16.0.9")), []);
    t.same(await findings({ tracked: [flow] }), [], "no Service of the cluster has the address");
  },
);

t.test("a node that cannot be looked at is reported, and without the right a warning says so", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.add(PODS, {
    metadata: { namespace: "kube-system", name: "daemon-1", labels: { app: "kube-ovn-cni" } },
    spec: { nodeName: "weft-1", hostNetwork: true },
  });
  const commands = answering(HEALTHY);
  const ask = (more: object) =>
    diagnoseCommand(cluster.kube, "kube-system", { area: "node", name: "weft-1" }, Date.now(), {
      ...commands,
      ...more,
    });
  const { data } = await ask({ capture: () => Promise.resolve("error: unknown command 'diagnose-node'") });
  t.match(seen(data), ["Node weft-1 could not be looked at"]);
  const { warnings, data: rest } = await ask({ capture: () => Promise.reject(new LackingRight("no right")) });
  t.same(warnings, ["nodes were not looked at: no right"]);
  t.same(seen(rest), []);
});

t.test("drift: rows that differ in two plans are reported, those on their way are not", async (t) => {
  const cluster = await SampleCluster.make();
  await cluster.add(PODS, {
    metadata: { namespace: "kube-system", name: "controller-1", labels: { app: "kube-ovn-controller" } },
    spec: { nodeName: "weft-1", hostNetwork: true },
  });
  const drift = async (...plans: readonly string[]): Promise<readonly string[]> => {
    const left = [...plans];
    const commands = { capture: () => Promise.resolve(left.shift() ?? "") };
    const { data } = await diagnoseCommand(cluster.kube, "kube-system", { area: "all" }, Date.now(), commands);
    return seen(data).filter((text) => text.startsWith("OVN"));
  };
  const plan = "+ ACL x\n    match: y\n- Logical_Switch z\n";
  t.same(await drift("Nothing to do: the northbound database is as it should be.\n"), []);
  t.same(await drift(plan, "Nothing to do: it is\n"), []);
  t.same(await drift(plan, plan), ["OVN northbound database differs from what the objects say"]);
  t.same(await drift("~ Address_Set weft.domain.x addresses\n", "~ Address_Set weft.domain.x addresses\n"), []);
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deploy } from "../../../hack/deploy/deploy.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { run as runCommand } from "../../../hack/host/run.ts";
import { type Lab, openLab } from "../../../hack/lab/lab.ts";
import { addressOf } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { ensureTool } from "../../../hack/tools/tools.ts";
import { apply } from "../../../hack/traffic/pods.ts";
import { http, ping, urlHost } from "../../../hack/traffic/probe.ts";
import { podPortName } from "../../../src/api/port-names.ts";
import { connectKube } from "../../../src/kube/connect.ts";
import { NETWORK_POLICIES, PODS, SERVICES } from "../../../src/kube/resources.ts";
import { startEchoes } from "../testing/echoes.ts";
import { runExamples } from "../testing/examples.ts";
import { sameInventory, takeInventory } from "../testing/inventory.ts";
import { networkStatus, useMultus } from "../testing/multus.ts";
import { createNetwork, lookInside, ovnNetwork, seenFrom } from "../testing/networks.ts";
import { type NodeSnapshot, snapshotOf } from "../testing/node-snapshot.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import {
  addressesOf,
  idlePod,
  inPod,
  isReady,
  type PodManifest,
  remove,
  run,
  useNamespace,
  webPod,
} from "../testing/pods.ts";
import { connects } from "../testing/policies.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World } from "../testing/world.ts";

const HOME = "weft-beside";
const LAN = `lan.${HOME}.ovn`;
/** The name that Multus gives to the primary network. */
const PRIMARY = "kube-system/bridge";
const NETWORKS = "k8s.v1.cni.cncf.io/networks";

function whyNot(): string | false {
  if (process.getuid?.() !== 0) return "needs root: the lab is made of network namespaces";
  const { settings } = openLab();
  if (settings?.cni === "bridge" && settings.ipFamily === "dual" && settings.nodes >= 2) return false;
  return "needs a lab of another network plugin: npm run lab -- up --cni bridge --ip-family dual";
}

/**
 * The objects on a node of the primary plugin, kubelet and the system: all except Open vSwitch's devices, the interface
 * that it may use for tunnels, and Weft's own tables, which concern only these. Link-local addresses, and objects
 * that the kernel derives from them, appear when duplicate address detection ends.
 */
function others({ links, addresses, routes, rules, tables, configurations }: NodeSnapshot): object {
  const foreign = (lines: readonly string[]) =>
    lines.filter((line) => !/\b(br-int|br-phy|ovs-netdev|ovs-system|eth1|genev_sys_6081)\b/.test(line));
  const settled = (lines: readonly string[]) => foreign(lines).filter((line) => !/\bfe80:|^anycast\b/.test(line));
  return {
    links: foreign(links),
    addresses: settled(addresses),
    routes: settled(routes),
    rules,
    tables: tables.filter((line) => !/^table (inet weft\/pod-links|netdev weft-tunnel)$/.test(line)),
    configurations,
  };
}

async function snapshots(lab: Lab): Promise<readonly object[]> {
  return Promise.all(lab.nodes.map(async (node) => others(await snapshotOf(lab.node(node)))));
}

/** Open vSwitch may take eth1 for tunnels (userspace datapath), so the route to other nodes' pods is moved to eth0. */
async function routeByKubelets(lab: Lab): Promise<void> {
  const { stdout } = await lab.kubectl(["get", "nodes", "-o", "json"]);
  const nodes = (JSON.parse(stdout) as { items: readonly Thing[] }).items;
  for (const node of lab.nodes)
    for (const { metadata, spec } of nodes.filter((one) => one.metadata.name !== node)) {
      const { v4, v6 } = addressOf(metadata.name);
      for (const cidr of spec.podCIDRs as readonly string[])
        await lab.node(node).exec(["ip", "route", "replace", cidr, "via", cidr.includes(":") ? v6 : v4, "dev", "eth0"]);
    }
}

/** Two plain pods on two nodes, created before Weft is installed. */
async function plainPods(lab: Lab): Promise<readonly [Thing, Thing]> {
  const manifests = ["weft-1", "weft-2"].map((node, i) => ({
    apiVersion: "v1",
    kind: "Pod",
    ...webPod("default", `plain-${i}`, node),
  }));
  await apply(lab, manifests);
  const connection = await connectKube({ userAgent: "weft-e2e", kubeconfig: lab.paths.kubeconfig });
  const pods = new Objects(connection.kube, PODS);
  try {
    const [one, two] = await Promise.all(
      [0, 1].map((i) => pods.until(`default/plain-${i}`, "is Ready", (pod) => isReady(pod) && pod, 60_000)),
    );
    return [one!, two!];
  } finally {
    await pods.stop();
    connection.close();
  }
}

async function removeWeft(lab: Lab): Promise<void> {
  const helm = await ensureTool("helm", createProgress());
  await runCommand(
    helm,
    [`--kubeconfig=${lab.paths.kubeconfig}`, "--namespace=kube-system", "uninstall", "weft", "--wait"],
    {
      timeoutMs: 120_000,
    },
  );
}

let world: World;

t.test("Weft beside another network plugin", { skip: whyNot(), timeout: 590_000 }, async (t) => {
  const lab = openLab();
  await routeByKubelets(lab);
  const plain = await plainPods(lab);
  t.teardown(() => lab.kubectl(["delete", "pod", "plain-0", "plain-1", "--grace-period=0", "--force", "--wait=false"]));
  const [four, six] = addressesOf(plain[1]);
  const before = await snapshots(lab);
  const echoes = [startEchoes(plain[0], four), startEchoes(plain[0], six)];
  await deploy(lab, createProgress(), { set: ["nonPrimaryCNI=true"] });
  world = await openWorld(t);

  await t.test(
    "its installation does not change the nodes' network, and no packet of the primary network is lost",
    async (t) => {
      for (const each of echoes) {
        const { sent, lost } = await each.stop();
        t.ok(sent > 20, `${sent} echoes`);
        t.equal(lost, 0);
      }
      t.strictSame(await snapshots(lab), before);
      for (const node of world.nodes.values()) {
        const conditions: readonly { type: string }[] = node.status.conditions;
        t.notOk(
          conditions.some(({ type }) => type === "NetworkUnavailable"),
          "whose condition it does not set",
        );
      }
      for (const { metadata } of plain) t.equal(world.ips.get(podPortName(metadata.name, "default")), undefined);
    },
  );

  await useMultus(t, world, "bridge");
  await useNamespace(t, world, HOME);
  await useSubnet(t, world, "beside-lan", { provider: LAN, cidrBlock: "10.56.0.0/24,fd00:10:56::/120" });
  await createNetwork(world, HOME, "lan", ovnNetwork("lan", HOME));
  await judged(world, "beside-lan");
  const inventory = await takeInventory(world);

  await t.test("a pod without a network of Weft is not changed by it", async (t) => {
    const [pod] = (await run(world, [webPod(HOME, "without", "weft-1")])) as readonly [Thing];
    const told = Object.keys(pod.metadata.annotations ?? {}).filter((key) => key.includes("ovn.kubernetes.io"));
    t.same(told, []);
    t.equal(world.ips.get(podPortName("without", HOME)), undefined);
    t.match(networkStatus(pod), [{ name: PRIMARY, interface: "eth0", default: true }]);
    for (const address of [four, six]) {
      t.match(await ping(inPod(pod), address), { ok: true }, address);
      t.ok(await connects(inPod(pod), address, 8080));
    }
    await remove(world, HOME, ["without"]);
  });

  await t.test("a pod has the interfaces that it requests in addition to eth0, and packets use both", async (t) => {
    const manifest = (name: string, node: string) => webPod(HOME, name, node, { [NETWORKS]: "lan" });
    const [one, two] = (await run(world, [manifest("one", "weft-1"), manifest("two", "weft-2")])) as readonly [
      Thing,
      Thing,
    ];
    const status = networkStatus(two);
    t.match(
      status.map(({ name, interface: ifName, default: isDefault }) => [name, ifName, isDefault]),
      [
        [PRIMARY, "eth0", true],
        [`${HOME}/lan`, "net1", undefined],
      ],
    );
    t.same(status[0]?.ips, addressesOf(two), "status.podIPs are the primary plugin's");
    for (const { interface: ifName = "", ips = [], mac } of status) {
      const inside = await lookInside(two, ifName);
      t.same([inside?.addresses.map((text) => text.split("/")[0]), inside?.mac], [ips, mac], ifName);
      t.equal(ips.length, 2);
      const servers = networkStatus(one).find((other) => other.interface === ifName)?.ips ?? [];
      for (const [n, server] of servers.entries()) {
        const seen = async (): Promise<boolean> => (await seenFrom(two, ifName, server)) === ips[n];
        await until(`${ifName} connects to ${server} as ${ips[n]}`, 10_000, seen);
      }
    }
    t.equal((await lookInside(two, "eth0"))?.routes.filter((dst) => dst === "default").length, 2);
    const lan = world.ips.get(podPortName("two", HOME, LAN))?.spec.v4IpAddress;
    await world.kube.create(NETWORK_POLICIES, {
      metadata: { namespace: HOME, name: "closed" },
      spec: { podSelector: { matchLabels: { app: "two" } }, policyTypes: ["Ingress"] },
    } as PodManifest);
    await until("the policy holds for net1", 15_000, async () => !(await connects(inPod(one), lan, 8080)));
    t.ok(
      await connects(inPod(one), addressesOf(two)[0], 8080),
      "eth0 is the primary plugin's affair, which has no policies",
    );
    await world.kube.delete(NETWORK_POLICIES, { namespace: HOME, name: "closed" });
    await remove(world, HOME, ["one", "two"]);
  });

  await t.test(
    "a Service's endpoints are the pods' interfaces on OVN for OVN, and their eth0 for kube-proxy",
    async (t) => {
      const service = await world.kube.create<Thing>(SERVICES, {
        metadata: { namespace: HOME, name: "web" },
        spec: {
          selector: { role: "web" },
          ports: [{ port: 80, targetPort: 8080 }],
          ipFamilyPolicy: "RequireDualStack",
        },
        status: undefined,
      });
      const vips: readonly string[] = service.spec.clusterIPs;
      const ways = vips.map((ip) =>
        ip.includes(":") ? { dst: `${ip}/128`, gw: "fd00:10:56::1" } : { dst: `${ip}/32`, gw: "10.56.0.1" },
      );
      const server = (name: string, node: string): PodManifest => {
        const pod = webPod(HOME, name, node, { [NETWORKS]: "lan" });
        return { ...pod, metadata: { ...pod.metadata, labels: { role: "web" } } };
      };
      const routed = { [NETWORKS]: "lan", [`${LAN}.kubernetes.io/routes`]: JSON.stringify(ways) };
      const [byOvn, byProxy] = (await run(world, [
        idlePod(HOME, "by-ovn", "weft-1", routed),
        idlePod(HOME, "by-proxy", "weft-1"),
        server("first", "weft-1"),
        server("second", "weft-2"),
      ])) as readonly [Thing, Thing];
      await world.nb.until("the Service has endpoints", () =>
        [...world.nb.mirror.rows("Load_Balancer")].some(({ vips: of }) => of[`${vips[0]}:80`]?.split(",").length === 2),
      );
      await syncNodes(world);
      const lan = world.ips.get(podPortName("by-ovn", HOME, LAN))?.spec;
      for (const vip of vips) {
        const url = `http://${urlHost(vip)}`;
        const names = async (pod: Thing) => {
          const found = new Set<string>();
          for (let n = 0; n < 20; n++) found.add((await http(inPod(pod), `${url}/hostname`)).detail);
          return [...found].sort();
        };
        t.same(await names(byOvn), ["first", "second"], `${vip} by OVN`);
        const client = vip.includes(":") ? lan.v6IpAddress : lan.v4IpAddress;
        t.match(
          await http(inPod(byOvn), `${url}/clientip`, client),
          { ok: true },
          "its endpoints see the address of net1",
        );
        t.same(await names(byProxy), ["first", "second"], `${vip} by kube-proxy`);
      }
      await world.kube.delete(SERVICES, { namespace: HOME, name: "web" });
      await remove(world, HOME, ["by-ovn", "by-proxy", "first", "second"]);
      await sameInventory(t, world, inventory, "nothing is left");
    },
  );

  await t.test("every example of docs/non-primary.md works as it stands", (t) =>
    runExamples(t, world.lab, "non-primary.md", true),
  );

  await t.test("when Weft is removed the primary network stays as it is", async (t) => {
    const during = startEchoes(plain[0], four);
    await removeWeft(lab);
    const { sent, lost } = await during.stop();
    t.ok(sent > 0, `${sent} echoes`);
    t.equal(lost, 0);
    t.match(await ping(inPod(plain[0]), six), { ok: true });
  });
});

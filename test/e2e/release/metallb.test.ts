// SPDX-License-Identifier: Apache-2.0

import t, { type Test } from "tap";
import { signal } from "../../../hack/lab/process.ts";
import { addressOf, linksOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, urlHost } from "../../../hack/traffic/probe.ts";
import { LOAD_BALANCER_CLASS } from "../../../src/facts/project-load-balancer.ts";
import { PODS, SERVICES, VPCS } from "../../../src/kube/resources.ts";
import { useExternalNetwork } from "../testing/external-network.ts";
import { useMetallb } from "../testing/metallb.ts";
import { Objects, type Thing } from "../testing/objects.ts";
import { idlePod, inNode, inPod, ownReady, type PodManifest, run, useNamespace, webPod } from "../testing/pods.ts";
import { requireProcess } from "../testing/processes.ts";
import { when } from "../testing/when.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

const NAME = "weft-mlb";
const EXTERNAL_IP = "ovn.kubernetes.io/service_external_ip_from_subnet";
const POOL = "metallb.io/address-pool";
/** Of MetalLB, where it is started with one. */
const CLASS = "metallb.example/lb";
/** The addresses of Weft's Subnet, and of MetalLB's pool in the network of the nodes. */
const OURS = [/^172\.31\.74\.1\d\d$/, /^fd00:31:74::(?!5\d$)/];
const THEIRS = [/^172\.18\.0\.20\d$/, /^fd00:172:18::20\d$/];

t.setTimeout(900_000);

/** Pods with a web server, one on each node, which a Service selects by `app`. */
const webPods = (namespace: string, app: string, nodes: readonly string[]): readonly PodManifest[] =>
  nodes.map((node, i) => {
    const pod = webPod(namespace, `${app}-${i + 1}`, node);
    return { ...pod, metadata: { ...pod.metadata, labels: { app } } };
  });

t.test("MetalLB beside Weft", { skip: whyNoLab(), timeout: 880_000 }, async (t) => {
  const world = await openWorld(t);
  const { nodes } = world.lab;
  const [first = "", second = ""] = nodes;
  const { router, address } = await useExternalNetwork(t, world, NAME, 74);
  const connect = (spec: object) => world.kube.patch(VPCS, { name: "ovn-cluster" }, { type: "merge", body: { spec } });
  t.teardown(() => connect({ enableExternal: false, extraExternalSubnets: null }));
  await connect({ enableExternal: true, extraExternalSubnets: [NAME] });
  const namespace = await useNamespace(t, world, NAME);
  const metallb = await useMetallb(t, world);
  const nodeNetwork = addressOf(OUTSIDE);
  const onNodes = (last: string) => ({
    v4: nodeNetwork.v4.replace(/1$/, last),
    v6: nodeNetwork.v6.replace(/1$/, last),
  });
  /** Two pools: one in the network of the nodes, one in that of Weft's Subnet, of addresses that the Subnet excludes. */
  const POOLS = {
    nodes: { device: "eth0", client: nodeNetwork, from: onNodes("200"), to: onNodes("209") },
    external: {
      ...{ device: "br-out", client: router },
      from: { v4: address(50, "v4"), v6: address(50, "v6") },
      to: { v4: address(59, "v4"), v6: address(59, "v6") },
    },
  } as const;
  for (const [name, { from, to }] of Object.entries(POOLS))
    await metallb.pool(name, { v4: `${from.v4}-${to.v4}`, v6: `${from.v6}-${to.v6}` });

  const services = new Objects(world.kube, SERVICES);
  await services.ready();
  t.teardown(() => services.stop());
  const [client] = (await run(world, [
    idlePod(namespace, "client", first),
    ...["shop", "depot"].flatMap((app) => webPods(namespace, app, nodes)),
  ])) as readonly Thing[];
  const outside = inNode(world, OUTSIDE);
  const places: readonly (readonly [string, Exec])[] = [
    ["a pod", inPod(client!)],
    ["a node", inNode(world, first)],
  ];

  /** name → the addresses that its Service has had so far. */
  const had = new Map<string, Set<string>>();
  /** name → when its Service has got addresses, in milliseconds. */
  const given = new Map<string, number[]>();
  /** name → the addresses in its Service's status now, "" for none. */
  const now = new Map<string, string>();
  t.teardown(
    services.subscribe(() => {
      for (const { metadata, status } of services.values()) {
        const { namespace: of, name } = metadata;
        const ingress = (status?.loadBalancer?.ingress ?? []) as readonly { readonly ip: string }[];
        const text = ingress.map(({ ip }) => ip).join(" ");
        if (of !== namespace || text === (now.get(name) ?? "")) continue;
        now.set(name, text);
        if (text === "") continue;
        had.set(name, (had.get(name) ?? new Set()).add(text));
        given.set(name, [...(given.get(name) ?? []), Date.now()]);
      }
    }),
  );
  const make = async (name: string, annotations: Record<string, string>, spec: object = {}): Promise<void> => {
    await world.kube.create<Thing>(SERVICES, {
      metadata: { namespace, name, annotations },
      spec: {
        ...{ type: "LoadBalancer", ipFamilyPolicy: "RequireDualStack", selector: { app: "shop" } },
        ...{ ports: [{ port: 80, targetPort: 8080 }], ...spec },
      },
    } as never);
  };
  const addresses = (name: string): Promise<readonly [string, string]> =>
    services.until(`${namespace}/${name}`, "has addresses", (service) => {
      const ingress = (service?.status?.loadBalancer?.ingress ?? []) as readonly { readonly ip: string }[];
      const of = (six: boolean) => ingress.find(({ ip }) => ip.includes(":") === six)?.ip;
      const [v4, v6] = [of(false), of(true)];
      return v4 !== undefined && v6 !== undefined && ([v4, v6] as const);
    });
  /** What the endpoint says is the client's address. */
  const answers = async (t: Test, from: Exec, what: string, to: string, seen = ""): Promise<void> => {
    const ask = () => http(from, `http://${urlHost(to)}/clientip`);
    await until(`${what} answers`, 30_000, async () => (await ask()).ok, 200).catch(() => undefined);
    const { ok, detail } = await ask();
    t.ok(ok && detail.includes(seen), `${what} at ${to}: ${detail}`);
  };
  const nics = new Map(nodes.flatMap((node) => linksOf(node).map(({ mac }) => [mac, node] as const)));
  for (const node of nodes) {
    const { stdout } = await world.lab.node(node).exec(["cat", "/sys/class/net/eth9/address"]);
    nics.set(stdout.trim(), node);
  }
  /** The owners of all MACs that answer ARP for an address: names of nodes, or the MAC of another one. */
  const whoAnswers = async (pool: keyof typeof POOLS, v4: string): Promise<readonly string[]> => {
    const { stdout } = await outside(["busybox", "arping", "-c", "2", "-w", "3", "-I", POOLS[pool].device, v4]);
    const macs = [...stdout.matchAll(/\[([0-9a-f:]{17})\]/g)].map(([, mac = ""]) => mac);
    return [...new Set(macs)].map((mac) => nics.get(mac) ?? mac);
  };
  /** All Services from outside in both families, and which of them keep the client's address. */
  const KEPT = { ours: router, local: nodeNetwork, here: undefined, theirs: undefined } as const;
  const allAnswer = async (t: Test): Promise<void> => {
    for (const [name, kept] of Object.entries(KEPT)) {
      const [v4, v6] = await addresses(name);
      await answers(t, outside, name, v4, kept && `${kept.v4}:`);
      await answers(t, outside, name, v6, kept && `[${kept.v6}]`);
    }
  };

  await make("ours", { [EXTERNAL_IP]: NAME }, { loadBalancerClass: LOAD_BALANCER_CLASS });
  await make("theirs", { [POOL]: "nodes" });
  // Pods of its own: of those that a Service of Weft has too, at the same port, clients outside get replies by the Subnet (docs/load-balancers.md).
  await make("local", { [POOL]: "nodes" }, { externalTrafficPolicy: "Local", selector: { app: "depot" } });
  await make("here", { [POOL]: "external" });

  await t.test(
    "each gives addresses of its own to its own Services, and clients outside reach all of them",
    async (t) => {
      t.match(await addresses("ours"), OURS);
      t.match(await addresses("theirs"), THEIRS);
      t.match(await addresses("here"), [/^172\.31\.74\.5\d$/, /^fd00:31:74::5\d$/]);
      await syncNodes(world);
      await allAnswer(t);
      for (const name of Object.keys(KEPT))
        for (const [place, from] of places)
          for (const to of await addresses(name)) await answers(t, from, `${name} from ${place}`, to);
    },
  );

  await t.test(
    "one answers ARP for an address: a node for those of MetalLB, the router for those of Weft",
    async (t) => {
      const who = async (pool: keyof typeof POOLS, name: string) => whoAnswers(pool, (await addresses(name))[0]);
      for (const [pool, name] of [
        ["nodes", "theirs"],
        ["nodes", "local"],
        ["external", "here"],
      ] as const) {
        const owners = await who(pool, name);
        t.equal(owners.length, 1, `${name}: ${owners}`);
        t.ok(nodes.includes(owners[0] ?? ""), `${name}: a node answers`);
      }
      const owners = await who("external", "ours");
      t.equal(owners.length, 1, `ours: ${owners}`);
      t.notOk(nodes.includes(owners[0] ?? ""), "ours: the router's port answers");
    },
  );

  await t.test("restarts of either change nothing, and both go on to give addresses", async (t) => {
    const [controller] = world.own("kube-ovn-controller");
    await world.kube.delete(PODS, { namespace: "kube-system", name: controller?.metadata.name ?? "" });
    await ownReady(world, "kube-ovn-controller", undefined, controller?.metadata.uid);
    await make("ours-2", { [EXTERNAL_IP]: NAME }, { loadBalancerClass: LOAD_BALANCER_CLASS });
    t.match(await addresses("ours-2"), OURS);
    await allAnswer(t);
    await metallb.restart();
    await make("theirs-2", { [POOL]: "nodes" });
    t.match(await addresses("theirs-2"), THEIRS);
    await allAnswer(t);
    for (const [name, of] of had) t.equal(of.size, 1, `${name} has had ${[...of].join(" and ")}`);
  });

  await t.test("when a speaker of MetalLB stops, another node answers for its addresses", async (t) => {
    const [v4] = await addresses("theirs");
    const [owner = ""] = await whoAnswers("nodes", v4);
    const speaker = metallb.pods("speaker").find(({ spec }) => spec.nodeName === owner);
    const process = requireProcess(speaker?.metadata.uid ?? "", "speaker");
    signal(process, "SIGSTOP");
    try {
      const other = owner === first ? second : first;
      await until(`${other} answers`, 60_000, async () => (await whoAnswers("nodes", v4)).join() === other, 200);
      await allAnswer(t);
    } finally {
      signal(process, "SIGCONT");
    }
  });

  await t.test("a Service that both want has the addresses of one, which alone answers for them", async (t) => {
    for (const pool of ["nodes", "external"] as const) {
      const name = `both-${pool}`;
      await make(name, { [EXTERNAL_IP]: NAME, [POOL]: pool });
      await until(`${name} is told`, 30_000, () =>
        world.events
          .values()
          .some(({ involvedObject: of, reason }) => of.name === name && reason === "AddressOfAnother"),
      );
      const [v4, v6] = await addresses(name);
      for (const to of [v4, v6]) await answers(t, outside, name, to);
      const owners = await whoAnswers(pool, v4);
      t.equal(owners.length, 1, `${owners}`);
      t.ok(nodes.includes(owners[0] ?? ""), "MetalLB answers");
      t.ok((had.get(name)?.size ?? 0) <= 2, `it has had ${[...(had.get(name) ?? [])].join(" and ")}`);
    }
  });

  await t.test("a status that MetalLB clears on each write is written after growing pauses", async (t) => {
    await make("fought", { [EXTERNAL_IP]: NAME, [POOL]: "absent" });
    const writes = (): readonly number[] => given.get("fought") ?? [];
    await when(
      (listener) => services.subscribe(listener),
      () => {
        const [before, last] = writes().slice(-2);
        return before !== undefined && last !== undefined && last - before >= 3_000;
      },
      "a pause of three seconds",
      90_000,
    );
    // The same addresses are written three times at once, then after 0.5, 1, 2 and 4 s. Their release may give the Service others once.
    t.ok(writes().length <= 12, `${writes().length} writes before a pause of three seconds`);
    await until("it is told", 30_000, () =>
      world.events
        .values()
        .some(({ involvedObject: of, reason }) => of.name === "fought" && reason === "AddressRemoved"),
    );
    await world.kube.delete(SERVICES, { namespace, name: "fought" });
  });

  await t.test("with a class of MetalLB's own, Services without a class are Weft's by their annotation", async (t) => {
    await metallb.restart(CLASS);
    await make("plain", { [EXTERNAL_IP]: NAME });
    await make("classed", { [POOL]: "nodes" }, { loadBalancerClass: CLASS });
    t.match(await addresses("plain"), OURS);
    t.match(await addresses("classed"), THEIRS);
    await syncNodes(world);
    for (const name of ["ours", "plain", "classed"])
      for (const to of await addresses(name)) await answers(t, outside, name, to);
    for (const name of ["ours", "plain", "classed"]) t.equal(had.get(name)?.size, 1, `${name} has had one`);
  });
});

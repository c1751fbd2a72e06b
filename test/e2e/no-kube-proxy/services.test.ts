// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { openLab } from "../../../hack/lab/lab.ts";
import { addressOf, OUTSIDE } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, urlHost } from "../../../hack/traffic/probe.ts";
import { NETWORK_POLICIES, SERVICES, VPCS } from "../../../src/kube/resources.ts";
import { askByUdp } from "../testing/client-address.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, inNode, inPod, type PodManifest, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAME = "weft-no-proxy";
const HOST_PORT = 18_080;
/** Unused addresses, IPv4 first; routed from outside to a node. */
const BALANCED = ["198.51.100.20", "2001:db8:51::20"] as const;
const EXTERNAL = ["198.51.100.30", "2001:db8:51::30"] as const;
const RESTRICTED = ["198.51.100.40", "2001:db8:51::40"] as const;
const FAMILIES = [0, 1] as const;
/** A VPC with one subnet. */
const TENANT = { name: `${NAME}-tenant`, subnet: `${NAME}-pods`, cidrBlock: "10.90.0.0/24,fd00:10:90::/120" };

const REFUSED = /refused|Couldn't connect|reset/;

function whyNot(): string | false {
  const why = whyNoLab();
  if (why !== false) return why;
  return openLab().settings?.kubeProxy === false
    ? false
    : 'the lab has kube-proxy: "npm run lab -- up --no-kube-proxy"';
}

const labelled = (pod: PodManifest, app: string): PodManifest => ({
  ...pod,
  metadata: { ...pod.metadata, labels: { app } },
});

/** A server on its node's own network. */
function hostPod(name: string, node: string): PodManifest {
  const pod = labelled(webPod(NAME, name, node), "host");
  const spec = pod["spec"] as { readonly containers: readonly object[] };
  const [container] = spec.containers;
  const args = ["netexec", `--http-port=${HOST_PORT}`, "--udp-port=-1"];
  return { ...pod, spec: { ...spec, hostNetwork: true, containers: [{ ...container, args }] } };
}

t.test("Services without kube-proxy", { skip: whyNot(), timeout: 500_000 }, async (t) => {
  const world = await openWorld(t);
  const [first = "", second = ""] = world.lab.nodes;
  await useNamespace(t, world, NAME);
  const [, , one, two] = await run(world, [
    labelled(webPod(NAME, "server", second), "pods"),
    hostPod("host", first),
    idlePod(NAME, "one", first),
    idlePod(NAME, "two", second),
  ]);
  const [server, host] = ["server", "host"].map((name) => world.pods.get(`${NAME}/${name}`)) as [Thing, Thing];
  t.equal(host.status.podIP, addressOf(first).v4, "it is on the node's network");

  const make = async (name: string, app: string, spec: object, port = 8080): Promise<Thing> =>
    world.kube.create<Thing>(SERVICES, {
      metadata: { name, namespace: NAME },
      spec: {
        selector: { app },
        ipFamilyPolicy: "RequireDualStack",
        ports: [
          { name: "tcp", protocol: "TCP", port: 80, targetPort: port },
          { name: "udp", protocol: "UDP", port: 80, targetPort: 8081 },
        ],
        ...spec,
      },
      status: {},
    });
  const give = (name: string, addresses: readonly string[]): Promise<unknown> =>
    world.kube.patch(
      SERVICES,
      { namespace: NAME, name },
      { type: "merge", body: { status: { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } } } },
      { subresource: "status" },
    );
  const cluster = await make("cluster", "pods", { type: "NodePort" });
  const onHost = await make("on-host", "host", { type: "NodePort" }, HOST_PORT);
  const local = await make("local", "pods", { type: "LoadBalancer", externalTrafficPolicy: "Local" });
  await give("local", BALANCED);
  await make("external", "pods", { externalIPs: [...EXTERNAL] });
  await make("restricted", "pods", {
    type: "LoadBalancer",
    loadBalancerSourceRanges: ["192.0.2.0/24", "2001:db8:9::/64"],
  });
  await give("restricted", RESTRICTED);
  const near = await make("near", "pods", { type: "NodePort", internalTrafficPolicy: "Local" });
  await world.kube.create(VPCS, { metadata: { name: TENANT.name }, spec: {} });
  t.teardown(() => world.kube.delete(VPCS, { name: TENANT.name }));
  await useSubnet(t, world, TENANT.subnet, { cidrBlock: TENANT.cidrBlock, vpc: TENANT.name });
  await judged(world, TENANT.subnet);
  const within = { "ovn.kubernetes.io/logical_switch": TENANT.subnet };
  const [, neighbour] = await run(world, [
    labelled(webPod(NAME, "tenant", second, within), "tenant"),
    idlePod(NAME, "neighbour", first, within),
  ]);
  const tenant = await make("tenant", "tenant", { type: "NodePort" });
  const empty = await make("empty", "nothing", { type: "NodePort" });

  const outside = inNode(world, OUTSIDE);
  const via = addressOf(second);
  for (const [v4, v6] of [BALANCED, EXTERNAL, RESTRICTED]) {
    await outside(["ip", "route", "replace", v4, "via", via.v4]);
    await outside(["ip", "-6", "route", "replace", v6, "via", via.v6]);
    t.teardown(() => outside(["ip", "route", "del", v4]));
    t.teardown(() => outside(["ip", "-6", "route", "del", v6]));
  }
  const clients: Readonly<Record<string, Exec>> = {
    "pod of the other node": inPod(one!),
    "pod of the same node": inPod(two!),
    "the endpoint itself": inPod(server),
    [first]: inNode(world, first),
    [second]: inNode(world, second),
    outside,
  };
  const nodePort = ({ spec }: Thing, protocol = "TCP"): number =>
    spec.ports.find((port: { protocol: string }) => port.protocol === protocol).nodePort;
  const nodeAddress = (node: string, family: 0 | 1): string => addressOf(node)[family === 0 ? "v4" : "v6"];
  const ask = (exec: Exec, address: string, port: number, path = "hostname") =>
    http(exec, `http://${urlHost(address)}:${port}/${path}`);
  const udp = (exec: Exec, address: string, port: number) => askByUdp(exec, address, port, "hostname");
  for (const node of [first, second])
    await until(`${node} serves all node ports`, 20_000, async () =>
      (await Promise.all([cluster, onHost].map((each) => ask(outside, nodeAddress(node, 1), nodePort(each))))).every(
        ({ ok }) => ok,
      ),
    );

  await t.test("each client reaches each kind of address, over both families", async (t) => {
    for (const [who, exec] of Object.entries(clients)) {
      for (const family of FAMILIES) {
        const reaches = async (what: string, address: string, port: number, expected: string): Promise<void> => {
          const { ok, detail } = await ask(exec, address, port);
          t.ok(ok && detail === expected, `${who} → ${what} ${address}:${port}`, { detail, expected });
        };
        if (exec !== outside) {
          await reaches("ClusterIP", cluster.spec.clusterIPs[family], 80, "server");
          await reaches("ClusterIP of a node's own network", onHost.spec.clusterIPs[family], 80, first);
          t.equal(await udp(exec, cluster.spec.clusterIPs[family], 80), "server", `${who} → ClusterIP, UDP`);
        }
        for (const node of [first, second]) {
          await reaches(`node port of ${node}`, nodeAddress(node, family), nodePort(cluster), "server");
          await reaches(`node port of ${node}, to a node`, nodeAddress(node, family), nodePort(onHost), first);
        }
        t.equal(
          await udp(exec, nodeAddress(first, family), nodePort(cluster, "UDP")),
          "server",
          `${who} → node port, UDP`,
        );
        await reaches("node port with Local", nodeAddress(second, family), nodePort(local), "server");
        await reaches("load balancer's address", BALANCED[family], 80, "server");
        await reaches("external address", EXTERNAL[family], 80, "server");
      }
    }
  });

  await t.test(
    "with externalTrafficPolicy Local the endpoint sees the external client's address, and other nodes do not answer",
    async (t) => {
      for (const family of FAMILIES) {
        const own = addressOf(OUTSIDE)[family === 0 ? "v4" : "v6"];
        for (const [address, port] of [
          [nodeAddress(second, family), nodePort(local)],
          [BALANCED[family], 80],
        ] as const) {
          const { detail } = await ask(outside, address, port, "clientip");
          t.ok(detail.startsWith(`${urlHost(own)}:`), `${address}:${port} sees ${detail}`);
        }
        const { ok } = await ask(outside, nodeAddress(first, family), nodePort(local));
        t.notOk(ok, "a node without an endpoint does not answer");
        t.ok((await ask(inNode(world, first), nodeAddress(first, family), nodePort(local))).ok, "except to itself");
      }
    },
  );

  await t.test("a node that announces the load balancer's address reaches endpoints on other nodes", async (t) => {
    const node = inNode(world, first);
    for (const family of FAMILIES) {
      const address = `${BALANCED[family]}/${family === 0 ? 32 : 128}`;
      await node(["ip", "addr", "add", address, "dev", "lo", ...(family === 0 ? [] : ["nodad"])]);
      const { ok, detail } = await ask(node, BALANCED[family], 80);
      await node(["ip", "addr", "del", address, "dev", "lo"]);
      t.ok(ok && detail === "server", `${first} → ${address}, which it has`, { detail });
    }
  });

  await t.test("a Service without endpoints, and a port that no Service has, refuse at once", async (t) => {
    for (const family of FAMILIES) {
      for (const [who, exec] of Object.entries(clients)) {
        const { detail } = await ask(exec, nodeAddress(second, family), nodePort(empty));
        t.match(detail, /refused|Couldn't connect|reset/, `${who} → node port without endpoints`);
        if (exec === outside) continue;
        const refused = await ask(exec, empty.spec.clusterIPs[family], 80);
        t.match(refused.detail, /refused|Couldn't connect|reset/, `${who} → ClusterIP without endpoints`);
        const unknown = await ask(exec, cluster.spec.clusterIPs[family], 81);
        t.match(unknown.detail, /refused|Couldn't connect|reset|unreachable/, `${who} → unknown port`);
      }
    }
  });

  await t.test(
    "with internalTrafficPolicy Local, node ports use the endpoints of all nodes, and the ClusterIP does not",
    async (t) => {
      for (const family of FAMILIES) {
        for (const [who, exec] of Object.entries({ outside, [first]: inNode(world, first), pod: inPod(one!) })) {
          for (const node of [first, second]) {
            const { ok, detail } = await ask(exec, nodeAddress(node, family), nodePort(near));
            t.ok(ok && detail === "server", `${who} → node port of ${node}: ${detail}`);
          }
        }
        const { detail } = await ask(inPod(one!), near.spec.clusterIPs[family], 80);
        t.match(detail, REFUSED, "the pod's node has no endpoint");
        t.ok((await ask(inPod(two!), near.spec.clusterIPs[family], 80)).ok, "the other node has");
      }
    },
  );

  await t.test("a Service of another VPC refuses all clients except the VPC's own pods", async (t) => {
    for (const family of FAMILIES) {
      const [address, port] = [tenant.spec.clusterIPs[family], nodePort(tenant)];
      await until("its own pods reach it", 20_000, async () => (await ask(inPod(neighbour!), address, 80)).ok);
      for (const [who, exec] of Object.entries(clients)) {
        if (exec !== outside) t.match((await ask(exec, address, 80)).detail, REFUSED, `${who} → ClusterIP`);
        t.match((await ask(exec, nodeAddress(second, family), port)).detail, REFUSED, `${who} → node port`);
      }
    }
  });

  await t.test("a policy that allows a node's addresses allows the node's packets to Services", async (t) => {
    const spec = (...blocks: string[]) => ({
      podSelector: { matchLabels: { app: "pods" } },
      policyTypes: ["Ingress"],
      ingress: [{ from: blocks.map((cidr) => ({ ipBlock: { cidr } })) }],
    });
    const isAllowed = async (exec: Exec, family: 0 | 1): Promise<boolean> =>
      (await ask(exec, cluster.spec.clusterIPs[family], 80)).ok;
    const metadata = { name: "nodes", namespace: NAME };
    await world.kube.create(NETWORK_POLICIES, { metadata, spec: spec("192.0.2.1/32", "2001:db8:9::1/128") } as never);
    const node = inNode(world, first);
    for (const family of FAMILIES)
      await until("others are named", 30_000, async () => !(await isAllowed(node, family)));
    const { v4, v6 } = addressOf(first);
    const body = { spec: spec(`${v4}/32`, `${v6}/128`) };
    await world.kube.patch(NETWORK_POLICIES, metadata, { type: "merge", body });
    for (const family of FAMILIES) {
      await until("the node is named", 30_000, () => isAllowed(node, family));
      t.ok((await ask(outside, nodeAddress(first, family), nodePort(cluster))).ok, "so are clients by its node ports");
      for (const pod of [one!, two!]) t.notOk(await isAllowed(inPod(pod), family), `${pod.metadata.name} is not`);
    }
    await world.kube.delete(NETWORK_POLICIES, metadata);
    for (const family of FAMILIES)
      await until("without a policy pods are allowed", 30_000, () => isAllowed(inPod(one!), family));
  });

  await t.test("external load balancers can query which nodes have endpoints, and which nodes serve", async (t) => {
    const status = async (address: string, port: number): Promise<readonly [string, string]> => {
      const url = `http://${urlHost(address)}:${port}/healthz`;
      const { stdout } = await outside(["curl", "-sg", "--max-time", "5", "-w", "\\n%{http_code}", url]);
      const [body = "", code = ""] = stdout.trim().split(/\n(?=\d+$)/);
      return [code, body];
    };
    for (const family of FAMILIES) {
      for (const [node, code, localEndpoints] of [
        [first, "503", 0],
        [second, "200", 1],
      ] as const) {
        const [found, body] = await status(nodeAddress(node, family), local.spec.healthCheckNodePort);
        t.equal(found, code, node);
        const service = { namespace: NAME, name: "local" };
        t.same(JSON.parse(body), { service, localEndpoints, serviceProxyHealthy: true }, node);
        const [proxy, said] = await status(nodeAddress(node, family), 10_256);
        t.equal(proxy, "200", node);
        t.match(JSON.parse(said), { nodeEligible: true });
      }
    }
  });

  await t.test("loadBalancerSourceRanges excludes other external clients", async (t) => {
    for (const family of FAMILIES) {
      t.notOk((await ask(outside, RESTRICTED[family], 80)).ok, "from outside");
      t.ok((await ask(inPod(one!), RESTRICTED[family], 80)).ok, "pods are not meant");
    }
  });

  await t.test("an external UDP client that keeps sending is moved away from a removed endpoint", async (t) => {
    const own = `${via.v4}/${nodePort(local, "UDP")}`;
    // One socket, so one flow; a datagram each second.
    const script = `exec 3<>/dev/udp/${own}; for i in $(seq 40); do printf hostname >&3; timeout 1 dd bs=512 count=1 <&3 2>/dev/null; echo; sleep 0.2; done`;
    const answers = world.lab.node(OUTSIDE).exec(["bash", "-c", script], { allowFailure: true, timeoutMs: 90_000 });
    await until("the flow is there", 10_000, async () => {
      const { stdout } = await world.lab.node(second).exec(["cat", "/proc/net/nf_conntrack"]);
      return stdout.includes(`dport=${nodePort(local, "UDP")} `);
    });
    await run(world, [labelled(webPod(NAME, "next", second), "pods")]);
    await remove(world, NAME, ["server"]);
    const seen = (await answers).stdout.split("\n").filter((line) => line !== "");
    t.equal(seen[0], "server");
    t.equal(seen.at(-1), "next");
  });
});

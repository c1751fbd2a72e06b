// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { http, urlHost } from "../../../hack/traffic/probe.ts";
import { PODS, SERVICES, VPCS } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { idlePod, inPod, type PodManifest, remove, run, useNamespace, webPod } from "../testing/pods.ts";
import { judged, useSubnet } from "../testing/subnets.ts";
import { openWorld, syncNodes, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-local";
const EXTERNAL = ["192.0.2.77", "2001:db8:77::7"];
/** Documentation addresses (RFC 5737) without a route on the lab's nodes. */
const INGRESS = "198.51.100.77";

const labelled = (pod: PodManifest): PodManifest => ({ ...pod, metadata: { ...pod.metadata, labels: { web: "yes" } } });

function makeService(world: World, namespace: string, name: string, spec: object): Promise<Thing> {
  return world.kube.create<Thing>(SERVICES, {
    metadata: { name, namespace },
    spec: { selector: { web: "yes" }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
    status: {},
  });
}

/** Waits until all nodes have applied the database's content. */
async function active(world: World): Promise<void> {
  await syncNodes(world);
}

/** Waits until the nodes' variables have this number of endpoints in total. */
async function localEndpoints(world: World, wanted: number): Promise<void> {
  await world.nb.until(`nodes have ${wanted} endpoints`, () => {
    const entries = [...world.nb.mirror.rows("Chassis_Template_Var")].flatMap(({ variables }) =>
      Object.entries(variables).flatMap(([key, list]) => (key.startsWith("local.") ? list.split(",") : [])),
    );
    return entries.length === wanted;
  });
  await active(world);
}

t.test("Services that differ by node, and external addresses", { skip: whyNoLab() }, async (whole) => {
  const t = whole;
  const world = await openWorld(t);
  await useNamespace(t, world, NAME);
  const hosts = (service: Thing) => (service.spec.clusterIPs as readonly string[]).map(urlHost);
  const [one, two] = (await run(world, [idlePod(NAME, "client-1", "weft-1"), idlePod(NAME, "client-2", "weft-2")])) as [
    Thing,
    Thing,
  ];
  await run(world, [labelled(webPod(NAME, "web-1", "weft-1"))]);

  await t.test(
    "with internalTrafficPolicy Local a client reaches the endpoints on its node, or is refused",
    async (t) => {
      const service = await makeService(world, NAME, "local", {
        ipFamilyPolicy: "RequireDualStack",
        internalTrafficPolicy: "Local",
      });
      await localEndpoints(world, 2);
      for (const host of hosts(service)) {
        const near = await http(inPod(one), `http://${host}/hostname`, "web-1");
        t.ok(near.ok, `${host} on the endpoint's node: ${near.detail}`);
        const seen = await http(inPod(one), `http://${host}/clientip`);
        t.ok(
          (one.status.podIPs as { ip: string }[]).some(({ ip }) => seen.detail.includes(ip)),
          `the endpoint sees the client's own address: ${seen.detail}`,
        );
        const far = await http(inPod(two), `http://${host}/hostname`);
        t.notOk(far.ok, `${host} from a node without an endpoint`);
        t.match(far.detail, /refused|Failed to connect|Couldn't connect/i);
        const itself = await http(
          inPod(await world.kube.get<Thing>(PODS, { namespace: NAME, name: "web-1" })),
          `http://${host}/hostname`,
          "web-1",
        );
        t.ok(itself.ok, `a pod reaches itself: ${itself.detail}`);
      }
      await run(world, [labelled(webPod(NAME, "web-2", "weft-2"))]);
      await localEndpoints(world, 4);
      for (const host of hosts(service)) {
        for (let i = 0; i < 6; i++) {
          const answers = await Promise.all([one, two].map((pod) => http(inPod(pod), `http://${host}/hostname`)));
          t.same(
            answers.map(({ detail }) => detail),
            ["web-1", "web-2"],
          );
        }
      }
    },
  );

  await t.test("a client uses endpoints of its zone, and others if its zone has none", async (t) => {
    const label = (node: string, zone: string) =>
      world.lab.kubectl(["label", "--overwrite", "node", node, `topology.kubernetes.io/zone${zone}`]);
    await Promise.all([label("weft-1", "=a"), label("weft-2", "=b")]);
    t.teardown(() => Promise.all([label("weft-1", "-"), label("weft-2", "-")]));
    const service = await makeService(world, NAME, "near", {
      ipFamilyPolicy: "RequireDualStack",
      trafficDistribution: "PreferClose",
    });
    const zonal = (count: number) =>
      world.nb.until(`the Service has ${count} load balancers`, () => {
        const rows = [...world.nb.mirror.rows("Load_Balancer")].filter(({ name }) => name.startsWith(`${NAME}/near/`));
        return rows.length === count && rows.every(({ vips }) => Object.values(vips).every((list) => list !== ""));
      });
    await zonal(4);
    await active(world);
    for (const host of hosts(service)) {
      for (let i = 0; i < 6; i++) {
        const answers = await Promise.all([one, two].map((pod) => http(inPod(pod), `http://${host}/hostname`)));
        t.same(
          answers.map(({ detail }) => detail),
          ["web-1", "web-2"],
        );
      }
    }
    await remove(world, NAME, ["web-2"]);
    for (const host of hosts(service)) {
      const answer = () => http(inPod(two), `http://${host}/hostname`, "web-1");
      await until("the other zone's endpoint answers", 20_000, async () => (await answer()).ok);
    }
  });

  await t.test("a client prefers endpoints of its node, and has others where its node has none", async (t) => {
    const service = await makeService(world, NAME, "same", {
      ipFamilyPolicy: "RequireDualStack",
      trafficDistribution: "PreferSameNode",
    });
    const uid = service.metadata.uid.replaceAll("-", "_d");
    /** Waits until nodes have so many variables of that kind, which is one for each family. */
    const variables = async (kind: "same" | "other", count: number): Promise<void> => {
      await world.nb.until(`nodes have ${count} variables ${kind}`, () => {
        const names = [...world.nb.mirror.rows("Chassis_Template_Var")].flatMap(({ variables }) =>
          Object.keys(variables),
        );
        return names.filter((name) => name.startsWith(`${kind}.${uid}.`)).length === count;
      });
      await active(world);
    };
    const answers = async (host: string): Promise<readonly string[]> => {
      const all = await Promise.all([one, two].map((pod) => http(inPod(pod), `http://${host}/hostname`)));
      return all.map(({ detail }) => detail);
    };
    await variables("other", 2);
    for (const host of hosts(service)) t.same(await answers(host), ["web-1", "web-1"], "the only endpoint");
    await run(world, [labelled(webPod(NAME, "web-2", "weft-2"))]);
    await variables("same", 4);
    for (const host of hosts(service))
      for (let i = 0; i < 6; i++) t.same(await answers(host), ["web-1", "web-2"], "each node's own");
    await remove(world, NAME, ["web-2"]);
    await variables("other", 2);
    for (const host of hosts(service)) t.same(await answers(host), ["web-1", "web-1"], "the only one that is left");
  });

  await t.test(
    "external addresses are balanced for pods to all endpoints, also with externalTrafficPolicy Local",
    async (t) => {
      const service = await makeService(world, NAME, "outer", {
        type: "LoadBalancer",
        ipFamilyPolicy: "RequireDualStack",
        externalIPs: EXTERNAL,
        externalTrafficPolicy: "Local",
      });
      const status = { loadBalancer: { ingress: [{ ip: INGRESS, ipMode: "VIP" }] } };
      const patch = ["-n", NAME, "patch", "service", "outer", "--subresource=status", "--type=merge", "-p"];
      await world.lab.kubectl([...patch, JSON.stringify({ status })]);
      await world.nb.until("the addresses are balanced", () => {
        const row = [...world.nb.mirror.rows("Load_Balancer")].find(({ name }) => name === `${NAME}/outer/tcp`);
        const vips = Object.entries(row?.vips ?? {});
        return vips.length === 5 && vips.every(([, list]) => list !== "");
      });
      await active(world);
      for (const host of [...hosts(service), ...EXTERNAL.map(urlHost), INGRESS]) {
        const answers = await Promise.all(
          [one, two].map((pod) => http(inPod(pod), `http://${host}/hostname`, "web-1")),
        );
        for (const { ok, detail } of answers) t.ok(ok, `${host}: ${detail}`);
      }
    },
  );

  await t.test("of pods with the same address in two VPCs a Service uses the one in its own namespace", async (t) => {
    const vpcs = [`${NAME}-a`, `${NAME}-b`];
    const webs: Thing[] = [];
    for (const [i, vpc] of vpcs.entries()) {
      await useNamespace(t, world, vpc);
      await world.kube.create(VPCS, { metadata: { name: vpc }, spec: {} });
      t.teardown(() => world.kube.delete(VPCS, { name: vpc }));
      await useSubnet(t, world, `${vpc}-web`, { cidrBlock: "10.74.0.0/24,fd00:10:74::/120", vpc });
      await useSubnet(t, world, `${vpc}-far`, { cidrBlock: "10.75.0.0/24,fd00:10:75::/120", vpc });
      await Promise.all([judged(world, `${vpc}-web`), judged(world, `${vpc}-far`)]);
      const at = (subnet: string, ips?: string) => ({
        "ovn.kubernetes.io/logical_switch": `${vpc}-${subnet}`,
        ...(ips !== undefined && { "ovn.kubernetes.io/ip_address": ips }),
      });
      const [web, near, far] = (await run(world, [
        labelled(webPod(vpc, `web-${i}`, "weft-1", at("web", "10.74.0.10,fd00:10:74::10"))),
        idlePod(vpc, "near", "weft-2", at("web")),
        idlePod(vpc, "far", "weft-2", at("far")),
      ])) as [Thing, Thing, Thing];
      webs.push(web, near, far);
    }
    const services: Thing[] = [];
    for (const vpc of vpcs) services.push(await makeService(world, vpc, "web", { ipFamilyPolicy: "RequireDualStack" }));
    for (const vpc of vpcs)
      await world.nb.until(`the Service is in VPC ${vpc}`, () => {
        const row = [...world.nb.mirror.rows("Load_Balancer")].find(({ name }) => name === `${vpc}/web/tcp`);
        return row?.external_ids["vpc"] === vpc && Object.values(row.vips).every((list) => list !== "");
      });
    await active(world);
    for (const [i, service] of services.entries()) {
      for (const host of hosts(service)) {
        for (const client of webs.slice(3 * i, 3 * i + 3)) {
          const answer = await http(inPod(client), `http://${host}/hostname`, `web-${i}`);
          t.ok(answer.ok, `${client.metadata.name} of its VPC: ${answer.detail}`);
        }
        const strangers = [...webs.slice(3 * (1 - i), 3 * (1 - i) + 3), one];
        const answers = await Promise.all(strangers.map((pod) => http(inPod(pod), `http://${host}/hostname`)));
        for (const { ok } of answers.slice(0, 3)) t.notOk(ok, "another VPC's pod");
        t.notOk(answers[3]?.ok, "a pod of the default VPC");
      }
    }
    for (const [i, vpc] of vpcs.entries()) await remove(world, vpc, [`web-${i}`, "near", "far"]);
  });
  await remove(world, NAME, ["web-1", "client-1", "client-2"]);
});

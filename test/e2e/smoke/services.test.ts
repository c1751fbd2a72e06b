// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { until } from "../../../hack/lab/wait.ts";
import { type Exec, http, resolve, urlHost } from "../../../hack/traffic/probe.ts";
import { HAIRPIN_SOURCE } from "../../../src/api/names.ts";
import { NETWORK_POLICIES, SERVICES } from "../../../src/kube/resources.ts";
import { askByUdp } from "../testing/client-address.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inPod, type PodManifest, run, standingPods, useNamespace, webPod } from "../testing/pods.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAME = "weft-services";

/**
 * Asks a server for its name with datagrams of one flow, until one answers that it is `last`, 50 times at most. Writes a line to the pipe
 * `asked` after the first answer. Returns the answers, "" for none.
 */
async function talk(
  exec: Exec,
  address: string,
  port: number,
  asked: string,
  last: string,
): Promise<readonly string[]> {
  const script = `exec 3<>/dev/udp/${address}/${port}
    for i in {1..50}; do
      printf hostname >&3; answer=$(timeout 0.5 dd bs=512 count=1 <&3 2>/dev/null); echo "$answer"
      [ $i = 1 ] && echo > ${asked}
      [ "$answer" = ${last} ] && break; sleep 0.2
    done`;
  return (await exec(["bash", "-c", script])).stdout.trim().split("\n");
}

/** Waits until the load balancer of a Service has this number of endpoints for each of its addresses. */
function balanced(world: World, service: string, protocol: string, endpoints: number): Promise<unknown> {
  return world.nb.until(`${service} has ${endpoints} endpoints`, () => {
    const rows = [...world.nb.mirror.rows("Load_Balancer")];
    const row = rows.find(({ name }) => name === `${NAME}/${service}/${protocol}`);
    const lists = Object.values(row?.vips ?? {});
    return lists.length > 0 && lists.every((list) => list.split(",").filter(Boolean).length === endpoints);
  });
}

/** Creates a Service for the pods with label `part`; returns its addresses. */
async function useService(world: World, name: string, part: string, more: object = {}): Promise<readonly string[]> {
  const service = await world.kube.create<Thing>(SERVICES, {
    metadata: { name, namespace: NAME },
    spec: {
      selector: { [part]: "yes" },
      ipFamilyPolicy: "RequireDualStack",
      ports: [
        { name: "http", port: 80, targetPort: 8080 },
        { name: "udp", port: 81, targetPort: 8081, protocol: "UDP" },
      ],
      ...more,
    },
    status: {},
  });
  return service.spec.clusterIPs;
}

const labelled = (pod: PodManifest, ...parts: string[]): PodManifest => ({
  ...pod,
  metadata: { ...pod.metadata, labels: Object.fromEntries(parts.map((part) => [part, "yes"])) },
});

t.test("Services", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const [client] = await standingPods(world);
  await useNamespace(t, world, NAME);
  const [here, there] = await run(world, [
    labelled(webPod(NAME, "here", "weft-1"), "near", "both"),
    labelled(webPod(NAME, "there", "weft-2"), "far", "both"),
  ]);
  const near = await useService(world, "near", "near");
  const far = await useService(world, "far", "far");
  const sticky = await useService(world, "sticky", "both", { sessionAffinity: "ClientIP" });
  await Promise.all([
    ...["near", "far"].flatMap((name) => [balanced(world, name, "tcp", 1), balanced(world, name, "udp", 1)]),
    balanced(world, "sticky", "tcp", 2),
  ]);

  /** A pod's address of the family of `address`. */
  const sameFamily = (pod: Thing, address: string): string => addressesOf(pod)[address.includes(":") ? 1 : 0];
  const seenBy = async (t: Test, from: Thing, address: string, as: string, what: string): Promise<void> => {
    // A committed change is not active on the node yet, and no event reports when it is.
    const url = `http://${urlHost(address)}/clientip`;
    await until(`${what} answers`, 10_000, async () => (await http(inPod(from), url)).ok);
    t.match(await http(inPod(from), url, as), { ok: true }, `TCP: ${what} sees ${as}`);
    t.match(await askByUdp(inPod(from), address, 81, "clientip"), as, `UDP: ${what} sees ${as}`);
  };

  await t.test("a backend sees the client itself, on the same node and on another", async (t) => {
    for (const address of near)
      await seenBy(t, client!, address, sameFamily(client!, address), `${address} on the same node`);
    for (const address of far)
      await seenBy(t, client!, address, sameFamily(client!, address), `${address} on another node`);
    t.match(client!.spec.nodeName, here!.spec.nodeName);
  });

  await t.test("pods resolve names and reach the API server, whose endpoint is in the nodes' network", async (t) => {
    const dns = world.kube.get<Thing>(SERVICES, { namespace: "kube-system", name: "kube-dns" });
    const name = `near.${NAME}.svc.cluster.local`;
    for (const server of (await dns).spec.clusterIPs) {
      // CoreDNS may have cached the answer of an earlier run for a Service of this name.
      const isNew = async () => (await resolve(inPod(client!), name, "A", server)).detail === near[0];
      await until(`DNS by ${server}`, 60_000, isNew);
    }
    const api = await world.kube.get<Thing>(SERVICES, { namespace: "default", name: "kubernetes" });
    for (const address of api.spec.clusterIPs) {
      const curl = ["curl", "-gksS", "--max-time", "5", `https://${urlHost(address)}/readyz`];
      t.match(await inPod(client!)(curl), { code: 0 }, `the API server by ${address}`);
    }
  });

  await t.test("a pod reaches itself through a Service despite policies, and policies see the client", async (t) => {
    for (const [address, as] of [
      [near[0]!, HAIRPIN_SOURCE.v4],
      [near[1]!, HAIRPIN_SOURCE.v6],
    ] as const)
      await seenBy(t, here!, address, as, `${address}, itself`);
    await world.kube.create<Thing>(NETWORK_POLICIES, {
      metadata: { name: "closed", namespace: NAME },
      spec: {
        podSelector: {},
        policyTypes: ["Ingress", "Egress"],
        ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: client!.metadata.name } } }] }],
      },
      status: {},
    });
    const direct = `http://${urlHost(addressesOf(there!)[0])}:8080/`;
    await until("the policy is active", 10_000, async () => !(await http(inPod(here!), direct)).ok);
    for (const address of near) {
      const url = `http://${urlHost(address)}/clientip`;
      t.match(await http(inPod(client!), url), { ok: true }, `who may reaches ${address}`);
      t.match(await http(inPod(here!), url), { ok: true }, `the pod itself reaches ${address}`);
      t.match(await http(inPod(there!), url), { ok: false }, `who may not does not reach ${address}`);
    }
    await world.kube.delete(NETWORK_POLICIES, { namespace: NAME, name: "closed" });
    await until("the policy is gone", 10_000, async () => (await http(inPod(here!), direct)).ok);
  });

  await t.test("a client of a Service with affinity stays with one endpoint", async (t) => {
    for (const address of sticky) {
      const url = `http://${urlHost(address)}/hostname`;
      // A connection that begins at the same time as a client's first one may go elsewhere.
      const first = await http(inPod(client!), url);
      const more = await Promise.all(Array.from({ length: 8 }, () => http(inPod(client!), url)));
      const answers = [first, ...more];
      t.equal(new Set(answers.map(({ detail }) => detail)).size, 1, `${address}: ${answers[0]?.detail}`);
      t.ok(answers[0]?.ok);
    }
  });

  await t.test("a UDP client that keeps sending is moved to another endpoint when its own is removed", async (t) => {
    const asked = join(t.testdir({}), "asked");
    await inPod(client!)(["mkfifo", asked]);
    const flow = talk(inPod(client!), near[0]!, 81, asked, there!.metadata.name);
    await readFile(asked);
    const body = { spec: { selector: { near: null, far: "yes" } } };
    await world.kube.patch(SERVICES, { namespace: NAME, name: "near" }, { type: "merge", body });
    const answers = await flow;
    t.equal(answers[0], here!.metadata.name, "at first");
    t.equal(answers.at(-1), there!.metadata.name, `then, after ${answers.length} datagrams of one flow`);
  });

  await t.test(
    "a Service without endpoints refuses connections at once, and serves again when it has one",
    async (t) => {
      const point = async (selector: object, endpoints: number): Promise<void> => {
        const body = { spec: { selector } };
        await world.kube.patch(SERVICES, { namespace: NAME, name: "far" }, { type: "merge", body });
        await balanced(world, "far", "tcp", endpoints);
      };
      await point({ far: "none" }, 0);
      for (const address of far) {
        const url = `http://${urlHost(address)}/clientip`;
        const refused = await until(`${address} refuses`, 10_000, async () => {
          const result = await http(inPod(client!), url);
          return result.ok ? false : result;
        });
        t.match(refused.detail, /refused|Failed to connect/, `${address}: ${refused.detail}`);
        t.ok(refused.ms < 1_000, `after ${Math.round(refused.ms)} ms`);
        t.equal(await askByUdp(inPod(client!), address, 81, "clientip"), "", "UDP: no answer");
      }
      await point({ far: "yes" }, 1);
      for (const address of far)
        await seenBy(t, client!, address, sameFamily(client!, address), `${address} with an endpoint again`);
    },
  );
});

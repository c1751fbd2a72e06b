// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { datagramStream, echoServer } from "../../../hack/traffic/stream.ts";
import { NETWORK_POLICIES } from "../../../src/kube/resources.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects, createPolicy, deletePolicy, settles } from "../testing/policies.ts";
import { when } from "../testing/when.ts";
import { openWorld, type World, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-policy";
const OTHER = "weft-policy-other";

/** A web server on port 8080, named `http`, with a label. */
function labelled(namespace: string, name: string, node: string, role: string): ReturnType<typeof webPod> {
  const pod = webPod(namespace, name, node);
  const spec = pod.spec as { containers: readonly object[] };
  const containers = spec.containers.map((container) => ({
    ...container,
    ports: [{ name: "http", containerPort: 8080 }],
  }));
  return { ...pod, metadata: { ...pod.metadata, labels: { role } }, spec: { ...spec, containers } };
}

t.test("packets follow NetworkPolicies", { skip: whyNoLab() }, async (t) => {
  const world: World = await openWorld(t);
  await useNamespace(t, world, NAMESPACE);
  await useNamespace(t, world, OTHER);
  const [web, friend, stranger] = (await run(world, [
    labelled(NAMESPACE, "web", "weft-1", "web"),
    labelled(NAMESPACE, "friend", "weft-2", "friend"),
    labelled(NAMESPACE, "stranger", "weft-1", "stranger"),
  ])) as readonly [Thing, Thing, Thing];
  const [elsewhere] = (await run(world, [labelled(OTHER, "elsewhere", "weft-2", "friend")])) as readonly [Thing];
  const allow = (to: readonly Thing[]): Promise<unknown> =>
    Promise.all(to.map((from) => settles(from, web, 8080, true)));
  const deny = (to: readonly Thing[]): Promise<unknown> =>
    Promise.all(to.map((from) => settles(from, web, 8080, false)));

  await t.test("without policies all connections are allowed", async () => {
    await allow([friend, stranger, elsewhere]);
  });

  await t.test("a policy without rules denies all connections except those from the pod's own node", async (t) => {
    await createPolicy(world, NAMESPACE, "deny", { podSelector: { matchLabels: { role: "web" } } });
    await deny([friend, stranger, elsewhere]);
    for (const address of addressesOf(web)) {
      t.ok(
        await connects(inNode(world, "weft-1"), address, 8080),
        `weft-1 connects to ${address}, as kubelet's probes do`,
      );
      t.ok(await connects(inPod(web), address, 8080), `a pod reaches itself at ${address}`);
    }
    for (const address of addressesOf(friend)) t.ok(await connects(inPod(web), address, 8080), "and it reaches others");
  });

  await t.test("additional policies allow more: by labels and a port's name, by a namespace's labels", async () => {
    await createPolicy(world, NAMESPACE, "friends", {
      podSelector: { matchLabels: { role: "web" } },
      ingress: [{ from: [{ podSelector: { matchLabels: { role: "friend" } } }], ports: [{ port: "http" }] }],
    });
    await allow([friend]);
    await deny([stranger, elsewhere]);
    await createPolicy(world, NAMESPACE, "others", {
      podSelector: { matchLabels: { role: "web" } },
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": OTHER } },
              podSelector: { matchLabels: { role: "friend" } },
            },
          ],
          ports: [{ port: 8000, endPort: 8100 }],
        },
      ],
    });
    await allow([friend, elsewhere]);
    await deny([stranger]);
  });

  await t.test(
    "an established flow continues after a change of policy that still allows it, and otherwise ends",
    async (t) => {
      const netns = (pod: Thing): string => podNetns(pod.metadata.uid);
      const server = await echoServer(netns(web), 9000);
      const [v4] = addressesOf(web);
      await createPolicy(world, NAMESPACE, "echo", {
        podSelector: { matchLabels: { role: "web" } },
        ingress: [{ ports: [{ protocol: "UDP", port: 9000 }] }],
      });
      const streams = [
        await datagramStream(netns(friend), v4, 9000, 5),
        await datagramStream(netns(stranger), v4, 9000, 5),
      ];
      await new Promise((resolve) => setTimeout(resolve, 500));
      const changed = Date.now();
      const spec = {
        podSelector: { matchLabels: { role: "web" } },
        ingress: [
          { from: [{ podSelector: { matchLabels: { role: "friend" } } }], ports: [{ protocol: "UDP", port: 9000 }] },
        ],
      };
      await world.kube.patch(
        NETWORK_POLICIES,
        { namespace: NAMESPACE, name: "echo" },
        { type: "merge", body: { spec } },
      );
      await new Promise((resolve) => setTimeout(resolve, 6000));
      const [kept, cut] = await Promise.all(streams.map((stream) => stream.stop()));
      await server.stop();
      const after = (kept ?? []).filter(({ sent }) => sent > changed - 100);
      const lost = after.filter(({ echoed }) => echoed === undefined).length;
      t.ok(after.length > 100, `${after.length} datagrams since the change`);
      t.ok(lost <= 2, `of those that stay allowed ${lost} were lost`);
      const last = cut?.findLast(({ echoed }) => echoed !== undefined);
      t.ok(last !== undefined && last.sent < changed + 5000, "the other flow was echoed, and is not any more");
      t.comment(`cut ${((last?.sent ?? changed) - changed).toFixed(0)} ms after the change`);
      await deletePolicy(world, NAMESPACE, "echo");
    },
  );

  await t.test("an egress policy allows what its rules name, and replies to ingress", async (t) => {
    const [v4, v6] = addressesOf(web);
    await createPolicy(world, NAMESPACE, "out", {
      podSelector: { matchLabels: { role: "friend" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ ipBlock: { cidr: `${v4}/32` } }, { ipBlock: { cidr: `${v6}/128` } }] }],
    });
    await settles(friend, stranger, 8080, false);
    await settles(friend, web, 8080, true);
    for (const address of addressesOf(friend)) t.ok(await connects(inPod(stranger), address, 8080), "it still answers");
  });

  await t.test("a port name that no pod has is reported by an Event of the policy", async (t) => {
    await createPolicy(world, NAMESPACE, "nonsense", { podSelector: {}, ingress: [{ ports: [{ port: "nope" }] }] });
    const event = await when(
      (listener) => world.events.subscribe(listener),
      () =>
        world.events
          .values()
          .find((each) => each.involvedObject.name === "nonsense" && each.reason === "UnknownPortName"),
      "an Event about the policy",
      20_000,
    );
    t.match(event.message, "no pod in namespace weft-policy has a container port named nope");
  });

  await t.test("when the policies are deleted all connections are allowed again, and no rows are left", async (t) => {
    for (const name of ["deny", "friends", "others", "out", "nonsense"]) await deletePolicy(world, NAMESPACE, name);
    await allow([friend, stranger, elsewhere]);
    await settles(friend, stranger, 8080, true);
    const left = [...world.nb.mirror.rows("ACL")].filter(({ external_ids: ids }) => ids["policy"]?.includes(NAMESPACE));
    t.strictSame(left, []);
    const groups = [...world.nb.mirror.rows("Port_Group")].filter(({ external_ids: ids }) =>
      ids["selector"]?.includes(NAMESPACE),
    );
    t.strictSame(groups, []);
  });
});

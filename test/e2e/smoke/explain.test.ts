// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { explainCommand } from "../../../src/cli/explain.ts";
import { matrixCommand } from "../../../src/cli/matrix.ts";
import { planCommand } from "../../../src/cli/plan.ts";
import type { ReachChanges } from "../../../src/reachability/change.ts";
import type { Matrix } from "../../../src/reachability/matrix.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, inNode, inPod, run, useNamespace, webPod } from "../testing/pods.ts";
import { connects, createPolicy, deletePolicy, settles } from "../testing/policies.ts";
import { openWorld, whyNoLab } from "../testing/world.ts";

const NAMESPACE = "weft-explain";
const PORT = 8080;

t.test("packets agree with the verdicts of weftctl, which uses desired state only", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  await useNamespace(t, world, NAMESPACE);
  const roles = { web: "weft-1", friend: "weft-2", stranger: "weft-1" };
  const pods = (await run(
    world,
    Object.entries(roles).map(([role, node]) => {
      const pod = webPod(NAMESPACE, role, node);
      return { ...pod, metadata: { ...pod.metadata, labels: { role } } };
    }),
  )) as readonly [Thing, Thing, Thing];
  const [web, friend] = pods;

  /** Compares the answer with packets, for every pair and from both nodes, once nodes have applied the policies. */
  const compare = async (t: Test): Promise<void> => {
    const sources = [
      ...pods.map((pod) => ({ name: pod.metadata.name, exec: inPod(pod) })),
      ...world.lab.nodes.map((node) => ({ name: `node/${node}`, exec: inNode(world, node) })),
    ];
    for (const source of sources) {
      for (const to of pods) {
        const { ok, text } = await explainCommand(world.kube, NAMESPACE, [
          source.name,
          to.metadata.name,
          `tcp/${PORT}`,
        ]);
        const open = await Promise.all(addressesOf(to).map((address) => connects(source.exec, address, PORT)));
        t.equal(
          open.every((one) => one),
          ok,
          `${source.name} → ${to.metadata.name}: ${ok ? "allowed" : "denied"}${ok === open.every((one) => one) ? "" : `\n${text}`}`,
        );
      }
    }
  };

  await t.test("without policies", compare);

  const friends = {
    podSelector: { matchLabels: { role: "web" } },
    ingress: [{ from: [{ podSelector: { matchLabels: { role: "friend" } } }], ports: [{ port: PORT }] }],
  };

  await t.test("a plan lists the connections that would be lost, and stores nothing", async (t) => {
    const file = join(await mkdtemp(join(tmpdir(), "weft-")), "policy.json");
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "friends" },
      spec: friends,
    };
    await writeFile(file, JSON.stringify(policy));
    const { data } = await planCommand(world.kube, { file: [file], namespace: NAMESPACE });
    const { changes } = (data as { reachability: ReachChanges }).reachability;
    const lost = changes.filter(({ to }) => to === `${NAMESPACE}/web`);
    // Found by the name of a pod in the same class, which may contain other pods of the lab.
    t.ok(lost.some(({ from, open }) => from !== "outside" && open === "nothing"));
    t.ok(lost.some(({ from, open }) => from === `${NAMESPACE}/friend` && open === `TCP ${PORT}`));
    t.ok(lost.every(({ change }) => change === "loses"));
    await settles(friend, web, PORT, true);
    await writeFile(file, JSON.stringify({ ...policy, spec: { ingress: "everything" } }));
    await t.rejects(planCommand(world.kube, { file: [file], namespace: NAMESPACE }), { message: /would refuse this/ });
  });

  await t.test("with policies for both directions", async (t) => {
    await createPolicy(world, NAMESPACE, "friends", friends);
    await createPolicy(world, NAMESPACE, "quiet", {
      podSelector: { matchLabels: { role: "friend" } },
      policyTypes: ["Egress"],
      egress: [{ to: [{ podSelector: { matchLabels: { role: "web" } } }] }],
    });
    await settles(pods[2], web, PORT, false);
    await settles(friend, web, PORT, true);
    await settles(friend, pods[2], PORT, false);
    await compare(t);
    const { data } = await matrixCommand(world.kube, { namespace: NAMESPACE, port: `tcp/${PORT}` });
    const { rows, cells } = data as Matrix;
    t.strictSame(
      rows.map(({ name }, i) => [name, cells[i]?.map(({ reach }) => reach).join(" ")]),
      [
        [`${NAMESPACE}/friend`, "self none all"],
        [`${NAMESPACE}/stranger`, "all self none"],
        [`${NAMESPACE}/web`, "all all self"],
      ],
    );
    for (const name of ["friends", "quiet"]) await deletePolicy(world, NAMESPACE, name);
  });
});

// SPDX-License-Identifier: Apache-2.0

import fc from "fast-check";
import t from "tap";
import { podNetns } from "../../../hack/traffic/pods.ts";
import { KubeError } from "../../../src/kube/errors.ts";
import { NAMESPACES, NETWORK_POLICIES, PODS } from "../../../src/kube/resources.ts";
import type { ApiPod, NetworkPolicy, OracleWorld as PolicyWorld } from "../../policy-oracle/api.ts";
import { each, NAMESPACE_NAMES as NAMES, networkPolicy, PORTS } from "../../policy-oracle/generate.ts";
import { isAllowed } from "../../policy-oracle/oracle.ts";
import type { Thing } from "../testing/objects.ts";
import { addressesOf, idlePod, run, useNamespace } from "../testing/pods.ts";
import { type Attempt, type Prober, startProber } from "../testing/prober.ts";
import { openWorld, syncNodes, whyNoLab } from "../testing/world.ts";

/** Number of generated sets of policies that are applied, one after the other. */
const WORLDS = Number(process.env["WEFT_POLICY_WORLDS"] ?? 150);
/** No event reports that packets would arrive: a difference is a fault when it has lasted this long, in ms. */
const PATIENCE_MS = 5_000;
/**
 * First timeout for an answer, in ms. If an expected answer does not arrive, the next attempt waits twice as long, for a busy machine.
 */
const ANSWER_MS = 400;
/** The same when the nodes are in sync, so that only the machine can be late: on a busy one answers of UDP servers took seconds. An answer that arrives costs no wait. */
const SETTLED_ANSWER_MS = 10_000;
/** The port names of the containers of each namespace's two pods. */
const PORT_NAMES = [
  { web: 80, api: 90 },
  { web: 81, api: 80 },
] as const;
const labels = fc.dictionary(fc.constantFrom("app", "tier"), fc.constantFrom("a", "b"), {
  maxKeys: 2,
  noNullPrototype: true,
});
const spaces = fc.dictionary(fc.constantFrom("team", "env"), fc.constantFrom("a", "b"), {
  maxKeys: 2,
  noNullPrototype: true,
});
const worlds = fc.record({
  pods: fc.array(labels, { minLength: 6, maxLength: 6 }),
  namespaces: fc.array(spaces, { minLength: NAMES.length, maxLength: NAMES.length }),
  policies: each(1, 4, networkPolicy),
});

t.test("packets agree with the specification, policy by generated policy", { skip: whyNoLab() }, async (t) => {
  const world = await openWorld(t);
  const { kube } = world;
  for (const name of NAMES) await useNamespace(t, world, name);
  const manifests = NAMES.flatMap((namespace) =>
    PORT_NAMES.map((names, i) => {
      const pod = idlePod(namespace, `p${i}`, world.lab.nodes[i % world.lab.nodes.length]);
      const spec = pod.spec as { containers: readonly object[] };
      const ports = Object.entries(names).map(([name, containerPort]) => ({ name, containerPort }));
      return { ...pod, spec: { ...spec, containers: spec.containers.map((container) => ({ ...container, ports })) } };
    }),
  );
  const pods: Thing[] = [];
  for (const name of NAMES)
    pods.push(
      ...(await run(
        world,
        manifests.filter(({ metadata }) => metadata.namespace === name),
      )),
    );
  const probers = await Promise.all(pods.map((pod) => startProber(podNetns(pod.metadata.uid), PORTS)));
  t.teardown(() => Promise.all(probers.map((prober) => prober.stop())));
  const seed = Number(process.env["WEFT_POLICY_SEED"] ?? 1);
  let pairs = 0;
  let refused = 0;
  for (const [nth, sample] of fc.sample(worlds, { numRuns: WORLDS, seed }).entries()) {
    const replace = (keep: Readonly<Record<string, string>>, keys: readonly string[]): object =>
      Object.fromEntries(keys.map((key) => [key, keep[key] ?? null]));
    await Promise.all([
      ...pods.map(({ metadata: { namespace = "", name } }, i) => {
        const body = { metadata: { labels: replace(sample.pods[i] ?? {}, ["app", "tier"]) } };
        return kube.patch(PODS, { namespace, name }, { type: "merge", body });
      }),
      ...NAMES.map((name, i) => {
        const body = { metadata: { labels: replace(sample.namespaces[i] ?? {}, ["team", "env"]) } };
        return kube.patch(NAMESPACES, { name }, { type: "merge", body });
      }),
    ]);
    const policies: NetworkPolicy[] = [];
    for (const policy of sample.policies) {
      try {
        await kube.create(NETWORK_POLICIES, policy as never);
        policies.push(policy);
      } catch (error) {
        // An object that the API server refuses is left out.
        if (!(error instanceof KubeError && error.code === "invalid")) throw error;
        refused++;
      }
    }
    const described: PolicyWorld = {
      namespaces: NAMES.map((name, i) => ({
        metadata: { name, labels: { ...sample.namespaces[i], "kubernetes.io/metadata.name": name } },
      })),
      nodes: [],
      pods: pods.map((pod, i) => describePod(pod, sample.pods[i] ?? {})),
      policies,
    };
    let wrong: readonly string[] = ["not tried"];
    // On a busy machine nodes may need longer than that to install the rules: then wait for them, and compare again with the same timeout.
    for (const [settled, firstMs] of [
      [async () => {}, ANSWER_MS],
      [() => syncNodes(world), SETTLED_ANSWER_MS],
    ] as const) {
      if (wrong.length === 0) break;
      await settled();
      const started = Date.now();
      for (let answerMs: number = firstMs; wrong.length > 0 && Date.now() - started < PATIENCE_MS; answerMs *= 2) {
        const { differences, count } = await compare(described, probers, answerMs);
        wrong = differences;
        if (wrong.length === 0) pairs += count;
      }
    }
    if (wrong.length > 0)
      t.fail(`world ${nth} of seed ${seed}, ${wrong.length} differences: ${wrong.slice(0, 5).join("; ")}`, {
        described,
      });
    await Promise.all(policies.map(({ metadata }) => kube.delete(NETWORK_POLICIES, metadata)));
  }
  t.ok(
    pairs > WORLDS * 100,
    `${pairs} connections in ${WORLDS} sets of policies, of which the API server refused ${refused}`,
  );
});

function describePod(pod: Thing, own: Readonly<Record<string, string>>): ApiPod {
  const { name, namespace = "" } = pod.metadata;
  const { nodeName, containers } = pod.spec as ApiPod["spec"];
  return {
    metadata: { name, namespace, labels: own },
    spec: { nodeName, containers },
    status: { podIPs: addressesOf(pod).map((ip) => ({ ip })) },
  };
}

/** Tries every connection between two pods that the specification allows or denies; allowed ones must open within this many ms. */
async function compare(
  described: PolicyWorld,
  probers: readonly Prober[],
  answerMs: number,
): Promise<{ differences: readonly string[]; count: number }> {
  let count = 0;
  const differences: string[] = [];
  await Promise.all(
    described.pods.map(async (from, i) => {
      const attempts: Attempt[] = [];
      const expected: { readonly allowed: boolean; readonly text: string }[] = [];
      for (const to of described.pods) {
        if (to === from) continue;
        for (const [family, { ip: address }] of to.status.podIPs.entries()) {
          for (const protocol of ["TCP", "UDP"] as const) {
            for (const port of PORTS) {
              const source = { address: from.status.podIPs[family]?.ip ?? "", pod: from };
              const allowed = isAllowed(described, source, { address, pod: to }, { protocol, port });
              if (allowed === undefined) continue;
              attempts.push({ address, port, protocol, patienceMs: allowed ? answerMs : ANSWER_MS });
              const name = ({ metadata }: ApiPod): string => `${metadata.namespace}/${metadata.name}`;
              expected.push({ allowed, text: `${name(from)} to ${name(to)} at ${address} ${protocol}/${port}` });
            }
          }
        }
      }
      count += attempts.length;
      const answers = (await probers[i]?.probe(attempts)) ?? [];
      for (const [nth, { allowed, text }] of expected.entries()) {
        if (answers[nth] !== allowed) differences.push(`${text} should ${allowed ? "" : "not "}connect`);
      }
    }),
  );
  return { differences, count };
}

// SPDX-License-Identifier: Apache-2.0

import { dots, formatVerdicts, htmlPage, type MeasuredGoal, ms } from "./html-page.ts";
import type { PolicyBench } from "./policy.ts";

/** Goals of the issue on policies. */
const GOALS = {
  oneMs: 60,
  hundredMs: 600,
  labelMs: 10,
  labelOperations: 20,
  packetMs: 150,
  compileMs: 10_000,
  peakMiB: 600,
} as const;
/** Kube-OVN with 1,000 pods on this kind of machine, in ms. */
const KUBE_OVN = { oneMs: 413, hundredMs: 2_900 } as const;

/** What was measured, beside what was wanted. */
function policyVerdicts({ pods, one, hundred, label, large, lab }: PolicyBench): readonly MeasuredGoal[] {
  const size = `${large.pods.toLocaleString("en")} pods × ${large.policies.toLocaleString("en")} policies`;
  const verdict = (what: string, measured: string, goal: string, met: boolean): MeasuredGoal => ({
    what,
    measured,
    goal,
    met,
  });
  const packets = (["blocked", "allowed"] as const).flatMap((what) => {
    const took = lab?.[what];
    if (took === undefined) return [];
    const measured = `median ${ms(took.median)}, p99 ${ms(took.p99)} of ${took.count}`;
    const met = took.p99 <= GOALS.packetMs;
    return [verdict(`from the request to the first packet ${what}`, measured, `p99 ≤ ${GOALS.packetMs} ms`, met)];
  });
  return [
    ...packets,
    verdict(
      `one policy over ${pods} pods, to committed (Kube-OVN: ${KUBE_OVN.oneMs} ms)`,
      `${ms(one.median)} (best ${ms(one.min)})`,
      `≤ ${GOALS.oneMs} ms`,
      one.median <= GOALS.oneMs,
    ),
    verdict(
      `100 policies, to committed (Kube-OVN: ${KUBE_OVN.hundredMs} ms)`,
      `${ms(hundred.median)} (best ${ms(hundred.min)})`,
      `≤ ${GOALS.hundredMs} ms`,
      hundred.median <= GOALS.hundredMs,
    ),
    verdict(
      "a pod's label under 1,000 policies",
      `${ms(label.median)}, ${label.operations} operations`,
      `≤ ${GOALS.labelMs} ms, ≤ ${GOALS.labelOperations}`,
      label.median <= GOALS.labelMs && label.operations <= GOALS.labelOperations,
    ),
    verdict(
      `${size}, groups found and everything compiled`,
      `${ms(large.indexMs + large.compileMs)}, ${large.peakMiB.toFixed(0)} MiB at its peak`,
      `≤ ${GOALS.compileMs} ms, ≤ ${GOALS.peakMiB} MiB`,
      large.indexMs + large.compileMs <= GOALS.compileMs && large.peakMiB <= GOALS.peakMiB,
    ),
  ];
}

/** Everything for a terminal. */
export function formatPolicy(bench: PolicyBench): string {
  const { large } = bench;
  const { onePod, onePolicy, naive } = large;
  return `${formatVerdicts(policyVerdicts(bench))}
  until it all is in a database that was empty: ${ms(large.totalMs)}, ${large.transactions} transactions; ${large.restMiB.toFixed(0)} MiB afterwards
  one more pod: ${ms(onePod.ms)}, ${onePod.operations} operations; one more policy: ${ms(onePolicy.ms)}, ${onePolicy.operations} operations
  in the database: ${large.acls} ACLs, ${large.groups} groups with ${large.members} members
  each policy by itself would need: ${naive.acls} ACLs, ${naive.sets} groups and sets with ${naive.members} members
`;
}

/** Everything as a page. */
export function policyPage(bench: PolicyBench): string {
  const { one, hundred, label } = bench;
  const rows = [
    { name: "one policy", values: one.values },
    { name: "100 policies", values: hundred.values },
    { name: "one label", values: label.values },
  ];
  const colours = ["#2563eb", "#16a34a", "#f59e0b"];
  const body = dots(rows.map(({ name, values }, i) => ({ name, values, colour: colours[i] ?? "#2563eb" })));
  return htmlPage(
    "policies",
    "From a change in Kubernetes to the commit in the northbound database.",
    policyVerdicts(bench),
    body,
  );
}

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { isProbeFailure, PROBE_REPEAT_MS as REPEAT_MS } from "../api/probe-events.ts";
import { parseIp } from "../net/address.ts";
import { ProbeReports } from "./reports.ts";
import type { MeshProbeResult } from "./round.ts";

/** Echo requests to pods on `node`; all lost, or none. */
function pod(node: string, address: string, lost: boolean): MeshProbeResult {
  const echo = { sent: 3, lost: lost ? 3 : 0, averageMs: lost ? undefined : 1 };
  return { kind: "pod", target: { node, nodeIp: "192.0.2.2", address: parseIp(address)! }, echo };
}

t.test(
  "what fails three rounds in a row is reported once, again when it changes and every 5 minutes, and its end",
  async (t) => {
    const reports = new ProbeReports();
    const bad = [pod("b", "10.16.0.3", true), pod("c", "fd00::4", false)];
    t.same(reports.after(bad, 0), []);
    t.same(reports.after(bad, 1), []);
    const message = "pods of this node do not reach pods on b (10.16.0.3)";
    t.same(reports.after(bad, 2), [{ type: "Warning", reason: "ProbePodsFailed", message }]);
    t.same(reports.after(bad, 3), []);
    t.match(reports.after(bad, 2 + REPEAT_MS), [{ message }]);
    const worse = [pod("b", "10.16.0.3", true), pod("c", "fd00::4", true)];
    for (let round = 0; round < 2; round++) t.same(reports.after(worse, 3 + REPEAT_MS), []);
    t.match(reports.after(worse, 3 + REPEAT_MS), [{ message: `${message}, c (fd00::4)` }]);
    t.match(reports.after([pod("b", "10.16.0.3", false)], 4 + REPEAT_MS), [
      { type: "Normal", reason: "ProbesSucceeded" },
    ]);
    t.same(reports.after([pod("b", "10.16.0.3", false)], 5 + REPEAT_MS), []);
  },
);

t.test("a probe that fails now and then is not reported", async (t) => {
  const reports = new ProbeReports();
  for (let round = 0; round < 30; round++) t.same(reports.after([pod("b", "10.16.0.3", round % 3 !== 0)], round), []);
});

t.test("each kind of probe has its own reason, and says what does not answer", async (t) => {
  const reports = new ProbeReports();
  const problem = "no answer";
  const target = { protocol: "udp", family: 6, address: "fd00::4", port: 8101 } as const;
  const results: readonly MeshProbeResult[] = [
    { kind: "port", node: "c", target, problem },
    { kind: "port", target: { ...target, protocol: "tcp", family: 4, address: "192.0.2.1", port: 53 }, problem },
    { kind: "internalDns", name: "kubernetes.default", timed: { problem } },
    { kind: "externalDns", name: "example.com", timed: { problem } },
    { kind: "apiServer", timed: { problem } },
  ];
  reports.after(results, 0);
  reports.after(results, 1);
  const told = reports.after(results, 2);
  t.ok(told.every(({ reason }) => isProbeFailure(reason)));
  t.same(
    told.map(({ reason, message }) => `${reason}: ${message}`),
    [
      "ProbePortsFailed: pods of this node get no answer at tcp 192.0.2.1:53, udp [fd00::4]:8101 of c",
      "ProbeDnsFailed: the resolver of this node's pods does not resolve kubernetes.default",
      "ProbeExternalDnsFailed: the resolver of this node's pods does not resolve example.com",
      "ProbeApiServerFailed: pods of this node do not reach the API server",
    ],
  );
});

t.test("a long list is cut", async (t) => {
  const reports = new ProbeReports();
  const all = Array.from({ length: 40 }, (_, index) => pod(`n${index}`, `10.16.0.${index + 2}`, true));
  reports.after(all, 0);
  reports.after(all, 1);
  const [report] = reports.after(all, 2);
  t.match(report?.message, / and 32 more$/);
  t.ok((report?.message.length ?? 0) < 1_000);
});

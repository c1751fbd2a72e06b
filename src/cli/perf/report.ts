// SPDX-License-Identifier: Apache-2.0

import { formatTable } from "../table.ts";
import { bits } from "../tools/traffic.ts";
import type { RoundTrips } from "./measure-client.ts";
import type { PathResult } from "./run.ts";

/** The results as a table, with a line for each path that could not be measured. */
export function formatPerf(results: readonly PathResult[]): string {
  const rows = results.map(({ path, from, to, measured }) => {
    if (measured === undefined) return [path, `${from} > ${to}`, "failed"];
    const { tcpBitsPerSecond, tcp, udp, udpSent, udpReceived } = measured;
    const lost = udpSent === 0 ? "-" : `${(Math.max(0, 1 - udpReceived / udpSent) * 100).toFixed(2)} %`;
    return [path, `${from} > ${to}`, bits(tcpBitsPerSecond / 8), trips(tcp), trips(udp), lost];
  });
  const head = ["PATH", "NODES", "TCP", "TCP RTT (50 %, 99 %)", "UDP RTT (50 %, 99 %)", "UDP LOST"];
  const problems = results.flatMap(({ path, problem }) =>
    problem === undefined ? [] : [`Problem: ${path}: ${problem}\n`],
  );
  return formatTable(head, rows) + problems.join("");
}

function trips({ p50, p99 }: RoundTrips): string {
  return p50 === undefined || p99 === undefined ? "no answer" : `${p50.toFixed(3)} ms, ${p99.toFixed(3)} ms`;
}

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { busiest, formatTraffic, readCounters, trafficBetween } from "./traffic.ts";

const row = (pod: string, rx: number, tx: number): unknown => [
  [
    "map",
    [
      ["iface-id", `${pod}.shop`],
      ["pod_name", pod],
      ["pod_namespace", "shop"],
    ],
  ],
  [
    "map",
    [
      ["rx_bytes", rx],
      ["rx_packets", rx / 100],
      ["tx_bytes", tx],
      ["tx_packets", tx / 100],
    ],
  ],
];
const table = (...data: readonly unknown[]): string =>
  JSON.stringify({ headings: ["external_ids", "statistics"], data });

t.test("pods are listed by their traffic between two readings", async (t) => {
  const br = [
    ["map", []],
    ["map", [["rx_bytes", 9e9]]],
  ];
  const before = readCounters(table(row("a", 0, 0), row("b", 1000, 1000), row("ends", 1, 1), br));
  const after = readCounters(table(row("a", 5_000_000, 2_000), row("b", 900, 6_000_000), row("starts", 1, 1), br));
  const traffic = trafficBetween("n1", before, after, 2);
  t.same(
    busiest(traffic, 10).map(({ pod, sentBytes, receivedBytes }) => [pod, sentBytes, receivedBytes]),
    [
      ["shop/b", 0, 2_999_500],
      ["shop/a", 2_500_000, 1_000],
    ],
    "what the switch receives, the pod sends; decreased counters count as 0",
  );
  t.equal(busiest(traffic, 1).length, 1);
  t.match(formatTraffic(busiest(traffic, 10)), /shop\/b +n1 +24\.0 Mbit\/s +0 bit\/s/);
});

t.test("two interfaces of a pod are added up, and other text is an error", async (t) => {
  t.match(readCounters(table(row("a", 100, 200), row("a", 1, 2))).get("shop/a"), {
    sentBytes: 101,
    receivedBytes: 202,
  });
  for (const text of ["", "{}", "[]"]) t.throws(() => readCounters(text));
  t.equal(readCounters(table(1, [], [["map", 7], 8])).size, 0);
});

// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { FABRIC } from "../../../hack/lab/topology.ts";
import type { World } from "./world.ts";

const TABLE = "weft-test-tunnels";
/** Geneve's port (RFC 8926). */
const GENEVE = 6081;

/** Source and destination of a tunnel packet: prefixes of nodes' addresses. */
export interface TunnelWay {
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/**
 * Counts tunnel packets by their outer addresses, where the nodes' `eth1` are connected to the bridge between them. Packets are only counted; the table is
 * removed at the end of the test. Returns a function that reads the counters.
 */
export async function countTunnels(
  t: Test,
  world: World,
  ways: readonly TunnelWay[],
): Promise<() => Promise<Readonly<Record<string, number>>>> {
  const fabric = world.lab.node(FABRIC);
  const counters = ways.map(({ name }) => `counter ${name} { }`).join("\n");
  const rules = ways.map(
    ({ name, from, to }) => `ip saddr ${from} ip daddr ${to} udp dport ${GENEVE} counter name ${name}`,
  );
  const chains = world.lab.nodes.map(
    (node, i) =>
      `chain c${i} { type filter hook ingress device "${node}-1" priority 0; policy accept;\n${rules.join("\n")}\n}`,
  );
  const script = `table netdev ${TABLE} {\n${counters}\n${chains.join("\n")}\n}\n`;
  await fabric.exec(["nft", "-f", "-"], { input: `table netdev ${TABLE} {}\ndelete table netdev ${TABLE}\n${script}` });
  t.teardown(() => fabric.exec(["nft", "delete", "table", "netdev", TABLE], { allowFailure: true }));
  return async () => {
    const { stdout } = await fabric.exec(["nft", "-j", "list", "counters", "table", "netdev", TABLE]);
    const { nftables } = JSON.parse(stdout) as { nftables: { counter?: { name: string; packets: number } }[] };
    return Object.fromEntries(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
  };
}

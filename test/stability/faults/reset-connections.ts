// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { plugin } from "../plugin.ts";
import type { ClusterFault } from "./fault.ts";

const options = z.strictObject({
  /** TCP ports of servers on the nodes; by default those of OVN's databases. */
  ports: z.array(z.int().min(1).max(65_535)).min(1).max(20).default([6641, 6642]),
});

const TABLE = "inet weft-stability-reset";
const END = ["sh", "-c", `nft delete table ${TABLE} 2>/dev/null || true`] as const;

/** Every TCP connection to some ports of the nodes is reset, and new ones are refused, until the fault ends. */
export const RESET_CONNECTIONS = plugin({
  name: "reset_connections",
  summary: "TCP connections to ports of the nodes are reset: ports (by default OVN's databases)",
  options,
  bind: ({ ports }): ClusterFault => ({
    needs: ["node-command"],
    shown: `reset connections to ports ${ports.join(", ")}`,
    lasts: true,
    async inject({ target, record }) {
      const list = ports.join(", ");
      const rules = [
        `add table ${TABLE}`,
        `add chain ${TABLE} input { type filter hook input priority -10 ; }`,
        `add rule ${TABLE} input tcp dport { ${list} } reject with tcp reset`,
        // A server that sends first would otherwise keep its half of the connection.
        `add chain ${TABLE} output { type filter hook output priority -10 ; }`,
        `add rule ${TABLE} output tcp sport { ${list} } reject with tcp reset`,
      ];
      const done = target.nodes.map((node) => record({ by: "target", kind: "command", node, command: [...END] }));
      await Promise.all(target.nodes.map((node) => target.command(node, ["nft", rules.join("; ")])));
      return {
        hit: target.nodes.join(", "),
        async end() {
          await Promise.all(target.nodes.map((node) => target.command(node, END)));
          for (const each of done) each();
        },
      };
    },
  }),
});

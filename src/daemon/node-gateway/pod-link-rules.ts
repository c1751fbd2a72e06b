// SPDX-License-Identifier: Apache-2.0

import { LINK_GROUP, POD_LINK_TABLE } from "../../node/marks.ts";

/**
 * Input of `nft -f -` for the table that keeps packets from pods out of the node's network stack. In the userspace
 * datapath Open vSwitch reads copies of the packets that arrive at pods' host ends (packet(7)), and the kernel
 * processes the originals: a frame to the host end's MAC, or to broadcast, with an address of the node would reach
 * the node's sockets past port security and all policies. The copies are made before this hook. In the kernel
 * datapath Open vSwitch takes the frames themselves, and the rule matches nothing.
 */
export const POD_LINK_RULES = [
  `table ${POD_LINK_TABLE} {}`,
  `delete table ${POD_LINK_TABLE}`,
  `table ${POD_LINK_TABLE} {`,
  "  chain from-pod-links {",
  "    # Before conntrack.",
  "    type filter hook prerouting priority raw - 10; policy accept;",
  `    iifgroup ${LINK_GROUP} counter drop comment "read by Open vSwitch"`,
  "  }",
  "}",
  "",
].join("\n");

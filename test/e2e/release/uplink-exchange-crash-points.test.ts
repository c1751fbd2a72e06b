// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import t from "tap";
import { killBeforeEachStep } from "../../../src/daemon/uplinks/testing/crash-points.ts";
import { EXCHANGED_KEY } from "../../../src/daemon/uplinks/testing/moving-node.ts";
import { noKernel } from "../../../src/netlink/testing/netns.ts";

const skip = noKernel() || (existsSync("/usr/bin/busybox") ? false : "needs busybox, for ping");

t.setTimeout(580_000);

t.test(
  "with exchangeLinkName, a daemon killed before any step leaves a reachable node, and the next one completes the move in either direction",
  { skip },
  (t) => killBeforeEachStep(t, EXCHANGED_KEY),
);

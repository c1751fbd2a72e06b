// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import type { AnyRow } from "./row-codec.ts";
import { checkServer } from "./server-status.ts";

const CLUSTER = "00000000-0000-4000-8000-00000000000c";

function row(changes: object): AnyRow[] {
  const leader = {
    name: "Test",
    model: "clustered",
    connected: true,
    leader: true,
    schema: "{}",
    cid: CLUSTER,
    sid: "s",
    index: 10,
  };
  return [
    { _uuid: "1", name: "Other", model: "standalone" } as unknown as AnyRow,
    { _uuid: "2", ...leader, ...changes } as AnyRow,
  ];
}

function reason(changes: object, leaderOnly = true, seen?: { cluster: string; index: number }): string | true {
  const verdict = checkServer(row(changes), "Test", leaderOnly, seen);
  return verdict.suitable || verdict.reason;
}

t.test("the leader of a cluster is suitable, a follower only if no leader is needed", async (t) => {
  t.equal(reason({}), true);
  t.equal(reason({ leader: false }), "does not lead its cluster");
  t.equal(reason({ leader: false }, false), true);
});

t.test("a standalone server always leads", async (t) => {
  t.equal(reason({ model: "standalone", cid: undefined, sid: undefined, index: undefined }), true);
});

t.test("a server that is cut off, has no schema yet, or is a relay is not suitable", async (t) => {
  t.equal(reason({ connected: false }, false), "is cut off from its cluster");
  t.equal(reason({ schema: undefined }, false), "has not joined its cluster yet");
  t.equal(reason({ model: "relay" }), "is a relay and never leads");
  t.equal(reason({ model: "relay" }, false), true);
  t.equal(reason({ model: "relay", connected: false }, false), "has lost its source");
  t.equal(reason({ name: "Another" }), "has no database Test");
});

t.test("a server that is behind the seen state is not suitable, unless the cluster differs", async (t) => {
  t.equal(reason({ index: 10 }, false, { cluster: CLUSTER, index: 10 }), true);
  t.equal(
    reason({ index: 9 }, false, { cluster: CLUSTER, index: 10 }),
    "is behind: it is at log entry 9, and 10 was seen",
  );
  t.equal(reason({ index: 9 }, false, { cluster: "another", index: 10 }), true);
  const verdict = checkServer(row({ index: 12 }), "Test", true, { cluster: CLUSTER, index: 10 });
  t.match(verdict, { suitable: true, seen: { cluster: CLUSTER, index: 12 } });
});

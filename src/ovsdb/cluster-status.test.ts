// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseClusterStatus } from "./cluster-status.ts";

const LEADER = `e0ee
Name: OVN_Southbound
Cluster ID: 6a1f (6a1fd0f6-9a43-4e6e-a3ac-6be35bd1b2b0)
Server ID: e0ee (e0ee8a51-34b7-4b44-9f49-0e7d8a9a9c59)
Address: tcp:10.0.0.1:6644
Status: cluster member
Role: leader
Term: 12
Leader: self
Vote: self

Last Election started 5501 ms ago, reason: timeout
Last Election won: 5500 ms ago
Election timer: 2000
Log: [2, 117]
Entries not yet committed: 1
Entries not yet applied: 0
Connections: ->a1b2 <-a1b2 (->c3d4) <-c3d4
Disconnections: 1
Servers:
    e0ee (e0ee at tcp:10.0.0.1:6644) (self) next_index=5 match_index=116
    a1b2 (a1b2 at tcp:[fd00::2]:6644) next_index=117 match_index=116 last msg 200 ms ago
    c3d4 (c3d4 at tcp:10.0.0.3:6644) next_index=90 match_index=89
`;

t.test("the state of a raft member is parsed from cluster/status", async (t) => {
  t.same(parseClusterStatus(LEADER), {
    clusterId: "6a1fd0f6-9a43-4e6e-a3ac-6be35bd1b2b0",
    serverId: "e0ee8a51-34b7-4b44-9f49-0e7d8a9a9c59",
    status: "cluster member",
    role: "leader",
    leader: "self",
    vote: "self",
    term: 12,
    electionTimer: 2000,
    log: [2, 117],
    notCommitted: 1,
    notApplied: 0,
    connections: [
      { peer: "a1b2", incoming: false, up: true },
      { peer: "a1b2", incoming: true, up: true },
      { peer: "c3d4", incoming: false, up: false },
      { peer: "c3d4", incoming: true, up: true },
    ],
    servers: [
      { id: "e0ee", address: "tcp:10.0.0.1:6644", self: true, nextIndex: 5, matchIndex: 116 },
      { id: "a1b2", address: "tcp:[fd00::2]:6644", self: false, nextIndex: 117, matchIndex: 116 },
      { id: "c3d4", address: "tcp:10.0.0.3:6644", self: false, nextIndex: 90, matchIndex: 89 },
    ],
  });
});

t.test("a follower has no indexes of the others, and other text is not a status", async (t) => {
  const follower = LEADER.replaceAll(/ next_index=\d+ match_index=\d+/g, "").replace("Role: leader", "Role: follower");
  const read = parseClusterStatus(follower.replace("Leader: self", "Leader: a1b2"));
  t.match(read, { role: "follower", leader: "a1b2" });
  t.equal(read?.servers[1]?.nextIndex, undefined);
  for (const text of ["", "status: ok\n", '"cluster/status" is not a valid command'])
    t.equal(parseClusterStatus(text), undefined);
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { readBgpSessions, sessionProblem } from "./sessions.ts";

/** Of BIRD 2.17. */
const LINES = [
  "Name       Proto      Table      State  Since         Info",
  "device1    Device     ---        up     17:36:22.656  ",
  "",
  "neighbor1  BGP        ---        up     17:38:46.713  Established   ",
  "  BGP state:          Established",
  "    Neighbor address: 172.18.0.1",
  "  Channel ipv4",
  "    State:          UP",
  "",
  "neighbor2  BGP        ---        start  17:36:22.674  Idle          Received: Bad peer AS",
  "  BGP state:          Idle",
  "    Last error:       Received: Bad peer AS",
];
const NEIGHBORS = ["172.18.0.1", "fd00::1", "fd00::2"].map((address, i) => ({ protocol: `neighbor${i + 1}`, address }));
const BGP = {
  ...{ clusterAs: 65001, neighborAs: 65002, neighborAddresses: [], holdTimeS: 90, ebgpMultihop: 1 },
  ...{ passive: false, extendedNextHop: false },
};

t.test("the sessions of BIRD's neighbors", async (t) => {
  t.same(readBgpSessions(LINES, NEIGHBORS), [
    { address: "172.18.0.1", up: true, state: "Established", error: "" },
    { address: "fd00::1", up: false, state: "Idle", error: "Received: Bad peer AS" },
  ]);
});

t.test("why a session is not established", async (t) => {
  const text = (error: string, password?: string, state = "Idle"): string =>
    sessionProblem(
      { address: "192.0.2.1", up: false, state, error },
      password === undefined ? BGP : { ...BGP, password },
    );
  t.equal(
    text("Received: Bad peer AS"),
    "BGP neighbor 192.0.2.1 has another AS number than 65002 (neighborAs), or expects another one than 65001 (clusterAs): Received: Bad peer AS; its routes are not announced to it",
  );
  t.match(text(""), /does not answer on TCP port 179: .* it may want a password \(authPasswordSecret\)/);
  t.match(text("Socket: Connection timed out", "x"), /\(Socket: Connection timed out\): .* another password or none/);
  t.match(text("BFD session down"), /is lost by BFD/);
  t.match(text("Hold timer expired"), /for the hold time/);
  t.match(text("Received: Administrative shutdown"), /ended the session: Received: Administrative shutdown/);
  t.match(
    text("Error: BFD session down", "x", "Connect"),
    /is lost by BFD, and since then does not answer on TCP port 179 \(Error: BFD session down\): .* another password or none/,
    "an error of before does not hide that connections get no answer",
  );
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { publishLease } from "../kube/lease.ts";
import { fakeKube } from "../kube/testing/fake.ts";
import { ManualClock } from "../time/testing/manual-clock.ts";
import { formatStatus, readStatus } from "./status.ts";

const REF = { namespace: "kube-system", name: "kube-ovn-controller" };

t.test("only a controller that holds the Lease and renews it is said to lead", async (t) => {
  const clock = new ManualClock();
  const kube = fakeKube({ clock });
  const status = async (later = 0) => {
    const data = await readStatus(kube, "kube-system", clock.wall() + later);
    return [data.leader, formatStatus(data).split("\n")[0] ?? ""];
  };
  t.match(await status(), [undefined, /^Leader: none: no controller has ever led/]);
  const lease = publishLease(kube, { ...REF, holder: "weft-1", clock });
  await kube.settled();
  t.same(await status(), ["weft-1", "Leader: weft-1"]);
  t.same(await status(60_000), ["weft-1", "Leader: weft-1"]);
  t.same(await status(-5_000), ["weft-1", "Leader: weft-1"], "the clock here may be behind");
  t.match(await status(61_000), [
    undefined,
    /^Leader: none: weft-1 has not renewed its Lease for 61 s, which should be renewed within 60 s, so nothing is given/,
  ]);
  await lease.stop();
  t.match(await status(), [undefined, /^Leader: none: the last leader has gone and no other has taken its place/]);
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { deleteQdisc, ensureQdisc, listQdiscs } from "./tc.ts";
import { noKernel, runIn, withEth0 } from "./testing/netns.ts";

const skip = noKernel();

t.test("a token bucket is set, changed and deleted", { skip }, async (t) => {
  const { path, socket, index } = await withEth0(t);
  t.equal(deleteQdisc(socket, index, "root"), false);
  const tbf = { index, kind: "tbf", handle: "1:", rate: 100e6, burst: 125_000, limit: 500_000 } as const;
  ensureQdisc(socket, tbf);
  ensureQdisc(socket, { ...tbf, rate: 200e6 });
  t.match(listQdiscs(socket, index), [{ kind: "tbf", handle: "1:", parent: "root", rate: 200e6, limit: 500_000 }]);
  t.match(runIn(path, "tc", "qdisc", "show", "dev", "eth0"), /tbf 1: root .*rate 200Mbit burst 125000b lat 15ms/);
  ensureQdisc(socket, { ...tbf, rate: 100e9, burst: 12_500_000, limit: 50_000_000 });
  t.equal(listQdiscs(socket, index)[0]?.rate, 100e9);
  t.equal(deleteQdisc(socket, index, "root"), true);
  t.equal(deleteQdisc(socket, index, "root"), false);
  t.equal(listQdiscs(socket, index)[0]?.kind, "noqueue");
});

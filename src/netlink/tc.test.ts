// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { createLink } from "./links.ts";
import {
  addFilter,
  deleteClass,
  deleteFilters,
  deleteQdisc,
  ensureClass,
  ensureQdisc,
  listClasses,
  listFilters,
  listQdiscs,
} from "./tc.ts";
import { throwsCode } from "./testing/codec-checks.ts";
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

t.test("classes share the rate of their parent", { skip }, async (t) => {
  const { path, socket, index } = await withEth0(t);
  const htb = { index, kind: "htb", handle: "1:", defaultClass: "1:20" } as const;
  ensureQdisc(socket, htb);
  throwsCode(t, () => ensureClass(socket, { index, parent: "9:", handle: "9:1", rate: 1e6 }), "not-found");
  ensureClass(socket, { index, parent: "1:", handle: "1:1", rate: 1e9 });
  ensureClass(socket, { index, parent: "1:1", handle: "1:10", rate: 10e6, ceil: 50e6, priority: 2 });
  ensureClass(socket, { index, parent: "1:1", handle: "1:10", rate: 20e6, ceil: 50e6, priority: 2, burst: 15_000 });
  // As it is: nothing is lost.
  ensureQdisc(socket, htb);
  t.same(
    listClasses(socket, index).map(({ handle, parent, rate, ceil }) => ({ handle, parent, rate, ceil })),
    [
      { handle: "1:10", parent: "1:1", rate: 20e6, ceil: 50e6 },
      { handle: "1:1", parent: "root", rate: 1e9, ceil: 1e9 },
    ],
  );
  const shown = runIn(path, "tc", "class", "show", "dev", "eth0");
  t.match(shown, /htb 1:10 parent 1:1 prio 2 rate 20Mbit ceil 50Mbit burst 15000b/);
  throwsCode(t, () => deleteClass(socket, index, "1:1"), "busy", /in use/);
  t.equal(deleteClass(socket, index, "1:10"), true);
  t.equal(deleteClass(socket, index, "1:10"), false);
  ensureQdisc(socket, { ...htb, defaultClass: "1:30" });
  t.same(listClasses(socket, index), []);
  t.equal(listQdiscs(socket, index)[0]?.defaultClass, "1:30");
  t.same(listClasses(socket, 4711), []);
});

t.test("filters classify packets or redirect them to another interface", { skip }, async (t) => {
  const { path, socket, index } = await withEth0(t);
  const ifb = createLink(socket, { name: "ifb7", kind: "ifb", up: true });
  ensureQdisc(socket, { index, kind: "htb", handle: "1:" });
  ensureClass(socket, { index, parent: "1:", handle: "1:10", rate: 10e6 });
  const rest = { index, parent: "1:", class: "1:10" };
  addFilter(socket, { ...rest, priority: 10, family: 4, source: "10.16.0.5/32", destination: "10.0.0.0/9" });
  addFilter(socket, { ...rest, priority: 11, family: 6, destination: "fd00:1::/72" });
  throwsCode(t, () => addFilter(socket, { ...rest, priority: 11, family: 4 }), "invalid", /Protocol mismatch/);
  ensureQdisc(socket, { index, kind: "ingress" });
  ensureQdisc(socket, { index, kind: "ingress" });
  addFilter(socket, { index, parent: "ffff:", priority: 1, redirect: ifb.index });
  t.match(listFilters(socket, index, "1:"), [
    { priority: 10, kind: "u32", class: "1:10" },
    { priority: 11, kind: "u32", class: "1:10" },
  ]);
  const shown = runIn(path, "tc", "filter", "show", "dev", "eth0");
  t.match(shown, /match 0a100005\/ffffffff at 12\s+match 0a000000\/ff800000 at 16/);
  t.match(shown, /match fd000001\/ffffffff at 24\s+match 00000000\/ffffffff at 28\s+match 00000000\/ff000000 at 32/);
  const ingress = runIn(path, "tc", "filter", "show", "dev", "eth0", "parent", "ffff:");
  t.match(ingress, /mirred \(Egress Redirect to device ifb7\) stolen/);
  t.equal(deleteFilters(socket, { index, parent: "1:", priority: 10 }), true);
  t.equal(deleteFilters(socket, { index, parent: "1:", priority: 10 }), false);
  t.equal(listFilters(socket, index, "1:").length, 1);
  t.equal(deleteQdisc(socket, index, "ingress"), true);
  t.equal(deleteQdisc(socket, index, "ingress"), false);
  t.same(listFilters(socket, 4711, "1:"), []);
});

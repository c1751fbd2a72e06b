// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { openOvsdb } from "./open.ts";
import { parseRemote } from "./parse-remote.ts";

t.test("connection methods are parsed as in ovsdb(7)", async (t) => {
  t.same(parseRemote("unix:/run/ovn/ovnnb_db.sock"), { kind: "unix", path: "/run/ovn/ovnnb_db.sock" });
  t.same(parseRemote("tcp:10.0.0.1:6641"), { kind: "tcp", host: "10.0.0.1", port: 6641 });
  t.same(parseRemote("tcp:[fd00::1]:6641"), { kind: "tcp", host: "fd00::1", port: 6641 });
  t.same(parseRemote("ssl:ovn-nb.kube-system.svc:6641"), { kind: "ssl", host: "ovn-nb.kube-system.svc", port: 6641 });
  t.same(parseRemote("tcp:10.0.0.1"), { kind: "tcp", host: "10.0.0.1", port: 6640 });
});

t.test("other texts are not connection methods", async (t) => {
  for (const text of [
    "",
    "unix:",
    "tcp:",
    "tcp::6641",
    "ptcp:6641",
    "tcp:a:0",
    "tcp:a:70000",
    "tcp:fd00::1:6641",
    "http://a",
  ]) {
    t.equal(parseRemote(text), undefined, text);
  }
  t.throws(() => openOvsdb({ remotes: ["nonsense"], database: "Test" }), TypeError);
  t.throws(() => openOvsdb({ remotes: [], database: "Test" }), TypeError);
});

// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { conflist, removeOwn, writeAtomically } from "./conflist.ts";

t.test("the conflist chains portmap and lists the versions that it supports", async (t) => {
  const versions = (portmap?: readonly string[]) => {
    const { cniVersion, cniVersions } = JSON.parse(conflist("/run/x.sock", portmap));
    return [cniVersion, ...(cniVersions ?? [])];
  };
  const old = ["0.3.0", "0.3.1", "0.4.0"];
  t.same(versions(["0.1.0", ...old, "1.0.0", "1.1.0"]), ["1.0.0", ...old, "1.0.0", "1.1.0"]);
  t.same(versions(["0.1.0", ...old, "1.0.0"]), ["1.0.0", ...old, "1.0.0"]);
  t.same(versions(["0.1.0", "0.2.0", ...old]), ["0.4.0", ...old]);
  t.same(versions(["9.0.0"]), ["1.0.0"], "the runtime then reports the error");
  t.same(
    versions(),
    ["1.0.0", ...old, "1.0.0"],
    "a plugin that does not answer is assumed to support the usual versions",
  );
  t.match(JSON.parse(conflist("/run/x.sock")), {
    plugins: [
      { type: "kube-ovn", server_socket: "/run/x.sock" },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
});

t.test("a file is written atomically and leaves no temporary file", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-conf-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  await writeAtomically(folder, "01-kube-ovn.conflist", "old\n");
  await writeAtomically(folder, "01-kube-ovn.conflist", "new\n");
  t.equal(readFileSync(join(folder, "01-kube-ovn.conflist"), "utf8"), "new\n");
  t.same(readdirSync(folder), ["01-kube-ovn.conflist"]);
  await t.rejects(writeAtomically(join(folder, "absent"), "x", "y"), { code: "ENOENT" });
});

t.test("only Weft's file is removed", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-conf-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const name = "01-kube-ovn.conflist";
  const others = ["", "{", "[]", "{}", '{"plugins":[]}', '{"plugins":[{"type":"multus"},{"type":"kube-ovn"}]}'];
  for (const text of others) {
    await writeAtomically(folder, name, text);
    t.notOk(await removeOwn(folder, name), text);
  }
  t.same(readdirSync(folder), [name]);
  await writeAtomically(folder, name, conflist("/run/x.sock"));
  t.ok(await removeOwn(folder, name));
  t.same(readdirSync(folder), []);
  t.notOk(await removeOwn(folder, name), "there is none");
});

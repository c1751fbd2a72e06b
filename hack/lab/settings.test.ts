// SPDX-License-Identifier: Apache-2.0

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "tap";
import { labPaths } from "./paths.ts";
import { decideSettings, readLabSettings } from "./settings.ts";

await test("the settings of a lab", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "weft-settings-"));
  t.teardown(() => rm(root, { recursive: true }));
  const paths = labPaths(root);

  t.equal(readLabSettings(paths), undefined, "there are none before the first up");
  const first = await decideSettings(paths, { cni: "bridge" });
  t.match(first, { nodes: 2, cni: "bridge", ipFamily: "ipv4", kubeProxy: true });
  t.same(readLabSettings(paths), first, "they are kept");
  t.same(await decideSettings(paths, {}), first, "what is not said stays");
  t.match(await decideSettings(paths, { nodes: 3 }), { nodes: 3, hostBlock: first.hostBlock }, "a lab grows");
  for (const choice of [
    { nodes: 2 },
    { cni: "none" },
    { ipFamily: "dual" },
    { kubeProxy: false },
    { nodes: 0 },
    { nodes: 1.5 },
    { nodes: 3, centrals: 5 as 3 },
  ] as const) {
    await t.rejects(decideSettings(paths, choice), { code: "other-settings" }, `refuses ${JSON.stringify(choice)}`);
  }
});

await test("the Debian suite of a lab", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "weft-settings-"));
  const given = process.env["WEFT_DEBIAN_SUITE"];
  t.teardown(async () => {
    delete process.env["WEFT_DEBIAN_SUITE"];
    if (given !== undefined) process.env["WEFT_DEBIAN_SUITE"] = given;
    await rm(root, { recursive: true });
  });
  const paths = labPaths(root);
  delete process.env["WEFT_DEBIAN_SUITE"];
  t.equal((await decideSettings(paths, {})).suite, undefined, "is the default one unless another is requested");
  process.env["WEFT_DEBIAN_SUITE"] = "sid";
  t.equal((await decideSettings(paths, {})).suite, "sid");
  delete process.env["WEFT_DEBIAN_SUITE"];
  t.equal((await decideSettings(paths, {})).suite, "sid", "stays");
  t.equal(readLabSettings(paths)?.suite, "sid", "is kept");
  process.env["WEFT_DEBIAN_SUITE"] = "trixie";
  t.equal((await decideSettings(paths, {})).suite, "trixie", "changes when another is requested");
});

await test("labs of two folders have different names for all that the host shows", async (t) => {
  const roots = await Promise.all([1, 2].map(() => mkdtemp(join(tmpdir(), "weft-settings-"))));
  t.teardown(() => Promise.all(roots.map((root) => rm(root, { recursive: true }))));
  const [one, two] = roots.map((root) => labPaths(root));
  t.not(one?.id, two?.id);
  t.not(one?.cgroup, two?.cgroup);
  t.not(one?.hostLink, two?.hostLink);
  t.ok((one?.hostLink ?? "").length <= 15);
});

await test("a path that an overlay cannot name is refused with advice", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "weft,settings-"));
  t.teardown(() => rm(root, { recursive: true }));
  t.throws(() => labPaths(root), { code: "unsupported-path" });
});

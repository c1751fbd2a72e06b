// SPDX-License-Identifier: Apache-2.0

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { pluginVersions } from "./plugin-versions.ts";

t.test("a plugin reports the versions that it supports", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "weft-bin-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const plugin = (name: string, script: string): string => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return join(folder, name);
  };
  const answer = `cat >/dev/null; test "$CNI_COMMAND" = VERSION && echo '{"supportedVersions":["0.4.0","1.0.0"]}'`;
  t.same(await pluginVersions(plugin("good", answer)), ["0.4.0", "1.0.0"]);
  t.equal(await pluginVersions(plugin("silent", "exit 0")), undefined);
  t.equal(await pluginVersions(plugin("broken", "exit 1")), undefined);
  t.equal(await pluginVersions(plugin("odd", "echo null")), undefined);
  t.equal(await pluginVersions(join(folder, "absent")), undefined);
});

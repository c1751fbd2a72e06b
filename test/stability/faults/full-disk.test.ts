// SPDX-License-Identifier: Apache-2.0

import { spawnSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { BEGIN_FULL_DISK, END_FULL_DISK } from "./full-disk.ts";

const skip = process.getuid?.() !== 0 && "needs root: it mounts file systems";

/** Where the test's folder is visible while a separate /tmp hides a checkout in /tmp. */
const HERE = "/mnt";

/** Runs a script in a separate mount namespace, in which `begin` and `end` apply the fault to folder `disk`, and `cp` fails halfway while `CP_FAILS` is set. */
function inMounts(t: Test, script: string): string {
  const folder = t.testdir({
    cp: '#!/bin/sh\n[ -z "$CP_FAILS" ] || { printf hal >"$3/db"; exit 1; }\nexec /bin/cp "$@"\n',
    disk: { db: "whole" },
  });
  chmodSync(join(folder, "cp"), 0o755);
  const result = spawnSync(
    "unshare",
    ["--mount", "sh", "-c", `mount --bind "$PWD" ${HERE} && mount -t tmpfs tmpfs /tmp\n${script}`],
    {
      cwd: folder,
      encoding: "utf8",
      env: {
        PATH: `${HERE}:${process.env["PATH"]}`,
        BEGIN: BEGIN_FULL_DISK,
        END: END_FULL_DISK,
        D: join(HERE, "disk"),
      },
    },
  );
  t.comment(result.stderr);
  return result.stdout;
}
const begin = 'sh -c "$BEGIN" sh "$D" 2>&1';
const end = 'sh -c "$END" sh "$D" 2>&1';
const look = 'cat "$D/db"; echo; ls "$D"; mountpoint -q /tmp/weft-stability-below || echo clean';

t.test("files written to the small disk are kept, and the disk is full meanwhile", { skip }, async (t) => {
  const full = 'head -c 2000000 /dev/zero 2>/dev/null >"$D/more" || echo full; rm "$D/more"; printf changed >"$D/db"';
  t.equal(
    inMounts(t, `${begin}; ${full}; ${begin}; ${end}; ${end}; ${look}`),
    "changed\nfull\na small disk is over a folder already\nchanged\nchanged\ndb\nclean\n",
  );
});

t.test("an incomplete copy changes nothing in the folder below", { skip }, async (t) => {
  t.equal(inMounts(t, `CP_FAILS=1 ${begin}; ${end}; ${look}`), "changed\nwhole\ndb\nclean\n");
});

t.test("an interrupted removal continues where it stopped", { skip }, async (t) => {
  const mounted = 'mkdir -p /tmp/weft-stability-below; mount --bind "$D" /tmp/weft-stability-below';
  t.equal(inMounts(t, `${mounted}; ${end}; ${look}`), "changed\nwhole\ndb\nclean\n", "before the small disk");
  t.equal(
    inMounts(t, `${begin}; printf new >"$D/db"; CP_FAILS=1 ${end}; ${end}; ${look}`),
    "changed\nchanged\nnew\ndb\nclean\n",
    "while it was copied back",
  );
});

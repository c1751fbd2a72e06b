// SPDX-License-Identifier: Apache-2.0

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { ensureInotifyInstances } from "./inotify.ts";

t.test(
  "the limit of inotify instances is raised where it is low, with a note, and left where it is higher",
  async (t) => {
    const path = join(t.testdir(), "max_user_instances");
    const notes: string[] = [];
    const ensured = async (limit: string): Promise<string> => {
      await writeFile(path, limit);
      await ensureInotifyInstances({ note: (line) => notes.push(line) }, path);
      return readFile(path, "utf8");
    };
    t.equal(await ensured("128\n"), "512\n");
    t.match(notes, [/raised from 128 to 512/]);
    t.equal(await ensured("8192\n"), "8192\n");
    t.equal(notes.length, 1);
  },
);

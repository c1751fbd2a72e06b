// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import process from "node:process";
import t from "tap";
import { cleanMappings, releaseStartupPages } from "./startup-pages.ts";

const mapping = (header: string, anonymous: number): string =>
  `${header}\nSize:               3400 kB\nRss:                 912 kB\nAnonymous:         ${anonymous} kB\nVmFlags: rd mr mw me\n`;

/** Resident bytes of the clean mappings of the node program. */
function resident(): number {
  let kilobytes = 0;
  let inside = false;
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) inside = / r-.p /.test(line) && line.endsWith(process.execPath);
    const [, rss] = /^Rss:\s+(\d+) kB$/.exec(line) ?? [];
    if (inside && rss !== undefined) kilobytes += Number(rss);
  }
  return kilobytes * 1024;
}

t.test("only read-only mappings of the file that nothing has been written to are clean", async (t) => {
  const smaps = [
    mapping("00400000-00752000 r--p 00000000 fe:00 7    /usr/local/bin/node", 0),
    mapping("00752000-03201000 r-xp 00352000 fe:00 7    /usr/local/bin/node", 0),
    mapping("06b52000-06b56000 r--p 06751000 fe:00 7    /usr/local/bin/node", 16),
    mapping("06b56000-06b7d000 rw-p 06755000 fe:00 7    /usr/local/bin/node", 0),
    mapping("7f0000000000-7f0000001000 r--p 00000000 fe:00 8    /usr/lib/libc.so.6", 0),
    mapping("7f0000002000-7f0000003000 r--p 00000000 00:00 0 ", 0),
  ];
  t.strictSame(cleanMappings(smaps.join(""), "/usr/local/bin/node"), [
    { address: 0x400000, length: 0x352000 },
    { address: 0x752000, length: 0x2aaf000 },
  ]);
  t.strictSame(cleanMappings("", "/usr/local/bin/node"), []);
});

t.test(
  "the process continues with fewer resident pages of its program",
  { skip: process.platform !== "linux" && "needs Linux" },
  async (t) => {
    const before = resident();
    t.ok(releaseStartupPages() >= before);
    const after = resident();
    t.ok(after < before, `${after} of ${before} bytes`);
    t.equal(JSON.parse('{"still":"works"}').still, "works");
  },
);

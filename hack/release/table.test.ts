// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { artefactTable, checksums, size } from "./table.ts";

const A = { name: "weft-a.tar", size: 1536, sha256: "a".repeat(64) };
const B = { name: "weft-B.json", size: 12, sha256: "b".repeat(64) };
const C = { name: "weft-c.tar", missing: "there is no emulator" };

t.test("the checksums are what sha256sum reads, sorted by name, without what was not built", (t) => {
  t.equal(checksums([A, B, C]), `${B.sha256}  weft-B.json\n${A.sha256}  weft-a.tar\n`);
  t.end();
});

t.test("the table shows each artefact with its size, or why it is not there", (t) => {
  t.equal(
    artefactTable([A, B, C]),
    `artefact           size  SHA-256
weft-a.tar      1.5 KiB  aaaaaaaaaaaa
weft-B.json        12 B  bbbbbbbbbbbb
weft-c.tar            -  not built: there is no emulator
`,
  );
  t.end();
});

t.test("sizes are in powers of 1024", (t) => {
  t.strictSame([0, 1023, 1024, 1 << 20, 5 * 2 ** 40].map(size), ["0 B", "1023 B", "1.0 KiB", "1.0 MiB", "5120.0 GiB"]);
  t.end();
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { generateNotice, noticeText } from "./notice.ts";

t.test("NOTICE lists the contents of the image", async (t) => {
  t.strictSame(await generateNotice({ check: true }), [], "stale: run `npm run generate -- notice`");
});

t.test("the licence of each npm package and of Node.js is in NOTICE, but the project's own only once", (t) => {
  const text = noticeText({
    suite: "trixie",
    node: "24.0.0",
    nodeLicence: "Node.js is licensed …  \r\n",
    bun: "1.0.0",
    debian: ["ovn-host"],
    npm: [
      { name: "a", version: "1.0.0", license: "MIT", text: "Copyright (c) A\r\n\r\nPermission …  \n" },
      { name: "b", version: "2.0.0", license: "Apache-2.0", text: "TERMS AND CONDITIONS FOR USE" },
      { name: "c", version: "3.0.0", license: "ISC" },
    ],
  });
  t.match(text, "\n  ovn-host\n");
  t.match(text, "---- a 1.0.0 (MIT)\n\nCopyright (c) A\n\nPermission …\n");
  t.match(text, "---- b 2.0.0 (Apache-2.0)\n\nSee LICENSE.\n");
  t.match(text, "---- c 3.0.0 (ISC)\n\nIts package contains no licence text.\n");
  t.notMatch(text, "TERMS AND CONDITIONS");
  t.ok(text.endsWith("\n5. Licence of Node.js 24.0.0\n\nNode.js is licensed …\n"), "Node.js' own text is at the end");
  t.end();
});

// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { showGoOutput } from "./go.ts";

t.test("a build with Go shows the module that is downloaded, then how many packages are compiled", async (t) => {
  const shown: string[] = [];
  const onLine = showGoOutput({ update: (text) => shown.push(text) });
  for (const line of ["go: downloading golang.org/x/tools v0.26.0", "internal/goarch", "k8s.io/api/core/v1"])
    onLine(line);
  t.strictSame(shown, [
    "downloading golang.org/x/tools v0.26.0",
    "compiled 1, internal/goarch",
    "compiled 2, k8s.io/api/core/v1",
  ]);
});

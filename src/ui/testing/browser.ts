// SPDX-License-Identifier: Apache-2.0

import { type Browser, chromium } from "playwright-core";

/** Debian's Chromium, which `hack/test-runner/machine.ts` installs. */
const CHROMIUM = "/usr/bin/chromium";

/** Starts Chromium without a window. As root it has no sandbox of its own; it loads nothing but the page under test. */
export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
  });
}

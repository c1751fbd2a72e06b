// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../../package.json" with { type: "json" };

/** The data that the build embeds in `weftctl` (`hack/build/cli.ts`). */
export interface Embedded {
  /** Of Weft: that of package.json. */
  readonly version: string;
  /** The commit that it was built from, `-dirty` with changes; "unknown" if not given. */
  readonly commit: string;
  /** The chart's files by path: `Chart.yaml`, `templates/…`. Absent if the program was built without the chart. */
  readonly chart?: Readonly<Record<string, string>>;
}

/** The checkout's chart, for a `weftctl` that runs from its sources. */
const CHECKOUT = join(import.meta.dirname, "../../..");

/** The embedded data; for a `weftctl` that runs from its sources or in Weft's image, the version and no chart. */
export function embedded(): Embedded {
  const given: unknown = Reflect.get(globalThis, Symbol.for("weft.embedded"));
  // The entry that sets it is generated from this type.
  if (typeof given === "object" && given !== null) return given as Embedded;
  return { version: manifest.version, commit: "unknown" };
}

/** The folder of the checkout's chart, where this program runs from its sources. */
export function checkoutChart(): string | undefined {
  const folder = join(CHECKOUT, "charts/weft");
  return existsSync(join(folder, "Chart.yaml")) ? folder : undefined;
}

// SPDX-License-Identifier: Apache-2.0

import { StabilityError } from "../errors.ts";
import { find, type Plugin } from "../plugin.ts";
import type { Target, TargetChoice } from "./target.ts";

/** A target plugin by its name, and its options. */
export interface NamedTarget {
  readonly name: string;
  readonly options: unknown;
}

/** Opens a target by its name. Rejects with StabilityError `unsupported` where there is none, or it cannot be used. */
export async function openTarget(
  targets: readonly Plugin<TargetChoice>[],
  { name, options }: NamedTarget,
): Promise<Target> {
  const found = find(targets, "target", name);
  const configured = found.ok ? found.value.configure(options) : found;
  if (!configured.ok)
    throw new StabilityError(
      "unsupported",
      configured.issues[0]?.message ?? `the options of target ${name} are not valid`,
    );
  return await configured.value.open();
}

// SPDX-License-Identifier: Apache-2.0

import type { Test } from "tap";
import { SECURITY_GROUPS } from "../../../src/kube/resources.ts";
import { Objects } from "./objects.ts";
import type { World } from "./world.ts";

/** Watches SecurityGroups; those of these names are deleted now, if a run was interrupted, and at the end of the test. */
export async function useSecurityGroups(t: Test, { kube }: World, names: readonly string[]): Promise<Objects> {
  const groups = new Objects(kube, SECURITY_GROUPS);
  await groups.ready();
  t.teardown(() => groups.stop());
  const remove = async (): Promise<void> => {
    for (const name of names) {
      if (groups.get(name) === undefined) continue;
      await kube.delete(SECURITY_GROUPS, { name });
      await groups.gone(name);
    }
  };
  await remove();
  t.teardown(remove);
  return groups;
}

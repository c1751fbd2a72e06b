// SPDX-License-Identifier: Apache-2.0

import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cgroupHierarchies } from "./cgroup.ts";

/**
 * Thaws the cgroup of a process, and those that it is in, where the freezer of cgroup version 1 has stopped them: it holds back even SIGKILL
 * (kernel documentation, cgroup-v1/freezer-subsystem.rst). A frozen process of version 2 can be killed as it is (cgroup-v2.rst,
 * `cgroup.freeze`). Does nothing where the process is gone.
 */
export function thaw(pid: number): void {
  const freezer = cgroupHierarchies().find(({ controllers }) => controllers.includes("freezer"));
  const cgroup = freezer === undefined ? undefined : freezerCgroup(pid);
  if (freezer === undefined || cgroup === undefined) return;
  // The root has no freezer.
  for (let at = cgroup; at !== "/"; at = dirname(at)) {
    try {
      const folder = join(freezer.path, at);
      // What a cgroup above has frozen is not `self_freezing`, and thaws with that one.
      if (readFileSync(join(folder, "freezer.self_freezing"), "latin1").trim() === "1")
        writeFileSync(join(folder, "freezer.state"), "THAWED");
    } catch (error) {
      // Removed meanwhile, or another cgroup namespace's.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

/** Lines are `ID:CONTROLLERS:PATH` (cgroups(7)). */
function freezerCgroup(pid: number): string | undefined {
  try {
    return /^\d+:(?:[^:\n]*,)?freezer(?:,[^:\n]*)?:(\/.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "latin1"))?.[1];
  } catch {
    return undefined;
  }
}

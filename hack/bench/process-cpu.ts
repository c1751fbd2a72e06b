// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";

/** CPU that a process has used so far, user and system, ms (in steps of 10: proc(5), fields 14 and 15 of stat). Throws where there is no such process. */
export function processCpuMs(pid: number | undefined): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";

/** A process of a pod, as {@link LIST} prints it. */
export const FOUND = z.array(
  z.object({ pid: z.int(), started: z.string(), uid: z.string(), args: z.array(z.string()).min(1) }),
);

/**
 * Reads when a process was started (proc_pid_stat(5), field 22), for Node: its number alone may have been reused.
 * Empty if it has ended.
 */
const STARTED = `const { readFileSync, readdirSync } = require("node:fs");
const started = (pid) => {
  try {
    const stat = readFileSync("/proc/" + pid + "/stat", "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : fields[19];
  } catch { return ""; }
};`;

/** A program for Node that prints the processes of the pods whose UIDs are its arguments. */
export const LIST = `${STARTED}
const found = readdirSync("/proc").flatMap((pid) => {
  if (!/^\\d+$/.test(pid)) return [];
  try {
    const cgroup = readFileSync("/proc/" + pid + "/cgroup", "latin1");
    const uid = process.argv.slice(1).find((one) => cgroup.includes("pod" + one) || cgroup.includes("pod" + one.replaceAll("-", "_")));
    const since = started(pid);
    if (uid === undefined || since === "") return [];
    return [{ pid: Number(pid), started: since, uid, args: readFileSync("/proc/" + pid + "/cmdline", "latin1").split("\\0") }];
  } catch { return []; }
});
console.log(JSON.stringify(found));`;

/** A program for Node that sends a signal (its third argument) to a process (its number and start), and prints whether that exists. After SIGKILL it waits until the process is gone. */
export const SIGNAL = `${STARTED}
const [pid, since, signal] = process.argv.slice(1);
const there = started(pid) === since;
if (there) process.kill(Number(pid), signal);
const wait = new Int32Array(new SharedArrayBuffer(4));
for (let left = 1000; signal === "SIGKILL" && left > 0 && started(pid) === since; left--) Atomics.wait(wait, 0, 0, 10);
console.log(there);`;

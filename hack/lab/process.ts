// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { thaw } from "./freezer.ts";
import { until } from "./wait.ts";

/** The environment variable that marks each process of a lab; its value is the lab's id. Child processes inherit it. */
export const LAB_MARK = "WEFT_LAB";

/** The same for one space of a lab; its value is the lab's id, a slash and the space's name. */
export const SPACE_MARK = "WEFT_LAB_SPACE";

/** How the processes of a lab, or of one of its spaces, are recognised. */
export interface ProcessMark {
  /** `NAME=VALUE` in their environment. */
  readonly mark: string;
  /** A cgroup that holds those with an environment of their own (containers), as a path in any hierarchy. */
  readonly cgroup: string;
}

/** Milliseconds for killed processes to be gone. */
const KILL_MS = 30_000;

/** One process in /proc: enough to recognise it when its number is reused. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks from boot to its start; with the pid it is unique. */
  readonly started: string;
}

/** "dead" is gone or a zombie. */
export type ProcessState = "running" | "paused" | "dead";

interface Stat extends ProcessId {
  readonly state: string;
  readonly parent: number;
  readonly threads: number;
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command, in parentheses, may hold anything: fields count from its last one (proc(5)).
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const [state = "", parent] = fields;
    return { pid, state, parent: Number(parent), threads: Number(fields[17]), started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

/** The identity of a living process, or undefined. */
export function identify(pid: number): ProcessId | undefined {
  const stat = readStat(pid);
  return stat === undefined || isDead(stat) ? undefined : { pid: stat.pid, started: stat.started };
}

/** The words of a process's command line; none where it has ended. */
export function commandLine(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
  } catch {
    return [];
  }
}

/** A zombie with threads is a process whose first thread has ended: until the last one ends, ports and files are held. */
function isDead(stat: Stat): boolean {
  return (stat.state === "Z" && stat.threads <= 1) || stat.state === "X";
}

/** The state of this process, not of another one with its number. */
export function stateOf(id: ProcessId): ProcessState {
  const stat = readStat(id.pid);
  if (stat === undefined || stat.started !== id.started || isDead(stat)) return "dead";
  return stat.state === "T" ? "paused" : "running";
}

/** Sends a signal to this process; false if it has ended. */
export function signal(id: ProcessId, name: NodeJS.Signals): boolean {
  if (stateOf(id) === "dead") return false;
  try {
    return process.kill(id.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function namespaceOf(pid: number, kind: "net" | "mnt"): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return undefined;
  }
}

function pids(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/**
 * All living processes of a lab or a space: those with its mark, those in its cgroups, and those in a network or
 * mount namespace of either (a shell that was opened there). Never this process or its ancestors.
 */
export function findProcesses({ mark, cgroup }: ProcessMark): readonly ProcessId[] {
  const ours = new Set<number>();
  for (let pid = process.pid; pid > 1; pid = readStat(pid)?.parent ?? 0) ours.add(pid);
  const host = new Set([process.pid, 1].flatMap((pid) => [namespaceOf(pid, "net"), namespaceOf(pid, "mnt")]));
  const inCgroup = new RegExp(`:/(.*/)?${cgroup}(/|$)`, "m");
  const all = pids()
    .filter((pid) => !ours.has(pid))
    .map((pid) => ({ pid, spaces: [namespaceOf(pid, "net"), namespaceOf(pid, "mnt")] }));
  const marked = all.filter(({ pid }) => isMarked(pid, mark, inCgroup));
  const spaces = new Set(
    marked.flatMap((entry) => entry.spaces).filter((space) => space !== undefined && !host.has(space)),
  );
  const found = all.filter((entry) => marked.includes(entry) || entry.spaces.some((space) => spaces.has(space)));
  return found.map(({ pid }) => identify(pid)).filter((id) => id !== undefined);
}

function isMarked(pid: number, mark: string, inCgroup: RegExp): boolean {
  try {
    if (readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark)) return true;
    return inCgroup.test(readFileSync(`/proc/${pid}/cgroup`, "latin1"));
  } catch {
    return false;
  }
}

/** Kills all that `findProcesses` finds and what they start meanwhile; returns when there is no more. */
export async function killAll(mark: ProcessMark): Promise<void> {
  await until("killed processes are gone", KILL_MS, () => {
    // Repeatedly: kubelet or a shim may have started another one since.
    const found = findProcesses(mark);
    for (const id of found) kill(id);
    return found.length === 0;
  });
}

/** The signal first: a thawed process must not continue. */
function kill(id: ProcessId): void {
  if (signal(id, "SIGKILL")) thaw(id.pid);
}

/** Kills one process and waits until it is gone. */
export async function killOne(id: ProcessId): Promise<void> {
  kill(id);
  await until(`process ${id.pid} is gone`, KILL_MS, () => stateOf(id) === "dead", 5);
}

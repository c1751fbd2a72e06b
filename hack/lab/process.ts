import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The environment variable that marks each process of a lab; its value is the lab's id. Inherited by all that it starts. */
export const LAB_MARK = "WEFT_LAB";

/** One process as /proc shows it: enough to know it again when its number is used anew. */
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
}

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command, in parentheses, may hold anything: fields count from its last one (proc(5)).
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { pid, state: fields[0] ?? "", parent: Number(fields[1]), started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

/** The identity of a living process, or undefined. */
export function identify(pid: number): ProcessId | undefined {
  const stat = readStat(pid);
  return stat === undefined || isDead(stat) ? undefined : { pid: stat.pid, started: stat.started };
}

function isDead(stat: Stat): boolean {
  return stat.state === "Z" || stat.state === "X";
}

/** How that very process is, not another with its number. */
export function stateOf(id: ProcessId): ProcessState {
  const stat = readStat(id.pid);
  if (stat === undefined || stat.started !== id.started || isDead(stat)) return "dead";
  return stat.state === "T" ? "paused" : "running";
}

/** Sends a signal to that very process; false where it is gone. */
export function signal(id: ProcessId, name: NodeJS.Signals): boolean {
  if (stateOf(id) === "dead") return false;
  try {
    return process.kill(id.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function namespaceOf(pid: number | "self", kind: "net" | "mnt"): string | undefined {
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
 * All living processes of a lab, however they came to be: those that carry its mark, those in one of its cgroups (containers,
 * whose environment is their own), and those in a network or mount namespace of either (a shell that someone opened there).
 * Never this process or one that it descends from.
 */
export function findLabProcesses(labId: string, cgroup: string): readonly ProcessId[] {
  const ours = new Set<number>();
  for (let pid = process.pid; pid > 1; pid = readStat(pid)?.parent ?? 0) ours.add(pid);
  const own = new Set([
    namespaceOf("self", "net"),
    namespaceOf("self", "mnt"),
    namespaceOf(1, "net"),
    namespaceOf(1, "mnt"),
  ]);
  const mark = `${LAB_MARK}=${labId}`;
  const inCgroup = new RegExp(`:/(.*/)?${cgroup}(/|$)`, "m");
  const all = pids()
    .filter((pid) => !ours.has(pid))
    .map((pid) => ({ pid, net: namespaceOf(pid, "net"), mnt: namespaceOf(pid, "mnt") }));
  const found = new Set<number>();
  const spaces = new Set<string>();
  for (const entry of all) {
    if (!isMarked(entry.pid, mark, inCgroup)) continue;
    found.add(entry.pid);
    for (const space of [entry.net, entry.mnt]) if (space !== undefined && !own.has(space)) spaces.add(space);
  }
  for (const { pid, net, mnt } of all) {
    if ((net !== undefined && spaces.has(net)) || (mnt !== undefined && spaces.has(mnt))) found.add(pid);
  }
  return [...found].map(identify).filter((id) => id !== undefined);
}

function isMarked(pid: number, mark: string, inCgroup: RegExp): boolean {
  try {
    if (readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(mark)) return true;
    return inCgroup.test(readFileSync(`/proc/${pid}/cgroup`, "latin1"));
  } catch {
    return false;
  }
}

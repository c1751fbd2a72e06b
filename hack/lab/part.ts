// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { LabError } from "./error.ts";
import { type LabPaths, type SpacePaths, spacePaths } from "./paths.ts";
import { identify, type ProcessId, type ProcessState, signal, stateOf } from "./process.ts";
import { inSpace, requireSpace, spaceEnvironment } from "./space.ts";
import { until } from "./wait.ts";

/** One process of the lab. */
export interface LabPart {
  /** Its name for users: `etcd`, `weft-1/kubelet`. */
  readonly id: string;
  /** Where it runs. */
  readonly space: string;
  /** The last word of its id; names its log. */
  readonly name: string;
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Writes its configuration, before each start. */
  readonly prepare?: () => Promise<void>;
  /** Whether it serves yet; a part without this function is ready when its process runs. */
  readonly ready?: () => Promise<boolean>;
}

/** Milliseconds a part may take from its start to its readiness, on a machine that is busy with other things. */
const READY_MS = 60_000;

/** A part of a space, by its name. */
export function partId(space: string, name: string): string {
  return space === "ctl" ? name : `${space}/${name}`;
}

/** The path of a part's log, emptied at each start; the log before is kept as `NAME.log.1`. */
export function logPath(at: SpacePaths, name: string): string {
  return join(at.logs, `${name}.log`);
}

function recordPath(at: SpacePaths, name: string): string {
  return join(at.parts, `${name}.json`);
}

/** The stored data of a part's last start. */
export interface PartRecord extends ProcessId {
  /** When it was started, in milliseconds of the epoch. */
  readonly at: number;
}

/** The process of a part as last started, dead or alive. */
export function findPart(paths: LabPaths, part: Pick<LabPart, "space" | "name">): PartRecord | undefined {
  try {
    return JSON.parse(readFileSync(recordPath(spacePaths(paths, part.space), part.name), "utf8")) as PartRecord;
  } catch {
    return undefined;
  }
}

/** The state of a part; "dead" also if it was never started. */
export function partState(paths: LabPaths, part: Pick<LabPart, "space" | "name">): ProcessState {
  const id = findPart(paths, part);
  return id === undefined ? "dead" : stateOf(id);
}

/** The action of `ensurePart`. */
export type PartRepair = "none" | "started" | "resumed";

/** Makes a part run: starts it if it is dead, resumes it if it is paused. Does not wait for its readiness. */
export async function ensurePart(paths: LabPaths, part: LabPart): Promise<PartRepair> {
  const old = findPart(paths, part);
  const state = old === undefined ? "dead" : stateOf(old);
  if (state === "running") return "none";
  if (state === "paused" && old !== undefined) {
    signal(old, "SIGCONT");
    return "resumed";
  }
  const space = requireSpace(paths, part.space);
  await mkdir(space.paths.logs, { recursive: true });
  await part.prepare?.();
  const log = openLog(logPath(space.paths, part.name));
  const [program = "", ...args] = inSpace(space, part.command);
  const env = { ...spaceEnvironment(paths, part.space), ...part.env };
  const child = spawn(program, args, { detached: true, stdio: ["ignore", log, log], cwd: "/", env });
  closeSync(log);
  child.on("error", () => undefined);
  child.unref();
  const id = child.pid === undefined ? undefined : identify(child.pid);
  if (id === undefined) throw new LabError("part-failed", `cannot start ${part.id}`);
  writeFileSync(recordPath(space.paths, part.name), JSON.stringify({ ...id, at: Date.now() } satisfies PartRecord));
  return "started";
}

function openLog(path: string): number {
  try {
    renameSync(path, `${path}.1`);
  } catch {
    // There was none.
  }
  return openSync(path, "a");
}

/** Waits until a part serves; rejects with LabError `part-failed` and the end of its log if it dies meanwhile. */
export async function partReady(paths: LabPaths, part: LabPart): Promise<void> {
  await until(`${part.id} is ready`, READY_MS, async () => {
    if (partState(paths, part) === "dead") {
      const log = logPath(spacePaths(paths, part.space), part.name);
      throw new LabError("part-failed", `${part.id} exited at startup; the end of ${log}:\n${tail(log)}`);
    }
    return part.ready === undefined || (await part.ready().catch(() => false));
  });
}

/** The last lines of a file. */
function tail(path: string, lines = 12): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
  } catch {
    return "";
  }
}

/** Whether something accepts connections on a unix socket. */
export function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

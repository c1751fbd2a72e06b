// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { MessageSplitter } from "../../ovsdb/framing.ts";
import type { JsonObject } from "../../ovsdb/json.ts";

/**
 * - `unreachable`: no ovs-vswitchd answers
 * - `refused`: it has answered with an error
 */
export type ControlErrorCode = "unreachable" | "refused";

/** Why a command of ovs-vswitchd failed. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;

  constructor(code: ControlErrorCode, command: string, detail: string, options?: ErrorOptions) {
    super(`ovs-vswitchd, ${command}: ${detail}`, options);
    this.name = "ControlError";
    this.code = code;
  }
}

/** Runs a command as ovs-appctl(8) does; the result is its text. Rejects with {@link ControlError}. */
export type Control = (command: string, ...args: readonly string[]) => Promise<string>;

const DEADLINE_MS = 30_000;
/** Answers of the commands that are used here have a line at most. */
const MAX_ANSWER = 64 * 1024;

/**
 * The commands of the ovs-vswitchd of this node: JSON-RPC over a unix socket (Open vSwitch, lib/unixctl.c), which ovs-appctl uses too, so no process is
 * started. `folder` has its pid file and its socket.
 */
export function vswitchdControl(folder: string, deadlineMs = DEADLINE_MS): Control {
  return async (command, ...args) => {
    try {
      const pid = (await readFile(join(folder, "ovs-vswitchd.pid"), "utf8")).trim();
      const { result, error } = await ask(join(folder, `ovs-vswitchd.${pid}.ctl`), command, args, deadlineMs);
      if (typeof error === "string") throw new ControlError("refused", command, error.trim());
      return typeof result === "string" ? result : "";
    } catch (cause) {
      if (cause instanceof ControlError) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new ControlError("unreachable", command, detail, { cause });
    }
  };
}

function ask(path: string, method: string, params: readonly string[], deadlineMs: number): Promise<JsonObject> {
  const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
  const socket = connect({ path, signal: AbortSignal.timeout(deadlineMs) });
  const splitter = new MessageSplitter(MAX_ANSWER);
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection was closed before the answer")));
  socket.on("data", (chunk) => {
    try {
      splitter.push(chunk, resolve);
    } catch (error) {
      reject(error);
    }
  });
  socket.write(JSON.stringify({ id: 0, method, params }));
  return promise.finally(() => socket.destroy());
}

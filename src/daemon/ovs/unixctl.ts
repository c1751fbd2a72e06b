// SPDX-License-Identifier: Apache-2.0

import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { MessageSplitter } from "../../ovsdb/framing.ts";
import type { JsonObject } from "../../ovsdb/json.ts";

/**
 * - `unreachable`: the daemon does not answer
 * - `refused`: it has answered with an error
 */
export type ControlErrorCode = "unreachable" | "refused";

/** Why a command to a daemon of Open vSwitch or OVN failed. */
export class ControlError extends Error {
  readonly code: ControlErrorCode;

  constructor(
    code: ControlErrorCode,
    command: string,
    detail: string,
    options?: ErrorOptions,
    daemon = "ovs-vswitchd",
  ) {
    super(`${daemon}, ${command}: ${detail}`, options);
    this.name = "ControlError";
    this.code = code;
  }
}

/** Runs a command as ovs-appctl(8) does; the result is its text. Rejects with {@link ControlError}. */
export type Control = (command: string, ...args: readonly string[]) => Promise<string>;

const DEADLINE_MS = 30_000;
/** The longest answer that is used here is a datapath's list of ports, 30 bytes for each. */
const MAX_ANSWER = 1024 * 1024;

/** Sends commands to the ovs-vswitchd of this node. `folder` has its pid file and its socket. */
export function vswitchdControl(folder: string, deadlineMs = DEADLINE_MS): Control {
  return daemonControl("ovs-vswitchd", () => socketByPid(folder, "ovs-vswitchd"), deadlineMs);
}

/**
 * The default socket of a daemon: `<daemon>.<pid>.ctl` in `folder`, which has its pid file. Rejects with the error of
 * open(2).
 */
export async function socketByPid(folder: string, daemon: string): Promise<string> {
  const pid = (await readFile(join(folder, `${daemon}.pid`), "utf8")).trim();
  return join(folder, `${daemon}.${pid}.ctl`);
}

/**
 * Sends commands to a daemon of Open vSwitch or OVN on this node: JSON-RPC over a unix socket (Open vSwitch,
 * lib/unixctl.c), as ovs-appctl does, but without starting a process. `daemon` is for messages.
 */
export function daemonControl(daemon: string, socket: () => Promise<string>, deadlineMs = DEADLINE_MS): Control {
  return async (command, ...args) => {
    try {
      const { result, error } = await ask(await socket(), command, args, deadlineMs);
      if (typeof error === "string") throw new ControlError("refused", command, error.trim(), undefined, daemon);
      return typeof result === "string" ? result : "";
    } catch (cause) {
      if (cause instanceof ControlError) throw cause;
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new ControlError("unreachable", command, detail, { cause }, daemon);
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

// SPDX-License-Identifier: Apache-2.0

import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { SpeakerError } from "./error.ts";

/** BIRD answers at once; this is for one that hangs, in ms. */
const DEADLINE_MS = 10_000;

/** The answer to a command. */
export interface BirdAnswer {
  /** The code of its last line (doc/reply_codes of BIRD): 8000 and above are errors. */
  readonly code: number;
  /** The lines without their codes. */
  readonly lines: readonly string[];
}

/**
 * Sends one command to BIRD by its control socket and returns the answer: lines of a code of four digits, `-` if another follows or a space, and a text; a line
 * that begins with a space has the code of the one before. Rejects with SpeakerError `unreachable`, or `refused` with BIRD's words.
 */
export async function birdCommand(path: string, command: string, ms = DEADLINE_MS): Promise<BirdAnswer> {
  const socket = connect(path);
  const late = setTimeout(() => socket.destroy(new Error(`no answer to "${command}" in ${ms / 1000} s`)), ms);
  try {
    return await readAnswer(socket, command);
  } catch (cause) {
    if (cause instanceof SpeakerError) throw cause;
    throw new SpeakerError("unreachable", `BIRD did not answer "${command}"`, { cause });
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

/** Sends the command after the greeting, and reads until the last line of the answer. */
async function readAnswer(socket: Socket, command: string): Promise<BirdAnswer> {
  const lines: string[] = [];
  let greeted = false;
  // Otherwise a failure to connect is an exception that nothing catches: readline has no error of its input.
  const failed = new Promise<never>((_, reject) => socket.once("error", reject));
  failed.catch(() => undefined);
  const read = async (): Promise<BirdAnswer> => {
    for await (const line of createInterface({ input: socket, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (!greeted) {
        greeted = true;
        socket.write(`${command}\n`);
        continue;
      }
      const [, digits, mark, text = ""] = /^(\d{4})([ -])(.*)$/.exec(line) ?? [];
      lines.push(digits === undefined ? line.slice(1) : text);
      if (mark !== " ") continue;
      const code = Number(digits);
      if (code >= 8000) throw new SpeakerError("refused", `BIRD refused "${command}": ${lines.join("; ")}`);
      return { code, lines };
    }
    throw new SpeakerError("unreachable", `BIRD closed its control socket before it answered "${command}"`);
  };
  const answer = read();
  answer.catch(() => undefined);
  return await Promise.race([answer, failed]);
}

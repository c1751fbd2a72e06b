// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Test } from "tap";
import type { UplinkKey } from "../uplink-names.ts";
import { movingNode, runDaemon } from "./moving-node.ts";

/** Moves of an interface into a bridge and back, by a daemon that is killed. */
export interface KilledMoves {
  /** The steps of a whole move, each way. */
  readonly into: readonly string[];
  readonly back: readonly string[];
  /** Runs a daemon that wants the interface in the bridge, or not, until it is done or before its step `killAt`. */
  run(isIn: boolean, killAt?: number): Promise<unknown>;
  /** Called when a daemon was killed. */
  killed?(where: string): void;
}

/** Kills a daemon before each step of each way, lets the next one go on or go back, and calls `check` then with where the interface must be. */
export async function forEachKill(
  { into, back, run, killed }: KilledMoves,
  check: (isIn: boolean, where: string) => unknown,
): Promise<void> {
  for (const [isIn, steps] of [
    [true, into],
    [false, back],
  ] as const) {
    for (const [i, step] of steps.entries()) {
      for (const isOn of [true, false]) {
        const where = `killed before "${step}" on the way ${isIn ? "in" : "back"}, then ${isOn ? "on" : "the other way"}`;
        await run(!isIn);
        await run(isIn, i);
        killed?.(where);
        await run(isIn === isOn);
        check(isIn === isOn, where);
      }
    }
  }
}

/** Kills a daemon before each step of a move in both directions; the next daemon completes the move or undoes it. */
export async function killBeforeEachStep(t: Test, key: UplinkKey): Promise<void> {
  const run = (isWanted: boolean, killAt?: number) => runDaemon(node, isWanted, killAt, key);
  const node = await movingNode(t);
  const before = node.look("eth1");
  const ping = spawn("nsenter", [`--net=${node.outside}`, "busybox", "ping", "-i", "0.01", "-q", "192.0.2.11"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  ping.stdout.on("data", (text: Buffer) => {
    said += text.toString();
  });
  const [into, back] = [await run(true), await run(false)];
  t.equal(node.look("eth1"), before);
  const killed = (where: string): unknown => t.ok(node.answers(), `answers ${where}`);
  await forEachKill({ into, back, run, killed }, (isIn, where) =>
    t.equal(node.look(isIn ? key.bridge : "eth1"), before, where),
  );
  ping.kill("SIGINT");
  await once(ping, "close");
  const [, sent = "0", received = "0"] = /(\d+) packets transmitted, (\d+) packets received/.exec(said) ?? [];
  t.comment(
    `${sent} echo requests, ${Number(sent) - Number(received)} lost in ${4 * (into.length + back.length)} moves`,
  );
  t.ok(Number(sent) > 100);
}

// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Test } from "tap";
import type { UplinkKey } from "../uplink-names.ts";
import { movingNode, runDaemon } from "./moving-node.ts";

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
  for (const [isIn, steps] of [
    [true, into],
    [false, back],
  ] as const) {
    for (const [i, step] of steps.entries()) {
      for (const isOn of [true, false]) {
        const where = `killed before "${step}" on the way ${isIn ? "in" : "back"}, then ${isOn ? "on" : "the other way"}`;
        await run(!isIn);
        await run(isIn, i);
        t.ok(node.answers(), `answers ${where}`);
        await run(isIn === isOn);
        t.equal(node.look(isIn === isOn ? key.bridge : "eth1"), before, where);
      }
    }
  }
  ping.kill("SIGINT");
  await once(ping, "close");
  const [, sent = "0", received = "0"] = /(\d+) packets transmitted, (\d+) packets received/.exec(said) ?? [];
  t.comment(
    `${sent} echo requests, ${Number(sent) - Number(received)} lost in ${4 * (into.length + back.length)} moves`,
  );
  t.ok(Number(sent) > 100);
}

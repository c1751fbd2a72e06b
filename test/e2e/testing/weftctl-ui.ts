// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Test } from "tap";
import type { World } from "./world.ts";

const MAIN = join(import.meta.dirname, "../../../src/cli/main.ts");

/** Runs `weftctl ui` until the end of the test. Resolves with the URL that it prints. */
export async function weftctlUi(t: Test, world: World, ...args: readonly string[]): Promise<URL> {
  const { kubeconfig } = world.lab.paths;
  const child = spawn(process.execPath, [MAIN, "--kubeconfig", kubeconfig, "ui", ...args], {
    // It needs no other program: no kubectl.
    env: { ...process.env, PATH: "/nonexistent" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(async () => {
    const ended = once(child, "exit");
    child.kill("SIGINT");
    await ended;
  });
  const first = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).once("line", first.resolve);
  child.once("exit", (code) => first.reject(new Error(`weftctl ui has ended with ${code}`)));
  return new URL(await first.promise);
}

// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "tap";
import { findCommand } from "../host/cache.ts";
import { cgroupHierarchies } from "./cgroup.ts";
import { findProcesses, identify, killAll, killOne, LAB_MARK, signal, stateOf } from "./process.ts";
import { until } from "./wait.ts";

/** A mark that no lab has, for this process's tests alone. */
const mark = { mark: `${LAB_MARK}=test-${process.pid}`, cgroup: `no-such-cgroup-${process.pid}` };
const env = { ...process.env, [LAB_MARK]: `test-${process.pid}` };

await test("processes of a lab", async (t) => {
  await t.test("a paused process is distinguished from a running and a dead one", async (t) => {
    const child = spawn("sleep", ["60"]);
    await once(child, "spawn");
    const id = identify(child.pid ?? 0)!;
    t.equal(stateOf(id), "running");
    signal(id, "SIGSTOP");
    await until("it is paused", 2_000, () => stateOf(id) === "paused");
    await killOne(id);
    t.equal(stateOf(id), "dead");
    t.equal(signal(id, "SIGCONT"), false);
  });

  const skip = findCommand("python3") === undefined && "needs python3";
  await t.test(
    "a process whose first thread has ended is not dead while others hold its files",
    { skip },
    async (t) => {
      // The kernel shows such a process as a zombie, and so one with many threads that has just been killed.
      const script =
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); ctypes.CDLL(None).pthread_exit(0)";
      const child = spawn("python3", ["-c", script], { stdio: "ignore" });
      await once(child, "spawn");
      const stat = (): string => readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1]?.[0] ?? "";
      await until("its first thread has ended", 5_000, () => stat() === "Z");
      const id = identify(child.pid ?? 0);
      t.ok(id, "it is found");
      t.equal(id && stateOf(id), "running");
      if (id !== undefined) await killOne(id);
      else child.kill("SIGKILL");
      t.equal(id && stateOf(id), "dead");
    },
  );

  await t.test("a process with the number of another is not taken for it", async (t) => {
    const own = identify(process.pid)!;
    t.equal(stateOf({ ...own, started: "1" }), "dead");
  });

  await t.test("all that carries the mark is found and killed, children too", async (t) => {
    const child = spawn("sh", ["-c", "sleep 60 & sleep 60 & wait"], { env });
    await until("three processes", 5_000, () => findProcesses(mark).length === 3);
    await killAll(mark);
    t.same(findProcesses(mark), []);
    t.not(child.exitCode ?? child.signalCode, undefined);
  });

  for (const version of [1, 2] as const) {
    const mount = freezer(version);
    const skip =
      (process.getuid?.() !== 0 && "needs root: it makes a cgroup") ||
      (mount === undefined && `this machine has no freezer of cgroup version ${version}`);
    await t.test(`a process in a frozen cgroup of version ${version} is killed all the same`, { skip }, async (t) => {
      const outer = join(mount ?? "", `weft-test-${process.pid}`);
      const inner = join(outer, "inner");
      mkdirSync(inner, { recursive: true });
      const child = spawn("sleep", ["60"], { env });
      const ended = once(child, "exit");
      await once(child, "spawn");
      writeFileSync(join(inner, "cgroup.procs"), `${child.pid}`);
      // As a runtime freezes a pod: the process is frozen by a cgroup above its own.
      const [file, frozen, state] =
        version === 1 ? ["freezer.state", "FROZEN", "freezer.state"] : ["cgroup.freeze", "1", "cgroup.events"];
      t.teardown(async () => {
        writeFileSync(join(outer, file), version === 1 ? "THAWED" : "0");
        child.kill("SIGKILL");
        await ended;
        for (const folder of [inner, outer]) rmdirSync(folder);
      });
      writeFileSync(join(outer, file), frozen);
      const pattern = version === 1 ? /^FROZEN/ : /^frozen 1$/m;
      await until("it is frozen", 5_000, () => pattern.test(readFileSync(join(inner, state), "latin1")));
      await killAll(mark);
      await ended;
      t.equal(child.signalCode, "SIGKILL");
    });
  }
});

/** Where the freezer of a cgroup version is mounted. */
function freezer(version: 1 | 2): string | undefined {
  return cgroupHierarchies().find(
    (one) => one.version === version && (version === 2 || one.controllers.includes("freezer")),
  )?.path;
}

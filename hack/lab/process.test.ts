import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "tap";
import { findProcesses, identify, killAll, killOne, LAB_MARK, signal, stateOf } from "./process.ts";
import { until } from "./wait.ts";

/** A mark that no lab has, for this process's tests alone. */
const mark = { mark: `${LAB_MARK}=test-${process.pid}`, cgroup: `no-such-cgroup-${process.pid}` };
const env = { ...process.env, [LAB_MARK]: `test-${process.pid}` };

await test("processes of a lab", async (t) => {
  await t.test("a paused process is told from a running and a dead one", async (t) => {
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
});

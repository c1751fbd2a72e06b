// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "tap";
import { labCgroups } from "../../../hack/lab/cgroup.ts";
import { openLab } from "../../../hack/lab/lab.ts";
import { CHECKOUT, type LabPaths } from "../../../hack/lab/paths.ts";
import { findProcesses, identify, LAB_MARK } from "../../../hack/lab/process.ts";
import { EXTERNAL } from "../../../hack/lab/topology.ts";
import { until } from "../../../hack/lab/wait.ts";

/** The objects of a lab on the machine, as text; empty after `down`. */
function leftovers(paths: LabPaths): readonly string[] {
  const processes = findProcesses({ mark: `${LAB_MARK}=${paths.id}`, cgroup: paths.cgroup });
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(paths.state));
  const files = existsSync(paths.state) ? readdirSync(paths.state).filter((name) => name !== "lock") : [];
  return [
    ...processes.map(({ pid }) => `process ${pid}`),
    ...labCgroups(paths),
    ...mounts,
    ...Object.keys(networkInterfaces()).filter((name) => name === paths.hostLink),
    ...files,
  ];
}

await test("a second lab on the same machine", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "weft-lab-"));
  const lab = openLab(undefined, root);
  const { paths } = lab;
  t.teardown(async () => {
    await lab.down();
    await rm(root, { recursive: true });
  });
  const others = async (): Promise<unknown> => (await openLab().status()).parts.map(({ id, pid }) => [id, pid]);
  const before = await others();
  const pids = async (): Promise<unknown> => (await lab.status()).parts.map(({ id, pid }) => [id, pid]);

  await t.test("down removes a lab whose up was killed halfway", async (t) => {
    const env = { ...process.env, WEFT_LAB_ROOT: root };
    const child = spawn(process.execPath, [join(CHECKOUT, "hack/lab/main.ts"), "up", "--cni=bridge", "--nodes=1"], {
      env,
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    await until("etcd was started", 60_000, () => existsSync(join(paths.state, "spaces/ctl/parts/etcd.json")));
    child.kill("SIGKILL");
    await ended;
    t.not(leftovers(paths).length, 0, "there is something to remove");
    await lab.down();
    t.same(leftovers(paths), []);
  });

  await t.test("runs pods on its own network when Weft is not installed", async (t) => {
    await lab.up({ cni: "bridge", nodes: 1 });
    await lab.kubectl([
      "run",
      "pod",
      "--image=weft.local/busybox:1",
      "--image-pull-policy=Never",
      "--",
      "sleep",
      "1000",
    ]);
    await lab.kubectl(["wait", "--for=condition=Ready", "pod/pod", "--timeout=60s"]);
    const { stdout } = await lab.kubectl(["exec", "pod", "--", "wget", "-qO-", `http://${EXTERNAL.v4}/`]);
    t.equal(stdout.trim(), "172.18.0.11", "masqueraded by its node");
    const dns = await lab.kubectl(["exec", "pod", "--", "nslookup", "kubernetes.default.svc.cluster.local"]);
    t.match(dns.stdout, "10.96.0.1");
  });

  await t.test("a second up changes nothing", async (t) => {
    const first = await pids();
    await lab.up();
    t.same(await pids(), first);
  });

  await t.test("up repairs dead and frozen processes and a lost link", async (t) => {
    await lab.kill("scheduler");
    await lab.kill("weft-1/containerd");
    lab.pause("weft-1/kubelet");
    await lab.node("weft-1").exec(["ip", "link", "delete", "eth1"]);
    const { whole, parts } = await lab.status();
    t.equal(whole, false);
    t.match(
      parts.find((part) => part.id === "weft-1/kubelet"),
      { state: "paused" },
    );
    t.match(
      parts.find((part) => part.id === "scheduler"),
      { state: "dead" },
    );
    await lab.up();
    t.equal((await lab.status()).whole, true);
    await lab.node("weft-1").exec(["ip", "link", "show", "eth1"]);
  });

  await t.test("up repairs a node after a power cut", async (t) => {
    const old = identify(lab.node("weft-1").pid);
    await lab.kill("weft-1");
    t.throws(() => lab.node("weft-1").pid, { code: "not-up" });
    await lab.up();
    t.equal((await lab.status()).whole, true);
    t.not(lab.node("weft-1").pid, old?.pid);
  });

  await t.test("refuses options that contradict the running lab", async (t) => {
    await t.rejects(lab.up({ cni: "none" }), { code: "other-settings" });
    await t.rejects(lab.kill("weft-9/kubelet"), { code: "unknown-part" });
  });

  await t.test("down removes the lab and does not change the other one", async (t) => {
    await lab.down();
    t.same(leftovers(paths), []);
    t.same(await others(), before);
  });
});

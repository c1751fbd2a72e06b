// SPDX-License-Identifier: Apache-2.0

import { chmod, cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import { architecture } from "../../../hack/host/cache.ts";
import { ensurePackages } from "../../../hack/host/packages.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import type { World } from "./world.ts";

const TRIPLET = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" } as const;
const MOUNT = "/run/weft-test-clock";
/** How long a process uses the offset that it has read, in seconds: libfaketime reads the file again then. */
const CACHED_S = 1;

/** Workloads of Weft, with the container whose clock is set. */
const WORKLOADS = {
  controller: { workload: "deployment/kube-ovn-controller", container: "kube-ovn-controller" },
  daemon: { workload: "daemonset/kube-ovn-cni", container: "cni-server" },
} as const;

/** The wall clock of Weft's processes. */
export interface SettableClock {
  /** Sets it this many seconds forwards, or backwards if negative, from the right time. Resolves when they use it. */
  set(seconds: number): Promise<void>;
}

/**
 * Restarts the controller and the daemons with libfaketime (Debian's of this machine), by which their wall clock can be set while they run; the monotonic
 * clock stays right, as when an administrator sets the time. The kernel has no time namespace for the wall clock (time_namespaces(7)). At the end
 * of the test they run as before.
 */
export async function settableClock(t: Test, world: World): Promise<SettableClock> {
  await ensurePackages([{ what: "faketime", package: "faketime" }], createProgress());
  const folder = await mkdtemp(join(tmpdir(), "weft-clock-"));
  await chmod(folder, 0o755);
  await cp(`/usr/lib/${TRIPLET[architecture()]}/faketime/libfaketime.so.1`, join(folder, "libfaketime.so.1"));
  const set = (seconds: number): Promise<void> =>
    writeFile(join(folder, "offset"), `${seconds < 0 ? "" : "+"}${seconds}\n`);
  await set(0);
  const kubectl = (...args: readonly string[]): Promise<unknown> =>
    world.lab.kubectl(["-n", "kube-system", ...args], { timeoutMs: 180_000 });
  const started = (): Promise<unknown> =>
    Promise.all(
      Object.values(WORKLOADS).map(({ workload }) => kubectl("rollout", "status", workload, "--timeout=170s")),
    );
  t.teardown(async () => {
    for (const { workload } of Object.values(WORKLOADS)) await kubectl("rollout", "undo", workload);
    await started();
    await rm(folder, { recursive: true });
  });
  const env = Object.entries({
    LD_PRELOAD: `${MOUNT}/libfaketime.so.1`,
    FAKETIME_TIMESTAMP_FILE: `${MOUNT}/offset`,
    FAKETIME_CACHE_DURATION: String(CACHED_S),
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
  }).map(([name, value]) => ({ name, value }));
  for (const { workload, container } of Object.values(WORKLOADS)) {
    const spec = {
      containers: [{ name: container, env, volumeMounts: [{ name: "test-clock", mountPath: MOUNT, readOnly: true }] }],
      volumes: [{ name: "test-clock", hostPath: { path: folder, type: "Directory" } }],
    };
    await kubectl("patch", workload, "--type=strategic", "-p", JSON.stringify({ spec: { template: { spec } } }));
  }
  await started();
  return {
    async set(seconds) {
      await set(seconds);
      // No event tells that the file has been read.
      await new Promise((resolve) => setTimeout(resolve, (CACHED_S + 1) * 1_000));
    },
  };
}

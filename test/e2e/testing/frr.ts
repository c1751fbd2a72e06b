// SPDX-License-Identifier: Apache-2.0

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ensurePackages } from "../../../hack/host/packages.ts";
import { createProgress } from "../../../hack/host/progress.ts";
import { run } from "../../../hack/host/run.ts";
import { until } from "../../../hack/lab/wait.ts";
import { inNetns } from "../../../hack/traffic/probe.ts";

const PROGRAMS = "/usr/lib/frr";

/** A change of a route in the kernel's main table, as `ip monitor` shows it, with the time at which it was seen (`performance.now()`). */
export interface RouteChange {
  readonly at: number;
  /** `10.16.0.5 nhid 12 via 172.18.0.12 dev eth0 proto bgp …`, `Deleted …` before it where the route has gone. */
  readonly text: string;
}

/** FRR in a network namespace: a router whose BGP routes are the kernel's. */
export interface Router {
  /** Runs commands of vtysh, those of one call in one mode. */
  vtysh(...commands: readonly string[]): Promise<string>;
  /** All changes of routes so far. */
  readonly changes: readonly RouteChange[];
  stop(): Promise<void>;
}

/** Starts zebra, bfdd and bgpd of FRR (Debian's of this machine) in a network namespace, with a configuration of bgpd. */
export async function startRouter(netns: string, bgpd: string): Promise<Router> {
  await ensurePackages([{ what: `${PROGRAMS}/bgpd`, package: "frr" }], createProgress());
  const folder = await mkdtemp(join(tmpdir(), "weft-frr-"));
  await run("chown", ["frr:frr", folder]);
  await writeFile(join(folder, "bgpd.conf"), bgpd);
  const inside = inNetns(netns);
  const children: ChildProcess[] = [];
  const start = (command: readonly string[]): ChildProcess => {
    const child = spawn("nsenter", [`--net=${netns}`, ...command], { stdio: ["ignore", "pipe", "ignore"] });
    children.push(child);
    return child;
  };
  const changes: RouteChange[] = [];
  const monitor = start(["ip", "monitor", "route"]);
  if (monitor.stdout !== null)
    createInterface({ input: monitor.stdout }).on("line", (text) => changes.push({ at: performance.now(), text }));
  const vtysh = async (...commands: readonly string[]): Promise<string> => {
    const options = commands.flatMap((command) => ["-c", command]);
    return (await inside(["vtysh", "--vty_socket", folder, ...options])).stdout;
  };
  for (const name of ["zebra", "bfdd", "bgpd"]) {
    const files = ["-i", join(folder, `${name}.pid`), "-f", join(folder, `${name}.conf`), "--vty_socket", folder];
    if (name !== "bgpd") await writeFile(join(folder, `${name}.conf`), "");
    start([join(PROGRAMS, name), "-P", "0", "-z", join(folder, "zserv.api"), ...files]);
    await until(`${name} answers`, 20_000, () =>
      inside(["vtysh", "--vty_socket", folder, "-d", name, "-c", "show version"]).then(({ code }) => code === 0),
    );
  }
  return {
    vtysh,
    changes,
    async stop() {
      await Promise.all(
        children.toReversed().map(async (child) => {
          if (child.exitCode !== null || child.signalCode !== null) return;
          const ended = once(child, "exit");
          child.kill();
          await ended;
        }),
      );
      await rm(folder, { recursive: true, force: true });
    },
  };
}

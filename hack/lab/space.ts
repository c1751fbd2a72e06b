// SPDX-License-Identifier: Apache-2.0

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "../host/cache.ts";
import { type RunOptions, type RunResult, run } from "../host/run.ts";
import { removeCgroups } from "./cgroup.ts";
import { LabError } from "./error.ts";
import { CHECKOUT, isNodeName, type LabPaths, type SpacePaths, spacePaths } from "./paths.ts";
import { identify, killAll, LAB_MARK, type ProcessId, type ProcessMark, SPACE_MARK } from "./process.ts";
import { addressOf, CONTROL, EXTERNAL, labNodeNames, OUTSIDE } from "./topology.ts";

/**
 * A machine made of namespaces (network, mount, UTS): a node, the control plane, the outside host, or the fabric
 * between them.
 */
export interface Space {
  readonly name: string;
  readonly paths: SpacePaths;
  /** The process that holds the namespaces. */
  readonly holder: ProcessId;
}

/** The PATH of everything in a space; the lab's own tools come first. */
function spacePath(paths: LabPaths): string {
  return `${paths.bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`;
}

/** The environment of everything in a space: none of the caller's, so that a lab does not depend on its caller. */
export function spaceEnvironment(paths: LabPaths, space: string): Record<string, string> {
  return {
    [LAB_MARK]: paths.id,
    [SPACE_MARK]: `${paths.id}/${space}`,
    PATH: spacePath(paths),
    HOME: "/root",
    LANG: "C.UTF-8",
    KUBECONFIG: paths.nodeKubeconfig,
    TERM: process.env["TERM"] ?? "dumb",
  };
}

/** The space `name`, if its namespaces are there. */
export function findSpace(paths: LabPaths, name: string): Space | undefined {
  const at = spacePaths(paths, name);
  try {
    const holder = identify(Number(readFileSync(at.pid, "utf8")));
    if (holder === undefined || !isHolder(holder.pid, paths.id, name)) return undefined;
    return { name, paths: at, holder };
  } catch {
    return undefined;
  }
}

function isHolder(pid: number, labId: string, name: string): boolean {
  return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith(`weft-lab ${labId} ${name}\0`);
}

/** The space `name`; throws LabError `not-up` or `unknown-space`. */
export function requireSpace(paths: LabPaths, name: string): Space {
  const space = findSpace(paths, name);
  if (space !== undefined) return space;
  if (existsSync(spacePaths(paths, name).folder))
    throw new LabError("not-up", `${name} is not running; start it again: "npm run lab -- up"`);
  throw new LabError("unknown-space", `the lab has no ${name} (is it up? "npm run lab -- status")`);
}

/** How the processes of a space are recognised. */
export function spaceMark(paths: LabPaths, name: string): ProcessMark {
  return { mark: `${SPACE_MARK}=${paths.id}/${name}`, cgroup: `${paths.cgroup}/${name}` };
}

/** Kills every process of a space, including its containers and the holder of its namespaces, as a power failure does. */
export async function killSpace(paths: LabPaths, name: string): Promise<void> {
  await killAll(spaceMark(paths, name));
}

/**
 * Creates the namespaces of `name`; its disks (/var, /etc, /opt) are kept if they exist, as over a reboot. Remains of
 * an earlier one are killed first.
 */
export async function createSpace(paths: LabPaths, name: string, nodeCount: number): Promise<Space> {
  await killSpace(paths, name);
  // kubelet would take the cgroups of dead pods for running ones.
  await removeCgroups(paths, name);
  const at = spacePaths(paths, name);
  await rm(at.run, { recursive: true, force: true });
  await rm(at.etcWork, { recursive: true, force: true });
  await rm(at.parts, { recursive: true, force: true });
  for (const folder of [at.run, at.var, at.opt, at.etc, at.etcWork, at.logs, at.parts])
    await mkdir(folder, { recursive: true });
  await writeFile(join(at.folder, "hosts"), hostsFile(nodeCount));
  // No DNS server answers there, and the kernel reports that at once: names outside the cluster fail quickly.
  await writeFile(join(at.folder, "resolv.conf"), `nameserver ${EXTERNAL.v4}\noptions timeout:1 attempts:1\n`);

  const log = openSync(join(at.logs, "space.log"), "w");
  const script = join(import.meta.dirname, "space.sh");
  const keep = [
    paths.root,
    CHECKOUT,
    cacheFolder(),
    process.env["WEFT_KUBE_BIN"] ?? "",
    process.env["WEFT_TOOLS_BIN"] ?? "",
  ].filter((path) => path !== "");
  const args = [
    "--net",
    "--mount",
    "--uts",
    "--propagation",
    "slave",
    "bash",
    script,
    name,
    at.folder,
    paths.id,
    ...keep,
  ];
  const child = spawn("unshare", args, {
    detached: true,
    stdio: ["ignore", "pipe", log],
    cwd: "/",
    env: spaceEnvironment(paths, name),
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("error", reject);
    child.once("exit", () => {
      const detail = readFileSync(join(at.logs, "space.log"), "utf8").trim().slice(-1000);
      reject(new LabError("part-failed", `cannot create the namespaces of ${name}: ${detail}`));
    });
  }).finally(() => closeSync(log));
  child.stdout?.destroy();
  child.unref();
  const holder = child.pid === undefined ? undefined : identify(child.pid);
  if (holder === undefined) throw new LabError("part-failed", `the namespaces of ${name} have disappeared`);
  await writeFile(at.pid, `${holder.pid}`);
  await relink(`/proc/${holder.pid}/ns/net`, at.netns);
  if (isNodeName(name)) await relink("run/containerd/containerd.sock", at.containerdSocket);
  return { name, paths: at, holder };
}

/** Updates /etc/hosts of a space with nodes added since it was created. */
export async function refreshHosts(paths: LabPaths, space: Space, nodeCount: number): Promise<void> {
  const file = join(space.paths.folder, "hosts");
  const wanted = hostsFile(nodeCount);
  if (readFileSync(file, "utf8") === wanted) return;
  await runInSpace(paths, space, ["sh", "-c", "cat >/etc/hosts"], { input: wanted });
  await writeFile(file, wanted);
}

async function relink(target: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(target, path);
}

function hostsFile(nodeCount: number): string {
  const lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"];
  for (const name of [...labNodeNames(nodeCount), CONTROL, OUTSIDE]) {
    const { v4, v6 } = addressOf(name);
    lines.push(`${v4} ${name}`, `${v6} ${name}`);
  }
  lines.push(`${EXTERNAL.v4} outside`, `${EXTERNAL.v6} outside`);
  return `${lines.join("\n")}\n`;
}

/**
 * The command line that runs `command` in a space. It replaces itself by the command, so the pid is the command's
 * own.
 */
export function inSpace(space: Space, command: readonly string[]): readonly string[] {
  return ["nsenter", `--target=${space.holder.pid}`, "--net", "--mount", "--uts", "--", ...command];
}

/** Runs a command in a space to its end. */
export function runInSpace(
  paths: LabPaths,
  space: Space,
  command: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const [program = "", ...args] = inSpace(space, command);
  return run(program, args, { ...options, env: { ...spaceEnvironment(paths, space.name), ...options.env } });
}

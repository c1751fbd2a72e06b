// SPDX-License-Identifier: Apache-2.0

import { execFile } from "node:child_process";
import { access, readdir, readFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { commaList } from "../../collections/comma-list.ts";

/** Data that is only available on the node itself. */
export interface NodeView {
  /** The kernel's modules, loaded or not, out of {@link MODULES}. */
  readonly modules: readonly string[];
  /** Whether /dev/net/tun exists, which a userspace datapath needs. */
  readonly tun: boolean;
  /** The interface that tunnels would use, and its MTU. */
  readonly link: { readonly name: string; readonly mtu: number } | undefined;
  /** Network configurations, in the order in which runtimes use them. */
  readonly configurations: readonly { readonly file: string; readonly types: readonly string[] }[];
  /** The settings of containerd's configuration; undefined if it has no such file. */
  readonly containerd: { readonly confDir: string; readonly binDir: string } | undefined;
  /** Undefined: nft works; else its error. */
  readonly nft: string | undefined;
  readonly cgroup: "v1" | "v2";
  /** "udp/6081 at 192.0.2.1": what did not answer. */
  readonly unreachable: readonly string[];
}

/**
 * Configurations of containerd, of which the first one is used: k3s and RKE2 have a containerd of their own, and
 * write its file at each start.
 */
const CONTAINERD_FILES = [
  "var/lib/rancher/k3s/agent/etc/containerd/config.toml",
  "var/lib/rancher/rke2/agent/etc/containerd/config.toml",
  "etc/containerd/config.toml",
];
/** Modules of the kernel's datapath. */
export const MODULES: readonly string[] = ["openvswitch", "geneve"];

/** What to check. */
export interface NodeQuestion {
  /** Where the node's root directory is mounted. */
  readonly root: string;
  readonly confDir: string;
  /** As the chart's value: names, the first that exists; empty: the interface of the default route. */
  readonly tunnelInterface: string;
}

/** Collects the data, by reading only. Files that cannot be read are treated as missing. */
export async function viewNode({
  root,
  confDir,
  tunnelInterface,
}: NodeQuestion): Promise<Omit<NodeView, "unreachable">> {
  const exists = (path: string): Promise<boolean> =>
    access(path).then(
      () => true,
      () => false,
    );
  const [modules, tun, link, configurations, containerd, nft, unified] = await Promise.all([
    modulesOf(root),
    exists(join(root, "dev/net/tun")),
    tunnelLink(tunnelInterface),
    configurationsIn(join(root, confDir)),
    containerdOf(root),
    nftProblem(),
    exists("/sys/fs/cgroup/cgroup.controllers"),
  ]);
  return { modules, tun, link, configurations, containerd, nft, cgroup: unified ? "v2" : "v1" };
}

async function text(path: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => "");
}

/** Loaded, built in, or to be loaded by modprobe (modules.builtin and modules.dep, kmod's). */
async function modulesOf(root: string): Promise<readonly string[]> {
  const folder = join(root, "lib/modules", release());
  const [loaded, builtin, dependencies] = await Promise.all([
    text("/proc/modules"),
    text(join(folder, "modules.builtin")),
    text(join(folder, "modules.dep")),
  ]);
  const files = `${builtin}\n${dependencies}`;
  return MODULES.filter(
    (name) => new RegExp(`^${name} `, "m").test(loaded) || new RegExp(`/${name}\\.ko(\\.\\w+)?(:|$)`, "m").test(files),
  );
}

async function tunnelLink(names: string): Promise<NodeView["link"]> {
  const wanted = commaList(names);
  const candidates =
    wanted.length > 0 ? wanted : defaultInterfaces(await text("/proc/net/route"), await text("/proc/net/ipv6_route"));
  for (const name of candidates) {
    const mtu = Number(await text(join("/sys/class/net", name, "mtu")));
    if (mtu > 0) return { name, mtu };
  }
  return undefined;
}

/** Interfaces of default routes: of IPv4 by /proc/net/route, else of IPv6 by /proc/net/ipv6_route. */
export function defaultInterfaces(ipv4: string, ipv6: string): readonly string[] {
  const four = ipv4.split("\n").flatMap((line) => {
    const [name = "", destination, , , , , , mask] = line.trim().split(/\s+/);
    return destination === "00000000" && mask === "00000000" ? [name] : [];
  });
  const six = ipv6.split("\n").flatMap((line) => {
    const [destination, length, ...rest] = line.trim().split(/\s+/);
    const name = rest.at(-1) ?? "";
    return /^0{32}$/.test(destination ?? "") && length === "00" && name !== "lo" ? [name] : [];
  });
  return [...new Set([...four, ...six])];
}

async function configurationsIn(folder: string): Promise<NodeView["configurations"]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => /\.(conf|conflist|json)$/.test(name)).sort();
  return await Promise.all(names.map(async (file) => ({ file, types: pluginTypes(await text(join(folder, file))) })));
}

function pluginTypes(configuration: string): readonly string[] {
  try {
    const { type, plugins } = JSON.parse(configuration) as Readonly<Record<string, unknown>>;
    const list: readonly unknown[] = Array.isArray(plugins) ? plugins : [{ type }];
    return list.map((plugin) => String(Object(plugin)["type"]));
  } catch {
    return ["unreadable"];
  }
}

async function containerdOf(root: string): Promise<NodeView["containerd"]> {
  const texts = await Promise.all(CONTAINERD_FILES.map((file) => text(join(root, file))));
  const configuration = texts.find((text) => text !== "");
  if (configuration === undefined) return undefined;
  return {
    confDir: settingOf(configuration, "conf_dir") ?? "/etc/cni/net.d",
    binDir: settingOf(configuration, "bin_dirs?") ?? "/opt/cni/bin",
  };
}

/** The first value of a key of the CRI plugin's table `cni`: `conf_dir = "…"`, `bin_dirs = ['…']` (since containerd 2.1). */
function settingOf(toml: string, key: string): string | undefined {
  return new RegExp(`^\\s*${key}\\s*=\\s*\\[?\\s*["']([^"']+)["']`, "m").exec(toml)?.[1];
}

async function nftProblem(): Promise<string | undefined> {
  try {
    await promisify(execFile)("nft", ["list", "tables"], { timeout: 10_000 });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim().split("\n").at(-1) : String(error);
  }
}

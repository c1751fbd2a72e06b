// SPDX-License-Identifier: Apache-2.0

import { readdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { CNI_TYPE } from "../../api/cni-message.ts";

/** Where Weft's files are on a node. All paths are the node's own. */
export interface NodePaths {
  readonly cniConfDir: string;
  readonly cniConfName: string;
  readonly cniBinDir: string;
  /** Folder of OVN's databases on the node that had ovn-central. */
  readonly dataPath: string;
}

/** What became of things on the node, in words. */
export interface Removal {
  readonly removed: string[];
  /** What is left on purpose, with the reason. */
  readonly kept: string[];
  readonly failed: string[];
}

/** What `install-cni` writes down of the plugins that it had to install (`hack/image/root/opt/weft/bin/install-cni`). */
const INSTALLED_PLUGINS = ".weft-installed";

/** Where Open vSwitch and OVN are on a node. */
const OVS_RUN = "/run/openvswitch";
const OVN_RUN = "/run/ovn";
const OVS_ETC = "/etc/openvswitch";

/** The node's files, below `root`, where its own root directory is mounted. */
export class NodeFiles {
  readonly #root: string;
  readonly #result: Removal;

  constructor(root: string, result: Removal) {
    this.#root = root;
    this.#result = result;
  }

  /** The configuration, without which the runtime starts no more pods on Weft. One that is not ours under that name stays. */
  async removeConfiguration({ cniConfDir, cniConfName }: NodePaths): Promise<void> {
    const path = join(cniConfDir, cniConfName);
    const text = await readFile(join(this.#root, path), "utf8").catch(() => undefined);
    if (text === undefined) return;
    if (!isOurConfiguration(text)) this.#result.kept.push(`${path}: it does not call ${CNI_TYPE}`);
    else await this.#remove(path);
  }

  /** The shim, and those plugins that were installed with it because the node had none. */
  async removePlugins({ cniBinDir }: NodePaths): Promise<void> {
    const list = join(cniBinDir, INSTALLED_PLUGINS);
    const text = await readFile(join(this.#root, list), "utf8").catch(() => "");
    const others = text.split("\n").filter((name) => /^[\w-]+$/.test(name) && name !== CNI_TYPE);
    for (const name of [CNI_TYPE, ...others, INSTALLED_PLUGINS]) await this.#remove(join(cniBinDir, name));
  }

  /** Which daemon of Open vSwitch or OVN still runs, by their pid files; `alive` says so of a pid and a name. */
  async runningOvs(alive: (pid: number, name: string) => Promise<boolean>): Promise<string | undefined> {
    for (const [name, file] of [
      ["ovs-vswitchd", `${OVS_RUN}/ovs-vswitchd.pid`],
      ["ovsdb-server", `${OVS_RUN}/ovsdb-server.pid`],
      ["ovn-controller", `${OVN_RUN}/ovn-controller.pid`],
    ] as const) {
      const pid = Number(await readFile(join(this.#root, file), "utf8").catch(() => ""));
      if (pid > 0 && (await alive(pid, name))) return `${name} (pid ${pid})`;
    }
    return undefined;
  }

  /** Open vSwitch's and OVN's files. `tunnel`: also what `start-ovs` has written down of the tunnel interface. */
  async removeOvs({ dataPath }: NodePaths, tunnel: boolean): Promise<void> {
    const database = await readFile(join(this.#root, OVS_ETC, "conf.db"), "utf8").catch(() => "");
    // What every chassis of OVN has; a database of a switch alone is another program's.
    if (database === "" || database.includes("ovn-encap-type")) {
      await this.#removeMatching(OVS_ETC, /^(conf\.db.*|\.conf\.db\.~lock~|system-id\.conf|tls)$/);
      if (tunnel) await this.#removeMatching(OVS_ETC, /^weft-tunnel(\.new)?$/);
    } else this.#result.kept.push(`${OVS_ETC}: its database is not of a node of OVN`);
    await this.#removeMatching(OVS_RUN, /./);
    await this.#removeMatching(OVN_RUN, /./);
    await this.#removeMatching(dataPath, /^(\.?ovn[ns]b_db\.db.*|\.weft\.lock|weft-backup)$/);
  }

  /** Removes what matches in a folder, and the folder itself if that leaves it empty. */
  async #removeMatching(folder: string, pattern: RegExp): Promise<void> {
    const names = await readdir(join(this.#root, folder)).catch(() => []);
    for (const name of names.filter((entry) => pattern.test(entry))) await this.#remove(join(folder, name));
    // It may be the mount point of a volume, or have files of others.
    await rmdir(join(this.#root, folder)).catch(() => undefined);
  }

  async #remove(path: string): Promise<void> {
    try {
      await rm(join(this.#root, path), { recursive: true });
      this.#result.removed.push(path);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return;
      this.#result.failed.push(`${path}: ${error instanceof Error ? error.message : error}`);
    }
  }
}

function isOurConfiguration(text: string): boolean {
  try {
    const { plugins } = JSON.parse(text) as { readonly plugins?: unknown };
    return Array.isArray(plugins) && plugins.some((plugin: unknown) => Object(plugin)["type"] === CNI_TYPE);
  } catch {
    // Only what can be read can be called by a runtime; under this name it can be ours alone.
    return true;
  }
}

// SPDX-License-Identifier: Apache-2.0

import { readdir, readFile, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { CNI_TYPE } from "../../api/cni-message.ts";

/** Where Weft's files are on a node. All paths are the node's own. */
export interface NodePaths {
  readonly cniConfDir: string;
  readonly cniConfName: string;
  readonly cniBinDir: string;
  /** Folder of OVN's databases on a node that ran ovn-central. */
  readonly dataPath: string;
}

/** What was removed, kept and not removed, as text. */
export interface Removal {
  readonly removed: string[];
  /** Kept on purpose, with the reason. */
  readonly kept: string[];
  readonly failed: string[];
}

/** List of the plugins that `install-cni` installed (`hack/image/root/opt/weft/bin/install-cni`). */
const INSTALLED_PLUGINS = ".weft-installed";

/** Folders of Open vSwitch and OVN on a node. */
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

  /**
   * Removes the CNI configuration, without which the runtime starts no more pods on Weft. A file of that name that
   * does not call Weft's plugin stays.
   */
  async removeConfiguration({ cniConfDir, cniConfName }: NodePaths): Promise<void> {
    const path = join(cniConfDir, cniConfName);
    const text = await readFile(join(this.#root, path), "utf8").catch(() => undefined);
    if (text === undefined) return;
    if (!isOurConfiguration(text)) this.#result.kept.push(`${path}: it does not call ${CNI_TYPE}`);
    else await this.#remove(path);
  }

  /** Removes the shim, and the plugins that were installed with it because the node had none. */
  async removePlugins({ cniBinDir }: NodePaths): Promise<void> {
    const list = join(cniBinDir, INSTALLED_PLUGINS);
    const text = await readFile(join(this.#root, list), "utf8").catch(() => "");
    const others = text.split("\n").filter((name) => /^[\w-]+$/.test(name) && name !== CNI_TYPE);
    for (const name of [CNI_TYPE, ...others, INSTALLED_PLUGINS]) await this.#remove(join(cniBinDir, name));
  }

  /** The daemon of Open vSwitch or OVN that still runs, by the pid files; `alive` checks a pid and its program name. */
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

  /**
   * Removes the files of Open vSwitch and OVN. `tunnel`: also the file in which `start-ovs` saved the tunnel
   * interface's addresses.
   */
  async removeOvs({ dataPath }: NodePaths, tunnel: boolean): Promise<void> {
    const database = await readFile(join(this.#root, OVS_ETC, "conf.db"), "utf8").catch(() => "");
    // Every chassis of OVN has this key; a database without it belongs to another program.
    if (database === "" || database.includes("ovn-encap-type")) {
      await this.#removeMatching(OVS_ETC, /^(conf\.db.*|\.conf\.db\.~lock~|system-id\.conf|tls)$/);
      if (tunnel) await this.#removeMatching(OVS_ETC, /^weft-tunnel(\.new)?$/);
    } else this.#result.kept.push(`${OVS_ETC}: its database is not of a node of OVN`);
    await this.#removeMatching(OVS_RUN, /./);
    await this.#removeMatching(OVN_RUN, /./);
    await this.#removeMatching(dataPath, /^(\.?ovn[ns]b_db\.db.*|\.weft\.lock|weft-backup)$/);
  }

  /** Removes the matching files of a folder, and the folder itself if it is then empty. */
  async #removeMatching(folder: string, pattern: RegExp): Promise<void> {
    const names = await readdir(join(this.#root, folder)).catch(() => []);
    for (const name of names.filter((entry) => pattern.test(entry))) await this.#remove(join(folder, name));
    // The folder may be the mount point of a volume, or contain other files.
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
    // A runtime cannot use an unreadable file; a file of this name is Weft's.
    return true;
  }
}

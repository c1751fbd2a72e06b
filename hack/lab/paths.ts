// SPDX-License-Identifier: Apache-2.0

import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { LabError } from "./error.ts";

/** Where everything of one checkout's lab is. */
export interface LabPaths {
  /** The checkout, or the folder that stands for it. */
  readonly root: string;
  /** Six hexadecimal digits from the checkout's path, used in the names of objects that the lab creates on the host. */
  readonly id: string;
  /** `.lab` of the checkout: all state of the lab. */
  readonly state: string;
  /** For processes on the host. */
  readonly kubeconfig: string;
  /** For processes in a node: the API server by its address on the nodes' network. */
  readonly nodeKubeconfig: string;
  /** Links to kubectl, helm and the other tools and parts. */
  readonly bin: string;
  readonly pki: string;
  readonly settings: string;
  readonly lock: string;
  /** A cgroup of this name is in every hierarchy; its children are the nodes'. */
  readonly cgroup: string;
  /** The host's end of the link to the API server. */
  readonly hostLink: string;
}

/** The checkout that this code is in. */
export const CHECKOUT: string = dirname(dirname(import.meta.dirname));

/**
 * The paths of a lab: of the one in the folder `WEFT_LAB_ROOT` names (a lab of its own, for tests of the lab), else of the
 * checkout's. Throws LabError `unsupported-path`.
 */
export function labPaths(checkout: string = process.env["WEFT_LAB_ROOT"] ?? CHECKOUT): LabPaths {
  const root = realpathSync(checkout);
  if (!/^[\w./@+=-]+$/.test(root)) {
    throw new LabError(
      "unsupported-path",
      `the lab mounts overlays, which cannot name ${root}: move the checkout to a path of letters, digits and _./@+=-`,
    );
  }
  const id = createHash("sha256").update(root).digest("hex").slice(0, 6);
  const state = join(root, ".lab");
  return {
    root,
    id,
    state,
    kubeconfig: join(state, "kubeconfig"),
    nodeKubeconfig: join(state, "kubeconfig-in-node"),
    bin: join(state, "bin"),
    pki: join(state, "pki"),
    settings: join(state, "lab.json"),
    lock: join(state, "lock"),
    cgroup: `weft-${id}`,
    hostLink: `weft-${id}`,
  };
}

/** The folder of one space: a node's, the contract of tests and tools, is `.lab/nodes/NAME`. */
export interface SpacePaths {
  readonly folder: string;
  /** Disks of the space: bound over /run, /var, /opt and (as an overlay's upper layer) /etc in it. */
  readonly run: string;
  readonly var: string;
  readonly opt: string;
  readonly etc: string;
  readonly etcWork: string;
  readonly logs: string;
  /** A link to the network namespace's file in /proc. */
  readonly netns: string;
  /** The pid of the process that holds the namespaces, as text. */
  readonly pid: string;
  /** Start times and pids of the space's parts. */
  readonly parts: string;
  /** containerd's socket as the host sees it (nodes only). */
  readonly containerdSocket: string;
}

/** Where the space `name` keeps its files: nodes under `.lab/nodes`, the others (`ctl`, `ext`, `fabric`) under `.lab/spaces`. */
export function spacePaths(paths: LabPaths, name: string): SpacePaths {
  const folder = join(paths.state, isNodeName(name) ? "nodes" : "spaces", name);
  return {
    folder,
    run: join(folder, "run"),
    var: join(folder, "var"),
    opt: join(folder, "opt"),
    etc: join(folder, "etc"),
    etcWork: join(folder, "etc.work"),
    logs: join(folder, "logs"),
    netns: join(folder, "netns"),
    pid: join(folder, "pid"),
    parts: join(folder, "parts"),
    containerdSocket: join(folder, "containerd.sock"),
  };
}

/** Whether `name` is that of a node: `weft-1`, `weft-2`, … */
export function isNodeName(name: string): boolean {
  return /^weft-[1-9]\d{0,2}$/.test(name);
}

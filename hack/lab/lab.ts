// SPDX-License-Identifier: Apache-2.0

import { join } from "node:path";
import { createProgress, type Progress } from "../host/progress.ts";
import { type RunOptions, type RunResult, run } from "../host/run.ts";
import { down } from "./down.ts";
import { LabError } from "./error.ts";
import { importImage } from "./import.ts";
import { killPart, pausePart, resumePart, startPart } from "./parts.ts";
import { type LabPaths, labPaths, type SpacePaths, spacePaths } from "./paths.ts";
import { type LabSettings, readLabSettings, type SettingsChoice } from "./settings.ts";
import { inSpace, requireSpace, runInSpace } from "./space.ts";
import { type LabStatus, labStatus } from "./status.ts";
import { labNodeNames } from "./topology.ts";
import { type BegunLab, beginUp, up } from "./up.ts";

/** A node of the lab (`weft-1` …), or `ext`, `ctl`, `fabric`. */
export interface LabSpace {
  readonly name: string;
  readonly paths: SpacePaths;
  /** Pid of the process that holds the namespaces. Throws LabError `not-up`. */
  readonly pid: number;
  /** The network namespace's file, for setns(2). It differs after the space was recreated. */
  readonly netns: string;
  /** The space's root as the host sees it: `root + "/run/netns/…"`. */
  readonly root: string;
  /** Runs a command in the space to its end; rejects with HostError `command-failed` unless `allowFailure`. */
  exec(command: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** The command line that runs `command` in the space, for callers that spawn it themselves. */
  command(command: readonly string[]): readonly string[];
}

/** The lab of this checkout, for tests, the demo and benches. */
export interface Lab {
  readonly paths: LabPaths;
  /** Undefined where no lab is up. */
  readonly settings: LabSettings | undefined;
  /** The names of the nodes; empty where no lab is up. */
  readonly nodes: readonly string[];
  node(name: string): LabSpace;
  /** Runs the lab's kubectl as the administrator. */
  kubectl(args: readonly string[], options?: RunOptions): Promise<RunResult>;
  /** Starts what is missing. */
  up(choice?: SettingsChoice): Promise<LabSettings>;
  /** The same, as soon as the nodes are Ready: the cluster's DNS comes later. */
  beginUp(choice?: SettingsChoice): Promise<BegunLab>;
  down(): Promise<void>;
  status(): Promise<LabStatus>;
  /** Puts an image archive into each node. */
  importImage(file: string): Promise<void>;
  /** Faults: `part` is a part's id as `status` shows it, or a space's name. */
  kill(part: string): Promise<void>;
  pause(part: string): void;
  resume(part: string): void;
  start(part: string): Promise<void>;
}

/** Opens the lab of this checkout (or of the folder `root`), whether it is up or not. */
export function openLab(progress: Progress = createProgress(), root?: string): Lab {
  const paths = labPaths(root);
  const nodes = (): readonly string[] => labNodeNames(readLabSettings(paths)?.nodes ?? 0);
  return {
    paths,
    get settings() {
      return readLabSettings(paths);
    },
    get nodes() {
      return nodes();
    },
    node: (name) => openSpace(paths, name),
    kubectl: (args, options) => run(join(paths.bin, "kubectl"), [`--kubeconfig=${paths.kubeconfig}`, ...args], options),
    up: (choice = {}) => up(paths, choice, progress),
    beginUp: (choice = {}) => beginUp(paths, choice, progress),
    down: () => down(paths, progress),
    status: () => labStatus(paths),
    async importImage(file) {
      if (nodes().length === 0)
        throw new LabError("not-up", 'the lab of this checkout is not running; start it: "npm run lab -- up"');
      await importImage(paths, nodes(), file, progress);
    },
    kill: (part) => killPart(paths, part),
    pause: (part) => pausePart(paths, part),
    resume: (part) => resumePart(paths, part),
    start: (part) => startPart(paths, part),
  };
}

function openSpace(paths: LabPaths, name: string): LabSpace {
  const pid = (): number => requireSpace(paths, name).holder.pid;
  return {
    name,
    paths: spacePaths(paths, name),
    get pid() {
      return pid();
    },
    get netns() {
      return `/proc/${pid()}/ns/net`;
    },
    get root() {
      return `/proc/${pid()}/root`;
    },
    exec: (command, options) => runInSpace(paths, requireSpace(paths, name), command, options),
    command: (command) => inSpace(requireSpace(paths, name), command),
  };
}

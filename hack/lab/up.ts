// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { cp, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { withFileLock } from "../host/lock.ts";
import type { Progress } from "../host/progress.ts";
import { toolPath } from "../tools/tools.ts";
import { Api } from "./api.ts";
import { ensureBridge } from "./bridge.ts";
import { ensureNodeCgroups } from "./cgroup.ts";
import { applyObjects, isReady, type LabNodeObject, labelNode, waitForDeployment, waitForNodes } from "./cluster.ts";
import { controlPlane } from "./control-plane.ts";
import { deployWeft } from "./deploy.ts";
import { dnsObjects } from "./dns.ts";
import { LabError } from "./error.ts";
import { importIntoNode } from "./import.ts";
import { ensureInotifyInstances } from "./inotify.ts";
import { writeKubeconfigs } from "./kubeconfig.ts";
import { ensureBridges, ensureHostLink, ensureLinks, ensureOutsideAddresses } from "./links.ts";
import { nodeParts } from "./node-parts.ts";
import { echoPart } from "./outside.ts";
import { ensurePart, findPart, type LabPart, partReady } from "./part.ts";
import { allSpaces } from "./parts.ts";
import type { LabPaths } from "./paths.ts";
import { ensurePki } from "./pki.ts";
import { ensurePodAccess } from "./pod-access.ts";
import { findProcesses, signal, stateOf } from "./process.ts";
import { decideSettings, type LabSettings, readLabSettings, type SettingsChoice } from "./settings.ts";
import { createSpace, findSpace, refreshHosts, requireSpace, type Space, spaceMark } from "./space.ts";
import { gatherSupplies, type Supplies } from "./supplies.ts";
import { CONTROL, FABRIC, labNodeNames, OUTSIDE } from "./topology.ts";

/** Milliseconds from a kubelet's start until its Node is there. */
const REGISTERED_MS = 60_000;
/** Milliseconds for nodes, and then the cluster's DNS, to be Ready once there is a network. */
const READY_MS = 120_000;

/** A lab whose nodes are Ready. */
export interface BegunLab {
  readonly settings: LabSettings;
  /**
   * Resolves when the rest is complete too: the cluster's DNS. Rejects with LabError or HostError. Other lab commands
   * wait for it.
   */
  readonly complete: Promise<void>;
}

/** Starts the lab, or its missing parts. Rejects with LabError or HostError. */
export async function up(paths: LabPaths, choice: SettingsChoice, progress: Progress): Promise<LabSettings> {
  const { settings, complete } = await beginUp(paths, choice, progress);
  await complete;
  return settings;
}

/** The same, for callers that do something before everything is complete. */
export async function beginUp(paths: LabPaths, choice: SettingsChoice, progress: Progress): Promise<BegunLab> {
  if (process.getuid?.() !== 0)
    throw new LabError("not-root", "the lab needs root to create namespaces and mounts: run this with sudo");
  await ensureInotifyInstances(progress);
  // A lab that is up has its image; the suite of the next one is that of the environment.
  const needsBase = readLabSettings(paths) === undefined && (choice.cni ?? "weft") === "weft";
  const supplies = gatherSupplies(needsBase, progress);
  await supplies.packages;
  const kube = await supplies.kube;
  const begun = Promise.withResolvers<LabSettings>();
  const complete = withFileLock(
    paths.lock,
    async () => {
      const settings = await decideSettings(paths, choice);
      await linkBinaries(paths, kube);
      await bringUp(paths, settings, supplies, progress, () => begun.resolve(settings));
    },
    () => progress.note("another lab command of this checkout is running; waiting for it"),
  );
  complete.catch(begun.reject);
  return { settings: await begun.promise, complete };
}

/** helm's link leads nowhere until it is built. */
async function linkBinaries(paths: LabPaths, kube: string): Promise<void> {
  await rm(paths.bin, { recursive: true, force: true });
  await mkdir(paths.bin, { recursive: true });
  const binaries = (await readdir(kube)).filter((entry) => !entry.includes(".")).map((name) => join(kube, name));
  for (const path of [...binaries, toolPath("helm")]) await symlink(path, join(paths.bin, basename(path)));
}

/** Calls `ready` when the nodes are; returns when everything is. */
async function bringUp(
  paths: LabPaths,
  settings: LabSettings,
  supplies: Supplies,
  progress: Progress,
  ready: () => void,
): Promise<void> {
  const nodes = labNodeNames(settings.nodes);
  const [spaces] = await Promise.all([
    progress.step("namespaces", () => ensureSpaces(paths, settings, progress)),
    progress.step("certificates", async () => {
      await ensurePki(paths, nodes, settings.hostBlock);
      await writeKubeconfigs(paths, settings, nodes);
    }),
  ]);
  await progress.step("links", () => ensureNetwork(paths, settings, spaces));

  const api = new Api(paths, settings);
  try {
    const apiReady = progress.step("control plane", () => ensureControlPlane(paths, settings));
    const archives = await supplies.images;
    await Promise.all([
      apiReady,
      start(paths, echoPart(paths), progress),
      ...nodes.map((node) => ensureNode(paths, settings, node, archives, apiReady, progress)),
    ]);
    const [network] = await Promise.all([
      ensureNodeNetwork(paths, settings, api, progress).then((there) => {
        if (there) ready();
        return there;
      }),
      ensureDns(paths, settings, supplies, progress),
    ]);
    if (network)
      await progress.step("cluster DNS Ready", () => waitForDeployment(api, "kube-system", "coredns", READY_MS));
    await supplies.helm;
    ready();
  } finally {
    api.close();
  }
}

/** Until the nodes are Ready; false where they have no network. */
async function ensureNodeNetwork(
  paths: LabPaths,
  settings: LabSettings,
  api: Api,
  progress: Progress,
): Promise<boolean> {
  const nodes = labNodeNames(settings.nodes);
  await progress.step("nodes registered", async () => {
    const isRegistered = ({ spec }: LabNodeObject): boolean => settings.cni !== "bridge" || spec.podCIDRs !== undefined;
    const found = await waitForNodes(api, nodes, "registered", REGISTERED_MS, isRegistered);
    for (const name of labNodeNames(settings.centrals ?? 1))
      await labelNode(api, name, { "node-role.kubernetes.io/control-plane": "" });
    if (settings.cni === "bridge") await ensureBridge(paths, settings, found);
  });
  if (settings.cni === "none") return false;
  // It waits for helm by itself, when it comes to that.
  if (settings.cni === "weft" && !(await deployWeft(paths, progress))) return false;
  await progress.step("nodes Ready", () =>
    waitForNodes(api, nodes, "Ready", READY_MS, (node) => isReady(node, kubeletStart(paths, node.metadata.name))),
  );
  return true;
}

async function ensureDns(
  paths: LabPaths,
  settings: LabSettings,
  supplies: Supplies,
  progress: Progress,
): Promise<void> {
  const archive = await supplies.dnsImage;
  await progress.step("cluster DNS", async () => {
    const nodes = labNodeNames(settings.nodes).map((node) => requireSpace(paths, node));
    await Promise.all(nodes.map((space) => importIntoNode(paths, space, [archive])));
    await applyObjects(paths, dnsObjects(settings));
  });
}

/** When a node's kubelet was started: the node's state in the API server may be from before. */
function kubeletStart(paths: LabPaths, node: string): number {
  return findPart(paths, { space: node, name: "kubelet" })?.at ?? 0;
}

async function ensureSpaces(
  paths: LabPaths,
  settings: LabSettings,
  progress: Progress,
): Promise<ReadonlyMap<string, Space>> {
  const ensure = async (name: string): Promise<Space> => {
    const found = findSpace(paths, name);
    if (found === undefined) return await createSpace(paths, name, settings.nodes);
    if (stateOf(found.holder) === "paused") {
      progress.note(`${name} was paused and is resumed`);
      for (const id of findProcesses(spaceMark(paths, name))) signal(id, "SIGCONT");
    }
    await refreshHosts(paths, found, settings.nodes);
    return found;
  };
  const spaces = await Promise.all(allSpaces(settings).map(ensure));
  return new Map(spaces.map((space) => [space.name, space]));
}

async function ensureNetwork(
  paths: LabPaths,
  settings: LabSettings,
  spaces: ReadonlyMap<string, Space>,
): Promise<void> {
  const space = (name: string): Space => {
    const found = spaces.get(name);
    if (found === undefined) throw new LabError("unknown-space", `${name} does not exist`);
    return found;
  };
  const nodes = labNodeNames(settings.nodes).map(space);
  await ensureBridges(paths, space(FABRIC));
  await Promise.all([
    ensureHostLink(paths, space(CONTROL), settings.hostBlock),
    ensureOutsideAddresses(paths, space(OUTSIDE)),
    ...[space(CONTROL), space(OUTSIDE), ...nodes].map((each) => ensureLinks(paths, space(FABRIC), each)),
  ]);
  await ensurePodAccess(paths, space(CONTROL), nodes);
}

async function start(paths: LabPaths, part: LabPart, progress: Progress): Promise<void> {
  const repair = await ensurePart(paths, part);
  if (repair === "resumed") progress.note(`${part.id} was paused and is resumed`);
  await partReady(paths, part);
}

async function ensureControlPlane(paths: LabPaths, settings: LabSettings): Promise<void> {
  const [etcd, apiserver, controllerManager, scheduler] = controlPlane(paths, settings);
  await ensurePart(paths, etcd);
  await ensurePart(paths, apiserver);
  await partReady(paths, apiserver);
  await Promise.all([ensurePart(paths, controllerManager), ensurePart(paths, scheduler)]);
}

async function ensureNode(
  paths: LabPaths,
  settings: LabSettings,
  node: string,
  archives: readonly string[],
  apiReady: Promise<void>,
  progress: Progress,
): Promise<void> {
  const [containerd, kubelet, proxy] = nodeParts(paths, settings, node);
  await ensureNodeCgroups(paths, node, settings.nodes);
  const space = findSpace(paths, node);
  if (space === undefined) throw new LabError("not-up", `${node} has stopped`);
  await installPlugins(space);
  await start(paths, containerd, progress);
  await progress.step(`images of ${node}`, () => importIntoNode(paths, space, archives));
  await apiReady;
  const parts = [kubelet, ...(proxy === undefined ? [] : [proxy])];
  await Promise.all(parts.map((part) => start(paths, part, progress)));
}

/** Debian's CNI plugins, in containerd's folder: copies, because a network's DaemonSet may overwrite one. */
async function installPlugins(space: Space): Promise<void> {
  const target = join(space.paths.opt, "cni/bin");
  if (existsSync(join(target, "loopback"))) return;
  await cp("/usr/lib/cni", target, { recursive: true });
}

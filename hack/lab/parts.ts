// SPDX-License-Identifier: Apache-2.0

import { controlPlane } from "./control-plane.ts";
import { LabError } from "./error.ts";
import { nodeParts } from "./node-parts.ts";
import { echoPart } from "./outside.ts";
import { ensurePart, findPart, type LabPart, partReady } from "./part.ts";
import type { LabPaths } from "./paths.ts";
import { findProcesses, killOne, signal } from "./process.ts";
import { type LabSettings, readLabSettings } from "./settings.ts";
import { killSpace, spaceMark } from "./space.ts";
import { CONTROL, FABRIC, labNodeNames, OUTSIDE } from "./topology.ts";

/** Every process that the lab starts, in the order of their dependence. */
export function allParts(paths: LabPaths, settings: LabSettings): readonly LabPart[] {
  return [
    ...controlPlane(paths, settings),
    echoPart(paths),
    ...labNodeNames(settings.nodes).flatMap((node) =>
      nodeParts(paths, settings, node).filter((part) => part !== undefined),
    ),
  ];
}

/** Every space of the lab. */
export function allSpaces(settings: LabSettings): readonly string[] {
  return [FABRIC, CONTROL, OUTSIDE, ...labNodeNames(settings.nodes)];
}

/** A part, or the name of a space, which means all that runs in it, containers too. */
type Target = LabPart | string;

function findTarget(paths: LabPaths, id: string): Target {
  const settings = readLabSettings(paths);
  if (settings === undefined)
    throw new LabError("not-up", 'the lab of this checkout is not running; start it: "npm run lab -- up"');
  const parts = allParts(paths, settings);
  const spaces = allSpaces(settings);
  const found = parts.find((part) => part.id === id) ?? spaces.find((space) => space === id);
  if (found !== undefined) return found;
  throw new LabError(
    "unknown-part",
    `the lab has no part ${id}; it has ${[...parts.map((part) => part.id), ...spaces].join(", ")}`,
  );
}

/**
 * Kills a part (SIGKILL) and returns when it has ended; a space is killed as by a power failure. Killing a dead part
 * is not an error.
 */
export async function killPart(paths: LabPaths, id: string): Promise<void> {
  const target = findTarget(paths, id);
  if (typeof target === "string") {
    await killSpace(paths, target);
    return;
  }
  const found = findPart(paths, target);
  if (found !== undefined) await killOne(found);
}

/** Suspends a part (SIGSTOP): it exists, keeps its connections and does not respond. */
export function pausePart(paths: LabPaths, id: string): void {
  signalTarget(paths, id, "SIGSTOP");
}

/** Resumes a paused part. */
export function resumePart(paths: LabPaths, id: string): void {
  signalTarget(paths, id, "SIGCONT");
}

function signalTarget(paths: LabPaths, id: string, name: "SIGSTOP" | "SIGCONT"): void {
  const target = findTarget(paths, id);
  const found =
    typeof target === "string"
      ? findProcesses(spaceMark(paths, target))
      : [findPart(paths, target)].filter((process) => process !== undefined);
  if (found.filter((process) => signal(process, name)).length === 0)
    throw new LabError("not-up", `${id} is not running`);
}

/** Starts a part that is dead (or resumes it) and waits until it serves. `up` starts a space. */
export async function startPart(paths: LabPaths, id: string): Promise<void> {
  const target = findTarget(paths, id);
  if (typeof target === "string")
    throw new LabError("unknown-part", `${id} is a node, not a process: start it by "npm run lab -- up"`);
  await ensurePart(paths, target);
  await partReady(paths, target);
}

// SPDX-License-Identifier: Apache-2.0

import { z } from "zod";
import { isPartName, type PartName } from "../targets/parts.ts";

const resource = z.strictObject({
  group: z.string(),
  version: z.string(),
  plural: z.string(),
  namespaced: z.boolean(),
  kind: z.string(),
});

const processHandle = z.strictObject({
  part: z.custom<PartName>((value) => typeof value === "string" && isPartName(value), "is not a part"),
  node: z.string(),
  id: z.string(),
});

/**
 * Undoes one change of a run to a cluster. It is written to the journal before the change, so a step may find nothing to
 * do, and all are idempotent. Steps are data and not code, so that a later version of this program can undo the changes of an earlier one.
 */
export const UNDO_STEP = z.discriminatedUnion("kind", [
  /** Deletes an object and waits until it is gone. */
  z.strictObject({
    by: z.literal("kubernetes"),
    kind: z.literal("delete"),
    resource,
    namespace: z.string().optional(),
    name: z.string(),
  }),
  /** Sets the number of replicas of a Deployment. */
  z.strictObject({
    by: z.literal("kubernetes"),
    kind: z.literal("scale"),
    namespace: z.string(),
    name: z.string(),
    replicas: z.int().min(0),
  }),
  /** Sends SIGCONT. */
  z.strictObject({ by: z.literal("target"), kind: z.literal("resume"), processes: z.array(processHandle) }),
  /** Starts a killed part that has no supervisor. */
  z.strictObject({ by: z.literal("target"), kind: z.literal("start"), process: processHandle }),
  /** Starts a crashed node. */
  z.strictObject({ by: z.literal("target"), kind: z.literal("boot"), node: z.string() }),
  /** Removes all partitions between nodes. */
  z.strictObject({ by: z.literal("target"), kind: z.literal("heal") }),
  /** Runs a command on a node; it must succeed also if there is nothing to do. */
  z.strictObject({
    by: z.literal("target"),
    kind: z.literal("command"),
    node: z.string(),
    command: z.array(z.string()).min(1),
  }),
  /** Restores the disk of a part on a node. */
  z.strictObject({ by: z.literal("part"), kind: z.literal("empty-disk"), part: z.string(), node: z.string() }),
]);

/** See {@link UNDO_STEP}. */
export type UndoStep = z.output<typeof UNDO_STEP>;

/** A step in a few words, for messages. */
export function shownStep(step: UndoStep): string {
  switch (step.kind) {
    case "delete":
      return `delete ${step.resource.kind} ${step.namespace === undefined ? "" : `${step.namespace}/`}${step.name}`;
    case "scale":
      return `scale Deployment ${step.namespace}/${step.name} to ${step.replicas}`;
    case "resume":
      return `resume ${step.processes.map(({ part, node }) => `${part} on ${node}`).join(", ")}`;
    case "start":
      return `start ${step.process.part} on ${step.process.node}`;
    case "boot":
      return `boot ${step.node}`;
    case "heal":
      return "remove all partitions";
    case "command":
      return `run on ${step.node}: ${step.command.join(" ")}`;
    case "empty-disk":
      return `empty the disk of ${step.part} on ${step.node}`;
  }
}

// SPDX-License-Identifier: Apache-2.0

import { isDeepStrictEqual } from "node:util";
import { KubeError } from "../errors.ts";
import type { JsonPatchStep, Patch } from "../kube.ts";
import { copyOf } from "./copy.ts";

/** The last manager that applied a condition of an object: `<uid>/<type of the condition>` → field manager. */
export type ConditionOwners = Map<string, string>;

/**
 * The result of applying the patch to `target`, which itself is not changed. Throws `invalid` if the API server would
 * (422). `apply` is treated as `merge`: the owners of fields are not recorded, so a field that a later apply omits
 * stays. Only `status.conditions` behaves as in the API server, with `owners`: a list by `type`, from which a field
 * manager that applies again removes the entries that it no longer names.
 */
export function applyPatch(target: object, patch: Patch, owners: ConditionOwners = new Map()): object {
  if (patch.type !== "json") {
    const merged = merge(target, patch.body) as object;
    return patch.type === "merge" ? merged : withConditions(target, merged, patch.fieldManager, owners);
  }
  let document: unknown = copyOf(target);
  for (const step of patch.body) document = applyStep(document, step);
  return document as object;
}

interface WithConditions {
  readonly metadata?: { readonly uid?: string };
  readonly status?: { readonly conditions?: readonly { readonly type: string }[] };
}

/** `merged`, its conditions being those of `target` with the ones that `manager` has applied. */
function withConditions(
  target: WithConditions,
  merged: WithConditions,
  manager: string,
  owners: ConditionOwners,
): object {
  const { uid = "" } = target.metadata ?? {};
  const applied = merged.status?.conditions;
  const before = target.status?.conditions ?? [];
  if (applied === undefined || applied === before) return merged;
  const kept = before.filter(({ type }) => owners.get(`${uid}/${type}`) !== manager);
  for (const { type } of before) if (owners.get(`${uid}/${type}`) === manager) owners.delete(`${uid}/${type}`);
  for (const { type } of applied) owners.set(`${uid}/${type}`, manager);
  const rest = kept.filter(({ type }) => !applied.some((condition) => condition.type === type));
  return { ...merged, status: { ...merged.status, conditions: [...rest, ...applied] } };
}

/** RFC 7386. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return copyOf(patch);
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = merge(result[key], value);
  }
  return result;
}

/** RFC 6902. */
function applyStep(document: unknown, step: JsonPatchStep): unknown {
  switch (step.op) {
    case "test":
      if (!isDeepStrictEqual(tested(document, step), step.value)) refuse(`testing ${step.path} failed`);
      return document;
    case "add":
      return write(document, step.path, copyOf(step.value), "add");
    case "replace":
      return write(document, step.path, copyOf(step.value), "replace");
    case "remove":
      return write(document, step.path, undefined, "remove");
    case "copy":
      return write(document, step.path, copyOf(read(document, step.from)), "add");
    case "move": {
      const value = read(document, step.from);
      return write(write(document, step.from, undefined, "remove"), step.path, value, "add");
    }
  }
}

/** In kube-apiserver, other than in RFC 6902, a missing value is null. */
function tested(document: unknown, { path, value }: { readonly path: string; readonly value: unknown }): unknown {
  try {
    return read(document, path);
  } catch (error) {
    if (value !== null) throw error;
    return null;
  }
}

function read(document: unknown, path: string): unknown {
  let value = document;
  for (const step of stepsOf(path)) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) refuse(`${path} does not exist`);
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function write(document: unknown, path: string, value: unknown, how: "add" | "replace" | "remove"): unknown {
  const steps = stepsOf(path);
  const last = steps.pop();
  if (last === undefined) return value;
  const parent = read(document, steps.map((step) => `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`).join(""));
  if (Array.isArray(parent)) {
    const index = last === "-" && how === "add" ? parent.length : Number(last);
    const end = how === "add" ? parent.length : parent.length - 1;
    if (!Number.isInteger(index) || index < 0 || index > end) refuse(`${path} is out of bounds`);
    if (how === "remove") parent.splice(index, 1);
    else parent.splice(index, how === "add" ? 0 : 1, value);
    return document;
  }
  if (!isRecord(parent) || (how !== "add" && !Object.hasOwn(parent, last))) refuse(`${path} does not exist`);
  const record = parent as Record<string, unknown>;
  if (how === "remove") delete record[last];
  else record[last] = value;
  return document;
}

function stepsOf(path: string): string[] {
  if (path === "") return [];
  if (!path.startsWith("/")) refuse(`${JSON.stringify(path)} is not a JSON pointer`);
  return path
    .slice(1)
    .split("/")
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(message: string): never {
  throw new KubeError("invalid", `the patch cannot be applied: ${message}`, { status: 422, reason: "Invalid" });
}

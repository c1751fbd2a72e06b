// SPDX-License-Identifier: Apache-2.0

import { isObject } from "../collections/plain.ts";
import { KubeError } from "../kube/errors.ts";
import type { Kube } from "../kube/kube.ts";
import { type KubeObject, keyOf } from "../kube/object.ts";
import type { ClusterObjects } from "./cluster-model.ts";
import { ManifestError, type ManifestObject } from "./manifest.ts";

type Loose = Readonly<Record<string, unknown>>;

/** The cluster's objects after the change, and what could not be checked. */
export interface DryRunResult {
  readonly objects: ClusterObjects;
  /** One text each. */
  readonly notes: readonly string[];
}

/** The annotation in which `kubectl apply` stores the last applied object. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * Computes the objects after a manifest is applied as by `kubectl apply`, or deleted. The API server is asked by dry
 * runs, which store nothing: its refusals are collected in one {@link ManifestError}. If a dry run is not allowed,
 * that is noted.
 */
export async function dryRun(
  kube: Kube,
  present: ClusterObjects,
  wanted: readonly ManifestObject[],
  deleting: boolean,
): Promise<DryRunResult> {
  const objects = new Map([...present].map(([kind, found]) => [kind, new Map(found)]));
  const notes: string[] = [];
  const refusals: string[] = [];
  for (const one of wanted) {
    const own = objects.get(one.kind) ?? new Map<string, KubeObject>();
    objects.set(one.kind, own);
    const key = keyOf(one);
    const now = own.get(key);
    if (deleting) {
      if (!own.delete(key)) notes.push(`${one.label} does not exist, so deleting it changes nothing`);
      continue;
    }
    const answer = await dryRunOne(kube, one, now, applied(one, now));
    if ("refused" in answer) refusals.push(`${one.label}: ${answer.refused}`);
    else {
      own.set(key, answer.object);
      if (answer.unchecked !== undefined)
        notes.push(`${one.label} was not checked by the API server: ${answer.unchecked}`);
    }
  }
  if (refusals.length > 0) throw new ManifestError(`the API server would refuse this:\n  ${refusals.join("\n  ")}`);
  return { objects, notes };
}

type Answer = { readonly object: KubeObject; readonly unchecked?: string } | { readonly refused: string };

async function dryRunOne(kube: Kube, one: ManifestObject, now: KubeObject | undefined, next: Loose): Promise<Answer> {
  const object = next as unknown as KubeObject;
  try {
    const options = { dryRun: true, fieldManager: "weftctl-plan" };
    const made =
      now === undefined ? await kube.create(one.type, object, options) : await kube.update(one.type, object, options);
    return { object: made };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    const { code, message } = error;
    // A namespace of the same manifest may not exist yet, the account may be read-only, or the type may not be served
    // yet.
    const passing = code === "forbidden" || code === "not-found" || code === "unavailable" || code === "timeout";
    if (!passing) return { refused: message };
    return { object: complete(one, object), unchecked: message };
  }
}

/** An object that is not stored, with the fields that the API server would have added. */
function complete({ label }: ManifestObject, object: KubeObject): KubeObject {
  const { metadata } = object;
  return {
    ...object,
    metadata: {
      ...metadata,
      uid: metadata.uid ?? `planned ${label}`,
      resourceVersion: metadata.resourceVersion ?? "0",
    },
  };
}

/**
 * The object as `kubectl apply` would send it: the written fields, without fields that were applied before and are no
 * longer written.
 */
function applied({ body }: ManifestObject, now: KubeObject | undefined): Loose {
  const { status: _, ...written } = body;
  if (now === undefined) return written;
  const text = now.metadata.annotations?.[LAST_APPLIED];
  const before: unknown = text === undefined ? undefined : parse(text);
  const { apiVersion, kind, ...rest } = written;
  return { apiVersion, kind, ...merge(now as unknown as Loose, isObject(before) ? before : undefined, rest) };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Three-way merge: keys of `before` that are no longer written are removed, written ones are set, the rest stays.
 * Lists are replaced completely.
 */
function merge(now: Loose, before: Loose | undefined, written: Loose): Loose {
  const result: Record<string, unknown> = { ...now };
  for (const key of Object.keys(before ?? {})) if (!(key in written) && !KEPT.has(key)) delete result[key];
  for (const [key, value] of Object.entries(written)) {
    const [own, old] = [result[key], before?.[key]];
    if (value === null) delete result[key];
    else if (isObject(value) && isObject(own)) result[key] = merge(own, isObject(old) ? old : undefined, value);
    else result[key] = value;
  }
  return result;
}

const KEPT: ReadonlySet<string> = new Set(["metadata", "spec", "apiVersion", "kind", "name", "namespace"]);

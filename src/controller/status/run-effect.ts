// SPDX-License-Identifier: Apache-2.0

import { ADDRESS_CONDITION, CONTROLLER_COMPONENT, DEPRECATED_FINALIZER, FINALIZER } from "../../api/names.ts";
import { isRetained, ordinalOf } from "../../claims/retention.ts";
import type {
  ConditionEffect,
  FillEffect,
  NodeConditionEffect,
  ReleaseIpEffect,
  ReportEffect,
  WeftEffect,
} from "../../compile/effects.ts";
import type { IpFact } from "../../facts/ip.ts";
import { RESOLVER_POLICY_LABEL } from "../../facts/project-name-resolver.ts";
import { projectStatefulSet, projectVirtualMachine, type StatefulSetObject } from "../../facts/project-owner.ts";
import type { FactReader } from "../../facts/store.ts";
import type { FactKind, FactTypes } from "../../facts/types.ts";
import { typeOf } from "../../kinds/objects.ts";
import { KubeError, type KubeErrorCode, unlessNotFound } from "../../kube/errors.ts";
import type { JsonPatchStep, Kube, Patch } from "../../kube/kube.ts";
import type { KubeObject, ObjectRef } from "../../kube/object.ts";
import { isReplaced } from "../../kube/replaced.ts";
import {
  DNS_NAME_RESOLVERS,
  IPS,
  NODES,
  type ResourceType,
  STATEFUL_SETS,
  VIRTUAL_MACHINES,
} from "../../kube/resources.ts";

/** The dependencies of effects. */
export interface EffectTools {
  readonly kube: Kube;
  readonly facts: FactReader;
  /** Adds an object that was read or written before its informer delivers it. */
  readonly observed: (kind: FactKind, object: KubeObject) => void;
  /** Passes a condition to the status writer, which adds the counters. */
  readonly state: (effect: ConditionEffect) => void;
  /** Writes an Event. */
  readonly report: (effect: ReportEffect) => void;
  /** RFC 3339, whole seconds. */
  readonly now: () => string;
}

/**
 * Carries out one effect. Nothing is done for an object that was deleted or recreated: its unit is compiled again when the informer delivers that.
 */
export async function runEffect(
  tools: EffectTools,
  effect: WeftEffect,
  isWanted: () => boolean = () => true,
): Promise<void> {
  try {
    await dispatch(tools, effect, isWanted);
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    if (error.code === "not-found" || (MAY_BE_ANOTHER.has(error.code) && (await isForAnother(tools, effect)))) return;
    throw error;
  }
}

async function dispatch(tools: EffectTools, effect: WeftEffect, isWanted: () => boolean): Promise<void> {
  const { kube } = tools;
  switch (effect.kind) {
    case "annotate": {
      const { resource, uid, annotations } = effect;
      const patch = { type: "merge", body: { metadata: { uid, annotations } } } as const;
      await kube.patch(typeOf(resource), refOf(effect), patch, { metadataOnly: true });
      return;
    }
    case "fill":
      return fillObject(tools, effect, isWanted);
    case "release-ip":
      return releaseIp(tools, effect);
    case "mark-ip": {
      const { name, uid, podType } = effect;
      const patch = { type: "merge", body: { metadata: { uid }, spec: { podType } } } as const;
      await kube.patch(IPS, { name }, patch, { metadataOnly: true });
      return;
    }
    case "condition":
      tools.state(effect);
      return;
    case "report":
      tools.report(effect);
      return;
    case "node-condition":
      return setNodeCondition(tools, effect);
    case "make-resolver": {
      const { name, policy, domain } = effect;
      const metadata = { name, labels: { [RESOLVER_POLICY_LABEL]: policy } };
      try {
        await kube.create(DNS_NAME_RESOLVERS, { metadata, spec: { name: domain } }, { metadataOnly: true });
      } catch (error) {
        if (!(error instanceof KubeError && error.code === "exists")) throw error;
      }
      return;
    }
    case "drop-resolver":
      await kube.delete(DNS_NAME_RESOLVERS, { name: effect.name }, { preconditions: { uid: effect.uid } });
      return;
    case "make-object": {
      const { resource, body } = effect;
      tools.observed(resource, await kube.create(typeOf(resource), body));
      return;
    }
    case "patch-object": {
      const { resource, uid, body } = effect;
      const patch = { type: "merge", body: { ...body, metadata: { ...body.metadata, uid } } } as const;
      tools.observed(resource, await kube.patch(typeOf(resource), refOf(body.metadata), patch));
      return;
    }
    case "patch-status": {
      const { resource, uid, version: resourceVersion, annotations, status } = effect;
      const body = { metadata: { uid, resourceVersion, annotations }, status };
      const patch = { type: "merge", body } as const;
      tools.observed(resource, await kube.patch(typeOf(resource), refOf(effect), patch, { subresource: "status" }));
      return;
    }
    case "drop-object":
      await kube.delete(typeOf(effect.resource), refOf(effect), { preconditions: { uid: effect.uid } });
      return;
  }
}

function refOf({ namespace = "", name }: ObjectRef): ObjectRef {
  return namespace === "" ? { name } : { namespace, name };
}

/**
 * The API server's errors for a UID that is not the object's: a precondition is a `conflict`, `metadata.uid` in a patch is `invalid` (it is
 * immutable).
 */
const MAY_BE_ANOTHER: ReadonlySet<KubeErrorCode> = new Set(["conflict", "invalid"]);

/** Whether the object of an effect was recreated. */
async function isForAnother({ kube }: EffectTools, effect: WeftEffect): Promise<boolean> {
  const subject = subjectOf(effect);
  return subject !== undefined && (await isReplaced(kube, subject.type, subject.ref, subject.uid));
}

/** The object that an effect writes to, with the UID as precondition. */
function subjectOf(effect: WeftEffect): { type: ResourceType; ref: ObjectRef; uid: string } | undefined {
  if (!("uid" in effect)) return undefined;
  const { uid } = effect;
  switch (effect.kind) {
    case "annotate":
    case "patch-status":
    case "drop-object":
      return { type: typeOf(effect.resource), ref: refOf(effect), uid };
    case "patch-object":
      return { type: typeOf(effect.resource), ref: refOf(effect.body.metadata), uid };
    case "fill":
      return { type: typeOf(effect.resource), ref: { name: effect.name }, uid };
    case "release-ip":
    case "mark-ip":
      return { type: IPS, ref: { name: effect.name }, uid };
    case "node-condition":
      return { type: NODES, ref: { name: effect.name }, uid };
    case "drop-resolver":
      return { type: DNS_NAME_RESOLVERS, ref: { name: effect.name }, uid };
    case "condition":
      return undefined;
  }
}

/**
 * The condition is correct for the generation that the patch results in, because nothing else of the spec has changed; unless a newer version is
 * known by then, for which the unit returns its own condition, or the unit does not return the effect any more. The same applies if the patch fails.
 */
async function fillObject(tools: EffectTools, effect: FillEffect, isWanted: () => boolean): Promise<void> {
  const { kube, facts, observed, state } = tools;
  const { resource, name, uid, version, generation, condition } = effect;
  const seen = (): Finalized | undefined => facts.get(resource, name);
  const fact = seen();
  if (fact === undefined || fact.uid !== uid) return;
  // The decision is based on an old version: the unit is compiled again.
  if ((generation ?? generationOf(fact)) !== generationOf(fact) || (version ?? versionOf(fact)) !== versionOf(fact))
    return;
  const patch = version === undefined ? stepsOf(effect, fact) : mergeOf(effect, fact);
  let object: KubeObject;
  try {
    object = await kube.patch(typeOf(resource), { name }, patch);
  } catch (error) {
    if (condition !== undefined && isWanted() && seen() === fact) state(condition);
    // Records must not keep the finalizer from being added: with those of other clients, all annotations together may be too long.
    if (
      error instanceof KubeError &&
      error.code === "invalid" &&
      effect.finalizer === true &&
      effect.annotations !== undefined
    ) {
      const { annotations: _, condition: __, ...rest } = effect;
      await fillObject(tools, rest, isWanted);
    }
    throw error;
  }
  // An object without finalizers is deleted.
  if (effect.finalizer !== false) observed(resource, object);
  const now = seen();
  // When a late response arrives, the unit may have been compiled again and have returned a newer condition.
  if (condition === undefined || !isWanted() || now === undefined || now.uid !== uid) return;
  const { generation: came, resourceVersion } = object.metadata;
  if (version === undefined ? generationOf(now) !== came : versionOf(now) !== resourceVersion) return;
  state(condition.generation === undefined || came === undefined ? condition : { ...condition, generation: came });
}

function generationOf(fact: Finalized): number | undefined {
  return "generation" in fact ? fact.generation : undefined;
}

function versionOf(fact: Finalized): string | undefined {
  return "version" in fact ? fact.version : undefined;
}

type Finalized = FactTypes[FillEffect["resource"]];

/** Everything that another client may change is a precondition, so that no change is lost. */
function stepsOf(
  { uid, generation, finalizer, annotations, annotated, spec = {} }: FillEffect,
  fact: Finalized,
): Patch {
  const steps: JsonPatchStep[] = [{ op: "test", path: "/metadata/uid", value: uid }];
  if (generation !== undefined) steps.push({ op: "test", path: "/metadata/generation", value: generation });
  if (finalizer !== undefined) {
    const path = "/metadata/finalizers";
    const wanted = finalizersOf(fact, finalizer);
    // For the API server's test an absent field is null.
    steps.push({ op: "test", path, value: fact.finalizers.length > 0 ? fact.finalizers : null });
    if (wanted.length > 0) steps.push({ op: "add", path, value: wanted });
    else if (fact.finalizers.length > 0) steps.push({ op: "remove", path });
  }
  if (annotations !== undefined) {
    const path = "/metadata/annotations";
    if (!annotated) steps.push({ op: "test", path, value: null }, { op: "add", path, value: {} });
    for (const [key, value] of Object.entries(annotations)) {
      const one = `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      steps.push(value === null ? { op: "remove", path: one } : { op: "add", path: one, value });
    }
  }
  for (const [field, value] of Object.entries(spec)) steps.push({ op: "add", path: `/spec/${field}`, value });
  return { type: "json", body: steps };
}

/** The resource version shows whether another client has changed the object. */
function mergeOf({ uid, version, finalizer, annotations, labels, spec }: FillEffect, fact: Finalized): Patch {
  const metadata = {
    uid,
    resourceVersion: version,
    ...(finalizer !== undefined && { finalizers: finalizersOf(fact, finalizer) }),
    ...(annotations && { annotations }),
    ...(labels && { labels }),
  };
  return { type: "merge", body: { metadata, ...(spec && { spec }) } };
}

function finalizersOf({ finalizers, deleting }: Finalized, present: boolean): readonly string[] {
  const wanted = withoutOurs(finalizers);
  // No finalizer may be added to an object that is being deleted.
  return present && (finalizers.includes(FINALIZER) || !deleting) ? [...wanted, FINALIZER] : wanted;
}

function withoutOurs(finalizers: readonly string[]): string[] {
  return finalizers.filter((entry) => entry !== FINALIZER && entry !== DEPRECATED_FINALIZER);
}

async function releaseIp(tools: EffectTools, { name, uid, version, confirm }: ReleaseIpEffect): Promise<void> {
  const { kube, facts } = tools;
  const fact = facts.get("ips", name);
  // The record has changed: its release is decided again for the new version.
  if (fact === undefined || fact.uid !== uid || fact.version !== version) return;
  if (confirm && (await isKept(tools, fact))) return;
  let resourceVersion = version;
  const finalizers = withoutOurs(fact.finalizers);
  if (finalizers.length !== fact.finalizers.length) {
    const body = { metadata: { uid, resourceVersion, finalizers } };
    const { metadata } = await kube.patch(IPS, { name }, { type: "merge", body }, { metadataOnly: true });
    resourceVersion = metadata.resourceVersion;
  }
  if (!fact.deleting) await kube.delete(IPS, { name }, { preconditions: { uid, resourceVersion } });
}

/** Whether the owner of an address keeps it, according to the API server. A newer version is passed to the informer. */
async function isKept({ kube, facts, observed }: EffectTools, ip: IpFact): Promise<boolean> {
  const [namespace = "", podName = ""] = ip.holder.split("/");
  const kind = ip.podType === "VirtualMachine" ? "virtualMachines" : "statefulSets";
  const name = kind === "virtualMachines" ? podName : (ordinalOf(podName)?.set ?? podName);
  const type = kind === "virtualMachines" ? VIRTUAL_MACHINES : STATEFUL_SETS;
  const object = await kube.get(type, { namespace, name }).catch(unlessNotFound);
  if (object === undefined) return false;
  observed(kind, object);
  const fresh =
    kind === "virtualMachines" ? projectVirtualMachine(object) : projectStatefulSet(object as StatefulSetObject);
  const reader: FactReader = {
    get: (other, key) => (other === kind ? (fresh as never) : facts.get(other, key)),
    by: (other, index, value) => facts.by(other, index, value),
    all: (other) => facts.all(other),
  };
  return isRetained(reader, ip);
}

/**
 * By server-side apply, which merges conditions by type and removes those that this field manager no longer names; a merge patch would replace
 * kubelet's. Each type has its own field manager, so that setting one does not change the others.
 */
async function setNodeCondition(
  { kube, now }: EffectTools,
  { type, name, uid, problem }: NodeConditionEffect,
): Promise<void> {
  const time = now();
  const times = { lastHeartbeatTime: time, lastTransitionTime: time };
  const conditions = problem === undefined ? [] : [{ type, status: "True", ...problem, ...times }];
  const body = { apiVersion: "v1", kind: "Node", metadata: { name, uid }, status: { conditions } };
  const fieldManager = type === ADDRESS_CONDITION ? CONTROLLER_COMPONENT : `${CONTROLLER_COMPONENT}-${type}`;
  const how = { type: "apply", body, fieldManager, force: true } as const;
  await kube.patch(NODES, { name }, how, { subresource: "status", metadataOnly: true });
}

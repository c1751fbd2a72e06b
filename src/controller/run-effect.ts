import { ADDRESS_CONDITION, CONTROLLER_COMPONENT, DEPRECATED_FINALIZER, FINALIZER } from "../api/names.ts";
import { isRetained, ordinalOf } from "../claims/retention.ts";
import type {
  ConditionEffect,
  FinalizersEffect,
  NodeConditionEffect,
  ReleaseIpEffect,
  ReportEffect,
  WeftEffect,
} from "../compile/effects.ts";
import { RESOLVER_POLICY_LABEL } from "../facts/project-name-resolver.ts";
import { projectMachine, projectStatefulSet, type StatefulSetObject } from "../facts/project-owner.ts";
import type { FactReader } from "../facts/store.ts";
import type { IpFact } from "../facts/types.ts";
import { typeOf } from "../kinds/objects.ts";
import { KubeError, type KubeErrorCode } from "../kube/errors.ts";
import type { JsonPatchStep, Kube } from "../kube/kube.ts";
import type { KubeObject, ObjectRef } from "../kube/object.ts";
import { isReplaced } from "../kube/replaced.ts";
import {
  DNS_NAME_RESOLVERS,
  IPS,
  NODES,
  type ResourceType,
  STATEFUL_SETS,
  VIRTUAL_MACHINES,
} from "../kube/resources.ts";

/** What the effects are carried out with. */
export interface EffectTools {
  readonly kube: Kube;
  readonly facts: FactReader;
  /** Takes in what was read ahead of the informers. */
  readonly observed: (kind: "statefulSets" | "machines", object: KubeObject) => void;
  /** Takes a condition to the status writer, which joins it with the counters. */
  readonly state: (effect: ConditionEffect) => void;
  /** Says it in an Event. */
  readonly report: (effect: ReportEffect) => void;
  /** RFC 3339, whole seconds. */
  readonly now: () => string;
}

/**
 * Carries out one effect. An object that is gone, or that is another one under the same name, needs nothing any more: its
 * unit is compiled again when the informer says so.
 */
export async function runEffect(tools: EffectTools, effect: WeftEffect): Promise<void> {
  try {
    await dispatch(tools, effect);
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    if (error.code === "not-found" || (MAY_BE_ANOTHER.has(error.code) && (await isForAnother(tools, effect)))) return;
    throw error;
  }
}

async function dispatch(tools: EffectTools, effect: WeftEffect): Promise<void> {
  const { kube } = tools;
  switch (effect.kind) {
    case "annotate": {
      const { resource, namespace, name, uid, annotations } = effect;
      const ref = namespace === "" ? { name } : { namespace, name };
      await kube.patch(typeOf(resource), ref, { type: "merge", body: { metadata: { uid, annotations } } });
      return;
    }
    case "fill-spec": {
      const { resource, name, uid, generation, spec, labels } = effect;
      if (generation === undefined) {
        const metadata = { uid, ...(labels && { labels }) };
        await kube.patch(typeOf(resource), { name }, { type: "merge", body: { metadata, spec } });
        return;
      }
      const steps: JsonPatchStep[] = [
        { op: "test", path: "/metadata/uid", value: uid },
        { op: "test", path: "/metadata/generation", value: generation },
      ];
      for (const [field, value] of Object.entries(spec)) steps.push({ op: "add", path: `/spec/${field}`, value });
      await kube.patch(typeOf(resource), { name }, { type: "json", body: steps });
      return;
    }
    case "finalizer":
      return setFinalizer(tools, effect);
    case "release-ip":
      return releaseIp(tools, effect);
    case "mark-ip": {
      const { name, uid, podType } = effect;
      await kube.patch(IPS, { name }, { type: "merge", body: { metadata: { uid }, spec: { podType } } });
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
        await kube.create(DNS_NAME_RESOLVERS, { metadata, spec: { name: domain } });
      } catch (error) {
        if (!(error instanceof KubeError && error.code === "exists")) throw error;
      }
      return;
    }
    case "drop-resolver":
      await kube.delete(DNS_NAME_RESOLVERS, { name: effect.name }, { preconditions: { uid: effect.uid } });
      return;
  }
}

/** How the API server answers to a UID that is not the object's: a precondition is a `conflict`, `metadata.uid` in a patch is `invalid` (it is immutable). */
const MAY_BE_ANOTHER: ReadonlySet<KubeErrorCode> = new Set(["conflict", "invalid"]);

/** Whether the object that an effect is for is another one by now. */
async function isForAnother({ kube }: EffectTools, effect: WeftEffect): Promise<boolean> {
  const subject = subjectOf(effect);
  return subject !== undefined && (await isReplaced(kube, subject.type, subject.ref, subject.uid));
}

/** The object that an effect writes to provided that it has this UID. */
function subjectOf(effect: WeftEffect): { type: ResourceType; ref: ObjectRef; uid: string } | undefined {
  if (!("uid" in effect)) return undefined;
  const { name, uid } = effect;
  switch (effect.kind) {
    case "annotate": {
      const { namespace } = effect;
      return { type: typeOf(effect.resource), ref: namespace === "" ? { name } : { namespace, name }, uid };
    }
    case "fill-spec":
    case "finalizer":
      return { type: typeOf(effect.resource), ref: { name }, uid };
    case "release-ip":
    case "mark-ip":
      return { type: IPS, ref: { name }, uid };
    case "node-condition":
      return { type: NODES, ref: { name }, uid };
    case "drop-resolver":
      return { type: DNS_NAME_RESOLVERS, ref: { name }, uid };
    case "condition":
      return undefined;
  }
}

/** The whole list is tested and replaced, so that a finalizer that somebody adds meanwhile is not lost. */
async function setFinalizer({ kube, facts }: EffectTools, effect: FinalizersEffect): Promise<void> {
  const fact = facts.get(effect.resource, effect.name);
  if (fact === undefined || fact.uid !== effect.uid) return;
  const old = fact.finalizers;
  const has = old.includes(FINALIZER);
  const wanted = withoutOurs(old);
  // None may be added to what is being deleted.
  if (effect.present && (has || !fact.deleting)) wanted.push(FINALIZER);
  const path = "/metadata/finalizers";
  const steps: JsonPatchStep[] = [{ op: "test", path: "/metadata/uid", value: effect.uid }];
  if (old.length > 0) steps.push({ op: "test", path, value: old });
  if (wanted.length > 0) steps.push({ op: "add", path, value: wanted });
  else if (old.length > 0) steps.push({ op: "remove", path });
  await kube.patch(typeOf(effect.resource), { name: effect.name }, { type: "json", body: steps });
}

function withoutOurs(finalizers: readonly string[]): string[] {
  return finalizers.filter((entry) => entry !== FINALIZER && entry !== DEPRECATED_FINALIZER);
}

async function releaseIp(tools: EffectTools, { name, uid, version, confirm }: ReleaseIpEffect): Promise<void> {
  const { kube, facts } = tools;
  const fact = facts.get("ips", name);
  if (fact === undefined || fact.uid !== uid) return;
  if (confirm && (await isKept(tools, fact))) return;
  let resourceVersion = version;
  const finalizers = withoutOurs(fact.finalizers);
  if (finalizers.length !== fact.finalizers.length) {
    const body = { metadata: { uid, resourceVersion, finalizers } };
    resourceVersion = (await kube.patch(IPS, { name }, { type: "merge", body })).metadata.resourceVersion;
  }
  if (!fact.deleting) await kube.delete(IPS, { name }, { preconditions: { uid, resourceVersion } });
}

/** Whether the owner of an address keeps it, by what the API server says now. Where that is news, the informer is told. */
async function isKept({ kube, facts, observed }: EffectTools, ip: IpFact): Promise<boolean> {
  const [namespace = "", podName = ""] = ip.holder.split("/");
  const kind = ip.podType === "VirtualMachine" ? "machines" : "statefulSets";
  const name = kind === "machines" ? podName : (ordinalOf(podName)?.set ?? podName);
  let object: KubeObject;
  try {
    object = await kube.get(kind === "machines" ? VIRTUAL_MACHINES : STATEFUL_SETS, { namespace, name });
  } catch (error) {
    if (error instanceof KubeError && error.code === "not-found") return false;
    throw error;
  }
  observed(kind, object);
  const fresh = kind === "machines" ? projectMachine(object) : projectStatefulSet(object as StatefulSetObject);
  const reader: FactReader = {
    get: (other, key) => (other === kind ? (fresh as never) : facts.get(other, key)),
    by: (other, index, value) => facts.by(other, index, value),
    all: (other) => facts.all(other),
  };
  return isRetained(reader, ip);
}

/**
 * By server-side apply, which merges conditions by type and takes away what this field manager no longer names: a merge patch would replace kubelet's.
 * Each type has a field manager of its own, so that to set one leaves the other as it is.
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
  await kube.patch(NODES, { name }, how, { subresource: "status" });
}

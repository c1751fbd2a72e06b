// SPDX-License-Identifier: Apache-2.0

import {
  type ADDRESS_CONDITION,
  type CHASSIS_CONDITION,
  DEPRECATED_FINALIZER,
  FINALIZER,
  type NETWORKS_CONDITION,
  type SERVICES_CONDITION,
} from "../api/names.ts";
import { podTypeOf } from "../claims/retention.ts";
import { type RecordAnnotations, recordAnnotations, writeFields } from "../facts/accepted.ts";
import type { IpFact } from "../facts/ip.ts";
import type { PodFact } from "../facts/pod.ts";
import type { FactKindWith, ObjectKind } from "../facts/types.ts";
import type { PolicyKind } from "../policy/policy-kinds.ts";

/** Requests of units for changes outside the northbound database. Each is idempotent. */
export type WeftEffect =
  | AnnotateEffect
  | ReleaseIpEffect
  | MarkIpEffect
  | FillEffect
  | ConditionEffect
  | ReportEffect
  | NodeConditionEffect
  | MakeResolverEffect
  | DropResolverEffect
  | MakeObjectEffect
  | PatchObjectEffect
  | PatchStatusEffect
  | DropObjectEffect;

/** Set (or, with null, remove) annotations of one object in one patch, provided that it still has this UID. */
export interface AnnotateEffect {
  readonly kind: "annotate";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly annotations: Readonly<Record<string, string | null>>;
}

/** Delete an IP object, provided that it is unchanged, and release its address. */
export interface ReleaseIpEffect {
  readonly kind: "release-ip";
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** The resourceVersion that the decision is based on: a record that has been taken over since is kept. */
  readonly version: string;
  /** Ask the API server whether the StatefulSet or virtual machine keeps it: the facts may be stale. */
  readonly confirm?: true;
}

/** Record in an IP object the owner that keeps its address when the pod is deleted. */
export interface MarkIpEffect {
  readonly kind: "mark-ip";
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** `spec.podType`. */
  readonly podType: "StatefulSet" | "VirtualMachine";
}

/**
 * Write all of Weft's fields of an object in one patch: the finalizer, defaults and allocated addresses in spec and labels, the accepted configuration in annotations.
 * Changes by other clients are kept. Each write of a cluster-scoped object costs the API server some 10 ms of CPU.
 */
export interface FillEffect {
  readonly kind: "fill";
  readonly key: string;
  readonly resource: FinalizedKind;
  readonly name: string;
  readonly uid: string;
  /** Add or remove our finalizer; absent if nothing is to change. */
  readonly finalizer?: boolean;
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** Whether it has annotations: a JSON patch cannot add to a map that does not exist. */
  readonly annotated: boolean;
  readonly spec?: Readonly<Record<string, unknown>>;
  /** `metadata.generation` of the spec that lacks these fields; present if `spec` is and `version` is not. */
  readonly generation?: number;
  /** Only together with `version`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The resourceVersion that the decision is based on, if the fact has it. */
  readonly version?: string;
  /** Written after this patch, with the generation that results from it. */
  readonly condition?: ConditionEffect;
}

/** The kinds of facts that contain the finalizers of their objects. */
export type FinalizedKind = FactKindWith<{
  readonly name: string;
  readonly uid: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}>;

/** Policies that have a status. */
export type AdminPolicyResource = Exclude<PolicyKind, "networkPolicies">;

/** Write into an object's status whether it is accepted, and if not, why. */
export interface ConditionEffect {
  readonly kind: "condition";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly name: string;
  readonly uid: string;
  /** `metadata.generation` of the evaluated spec; absent for kinds whose status updates increase the generation. */
  readonly generation?: number;
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  /** If an earlier configuration is active: why the spec is not accepted. */
  readonly refused?: { readonly reason: string; readonly message: string };
  /** Warnings about an accepted object; see {@link withNotes}. */
  readonly notes?: readonly Note[];
  /** Conditions of nodes, which some kinds have beside their own. */
  readonly nodes?: readonly ConditionOnNode[];
  /** Further fields of the status that follow from the spec. */
  readonly status?: Readonly<Record<string, unknown>>;
}

/** The state of an object on one node. */
export interface ConditionOnNode {
  readonly node: string;
  readonly ready: boolean;
  /** One CamelCase word. */
  readonly reason: string;
  readonly message: string;
}

/** A warning about an accepted object. */
export interface Note {
  /** One CamelCase word. */
  readonly reason: string;
  /** Text of one sentence. */
  readonly message: string;
}

/** Create a DNSNameResolver, unless one of that name exists. */
export interface MakeResolverEffect {
  readonly kind: "make-resolver";
  readonly key: string;
  readonly name: string;
  /** The label that names the policy. */
  readonly policy: string;
  /** With a trailing dot. */
  readonly domain: string;
}

/** Delete a DNSNameResolver that was created for a policy. */
export interface DropResolverEffect {
  readonly kind: "drop-resolver";
  readonly key: string;
  readonly name: string;
  readonly uid: string;
}

/** Create an object that another one needs. If it exists, the effect fails, because it has no patch for it. */
export interface MakeObjectEffect {
  readonly kind: "make-object";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly body: ObjectBody<string>;
}

/** Restore an object that Weft created, by a merge patch, provided that it still has this UID. */
export interface PatchObjectEffect {
  readonly kind: "patch-object";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly uid: string;
  readonly body: ObjectBody;
}

/** Change the status and annotations of an object by one merge patch, provided that it is unchanged. */
export interface PatchStatusEffect {
  readonly kind: "patch-status";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** The resourceVersion that the decision is based on. */
  readonly version: string;
  readonly annotations: Readonly<Record<string, string | null>>;
  readonly status: Readonly<Record<string, unknown>>;
}

/** Delete an object that Weft created, provided that it still has this UID. */
export interface DropObjectEffect {
  readonly kind: "drop-object";
  readonly key: string;
  readonly resource: ObjectKind;
  /** "" for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** The fields of an object to write; in a patch null removes a label or an annotation. */
export interface ObjectBody<Value = string | null> {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, Value>>;
    readonly annotations?: Readonly<Record<string, Value>>;
    readonly ownerReferences?: readonly OwnerReferenceBody[];
  };
  readonly [field: string]: unknown;
}

/** An owner of an object (meta/v1 OwnerReference): when it is deleted, the object is too. */
export interface OwnerReferenceBody {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller: true;
}

/** Report in an Event which parts of an object cannot be applied. */
export interface ReportEffect {
  readonly kind: "report";
  readonly key: string;
  readonly about: {
    readonly resource: ObjectKind;
    /** "" for cluster-scoped objects. */
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
  readonly reason: string;
  readonly message: string;
}

/** Set or remove one of our conditions of a Node. The other conditions are kubelet's. */
export interface NodeConditionEffect {
  readonly kind: "node-condition";
  readonly key: string;
  readonly type:
    | typeof ADDRESS_CONDITION
    | typeof CHASSIS_CONDITION
    | typeof NETWORKS_CONDITION
    | typeof SERVICES_CONDITION;
  readonly name: string;
  readonly uid: string;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

/**
 * The effect that sets the desired annotations of an object: only those that differ; no effect if none does.
 */
export function annotate(
  resource: AnnotateEffect["resource"],
  object: {
    readonly namespace?: string;
    readonly name: string;
    readonly uid: string;
    readonly annotations: Readonly<Record<string, string>>;
  },
  wanted: Readonly<Record<string, string | undefined>>,
): readonly AnnotateEffect[] {
  const annotations = differingAnnotations(object.annotations, wanted);
  if (annotations === undefined) return [];
  const { namespace = "", name, uid } = object;
  const key = `annotate/${resource}/${namespace}/${name}`;
  return [{ kind: "annotate", key, resource, namespace, name, uid, annotations }];
}

/** The desired annotations that differ from the existing ones, null for those to remove; `undefined` if none does. */
function differingAnnotations(
  present: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | null>> | undefined {
  const annotations: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(wanted)) if (present[key] !== value) annotations[key] = value ?? null;
  return Object.keys(annotations).length === 0 ? undefined : annotations;
}

/** The annotation in which an object records its accepted configuration, see `ACCEPTED_ANNOTATION`; a configuration that is too long is not recorded. */
export function remembered(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return recordAnnotations(writeFields(fields) ?? "{}");
}

/** The same for an unchanged record: both annotations have it. */
export function keptRecord(text: string): RecordAnnotations {
  return text === "" ? {} : recordAnnotations(text);
}

/** The desired fields of Weft in an object; see {@link FillEffect}. */
export interface Filling {
  /** Whether our finalizer is desired. */
  readonly finalizer: boolean;
  readonly annotations?: Readonly<Record<string, string | undefined>>;
  /** Missing fields of the spec of that `generation` or `version`. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly generation?: number;
  /** Labels to set; absent where they are as desired. Only together with `version`. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly version?: string;
}

/**
 * The effects that write missing fields of an object and, afterwards or at the same time, its condition. No finalizer is added to an object that is
 * being deleted. The finalizer of Kube-OVN before 1.13 is always removed: no other program would.
 */
export function fill(
  resource: FinalizedKind,
  object: {
    readonly name: string;
    readonly uid: string;
    readonly deleting: boolean;
    readonly finalizers: readonly string[];
    /** Our annotations. */
    readonly annotations?: Readonly<Record<string, string>>;
    readonly annotated?: boolean;
  },
  { finalizer, annotations: wanted = {}, spec = {}, labels, generation, version }: Filling,
  condition?: ConditionEffect,
): readonly WeftEffect[] {
  const { name, uid, deleting, finalizers, annotated = false } = object;
  const placed = finalizers.includes(FINALIZER) === finalizer || (finalizer && deleting);
  const right = placed && !finalizers.includes(DEPRECATED_FINALIZER);
  const annotations = differingAnnotations(object.annotations ?? {}, wanted);
  const filled = Object.keys(spec).length === 0 && labels === undefined;
  if (right && annotations === undefined && filled) return condition === undefined ? [] : [condition];
  const effect: FillEffect = {
    ...{ kind: "fill", key: `fill/${resource}/${name}`, resource, name, uid, annotated },
    ...(!right && { finalizer }),
    ...(annotations && { annotations }),
    ...(Object.keys(spec).length > 0 && { spec }),
    ...(labels && { labels }),
    ...(version === undefined ? !filled && generation !== undefined && { generation } : { version }),
  };
  if (condition === undefined) return [effect];
  // In sequence: the patch increases the generation that the condition has to name, and two concurrent writes would conflict.
  const after = effect.spec !== undefined || effect.version !== undefined;
  return after ? [{ ...effect, condition }] : [effect, condition];
}

/** The conditions among effects, including those that are written after another effect. */
export function conditionsIn(effects: readonly WeftEffect[]): readonly ConditionEffect[] {
  return effects.flatMap((effect) =>
    effect.kind === "condition" ? effect : effect.kind === "fill" ? (effect.condition ?? []) : [],
  );
}

/** The effect that releases an address, see {@link ReleaseIpEffect}. */
export function releaseIp(ip: Pick<IpFact, "name" | "uid" | "version">, confirm = false): ReleaseIpEffect {
  const { name, uid, version } = ip;
  return { kind: "release-ip", key: `release/${name}`, name, uid, version, ...(confirm && { confirm }) };
}

/** The effect that records a pod's owner: a StatefulSet may adopt a pod without one; no effect if the record has it. */
export function markIp({ name, uid, podType }: IpFact, pod: PodFact): readonly MarkIpEffect[] {
  const wanted = podTypeOf(pod);
  if (wanted === "" || podType === wanted) return [];
  return [{ kind: "mark-ip", key: `mark/${name}`, name, uid, podType: wanted }];
}

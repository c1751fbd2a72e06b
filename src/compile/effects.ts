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
import type { PolicyKind } from "../policy/translate.ts";
import type { PolicyProblem } from "../policy/types.ts";

/** What units ask for outside the northbound database. Each is idempotent: carrying it out twice does no harm. */
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

/** Delete an IP object, provided that nobody has changed it meanwhile, and with it give its address back. */
export interface ReleaseIpEffect {
  readonly kind: "release-ip";
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** The resource version on which that was decided: whoever has taken the record over since keeps it. */
  readonly version: string;
  /** Ask the API server whether the StatefulSet or machine really does not keep it: what facts say of them may be old. */
  readonly confirm?: true;
}

/** Write into an IP object what keeps its address beyond its pod. */
export interface MarkIpEffect {
  readonly kind: "mark-ip";
  readonly key: string;
  readonly name: string;
  readonly uid: string;
  /** `spec.podType`. */
  readonly podType: "StatefulSet" | "VirtualMachine";
}

/**
 * Write into an object, in one patch, all that Weft keeps there: its finalizer, defaults and allocated addresses in spec and labels, the accepted configuration in annotations.
 * What others have written meanwhile stays. Each write of an object of the cluster costs the API server some 10 ms of CPU.
 */
export interface FillEffect {
  readonly kind: "fill";
  readonly key: string;
  readonly resource: FinalizedKind;
  readonly name: string;
  readonly uid: string;
  /** Put our finalizer on it, or take it off; absent where it is right. */
  readonly finalizer?: boolean;
  readonly annotations?: Readonly<Record<string, string | null>>;
  /** Whether it has annotations: where it has none the API server has nothing to add to. */
  readonly annotated: boolean;
  readonly spec?: Readonly<Record<string, unknown>>;
  /** `metadata.generation` of the spec that lacks these fields; named where `spec` is and `version` is not. */
  readonly generation?: number;
  /** Only where `version` is named. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The resource version on which that was decided, where the fact has it. */
  readonly version?: string;
  /** Said when this has been answered, with the generation that came of it. */
  readonly condition?: ConditionEffect;
}

/** The kinds of facts that say which finalizers their objects have. */
export type FinalizedKind = FactKindWith<{
  readonly name: string;
  readonly uid: string;
  readonly deleting: boolean;
  readonly finalizers: readonly string[];
}>;

/** Policies that have a status. */
export type AdminPolicyResource = Exclude<PolicyKind, "networkPolicies">;

/** State in an object's status whether it is accepted, and if not, why. */
export interface ConditionEffect {
  readonly kind: "condition";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly name: string;
  readonly uid: string;
  /** `metadata.generation` of what was looked at; absent where statuses count as generations too. */
  readonly generation?: number;
  readonly ready: boolean;
  readonly reason: string;
  readonly message: string;
  /** Where an earlier configuration is active: why the spec is not accepted. */
  readonly refused?: { readonly reason: string; readonly message: string };
  /** What its user should know although it is accepted; see {@link withNotes}. */
  readonly notes?: readonly Note[];
  /** Further fields of the status that follow from the spec. */
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Something about an object that does not keep it from being accepted. */
export interface Note {
  /** One CamelCase word. */
  readonly reason: string;
  /** A sentence. */
  readonly message: string;
}

/** Make a DNSNameResolver, unless there is one of its name. */
export interface MakeResolverEffect {
  readonly kind: "make-resolver";
  readonly key: string;
  readonly name: string;
  /** The label that says for which policy. */
  readonly policy: string;
  /** With a dot at the end. */
  readonly domain: string;
}

/** Delete a DNSNameResolver that was made for a policy. */
export interface DropResolverEffect {
  readonly kind: "drop-resolver";
  readonly key: string;
  readonly name: string;
  readonly uid: string;
}

/** Create an object that another one needs. One that is there already is an error: what it is to be patched to is not known here. */
export interface MakeObjectEffect {
  readonly kind: "make-object";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly body: ObjectBody<string>;
}

/** Restore an object that was made so, by a merge patch, provided that it still has this UID. */
export interface PatchObjectEffect {
  readonly kind: "patch-object";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly uid: string;
  readonly body: ObjectBody;
}

/** Delete an object that was made so, provided that it still has this UID. */
export interface DropObjectEffect {
  readonly kind: "drop-object";
  readonly key: string;
  readonly resource: ObjectKind;
  /** "" for objects of the whole cluster. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** What of an object is written; in a patch null takes a label or an annotation off. */
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

/** Say in an Event what of an object cannot be done as it is written. */
export interface ReportEffect {
  readonly kind: "report";
  readonly key: string;
  readonly about: {
    readonly resource: ObjectKind;
    /** "" for objects of the whole cluster. */
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  };
  readonly reason: string;
  readonly message: string;
}

/** Set one of our conditions of a Node, or take it away. The other conditions are kubelet's. */
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

/** A condition with notes in its reason and message, behind what it says itself, and each in an Event; of many only the first ones. */
export function withNotes(effect: ConditionEffect, all: readonly Note[]): ConditionEffect {
  const notes = all.slice(0, 10);
  const [first] = notes;
  if (first === undefined) return effect;
  const reason = effect.reason === "Ready" ? first.reason : effect.reason;
  const texts = [effect.message, ...notes.map(({ message }) => message)].filter((text) => text !== "");
  if (all.length > notes.length) texts.push(`and ${all.length - notes.length} more`);
  return { ...effect, reason, message: texts.join("; "), notes };
}

/** The effect that says in one Event what of an object cannot be done; none where all can. */
export function report(about: ReportEffect["about"], problems: readonly PolicyProblem[]): readonly ReportEffect[] {
  const [first] = problems;
  if (first === undefined) return [];
  const key = `report/${about.resource}/${about.uid}`;
  return [{ kind: "report", key, about, reason: first.reason, message: problemText(problems) }];
}

/** The problems of an object in one text; of many only the first ones, for a status takes 32 KiB and an Event 1 KiB. */
export function problemText(problems: readonly PolicyProblem[]): string {
  const texts = problems.slice(0, 10).map(({ path, message }) => `${path}: ${message}`);
  if (problems.length > 10) texts.push(`and ${problems.length - 10} more`);
  return texts.join("; ");
}

/**
 * The effect that gives an object the wanted annotations: only those that differ from what it has, and nothing where none
 * does.
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

/** The wanted annotations that differ from those that are there, null for those that are to go; nothing where none does. */
function differingAnnotations(
  present: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | null>> | undefined {
  const annotations: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(wanted)) if (present[key] !== value) annotations[key] = value ?? null;
  return Object.keys(annotations).length === 0 ? undefined : annotations;
}

/** The annotation in which an object records its accepted configuration, see `ACCEPTED_ANNOTATION`; nothing is recorded of what is too long. */
export function remembered(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return recordAnnotations(writeFields(fields) ?? "{}");
}

/** The same of a record that stays as it is: both annotations have it. */
export function keptRecord(text: string): RecordAnnotations {
  return text === "" ? {} : recordAnnotations(text);
}

/** What an object is to have that Weft keeps in it; see {@link FillEffect}. */
export interface Filling {
  /** Whether it is to have our finalizer. */
  readonly finalizer: boolean;
  readonly annotations?: Readonly<Record<string, string | undefined>>;
  /** What its spec lacks, of that `generation` or of that `version`. */
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly generation?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly version?: string;
}

/**
 * The effects that write into an object what it lacks and then, or at the same time, say its condition. No finalizer is put on what is being
 * deleted. The form that our finalizer had before Kube-OVN 1.13 goes in any case: nobody else would ever take it off.
 */
export function fill(
  resource: FinalizedKind,
  object: {
    readonly name: string;
    readonly uid: string;
    readonly deleting: boolean;
    readonly finalizers: readonly string[];
    /** Those that are ours. */
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
  const filled = Object.keys(spec).length === 0;
  if (right && annotations === undefined && filled) return condition === undefined ? [] : [condition];
  const effect: FillEffect = {
    ...{ kind: "fill", key: `fill/${resource}/${name}`, resource, name, uid, annotated },
    ...(!right && { finalizer }),
    ...(annotations && { annotations }),
    ...(!filled && { spec, ...(labels && { labels }) }),
    ...(version === undefined ? !filled && generation !== undefined && { generation } : { version }),
  };
  if (condition === undefined) return [effect];
  // The generation that the condition names is not the last one, or the two writes would be in each other's way.
  const after = effect.spec !== undefined || effect.version !== undefined;
  return after ? [{ ...effect, condition }] : [effect, condition];
}

/** The conditions among effects, also those that are said when another effect has been answered. */
export function conditionsIn(effects: readonly WeftEffect[]): readonly ConditionEffect[] {
  return effects.flatMap((effect) =>
    effect.kind === "condition" ? effect : effect.kind === "fill" ? (effect.condition ?? []) : [],
  );
}

/** The effect that gives an address back, see {@link ReleaseIpEffect}. */
export function releaseIp(ip: Pick<IpFact, "name" | "uid" | "version">, confirm = false): ReleaseIpEffect {
  const { name, uid, version } = ip;
  return { kind: "release-ip", key: `release/${name}`, name, uid, version, ...(confirm && { confirm }) };
}

/** The effect that follows a pod's owner: a StatefulSet may adopt a pod that had none; nothing where the record says so already. */
export function markIp({ name, uid, podType }: IpFact, pod: PodFact): readonly MarkIpEffect[] {
  const wanted = podTypeOf(pod);
  if (wanted === "" || podType === wanted) return [];
  return [{ kind: "mark-ip", key: `mark/${name}`, name, uid, podType: wanted }];
}

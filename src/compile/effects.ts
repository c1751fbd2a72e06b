import { type ADDRESS_CONDITION, type CHASSIS_CONDITION, DEPRECATED_FINALIZER, FINALIZER } from "../api/names.ts";
import { podTypeOf } from "../claims/retention.ts";
import { IN_FORCE_ANNOTATION, writeFields } from "../facts/in-force.ts";
import type { FactKindWith, IpFact, ObjectKind, PodFact } from "../facts/types.ts";
import type { PolicyKind } from "../policy/translate.ts";
import type { PolicyProblem } from "../policy/types.ts";

/** What units ask for outside the northbound database. Each is idempotent: carrying it out twice does no harm. */
export type WeftEffect =
  | AnnotateEffect
  | ReleaseIpEffect
  | MarkIpEffect
  | FinalizersEffect
  | FillSpecEffect
  | ConditionEffect
  | ReportEffect
  | NodeConditionEffect
  | MakeResolverEffect
  | DropResolverEffect;

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

/** Put our finalizer on an object, or take it off. */
export interface FinalizersEffect {
  readonly kind: "finalizer";
  readonly key: string;
  readonly resource: FinalizedKind;
  readonly name: string;
  readonly uid: string;
  readonly present: boolean;
}

/** Write defaults, or what was given, into an object's spec and labels, as Kube-OVN does. */
export interface FillSpecEffect {
  readonly kind: "fill-spec";
  readonly key: string;
  readonly resource: ObjectKind;
  readonly name: string;
  readonly uid: string;
  /** `metadata.generation` of the spec that lacks them, where what a user has written since is to stay. */
  readonly generation?: number;
  readonly spec: Readonly<Record<string, unknown>>;
  /** Written together with the spec; not where a generation is named, for these are not part of it. */
  readonly labels?: Readonly<Record<string, string>>;
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

/** State in an object's status whether it is in force, and if not, why. */
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
  /** Where it is in force with something former: why what is in its spec is not. */
  readonly refused?: { readonly reason: string; readonly message: string };
  /** What its user should know although it is in force; see {@link withNotes}. */
  readonly notes?: readonly Note[];
  /** Further fields of the status that follow from the spec. */
  readonly status?: Readonly<Record<string, unknown>>;
}

/** Something about an object that does not keep it from being in force. */
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
  readonly type: typeof ADDRESS_CONDITION | typeof CHASSIS_CONDITION;
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
  const annotations: Record<string, string | null> = {};
  for (const [key, value] of Object.entries(wanted)) {
    if (object.annotations[key] !== value) annotations[key] = value ?? null;
  }
  if (Object.keys(annotations).length === 0) return [];
  const { namespace = "", name, uid } = object;
  const key = `annotate/${resource}/${namespace}/${name}`;
  return [{ kind: "annotate", key, resource, namespace, name, uid, annotations }];
}

/** The effect that has an object remember what of it is in force, see `IN_FORCE_ANNOTATION`; of what is too long it remembers nothing. */
export function remember(
  resource: ObjectKind,
  { name, uid, inForce }: { readonly name: string; readonly uid: string; readonly inForce: string },
  fields: Readonly<Record<string, unknown>>,
): readonly AnnotateEffect[] {
  const annotations = inForce === "" ? {} : { [IN_FORCE_ANNOTATION]: inForce };
  return annotate(resource, { name, uid, annotations }, { [IN_FORCE_ANNOTATION]: writeFields(fields) ?? "{}" });
}

/**
 * The effect that puts our finalizer on an object, or takes it off; nothing where that is so already, and none is put on what
 * is being deleted. The form that it had before Kube-OVN 1.13 goes in any case: nobody else would ever take it off.
 */
export function finalizer(
  resource: FinalizersEffect["resource"],
  object: {
    readonly name: string;
    readonly uid: string;
    readonly deleting: boolean;
    readonly finalizers: readonly string[];
  },
  present: boolean,
): readonly FinalizersEffect[] {
  const { name, uid, deleting, finalizers } = object;
  const right = finalizers.includes(FINALIZER) === present || (present && deleting);
  if (right && !finalizers.includes(DEPRECATED_FINALIZER)) return [];
  return [{ kind: "finalizer", key: `finalizer/${resource}/${name}`, resource, name, uid, present }];
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

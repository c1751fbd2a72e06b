// SPDX-License-Identifier: Apache-2.0

/** A reference to the object that owns another (meta/v1 OwnerReference). */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

/** The part of meta/v1 ObjectMeta that Weft reads. Times are RFC 3339 text, as the API server writes them. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly creationTimestamp?: string;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Any object that the API server has stored. Items of a list carry no `apiVersion` and `kind`. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** A custom resource with its generated spec and status types, for example `CustomObject<SubnetSpec, SubnetStatus>`. */
export interface CustomObject<Spec, Status = unknown> extends KubeObject {
  readonly spec: Spec;
  readonly status?: Status;
}

/** Metadata of an object to create, without the fields that the API server assigns. */
export interface NewObjectMeta {
  readonly name?: string;
  /** A prefix to which the API server adds five random characters; used when `name` is absent. */
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** An object to create. `apiVersion` and `kind` are filled in from the resource type. */
export type NewObject<T extends KubeObject> = Omit<T, "metadata" | "apiVersion" | "kind"> & {
  readonly metadata: NewObjectMeta;
};

/** Identifies one object of a given type; `namespace` is absent for cluster-scoped types. */
export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string;
}

/** The key of an object in informers: `namespace/name`, or `name` for cluster-scoped types. */
export function keyOf(ref: ObjectRef): string {
  return ref.namespace === undefined || ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The inverse of {@link keyOf}. */
export function refOf(key: string): ObjectRef {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

// SPDX-License-Identifier: Apache-2.0

import { KubeError } from "./errors.ts";
import type { ApiRequest, Exchange } from "./exchange.ts";
import type { DeleteOptions, Kube, ListOptions, Patch, SubresourceOptions, WriteOptions } from "./kube.ts";
import type { ObjectRef } from "./object.ts";
import { collectionPath, listQuery, objectPath, watchQuery, writeQuery } from "./paths.ts";
import { apiVersionOf, type ResourceType, typeName } from "./resources.ts";
import { parseList, parseObject, parseReview, parseWatchLine } from "./wire.ts";

const PATCH_TYPES: Readonly<Record<Patch["type"], string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  // API servers before 1.32 accept only YAML here; JSON is YAML.
  apply: "application/apply-patch+yaml",
};

/**
 * Of an answer that is converted to metadata (kube-apiserver since 1.15, `docs/reference/using-api/api-concepts`).
 * Errors are not converted, so the second type is for them as well as for API servers that cannot convert.
 */
const METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/** The verbs of the API as paths, queries and bodies over `exchange`. */
export function restKube(exchange: Exchange): Kube {
  return {
    async get(type, ref, options = {}) {
      const what = describe("get", type, ref);
      return parseObject(await exchange.call({ what, method: "GET", path: pathOf(what, type, ref) }, options), what);
    },
    async list(type, options: ListOptions = {}) {
      const what = describe("list", type);
      const path = collectionPath(type, options.namespace) + listQuery(options);
      return parseList(await exchange.call({ what, method: "GET", path }, options), what);
    },
    async create(type, object, options: WriteOptions = {}) {
      const { metadata } = object;
      const name = metadata.name ?? `${metadata.generateName ?? ""}*`;
      const what = describe("create", type, { ...metadata, name });
      requireNamespace(what, type, metadata.namespace);
      const path = collectionPath(type, metadata.namespace) + writeQuery(options);
      const body = { apiVersion: apiVersionOf(type), kind: type.kind, ...object };
      const answer = await exchange.call({ what, method: "POST", path, body, ...acceptOf(options) }, options);
      return type.answered ? parseReview(answer, what) : parseObject(answer, what, !options.dryRun);
    },
    async update(type, object, options: SubresourceOptions = {}) {
      const what = describe("update", type, object.metadata, options.subresource);
      const path = pathOf(what, type, object.metadata, options.subresource) + writeQuery(options);
      const body = { apiVersion: apiVersionOf(type), kind: type.kind, ...object };
      return parseObject(await exchange.call({ what, method: "PUT", path, body, ...acceptOf(options) }, options), what);
    },
    async patch(type, ref, patch, options: SubresourceOptions = {}) {
      const what = describe("patch", type, ref, options.subresource);
      const apply = patch.type === "apply";
      const query = apply
        ? writeQuery({ ...options, fieldManager: patch.fieldManager }, patch.force ?? false)
        : writeQuery(options);
      const { metadata } = patch.body as { readonly metadata?: object };
      const identity = { apiVersion: apiVersionOf(type), kind: type.kind, metadata: { ...metadata, ...refOnly(ref) } };
      const request: ApiRequest = {
        what,
        method: "PATCH",
        path: pathOf(what, type, ref, options.subresource) + query,
        // A configuration to apply must contain its kind and version.
        body: apply ? { ...patch.body, ...identity } : patch.body,
        contentType: PATCH_TYPES[patch.type],
        ...acceptOf(options),
      };
      return parseObject(await exchange.call(request, options), what);
    },
    async delete(type, ref, options: DeleteOptions = {}) {
      const what = describe("delete", type, ref);
      const { preconditions, gracePeriodSeconds, propagationPolicy, dryRun } = options;
      const body = {
        apiVersion: "v1",
        kind: "DeleteOptions",
        ...(preconditions === undefined ? {} : { preconditions }),
        ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
        ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
        ...(dryRun ? { dryRun: ["All"] } : {}),
      };
      await exchange.call({ what, method: "DELETE", path: pathOf(what, type, ref), body }, options);
    },
    async watch(type, options, onEvent) {
      const what = describe("watch", type);
      const path = collectionPath(type, options.namespace) + watchQuery(options);
      await exchange.follow(
        { what, method: "GET", path },
        options.signal,
        options.onOpen ?? (() => undefined),
        (line) => onEvent(parseWatchLine(line, what)),
      );
    },
  };
}

function acceptOf({ metadataOnly }: WriteOptions): Pick<ApiRequest, "accept"> {
  return metadataOnly ? { accept: METADATA_ONLY } : {};
}

function describe(verb: string, type: ResourceType, ref?: ObjectRef, subresource?: string): string {
  const resource = subresource === undefined ? typeName(type) : `${typeName(type)}/${subresource}`;
  if (ref === undefined) return `${verb} ${resource}`;
  return `${verb} ${resource} ${ref.namespace ? `${ref.namespace}/` : ""}${ref.name}`;
}

function refOnly({ name, namespace }: ObjectRef): ObjectRef {
  return namespace === undefined ? { name } : { name, namespace };
}

function pathOf(what: string, type: ResourceType, ref: ObjectRef, subresource?: string): string {
  requireNamespace(what, type, ref.namespace);
  // An empty name would make it a call on the whole collection.
  if (ref.name === "") throw new KubeError("invalid", `${what}: the name is empty`);
  return objectPath(type, ref, subresource);
}

function requireNamespace(what: string, type: ResourceType, namespace: string | undefined): void {
  if (type.namespaced && (namespace === undefined || namespace === "")) {
    throw new KubeError("invalid", `${what}: the namespace is missing`);
  }
}

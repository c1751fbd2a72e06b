// SPDX-License-Identifier: Apache-2.0

import { manifestDocuments } from "../api/manifest-documents.ts";
import { isObject } from "../collections/plain.ts";
import type { FactKind } from "../facts/types.ts";
import { apiVersionOf, type ResourceType } from "../kube/resources.ts";
import { feeds } from "./cluster-model.ts";

/** An invalid manifest; the message has the place and what is accepted. */
export class ManifestError extends Error {
  override readonly name = "ManifestError";
}

/** One object of a manifest that matters to the network. */
export interface ManifestObject {
  /** Its kind of fact. */
  readonly kind: FactKind;
  readonly type: ResourceType;
  readonly name: string;
  readonly namespace?: string;
  /** `NetworkPolicy shop/web`, for messages. */
  readonly label: string;
  /** As written, with its namespace filled in. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A parsed manifest. */
export interface Manifest {
  readonly objects: readonly ManifestObject[];
  /** Objects in it that do not matter, one text each. */
  readonly ignored: readonly string[];
}

/** Types that can be planned: not those of which only certain objects are used (Deployments and ConfigMaps of VpcDns). */
const TYPES = new Map(
  feeds({ router: "", joinSubnet: "" })
    .filter(([, { fieldSelector }]) => fieldSelector?.startsWith("metadata.") !== true)
    .map(([kind, { type }]) => [`${apiVersionOf(type)} ${type.kind}`, { kind, type }] as const),
);

/** Other objects that a manifest may contain. */
const WITHOUT_BEARING = "does not affect reachability by itself";

/**
 * Parses a manifest: YAML or JSON, several documents, `List`s. Objects without a namespace are of `namespace`. Throws
 * {@link ManifestError} for an invalid manifest, naming `source` and the line.
 */
export function readManifest(text: string, source: string, namespace: string): Manifest {
  const objects: ManifestObject[] = [];
  const ignored: string[] = [];
  for (const document of manifestDocuments(text)) {
    if ("problem" in document) throw new ManifestError(`${source}: ${document.problem}`);
    const { line, value } = document;
    if (value === null) continue;
    for (const [i, item] of itemsOf(value).entries()) {
      const where = `${source}:${line}${i === 0 ? "" : ` (item ${i})`}`;
      const read = readObject(item, where, namespace);
      if (typeof read === "string") ignored.push(read);
      else objects.push(read);
    }
  }
  if (objects.length === 0 && ignored.length === 0) throw new ManifestError(`${source}: contains no object`);
  return { objects, ignored };
}

function itemsOf(value: unknown): readonly unknown[] {
  const { kind, items } = value as { readonly kind?: unknown; readonly items?: unknown };
  return kind === "List" && Array.isArray(items) ? items : [value];
}

function readObject(value: unknown, where: string, defaultNamespace: string): ManifestObject | string {
  if (!isObject(value)) throw new ManifestError(`${where}: expected an object with apiVersion, kind and metadata`);
  const { apiVersion, kind, metadata } = value;
  if (typeof apiVersion !== "string" || typeof kind !== "string") {
    throw new ManifestError(`${where}: apiVersion or kind is missing`);
  }
  const meta = isObject(metadata) ? metadata : {};
  const { name } = meta;
  if (typeof name !== "string" || name === "") {
    throw new ManifestError(`${where}: metadata.name of this ${kind} is missing (generateName cannot be planned)`);
  }
  const known = TYPES.get(`${apiVersion} ${kind}`);
  if (known === undefined) {
    const other = [...TYPES.keys()].find((each) => each.endsWith(` ${kind}`));
    // Otherwise a policy of another version would be ignored silently.
    if (other !== undefined) {
      throw new ManifestError(`${where}: ${kind} is supported as ${other.split(" ")[0]}, not as ${apiVersion}`);
    }
    return `${where}: ${kind} ${name} ${WITHOUT_BEARING}`;
  }
  const namespace = known.type.namespaced
    ? typeof meta["namespace"] === "string"
      ? meta["namespace"]
      : defaultNamespace
    : undefined;
  const label = `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`;
  const own = namespace === undefined ? {} : { namespace };
  return { ...known, name, ...own, label, body: { ...value, metadata: { ...meta, ...own } } };
}

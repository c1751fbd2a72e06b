// SPDX-License-Identifier: Apache-2.0

import type { ClaimKind } from "../claims/claim.ts";
import type { WeftEffect } from "../compile/effects.ts";
import type { AnyUnitKind } from "../desired/unit-kind.ts";
import type { FactReader, Indexes } from "../facts/store.ts";
import type { FactKind, FactTypes } from "../facts/types.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { Usage } from "../ipam/types.ts";
import type { ResourceType } from "../kube/resources.ts";
import type { Dual } from "../net/dual.ts";
import type { OvnNbTables } from "../ovsdb/generated/ovn-nb.ts";

/**
 * The descriptor of one kind of object. Everything else about it (feeds, indexes, units and their roots, statuses, Events) is derived from the list
 * in `index.ts`.
 */
export interface Kind<K extends FactKind = FactKind> {
  /** The facts that its objects become. The file of the kind adds them to `FactTypes`, and their indexes to `FactIndexes`. */
  readonly facts: K;
  readonly type: ResourceType;
  /** The fact of one object; none for an irrelevant one. It has its own structural type of the object. */
  readonly project: (object: never, settings: ProjectionSettings) => FactTypes[K] | undefined;
  readonly indexes: Indexes<K>;
  /** Which objects are listed and watched. */
  readonly fieldSelector?: string;
  /** The type is optional: a cluster need not serve it. */
  readonly absent?: "empty";
  /**
   * The facts for units and effects, if they are not the projected ones: an accepted configuration is derived. Their indexes are declared with the
   * derived facts.
   */
  readonly accepted?: FactKind;
  /** The kind of unit that exists because of such an object. */
  readonly unit?: AnyUnitKind<FactReader, WeftEffect>;
  /** The tables of the northbound database that its unit writes, and their columns, including those of edges. */
  readonly rows?: NorthboundColumns;
  /** The address claims of its objects. */
  readonly claim?: ClaimKind<K>;
  /** The units that exist because of a fact, if not the one with its own key. */
  readonly roots?: (old: FactTypes[K] | undefined, now: FactTypes[K] | undefined) => readonly Root[];
  /** The keys of the objects of a unit, if not the one with its own key. */
  readonly objectsOf?: (facts: FactReader, key: string) => readonly string[];
  /** The controller's permissions besides list, watch and status writes, and their purpose. */
  readonly access: Access;
  /** How Weft writes its status: as a subresource, or with the object if the type has none. Absent: not at all. */
  readonly status?: "subresource" | "object";
  /** The fields of its spec that are not supported, as paths; `[]` stands for each entry of a list. Its condition names those that are set. */
  readonly notSupported?: readonly string[];
  /** The counters of addresses that its status shows. */
  readonly counters?: Counters;
  /** It records its accepted configuration in `ACCEPTED_ANNOTATION`: whether such a text is valid. */
  readonly remembers?: (text: string) => boolean;
}

/** Columns of the northbound database, by their tables. */
export type NorthboundColumns = { readonly [T in keyof OvnNbTables]?: readonly (keyof OvnNbTables[T] & string)[] };

/** The counters of free and used addresses in an object's status. */
export interface Counters {
  /** The suffixes of the fields, after the family `v4` or `v6`. */
  readonly fields: Readonly<Record<keyof Usage, string>>;
  /** The counters of the object with this key; empty if IPAM does not know it. */
  readonly of: (facts: FactReader, ipam: Pick<Ipam, "usage">, key: string) => Dual<Usage>;
  /** The keys of the objects whose counters change with those of a subnet. */
  readonly changedBy: (facts: FactReader, subnet: string) => readonly string[];
}

/** The permissions for a kind that do not follow from the rest of its descriptor. */
export interface Access {
  readonly verbs: readonly ("get" | "create" | "patch" | "delete")[];
  /** Permissions for Weft's own namespace only. */
  readonly own?: readonly ("create" | "patch" | "delete")[];
  /** The only objects that are read, by their names. */
  readonly names?: readonly string[];
  /** Its status is written, but not by the status writer. */
  readonly status?: true;
  /** The purpose, as a comment in the chart. */
  readonly why: string;
}

/** A unit by its kind and key. */
export interface Root {
  readonly kind: string;
  readonly key: string;
}

/** A kind with any facts. */
export type AnyKind = { [K in FactKind]: Kind<K> }[FactKind];

/** The defaults for projections. */
export interface ProjectionSettings {
  /** The default VPC. */
  readonly router: string;
  readonly joinSubnet: string;
  /** See `SubnetDefaults`. */
  readonly enableLb?: boolean;
  /** See `ClusterFact`. */
  readonly keepVmIp?: boolean;
}

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
 * One kind of object, described once. What else has to know of it (feeds, indexes, units and their roots, where statuses are written, Events about
 * it) is derived from the list in `index.ts`.
 */
export interface Kind<K extends FactKind = FactKind> {
  /** The facts that its objects become. The file of the kind adds them to `FactTypes`, and their indexes to `FactIndexes`. */
  readonly facts: K;
  readonly type: ResourceType;
  /** The fact of one object; none for one that is of no concern. What it reads of an object is its own, structural type. */
  readonly project: (object: never, settings: ProjectionSettings) => FactTypes[K] | undefined;
  readonly indexes: Indexes<K>;
  /** Which objects are read at all. */
  readonly fieldSelector?: string;
  /** The type need not be installed: a cluster that does not serve it has none of it. */
  readonly absent?: "empty";
  /**
   * The facts by which units and effects know the object, where these are not the projected ones: its accepted configuration is derived. Their
   * indexes are declared with the derived facts.
   */
  readonly accepted?: FactKind;
  /** What is compiled whole because such an object exists. */
  readonly unit?: AnyUnitKind<FactReader, WeftEffect>;
  /** The tables of the northbound database that its unit writes, and which columns of them, those of edges too. */
  readonly rows?: NorthboundColumns;
  /** What its objects claim of addresses. */
  readonly claim?: ClaimKind<K>;
  /** Which units a change of a fact of it makes, where that is not the one unit of its own key. */
  readonly roots?: (old: FactTypes[K] | undefined, now: FactTypes[K] | undefined) => readonly Root[];
  /** The keys of the objects that a unit of it stands for, where that is not the one with its own key. */
  readonly objectsOf?: (facts: FactReader, key: string) => readonly string[];
  /** What the controller may do with its objects beyond following them and writing their status, and what it does that for. */
  readonly access: Access;
  /** Where Weft writes its status: beside the object, or with it where the type has no status subresource. Absent: nowhere. */
  readonly status?: "subresource" | "object";
  /** The fields of its spec that nothing is done about, as paths; `[]` stands for each entry of a list. Its condition names those that are set. */
  readonly notSupported?: readonly string[];
  /** The counters of addresses that its status shows. */
  readonly counters?: Counters;
  /** It records its accepted configuration in `ACCEPTED_ANNOTATION`: whether such a text can be parsed. */
  readonly remembers?: (text: string) => boolean;
}

/** Columns of the northbound database, by their tables. */
export type NorthboundColumns = { readonly [T in keyof OvnNbTables]?: readonly (keyof OvnNbTables[T] & string)[] };

/** How many addresses of an object are free and in use, in its status. */
export interface Counters {
  /** How the fields end, after the family: `v4` and `v6`. */
  readonly fields: Readonly<Record<keyof Usage, string>>;
  /** What they say of the object with this key; empty where IPAM does not know it. */
  readonly of: (facts: FactReader, ipam: Pick<Ipam, "usage">, key: string) => Dual<Usage>;
  /** The keys of the objects whose counters change with those of a subnet. */
  readonly changedBy: (facts: FactReader, subnet: string) => readonly string[];
}

/** Part of the access rights to a kind: those that do not follow from the rest of its descriptor. */
export interface Access {
  readonly verbs: readonly ("get" | "create" | "patch" | "delete")[];
  /** What is done with those of Weft's own namespace only. */
  readonly own?: readonly ("create" | "patch" | "delete")[];
  /** The only objects that are read, by their names. */
  readonly names?: readonly string[];
  /** Its status is written although not by the status writer. */
  readonly status?: true;
  /** What is done with the objects, in words, for those who read the chart. */
  readonly why: string;
}

/** A unit by its kind and key. */
export interface Root {
  readonly kind: string;
  readonly key: string;
}

/** A kind of whichever facts. */
export type AnyKind = { [K in FactKind]: Kind<K> }[FactKind];

/** What projections need to fill in defaults. */
export interface ProjectionSettings {
  /** The default VPC. */
  readonly router: string;
  readonly joinSubnet: string;
  /** See `SubnetDefaults`. */
  readonly enableLb?: boolean;
  /** See `ClusterFact`. */
  readonly keepVmIp?: boolean;
}

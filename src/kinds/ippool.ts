// SPDX-License-Identifier: Apache-2.0

import { spell } from "../api/composed-name.ts";
import type { IPPoolSpec } from "../api/generated/ippool.ts";
import { ipPoolAddressSetName } from "../api/names.ts";
import { poolVerdictKey } from "../claims/verdict-keys.ts";
import { type ConditionEffect, fill, keptRecord, type Note, remembered, type WeftEffect } from "../compile/effects.ts";
import { FragmentBuilder } from "../compile/fragment-builder.ts";
import { nameCollisionKey } from "../compile/name-claims.ts";
import { malformedNotes, missingNamespaces } from "../compile/references.ts";
import { withNotes } from "../compile/reports.ts";
import { externalIds } from "../compile/rows.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import { type RecordAnnotations, readFields, recordsIn, recordText, stringList } from "../facts/accepted.ts";
import { type CustomObjectFact, customObjectFields, type ProjectedMeta } from "../facts/meta.ts";
import type { FactReader } from "../facts/store.ts";
import type { VerdictFact } from "../facts/subnet.ts";
import { IP_POOLS } from "../kube/resources.ts";
import { parseIp } from "../net/address.ts";
import { cidrsOfRange, parseRange, rangeContains } from "../net/range.ts";
import type { Kind } from "./kind.ts";

/** One IPPool. */
export interface IpPoolFact extends CustomObjectFact {
  readonly subnet: string;
  /** Addresses, `a..b` ranges, CIDRs: unparsed, or the accepted ones if these are invalid. */
  readonly ips: readonly string[];
  readonly namespaces: readonly string[];
  readonly enableAddressSet: boolean;
  /** Whether it has any annotations. */
  readonly annotated: boolean;
  /** Its record of the accepted configuration; "" if it has none. */
  readonly accepted: string;
  readonly records: RecordAnnotations;
  /** Its invalid parts. */
  readonly problem?: { readonly reason: string; readonly message: string };
}

declare module "../facts/types.ts" {
  interface FactTypes {
    readonly ipPools: IpPoolFact;
  }
  interface FactIndexes {
    readonly ipPools: "subnet" | "namespace";
  }
}

/** What {@link projectIpPool} reads of an IPPool. */
export interface IpPoolObject {
  readonly metadata: ProjectedMeta;
  readonly spec?: Partial<IPPoolSpec>;
}

/** The fact of an IPPool. If its addresses are invalid, the accepted ones are used, if known. */
export function projectIpPool({ metadata, spec = {} }: IpPoolObject): IpPoolFact {
  const written = spec.ips ?? [];
  const unread = written.find((text) => parseRange(text) === undefined);
  const accepted = recordText(metadata.annotations);
  const former = unread === undefined ? undefined : stringList(readFields(accepted)?.["ips"]);
  return {
    ...customObjectFields(metadata),
    subnet: spec.subnet ?? "",
    ips: former ?? written,
    namespaces: spec.namespaces ?? [],
    enableAddressSet: spec.enableAddressSet === true,
    annotated: metadata.annotations !== undefined,
    accepted,
    records: recordsIn(metadata.annotations),
    ...(unread !== undefined && {
      problem: {
        reason: "PoolMalformed",
        message: `spec.ips has "${unread}", which is not an address, a range "a..b" in ascending order, or a CIDR; ${former === undefined ? "only its valid entries are reserved" : "the last accepted addresses stay active"}`,
      },
    }),
  };
}

interface IpPoolInput {
  readonly pool: IpPoolFact;
  /** References to objects that do not exist. */
  readonly notes: readonly Note[];
  readonly verdict: VerdictFact | undefined;
  /** The IP objects that hold its addresses; read only while it is being deleted. */
  readonly holders: readonly string[];
  /** The object with the plain name of its address set; absent if it has that itself. */
  readonly nameHolder: string | undefined;
}

/** An IPPool: an address set of its addresses if requested, and its condition. IPAM allocates its addresses. */
export const ipPoolUnit: UnitKind<FactReader, IpPoolInput, WeftEffect> = {
  name: "ippool",
  priority: 4,

  read(reader, key) {
    const pool = reader.get("ipPools", key);
    if (pool === undefined) return undefined;
    return {
      pool,
      notes: missingNamespaces(reader, pool.namespaces, "spec.namespaces"),
      verdict: reader.get("verdicts", poolVerdictKey(key)),
      holders: pool.deleting ? holdersOf(reader, pool) : [],
      nameHolder: pool.enableAddressSet
        ? reader.get("nameCollisions", nameCollisionKey.ipPool(key))?.taken["address-set"]
        : undefined,
    };
  },

  compile({ pool, verdict, holders, notes, nameHolder }): Fragment<WeftEffect> {
    if (pool.deleting && holders.length === 0) {
      return new FragmentBuilder().finish(fill("ipPools", pool, { finalizer: false }));
    }
    const build = new FragmentBuilder();
    const setName = ipPoolAddressSetName(pool.name);
    if (pool.enableAddressSet && verdict?.ok === true) {
      // Single addresses have no prefix length, as in Kube-OVN.
      const addresses = pool.ips.flatMap((text) => {
        const range = parseRange(text);
        return range === undefined ? [] : cidrsOfRange(range).map(({ text }) => text.replace(/\/(32|128)$/, ""));
      });
      build.row("Address_Set", `ippool/${pool.name}`, {
        name: spell(setName, nameHolder !== undefined),
        addresses: [...new Set(addresses)].sort(),
        external_ids: externalIds({ ippool: pool.name }),
      });
    }
    const { name, uid, generation } = pool;
    let condition: ConditionEffect | undefined;
    if (verdict !== undefined) {
      const { ok, reason, message, refused } = verdict;
      const renamed = `its address set is "${setName.distinct}": "${setName.plain}" is that of ${nameHolder}`;
      const state = pool.deleting
        ? {
            ready: false,
            reason: "InUse",
            message: `waiting for addresses to be released: ${holders.slice(0, 5).join(", ")}`,
          }
        : {
            ready: ok,
            reason,
            message: ok && nameHolder !== undefined ? renamed : message,
            ...(refused && { refused }),
          };
      const key = `condition/ipPools/${name}`;
      condition = withNotes({ kind: "condition", key, resource: "ipPools", name, uid, generation, ...state }, [
        ...notes,
        ...malformedNotes(pool),
      ]);
    }
    // Its valid parts are recorded, even if it is not ready for another reason.
    const readable = verdict !== undefined && !pool.deleting && pool.problem === undefined;
    const annotations = readable ? remembered({ ips: pool.ips }) : pool.deleting ? {} : keptRecord(pool.accepted);
    const wanted = { finalizer: true, annotations };
    return build.finish(fill("ipPools", { ...pool, annotations: pool.records }, wanted, condition));
  },
};

function holdersOf(reader: FactReader, pool: IpPoolFact): readonly string[] {
  const ranges = pool.ips.flatMap((text) => parseRange(text) ?? []);
  return reader.by("ips", "subnet", pool.subnet).flatMap((ip) => {
    const held = [ip.v4, ip.v6].flatMap((address) => parseIp(address) ?? []);
    return held.some((address) => ranges.some((range) => rangeContains(range, address))) ? [ip.name] : [];
  });
}

/** kubeovn.io/v1 IPPool. */
export const ipPoolKind: Kind<"ipPools"> = {
  facts: "ipPools",
  type: IP_POOLS,
  project: projectIpPool,
  indexes: { subnet: (pool) => [pool.subnet], namespace: (pool) => pool.namespaces },
  unit: ipPoolUnit,
  rows: { Address_Set: ["name", "addresses", "external_ids"] },
  status: "subresource",
  counters: {
    // Kube-OVN's names differ between pools and subnets.
    fields: {
      available: "AvailableIPs",
      using: "UsingIPs",
      availableRange: "AvailableIPRange",
      usingRange: "UsingIPRange",
    },
    of: (facts, ipam, name) => {
      const pool = facts.get("ipPools", name);
      return pool === undefined ? {} : ipam.usage(pool.subnet, name);
    },
    changedBy: (facts, subnet) => facts.by("ipPools", "subnet", subnet).map((pool) => pool.name),
  },
  remembers: (text) => readFields(text) !== undefined,
  access: { verbs: ["patch"], why: "Watched; finalizers and records of the accepted configuration are patched." },
};

import { spell } from "../api/name.ts";
import { ipPoolAddressSetName } from "../api/names.ts";
import { poolVerdictKey } from "../claims/verdict-keys.ts";
import type { FactReader } from "../facts/store.ts";
import type { IpPoolFact, VerdictFact } from "../facts/types.ts";
import { parseIp } from "../net/address.ts";
import { cidrsOfRange, parseRange, rangeContains } from "../net/range.ts";
import type { Fragment } from "../unit/fragment.ts";
import type { UnitKind } from "../unit/kind.ts";
import { finalizer, type Note, remember, type WeftEffect, withNotes } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { namesakeKey } from "./namesake-groups.ts";
import { missingNamespaces } from "./references.ts";
import { externalIds } from "./rows.ts";

interface IpPoolInput {
  readonly pool: IpPoolFact;
  /** What of it names nothing that is there. */
  readonly notes: readonly Note[];
  readonly verdict: VerdictFact | undefined;
  /** The IP objects that hold its addresses, asked for only when it is being deleted. */
  readonly holders: readonly string[];
  /** Who has the plain name of its address set; absent where it has that itself. */
  readonly namesake: string | undefined;
}

/** An IPPool: an address set of its addresses where it is asked for, and its state. Its slice is carved out by IPAM. */
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
      namesake: pool.enableAddressSet
        ? reader.get("namesakes", namesakeKey.ipPool(key))?.taken["address-set"]
        : undefined,
    };
  },

  compile({ pool, verdict, holders, notes, namesake }): Fragment<WeftEffect> {
    if (pool.deleting && holders.length === 0) {
      return { rows: [], edges: [], effects: finalizer("ipPools", pool, false) };
    }
    const build = new FragmentBuilder();
    const setName = ipPoolAddressSetName(pool.name);
    if (pool.enableAddressSet && verdict?.ok === true) {
      // Single addresses are written without a length, as in Kube-OVN.
      const addresses = pool.ips.flatMap((text) => {
        const range = parseRange(text);
        return range === undefined ? [] : cidrsOfRange(range).map(({ text }) => text.replace(/\/(32|128)$/, ""));
      });
      build.row("Address_Set", `ippool/${pool.name}`, {
        name: spell(setName, namesake !== undefined),
        addresses: [...new Set(addresses)].sort(),
        external_ids: externalIds({ ippool: pool.name }),
      });
    }
    const { name, uid, generation } = pool;
    const effects: WeftEffect[] = [...finalizer("ipPools", pool, true)];
    if (verdict !== undefined) {
      const { ok, reason, message, refused } = verdict;
      const renamed = `its address set is "${setName.distinct}": "${setName.plain}" is that of ${namesake}`;
      const state = pool.deleting
        ? {
            ready: false,
            reason: "InUse",
            message: `it is deleted once nobody holds an address of it: ${holders.slice(0, 5).join(", ")}`,
          }
        : {
            ready: ok,
            reason,
            message: ok && namesake !== undefined ? renamed : message,
            ...(refused && { refused }),
          };
      // What of it can be read counts, whatever else keeps it from being ready.
      if (!pool.deleting && pool.problem === undefined) effects.push(...remember("ipPools", pool, { ips: pool.ips }));
      const key = `condition/ipPools/${name}`;
      effects.push(withNotes({ kind: "condition", key, resource: "ipPools", name, uid, generation, ...state }, notes));
    }
    return build.finish(effects);
  },
};

function holdersOf(reader: FactReader, pool: IpPoolFact): readonly string[] {
  const ranges = pool.ips.flatMap((text) => parseRange(text) ?? []);
  return reader.by("ips", "subnet", pool.subnet).flatMap((ip) => {
    const held = [ip.v4, ip.v6].flatMap((address) => parseIp(address) ?? []);
    return held.some((address) => ranges.some((range) => rangeContains(range, address))) ? [ip.name] : [];
  });
}

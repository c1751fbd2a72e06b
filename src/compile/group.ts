// SPDX-License-Identifier: Apache-2.0

import type { LabelSelector } from "../api/label-selector.ts";
import { portGroupAddressSet } from "../api/names.ts";
import type { Fragment } from "../desired/fragment.ts";
import type { UnitKind } from "../desired/unit-kind.ts";
import type { GroupFact } from "../facts/policy-group.ts";
import type { FactReader } from "../facts/store.ts";
import { parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import { groupText } from "../policy/group.ts";
import { matchesLabels } from "../policy/labels.ts";
import type { WeftEffect } from "./effects.ts";
import { FragmentBuilder } from "./fragment-builder.ts";
import { groupId, groupSetId } from "./owner-ids.ts";
import { externalIds } from "./rows.ts";

interface GroupInput extends GroupFact {
  /** Of nodes and domains; absent if unknown. */
  readonly addresses?: { readonly v4: readonly string[]; readonly v6: readonly string[] };
}

/**
 * A group that policies refer to. A group of pods is a Port_Group without members: each pod adds itself in the
 * transaction that creates its port, so that a pod is never up without its policies. A group of nodes or of the
 * addresses of a domain is an Address_Set for each family; a group of nodes' sources is an Address_Set of one family
 * to which each node adds itself.
 */
export const groupUnit: UnitKind<FactReader, GroupInput, WeftEffect> = {
  name: "group",
  priority: 1,
  atomic: true,

  read(reader, key) {
    const fact = reader.get("groups", key);
    if (fact === undefined || fact.group.kind === "pods" || fact.group.kind === "sources") return fact;
    if (fact.group.kind === "nodes") return { ...fact, addresses: nodeAddresses(reader, fact.group.selector) };
    const asked = reader.get("domains", fact.group.domain);
    const seen = reader.by("nameResolvers", "domain", fact.group.domain);
    if (asked === undefined && seen.length === 0) return fact;
    const all = (family: "v4" | "v6"): readonly string[] =>
      [...new Set([...(asked?.[family] ?? []), ...seen.flatMap((resolver) => resolver[family])])].sort();
    return { ...fact, addresses: { v4: all("v4"), v6: all("v6") } };
  },

  compile({ key: name, group, addresses }): Fragment<WeftEffect> {
    const build = new FragmentBuilder();
    const external_ids = externalIds({ selector: groupText(group) });
    if (group.kind === "pods") {
      build.row("Port_Group", groupId(name), { name, external_ids });
      return build.finish();
    }
    for (const [family, number] of [
      ["v4", 4],
      ["v6", 6],
    ] as const) {
      if (group.kind === "sources" && parseCidr(group.cidr)?.family !== number) continue;
      // Unknown addresses are left as they are: after a restart, those of a domain until the DNS has answered.
      const known = addresses && { addresses: addresses[family] };
      build.row("Address_Set", groupSetId(name, number), {
        name: portGroupAddressSet(name, number),
        ...known,
        external_ids,
      });
    }
    return build.finish();
  },
};

/** The addresses of nodes: their own, and those on the join switch. */
function nodeAddresses(reader: FactReader, selector: LabelSelector): NonNullable<GroupInput["addresses"]> {
  const found = { v4: new Set<string>(), v6: new Set<string>() };
  for (const node of reader.all("nodes")) {
    if (!matchesLabels(selector, node.labels)) continue;
    const [ip] = reader.by("ips", "holder", `node:${node.name}`);
    for (const text of [...node.addresses, ip?.v4 ?? "", ip?.v6 ?? ""]) {
      const address = parseIp(text);
      if (address !== undefined) found[address.family === 4 ? "v4" : "v6"].add(address.text);
    }
  }
  return { v4: [...found.v4].sort(), v6: [...found.v6].sort() };
}

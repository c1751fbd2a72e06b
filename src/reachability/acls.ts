// SPDX-License-Identifier: Apache-2.0

import { type AclStages, type AclView, byStage } from "../policy/acl-evaluation.ts";
import { readMatch } from "../policy/match-evaluation.ts";
import type { NetworkPort } from "./network-port.ts";
import type { Tables } from "./tables.ts";

/** An ACL as in the northbound database. */
export interface Acl extends AclView {
  readonly uuid: string;
  readonly name: string;
  readonly externalIds: Readonly<Record<string, string>>;
  /** The port group that its match requires, if it is the group that holds the ACL. */
  readonly group?: string;
}

/** The ACLs that may concern one port, by stage. The same port groups on the same switch have the same arrays. */
export type AclLists = AclStages<Acl>;

/**
 * All ACLs, indexed by the ports that they may concern, without those that drop spoofed sources (`sources`): the
 * queries here assume real sources. Most begin with `inport == @group` or `outport == @group` and so concern that
 * group only; the others concern every port of the switches that have them.
 */
export class AclIndex {
  /** All ACLs, by uuid. */
  readonly all: ReadonlyMap<string, Acl>;
  /** Port group → the ACLs whose match requires a port in it. */
  readonly #ofGroup = new Map<string, Acl[]>();
  /** Switch → the ACLs without such a condition. */
  readonly #ofSwitch = new Map<string, Acl[]>();
  readonly #lists = new Map<string, AclLists>();

  constructor(tables: Tables, ports: Iterable<NetworkPort>) {
    const all = new Map<string, Acl>();
    this.all = all;
    const switchesOf = new Map<string, Set<string>>();
    for (const port of ports) {
      for (const group of port.groups) {
        const known = switchesOf.get(group);
        if (known === undefined) switchesOf.set(group, new Set([port.switch]));
        else known.add(port.switch);
      }
    }
    const read = (uuid: string): Acl | undefined => {
      const known = all.get(uuid) ?? readAcl(tables, uuid);
      if (known !== undefined) all.set(uuid, known);
      return known;
    };
    for (const [uuid, { columns }] of tables.rows("Logical_Switch")) {
      for (const member of tables.members(uuid, "acls")) {
        const acl = read(member);
        if (acl !== undefined) addTo(this.#ofSwitch, String(columns["name"]), acl);
      }
    }
    for (const [uuid, { columns }] of tables.rows("Port_Group")) {
      const holder = String(columns["name"]);
      for (const member of tables.members(uuid, "acls")) {
        const plain = read(member);
        if (plain === undefined) continue;
        const asksHolder = groupAskedFor(plain) === holder;
        const acl = asksHolder ? { ...plain, group: holder } : plain;
        all.set(member, acl);
        // OVN applies it on the switches that have a port of the holder.
        if (asksHolder) addTo(this.#ofGroup, holder, acl);
        else for (const name of switchesOf.get(holder) ?? []) addTo(this.#ofSwitch, name, acl);
      }
    }
  }

  /** The ACLs that concern a port of `switchName` in these groups. */
  listsOf(switchName: string, groups: readonly string[]): AclLists {
    const concerned = groups.filter((group) => this.#ofGroup.has(group));
    const key = `${switchName}\0${concerned.join("\0")}`;
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    const acls = new Set([...concerned, undefined].flatMap((group) => this.#of(switchName, group)));
    const lists = byStage([...acls]);
    this.#lists.set(key, lists);
    return lists;
  }

  #of(switchName: string, group: string | undefined): readonly Acl[] {
    return (group === undefined ? this.#ofSwitch.get(switchName) : this.#ofGroup.get(group)) ?? [];
  }
}

function readAcl(tables: Tables, uuid: string): Acl | undefined {
  const columns = tables.row("ACL", uuid)?.columns;
  if (columns === undefined) return undefined;
  const { name, direction, tier, priority, match, action, options, external_ids } = columns;
  const externalIds = (external_ids ?? {}) as Readonly<Record<string, string>>;
  if (externalIds["sources"] !== undefined) return undefined;
  return {
    uuid,
    name: String(name ?? ""),
    direction: direction as Acl["direction"],
    tier: Number(tier ?? 0),
    priority: Number(priority),
    match: String(match),
    action: action as Acl["action"],
    options: (options ?? {}) as Readonly<Record<string, string>>,
    externalIds,
  };
}

/** The group that a match requires its port to be in, besides other conditions. */
function groupAskedFor({ match, direction }: Acl): string | undefined {
  // An ACL that OVN refuses concerns no port; `decideStage` skips it.
  const expression = readMatch(match);
  if (expression === undefined) return undefined;
  const terms = expression.kind === "and" ? expression.terms : [expression];
  for (const term of terms) {
    if (term.kind !== "compare" || term.operator !== "==") continue;
    if (term.field.name !== (direction === "to-lport" ? "outport" : "inport")) continue;
    const [constant, another] = term.constants;
    if (constant?.kind === "portGroup" && another === undefined) return constant.name;
  }
  return undefined;
}

function addTo<T>(map: Map<string, T[]>, key: string, item: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}

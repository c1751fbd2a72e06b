// SPDX-License-Identifier: Apache-2.0

import { ovnDnatRuleKind } from "../../src/kinds/ovn-dnat-rule.ts";
import { ovnFipKind } from "../../src/kinds/ovn-fip.ts";
import { ovnSnatRuleKind } from "../../src/kinds/ovn-snat-rule.ts";
import { type ResourceType, VPCS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { addressesSharedByRows } from "./address-uses.ts";
import type { NorthboundServer } from "./database-server.ts";
import type { SimProcess } from "./process.ts";

/** Dependencies of the checks of external addresses. */
export interface TranslationChecksWorld {
  readonly kube: FakeKube;
  readonly northbound: NorthboundServer;
  /** uuids of rows that another client has written, and no controller since. */
  readonly touched: ReadonlySet<string>;
  readonly onViolation: (what: string) => void;
}

/** The addresses of routers in networks, and the rules that translate them: what must be true of both after each commit, and of each status. */
export class TranslationChecks {
  readonly #world: TranslationChecksWorld;
  /** Translations that have ever been committed, as {@link translationText}. */
  readonly #committed = new Set<string>();

  constructor(world: TranslationChecksWorld) {
    this.#world = world;
  }

  /** A client has committed; undefined: not a controller. No two routers have the row of one translation, except of a VPC that was deleted meanwhile. */
  onCommit(from: SimProcess | undefined): void {
    const { kube, northbound, touched, onViolation } = this.#world;
    for (const text of translationsIn(northbound)) this.#committed.add(text);
    if (from === undefined) return;
    const holders = new Map<string, string>();
    for (const { name, nat } of northbound.rows("Logical_Router")) {
      if (kube.object(VPCS, { name }) === undefined) continue;
      for (const uuid of nat) {
        const other = holders.get(uuid);
        holders.set(uuid, name);
        if (other !== undefined && !touched.has(uuid))
          onViolation(`routers ${other} and ${name} have one translation (committed by ${from.name})`);
      }
    }
  }

  /** When settled: one router or switch port answers for an address, and one floating IP or load balancer has it. */
  shared(): readonly string[] {
    return addressesSharedByRows(this.#world.northbound, OUTSIDE);
  }

  /** Rules have changed: none says that it is ready unless its rows have been committed. */
  look(): void {
    for (const { type, translations } of RULES) {
      for (const { metadata, status } of this.#world.kube.objects(type)) {
        const said = (status ?? {}) as Readonly<Record<string, unknown>>;
        if (said["ready"] !== true) continue;
        for (const text of translations(said))
          if (!this.#committed.has(text))
            this.#world.onViolation(`${type.kind} ${metadata.name} is ready, but "${text}" was never committed`);
      }
    }
  }
}

/** The addresses of the external subnets of `nat.ts`. */
const OUTSIDE = /^(172\.3[01]\.0\.|fd00:30:)/;

type Status = Readonly<Record<string, unknown>>;

/** The rules whose status says what they translate. */
const RULES: readonly { readonly type: ResourceType; readonly translations: (status: Status) => readonly string[] }[] =
  [
    { type: ovnFipKind.type, translations: (status) => pairsOf(status, "dnat_and_snat", "v4Ip", "v6Ip") },
    { type: ovnSnatRuleKind.type, translations: (status) => pairsOf(status, "snat", "v4IpCidr", "v6IpCidr") },
    { type: ovnDnatRuleKind.type, translations: (status) => pairsOf(status, "port", "v4Ip", "v6Ip") },
  ];

/** What a status says that its rows translate. */
function pairsOf(status: Status, how: string, v4: string, v6: string): readonly string[] {
  const port = (inside: string, name: string): string =>
    how === "port" ? hostPort(inside, String(status[name])) : inside;
  return [
    ["v4Eip", v4],
    ["v6Eip", v6],
  ].flatMap(([outside = "", inside = ""]) => {
    const [external, logical] = [String(status[outside] ?? ""), String(status[inside] ?? "")];
    if (external === "" || logical === "") return [];
    return [translationText(String(status["vpc"]), how, port(external, "externalPort"), port(logical, "internalPort"))];
  });
}

/** The translations that a rule's status names, if it is ready. */
export function translationsOf(type: ResourceType, status: Status): readonly string[] {
  return RULES.find((rule) => rule.type === type)?.translations(status) ?? [];
}

function hostPort(address: string, port: string): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A translation by a router, as text. */
export function translationText(router: string, how: string, external: string, logical: string): string {
  return `${router}: ${how} ${external} ${logical}`;
}

/** The rows by which routers translate, as text. */
export function translationsIn(northbound: NorthboundServer): readonly string[] {
  const nats = new Map(northbound.rows("NAT").map((row) => [row._uuid, row]));
  const balancers = new Map(northbound.rows("Load_Balancer").map((row) => [row._uuid, row]));
  return northbound.rows("Logical_Router").flatMap(({ name, nat, load_balancer }) => [
    ...nat.flatMap((uuid) => {
      const row = nats.get(uuid);
      return row === undefined ? [] : [translationText(name, row.type, row.external_ip, row.logical_ip)];
    }),
    ...load_balancer.flatMap((uuid) =>
      Object.entries(balancers.get(uuid)?.vips ?? {}).map(([vip, to]) => translationText(name, "port", vip, to)),
    ),
  ]);
}

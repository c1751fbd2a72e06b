// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import { groupId } from "../../compile/owner-ids.ts";
import type { RowUuid } from "../../desired/identity.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { GroupFact } from "../../facts/policy-group.ts";
import type { FactStore } from "../../facts/store.ts";
import type { Kube } from "../../kube/kube.ts";
import type { DatabaseView } from "../../reconcile/transaction-plan.ts";
import type { Clock } from "../../time/clock.ts";
import type { DnsClient } from "./dns-client.ts";
import { DnsServers } from "./dns-servers.ts";
import { DomainKeeper } from "./domain-keeper.ts";
import type { MemoryLimits } from "./domain-memory.ts";

/** The dependencies of {@link Domains}. */
export interface DomainsParts {
  readonly facts: FactStore;
  readonly kube: Kube;
  /** The northbound database, which has the addresses after a restart. */
  readonly view: DatabaseView;
  readonly rowUuid: RowUuid;
  readonly clock: Clock;
  readonly log: Logger;
  /** Absent: no name is resolved. */
  readonly dns: DnsClient | undefined;
  readonly where: { readonly servers: string; readonly service: string };
  readonly limits: MemoryLimits;
}

/**
 * Maintains the facts of domain names in policies (`domains`, `domainStates`) while this process leads. The DNS is used only while there is such a
 * name.
 */
export class Domains {
  readonly #parts: DomainsParts;
  #keeper: DomainKeeper | undefined;
  #servers: DnsServers | undefined;

  constructor(parts: DomainsParts) {
    this.#parts = parts;
  }

  /** Starts queries. To be called before anything is compiled, so that the earlier addresses are known by then. */
  lead(): void {
    const { dns, facts, clock, limits } = this.#parts;
    if (dns === undefined) return;
    this.#keeper = new DomainKeeper({
      client: dns,
      clock,
      limits,
      servers: () => this.#servers?.addresses ?? [],
      publish: (name, fact) => void facts.set("domains", name, fact),
      state: (name, fact) => void facts.set("domainStates", name, fact),
    });
    for (const group of facts.all("groups")) this.#add(group);
  }

  /** Stops queries. The database has the known addresses, with which the next leader begins. */
  follow(): void {
    this.#keeper?.stop();
    this.#keeper = undefined;
    const { facts } = this.#parts;
    for (const { key } of facts.all("domains")) facts.set("domains", key, undefined);
    for (const { key } of facts.all("domainStates")) facts.set("domainStates", key, undefined);
    void this.#forgetServers();
  }

  /** A fact has changed: policies may have other domain names. */
  noteFact({ kind, old, new: now }: FactChange): void {
    if (kind !== "groups" || this.#keeper === undefined) return;
    if (now !== undefined) this.#add(now as GroupFact);
    else if (old !== undefined) this.#remove(old as GroupFact);
  }

  /** Stops everything. */
  async stop(): Promise<void> {
    this.#keeper?.stop();
    this.#keeper = undefined;
    await this.#forgetServers();
  }

  #add({ key, group }: GroupFact): void {
    if (group.kind !== "domain" || this.#keeper === undefined) return;
    const { view, rowUuid } = this.#parts;
    const before = ["ip4", "ip6"].flatMap((word) => {
      const row = view.get("Address_Set", rowUuid("Address_Set", `${groupId(key)}/${word}`));
      const addresses = row?.["addresses"];
      return Array.isArray(addresses) ? (addresses as readonly string[]) : [];
    });
    this.#keeper.add(group.domain, before);
    if (this.#keeper.size > 0) this.#findServers();
  }

  #remove({ group }: GroupFact): void {
    if (group.kind !== "domain") return;
    this.#keeper?.remove(group.domain);
    if (this.#keeper?.size === 0) void this.#forgetServers();
  }

  #findServers(): void {
    if (this.#servers !== undefined) return;
    this.#servers = new DnsServers(this.#parts, this.#parts.where, () => this.#keeper?.hurry());
    this.#servers.start();
  }

  async #forgetServers(): Promise<void> {
    const servers = this.#servers;
    this.#servers = undefined;
    await servers?.stop();
  }
}

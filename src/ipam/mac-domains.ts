// SPDX-License-Identifier: Apache-2.0

import { MacTable } from "./mac-table.ts";
import type { LeaseRecord } from "./subnet.ts";
import type { SubnetConfig } from "./types.ts";

/** The name of a subnet's MAC domain (its broadcast domain): the configured one, or one that only this subnet has. */
export function macDomainOf(config: SubnetConfig): string {
  return config.macDomain ?? `subnet/${config.name}`;
}

/** The MAC tables of all broadcast domains. A table exists while at least one subnet uses it. */
export class MacDomains {
  readonly #domains = new Map<string, { readonly table: MacTable<LeaseRecord>; subnets: number }>();

  /** Adds a subnet to the domain of this name and returns the domain's table. */
  join(name: string): MacTable<LeaseRecord> {
    const domain = this.#domains.get(name) ?? { table: new MacTable<LeaseRecord>(), subnets: 0 };
    domain.subnets++;
    this.#domains.set(name, domain);
    return domain.table;
  }

  /** Removes a subnet from the domain of this name. */
  leave(name: string): void {
    const domain = this.#domains.get(name);
    if (domain !== undefined && --domain.subnets === 0) this.#domains.delete(name);
  }

  /** Forgets all domains. */
  clear(): void {
    this.#domains.clear();
  }
}

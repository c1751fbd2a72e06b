// SPDX-License-Identifier: Apache-2.0

import type { NetlinkEvent } from "../netlink/watch.ts";
import { addressDriver } from "./addresses.ts";
import type { Driver, DriverPlan, Pass, Results } from "./driver.ts";
import type { NodeKernel } from "./kernel.ts";
import { linkDriver } from "./links.ts";
import { NODE_OWNER, type Owner } from "./marks.ts";
import { type Nftables, NftTables } from "./nftables.ts";
import { type OvsTables, ovsDriver } from "./ovs.ts";
import { qdiscDriver } from "./qdiscs.ts";
import { routeDriver } from "./routes.ts";
import { ruleDriver } from "./rules.ts";
import type { NodeState } from "./state.ts";
import { sysctlDriver } from "./sysctls.ts";

/** The interfaces to a node's state. */
export interface NodeParts {
  readonly kernel: NodeKernel;
  readonly nft: Nftables;
  readonly ovs: OvsTables;
  /** The uuid of a new row. */
  uuid(): string;
  /** Default: {@link NODE_OWNER}. */
  readonly owner?: Owner;
}

/**
 * Brings a node to its desired state: Open vSwitch's rows, links, sysctls, addresses, routes, rules, qdiscs, nftables
 * tables, in this order, because each needs the ones before it. Objects that are no longer wanted are removed first,
 * in the reverse order, but routes after the new ones exist. Only state that the kernel does not report is kept (how
 * nft lists a table): each pass compares with the present objects, so a pass after a crash is like one after another
 * program's change.
 */
export class NodeEngine {
  readonly #kernel: NodeKernel;
  readonly #tables: NftTables;
  readonly #owner: Owner;
  readonly #drivers: readonly Driver[];
  /** Of the links of the state. */
  #names: ReadonlySet<string> = new Set();
  /** The same, as of the last pass. */
  #indexes: ReadonlySet<number> = new Set();
  /** In the last pass another program's route or qdisc blocked one of Weft's. */
  #isBlocked = false;
  readonly #stops: (() => void)[] = [];

  constructor({ kernel, nft, ovs, uuid, owner = NODE_OWNER }: NodeParts) {
    this.#kernel = kernel;
    this.#tables = new NftTables(nft, owner);
    this.#owner = owner;
    this.#drivers = [
      ovsDriver(ovs, uuid, owner),
      linkDriver(kernel, owner),
      sysctlDriver(kernel),
      addressDriver(kernel),
      routeDriver(kernel, owner),
      ruleDriver(kernel, owner),
      qdiscDriver(kernel),
      this.#tables.driver(kernel),
    ];
  }

  /** One pass. Does not throw: the result contains the failures. */
  async pass(state: NodeState): Promise<Pass> {
    const results: Results = { repairs: [], missing: new Set(), blocked: [], failures: [] };
    if (state.links !== undefined) this.#names = new Set(state.links.map(({ name }) => name));
    this.#remember();
    const plans: (readonly [Driver, DriverPlan])[] = [];
    for (const driver of this.#drivers) plans.push([driver, await driver.plan(state, results)]);
    for (const [, plan] of plans.toReversed()) await plan.apply("remove");
    for (const [driver, plan] of plans) {
      // Earlier changes may have changed the listed objects: deleting an address deletes routes.
      const isCurrent = results.repairs.length === 0 && results.failures.length === 0;
      await (isCurrent ? plan : await driver.plan(state, results)).apply("set");
    }
    this.#remember();
    // A pass over Open vSwitch's settings alone does not check routes.
    if (state.routes !== undefined) this.#isBlocked = results.blocked.length > 0;
    return { ...results, missing: [...results.missing] };
  }

  /**
   * Calls `listener` when the state may differ from the last pass; from then on changed nftables tables are listed
   * again too. The caller watches the rows of Open vSwitch, because it has the mirror.
   * @param concerns events that concern the inputs of the state.
   */
  watch(listener: () => void, concerns: (event: NetlinkEvent) => boolean = () => false): void {
    const watched = this.#kernel.watch((event) => {
      if (this.#concerns(event) || concerns(event)) listener();
    });
    this.#stops.push(() => watched.close(), this.#tables.watch(listener));
  }

  /** Ends the watch. Objects stay as they are. */
  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  #remember(): void {
    this.#indexes = new Set([...this.#names].flatMap((name) => this.#kernel.link(name)?.index ?? []));
  }

  /** Every pod's interface causes several events, which are ignored. */
  #concerns(event: NetlinkEvent): boolean {
    switch (event.type) {
      case "link":
        return this.#indexes.has(event.link.index) || this.#names.has(event.link.name);
      case "address":
        return this.#indexes.has(event.address.index);
      case "route":
        if (this.#isBlocked && event.change === "removed") return true;
        return event.route.protocol === this.#owner.protocol || this.#indexes.has(event.route.device ?? 0);
      case "netconf":
        return (
          event.netconf.where === "all" || (event.netconf.where !== "default" && this.#indexes.has(event.netconf.where))
        );
      case "rule":
        return event.rule.protocol === this.#owner.protocol;
      case "qdisc":
        if (this.#isBlocked && event.change === "removed") return true;
        return this.#indexes.has(event.qdisc.index);
      case "overrun":
      case "failed":
        return true;
      default:
        return false;
    }
  }
}

// SPDX-License-Identifier: Apache-2.0

import { rowUuid } from "../../src/desired/identity.ts";
import { VPCS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import { OVN_NB } from "../../src/ovsdb/generated/ovn-nb.ts";
import { insert, type Operation, remove, update } from "../../src/ovsdb/operation.ts";
import { type Cluster, merge } from "./cluster.ts";
import type { NorthboundServer } from "./database-server.ts";
import type { SimProcess } from "./process.ts";
import type { BfdAction } from "./script.ts";
import { pickOf } from "./users.ts";

/** Dependencies of the model of BFD sessions. */
export interface BfdWorld {
  readonly kube: FakeKube;
  readonly cluster: Cluster;
  readonly northbound: NorthboundServer;
  readonly onViolation: (what: string) => void;
}

interface VpcSpec {
  readonly staticRoutes?: readonly { readonly cidr: string; readonly nextHopIP: string; readonly bfdId?: string }[];
}

/**
 * The administrator who creates BFD sessions for the next hops of VPCs' routes, the users who name them, and northd, which sets their statuses.
 *
 * A session never outlives its port: a controller that removes the port removes it in the same transaction, because ovn-northd does not handle every one
 * that remains. No route has a session with another next hop. When settled, a route has the session that its VPC's spec names, if that is for its next
 * hop.
 */
export class BfdSessions {
  readonly #world: BfdWorld;
  #made = 0;
  /** Sessions without a port that no controller has left. */
  #dangling: ReadonlySet<string> = new Set();

  constructor(world: BfdWorld) {
    this.#world = world;
  }

  act(action: BfdAction): void {
    const { kube, cluster, northbound } = this.#world;
    switch (action.do) {
      case "bfd-session": {
        const { vpc, hop } = action;
        const port = `bfd@${vpc}`;
        // As ovn-nbctl, which refuses a session of a port that does not exist, and a second one.
        if (!northbound.rows("Logical_Router_Port").some(({ name }) => name === port)) return;
        if (northbound.rows("BFD").some((row) => row.logical_port === port && row.dst_ip === hop)) return;
        const uuid = rowUuid("BFD", `sim/${this.#made++}`);
        this.#edit([insert(OVN_NB, "BFD", uuid, { logical_port: port, dst_ip: hop })]);
        return;
      }
      case "bfd-routes": {
        const { vpc, routes } = action;
        if (kube.object(VPCS, { name: vpc }) === undefined) return;
        const staticRoutes = routes.map(({ hop, pick, mistaken }) => {
          const all = this.#rows();
          const own = all.filter((row) => row.logical_port === `bfd@${vpc}` && row.dst_ip === hop);
          const session = pickOf(mistaken ? all : own, pick);
          return { cidr: "203.0.88.0/24", nextHopIP: hop, ...(session !== undefined && { bfdId: session._uuid }) };
        });
        cluster.ignore(kube.patch(VPCS, { name: vpc }, merge({ spec: { staticRoutes } })));
        return;
      }
      case "bfd-status": {
        const row = pickOf(this.#rows(), action.pick);
        if (row !== undefined) this.#edit([update(OVN_NB, "BFD", row._uuid, { status: action.status })]);
        return;
      }
      case "bfd-destroy": {
        const row = pickOf(this.#rows(), action.pick);
        if (row !== undefined) this.#edit([remove(OVN_NB, "BFD", row._uuid)]);
        return;
      }
    }
  }

  /** A client has committed; undefined: not a controller. */
  onCommit(from: SimProcess | undefined): void {
    const { northbound, onViolation } = this.#world;
    const ports = new Set(northbound.rows("Logical_Router_Port").map(({ name }) => name));
    const dangling = northbound.rows("BFD").filter(({ logical_port }) => !ports.has(logical_port));
    for (const { _uuid, logical_port, dst_ip } of from === undefined ? [] : dangling) {
      if (this.#dangling.has(_uuid)) continue;
      onViolation(`${from?.name} removes port ${logical_port} and leaves its BFD session with ${dst_ip}`);
    }
    this.#dangling = new Set(dangling.map(({ _uuid }) => _uuid));
    const sessions = new Map(northbound.rows("BFD").map((row) => [row._uuid, row]));
    for (const { nexthop, bfd } of northbound.rows("Logical_Router_Static_Route")) {
      const other = bfd === undefined ? nexthop : sessions.get(bfd)?.dst_ip;
      if (other !== nexthop) onViolation(`a route by ${nexthop} is monitored by a BFD session with ${other}`);
    }
  }

  /** When settled: routes that are monitored by a session that is not theirs, or not by theirs. */
  wrong(): string[] {
    const { kube, northbound } = this.#world;
    const sessions = new Map(northbound.rows("BFD").map((row) => [row._uuid, row]));
    const routes = new Map(northbound.rows("Logical_Router_Static_Route").map((row) => [row._uuid, row]));
    return northbound.rows("Logical_Router").flatMap(({ name, static_routes }) => {
      const { staticRoutes = [] } = (kube.object(VPCS, { name })?.spec ?? {}) as VpcSpec;
      return static_routes.flatMap((uuid) => {
        const { ip_prefix = "", nexthop = "", bfd } = routes.get(uuid) ?? {};
        const written = staticRoutes.find(({ cidr, nextHopIP }) => cidr === ip_prefix && nextHopIP === nexthop);
        if (written === undefined) return [];
        const { bfdId = "" } = written;
        const wanted = sessions.get(bfdId)?.dst_ip === nexthop ? bfdId : undefined;
        if (bfd === wanted) return [];
        return [`the route of VPC ${name} by ${nexthop} has BFD session ${bfd ?? "(none)"}, not ${wanted ?? "(none)"}`];
      });
    });
  }

  #rows() {
    return this.#world.northbound.rows("BFD").toSorted((a, b) => (a._uuid < b._uuid ? -1 : 1));
  }

  #edit(operations: readonly Operation[]): void {
    this.#world.northbound.edit(operations);
  }
}

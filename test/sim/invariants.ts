// SPDX-License-Identifier: Apache-2.0

import { LEADER_LOCK } from "../../src/controller/databases/northbound.ts";
import { SUBNETS } from "../../src/kube/resources.ts";
import type { FakeKube } from "../../src/kube/testing/fake.ts";
import type { JsonObject } from "../../src/ovsdb/json.ts";
import { keyOfAddress } from "./addresses.ts";
import { DEFAULT_VPC_NAME } from "./cluster-view.ts";
import type { NorthboundServer } from "./database-server.ts";
import type { OtherClient } from "./other-client.ts";
import type { SimProcess } from "./process.ts";

/** Dependencies of the invariants. */
export interface InvariantsWorld {
  readonly kube: FakeKube;
  readonly northbound: NorthboundServer;
  readonly otherClient: OtherClient;
  readonly onViolation: (what: string) => void;
}

/** Checks during a run what must be true at all times. */
export class Invariants {
  readonly #world: InvariantsWorld;

  constructor(world: InvariantsWorld) {
    this.#world = world;
  }

  /** Every transaction of a controller must assert its lock, or a deposed leader could write. */
  onTransact(from: SimProcess | undefined, operations: readonly JsonObject[]): void {
    const [first] = operations;
    if (from === undefined || operations.every((operation) => operation["op"] === "select")) return;
    if (first?.["op"] === "assert" && first["lock"] === LEADER_LOCK) return;
    this.#world.onViolation(`${from.name} writes to the northbound database without asserting the leader's lock`);
  }

  /** No two ports of one VPC have the same address. */
  onCommit(from: SimProcess | undefined): void {
    const { kube, northbound, otherClient } = this.#world;
    const switchOf = new Map<string, string>();
    for (const row of northbound.rows("Logical_Switch")) for (const port of row.ports) switchOf.set(port, row.name);
    const holders = new Map<string, { name: string; uuid: string }>();
    for (const port of northbound.rows("Logical_Switch_Port")) {
      if (port.type !== "") continue;
      const subnet = kube.object(SUBNETS, { name: switchOf.get(port._uuid) ?? "" });
      const vpc = (subnet?.spec as { vpc?: string } | undefined)?.vpc || DEFAULT_VPC_NAME;
      for (const entry of port.addresses) {
        for (const address of entry.split(" ").slice(1)) {
          const key = `${vpc} ${keyOfAddress(address)}`;
          const other = holders.get(key);
          if (other === undefined) holders.set(key, { name: port.name, uuid: port._uuid });
          else if (!otherClient.touched.has(other.uuid) && !otherClient.touched.has(port._uuid)) {
            this.#world.onViolation(
              `ports ${other.name} and ${port.name} both have ${address} in VPC ${vpc} (committed by ${from?.name ?? "another client"})`,
            );
          }
        }
      }
    }
  }
}

// SPDX-License-Identifier: Apache-2.0

import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { mutate, type Operation, select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";
import { detachOperation } from "../ovs/ovs-ports.ts";
import type { OvsView } from "../ovs/ovs-view.ts";

/**
 * Brings back the device of a port of the node's own (`ovn0`, `ovn-services`, or a link for probes) that another program has deleted. ovs-vswitchd makes the device when the port comes into the database and does not
 * notice that it is gone, so the port is taken out and comes in again; but not where ovs-vswitchd itself is gone, which makes it when it is back.
 *
 * Whether ovs-vswitchd is there is asked of it: it answers a raised `next_cfg` with `cur_cfg` (ovs-vswitchd.conf.db(5)). Nothing waits in here: each call
 * of `step` goes on as far as that lets it.
 */
export class LostNodePort {
  #phase: "none" | "asked" | "removed" = "none";
  #asked = 0;

  /** A change of `cur_cfg` is waited for. */
  get waiting(): boolean {
    return this.#phase !== "none";
  }

  /** The port is out of the database and must not come in yet. */
  removing(view: OvsView): boolean {
    if (this.#phase !== "removed") return false;
    if ((view.root()?.cur_cfg ?? 0) < this.#asked) return true;
    this.#phase = "none";
    return false;
  }

  /** The device is there. */
  found(): void {
    this.#phase = "none";
  }

  /** The ports are in the database and their devices are not there. Returns whether the ports were taken out. */
  async step(view: OvsView, links: readonly string[]): Promise<boolean> {
    if (this.#phase === "none") {
      await this.#ask(view, []);
      this.#phase = "asked";
    }
    const bridge = view.bridge();
    const rows = links.flatMap((link) => view.interfaceNamed(link) ?? []);
    const ports = rows.flatMap((row) => view.portOf(row._uuid) ?? []);
    if (this.#phase !== "asked" || (view.root()?.cur_cfg ?? 0) < this.#asked) return false;
    if (bridge === undefined || ports.length === 0) return false;
    await this.#ask(view, [detachOperation(bridge._uuid, ports)]);
    this.#phase = "removed";
    return true;
  }

  async #ask(view: OvsView, operations: readonly Operation[]): Promise<void> {
    const root = view.root();
    if (root === undefined) return;
    const results = await view.client.transact(VSWITCH.name, [
      mutate(VSWITCH, "Open_vSwitch", root._uuid, [["next_cfg", "+=", 1]]),
      select(VSWITCH, "Open_vSwitch", root._uuid, ["next_cfg"]),
      ...operations,
    ]);
    const [asked] = selectedRows(VSWITCH, "Open_vSwitch", results[1]);
    this.#asked = asked?.next_cfg ?? 0;
  }
}

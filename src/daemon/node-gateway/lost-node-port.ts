// SPDX-License-Identifier: Apache-2.0

import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { mutate, type Operation, select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";
import { detachOperation } from "../ovs/ovs-ports.ts";
import type { OvsView } from "../ovs/ovs-view.ts";

/**
 * Restores the device of one of the node's own ports (`ovn0`, `ovn-services`, or a link for probes) that another
 * program has deleted. ovs-vswitchd creates the device when the port is added to the database and does not notice its
 * deletion, so the port is removed and added again; but not while ovs-vswitchd is down, because it creates the device
 * when it starts.
 *
 * ovs-vswitchd shows that it runs by answering a raised `next_cfg` with `cur_cfg` (ovs-vswitchd.conf.db(5)). `step`
 * does not wait: each call does the steps that are possible now.
 */
export class LostNodePort {
  #phase: "none" | "asked" | "removed" = "none";
  #asked = 0;

  /** Whether a change of `cur_cfg` is waited for. */
  get waiting(): boolean {
    return this.#phase !== "none";
  }

  /** Whether the port is out of the database and must not be added yet. */
  removing(view: OvsView): boolean {
    if (this.#phase !== "removed") return false;
    if ((view.root()?.cur_cfg ?? 0) < this.#asked) return true;
    this.#phase = "none";
    return false;
  }

  /** The device exists. */
  found(): void {
    this.#phase = "none";
  }

  /** The ports are in the database and their devices do not exist. Returns whether the ports were removed. */
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

// SPDX-License-Identifier: Apache-2.0

import { VENDOR } from "../../api/names.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { mutate } from "../../ovsdb/operation.ts";
import { type Clock, SYSTEM_CLOCK } from "../../time/clock.ts";
import type { Lanes } from "../cni/lanes.ts";
import { attachmentKey } from "../cni/request.ts";
import type { PodLinks } from "../pods/pod-links.ts";
import type { NodePod } from "../pods/pods.ts";
import type { InterfaceView, OvsChange, OvsView } from "./ovs-view.ts";
import { EXTERNAL_ID, type Ports } from "./ports.ts";

/** What lost ports are restored with. */
export interface LostPortsDependencies {
  readonly view: OvsView;
  readonly ports: Pick<Ports, "attach">;
  readonly links: Pick<PodLinks, "exists">;
  readonly lanes: Lanes;
  readonly pods: { readonly synced: boolean; get(key: string): NodePod | undefined };
  /** Default: those of this machine. */
  readonly clock?: Pick<Clock, "uuid">;
}

/** What ADD writes into a port's `external_ids` for good; the rest is ovn-controller's, or `PodEncaps` keeps it. */
const OURS: readonly string[] = Object.values(EXTERNAL_ID).filter(
  (key) => key !== EXTERNAL_ID.ovnInstalled && key !== EXTERNAL_ID.encapIp,
);

/**
 * Ports of pods that another program took off br-int, one by one or with the whole bridge, or whose `external_ids` it changed. Nobody but this
 * memory knows what was in them: a port comes back as it was last seen, if its pod and its interface are still there.
 */
export class LostPorts {
  readonly #world: LostPortsDependencies;
  /** Name → what was in `external_ids`. */
  readonly #lost = new Map<string, Readonly<Record<string, string>>>();

  constructor(world: LostPortsDependencies) {
    this.#world = world;
  }

  /** Names of the ports that will be restored: their interfaces are not orphaned. */
  names(): Iterable<string> {
    return this.#lost.keys();
  }

  /** A pod's interface has no port, by what it says of itself: its port was lost before this memory began. */
  expect(name: string, ids: Readonly<Record<string, string>>): void {
    if (!this.#world.lanes.busy(keyOf(ids))) this.#lost.set(name, ids);
  }

  /** Rows have changed. Returns whether there is anything to restore. */
  note(changes: readonly OvsChange[]): boolean {
    for (const change of changes) {
      if (change.table !== "Interface") continue;
      const now = change.new;
      const known = this.#lost.get(now?.name ?? "");
      // What was asked for by a request, or is as it was.
      if (now !== undefined && (known === undefined || holds(now, known))) this.#lost.delete(now.name);
      const before = change.old === undefined ? undefined : ourIds(change.old);
      if (change.old === undefined || before === undefined || (now !== undefined && holds(now, before))) continue;
      // A request takes its port away itself.
      if (!this.#world.lanes.busy(keyOf(before))) this.#lost.set(change.old.name, before);
    }
    return this.#lost.size > 0;
  }

  /**
   * Restores them one by one, and returns those that were restored. `error`: the first that could not be, because Open vSwitch cannot be reached, has no br-int yet,
   * or has another program's interface of that name; call it again then. Does not throw.
   */
  async restore(): Promise<{ readonly repairs: readonly string[]; readonly error?: unknown }> {
    const repairs: string[] = [];
    const errors: unknown[] = [];
    for (const [name, ids] of this.#lost) {
      const key = keyOf(ids);
      try {
        // In the attachment's lane, so that a DEL waits and then finds the port.
        const done = this.#world.lanes.busy(key)
          ? false
          : await this.#world.lanes.run(key, "check", () => this.#put(name, ids));
        this.#lost.delete(name);
        if (done)
          repairs.push(`port ${name} of pod ${ids[EXTERNAL_ID.podNamespace] ?? ""}/${ids[EXTERNAL_ID.podName] ?? ""}`);
      } catch (error) {
        errors.push(error);
      }
    }
    return { repairs, ...(errors.length > 0 && { error: errors[0] }) };
  }

  async #put(name: string, ids: Readonly<Record<string, string>>): Promise<boolean> {
    const { view, ports, links, pods, clock = SYSTEM_CLOCK } = this.#world;
    const pod = pods.get(`${ids[EXTERNAL_ID.podNamespace] ?? ""}/${ids[EXTERNAL_ID.podName] ?? ""}`);
    const isSamePod = pod?.uids.includes(ids[EXTERNAL_ID.podUid] ?? "") === true;
    if (!(isSamePod || !pods.synced) || !(await links.exists(name))) return false;
    // The pod has another interface by now.
    const holders = view.interfacesOfIfaceId(ids[EXTERNAL_ID.ifaceId] ?? "");
    if (holders.some((holder) => holder.name !== name)) return false;
    const row = view.interfaceNamed(name);
    if (row === undefined) {
      const spec = { portUuid: clock.uuid(), interfaceUuid: clock.uuid(), name, externalIds: ids };
      await ports.attach(spec, new AbortController().signal);
      return true;
    }
    if (holds(row, ids)) return false;
    await view.client.transact(VSWITCH.name, [
      mutate(VSWITCH, "Interface", row._uuid, [
        ["external_ids", "delete", Object.keys(ids)],
        ["external_ids", "insert", ids],
      ]),
    ]);
    return true;
  }
}

/** What ADD wrote, where the interface is a pod's. */
function ourIds({ external_ids: all }: InterfaceView): Readonly<Record<string, string>> | undefined {
  if (all[EXTERNAL_ID.vendor] !== VENDOR || all[EXTERNAL_ID.containerId] === undefined) return undefined;
  return Object.fromEntries(OURS.flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]]])));
}

function holds({ external_ids: all }: InterfaceView, ids: Readonly<Record<string, string>>): boolean {
  return Object.entries(ids).every(([key, value]) => all[key] === value);
}

function keyOf(ids: Readonly<Record<string, string>>): string {
  return attachmentKey({ containerId: ids[EXTERNAL_ID.containerId] ?? "", ifName: ids[EXTERNAL_ID.ifName] ?? "eth0" });
}

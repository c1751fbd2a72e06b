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

/** Dependencies of {@link LostPorts}. */
export interface LostPortsDependencies {
  readonly view: OvsView;
  readonly ports: Pick<Ports, "attach">;
  readonly links: Pick<PodLinks, "exists">;
  readonly lanes: Lanes;
  readonly pods: { readonly synced: boolean; get(key: string): NodePod | undefined };
  /** Default: the system's clock. */
  readonly clock?: Pick<Clock, "uuid">;
}

/**
 * The keys of a port's `external_ids` that ADD writes and nothing changes later; the others are maintained by
 * ovn-controller or by `PodEncaps`.
 */
const OURS: readonly string[] = Object.values(EXTERNAL_ID).filter(
  (key) => key !== EXTERNAL_ID.ovnInstalled && key !== EXTERNAL_ID.encapIp,
);

/**
 * Restores ports of pods that another program removed from br-int, one by one or with the whole bridge, and
 * `external_ids` that it changed. The removed values are kept only in this object: a port is restored as it was last
 * seen, if its pod and its interface still exist.
 */
export class LostPorts {
  readonly #deps: LostPortsDependencies;
  /** Name → the removed `external_ids`. */
  readonly #lost = new Map<string, Readonly<Record<string, string>>>();

  constructor(deps: LostPortsDependencies) {
    this.#deps = deps;
  }

  /** Names of the ports that will be restored: their interfaces are not orphaned. */
  names(): Iterable<string> {
    return this.#lost.keys();
  }

  /** Registers a port that was lost before this process started: a pod's interface has a mark and no port. */
  expect(name: string, ids: Readonly<Record<string, string>>): void {
    if (!this.#deps.lanes.busy(keyOf(ids))) this.#lost.set(name, ids);
  }

  /** Rows have changed. Returns whether there is anything to restore. */
  note(changes: readonly OvsChange[]): boolean {
    for (const change of changes) {
      if (change.table !== "Interface") continue;
      const now = change.new;
      const known = this.#lost.get(now?.name ?? "");
      // The port was added by a request, or is unchanged.
      if (now !== undefined && (known === undefined || holds(now, known))) this.#lost.delete(now.name);
      const before = change.old === undefined ? undefined : ourIds(change.old);
      if (change.old === undefined || before === undefined || (now !== undefined && holds(now, before))) continue;
      // A request removes its own port.
      if (!this.#deps.lanes.busy(keyOf(before))) this.#lost.set(change.old.name, before);
    }
    return this.#lost.size > 0;
  }

  /**
   * Restores the ports one by one, and returns the restored ones. `error`: the first failure, because Open vSwitch
   * cannot be reached, has no br-int yet, or has another program's interface of that name; call it again then. Does
   * not throw.
   */
  async restore(): Promise<{ readonly repairs: readonly string[]; readonly error?: unknown }> {
    const repairs: string[] = [];
    const errors: unknown[] = [];
    for (const [name, ids] of this.#lost) {
      const key = keyOf(ids);
      try {
        // After the attachment's earlier jobs, so that a DEL waits and then finds the port.
        const done = this.#deps.lanes.busy(key)
          ? false
          : await this.#deps.lanes.run(key, "check", () => this.#put(name, ids));
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
    const { view, ports, links, pods, clock = SYSTEM_CLOCK } = this.#deps;
    const pod = pods.get(`${ids[EXTERNAL_ID.podNamespace] ?? ""}/${ids[EXTERNAL_ID.podName] ?? ""}`);
    const isSamePod = pod?.uids.includes(ids[EXTERNAL_ID.podUid] ?? "") === true;
    if (!(isSamePod || !pods.synced) || !(await links.exists(name))) return false;
    // The pod has another interface now.
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

/** The ids that ADD wrote, if the interface is a pod's. */
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

// SPDX-License-Identifier: Apache-2.0

import { CNI_ERROR } from "../../api/cni-message.ts";
import { untilAborted } from "../../kube/abort.ts";
import { OvsdbError } from "../../ovsdb/errors.ts";
import { VSWITCH } from "../../ovsdb/generated/vswitch.ts";
import { insert, mutate, type Operation, type OperationResult, select } from "../../ovsdb/operation.ts";
import { selectedRows } from "../../ovsdb/result.ts";
import { CniError } from "../cni/cni-error.ts";
import { INTEGRATION_BRIDGE, type OvsChange, type OvsView } from "./ovs-view.ts";
import { EXTERNAL_ID, type PodPort, type PortSpec, type Ports } from "./ports.ts";

/** Far more than a healthy ovsdb-server needs (about 1 ms); a request's own deadline is longer. */
const TRANSACTION_MS = 10_000;

/** {@link Ports} over the local Open vSwitch database. */
export class OvsPorts implements Ports {
  readonly #view: OvsView;
  /** interface uuid → callbacks that wait for a change of the interface. */
  readonly #waiting = new Map<string, Set<() => void>>();
  /** Callbacks that wait until ovs-vswitchd has processed a change. */
  readonly #waitingForDone = new Set<() => void>();

  constructor(view: OvsView) {
    this.#view = view;
    view.mirror.subscribe((changes) => this.#wake(changes));
  }

  get userspace(): boolean {
    return this.#view.bridge()?.datapath_type === "netdev";
  }

  async whenConnected(signal: AbortSignal): Promise<void> {
    await this.#view.mirror.whenSynced(signal).catch((error: unknown) => {
      // The mirror says in its own words that it was aborted.
      throw signal.aborted ? signal.reason : error;
    });
  }

  async attach(spec: PortSpec, signal: AbortSignal): Promise<void> {
    const bridge = this.#bridge();
    const stale = [
      ...this.#view.interfacesOfIfaceId(spec.externalIds[EXTERNAL_ID.ifaceId] ?? ""),
      ...(this.#view.interfaceNamed(spec.name) === undefined ? [] : [this.#view.interfaceNamed(spec.name)]),
    ].flatMap((row) => (row === undefined ? [] : (this.#view.podPort(row) ?? [])));
    const operations = attachOperations(bridge, spec, [...new Set(stale.map(({ portUuid }) => portUuid))]);
    await this.#transact(operations, signal);
  }

  async detach(portUuids: readonly string[]): Promise<void> {
    // Also without any operation: that a port is absent is only known while the mirror is current.
    const bridge = this.#bridge();
    if (portUuids.length > 0) await this.#transact([detachOperation(bridge, portUuids)]);
  }

  async vacate(name: string, signal: AbortSignal): Promise<void> {
    const [root, port] = [this.#view.root(), this.byName(name)];
    if (port === undefined || root === undefined) return;
    const bridge = this.#bridge();
    const operations = [
      mutate(VSWITCH, "Open_vSwitch", root._uuid, [["next_cfg", "+=", 1]]),
      select(VSWITCH, "Open_vSwitch", root._uuid, ["next_cfg"]),
      detachOperation(bridge, [port.portUuid]),
    ];
    const results = await this.#transact(operations, signal);
    const [asked] = selectedRows(VSWITCH, "Open_vSwitch", results[1]);
    await this.#whenDone(asked?.next_cfg ?? 0, signal);
  }

  whenInstalled(interfaceUuid: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        waiters?.delete(look);
        if (waiters?.size === 0) this.#waiting.delete(interfaceUuid);
        signal.removeEventListener("abort", onAbort);
        settle();
      };
      const look = (): void => {
        const state = this.#installed(interfaceUuid);
        if (state === true) finish(resolve);
        else if (state !== false) finish(() => reject(state));
      };
      const onAbort = (): void => finish(() => reject(signal.reason as Error));
      const waiters = this.#waiting.get(interfaceUuid) ?? new Set<() => void>();
      this.#waiting.set(interfaceUuid, waiters);
      waiters.add(look);
      signal.addEventListener("abort", onAbort);
      if (signal.aborted) onAbort();
      else look();
    });
  }

  ofContainer(containerId: string, ifName?: string): readonly PodPort[] {
    return this.#view
      .interfacesOfContainer(containerId)
      .filter((row) => ifName === undefined || row.external_ids[EXTERNAL_ID.ifName] === ifName)
      .flatMap((row) => this.#view.podPort(row) ?? []);
  }

  byName(name: string): PodPort | undefined {
    const row = this.#view.interfaceNamed(name);
    return row === undefined ? undefined : this.#view.podPort(row);
  }

  all(): readonly PodPort[] {
    return this.#view.podPorts();
  }

  #installed(interfaceUuid: string): boolean | CniError {
    const row = this.#view.mirror.get("Interface", interfaceUuid);
    // While the connection is being restored the state is unknown; the deadline limits the wait.
    if (!this.#view.synced) return false;
    if (row === undefined) {
      return new CniError(
        CNI_ERROR.tryAgainLater,
        "the port was removed from br-int while its flows were being installed",
      );
    }
    if (row.error !== undefined && row.error !== "") {
      return new CniError(CNI_ERROR.tryAgainLater, `ovs-vswitchd cannot use ${row.name}: ${row.error}`);
    }
    return row.external_ids[EXTERNAL_ID.ovnInstalled] === "true";
  }

  /** Resolves when ovs-vswitchd has processed the database's state of `next_cfg`. */
  async #whenDone(nextCfg: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if ((this.#view.root()?.cur_cfg ?? 0) >= nextCfg) resolve();
    };
    this.#waitingForDone.add(look);
    try {
      look();
      await untilAborted(promise, signal);
    } finally {
      this.#waitingForDone.delete(look);
    }
  }

  #bridge(): string {
    if (!this.#view.synced) {
      throw new CniError(CNI_ERROR.tryAgainLater, "not connected to Open vSwitch's database on this node", {
        details: "is this node's pod of DaemonSet ovs-ovn running?",
      });
    }
    const bridge = this.#view.bridge();
    if (bridge !== undefined) return bridge._uuid;
    throw new CniError(CNI_ERROR.tryAgainLater, `bridge ${INTEGRATION_BRIDGE} does not exist on this node`, {
      details: "ovn-controller creates it: is this node's pod of DaemonSet ovs-ovn running?",
    });
  }

  async #transact(operations: readonly Operation[], signal?: AbortSignal): Promise<readonly OperationResult[]> {
    const options = { timeoutMs: TRANSACTION_MS, ...(signal === undefined ? {} : { signal }) };
    try {
      const results = await this.#view.client.transact(VSWITCH.name, operations, options);
      // If the bridge was recreated meanwhile, it has another uuid, and the mutation matched no row.
      if (results.at(-1)?.count === 0) throw new CniError(CNI_ERROR.tryAgainLater, "br-int was replaced meanwhile");
      return results;
    } catch (thrown) {
      if (!(thrown instanceof OvsdbError)) throw thrown;
      const code = thrown.retryable ? CNI_ERROR.tryAgainLater : CNI_ERROR.internal;
      throw CniError.from(thrown, "failed to change br-int in Open vSwitch's database", code);
    }
  }

  #wake(changes: readonly OvsChange[]): void {
    for (const change of changes) {
      if (change.table === "Open_vSwitch") for (const look of [...this.#waitingForDone]) look();
      if (change.table !== "Interface") continue;
      for (const look of [...(this.#waiting.get(change.uuid) ?? [])]) look();
    }
  }
}

/** The transaction of ADD: adds one port and removes stale ones, atomically. Pure. */
function attachOperations(bridge: string, spec: PortSpec, stale: readonly string[]): readonly Operation[] {
  return [
    insert(VSWITCH, "Interface", spec.interfaceUuid, { name: spec.name, external_ids: spec.externalIds }),
    insert(VSWITCH, "Port", spec.portUuid, { name: spec.name, interfaces: [spec.interfaceUuid] }),
    mutate(VSWITCH, "Bridge", bridge, [
      ...(stale.length === 0 ? [] : [["ports", "delete", stale] as const]),
      ["ports", "insert", [spec.portUuid]],
    ]),
  ];
}

/**
 * Ports and interfaces are not root rows: removed from the bridge, they are deleted from the database (RFC 7047
 * §3.2). Pure.
 */
export function detachOperation(bridge: string, portUuids: readonly string[]): Operation {
  return mutate(VSWITCH, "Bridge", bridge, [["ports", "delete", portUuids]]);
}

// SPDX-License-Identifier: Apache-2.0

import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import type { InterfaceView, OvsChange, OvsView } from "../ovs/ovs-view.ts";
import type { OwnNode } from "./node-reader.ts";

/**
 * A report is withdrawn once a tunnel has been up for this long, in ms: a flapping session does not cause a write
 * each time.
 */
const UP_MS = 2_000;
/**
 * A chassis to which no tunnel has been up yet is reported only after this time, in ms: sessions take some seconds to
 * start.
 */
const NEW_MS = 10_000;
/** Between two writes to the API server, in ms. */
const REST_MS = 1_000;

/** Dependencies of {@link TunnelReport}. */
export interface TunnelReportDependencies {
  readonly node: string;
  readonly view: OvsView;
  readonly nodes: {
    readonly synced: boolean;
    get(key: string): OwnNode | undefined;
    subscribe(listener: () => void): () => void;
  };
  readonly clock: Pick<Clock, "now" | "after">;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Writes the report to the API server: the unreachable chassis, or undefined. */
  annotate(chassis: string | undefined): Promise<void>;
}

/** The state of the BFD sessions to a chassis. */
interface Peer {
  readonly chassis: string;
  readonly up: boolean;
  readonly since: number;
  /** A session has been up. */
  readonly wasUp: boolean;
}

/**
 * Reports in the Node's annotation that the tunnels to the only chassis that this node monitors are down.
 * ovn-controller enables BFD in the tunnels between members of an HA_Chassis_Group, and ovs-vswitchd writes each
 * change of a session's state into its database (ovs-vswitchd.conf.db(5), Interface `bfd_status`). With more than one
 * such chassis OVN itself decides which one is down, and nothing is reported.
 */
export class TunnelReport {
  readonly #deps: TunnelReportDependencies;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  #peer: Peer | undefined;
  #cancel: () => void = () => undefined;

  constructor(deps: TunnelReportDependencies) {
    this.#deps = deps;
    const onError = (error: unknown, retryMs: number): void =>
      deps.log.warn({ err: error, retryMs }, "failed to annotate the Node with the unreachable chassis; retrying");
    this.#loop = new ReconcileLoop(() => this.#write(), onError, { restMs: REST_MS }, deps.clock);
  }

  start(): void {
    const { view, nodes } = this.#deps;
    this.#stops.push(
      nodes.subscribe(() => this.#note()),
      view.mirror.onSyncedChange(() => this.#note()),
      view.mirror.subscribe((changes) => {
        if (changes.some(concernsTunnels)) this.#note();
      }),
    );
    this.#note();
  }

  /** The report stays: the next daemon continues from it. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#cancel();
    await this.#loop.stop();
  }

  /** A tunnel or the node may have changed. */
  #note(): void {
    const { view, nodes, node, clock } = this.#deps;
    const own = nodes.synced ? nodes.get(node) : undefined;
    if (!view.synced || own === undefined) return;
    const seen = monitored(view);
    if (seen === undefined) this.#peer = undefined;
    else if (seen.up === undefined) return;
    else {
      const { chassis, up } = seen;
      const before = this.#peer?.chassis === chassis ? this.#peer : undefined;
      const wasUp = up || (before?.wasUp ?? own.unreachable === chassis);
      const since = before?.up === up ? before.since : clock.now();
      this.#peer = { chassis, up, since, wasUp };
    }
    this.#settle(own.unreachable);
  }

  /** Writes the report, or schedules the write. */
  #settle(reported: string | undefined): void {
    this.#cancel();
    const { wanted, inMs } = this.#wanted(reported);
    if (wanted !== reported) this.#loop.trigger();
    if (inMs !== undefined) this.#cancel = this.#deps.clock.after(inMs, () => this.#note());
  }

  /** The wanted report, and the delay before it may be written. */
  #wanted(reported: string | undefined): { readonly wanted: string | undefined; readonly inMs?: number } {
    if (this.#peer === undefined) return { wanted: undefined };
    const { chassis, up, since, wasUp } = this.#peer;
    const left = since - this.#deps.clock.now();
    if (up) {
      if (reported !== chassis || left + UP_MS <= 0) return { wanted: undefined };
      return { wanted: chassis, inMs: left + UP_MS };
    }
    return wasUp || left + NEW_MS <= 0 ? { wanted: chassis } : { wanted: undefined, inMs: left + NEW_MS };
  }

  async #write(): Promise<void> {
    const { nodes, node, log, annotate } = this.#deps;
    const reported = nodes.get(node)?.unreachable;
    const { wanted } = this.#wanted(reported);
    if (wanted === reported) return;
    if (wanted === undefined) log.info({ chassis: reported }, "the tunnels to the other node are up again");
    else log.warn({ chassis: wanted }, "the tunnels to the other node are down (BFD)");
    await annotate(wanted);
  }
}

/**
 * The only chassis with BFD in its tunnels, and whether one of these is up; `up` is undefined while ovs-vswitchd has
 * not reported it.
 */
function monitored(view: OvsView): { readonly chassis: string; readonly up: boolean | undefined } | undefined {
  const tunnels = view.tunnels().filter(({ row }) => row.bfd["enable"] === "true");
  const [first] = tunnels;
  if (first === undefined || tunnels.some(({ chassis }) => chassis !== first.chassis)) return undefined;
  const states = tunnels.flatMap(({ row }) => row.bfd_status["state"] ?? []);
  return { chassis: first.chassis, up: states.length === 0 ? undefined : states.includes("up") };
}

/** `bfd_status` has more keys than the state, and pods' interfaces do not have it. */
function concernsTunnels(change: OvsChange): boolean {
  return change.table === "Interface" && session(change.old) !== session(change.new);
}

function session(row: InterfaceView | undefined): string {
  return `${row?.bfd["enable"] ?? ""} ${row?.bfd_status["state"] ?? ""}`;
}

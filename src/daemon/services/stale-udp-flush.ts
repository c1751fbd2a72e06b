// SPDX-License-Identifier: Apache-2.0

import { SUBNET } from "../../api/annotations.ts";
import { ContractError } from "../../contract/document.ts";
import {
  decodeStaleFlows,
  type FlowEnd,
  parseFlowEnd,
  type StaleFlow,
  type StaleFlows,
} from "../../contract/stale-udp-flows.ts";
import { type Informer, informer } from "../../kube/informer.ts";
import type { InformerTime } from "../../kube/informer-options.ts";
import type { Kube } from "../../kube/kube.ts";
import { SUBNETS } from "../../kube/resources.ts";
import type { Clock } from "../../time/clock.ts";
import { ReconcileLoop } from "../../time/reconcile-loop.ts";
import type { OvsChange, OvsView } from "../ovs/ovs-view.ts";
import { renewCachedFlows } from "../ovs/renew-flows.ts";
import { type Control, ControlError } from "../ovs/unixctl.ts";

/** Transactions whose flows wait to be deleted, at most; the oldest are dropped. */
const MAX_WAITING = 64;

/** What {@link StaleFlowsFlush} works with. */
export interface StaleFlowsDependencies {
  readonly view: OvsView;
  /** The annotation of the nodes' subnet, "" where there is none. */
  readonly record: Pick<Informer<string>, "values" | "subscribe" | "whenSynced">;
  readonly control: Control;
  readonly clock: Pick<Clock, "now" | "after">;
  readonly log: Record<"info" | "warn", (fields: object, message: string) => void>;
}

/** The record of ended flows of the subnet that nodes are in. */
export function staleFlowsInformer(
  kube: Kube,
  subnet: string,
  onError: (error: unknown, context: string) => void,
  time: InformerTime,
): Informer<string> {
  return informer(kube, SUBNETS, {
    fromMemory: true,
    fieldSelector: `metadata.name=${subnet}`,
    project: ({ metadata }) => metadata.annotations?.[SUBNET.staleFlows] ?? "",
    equal: (a, b) => a === b,
    onError,
    ...time,
  });
}

/**
 * Deletes conntrack entries of UDP flows of Services to endpoints that are gone, after ovn-controller has done so (`ct_flush`). A datagram that comes
 * between that and the moment at which Open vSwitch has renewed its cached flows is sent to the former endpoint once more, and its flow stays there for as
 * long as the client sends (`findings/ovn-ct-flush-comes-before-new-megaflows.sh`). So they are deleted again after ovn-controller has installed the flows (`ovn-nb-cfg` on
 * br-int) and the cached ones are renewed (`revalidator/wait`). Which flows these are is decided in `src/controller/databases/find-stale-udp-flows.ts`; those of node ports
 * in the kernel, in `node-port-stale-udp.ts`.
 */
export class StaleFlowsFlush {
  readonly #deps: StaleFlowsDependencies;
  readonly #loop: ReconcileLoop;
  readonly #stops: (() => void)[] = [];
  /** The entries of the record that have been seen, as text: numbers start over with a new database. */
  #seen: ReadonlySet<string> | undefined;
  #waiting: readonly StaleFlows[] = [];

  constructor(deps: StaleFlowsDependencies) {
    this.#deps = deps;
    const onError = (error: unknown, retryMs: number): void =>
      deps.log.warn({ err: error, retryMs }, "failed to delete UDP flows to endpoints that are gone; retrying");
    this.#loop = new ReconcileLoop(() => this.#flush(), onError, {}, deps.clock);
  }

  start(): void {
    const { view, record } = this.#deps;
    this.#stops.push(
      record.subscribe(() => this.#read()),
      view.mirror.onSyncedChange(() => this.#loop.trigger()),
      view.mirror.subscribe((changes) => {
        if (changes.some(isInstalled)) this.#loop.trigger();
      }),
    );
    // What ended before this process started ended long ago.
    record.whenSynced().then(
      () => this.#read(),
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#loop.stop();
  }

  #read(): void {
    const { record, log } = this.#deps;
    const [text = ""] = record.values();
    let entries: readonly StaleFlows[];
    try {
      entries = text === "" ? [] : decodeStaleFlows(text);
    } catch (error) {
      if (!(error instanceof ContractError)) throw error;
      log.warn({ reason: error.message }, `annotation ${SUBNET.staleFlows} is malformed; ignoring it`);
      this.#seen ??= new Set();
      return;
    }
    const keyed = entries.map((entry) => ({ entry, key: JSON.stringify(entry) }));
    const seen = this.#seen;
    this.#seen = new Set(keyed.map(({ key }) => key));
    if (seen === undefined) return;
    const more = keyed.filter(({ key }) => !seen.has(key)).map(({ entry }) => entry);
    if (more.length === 0) return;
    // A number that goes back is of another database, and those that are waited for do not come.
    const newest = more.at(-1)?.cfg ?? 0;
    this.#waiting = [...this.#waiting.filter(({ cfg }) => cfg <= newest), ...more].slice(-MAX_WAITING);
    this.#loop.hurry();
  }

  async #flush(): Promise<void> {
    const { view, control, log } = this.#deps;
    const bridge = view.bridge();
    if (!view.synced || bridge === undefined) return;
    const installed = Number(bridge.external_ids[INSTALLED] ?? 0);
    const due = this.#waiting.filter(({ cfg }) => cfg <= installed);
    if (due.length === 0) return;
    const flows = new Map(
      due.flatMap((entry) => entry.flows).map((flow) => [`${flow.service} ${flow.endpoint}`, flow]),
    );
    const datapath = bridge.datapath_type === "netdev" ? "netdev@ovs-netdev" : "system@ovs-system";
    const refusals: ControlError[] = [];
    const attempt = async (request: () => Promise<unknown>): Promise<void> => {
      try {
        await request();
      } catch (error) {
        if (!(error instanceof ControlError) || error.code !== "refused") throw error;
        refusals.push(error);
      }
    };
    await attempt(() => renewCachedFlows(control));
    const isRenewed = refusals.length === 0;
    for (const flow of isRenewed ? flows.values() : [])
      await attempt(() => control("dpctl/flush-conntrack", datapath, ...tuples(flow)));
    const [err] = refusals;
    if (err === undefined) log.info({ flows: flows.size }, "deleted UDP flows to endpoints that are gone");
    else
      log.warn(
        { err, refused: refusals.length, flows: flows.size },
        "failed to delete UDP flows to endpoints that are gone; giving up",
      );
    this.#waiting = this.#waiting.filter((entry) => !due.includes(entry));
  }
}

/** Where ovn-controller writes the last `nb_cfg` whose flows it has installed (ovn-controller(8)). */
const INSTALLED = "ovn-nb-cfg";

function isInstalled({ table, old, new: now }: OvsChange): boolean {
  return table === "Bridge" && now !== undefined && old?.external_ids[INSTALLED] !== now.external_ids[INSTALLED];
}

/** A flow as ovs-dpctl(8) takes it, by its first packet and by the answer to it; flows of other protocols stay. */
function tuples({ service, endpoint }: StaleFlow): readonly string[] {
  const tuple = (end: FlowEnd | undefined, ipKey: "src" | "dst"): string =>
    end === undefined
      ? ""
      : `${end.ip.family === 6 ? "ct_ipv6" : "ct_nw"}_${ipKey}=${end.ip.text},ct_nw_proto=17,ct_tp_${ipKey}=${end.port}`;
  return [tuple(parseFlowEnd(service), "dst"), tuple(parseFlowEnd(endpoint), "src")];
}

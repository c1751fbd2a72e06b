// SPDX-License-Identifier: Apache-2.0

import { CONTROLLER_COMPONENT, DAEMON_COMPONENT, PINGER_COMPONENT } from "../../api/names.ts";
import { isProbeFailure, PROBES_SUCCEEDED, stillFails } from "../../api/probe-events.ts";
import { setNewest } from "../../collections/newest.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { readLease } from "../../kube/published-lease.ts";
import { DAEMON_SETS, DEPLOYMENTS, EVENTS, type ResourceType } from "../../kube/resources.ts";
import type { KubeEvent } from "../../kube/types.ts";
import type { EventRow, ObjectName, Overview, Part, ShownProblem } from "../../page/contract.ts";
import { leaderOf } from "../../page/leader.ts";
import { partOf } from "../../page/parts.ts";
import type { Clock } from "../../time/clock.ts";
import { parseTime } from "../../time/rfc3339.ts";

/** What is read of the API server for the page, because no fact has it. */
export interface ClusterState {
  readonly parts: readonly Part[];
  readonly leader: Overview["leader"];
  readonly warnings: readonly ShownProblem[];
  readonly eventsProblem?: string;
}

/** How long the state is used, in ms, however many ask. */
const FRESH_MS = 10_000;
const DEADLINE_MS = 3_000;
/** Warnings in Events of the last hour are shown. */
const RECENT_MS = 3_600_000;
/** Of one component. */
const MAX_EVENTS = 1_000;
/** Events are listed by name, so the last ones of an object are not the first that are read. */
const READ_OF_ONE = 200;
const SHOWN_OF_ONE = 20;
/** Objects whose Events are kept for others who ask within some seconds. */
const MAX_KEPT = 256;
/** Whose Events are shown. */
const COMPONENTS: readonly string[] = [CONTROLLER_COMPONENT, DAEMON_COMPONENT, PINGER_COMPONENT];

/** Reads Events, workloads and the Lease when the page asks, and for all who ask within some seconds once. */
export class ClusterReader {
  readonly #kube: Kube;
  readonly #clock: Pick<Clock, "now" | "wall">;
  readonly #namespace: string;
  /** Object → its Events; the oldest first. */
  readonly #events = new Map<string, { readonly at: number; readonly found: Promise<readonly EventRow[]> }>();
  #state: { readonly at: number; readonly found: Promise<ClusterState> } | undefined;

  constructor(kube: Kube, clock: Pick<Clock, "now" | "wall">, namespace: string) {
    this.#kube = kube;
    this.#clock = clock;
    this.#namespace = namespace;
  }

  /** The state of some seconds ago at most. Never rejects: what cannot be read is left out, with a problem in its place. */
  async state(): Promise<ClusterState> {
    const now = this.#clock.now();
    if (this.#state === undefined || now - this.#state.at > FRESH_MS) this.#state = { at: now, found: this.#read() };
    return await this.#state.found;
  }

  /** The last Events about an object, of some seconds ago at most; none where they cannot be read. */
  async eventsOf(of: ObjectName): Promise<readonly EventRow[]> {
    const now = this.#clock.now();
    const key = JSON.stringify([of.kind, of.namespace, of.name]);
    const known = this.#events.get(key);
    if (known !== undefined && now - known.at <= FRESH_MS) return await known.found;
    const found = this.#readEventsOf(of);
    setNewest(this.#events, key, { at: now, found }, MAX_KEPT);
    return await found;
  }

  async #readEventsOf({ kind, namespace, name }: ObjectName): Promise<readonly EventRow[]> {
    // The value of a field selector has no quotes: a name with other characters is none of Kubernetes.
    if (!/^[a-z0-9]([-a-z0-9.:]*[a-z0-9])?$/.test(name)) return [];
    const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
    const query = { fieldSelector, limit: READ_OF_ONE, deadlineMs: DEADLINE_MS };
    const found = await this.#kube
      .list<KubeEvent>(EVENTS, namespace === undefined ? query : { ...query, namespace })
      .catch(() => ({ items: [] }));
    return found.items
      .map((event): EventRow => {
        const { reason = "", message = "", count = 1, type } = event;
        return { type: type === "Warning" ? "Warning" : "Normal", reason, message, count, last: timeOf(event) };
      })
      .sort((a, b) => b.last - a.last)
      .slice(0, SHOWN_OF_ONE);
  }

  async #read(): Promise<ClusterState> {
    const [deployments, daemons, leader, events] = await Promise.all([
      this.#parts("Deployment", DEPLOYMENTS),
      this.#parts("DaemonSet", DAEMON_SETS),
      this.#leader(),
      this.#warnings(),
    ]);
    return { parts: [...deployments, ...daemons], leader, ...events };
  }

  async #parts(kind: Part["kind"], type: ResourceType): Promise<readonly Part[]> {
    const query = { namespace: this.#namespace, limit: 500, deadlineMs: DEADLINE_MS };
    const found = await this.#kube.list<KubeObject>(type, query).catch(() => ({ items: [] }));
    return found.items.flatMap((object) => partOf(kind, object) ?? []);
  }

  async #leader(): Promise<Overview["leader"]> {
    const ref = { namespace: this.#namespace, name: "kube-ovn-controller" };
    try {
      return leaderOf(await readLease(this.#kube, ref, { deadlineMs: DEADLINE_MS }), this.#clock.wall());
    } catch (error) {
      return { problem: `the Lease of the leader cannot be read: ${String(error)}` };
    }
  }

  async #warnings(): Promise<Pick<ClusterState, "warnings" | "eventsProblem">> {
    // By component: a cluster has thousands of warnings of others.
    const listed = COMPONENTS.map((component) => {
      // What a prober found ends by an Event of type Normal.
      const fieldSelector = `${component === PINGER_COMPONENT ? "" : "type=Warning,"}source=${component}`;
      return this.#kube.list<KubeEvent>(EVENTS, { fieldSelector, limit: MAX_EVENTS, deadlineMs: DEADLINE_MS });
    });
    try {
      const lists = await Promise.all(listed);
      const warnings = recentWarnings(
        lists.flatMap(({ items }) => items),
        this.#clock.wall(),
      );
      if (lists.every((list) => list.continue === undefined)) return { warnings };
      return { warnings, eventsProblem: `there are more warnings of Weft than the ${MAX_EVENTS} that are read` };
    } catch (error) {
      return { warnings: [], eventsProblem: `Events cannot be read: ${String(error)}` };
    }
  }
}

/** Weft's warnings of the last hour, of each object and reason the last one; the latest first. `now`: ms since the epoch. */
export function recentWarnings(events: readonly KubeEvent[], now: number): readonly ShownProblem[] {
  const last = new Map<string, ShownProblem & { readonly since: number }>();
  const succeeded = new Map<string, number>();
  for (const event of events)
    if (event.reason === PROBES_SUCCEEDED && event.source?.component === PINGER_COMPONENT) {
      const { name = "" } = event.involvedObject;
      succeeded.set(name, Math.max(succeeded.get(name) ?? 0, timeOf(event)));
    }
  for (const event of events) {
    const { type, reason = "", message = "", source, involvedObject } = event;
    const { kind = "", namespace, name = "" } = involvedObject;
    const ours = type === "Warning" && COMPONENTS.includes(source?.component ?? "");
    const since = timeOf(event);
    if (isProbeFailure(reason) && !stillFails(since, succeeded.get(name), now)) continue;
    // Any client may create Events: Weft's reasons are one word.
    if (!ours || !/^\w+$/.test(reason) || now - since > RECENT_MS) continue;
    const key = `${kind} ${namespace ?? ""}/${name} ${reason}`;
    if ((last.get(key)?.since ?? -1) >= since) continue;
    const about = namespace === undefined || namespace === "" ? { kind, name } : { kind, namespace, name };
    last.set(key, { severity: "warning", about, source: "event", reason, message, since });
  }
  return [...last.values()].sort((a, b) => b.since - a.since);
}

function timeOf({ lastTimestamp, firstTimestamp, metadata }: KubeEvent): number {
  for (const text of [lastTimestamp, firstTimestamp, metadata.creationTimestamp])
    if (typeof text === "string") return parseTime(text) ?? 0;
  return 0;
}

// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { WeftEffect } from "../../compile/effects.ts";
import type { Failures } from "../../desired/failures.ts";
import type { FactStore } from "../../facts/store.ts";
import type { FactKind } from "../../facts/types.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import { kindOf } from "../../kinds/objects.ts";
import type { Kube } from "../../kube/kube.ts";
import type { KubeObject } from "../../kube/object.ts";
import { EffectRunner } from "../../reconcile/effect-runner.ts";
import type { Clock } from "../../time/clock.ts";
import { formatTime } from "../../time/rfc3339.ts";
import { AddressRecorder } from "../allocation/address-recorder.ts";
import type { Northbound } from "../databases/northbound.ts";
import type { Sources } from "../sources.ts";
import type { Reporter } from "../status/reporter.ts";
import { runEffect } from "../status/run-effect.ts";
import { StatusWriter } from "../status/status-writer.ts";
import { fenced, WriteFence } from "./fencing.ts";

/** The largest number of concurrent effects. */
const EFFECTS_AT_ONCE = 24;

/** The dependencies of a {@link Term}. */
export interface TermParts {
  readonly kube: Kube;
  readonly northbound: Northbound;
  readonly log: Logger;
  readonly clock: Clock;
  readonly facts: FactStore;
  readonly ipam: Pick<Ipam, "usage">;
  readonly sources: Sources;
  readonly failures: Failures;
  readonly reporter: Reporter;
  /** The API server has refused the record of a decision for an owner. */
  readonly dropped: (owner: string) => void;
}

/** One term of leadership: the writers to Kubernetes. Each term has its own, so that writes of an earlier one cannot be mixed with it. */
export class Term {
  /** The client; writes fail once this process does not lead any more. */
  readonly kube: Kube;
  readonly recorder: AddressRecorder;
  readonly statuses: StatusWriter;
  readonly effects: EffectRunner<WeftEffect>;
  readonly #fence: WriteFence;
  #over = false;

  constructor(parts: TermParts) {
    const { northbound, log, clock, facts, ipam, sources, failures, reporter } = parts;
    const now = secondsOf(clock);
    this.#fence = new WriteFence({ clock, confirm: () => northbound.confirmLock() });
    const kube = fenced(parts.kube, this.#fence);
    this.kube = kube;
    this.recorder = new AddressRecorder({
      kube,
      clock,
      onRecorded: (kind, object) => sources.made(kind, object),
      onDropped: (name) => {
        if (!this.#over) parts.dropped(name);
      },
      onError: (record, error) => log.warn({ err: error, owner: record.name }, "failed to write an address; retrying"),
    });
    this.statuses = new StatusWriter({
      kube,
      timers: clock,
      now,
      current: (resource, name) => sources.status(resource, name),
      usage: (resource, name) => kindOf(resource)?.counters?.of(facts, ipam, name) ?? {},
      onError: (name, error) => log.warn({ err: error, object: name }, "failed to write a status; retrying"),
      onWritten: (resource, object) => sources.written(resource, object),
      failures,
    });
    const tools = {
      kube,
      facts,
      observed: (kind: FactKind, object: KubeObject) => sources.made(kind, object),
      state: reporter.condition.bind(reporter),
      report: reporter.problem.bind(reporter),
      now,
    };
    this.effects = new EffectRunner<WeftEffect>({
      run: (effect, isWanted) => runEffect(tools, effect, isWanted),
      timers: clock,
      limit: EFFECTS_AT_ONCE,
      onError: (effect, error) =>
        log.warn({ err: error, effect: effect.key }, "failed to write to the API server; retrying"),
    });
  }

  /** The number of effects and records that wait to be written to Kubernetes. */
  get pending(): number {
    return this.effects.pending + this.recorder.pending;
  }

  /** Starts no further writes. */
  close(): void {
    this.#over = true;
    this.#fence.close();
  }

  /** Drops pending writes. To be called when nothing decides any more. */
  clear(): void {
    this.recorder.clear();
    this.effects.stop();
    this.statuses.stop();
  }
}

/** The time in RFC 3339, formatted once a second, because statuses are computed for each pod. */
function secondsOf(clock: Clock): () => string {
  let [second, text] = [Number.NaN, ""];
  return () => {
    const now = Math.floor(clock.wall() / 1000);
    if (now !== second) [second, text] = [now, formatTime(now * 1000)];
    return text;
  };
}

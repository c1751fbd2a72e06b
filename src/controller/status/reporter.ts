// SPDX-License-Identifier: Apache-2.0

import type { Logger } from "pino";
import type { Claimant } from "../../claims/claim.ts";
import { type ConditionEffect, conditionsIn, type ReportEffect, type WeftEffect } from "../../compile/effects.ts";
import type { Failure } from "../../desired/failures.ts";
import type { FactChange } from "../../facts/fact-change.ts";
import type { IpFact } from "../../facts/ip.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { FactStore } from "../../facts/store.ts";
import type { FactKind } from "../../facts/types.ts";
import { eventMessage, type Refusal } from "../../ipam/refusal.ts";
import { kindOf, typeOf } from "../../kinds/objects.ts";
import type { EventRecorder } from "../../kube/event-recorder.ts";
import { IPS, PODS, SUBNETS } from "../../kube/resources.ts";
import type { Contended } from "../../reconcile/contention.ts";
import type { Engine } from "../../reconcile/engine.ts";
import { gatewayEvents } from "./gateway-events.ts";
import { failedObjects, failureMessage, INTERNAL_ERROR } from "./report-failure.ts";
import type { StatusWriter } from "./status-writer.ts";
import { unitObjects } from "./unit-objects.ts";

/** The dependencies of a {@link Reporter}. */
export interface ReporterParts {
  readonly facts: FactStore;
  readonly log: Logger;
  readonly events: EventRecorder;
  /** The engine's desired state. */
  readonly desired: () => Engine<WeftEffect>["desired"];
  /** Writes conditions; absent while this process does not lead. */
  readonly statuses: () => Pick<StatusWriter, "state"> | undefined;
}

/** Reports to users: all Events, conditions and log messages about outcomes are created here. */
export class Reporter {
  readonly #parts: ReporterParts;

  constructor(parts: ReporterParts) {
    this.#parts = parts;
  }

  /** Problems that a unit has found in an object. */
  problem({ about: { resource, namespace, name, uid }, reason, message }: ReportEffect): void {
    const type = typeOf(resource);
    const object = { type, name, uid, ...(namespace === "" ? {} : { namespace }) };
    this.#parts.events.record(object, "Warning", reason, message);
    this.#parts.log.warn({ object: `${type.plural}/${namespace}/${name}` }, message);
  }

  /** The state of an object: its condition, and Events for problems. */
  condition(effect: ConditionEffect): void {
    const { events, statuses } = this.#parts;
    statuses()?.state(effect);
    const { resource, name, uid, notes = [] } = effect;
    const about = { type: typeOf(resource), name, uid };
    for (const { reason, message } of notes) events.record(about, "Warning", reason, message);
    const problem = effect.refused ?? (effect.ready ? undefined : effect);
    // The refusal for an object that records its own address was reported when it was decided.
    const isRefusal = effect.refused === undefined && kindOf(resource)?.claim?.holds !== undefined;
    if (problem === undefined || isRefusal) return;
    events.record(about, "Warning", problem.reason, problem.message);
  }

  /** A request for an address was refused. */
  addressRefused({ kind, key, ...about }: Claimant, refusal: Refusal): void {
    const { events, log } = this.#parts;
    events.record({ ...about, type: typeOf(kind) }, "Warning", "AcquireAddressFailed", eventMessage(refusal));
    log.warn({ object: `${kind}/${key}`, code: refusal.code }, refusal.message);
  }

  /** An IP object and something else have the same address. */
  addressConflict(ip: IpFact, message: string): void {
    this.#parts.events.record({ type: IPS, name: ip.name, uid: ip.uid }, "Warning", "AddressConflict", message);
    this.#parts.log.error({ ip: ip.name }, message);
  }

  /** The IP object of a pod was missing. */
  addressRestored({ name, namespace, uid, key }: PodFact, message: string): void {
    this.#parts.events.record({ type: PODS, name, namespace, uid }, "Warning", "AddressRestored", message);
    this.#parts.log.warn({ pod: key }, message);
  }

  /** The gateway of a subnet has changed. */
  gatewayChanged({ old, new: now }: FactChange<"subnetSpecs">): void {
    if (this.#parts.statuses() === undefined || now === undefined) return;
    const about = { type: SUBNETS, name: now.name, uid: now.uid };
    for (const { reason, message } of gatewayEvents(old, now))
      this.#parts.events.record(about, "Normal", reason, message);
  }

  /**
   * The database refuses a unit: reported in the conditions of its objects until it is committed. If the connection breaks with it, this process may
   * not lead any more, because the lock was lost with the connection.
   */
  unitRefused(unit: string, error: Error): void {
    const { facts, log, events, desired, statuses } = this.#parts;
    log.error({ err: error, unit }, "the northbound database refuses this unit; retrying");
    const said = { reason: "NorthboundRefused", message: refusalMessage(error) };
    for (const object of unitObjects(facts, unit)) events.record(object, "Warning", said.reason, said.message);
    for (const effect of conditionsIn(desired().fragment(unit)?.effects ?? []))
      statuses()?.state({ ...effect, ready: false, ...said });
  }

  /** Another program repeatedly changes a row that Weft restores. */
  contended(unit: string, { table, row, column, member }: Contended, pause: number): void {
    const { facts, log, events, desired } = this.#parts;
    const label = desired().row(row)?.row.label ?? row;
    const field = member === undefined ? column : `member ${member} of ${column}`;
    const message = `Another program keeps changing ${field} of ${table} "${label}" in OVN's northbound database; Weft now restores it ${pause / 1000} s after each change. Find and stop that program.`;
    log.warn({ unit, table, row, column, member, pause }, "another program keeps changing what Weft writes");
    for (const object of unitObjects(facts, unit)) events.record(object, "Warning", "NorthboundContended", message);
  }

  /** Our own code threw while processing an object: the object keeps its state and is retried; others are not affected. */
  internalError(failure: Failure): void {
    const { facts, log, events, statuses } = this.#parts;
    const { part, where, kind, key, error, attempts } = failure;
    if (part === "projection") facts.setUnread(kind as FactKind, key, true);
    // Repeated failures are logged at growing intervals.
    if (Math.log2(attempts) % 1 === 0)
      log.error(
        { err: error, part, where, kind, key, attempts },
        "internal error; the object keeps its current network configuration; retrying",
      );
    const writer = statuses();
    if (writer === undefined) return;
    for (const { about, condition } of failedObjects(facts, failure)) {
      events.record(about, "Warning", INTERNAL_ERROR, failureMessage(failure));
      if (condition !== undefined) writer.state(condition);
    }
  }
}

function refusalMessage({ message }: Error): string {
  return `OVN's northbound database refuses the configuration of this object, whose network stays as it was before; Weft retries: ${message}`;
}

// SPDX-License-Identifier: Apache-2.0

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { WeftEffect } from "../compile/effects.ts";
import type { Engine } from "../reconcile/engine.ts";
import type { CommitObserver } from "./databases/commit-observer.ts";

/** Registers the engine's counters: waiting units, transactions, repairs. */
export function engineMetrics(registry: Registry, engine: Engine<WeftEffect>): void {
  const registers = [registry];
  const counter = (name: string, help: string, read: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  };
  const { stats } = engine;
  counter(
    "weft_nb_transactions_total",
    "Transactions committed to the OVN northbound database",
    () => stats.transactions,
  );
  counter(
    "weft_nb_operations_total",
    "Operations in the transactions committed to the OVN northbound database",
    () => stats.operations,
  );
  counter(
    "weft_nb_repairs_total",
    "Operations that restored what another client of the OVN northbound database had changed",
    () => stats.repairs,
  );
  counter(
    "weft_nb_contended_total",
    "Operations that restored what another client of the OVN northbound database changes repeatedly; each is followed by a back-off",
    () => stats.contended,
  );
  counter(
    "weft_nb_refused_total",
    "Transactions that the OVN northbound database refused; they are divided, and what remains is retried",
    () => stats.failures,
  );
  counter("weft_units_compiled_total", "Units compiled", () => stats.compiled);
  new Gauge({
    name: "weft_units_waiting",
    help: "Units that wait: dirty (to be compiled), pending (to be compared with the northbound database and committed), refused (by the database, until the next attempt)",
    labelNames: ["state"],
    registers,
    collect() {
      for (const [state, count] of Object.entries(engine.waiting)) this.set({ state }, count);
    },
  });
  new Gauge({
    name: "weft_nb_sweep_held_back_rows",
    help: "Orphaned rows that the last sweep left because it would have deleted too many (see --allow-mass-delete)",
    registers,
    collect() {
      this.set(stats.heldBack);
    },
  });
}

/** Registers and returns the observer of transactions of the northbound database. */
export function commitMetrics(registry: Registry): CommitObserver {
  const registers = [registry];
  // Name, labels and values of `db`, `method` and `code` ("0": success) are Kube-OVN's (pkg/ovs).
  const latency = new Histogram({
    name: "ovs_client_request_latency_milliseconds",
    help: "Duration of transactions of the OVN northbound database in milliseconds, by result (0: committed)",
    labelNames: ["db", "method", "code"],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096],
    registers,
  });
  const units = new Histogram({
    name: "weft_nb_transaction_units",
    help: "Units in each transaction committed to the OVN northbound database",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500],
    registers,
  });
  return {
    ended: (outcome, ms) =>
      latency.observe({ db: "ovn-nb", method: "transact", code: outcome === "committed" ? "0" : "1" }, ms),
    committed: (count) => units.observe(count),
  };
}

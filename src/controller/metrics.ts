// SPDX-License-Identifier: Apache-2.0

import { Counter, Gauge, Registry } from "prom-client";
import type { WeftEffect } from "../compile/effects.ts";
import { FAILURE_PARTS } from "../desired/failures.ts";
import type { FactStore } from "../facts/store.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { Engine } from "../reconcile/engine.ts";
import { collectProcessMetrics } from "../telemetry/process-metrics.ts";

/** What the metrics are read from; nothing is counted twice. */
export interface MetricSources {
  readonly engine: Engine<WeftEffect>;
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** Whether what is known of the southbound database is current; undefined where nothing of it is asked for. */
  readonly southbound: () => boolean | undefined;
  readonly leading: () => boolean;
  readonly waiting: () => number;
  /** How often a pod had waited for 5 s and been neither served nor told why. */
  readonly unserved: () => number;
  readonly pendingWrites: () => number;
}

/** The controller's metrics. Those of subnets carry Kube-OVN's names and labels; the others are ours. */
export function controllerMetrics({
  engine,
  facts,
  ipam,
  southbound,
  leading,
  waiting,
  unserved,
  pendingWrites,
}: MetricSources): Registry {
  const registry = new Registry();
  const registers = [registry];
  collectProcessMetrics(registry);
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  };
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
  gauge("weft_controller_leading", "1 while this process is the leader", () => (leading() ? 1 : 0));
  gauge("weft_controller_waiting_addresses", "Pods and nodes that wait for an address", waiting);
  gauge("weft_controller_pending_writes", "Writes to the Kubernetes API that are queued or under way", pendingWrites);
  counter(
    "weft_controller_unserved_pods_total",
    "Pods that had neither a network nor an Event that says why 5 s after they were bound to a node, and were retried",
    unserved,
  );
  new Counter({
    name: "weft_controller_internal_failures_total",
    help: "Internal errors while processing an object or unit, which keeps its current state, by part (projection, index, derived fact, listener, unit, claim, status, task)",
    labelNames: ["part"],
    registers,
    collect() {
      this.reset();
      for (const part of FAILURE_PARTS) this.inc({ part }, facts.failures.counts.get(part) ?? 0);
    },
  });
  gauge(
    "weft_controller_internal_failing",
    "Objects and units whose processing fails with an internal error now",
    () => facts.failures.size,
  );
  counter(
    "weft_nb_transactions_total",
    "Transactions committed to the OVN northbound database",
    () => engine.stats.transactions,
  );
  counter(
    "weft_nb_operations_total",
    "Operations in the transactions committed to the OVN northbound database",
    () => engine.stats.operations,
  );
  counter(
    "weft_nb_repairs_total",
    "Operations that restored what another client of the OVN northbound database had changed",
    () => engine.stats.repairs,
  );
  counter(
    "weft_nb_contended_total",
    "Operations that restored what another client of the OVN northbound database changes repeatedly; each is followed by a back-off",
    () => engine.stats.contended,
  );
  counter(
    "weft_nb_refused_total",
    "Transactions that the OVN northbound database refused",
    () => engine.stats.failures,
  );
  counter("weft_units_compiled_total", "Units compiled", () => engine.stats.compiled);
  gauge("weft_controller_southbound_synced", "1 while the copy of the OVN southbound database is in sync", () =>
    southbound() === true ? 1 : 0,
  );
  gauge("weft_controller_ports_down", "Logical switch ports of pods and nodes that no chassis has bound", () =>
    facts.size("downPorts"),
  );
  new Gauge({
    name: "weft_controller_node_chassis_problems",
    help: "Nodes that have no chassis in OVN, or share one",
    labelNames: ["reason"],
    registers,
    collect() {
      this.reset();
      for (const reason of ["ChassisMissing", "ChassisConflict"]) this.set({ reason }, 0);
      for (const { reason } of facts.all("chassisProblems")) this.inc({ reason });
    },
  });
  const byStatus = (
    name: string,
    help: string,
    kind: "bfdSessions" | "serviceMonitors",
    none: readonly string[],
  ): void => {
    new Gauge({
      name,
      help,
      labelNames: ["status"],
      registers,
      collect() {
        this.reset();
        for (const status of none) this.set({ status }, 0);
        for (const { status } of facts.all(kind)) this.inc({ status });
      },
    });
  };
  byStatus("weft_ovn_bfd_sessions", "BFD sessions in OVN, by status", "bfdSessions", ["up", "down"]);
  byStatus("weft_ovn_service_monitors", "Load balancer backends that OVN health checks, by status", "serviceMonitors", [
    "online",
    "offline",
  ]);

  const labelNames = ["subnet_name", "protocol", "subnet_cidr"] as const;
  const perSubnet = (name: string, help: string, field: "available" | "using"): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const subnet of facts.all("subnets")) {
          const counts = ipam.counts(subnet.name);
          for (const family of ["v4", "v6"] as const) {
            const of = counts?.[family];
            if (of === undefined) continue;
            const labels = {
              subnet_name: subnet.name,
              protocol: family === "v4" ? "IPv4" : "IPv6",
              subnet_cidr: subnet.cidr[family] ?? "",
            };
            this.set(labels, Number(of[field]));
          }
        }
      },
    });
  };
  perSubnet("subnet_available_ip_count", "Free addresses of the subnet", "available");
  perSubnet("subnet_used_ip_count", "Addresses of the subnet in use", "using");
  return registry;
}

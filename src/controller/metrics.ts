// SPDX-License-Identifier: Apache-2.0

import { Counter, Gauge, type Registry } from "prom-client";
import type { WeftEffect } from "../compile/effects.ts";
import { FAILURE_PARTS } from "../desired/failures.ts";
import type { FactStore } from "../facts/store.ts";
import type { Ipam } from "../ipam/ipam.ts";
import type { Engine } from "../reconcile/engine.ts";
import { collectProcessMetrics } from "../telemetry/process-metrics.ts";
import { engineMetrics } from "./engine-metrics.ts";
import { addressMetrics } from "./subnet-metrics.ts";

/** The sources of the metrics. */
export interface MetricSources {
  readonly engine: Engine<WeftEffect>;
  readonly facts: FactStore;
  readonly ipam: Ipam;
  /** Whether the copy of the northbound database is current. */
  readonly northbound: () => boolean;
  /** The logical switches of the northbound database. */
  readonly switches: () => Iterable<{ readonly uuid: string; readonly name: string; readonly ports: number }>;
  /** Whether the copy of the southbound database is current; `undefined` if it is not used. */
  readonly southbound: () => boolean | undefined;
  readonly leading: () => boolean;
  readonly waiting: () => number;
  /** The number of times that a pod had neither a network nor an Event with the reason after 5 s. */
  readonly unserved: () => number;
  readonly pendingWrites: () => number;
}

/** Registers the controller's metrics. Metrics of Kube-OVN have its names and labels; the others begin with `weft_`. */
export function controllerMetrics(registry: Registry, sources: MetricSources): void {
  const { facts, leading, waiting, unserved, pendingWrites, northbound, southbound } = sources;
  const registers = [registry];
  collectProcessMetrics(registry);
  engineMetrics(registry, sources.engine);
  addressMetrics(registry, sources);
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
  gauge("weft_controller_leading", "1 while this process is the leader", () => (leading() ? 1 : 0));
  gauge("weft_controller_waiting_addresses", "Pods and nodes that wait for an address", waiting);
  gauge("weft_controller_pending_writes", "Writes to the Kubernetes API that are queued or under way", pendingWrites);
  new Counter({
    name: "weft_controller_unserved_pods_total",
    help: "Pods that had neither a network nor an Event that says why 5 s after they were bound to a node, and were retried",
    registers,
    collect() {
      this.reset();
      this.inc(unserved());
    },
  });
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
  gauge("weft_controller_northbound_synced", "1 while the copy of the OVN northbound database is in sync", () =>
    northbound() ? 1 : 0,
  );
  gauge("weft_controller_southbound_synced", "1 while the copy of the OVN southbound database is in sync", () =>
    southbound() === true ? 1 : 0,
  );
  gauge("weft_controller_ports_down", "Logical switch ports of pods and nodes that no chassis has bound", () =>
    facts.size("downPorts"),
  );
  ovnMetrics(registry, sources);
}

/** Chassis, switches, sessions and backends in OVN's databases. */
function ovnMetrics(registry: Registry, { facts, switches }: MetricSources): void {
  const registers = [registry];
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
  new Gauge({
    name: "kube_ovn_chassis_info",
    help: "Chassis in the OVN southbound database, with the address of its tunnels; always 1",
    labelNames: ["hostname", "uuid", "name", "ip"],
    registers,
    collect() {
      this.reset();
      for (const { ip, chassis } of facts.all("encaps"))
        for (const { key: uuid, name, host: hostname } of facts.by("chassis", "name", chassis))
          this.set({ hostname, uuid, name, ip }, 1);
    },
  });
  new Gauge({
    name: "kube_ovn_logical_switch_ports_num",
    help: "Ports of each logical switch",
    labelNames: ["uuid", "logical_switch_name"],
    registers,
    collect() {
      this.reset();
      for (const { uuid, name, ports } of switches()) this.set({ uuid, logical_switch_name: name }, ports);
    },
  });
  new Gauge({
    name: "kube_ovn_logical_switch_info",
    help: "Logical switches in the OVN northbound database; always 1",
    labelNames: ["uuid", "name"],
    registers,
    collect() {
      this.reset();
      for (const { uuid, name } of switches()) this.set({ uuid, name }, 1);
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
}

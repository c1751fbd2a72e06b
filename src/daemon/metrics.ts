// SPDX-License-Identifier: Apache-2.0

import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { collectProcessMetrics } from "../telemetry/process-metrics.ts";

/** Seconds; a normal ADD takes 0.03, the slowest ones end at the deadlines. */
const BUCKETS = [0.005, 0.01, 0.02, 0.03, 0.045, 0.06, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 90];

/** Parts of ADD for which Kube-OVN's dashboards have counters of seconds. */
const WAITS: Readonly<Record<string, string>> = {
  "wait-address": "cni_wait_address_seconds_total",
  "wait-route": "cni_wait_route_seconds_total",
  "ovn-installed": "cni_wait_connectivity_seconds_total",
};

/** The daemon's metrics; those that Kube-OVN's daemon has too keep its names (`pkg/daemon/metrics.go`) and labels. */
export class DaemonMetrics {
  readonly registry = new Registry();
  readonly #node: string;
  readonly #operations: Histogram<"node_name" | "method" | "status_code">;
  readonly #parts: Histogram<"method" | "part">;
  /** part → counter. */
  readonly #waits = new Map<string, Counter<"node_name">>();
  readonly #repairs: Counter<"what">;
  readonly #collected: Counter<"what">;
  readonly #ready: Gauge;
  #unbound: () => number = () => 0;

  constructor(node: string, options: { readonly processMetrics: boolean } = { processMetrics: true }) {
    this.#node = node;
    const registers = [this.registry];
    if (options.processMetrics) collectProcessMetrics(this.registry);
    this.#operations = new Histogram({
      name: "cni_op_latency_seconds",
      help: "Duration of CNI requests in seconds, by verb and HTTP status",
      labelNames: ["node_name", "method", "status_code"],
      buckets: BUCKETS,
      registers,
    });
    // A series that begins with its first request has no rate until the second.
    for (const [method, status_code] of [
      ["add", "200"],
      ["del", "204"],
    ] as const)
      this.#operations.zero({ node_name: node, method, status_code });
    this.#parts = new Histogram({
      name: "weft_cni_part_seconds",
      help: "Duration of the parts of CNI requests in seconds",
      labelNames: ["method", "part"],
      buckets: BUCKETS,
      registers,
    });
    for (const [part, name] of Object.entries(WAITS)) {
      const help = `Seconds that ADD requests spent in ${part}`;
      const counter = new Counter({ name, help, labelNames: ["node_name"], registers });
      counter.inc({ node_name: node }, 0);
      this.#waits.set(part, counter);
    }
    this.#repairs = new Counter({
      name: "weft_node_repairs_total",
      help: "Restores of what another program had removed or changed on the node, by kind",
      labelNames: ["what"],
      registers,
    });
    this.#collected = new Counter({
      name: "weft_collected_total",
      help: "Orphaned ports and interfaces removed",
      labelNames: ["what"],
      registers,
    });
    for (const what of ["port", "link"] as const) this.collected(what, 0);
    const unbound = (): number => this.#unbound();
    new Gauge({
      name: "pinger_inconsistent_port_binding",
      help: "Ports of pods on this node whose flows ovn-controller has not installed",
      labelNames: ["nodeName"],
      registers,
      collect() {
        this.set({ nodeName: node }, unbound());
      },
    });
    this.#ready = new Gauge({ name: "weft_daemon_ready", help: "1 if pods can get a network on this node", registers });
  }

  /** A CNI request has ended after `seconds`. */
  operation(verb: string, status: number, seconds: number): void {
    this.#operations.observe({ node_name: this.#node, method: verb, status_code: String(status) }, seconds);
  }

  /** A part of a CNI request took `seconds`. */
  part(verb: string, part: string, seconds: number): void {
    this.#parts.observe({ method: verb, part }, seconds);
    this.#waits.get(part)?.inc({ node_name: this.#node }, seconds);
  }

  /** What another program had removed or changed was restored, for example an `address` or a `route`. */
  repaired(what: string, count = 1): void {
    if (count > 0) this.#repairs.inc({ what }, count);
  }

  /** An orphaned object was removed: `port` or `link`. */
  collected(what: "port" | "link", count = 1): void {
    this.#collected.inc({ what }, count);
  }

  /** How the ports of pods that ovn-controller has not bound are counted, at each scrape. */
  countUnbound(read: () => number): void {
    this.#unbound = read;
  }

  set ready(value: boolean) {
    this.#ready.set(value ? 1 : 0);
  }
}

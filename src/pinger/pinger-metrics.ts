// SPDX-License-Identifier: Apache-2.0

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { collectProcessMetrics } from "../telemetry/process-metrics.ts";
import type { EchoResult } from "./echo-requests.ts";
import type { Timed } from "./names.ts";
import type { MeshProbeResult } from "./round.ts";
import type { MeshTarget } from "./targets.ts";

/** The prober's own addresses, for labels. */
export interface Source {
  readonly nodeName: string;
  readonly hostIp: string;
  /** One of each family. */
  readonly podIps: readonly string[];
}

type Labels = Readonly<Record<string, string>>;

/** Buckets of Kube-OVN's histograms, in ms. */
const PODS = [0.25, 0.5, 1, 2, 5, 10, 30];
const NODES = [0.25, 0.5, 1, 2, 5, 10, 30];
const EXTERNAL = [0.25, 0.5, 1, 2, 5, 10, 30, 50, 100];
const REQUESTS = [2, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50];

/** Latency, lost and sent echo requests to the targets of one kind; a target that is not probed any more loses its series. */
class EchoMetrics {
  readonly #latency: Histogram;
  readonly #lost: Counter;
  readonly #sent: Counter;
  #known = new Map<string, Labels>();

  constructor(
    registry: Registry,
    names: { readonly latency: string; readonly lost: string; readonly sent: string },
    what: string,
    labelNames: readonly string[],
    buckets: number[],
  ) {
    const common = { labelNames: [...labelNames], registers: [registry] };
    const help = `Round-trip time of echo requests to ${what} in milliseconds: the average of a round`;
    this.#latency = new Histogram({ name: names.latency, help, buckets, ...common });
    this.#lost = new Counter({ name: names.lost, help: `Echo requests to ${what} without a reply`, ...common });
    this.#sent = new Counter({ name: names.sent, help: `Echo requests to ${what}`, ...common });
  }

  /** Keeps the series of these targets only. New ones begin at 0, so that their first loss is an increase. */
  keep(targets: readonly Labels[]): void {
    const next = new Map(targets.map((labels) => [JSON.stringify(labels), labels]));
    for (const [key, labels] of this.#known) {
      if (next.has(key)) continue;
      for (const metric of [this.#latency, this.#lost, this.#sent]) metric.remove(labels);
    }
    for (const [key, labels] of next) {
      if (this.#known.has(key)) continue;
      this.#latency.zero(labels);
      this.#lost.inc(labels, 0);
      this.#sent.inc(labels, 0);
    }
    this.#known = next;
  }

  observe(labels: Labels, { sent, lost, averageMs }: EchoResult): void {
    if (!this.#known.has(JSON.stringify(labels))) return;
    if (averageMs !== undefined) this.#latency.observe(labels, averageMs);
    this.#lost.inc(labels, lost);
    this.#sent.inc(labels, sent);
  }
}

/** Whether the last check succeeded, and how long successful ones took. */
class CheckMetrics {
  readonly #healthy: Gauge;
  readonly #unhealthy: Gauge;
  readonly #latency: Histogram;

  constructor(registry: Registry, name: string, what: string) {
    const common = { labelNames: ["nodeName"], registers: [registry] };
    this.#healthy = new Gauge({ name: `pinger_${name}_healthy`, help: `1 if ${what}`, ...common });
    this.#unhealthy = new Gauge({ name: `pinger_${name}_unhealthy`, help: `0 if ${what}`, ...common });
    const help = `Duration in milliseconds until ${what}`;
    this.#latency = new Histogram({ name: `pinger_${name}_latency_ms`, help, buckets: REQUESTS, ...common });
  }

  observe(nodeName: string, timed: Timed): void {
    const ok = "ms" in timed;
    this.#healthy.set({ nodeName }, ok ? 1 : 0);
    this.#unhealthy.set({ nodeName }, ok ? 0 : 1);
    if (ok) this.#latency.observe({ nodeName }, timed.ms);
  }
}

const SOURCE = ["src_node_name", "src_node_ip", "src_pod_ip"] as const;
const PORT = ["src_node_name", "target", "protocol", "family"] as const;

/** The metrics of a prober. Those that begin with `pinger_` have the names, labels and buckets of Kube-OVN's pinger (`pkg/pinger/metrics.go`). */
export class PingerMetrics {
  readonly #source: Source;
  readonly #echoes: Readonly<Record<"pod" | "node" | "external", EchoMetrics>>;
  readonly #checks: Readonly<Record<"internalDns" | "externalDns" | "apiServer", CheckMetrics>>;
  readonly #portsFailed: Counter<(typeof PORT)[number]>;
  readonly #portsChecked: Counter<(typeof PORT)[number]>;
  #ports = new Map<string, Record<(typeof PORT)[number], string>>();

  constructor(registry: Registry, source: Source) {
    this.#source = source;
    collectProcessMetrics(registry);
    const names = (what: string): { latency: string; lost: string; sent: string } => ({
      latency: `pinger_${what}_ping_latency_ms`,
      lost: `pinger_${what}_ping_lost_total`,
      // Kube-OVN does not count those to addresses outside.
      sent: `${what === "external" ? "weft_" : ""}pinger_${what}_ping_count_total`,
    });
    const node = [...SOURCE, "target_node_name", "target_node_ip"];
    this.#echoes = {
      pod: new EchoMetrics(registry, names("pod"), "other probers", [...node, "target_pod_ip"], PODS),
      node: new EchoMetrics(registry, names("node"), "nodes", node, NODES),
      external: new EchoMetrics(
        ...([registry, names("external"), "addresses outside the cluster"] as const),
        ...([[...SOURCE, "target_address"], EXTERNAL] as const),
      ),
    };
    this.#checks = {
      apiServer: new CheckMetrics(registry, "apiserver", "the API server answers"),
      internalDns: new CheckMetrics(registry, "internal_dns", "a name of the cluster is resolved"),
      externalDns: new CheckMetrics(registry, "external_dns", "a name outside the cluster is resolved"),
    };
    const common = { labelNames: PORT, registers: [registry] };
    this.#portsFailed = new Counter({
      ...{ name: "weft_pinger_port_failed_total", help: "Checks of a TCP or UDP port that did not answer", ...common },
    });
    this.#portsChecked = new Counter({
      ...{ name: "weft_pinger_port_count_total", help: "Checks of a TCP or UDP port", ...common },
    });
  }

  /** Records a round, and removes the series of targets that it did not probe. */
  record(results: readonly MeshProbeResult[]): void {
    for (const kind of ["pod", "node", "external"] as const) {
      const ones = results.flatMap((result) =>
        result.kind === kind ? [{ labels: this.#labels(kind, result.target), echo: result.echo }] : [],
      );
      this.#echoes[kind].keep(ones.map(({ labels }) => labels));
      for (const { labels, echo } of ones) this.#echoes[kind].observe(labels, echo);
    }
    const ports = new Map<string, Record<(typeof PORT)[number], string>>();
    for (const result of results) {
      if (result.kind === "apiServer" || result.kind === "internalDns" || result.kind === "externalDns")
        this.#checks[result.kind].observe(this.#source.nodeName, result.timed);
      if (result.kind !== "port") continue;
      const { target, node, problem } = result;
      const labels = {
        ...{ src_node_name: this.#source.nodeName, target: node ?? `${target.address} ${target.port}` },
        ...{ protocol: target.protocol, family: `IPv${target.family}` },
      };
      ports.set(JSON.stringify(labels), labels);
      this.#portsChecked.inc(labels);
      this.#portsFailed.inc(labels, problem === undefined ? 0 : 1);
    }
    for (const [key, labels] of this.#ports)
      if (!ports.has(key)) for (const metric of [this.#portsChecked, this.#portsFailed]) metric.remove(labels);
    this.#ports = ports;
  }

  #labels(kind: "pod" | "node" | "external", { node, nodeIp, address }: MeshTarget): Labels {
    const { nodeName, hostIp, podIps } = this.#source;
    const own = podIps.find((ip) => ip.includes(":") === (address.family === 6)) ?? "";
    const source = { src_node_name: nodeName, src_node_ip: hostIp, src_pod_ip: own };
    if (kind === "external") return { ...source, target_address: address.text };
    const target = { ...source, target_node_name: node, target_node_ip: nodeIp };
    return kind === "node" ? target : { ...target, target_pod_ip: address.text };
  }
}

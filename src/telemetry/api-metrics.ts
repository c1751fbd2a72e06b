// SPDX-License-Identifier: Apache-2.0

import { Counter, Histogram, type Registry } from "prom-client";

/** A request to the API server that was answered. */
export interface ApiAnswer {
  readonly method: string;
  /** Including the query. */
  readonly path: string;
  readonly status: number;
  /** Until the header of the response. */
  readonly seconds: number;
}

/**
 * Registers and returns the metrics of requests to the API server, under client-go's and Kube-OVN's names. Names of objects and namespaces are not
 * labels: there is one series for each kind of object and verb.
 */
export function apiMetrics(registry: Registry): (answer: ApiAnswer) => void {
  const registers = [registry];
  const requests = new Counter({
    name: "rest_client_requests_total",
    help: "Requests to the API server, by HTTP status and method",
    labelNames: ["code", "method"],
    registers,
  });
  const latency = new Histogram({
    name: "rest_client_request_latency_seconds",
    help: "Time until the API server answers in seconds, by method and kind of object",
    labelNames: ["verb", "url"],
    buckets: [0.004, 0.016, 0.064, 0.256, 1, 4, 16],
    registers,
  });
  return ({ method, path, status, seconds }) => {
    requests.inc({ code: String(status), method });
    latency.observe({ verb: method, url: pathTemplate(path) }, seconds);
  };
}

/** A path of the API server without names of objects and namespaces: `/api/v1/namespaces/a/pods/b/status` → `/api/v1/pods/status`. */
export function pathTemplate(path: string): string {
  const segments = (path.split("?", 1)[0] ?? "").split("/").filter((part) => part !== "");
  const root = segments[0] === "api" ? 2 : 3;
  const [head, rest] = [segments.slice(0, root), segments.slice(root)];
  // `namespaces/NAME` at the end is the object; otherwise it is the namespace of the object.
  const [kind, , ...subresource] = rest[0] === "namespaces" && rest.length > 2 ? rest.slice(2) : rest;
  return `/${[...head, ...(kind === undefined ? [] : [kind]), ...subresource].join("/")}`;
}

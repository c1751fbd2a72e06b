// SPDX-License-Identifier: Apache-2.0

import type { Lab } from "../lab/lab.ts";

/** How often each kind of write (`PATCH pods`, `POST ips.kubeovn.io`) was asked of the API server. */
export type Writes = ReadonlyMap<string, number>;

/** Requests that change nothing, although they are made by POST. */
const QUESTIONS: ReadonlySet<string> = new Set(["authorization.k8s.io", "authentication.k8s.io"]);

/** All writes since the API server's start, from its own metrics. */
export async function apiWrites(lab: Lab): Promise<Writes> {
  const { stdout } = await lab.kubectl(["get", "--raw", "/metrics"]);
  const writes = new Map<string, number>();
  for (const [, labels = "", value] of stdout.matchAll(/^apiserver_request_total\{(.*)\} (\S+)$/gm)) {
    const of = Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, text]) => [name, text]));
    const { verb = "", group = "", resource = "", subresource = "" } = of as Record<string, string>;
    if (!["POST", "PUT", "PATCH", "DELETE"].includes(verb) || QUESTIONS.has(group)) continue;
    const kind = `${verb} ${resource}${group === "" ? "" : `.${group}`}${subresource === "" ? "" : `/${subresource}`}`;
    writes.set(kind, (writes.get(kind) ?? 0) + Number(value));
  }
  return writes;
}

/**
 * The writes between two readings, without those of the bench and the nodes' Leases: with paused kubelets these are
 * the controller's, or named by their client.
 */
export function writesBetween(
  before: Writes,
  after: Writes,
  own: ReadonlySet<string>,
): Readonly<Record<string, number>> {
  const between: Record<string, number> = {};
  for (const [kind, count] of after) {
    const more = count - (before.get(kind) ?? 0);
    if (more > 0 && !own.has(kind) && !kind.endsWith(" leases.coordination.k8s.io")) between[kind] = more;
  }
  return between;
}

// SPDX-License-Identifier: Apache-2.0

import { CONTROLLER_COMPONENT, DAEMON_COMPONENT, PINGER_COMPONENT } from "../../api/names.ts";
import { isProbeFailure, PROBES_SUCCEEDED, stillFails } from "../../api/probe-events.ts";
import { isObject } from "../../collections/plain.ts";
import type { KubeObject } from "../../kube/object.ts";
import { formatTime } from "../../time/rfc3339.ts";
import type { Area, Finding } from "./finding.ts";

/** Older Events are not shown. */
const RECENT_MS = 60 * 60_000;
/** The number of findings for Events of one reason. */
const SHOWN = 5;

/** Whose Events are Weft's. */
const COMPONENTS: readonly unknown[] = [CONTROLLER_COMPONENT, DAEMON_COMPONENT, PINGER_COMPONENT];

const AREAS: Readonly<Record<string, Area>> = {
  Node: "node",
  Subnet: "subnet",
  Vpc: "subnet",
  IPPool: "subnet",
  Vlan: "subnet",
  ProviderNetwork: "subnet",
  NetworkPolicy: "policy",
  AdminNetworkPolicy: "policy",
  BaselineAdminNetworkPolicy: "policy",
  SecurityGroup: "policy",
};

/**
 * Weft's warnings of the last hour, the last of each object and reason, for the objects in question; of a reason that
 * many objects have, the last few. `now`: ms since 1970.
 */
export function diagnoseEvents(
  events: Iterable<KubeObject>,
  now: number,
  isAsked: (finding: Finding) => boolean,
): readonly Finding[] {
  const last = new Map<string, { readonly at: number; readonly reason: string; readonly finding: Finding }>();
  const all = [...events];
  /** Node → when a prober on it said that no probe fails. */
  const succeeded = new Map<unknown, number>();
  for (const event of all) {
    const { reason, source, involvedObject: about } = event as unknown as Record<string, unknown>;
    if (reason !== PROBES_SUCCEEDED || !isObject(source) || !isObject(about)) continue;
    if (source["component"] !== PINGER_COMPONENT) continue;
    succeeded.set(about["name"], Math.max(succeeded.get(about["name"]) ?? 0, timeOf(event)));
  }
  for (const event of all) {
    const { type, reason, message, source, involvedObject: about } = event as unknown as Record<string, unknown>;
    if (type !== "Warning" || !isObject(source) || !isObject(about)) continue;
    // Any client may create Events: Weft's reasons are one word.
    if (typeof reason !== "string" || !/^\w+$/.test(reason)) continue;
    if (!COMPONENTS.includes(source["component"])) continue;
    const at = timeOf(event);
    if (isProbeFailure(reason) && !stillFails(at, succeeded.get(about["name"]), now)) continue;
    if (!(now - at <= RECENT_MS)) continue;
    const { kind, namespace, name } = about;
    const object = `${String(kind)} ${namespace === undefined || namespace === "" ? "" : `${String(namespace)}/`}${String(name)}`;
    const key = `${object} ${reason}`;
    if ((last.get(key)?.at ?? 0) > at) continue;
    const finding: Finding = {
      area: AREAS[String(kind)] ?? "pod",
      object,
      severity: "warning",
      problem: reason,
      evidence: `Event of ${formatTime(at)}`,
      remedy: String(message),
    };
    last.set(key, { at, reason: reason, finding });
  }
  const latest = [...last.values()].filter(({ finding }) => isAsked(finding)).toSorted((a, b) => b.at - a.at);
  return [...Map.groupBy(latest, ({ reason }) => reason)].flatMap(([reason, all]) => {
    const shown = all.slice(0, SHOWN).map(({ finding }) => finding);
    const next = all[SHOWN]?.finding;
    if (next === undefined) return shown;
    const more = {
      ...next,
      object: `${all.length - SHOWN} more, such as ${next.object}`,
      remedy: `\`kubectl get events -A --field-selector reason=${reason}\` lists them`,
    };
    return [...shown, more];
  });
}

function timeOf(event: KubeObject): number {
  const { lastTimestamp, eventTime, metadata } = event as unknown as {
    readonly lastTimestamp?: unknown;
    readonly eventTime?: unknown;
    readonly metadata: { readonly creationTimestamp?: string };
  };
  for (const text of [lastTimestamp, eventTime, metadata.creationTimestamp])
    if (typeof text === "string") return Date.parse(text);
  return Number.NaN;
}

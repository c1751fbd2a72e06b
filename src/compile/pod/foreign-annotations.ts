// SPDX-License-Identifier: Apache-2.0

import { type PodRequestKey, podAnnotation } from "../../api/annotations.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { ReportEffect } from "../effects.ts";
import { reportPod } from "../reports.ts";

/** What only a port of OVN has. Bandwidth limits have an Event of their own (`reportForeignQos`). */
const OF_PORTS = [
  "port_security",
  "port_vips",
  "security_groups",
  "layer2_forward",
  "mirror",
  "dhcp-v4-options",
  "dhcp-v6-options",
] as const satisfies readonly PodRequestKey[];

/** The Event that names annotations without effect of an interface which another plugin creates, and which only gets its address from Weft. */
export function reportForeignAnnotations(pod: PodFact, provider: string): readonly ReportEffect[] {
  const set = OF_PORTS.map((key) => podAnnotation(provider, key)).filter(
    (key) => !["", "false"].includes(pod.annotations[key]?.trim() ?? ""),
  );
  if (set.length === 0) return [];
  const message = `interface of ${provider}: another plugin creates it, so these annotations have no effect: ${set.join(", ")}; only interfaces on OVN have ports`;
  return [reportPod(pod, `foreign/${provider}`, "NotSupported", message)];
}

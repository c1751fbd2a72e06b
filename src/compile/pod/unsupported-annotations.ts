// SPDX-License-Identifier: Apache-2.0

import { POD } from "../../api/annotations.ts";
import type { PodFact } from "../../facts/pod.ts";
import type { ReportEffect } from "../effects.ts";
import { reportPod } from "../reports.ts";

/** Kube-OVN's annotations of pods that are not supported → the equivalent. */
const NOT_SUPPORTED: readonly (readonly [annotation: string, instead: string])[] = [
  [POD.eip, "create an OvnFip"],
  [POD.snat, "create an OvnSnatRule"],
];

/** The Event that names unsupported annotations of a pod; none if it has none. */
export function reportUnsupportedAnnotations(pod: PodFact): readonly ReportEffect[] {
  const set = NOT_SUPPORTED.flatMap(([key, instead]) =>
    (pod.annotations[key] ?? "") === "" ? [] : `${key} (${instead})`,
  );
  if (set.length === 0) return [];
  const message = `these annotations are not supported and have no effect: ${set.join(", ")}`;
  return [reportPod(pod, "unsupported", "NotSupported", message)];
}

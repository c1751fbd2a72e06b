// SPDX-License-Identifier: Apache-2.0

import { podAnnotation } from "../../api/annotations.ts";
import { readPodRoutes } from "../../contract/pod-routes.ts";
import { parseCidr } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { ReportEffect } from "../effects.ts";
import type { PortInput } from "./port-input.ts";

/** The Event that names routes of an interface's annotation `routes` which its node leaves out. */
export function reportRoutes({ pod, ip, subnet }: Pick<PortInput, "pod" | "ip" | "subnet">): readonly ReportEffect[] {
  const annotation = podAnnotation(ip.provider, "routes");
  const text = pod.annotations[annotation];
  if (text === undefined) return [];
  const families = {
    ...(ip.v4 && subnet.cidr.v4 && { v4: subnet.cidr.v4 }),
    ...(ip.v6 && subnet.cidr.v6 && { v6: subnet.cidr.v6 }),
  };
  const cidrs = dualValues(families).flatMap((cidr) => parseCidr(cidr) ?? []);
  const { problems } = readPodRoutes(text, cidrs);
  if (problems.length === 0) return [];
  const { namespace, name, uid } = pod;
  const about = { resource: "pods", namespace, name, uid } as const;
  const message = `annotation ${annotation}: ${problems.slice(0, 3).join("; ")}`;
  return [{ kind: "report", key: `report/pods/${uid}/routes/${ip.provider}`, about, reason: "InvalidRoute", message }];
}

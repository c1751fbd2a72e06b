// SPDX-License-Identifier: Apache-2.0

import { POD, podAnnotation } from "../../api/annotations.ts";
import { type ReadRoutes, readGateways, readPodRoutes } from "../../contract/pod-routes.ts";
import { parseCidr } from "../../net/cidr.ts";
import { dualValues } from "../../net/dual.ts";
import type { ReportEffect } from "../effects.ts";
import { reportPod } from "../reports.ts";
import type { PortInput } from "./port-input.ts";

/**
 * The Events that name routes of an interface which its node leaves out: of its annotation `routes`, and of
 * `default-route` of its network.
 */
export function reportRoutes({
  pod,
  ip,
  subnet,
  network,
}: Pick<PortInput, "pod" | "ip" | "subnet" | "network">): readonly ReportEffect[] {
  const annotation = podAnnotation(ip.provider, "routes");
  const text = pod.annotations[annotation];
  const gateways = network?.gateways;
  if (text === undefined && gateways === undefined) return [];
  const families = {
    ...(ip.v4 && subnet.cidr.v4 && { v4: subnet.cidr.v4 }),
    ...(ip.v6 && subnet.cidr.v6 && { v6: subnet.cidr.v6 }),
  };
  const cidrs = dualValues(families).flatMap((cidr) => parseCidr(cidr) ?? []);
  const report = (id: string, of: string, { problems }: ReadRoutes): readonly ReportEffect[] => {
    if (problems.length === 0) return [];
    const message = `annotation ${of}: ${problems.slice(0, 3).join("; ")}`;
    return [reportPod(pod, `${id}/${ip.provider}`, "InvalidRoute", message)];
  };
  const naming = `${network?.isDefault ? POD.defaultNetwork : POD.networks}, network "${network?.namespace}/${network?.name}"`;
  return [
    ...report("routes", annotation, readPodRoutes(text ?? "", cidrs)),
    ...report("default-route", naming, readGateways(gateways ?? "", cidrs)),
  ];
}

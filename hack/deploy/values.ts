// SPDX-License-Identifier: Apache-2.0

import type { BuiltImage } from "../image/image.ts";
import { IMAGE } from "../image/image.ts";
import type { LabSettings } from "../lab/settings.ts";
import {
  API_PORT,
  addressOf,
  CONTROL,
  chosen,
  JOIN_CIDR,
  labNodeNames,
  nodeName,
  POD_CIDR,
  SERVICE_CIDR,
} from "../lab/topology.ts";

/** The namespace of the chart's release, as in Kube-OVN. */
export const RELEASE_NAMESPACE = "kube-system";

/** The annotation that makes a workload roll out only when the content of its image has changed under the same tag. */
const CONTENT = "weft.local/content";

/** The chart's values for a lab. */
export function labValues(
  settings: Pick<LabSettings, "ipFamily"> & Partial<Pick<LabSettings, "kubeProxy" | "centrals" | "tls">>,
  image: Pick<BuiltImage, "system" | "whole">,
): unknown {
  const family = (version: "v4" | "v6") => ({
    POD_CIDR: POD_CIDR[version],
    SVC_CIDR: SERVICE_CIDR[version],
    JOIN_CIDR: JOIN_CIDR[version],
  });
  // A new build of Weft's own programs does not restart OVS and the databases.
  const system = { podAnnotations: { [CONTENT]: image.system } };
  const [api] = chosen(settings.ipFamily, addressOf(CONTROL));
  // The node that has the label of the control plane.
  const [central = ""] = chosen(settings.ipFamily, addressOf(nodeName(1)));
  const { centrals = 1, tls = true } = settings;
  const centralNodes = Object.fromEntries(
    labNodeNames(centrals).map((name) => [name, chosen(settings.ipFamily, addressOf(name))[0]]),
  );
  const direct = settings.kubeProxy === false;
  const database = (port: number): string => `${tls ? "ssl" : "tcp"}:[${central}]:${port}`;
  const whole = { podAnnotations: { [CONTENT]: image.whole } };
  return {
    image: { ...IMAGE, pullPolicy: "Never" },
    ipFamily: settings.ipFamily,
    ipv4: family("v4"),
    ipv6: family("v6"),
    // kubelet uses eth0; OVS may take over eth1.
    tunnelInterface: "eth1",
    ...(direct && { kubeProxyReplacement: true, apiServer: { host: api, port: API_PORT } }),
    tls: { enabled: tls },
    central: { ...system, ...(centrals > 1 && { replicas: centrals, nodes: centralNodes }) },
    ovs: { ...system, ...(direct && centrals === 1 && { sbAddress: database(6642) }) },
    daemon: whole,
    controller: { ...whole, ...(direct && centrals === 1 && { nbAddress: database(6641) }) },
  };
}

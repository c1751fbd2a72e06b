// SPDX-License-Identifier: Apache-2.0

import { HostError } from "../host/error.ts";
import { KUBERNETES_VERSION } from "../kube/binaries.ts";
import type { Lab } from "../lab/lab.ts";
import type { IpFamily } from "../lab/topology.ts";

/** What the results of specs are about: those of another mode say nothing. */
export interface Mode {
  readonly kubernetes: string;
  /** As `ovn-northd --version` says, such as 25.03.0. */
  readonly ovn: string;
  readonly kubeProxy: boolean;
  readonly ipFamily: IpFamily;
  /** The digest of Weft's image that runs, `sha256:…`. */
  readonly image: string;
}

/** The mode of a lab on which Weft runs. Rejects with HostError. */
export async function modeOf(lab: Lab): Promise<Mode> {
  const inSystem = ["--namespace=kube-system"];
  const version = await lab.kubectl([...inSystem, "exec", "deployment/ovn-central", "--", "ovn-northd", "--version"]);
  const [, ovn] = /^ovn-northd ([\d.]+)/u.exec(version.stdout) ?? [];
  const path = "jsonpath={.items[0].status.containerStatuses[0].imageID}";
  const pods = await lab.kubectl([
    ...inSystem,
    "get",
    "pods",
    "--selector=app=kube-ovn-controller",
    `--output=${path}`,
  ]);
  const [image] = /sha256:[0-9a-f]{64}/u.exec(pods.stdout) ?? [];
  if (ovn === undefined || image === undefined)
    throw new HostError("unsupported", `the lab has no OVN of Weft: "${version.stdout.trim()}", "${pods.stdout}"`);
  const { kubeProxy = true, ipFamily = "ipv4" } = lab.settings ?? {};
  return { kubernetes: KUBERNETES_VERSION, ovn, kubeProxy, ipFamily, image };
}

/** The name of the folder of a mode's reports. */
export function modeName({ kubernetes, ovn, kubeProxy, ipFamily, image }: Mode): string {
  return [kubernetes, `ovn-${ovn}`, kubeProxy ? "kube-proxy" : "no-kube-proxy", ipFamily, image.slice(7, 19)].join("-");
}

/** A mode for people. */
export function describeMode({ kubernetes, ovn, kubeProxy, ipFamily }: Mode): string {
  return `Kubernetes ${kubernetes}, OVN ${ovn}, ${kubeProxy ? "with" : "without"} kube-proxy, ${ipFamily}`;
}

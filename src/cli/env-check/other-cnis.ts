// SPDX-License-Identifier: Apache-2.0

import type { Values } from "../install/helm-run.ts";
import type { Check } from "./check.ts";
import type { ClusterFacts } from "./facts.ts";

/** A network plugin, and by what it is recognized. */
interface Plugin {
  readonly name: string;
  /** Names of its DaemonSets. */
  readonly daemonSets: RegExp;
  /** Groups of its CRDs. */
  readonly crds?: RegExp;
  /** `type` of its plugin in a conflist. */
  readonly types: readonly string[];
}

/** Name of the check for the plugin of pods' primary interfaces, if that is not Weft. */
const PRIMARY = "primary network";

/** Plugins that give pods their network. Multus is not included, because it calls another one. */
export const PLUGINS: readonly Plugin[] = [
  { name: "Calico", daemonSets: /^calico-node$/, crds: /\.crd\.projectcalico\.org$/, types: ["calico"] },
  { name: "Cilium", daemonSets: /^cilium$/, crds: /\.cilium\.io$/, types: ["cilium-cni"] },
  { name: "Flannel", daemonSets: /^(kube-flannel(-ds.*)?|canal)$/, types: ["flannel"] },
  { name: "Weave Net", daemonSets: /^weave-net$/, types: ["weave-net"] },
  { name: "Antrea", daemonSets: /^antrea-agent$/, crds: /\.antrea\.io$/, types: ["antrea"] },
  { name: "kube-router", daemonSets: /^kube-router$/, types: [] },
  {
    name: "OVN-Kubernetes",
    daemonSets: /^ovnkube-node$/,
    crds: /^egressips\.k8s\.ovn\.org$/,
    types: ["ovn-k8s-cni-overlay"],
  },
  { name: "Amazon VPC CNI", daemonSets: /^aws-node$/, types: ["aws-cni"] },
  { name: "kindnet", daemonSets: /^kindnet$/, types: ["ptp"] },
];

/**
 * Whether another network is installed, which is required with `nonPrimaryCNI` only, and whether objects of Kube-OVN
 * or an earlier Weft remain. Pure.
 */
export function checkOtherNetworks(
  { daemonSets, crds, deployed, lease }: ClusterFacts,
  values: Values,
): readonly Check[] {
  const nonPrimary = values["nonPrimaryCNI"] === true;
  const checks: Check[] = [];
  const line = (result: Check["result"], name: string, found: string, advice?: string): unknown =>
    checks.push({ subject: "cluster", name, result, found, ...(advice === undefined ? {} : { advice }) });
  for (const plugin of PLUGINS) {
    const sets = daemonSets.filter(({ name }) => plugin.daemonSets.test(name.split("/")[1] ?? ""));
    const definitions = crds.filter((name) => plugin.crds?.test(name));
    const names = sets.map(({ name }) => name).join(", ");
    if (nonPrimary) {
      if (sets.length > 0) line("ok", PRIMARY, `${plugin.name}: DaemonSet ${names}`);
    } else if (sets.length > 0) {
      line(
        "failed",
        "other networks",
        `${plugin.name}: DaemonSet ${names}`,
        `remove ${plugin.name} first; its pods have to be recreated`,
      );
    } else if (definitions.length > 0) {
      line(
        "warning",
        "other networks",
        `${plugin.name}: ${definitions.length} CRDs, no DaemonSet`,
        `remove what is left of ${plugin.name}`,
      );
    }
  }
  const multus = daemonSets.find(({ images }) => images.some((image) => /multus/.test(image)));
  const whose = nonPrimary ? "it attaches Weft's networks to pods" : "Weft is its default network";
  if (multus !== undefined) line("ok", "Multus", `DaemonSet ${multus.name}: ${whose}`);
  else if (nonPrimary)
    line(
      "warning",
      "Multus",
      "no DaemonSet of it",
      "make sure that it runs on each node: it attaches Weft's networks to pods",
    );
  if (nonPrimary && checks.every(({ name }) => name !== PRIMARY)) {
    line(
      "warning",
      PRIMARY,
      "no DaemonSet of a known plugin",
      "make sure that another network plugin creates eth0 of pods (nonPrimaryCNI), or omit nonPrimaryCNI",
    );
  }
  const foreign = daemonSets.find(({ name }) => /\/(kube-ovn-cni|ovs-ovn)$/.test(name));
  if (deployed !== undefined)
    line("ok", "Weft", `version ${deployed.version} is installed (${deployed.image}); it is upgraded`);
  else if (foreign !== undefined) {
    line(
      "failed",
      "other networks",
      `Kube-OVN: DaemonSet ${foreign.name}`,
      "remove Kube-OVN's workloads and keep its CRDs and objects: Weft uses them unchanged",
    );
  }
  const ours = crds.filter((name) => name.endsWith(".kubeovn.io"));
  if (deployed === undefined && ours.length > 0) {
    line(
      "warning",
      "kubeovn.io CRDs",
      `${ours.length} exist: their objects are used unchanged`,
      "delete the objects that you do not want to keep",
    );
  }
  const holder = lease?.holder ?? "";
  if (deployed === undefined && foreign === undefined && holder !== "") {
    line(
      "warning",
      "Lease kube-ovn-controller",
      `held by ${holder}`,
      "make sure that no other kube-ovn-controller runs; the Lease is taken over when it has expired",
    );
  }
  if (checks.every(({ name }) => name !== "other networks")) line("ok", "other networks", "none found");
  return checks;
}

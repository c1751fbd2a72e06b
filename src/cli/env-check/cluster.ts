// SPDX-License-Identifier: Apache-2.0

import type { Values } from "../install/helm-run.ts";
import type { Check, CheckResult } from "./check.ts";
import type { ClusterFacts, NodeFacts } from "./facts.ts";
import { checkOtherNetworks } from "./other-cnis.ts";
import { checkRanges } from "./ranges.ts";

/** `kubeVersion` of the chart, which has the reason. */
export const OLDEST_KUBERNETES = [1, 31] as const;
/** The oldest kernel with the netlink and nftables features that the daemon needs; see README. */
const OLDEST_KERNEL = [5, 10] as const;
/** containerd's CRI v1, which Kubernetes needs too. */
const OLDEST_CONTAINERD = [1, 6] as const;
const ARCHITECTURES = ["amd64", "arm64"];

/** Evaluates the API server's data: the cluster, then each node. Pure. */
export function checkCluster(facts: ClusterFacts, values: Values): readonly Check[] {
  return [
    checkVersion(facts.version),
    ...checkOtherNetworks(facts, values),
    ...checkRanges(values, facts),
    checkProxy(facts),
    checkAdmission(facts, values),
    ...(facts.nodes.length === 0
      ? [line("cluster", "nodes", "failed", "there are none")]
      : facts.nodes.flatMap(checkNode)),
  ];
}

function line(subject: string, name: string, result: CheckResult, found: string, advice?: string): Check {
  return { subject, name, result, found, ...(advice === undefined ? {} : { advice }) };
}

function checkVersion(version: string): Check {
  if (atLeast(version, OLDEST_KUBERNETES)) return line("cluster", "Kubernetes", "ok", version);
  return line("cluster", "Kubernetes", "failed", version, `${OLDEST_KUBERNETES.join(".")} or newer is needed`);
}

function checkProxy({ proxyMode, daemonSets }: ClusterFacts): Check {
  const runs = daemonSets.some(({ name }) => name === "kube-system/kube-proxy");
  if (proxyMode === undefined && !runs) {
    return line(
      "cluster",
      "kube-proxy",
      "warning",
      "no ConfigMap and no DaemonSet kube-system/kube-proxy",
      "kube-proxy serves node ports and nodes' connections to Services: make sure that it runs on each node",
    );
  }
  const mode = proxyMode === undefined || proxyMode === "" ? "default (iptables)" : proxyMode;
  return line("cluster", "kube-proxy", "ok", `mode ${mode}`);
}

function checkAdmission({ admissionPolicies }: ClusterFacts, values: Values): Check {
  if (admissionPolicies || values["validateAnnotations"] === false) {
    const found = admissionPolicies ? "ValidatingAdmissionPolicies are served" : "not used (validateAnnotations=false)";
    return line("cluster", "admission", "ok", found);
  }
  return line(
    "cluster",
    "admission",
    "failed",
    "the API server has no ValidatingAdmissionPolicies",
    "pass --set validateAnnotations=false: malformed annotations are then reported in Events only",
  );
}

function checkNode(node: NodeFacts): readonly Check[] {
  const subject = `node ${node.name}`;
  const { os, architecture, osImage, kernel, runtime, reports, internalIps, podCidrs } = node;
  if (os !== "linux") return [line(subject, "system", "skipped", `${os}: Weft runs on Linux nodes only`)];
  const supported = ARCHITECTURES.includes(architecture);
  const containerd = /^containerd:\/\/(.*)$/.exec(runtime)?.[1];
  return [
    ...(reports
      ? []
      : [
          line(
            subject,
            "kubelet",
            "warning",
            "does not report (NotReady, Unknown)",
            "bring the node back or delete its Node: an installation waits for its pods, and a removal cannot clean it",
          ),
        ]),
    supported
      ? line(subject, "system", "ok", `${osImage}, ${architecture}`)
      : line(
          subject,
          "system",
          "failed",
          `${osImage}, ${architecture}`,
          `the image is for ${ARCHITECTURES.join(" and ")}`,
        ),
    atLeast(kernel, OLDEST_KERNEL)
      ? line(subject, "kernel", "ok", kernel)
      : line(subject, "kernel", "failed", kernel, `Linux ${OLDEST_KERNEL.join(".")} or newer is needed`),
    containerd === undefined
      ? line(
          subject,
          "runtime",
          "warning",
          runtime,
          "Weft is tested with containerd; others that follow CNI 1.0 should work",
        )
      : atLeast(containerd, OLDEST_CONTAINERD)
        ? line(subject, "runtime", "ok", runtime)
        : line(subject, "runtime", "failed", runtime, `containerd ${OLDEST_CONTAINERD.join(".")} or newer is needed`),
    internalIps.length === 0
      ? line(subject, "addresses", "failed", "no InternalIP", "give kubelet an address with --node-ip")
      : line(subject, "addresses", "ok", `InternalIP ${internalIps.join(", ")}`),
    ...(podCidrs.length === 0
      ? []
      : [line(subject, "podCIDR", "ok", `${podCidrs.join(", ")}: not used, Weft's subnets are not divided by nodes`)]),
  ];
}

/** Whether the first two numbers of a version ("v1.34.4", "6.1.0-13-amd64") are these or later. */
export function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, first = "0", second = "0"] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  return Number(first) > major || (Number(first) === major && Number(second) >= minor);
}

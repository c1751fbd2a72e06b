// SPDX-License-Identifier: Apache-2.0

import type { Mode } from "./mode.ts";

/** Specs of sig-network that test something else than the cluster's network or need what the lab does not have: a part of their names, and the reason. */
export const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  "[Provider:GCE]": "tests a cloud provider",
  "[Feature:LoadBalancer]": "needs a cloud provider that gives each Service of type LoadBalancer an address",
  "[Feature:KubeProxyDaemonSetMigration]": "tests the installation of kube-proxy",
  "[Feature:KubeProxyNFAcct]": "tests kube-proxy's own metrics",
  "should recreate its iptables rules": "tests kube-proxy's own rules",
  "should work after restarting": "restarts a part of Kubernetes by ssh",
  "[Feature:SCTPConnectivity]": "needs SCTP in the kernel",
  "Internet connection for containers": "needs the Internet",
  "Forward PTR lookup": "needs the Internet",
  "should set TCP CLOSE_WAIT timeout": "tests a timeout that kube-proxy sets",
  "Topology Hints should distribute":
    "needs nodes other than those of the control plane in each zone, which get no hints",
  "[Feature:Networking-Performance]": "is a benchmark, with an image of its own",
  "[Feature:PerformanceDNS]": "is a benchmark of the cluster's DNS",
  "[Feature:OffByDefault]": "needs a feature gate that is off by default",
};

/** The same of a lab without kube-proxy. */
export const NOT_WITHOUT_KUBE_PROXY: Readonly<Record<string, string>> = {
  "should check kube-proxy urls": "tests kube-proxy's own ports",
};

/** The same of an OVN before 26.03, which loses a client's first datagram to a Service if it is larger than the MTU (docs/services.md#large-udp-datagrams). */
export const NOT_BEFORE_OVN_26: Readonly<Record<string, string>> = {
  "should be able to handle large requests: udp": "sends first datagrams larger than the MTU to a Service",
  "should function for service endpoints using hostNetwork": "ends with the same step",
};

/** The specs that `npm run conformance -- --all` skips in a mode, as a regular expression of Go. */
export function skippedSpecs({ kubeProxy, ovn }: Pick<Mode, "kubeProxy" | "ovn">): string {
  const parts = {
    ...NOT_APPLICABLE,
    ...(kubeProxy ? {} : NOT_WITHOUT_KUBE_PROXY),
    ...(Number.parseInt(ovn, 10) < 26 ? NOT_BEFORE_OVN_26 : {}),
  };
  return Object.keys(parts).map(goPattern).join("|");
}

/** A regular expression of Go that matches exactly `text` (RE2's syntax has the same special characters as JavaScript's). */
export function goPattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/gu, "\\$&");
}

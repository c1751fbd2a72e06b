// SPDX-License-Identifier: Apache-2.0

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

/** The specs that `npm run conformance -- --all` skips on a lab with or without kube-proxy, as a regular expression of Go. */
export function skippedSpecs(kubeProxy: boolean): string {
  return Object.keys({ ...NOT_APPLICABLE, ...(kubeProxy ? {} : NOT_WITHOUT_KUBE_PROXY) })
    .map((part) => part.replace(/[[\]]/gu, "\\$&"))
    .join("|");
}

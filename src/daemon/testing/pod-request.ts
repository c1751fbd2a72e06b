// SPDX-License-Identifier: Apache-2.0

/** The body of a request about the interface eth0 of the pod shop/web-0. */
export const POD_BODY = {
  cni_type: "kube-ovn",
  pod_name: "web-0",
  pod_namespace: "shop",
  pod_uid: "u-1",
  container_id: "0123456789abcdef",
  net_ns: "/run/netns/x",
  if_name: "eth0",
};

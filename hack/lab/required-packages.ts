// SPDX-License-Identifier: Apache-2.0

import type { Need } from "../host/packages.ts";

/** Debian packages of other programs that the lab runs or calls. */
export const LAB_NEEDS: readonly Need[] = [
  { what: "busybox", package: "busybox-static" },
  { what: "conntrack", package: "conntrack" },
  { what: "containerd", package: "containerd" },
  { what: "/usr/lib/cni/bridge", package: "containernetworking-plugins" },
  { what: "ctr", package: "containerd" },
  { what: "curl", package: "curl" },
  { what: "etcd", package: "etcd-server" },
  { what: "etcdctl", package: "etcd-client" },
  { what: "ethtool", package: "ethtool" },
  { what: "ip", package: "iproute2" },
  { what: "iperf3", package: "iperf3" },
  { what: "ipset", package: "ipset" },
  { what: "iptables", package: "iptables" },
  { what: "nft", package: "nftables" },
  { what: "nsenter", package: "util-linux" },
  { what: "openssl", package: "openssl" },
  { what: "promtool", package: "prometheus" },
  { what: "runc", package: "runc" },
  { what: "sysctl", package: "procps" },
  { what: "tar", package: "tar" },
];

/** What tests of Vips run in pods. */
export const KEEPALIVED: Need = { what: "keepalived", package: "keepalived" };

// SPDX-License-Identifier: Apache-2.0

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { partKubeconfig } from "./kubeconfig.ts";
import { accepts, type LabPart, partId } from "./part.ts";
import { type LabPaths, spacePaths } from "./paths.ts";
import { CERTIFICATE, certificatePath, keyPath, kubeletCertificate } from "./pki.ts";
import type { LabSettings } from "./settings.ts";
import { findSpace, requireSpace, runInSpace } from "./space.ts";
import { addressOf, chosen, DNS_SERVICE, POD_CIDR } from "./topology.ts";

/** The image of each pod's sandbox. */
export const PAUSE_IMAGE = "weft.local/pause:1";

/** containerd, kubelet and, if the lab has it, kube-proxy of one node, in the order of their dependence. */
export function nodeParts(paths: LabPaths, settings: LabSettings, node: string): readonly [LabPart, LabPart, LabPart?] {
  const at = spacePaths(paths, node);
  const part = (name: string, rest: Omit<LabPart, "id" | "space" | "name">): LabPart => ({
    id: partId(node, name),
    space: node,
    name,
    ...rest,
  });
  const file = (name: string): string => join(at.folder, name);
  const containerd = part("containerd", {
    prepare: () => writeFile(file("containerd.toml"), containerdConfig()),
    ready: async () => {
      const holder = findSpace(paths, node)?.holder;
      // Through /proc, as the socket's path below the checkout may be longer than a socket's address can be.
      return holder !== undefined && (await accepts(`/proc/${holder.pid}/root/run/containerd/containerd.sock`));
    },
    command: ["containerd", `--config=${file("containerd.toml")}`, "--log-level=warn"],
  });
  const kubelet = part("kubelet", {
    prepare: () => writeJson(file("kubelet.json"), kubeletConfig(paths, settings, node)),
    command: [
      join(paths.bin, "kubelet"),
      `--config=${file("kubelet.json")}`,
      `--kubeconfig=${partKubeconfig(paths, kubeletCertificate(node))}`,
      `--hostname-override=${node}`,
      `--node-ip=${chosen(settings.ipFamily, addressOf(node)).join(",")}`,
      "--root-dir=/var/lib/kubelet",
      "--v=1",
    ],
  });
  const proxy = part("kube-proxy", {
    prepare: async () =>
      writeJson(file("kube-proxy.json"), proxyConfig(paths, settings, node, await proxyMode(paths, node))),
    command: [join(paths.bin, "kube-proxy"), `--config=${file("kube-proxy.json")}`],
  });
  return settings.kubeProxy === false ? [containerd, kubelet] : [containerd, kubelet, proxy];
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Paths are the usual ones: each node has its own of them. */
function containerdConfig(): string {
  const unused = ["aufs", "btrfs", "devmapper", "zfs"].map((name) => `"io.containerd.snapshotter.v1.${name}"`);
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [${unused.join(", ")}]

[grpc]
address = "/run/containerd/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${PAUSE_IMAGE}"
# Without CAP_SYS_RESOURCE a process cannot lower its own score, and runc would fail at each container.
restrict_oom_score_adj = true
disable_apparmor = true
enable_selinux = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/opt/cni/bin"
conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`;
}

function kubeletConfig(paths: LabPaths, settings: LabSettings, node: string): unknown {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    cgroupDriver: "cgroupfs",
    cgroupRoot: `/${paths.cgroup}/${node}`,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    containerRuntimeEndpoint: "unix:///run/containerd/containerd.sock",
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: certificatePath(paths, CERTIFICATE.authority) },
    },
    authorization: { mode: "Webhook" },
    tlsCertFile: certificatePath(paths, kubeletCertificate(node)),
    tlsPrivateKeyFile: keyPath(paths, kubeletCertificate(node)),
    clusterDomain: "cluster.local",
    clusterDNS: chosen(settings.ipFamily, DNS_SERVICE).slice(0, 1),
    resolvConf: "/etc/resolv.conf",
    // All nodes share one disk and memory with everything else on the machine: eviction would happen at random.
    evictionHard: {
      "memory.available": "50Mi",
      "nodefs.available": "1%",
      "imagefs.available": "1%",
      "nodefs.inodesFree": "1%",
    },
    // The default, 110, is less than the pods of two nodes in tests.
    maxPods: 250,
    imageGCHighThresholdPercent: 100,
    serializeImagePulls: false,
    // Its default is below /usr, which belongs to the host.
    volumePluginDir: "/var/lib/kubelet/volume-plugins",
  };
}

/** kube-proxy's nftables mode, unless this kernel lacks an expression of its rules. */
async function proxyMode(paths: LabPaths, node: string): Promise<"nftables" | "iptables"> {
  const rules = `table ip weft-lab-probe {
    chain probe { type nat hook output priority -100; fib daddr type local numgen random mod 2 vmap { 0 : accept, 1 : accept }; }
  }
  delete table ip weft-lab-probe
`;
  const { code } = await runInSpace(paths, requireSpace(paths, node), ["nft", "-f", "-"], {
    input: rules,
    allowFailure: true,
  });
  return code === 0 ? "nftables" : "iptables";
}

function proxyConfig(paths: LabPaths, settings: LabSettings, node: string, mode: "nftables" | "iptables"): unknown {
  return {
    apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
    kind: "KubeProxyConfiguration",
    hostnameOverride: node,
    clientConnection: { kubeconfig: partKubeconfig(paths, CERTIFICATE.proxy) },
    mode,
    clusterCIDR: chosen(settings.ipFamily, POD_CIDR).join(","),
    detectLocalMode: "ClusterCIDR",
    oomScoreAdj: 0,
    // The limits of connection tracking belong to the host; 0 does not change them.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: "0s", tcpCloseWaitTimeout: "0s" },
  };
}

// SPDX-License-Identifier: Apache-2.0

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Api } from "./api.ts";
import { partKubeconfig } from "./kubeconfig.ts";
import { type LabPart, partId } from "./part.ts";
import type { LabPaths } from "./paths.ts";
import { CERTIFICATE, certificatePath, keyPath } from "./pki.ts";
import type { LabSettings } from "./settings.ts";
import { API_PORT, addressOf, CONTROL, chosen, POD_CIDR, SERVICE_CIDR } from "./topology.ts";

/** etcd, the API server, the controller manager and the scheduler, in the order of their dependence. */
export function controlPlane(paths: LabPaths, settings: LabSettings): readonly [LabPart, LabPart, LabPart, LabPart] {
  const { ipFamily } = settings;
  const part = (name: string, rest: Omit<LabPart, "id" | "space" | "name">): LabPart => ({
    id: partId(CONTROL, name),
    space: CONTROL,
    name,
    ...rest,
  });
  const bin = (name: string): string => join(paths.bin, name);
  const certificate = (file: string): string => certificatePath(paths, file);
  const key = (file: string): string => keyPath(paths, file);
  const data = join(paths.state, "etcd");
  const [address = ""] = chosen(ipFamily, addressOf(CONTROL));
  const serviceRange = chosen(ipFamily, SERVICE_CIDR).join(",");

  const etcd = part("etcd", {
    prepare: async () => {
      await mkdir(data, { recursive: true, mode: 0o700 });
    },
    env: process.arch === "arm64" ? { ETCD_UNSUPPORTED_ARCH: "arm64" } : {},
    command: [
      "etcd",
      "--name=lab",
      `--data-dir=${data}`,
      "--listen-client-urls=http://127.0.0.1:2379",
      "--advertise-client-urls=http://127.0.0.1:2379",
      "--listen-peer-urls=http://127.0.0.1:2380",
      "--initial-advertise-peer-urls=http://127.0.0.1:2380",
      "--initial-cluster=lab=http://127.0.0.1:2380",
      // The lab's state need not survive a power failure; waiting for the disk at each write would cost seconds.
      "--unsafe-no-fsync",
      "--log-level=warn",
      "--logger=zap",
    ],
  });
  const apiserver = part("apiserver", {
    ready: async () => {
      const api = new Api(paths, settings);
      try {
        return (await api.call("GET", "/readyz", undefined, undefined, 2_000)).status === 200;
      } finally {
        api.close();
      }
    },
    command: [
      bin("kube-apiserver"),
      `--advertise-address=${address}`,
      "--bind-address=::",
      `--secure-port=${API_PORT}`,
      "--etcd-servers=http://127.0.0.1:2379",
      "--authorization-mode=Node,RBAC",
      "--enable-admission-plugins=NodeRestriction",
      "--allow-privileged=true",
      `--client-ca-file=${certificate(CERTIFICATE.authority)}`,
      `--tls-cert-file=${certificate(CERTIFICATE.apiserver)}`,
      `--tls-private-key-file=${key(CERTIFICATE.apiserver)}`,
      `--kubelet-certificate-authority=${certificate(CERTIFICATE.authority)}`,
      `--kubelet-client-certificate=${certificate(CERTIFICATE.apiserverToKubelet)}`,
      `--kubelet-client-key=${key(CERTIFICATE.apiserverToKubelet)}`,
      // As in kubeadm: aggregated API servers accept the user's name from the holder of this certificate.
      `--proxy-client-cert-file=${certificate(CERTIFICATE.frontProxy)}`,
      `--proxy-client-key-file=${key(CERTIFICATE.frontProxy)}`,
      `--requestheader-client-ca-file=${certificate(CERTIFICATE.frontProxyAuthority)}`,
      `--requestheader-allowed-names=${CERTIFICATE.frontProxy}`,
      "--requestheader-username-headers=X-Remote-User",
      "--requestheader-group-headers=X-Remote-Group",
      "--requestheader-extra-headers-prefix=X-Remote-Extra-",
      "--kubelet-preferred-address-types=InternalIP,Hostname",
      "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
      `--service-account-key-file=${certificate(CERTIFICATE.serviceAccounts)}`,
      `--service-account-signing-key-file=${key(CERTIFICATE.serviceAccounts)}`,
      `--service-cluster-ip-range=${serviceRange}`,
      "--profiling=false",
      // Its estimates need a feature that Debian's etcd 3.4 lacks, which it logs twice a second.
      "--feature-gates=SizeBasedListCostEstimate=false",
    ],
  });
  // One of each: electing a leader would only delay the start.
  const common = ["--leader-elect=false", "--profiling=false"];
  const controllerManager = part("controller-manager", {
    command: [
      bin("kube-controller-manager"),
      `--kubeconfig=${partKubeconfig(paths, CERTIFICATE.controllerManager)}`,
      "--use-service-account-credentials=true",
      `--root-ca-file=${certificate(CERTIFICATE.authority)}`,
      `--service-account-private-key-file=${key(CERTIFICATE.serviceAccounts)}`,
      `--cluster-signing-cert-file=${certificate(CERTIFICATE.authority)}`,
      `--cluster-signing-key-file=${key(CERTIFICATE.authority)}`,
      `--service-cluster-ip-range=${serviceRange}`,
      "--bind-address=127.0.0.1",
      ...common,
      ...(settings.cni === "bridge" ? nodeCidrs(settings) : []),
    ],
  });
  const scheduler = part("scheduler", {
    command: [
      bin("kube-scheduler"),
      `--kubeconfig=${partKubeconfig(paths, CERTIFICATE.scheduler)}`,
      "--bind-address=127.0.0.1",
      ...common,
    ],
  });
  return [etcd, apiserver, controllerManager, scheduler];
}

/** Only `host-local` needs a network per node; Weft allocates addresses from subnets that span nodes. */
function nodeCidrs({ ipFamily }: LabSettings): readonly string[] {
  return [
    "--allocate-node-cidrs=true",
    `--cluster-cidr=${chosen(ipFamily, POD_CIDR).join(",")}`,
    ...(ipFamily === "ipv6" ? [] : ["--node-cidr-mask-size-ipv4=24"]),
    ...(ipFamily === "ipv4" ? [] : ["--node-cidr-mask-size-ipv6=120"]),
  ];
}

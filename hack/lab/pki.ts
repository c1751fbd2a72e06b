// SPDX-License-Identifier: Apache-2.0

import { existsSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../host/run.ts";
import type { LabPaths } from "./paths.ts";
import { API_SERVICE, addressOf, CONTROL, hostLinkAddresses } from "./topology.ts";

/** A certificate of the lab: its subject and its names. */
interface Subject {
  readonly file: string;
  readonly commonName: string;
  readonly organization?: string;
  /** subjectAltName entries as OpenSSL writes them; a server's certificate has some. */
  readonly names?: readonly string[];
  /** File name of the authority that signs it: default the lab's; its own for an authority. */
  readonly issuer?: string;
}

/** File names (without ending) of the certificates that are not a node's. */
export const CERTIFICATE = {
  authority: "ca",
  /**
   * Signs only the certificate that the API server uses towards aggregated API servers, which trust the user names
   * that it sends.
   */
  frontProxyAuthority: "front-proxy-ca",
  frontProxy: "front-proxy-client",
  serviceAccounts: "service-accounts",
  apiserver: "apiserver",
  apiserverToKubelet: "apiserver-to-kubelet",
  controllerManager: "controller-manager",
  scheduler: "scheduler",
  proxy: "kube-proxy",
  admin: "admin",
} as const;

/** The certificate of a node's kubelet: client (`system:node:NAME`) and server in one. */
export function kubeletCertificate(node: string): string {
  return `kubelet-${node}`;
}

/** Path of a certificate. */
export function certificatePath(paths: LabPaths, file: string): string {
  return join(paths.pki, `${file}.crt`);
}

/** Path of a private key. */
export function keyPath(paths: LabPaths, file: string): string {
  return join(paths.pki, `${file}.key`);
}

/** Makes every certificate that is absent: two CAs of the lab's own and what they sign (ECDSA P-256, ten years). */
export async function ensurePki(paths: LabPaths, nodes: readonly string[], hostBlock: number): Promise<void> {
  await mkdir(paths.pki, { recursive: true, mode: 0o700 });
  for (const file of [CERTIFICATE.authority, CERTIFICATE.frontProxyAuthority])
    await sign(paths, { file, commonName: `weft-lab-${file}`, issuer: file });
  const ips = (...addresses: readonly string[]): readonly string[] => addresses.map((address) => `IP:${address}`);
  const control = addressOf(CONTROL);
  const services = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    CONTROL,
  ];
  const subjects: readonly Subject[] = [
    {
      file: CERTIFICATE.apiserver,
      commonName: "kube-apiserver",
      names: [
        ...services.map((name) => `DNS:${name}`),
        ...ips(
          "127.0.0.1",
          "::1",
          control.v4,
          control.v6,
          API_SERVICE.v4,
          API_SERVICE.v6,
          hostLinkAddresses(hostBlock).control,
        ),
      ],
    },
    { file: CERTIFICATE.serviceAccounts, commonName: "service-accounts" },
    { file: CERTIFICATE.apiserverToKubelet, commonName: "kube-apiserver", organization: "system:masters" },
    { file: CERTIFICATE.frontProxy, commonName: CERTIFICATE.frontProxy, issuer: CERTIFICATE.frontProxyAuthority },
    { file: CERTIFICATE.controllerManager, commonName: "system:kube-controller-manager" },
    { file: CERTIFICATE.scheduler, commonName: "system:kube-scheduler" },
    { file: CERTIFICATE.proxy, commonName: "system:kube-proxy" },
    { file: CERTIFICATE.admin, commonName: "admin", organization: "system:masters" },
    ...nodes.map((node): Subject => {
      const { v4, v6 } = addressOf(node);
      const names = [`DNS:${node}`, ...ips(v4, v6)];
      return { file: kubeletCertificate(node), commonName: `system:node:${node}`, organization: "system:nodes", names };
    }),
  ];
  await Promise.all(subjects.map((subject) => sign(paths, subject)));
}

async function sign(paths: LabPaths, subject: Subject): Promise<void> {
  const certificate = certificatePath(paths, subject.file);
  if (existsSync(certificate)) return;
  const { issuer = CERTIFICATE.authority } = subject;
  const isAuthority = subject.file === issuer;
  const extensions = isAuthority
    ? ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash"]
    : [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature",
        "extendedKeyUsage=clientAuth,serverAuth",
        ...(subject.names === undefined ? [] : [`subjectAltName=${subject.names.join(",")}`]),
      ];
  const name = [
    ...(subject.organization === undefined ? [] : [`O=${subject.organization}`]),
    `CN=${subject.commonName}`,
  ];
  // A configuration of its own, because the system's adds extensions.
  const config = join(paths.pki, `${subject.file}.cnf`);
  await writeFile(
    config,
    [
      "[req]",
      "distinguished_name=dn",
      "x509_extensions=ext",
      "prompt=no",
      "[dn]",
      ...name,
      "[ext]",
      ...extensions,
      "",
    ].join("\n"),
  );
  const signer = isAuthority ? [] : ["-CA", certificatePath(paths, issuer), "-CAkey", keyPath(paths, issuer)];
  const key = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    keyPath(paths, subject.file),
  ];
  const output = `${certificate}.part`;
  await run("openssl", ["req", "-x509", "-days", "3650", "-config", config, ...key, ...signer, "-out", output]);
  // The certificate is renamed last, so its presence means that both files are complete.
  await rename(output, certificate);
}

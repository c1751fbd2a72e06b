// SPDX-License-Identifier: Apache-2.0

import { networkInterfaces } from "node:os";
import { type Command, Option } from "commander";
import { DEFAULT_SUBNET, DEFAULT_VPC, JOIN_SUBNET } from "../api/names.ts";
import { DEFAULT_NODE_PORTS, type PortRange, portRangeText } from "../net/port-range.ts";
import { LOG_LEVELS } from "../telemetry/log-level.ts";
import {
  boolean,
  cidrList,
  cidrs,
  days,
  inactivity,
  mebibytes,
  percent,
  port,
  portRange,
  seconds,
} from "./flag-values.ts";
import { hostNetworks } from "./host-networks.ts";

/** The controller's flags. They have Kube-OVN's names where it has them. */
export interface Settings {
  /** Remotes of the northbound database, `tcp:[host]:port` or `ssl:` or `unix:`, separated by commas. */
  readonly ovnNb: string;
  /** The same for the southbound database; empty: it is not used. */
  readonly ovnSb: string;
  readonly clusterRouter: string;
  readonly defaultSubnet: string;
  readonly defaultCidr: string;
  readonly defaultGateway: string;
  readonly defaultExcludeIps: string;
  readonly nodeSwitch: string;
  readonly nodeSwitchCidr: string;
  readonly serviceCidr: string;
  /** CIDRs of nodes' addresses. */
  readonly nodeCidrs: readonly string[];
  readonly nodePorts: PortRange;
  /** The cluster's DNS, `address` or `address:port` separated by commas; empty: the ClusterIPs of `dnsService`. */
  readonly dnsServers: string;
  /** `namespace/name`. */
  readonly dnsService: string;
  /** Seconds after its TTL for which an address of a domain name stays active. */
  readonly domainGraceS: number;
  /** Seconds without data after which an echo is sent to the database, and without an answer after which the connection is closed. */
  readonly ovsdbInactivityS: number;
  /** The default of `spec.enableLb`: whether OVN balances pods' connections to Services. */
  readonly enableLb: boolean;
  /** Whether nodes reach Services through OVN, so that kube-proxy is not needed. */
  readonly kubeProxyReplacement: boolean;
  /** Whether another network plugin creates pods' primary interfaces, and ours are those of the networks that they name. */
  readonly nonPrimary: boolean;
  /** Whether a KubeVirt virtual machine keeps its address as long as it exists, or each of its pods has its own. */
  readonly keepVmIp: boolean;
  readonly metricsPort: number;
  /** Whether that port speaks TLS and needs a token of an account that may get `/metrics`. */
  readonly secureServing: boolean;
  /** On the loopback address, for kubelet's probes. */
  readonly healthPort: number;
  /** Of the web page; 0: it is not served. */
  readonly pagePort: number;
  /** The folder of its files. */
  readonly pageDir: string;
  /** The port of nodes' daemons from which flows are read; 0: they are not. */
  readonly flowsPort: number;
  /** Whether flows are counted by namespace. */
  readonly flowMetrics: boolean;
  /** The folder of its certificate, `tls.crt` and `tls.key`; empty: the controller makes one. */
  readonly pageCertificateDir: string;
  readonly logLevel: string;
  /** The folder of the certificate for `ssl:` remotes, see `tlsFilesIn`. */
  readonly tlsDir: string;
  /** Whether this process issues it and those of ovn-central and the nodes. */
  readonly issueCertificates: boolean;
  readonly certificateDays: number;
  /** Secrets with ovn-central's certificate and the controller's, which something else issues; both empty: the controller does. */
  readonly centralSecret: string;
  readonly controllerSecret: string;
  /** The percentage of new connections decided by policies that is sampled; 0: none. */
  readonly sampledPercent: number;
  /** The folder in which facts and committed plans are recorded; empty: no recording. */
  readonly recordTo: string;
  /** The maximum size of a recording in MiB. */
  readonly recordLimitMib: number;
  /** Allows a sweep to delete any number of rows. */
  readonly allowMassDelete: boolean;
  /** Identity of this process among the replicas, for the Lease. */
  readonly identity: string;
  readonly namespace: string;
}

/** Adds the controller's flags to a command. */
export function withSettings(command: Command, environment: Readonly<Record<string, string | undefined>>): Command {
  return command
    .option(
      "--ovn-nb <remotes>",
      "northbound database, for example tcp:[10.0.0.1]:6641",
      environment["OVN_NB_ADDR"] ?? "unix:/run/ovn/ovnnb_db.sock",
    )
    .option(
      "--ovn-sb <remotes>",
      "southbound database, from which chassis and port states are read; empty to disable",
      environment["OVN_SB_ADDR"] ?? "unix:/run/ovn/ovnsb_db.sock",
    )
    .option("--cluster-router <name>", "the default VPC", DEFAULT_VPC)
    .option("--default-ls <name>", "the default subnet", DEFAULT_SUBNET)
    .option("--default-cidr <cidr>", "CIDR of the default subnet, or a pair v4,v6", cidrs, "10.16.0.0/16")
    .option("--default-gateway <address>", "gateway of the default subnet (default: its first address)", "")
    .option("--default-exclude-ips <list>", "addresses of the default subnet that pods do not get: a,b..c", "")
    .option("--node-switch <name>", "the subnet that joins nodes to the default VPC", JOIN_SUBNET)
    .option("--node-switch-cidr <cidr>", "CIDR of the join subnet, or a pair v4,v6", cidrs, "100.64.0.0/16")
    .option(
      "--node-cidrs <list>",
      "networks of the nodes' addresses: a,b (default: the networks of this host's interfaces)",
      cidrList,
    )
    .option(
      "--service-cluster-ip-range <cidr>",
      "CIDR of the cluster's Service addresses, or a pair v4,v6",
      cidrs,
      "10.96.0.0/12",
    )
    .option(
      "--service-node-port-range <first-last>",
      `the cluster's node ports (default: ${portRangeText(DEFAULT_NODE_PORTS)})`,
      portRange,
    )
    .option(
      "--dns-servers <list>",
      "the cluster's DNS, for domain names in policies: a:port,b (default: --dns-service)",
      "",
    )
    .option("--dns-service <namespace/name>", "Service of the cluster's DNS", "kube-system/kube-dns")
    .option("--domain-grace <seconds>", "how long after its TTL an address of a domain name stays active", seconds, 600)
    .option(
      "--ovsdb-inactivity-timeout <seconds>",
      "how long a database may be silent before a probe is sent; the connection is closed if the probe is not answered in the same time",
      inactivity,
      5,
    )
    .option(
      "--enable-lb <boolean>",
      "default of spec.enableLb of new subnets: OVN load-balances their pods' connections to Services",
      boolean,
      true,
    )
    .option(
      "--kube-proxy-replacement <boolean>",
      "serve Services to nodes and to clients outside the cluster, without kube-proxy",
      boolean,
      false,
    )
    .option(
      "--non-primary-cni-mode <boolean>",
      "create only the interfaces of NetworkAttachmentDefinitions; another network plugin creates pods' primary ones",
      boolean,
      false,
    )
    .option("--keep-vm-ip <boolean>", "keep the addresses of a KubeVirt virtual machine across its pods", boolean, true)
    .option("--metrics-port <port>", "port of /metrics; 0 to disable", port, 10660)
    .option(
      "--secure-serving <boolean>",
      "serve /metrics by TLS, to clients with a token that RBAC allows to get /metrics",
      boolean,
      false,
    )
    .option("--health-port <port>", "port of /healthz and /readyz on 127.0.0.1; 0 to disable", port, 10662)
    .option("--page-port <port>", "port of the web page, by TLS; 0 to disable", port, 0)
    .option("--page-dir <folder>", "files of the web page", "/opt/weft/page")
    .option("--flows-port <port>", "port of the nodes' daemons, from which flows are read; 0 to disable", port, 0)
    .option("--flow-metrics <bool>", "count flows by namespace, for Prometheus; needs --flows-port", boolean, false)
    .option("--page-certificate-dir <folder>", "tls.crt and tls.key of the web page (default: its own certificate)", "")
    .addOption(
      new Option("--log-level <level>", "least important level that is logged").choices(LOG_LEVELS).default("info"),
    )
    .option(
      "--tls-dir <folder>",
      "key and certificate (tls.pem) and what to trust (ca.pem), for ssl: remotes",
      "/run/weft-tls",
    )
    .option(
      "--issue-certificates <boolean>",
      "issue these, those of ovn-central and those of the nodes, by certificate authorities in Secrets",
      boolean,
      false,
    )
    .option("--certificate-days <days>", "how long certificates are valid; they are renewed earlier", days, 365)
    .option(
      "--central-certificate-secret <name>",
      "Secret with ovn-central's certificate (tls.crt, tls.key, ca.crt), which something else issues; empty: this process issues it",
      "",
    )
    .option("--controller-certificate-secret <name>", "the same for this process's own certificate", "")
    .option(
      "--sample-flows <percent>",
      "sample so many of the new connections that policies decide, for weftctl flows; 0 to disable",
      percent,
      0,
    )
    .option(
      "--record <folder>",
      "record received facts and committed transactions while this process leads, for weftctl replay; empty to disable",
      "",
    )
    .option("--record-limit <MiB>", "size of the recording at most; its oldest files are removed", mebibytes, 256)
    .option(
      "--allow-mass-delete",
      "let the first sweep delete more than 50 rows and half of those of one kind of object",
      false,
    );
}

/** The flags that are not strings. */
interface Flags {
  readonly nodeCidrs?: readonly string[];
  readonly serviceNodePortRange?: PortRange;
  readonly metricsPort: number;
  readonly secureServing: boolean;
  readonly healthPort: number;
  readonly pagePort: number;
  readonly flowsPort: number;
  readonly flowMetrics: boolean;
  readonly enableLb: boolean;
  readonly kubeProxyReplacement: boolean;
  readonly nonPrimaryCniMode: boolean;
  readonly keepVmIp: boolean;
  readonly domainGrace: number;
  readonly ovsdbInactivityTimeout: number;
  readonly allowMassDelete: boolean;
  readonly issueCertificates: boolean;
  readonly certificateDays: number;
  readonly recordLimit: number;
  readonly sampleFlows: number;
}

/** The settings from a parsed command and the environment. */
export function readSettings(command: Command, environment: Readonly<Record<string, string | undefined>>): Settings {
  const flags = command.opts<Record<string, string> & Flags>();
  return {
    ovnNb: flags["ovnNb"] ?? "",
    ovnSb: flags["ovnSb"] ?? "",
    clusterRouter: flags["clusterRouter"] ?? DEFAULT_VPC,
    defaultSubnet: flags["defaultLs"] ?? DEFAULT_SUBNET,
    defaultCidr: flags["defaultCidr"] ?? "",
    defaultGateway: flags["defaultGateway"] ?? "",
    defaultExcludeIps: flags["defaultExcludeIps"] ?? "",
    nodeSwitch: flags["nodeSwitch"] ?? JOIN_SUBNET,
    nodeSwitchCidr: flags["nodeSwitchCidr"] ?? "",
    serviceCidr: flags["serviceClusterIpRange"] ?? "",
    nodeCidrs: flags.nodeCidrs?.length ? flags.nodeCidrs : hostNetworks(networkInterfaces()),
    nodePorts: flags.serviceNodePortRange ?? DEFAULT_NODE_PORTS,
    dnsServers: flags["dnsServers"] ?? "",
    dnsService: flags["dnsService"] ?? "",
    domainGraceS: flags.domainGrace,
    ovsdbInactivityS: flags.ovsdbInactivityTimeout,
    enableLb: flags.enableLb,
    kubeProxyReplacement: flags.kubeProxyReplacement,
    nonPrimary: flags.nonPrimaryCniMode,
    keepVmIp: flags.keepVmIp,
    metricsPort: flags.metricsPort,
    secureServing: flags.secureServing,
    healthPort: flags.healthPort,
    pagePort: flags.pagePort,
    pageDir: flags["pageDir"] ?? "",
    flowsPort: flags.flowsPort,
    flowMetrics: flags.flowMetrics,
    pageCertificateDir: flags["pageCertificateDir"] ?? "",
    logLevel: flags["logLevel"] ?? "info",
    tlsDir: flags["tlsDir"] ?? "",
    issueCertificates: flags.issueCertificates,
    certificateDays: flags.certificateDays,
    centralSecret: flags["centralCertificateSecret"] ?? "",
    controllerSecret: flags["controllerCertificateSecret"] ?? "",
    sampledPercent: flags.sampleFlows,
    recordTo: flags["record"] ?? "",
    recordLimitMib: flags.recordLimit,
    allowMassDelete: flags.allowMassDelete,
    identity: environment["POD_NAME"] ?? environment["HOSTNAME"] ?? "weft-controller",
    namespace: environment["POD_NAMESPACE"] ?? "kube-system",
  };
}

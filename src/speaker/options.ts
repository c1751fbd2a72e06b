// SPDX-License-Identifier: Apache-2.0

import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { commaList } from "../collections/comma-list.ts";
import { type Family, parseIp } from "../net/address.ts";
import { parseCidr } from "../net/cidr.ts";
import { LOG_LEVELS } from "../telemetry/log-level.ts";
import { numberOption } from "../telemetry/number-option.ts";

/** How the speaker talks to its neighbours. */
export interface BgpOptions {
  readonly clusterAs: number;
  readonly neighborAs: number;
  /** IPv4 first; at least one. */
  readonly neighborAddresses: readonly string[];
  /** Absent: without authentication. */
  readonly password?: string;
  readonly holdTimeS: number;
  /** Hops to a neighbour; 1: on a link of the node. */
  readonly ebgpMultihop: number;
  /** It waits for the neighbours' connections. */
  readonly passive: boolean;
  /** Each neighbour gets the routes of both families. */
  readonly extendedNextHop: boolean;
  readonly gracefulRestart?: { readonly timeS: number; readonly deferralS: number };
  readonly bfd?: { readonly minTxMs: number; readonly minRxMs: number; readonly multiplier: number };
}

/** The options of the speaker. */
export interface SpeakerOptions extends Omit<BgpOptions, "password"> {
  readonly nodeName: string;
  /** The node's addresses, one of a family. */
  readonly nodeIps: readonly string[];
  /** "": the node's IPv4 address, or one that is made of its name. */
  readonly routerId: string;
  /** File with the password; "": none. */
  readonly passwordFile: string;
  readonly announceClusterIp: boolean;
  readonly externalRanges: readonly string[];
  readonly defaultVpc: string;
  /** Folder of BIRD's configuration and sockets. */
  readonly runDir: string;
  /** 0: no metrics. */
  readonly metricsPort: number;
  /** Whether that port speaks TLS and needs a token of an account that may get `/metrics`. */
  readonly secureServing: boolean;
  /** On the loopback address, for kubelet's probes; 0: none. */
  readonly healthPort: number;
  readonly logLevel: string;
  /** Path; undefined: in-cluster, or kubectl's configuration. */
  readonly kubeconfig: string | undefined;
}

/**
 * Parses the command line; the names are those of Kube-OVN's speaker.
 * @throws CommanderError if it is invalid, after printing the error to stderr.
 */
export function readSpeakerOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): SpeakerOptions {
  const command = new Command("weft-speaker")
    .description(
      "Announces addresses of pods, Services, subnets and OvnEips to BGP neighbours (annotation ovn.kubernetes.io/bgp)",
    )
    .option(
      "--node-name <name>",
      "this node's name in the API server (default: $KUBE_NODE_NAME, the host's name)",
      env["KUBE_NODE_NAME"] || hostname(),
    )
    .option(
      "--node-ips <addresses>",
      "the node's addresses: next hops and sources (default: $POD_IPS)",
      addressesOf(),
      addressesOf()(env["POD_IPS"] ?? ""),
    )
    .option("--router-id <address>", "BGP identifier (default: the node's IPv4 address)", addressOf(4), "")
    .option(
      "--neighbor-address <addresses>",
      "IPv4 addresses of the neighbours, separated by commas",
      addressesOf(4),
      [],
    )
    .option("--neighbor-ipv6-address <addresses>", "IPv6 addresses of the neighbours", addressesOf(6), [])
    .requiredOption("--neighbor-as <number>", "AS number of the neighbours", numberOption(1, 4_294_967_295))
    .requiredOption("--cluster-as <number>", "AS number of the cluster", numberOption(1, 4_294_967_295))
    .option("--auth-password-file <file>", "file with the password of the sessions (TCP MD5, RFC 2385)", "")
    .option(
      "--holdtime <seconds>",
      "seconds without a message after which a session ends, 3 to 65535",
      numberOption(3, 65_535),
      90,
    )
    .option("--graceful-restart", "neighbours keep the routes while the speaker restarts (RFC 4724)", false)
    .option("--graceful-restart-time <seconds>", "for how long, 1 to 4095", numberOption(1, 4_095), 90)
    .option(
      "--graceful-restart-deferral-time <seconds>",
      "the longest time that a restarted speaker waits for its neighbours",
      numberOption(1, 64_800),
      360,
    )
    .option("--ebgp-multihop <hops>", "1: neighbours are on a link of the node", numberOption(1, 255), 1)
    .option("--extended-nexthop", "neighbours get IPv4 and IPv6 routes, whatever their own family is (RFC 8950)", false)
    .option("--passivemode", "wait for connections of the neighbours on port 179", false)
    .option("--enable-bfd", "detect by BFD that a neighbour is lost (RFC 5880)", false)
    .option("--bfd-min-tx <ms>", "interval of BFD packets", numberOption(10, 60_000), 300)
    .option("--bfd-min-rx <ms>", "least interval of the neighbours' BFD packets", numberOption(10, 60_000), 300)
    .option("--bfd-detection-multiplier <count>", "so many lost packets end a session", numberOption(1, 255), 3)
    .option("--announce-cluster-ip", "announce ClusterIPs of Services that have the annotation", false)
    .option(
      "--external-ip-ranges <cidrs>",
      "CIDRs whose addresses are announced for externalIPs of Services",
      rangesOf,
      [],
    )
    .option("--cluster-router <vpc>", "the default VPC", "ovn-cluster")
    .option("--run-dir <folder>", "folder for BIRD's configuration and control socket", "/run/weft-speaker")
    .option("--metrics-port <port>", "port of /metrics; 0: none", numberOption(0, 65_535), 10667)
    .option(
      "--secure-serving",
      "serve /metrics by TLS, to clients with a token that RBAC allows to get /metrics",
      false,
    )
    .option(
      "--health-port <port>",
      "port of /healthz and /readyz on 127.0.0.1; 0: none",
      numberOption(0, 65_535),
      10668,
    )
    .addOption(
      new Option("--log-level <level>", "least important level that is logged").choices(LOG_LEVELS).default("info"),
    )
    .option("--kubeconfig <file>", "kubeconfig file for the API server (default: in-cluster)")
    .exitOverride();
  command.parse([...argv], { from: "user" });
  const o = command.opts<ParsedOptions>();
  const neighborAddresses = [...o.neighborAddress, ...o.neighborIpv6Address];
  if (neighborAddresses.length === 0)
    command.error("error: give at least one of --neighbor-address and --neighbor-ipv6-address");
  if (o.nodeIps.length === 0) command.error("error: give --node-ips, the addresses of this node");
  return {
    ...{ nodeName: o.nodeName, nodeIps: o.nodeIps, routerId: o.routerId, neighborAddresses },
    ...{ neighborAs: o.neighborAs, clusterAs: o.clusterAs, passwordFile: o.authPasswordFile, holdTimeS: o.holdtime },
    ...{ ebgpMultihop: o.ebgpMultihop, passive: o.passivemode, extendedNextHop: o.extendedNexthop },
    ...(o.gracefulRestart && {
      gracefulRestart: { timeS: o.gracefulRestartTime, deferralS: o.gracefulRestartDeferralTime },
    }),
    ...(o.enableBfd && {
      bfd: { minTxMs: o.bfdMinTx, minRxMs: o.bfdMinRx, multiplier: o.bfdDetectionMultiplier },
    }),
    ...{ announceClusterIp: o.announceClusterIp, externalRanges: o.externalIpRanges, defaultVpc: o.clusterRouter },
    ...{
      runDir: o.runDir,
      metricsPort: o.metricsPort,
      secureServing: o.secureServing,
      healthPort: o.healthPort,
      logLevel: o.logLevel,
    },
    kubeconfig: o.kubeconfig,
  };
}

interface ParsedOptions {
  readonly nodeName: string;
  readonly nodeIps: readonly string[];
  readonly routerId: string;
  readonly neighborAddress: readonly string[];
  readonly neighborIpv6Address: readonly string[];
  readonly neighborAs: number;
  readonly clusterAs: number;
  readonly authPasswordFile: string;
  readonly holdtime: number;
  readonly gracefulRestart: boolean;
  readonly gracefulRestartTime: number;
  readonly gracefulRestartDeferralTime: number;
  readonly ebgpMultihop: number;
  readonly extendedNexthop: boolean;
  readonly passivemode: boolean;
  readonly enableBfd: boolean;
  readonly bfdMinTx: number;
  readonly bfdMinRx: number;
  readonly bfdDetectionMultiplier: number;
  readonly announceClusterIp: boolean;
  readonly externalIpRanges: readonly string[];
  readonly clusterRouter: string;
  readonly runDir: string;
  readonly metricsPort: number;
  readonly secureServing: boolean;
  readonly healthPort: number;
  readonly logLevel: string;
  readonly kubeconfig?: string;
}

function addressOf(family?: Family): (text: string) => string {
  return (text) => {
    const ip = parseIp(text);
    if (ip !== undefined && (family === undefined || ip.family === family)) return ip.text;
    throw new InvalidArgumentError(`"${text}" must be an ${family === undefined ? "IP" : `IPv${family}`} address`);
  };
}

function addressesOf(family?: Family): (text: string) => readonly string[] {
  return (text) => commaList(text).map(addressOf(family));
}

function rangesOf(text: string): readonly string[] {
  return commaList(text).map((one) => {
    const cidr = parseCidr(one);
    if (cidr === undefined) throw new InvalidArgumentError(`"${one}" must be a CIDR such as 192.0.2.0/24`);
    return cidr.text;
  });
}

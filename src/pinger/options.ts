// SPDX-License-Identifier: Apache-2.0

import { Command, InvalidArgumentError, Option } from "commander";
import { type Family, parseIp } from "../net/address.ts";
import { LOG_LEVELS } from "../telemetry/log-level.ts";
import { numberOption } from "../telemetry/number-option.ts";

/** A port that is probed beside those of the other probers. */
export interface TargetPort {
  readonly protocol: "tcp" | "udp";
  readonly family: Family;
  readonly address: string;
  readonly port: number;
}

/** The options of the prober. */
export interface PingerOptions {
  readonly nodeName: string;
  /** The node's address, for labels of metrics. */
  readonly hostIp: string;
  readonly podName: string;
  readonly podNamespace: string;
  /** The pod's addresses, at least one; the prober uses their families. */
  readonly podIps: readonly string[];
  /** Selects the pods of all probers. */
  readonly labelSelector: string;
  /** Between the starts of two rounds. */
  readonly intervalMs: number;
  /** The number of probers, and of nodes, that are probed. */
  readonly maxPeers: number;
  /** Resolved by the resolver of the pod; "": not probed. */
  readonly internalDns: string;
  readonly externalDns: string;
  readonly externalAddresses: readonly string[];
  readonly targetPorts: readonly TargetPort[];
  /** Each prober answers on them; 0: none, and those of others are not probed. */
  readonly tcpPort: number;
  readonly udpPort: number;
  /** 0: no metrics. */
  readonly metricsPort: number;
  /** Whether that port speaks TLS and needs a token of an account that may get `/metrics`. */
  readonly secureServing: boolean;
  /** On the loopback address; 0: none. */
  readonly healthPort: number;
  /** For the certificate's temporary files. */
  readonly runDir: string;
  readonly logLevel: string;
  /** Path; undefined: in-cluster, or kubectl's configuration. */
  readonly kubeconfig: string | undefined;
}

/**
 * Parses the command line; names are those of Kube-OVN's pinger where it has the option.
 * @throws CommanderError if it is invalid, after printing the error to stderr.
 */
export function readPingerOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): PingerOptions {
  const command = new Command("weft-pinger")
    .description(
      "Probes the cluster's network from a pod: other probers, nodes, DNS, the API server, addresses outside",
    )
    .option("--interval <seconds>", "seconds between two rounds of probes", numberOption(1, 3_600), 5)
    .option(
      "--max-peers <number>",
      "how many probers, and nodes, each prober probes; in a larger cluster each is probed by this many others",
      numberOption(1, 1_000),
      32,
    )
    .option("--internal-dns <name>", "name that the cluster's DNS resolves; empty: none", "kubernetes.default")
    .option("--external-dns <name>", "name outside the cluster that DNS resolves; empty: none", "")
    .option("--external-address <addresses>", "addresses outside the cluster, separated by commas", addresses, [])
    .option(
      "--target-ip-ports <ports>",
      "further ports, such as tcp-10.96.0.10-53,udp-192.0.2.1-53",
      (text: string) => listOf(text).map(targetPort),
      [],
    )
    .option("--tcp-conn-check-port <port>", "TCP port of each prober; 0: none", numberOption(0, 65_535), 8100)
    .option("--udp-conn-check-port <port>", "UDP port of each prober; 0: none", numberOption(0, 65_535), 8101)
    .option("--label-selector <selector>", "labels of the probers' pods", "app=kube-ovn-pinger")
    .option("--port <port>", "port of /metrics; 0: none", numberOption(0, 65_535), 8080)
    .option(
      "--secure-serving",
      "serve /metrics by TLS, to clients with a token that RBAC allows to get /metrics",
      false,
    )
    .option(
      "--health-port <port>",
      "port of /probes and /healthz on 127.0.0.1; 0: none",
      numberOption(0, 65_535),
      10670,
    )
    .option("--run-dir <folder>", "folder for temporary files", "/run/weft-pinger")
    .addOption(
      new Option("--log-level <level>", "least important level that is logged").choices(LOG_LEVELS).default("info"),
    )
    .option("--kubeconfig <file>", "kubeconfig file for the API server (default: in-cluster)")
    .exitOverride();
  command.parse([...argv], { from: "user" });
  const o = command.opts<ParsedOptions>();
  const needed = (name: string): string =>
    env[name] ||
    command.error(`error: the environment variable ${name} is not set: run it in a pod of kube-ovn-pinger`);
  const podIps = listOf(needed("POD_IPS"));
  return {
    ...{ nodeName: needed("KUBE_NODE_NAME"), hostIp: needed("HOST_IP"), podName: needed("POD_NAME") },
    ...{ podNamespace: needed("POD_NAMESPACE"), podIps, labelSelector: o.labelSelector },
    ...{ intervalMs: o.interval * 1_000, maxPeers: o.maxPeers },
    ...{ internalDns: o.internalDns, externalDns: o.externalDns },
    ...{ externalAddresses: o.externalAddress, targetPorts: o.targetIpPorts },
    ...{ tcpPort: o.tcpConnCheckPort, udpPort: o.udpConnCheckPort },
    ...{ metricsPort: o.port, secureServing: o.secureServing, healthPort: o.healthPort, runDir: o.runDir },
    ...{ logLevel: o.logLevel, kubeconfig: o.kubeconfig },
  };
}

interface ParsedOptions {
  readonly interval: number;
  readonly maxPeers: number;
  readonly internalDns: string;
  readonly externalDns: string;
  readonly externalAddress: readonly string[];
  readonly targetIpPorts: readonly TargetPort[];
  readonly tcpConnCheckPort: number;
  readonly udpConnCheckPort: number;
  readonly labelSelector: string;
  readonly port: number;
  readonly secureServing: boolean;
  readonly healthPort: number;
  readonly runDir: string;
  readonly logLevel: string;
  readonly kubeconfig?: string;
}

function addresses(text: string): readonly string[] {
  return listOf(text).map((one) => {
    const ip = parseIp(one);
    if (ip === undefined) throw new InvalidArgumentError(`"${one}" must be an IP address`);
    return ip.text;
  });
}

function targetPort(text: string): TargetPort {
  const [, protocol, address = "", number = ""] = /^(tcp|udp)-([^-]+)-(\d{1,5})$/.exec(text) ?? [];
  const ip = parseIp(address);
  const port = Number(number);
  if (ip === undefined || port < 1 || port > 65_535)
    throw new InvalidArgumentError(`"${text}" must be tcp-ADDRESS-PORT or udp-ADDRESS-PORT`);
  return { protocol: protocol === "udp" ? "udp" : "tcp", family: ip.family, address: ip.text, port };
}

function listOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

// SPDX-License-Identifier: Apache-2.0

import { hostname } from "node:os";
import { Command, InvalidArgumentError, Option } from "commander";
import { DEFAULT_SERVER_SOCKET } from "../api/cni-message.ts";
import { JOIN_SUBNET } from "../api/names.ts";
import { DEFAULT_NODE_PORTS, type PortRange, parsePortRange, portRangeText } from "../net/port-range.ts";
import { LOG_LEVELS } from "../telemetry/log-level.ts";

/** The options of the daemon. */
export interface DaemonOptions {
  readonly nodeName: string;
  readonly bindSocket: string;
  readonly ovsRemote: string;
  /** File in which `start-ovs` records its settings in Open vSwitch's database. */
  readonly ovsSettings: string;
  /** Folder of the certificate of the node's ovn-controller; "": no certificate. */
  readonly certificateDir: string;
  /** The namespace of Weft. */
  readonly namespace: string;
  readonly cniConfDir: string;
  readonly cniConfName: string;
  /** Folder of the plugins that Weft's configuration chains. */
  readonly cniBinDir: string;
  /** "" if not given. Not used: each Node's contract has the Service ranges. */
  readonly serviceClusterIpRange: string;
  /** Whether node ports and external addresses of Services are served here, if the controller's contract has them. */
  readonly kubeProxyReplacement: boolean;
  /**
   * Whether another network plugin creates pods' primary interfaces: then that plugin owns the node's network and the
   * runtime's configuration.
   */
  readonly nonPrimary: boolean;
  /** The range of node ports. */
  readonly nodePorts: PortRange;
  /** Whether the packets of all ports of br-int are mirrored, not only those of annotated pods. */
  readonly enableMirror: boolean;
  /** Whether the flows that Open vSwitch samples are collected. */
  readonly collectFlows: boolean;
  /** On which the controller reads them; 0: none. */
  readonly flowsPort: number;
  /** The subnet that `ovn0` is in. */
  readonly nodeSwitch: string;
  /** 0: the MTU that the tunnels allow. */
  readonly mtu: number;
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
 * Parses the command line.
 * @throws CommanderError if it is invalid, after printing the error to stderr.
 */
export function readOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): DaemonOptions {
  const command = new Command("weft-daemon")
    .description("The per-node component of Weft: CNI server, pod interfaces, host gateway")
    .addOption(
      new Option("--node-name <name>", "this node's name in the API server (default: $KUBE_NODE_NAME, the host's name)")
        .env("KUBE_NODE_NAME")
        .default(hostname(), "host name"),
    )
    .option("--bind-socket <path>", "unix socket on which the shim reaches the daemon", DEFAULT_SERVER_SOCKET)
    .option("--ovs-remote <remote>", "the local Open vSwitch database", "unix:/run/openvswitch/db.sock")
    .option(
      "--ovs-settings <file>",
      "file with the settings that start-ovs made in that database",
      "/run/openvswitch/weft-settings",
    )
    .option("--certificate-dir <folder>", "folder of ovn-controller's certificate, which the daemon requests", "")
    .option(
      "--cni-conf-dir <folder>",
      "folder from which the container runtime reads network configurations",
      "/etc/cni/net.d",
    )
    .option(
      "--cni-conf-name <file>",
      "file name of Weft's configuration; runtimes use the first file in lexical order",
      "01-kube-ovn.conflist",
    )
    .option("--cni-bin-dir <folder>", "folder of the container runtime's CNI plugins", "/opt/cni/bin")
    .option("--service-cluster-ip-range <cidrs>", "addresses of Services, IPv4 and IPv6 separated by a comma", "")
    .option(
      "--service-node-port-range <first-last>",
      `node ports of Services (default: ${portRangeText(DEFAULT_NODE_PORTS)})`,
      portRangeOf,
    )
    .option(
      "--kube-proxy-replacement",
      "serve node ports and external addresses of Services, without kube-proxy",
      false,
    )
    .option(
      "--non-primary-cni-mode",
      "create only the interfaces of NetworkAttachmentDefinitions, and change nothing of the node's network",
      false,
    )
    .option(
      "--enable-mirror",
      "mirror the packets of all ports of br-int to mirror0, not only those of annotated pods",
      false,
    )
    .option("--collect-flows", "collect the flows that Open vSwitch samples, for weftctl flows", false)
    .option(
      "--flows-port <port>",
      "port on which the controller reads these flows for its web page, by its certificate; 0: none",
      portOf,
      0,
    )
    .option("--node-switch <subnet>", "the subnet that joins nodes to the default VPC", JOIN_SUBNET)
    .option("--mtu <bytes>", "MTU of pods; 0: what the tunnel interface allows", mtuOf, 0)
    .option("--metrics-port <port>", "port of /metrics; 0: none", portOf, 10665)
    .option(
      "--secure-serving",
      "serve /metrics by TLS, to clients with a token that RBAC allows to get /metrics",
      false,
    )
    .option(
      "--health-port <port>",
      "port of /healthz, /readyz, /debug/adds and /debug/flows on 127.0.0.1; 0: none",
      portOf,
      10666,
    )
    .addOption(
      new Option("--log-level <level>", "least important level that is logged").choices(LOG_LEVELS).default("info"),
    )
    .option("--kubeconfig <file>", "kubeconfig file for the API server (default: in-cluster)")
    .exitOverride();
  // Commander reads an environment variable from process.env only.
  const given = env["KUBE_NODE_NAME"];
  if (given) command.setOptionValueWithSource("nodeName", given, "env");
  command.parse([...argv], { from: "user" });
  const options = command.opts<Record<string, string | number | boolean | undefined>>();
  const { serviceNodePortRange: nodePorts = DEFAULT_NODE_PORTS } = command.opts<{ serviceNodePortRange?: PortRange }>();
  return {
    nodeName: String(options["nodeName"]),
    bindSocket: String(options["bindSocket"]),
    ovsRemote: String(options["ovsRemote"]),
    ovsSettings: String(options["ovsSettings"]),
    certificateDir: String(options["certificateDir"]),
    namespace: env["POD_NAMESPACE"] ?? "kube-system",
    cniConfDir: String(options["cniConfDir"]),
    cniConfName: String(options["cniConfName"]),
    cniBinDir: String(options["cniBinDir"]),
    serviceClusterIpRange: String(options["serviceClusterIpRange"]),
    kubeProxyReplacement: options["kubeProxyReplacement"] === true,
    nonPrimary: options["nonPrimaryCniMode"] === true,
    nodePorts,
    enableMirror: options["enableMirror"] === true,
    collectFlows: options["collectFlows"] === true,
    flowsPort: Number(options["flowsPort"]),
    nodeSwitch: String(options["nodeSwitch"]),
    mtu: Number(options["mtu"]),
    metricsPort: Number(options["metricsPort"]),
    secureServing: options["secureServing"] === true,
    healthPort: Number(options["healthPort"]),
    logLevel: String(options["logLevel"]),
    kubeconfig: options["kubeconfig"] === undefined ? undefined : String(options["kubeconfig"]),
  };
}

function mtuOf(text: string): number {
  const value = Number(text);
  // RFC 791: every host accepts 68 bytes, and smaller values are useless; the kernel's own limit is 65535.
  if (value === 0 || (Number.isInteger(value) && value >= 68 && value <= 65_535)) return value;
  throw new InvalidArgumentError("must be 0 or 68 to 65535");
}

function portRangeOf(text: string): PortRange {
  const range = parsePortRange(text);
  if (range === undefined) throw new InvalidArgumentError("must be a range of ports such as 30000-32767");
  return range;
}

function portOf(text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new InvalidArgumentError("must be 0 to 65535");
}

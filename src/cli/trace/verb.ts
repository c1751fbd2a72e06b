// SPDX-License-Identifier: Apache-2.0

import { type Command, InvalidArgumentError } from "commander";
import { INSTALL_NAMESPACE } from "../../api/names.ts";
import type { KubeConnection } from "../../kube/connect.ts";
import { parseMac } from "../../net/mac.ts";
import { EXEC_RIGHTS, type Report } from "../tools/commands.ts";
import { podCommands } from "../tools/pod-commands.ts";
import { traceCommand } from "./command.ts";
import type { NodeAnswers } from "./on-nodes.ts";

interface TraceVerbOptions {
  readonly namespace: string;
  readonly weftNamespace: string;
  /** False with `--no-nodes`. */
  readonly nodes: boolean;
  readonly packets?: boolean;
  readonly mac?: string;
}

/** Adds `trace`. `report` runs an action with a connection and prints its answer. */
export function addTraceCommand(program: Command, report: Report): void {
  program
    .command("trace")
    .description("follow a packet from a pod to its destination, step by step; names what drops it and how to allow it")
    .argument("<pod>", "NAMESPACE/POD, POD, svc/NAMESPACE/NAME, node/NAME or an IP address")
    .argument(
      "<dest>",
      "the same, or the DNS name of a Service or of a host outside; a Service stands for each of its backends",
    )
    .argument("[proto]", "tcp, udp, sctp, icmp (default), or tcp/80")
    .argument("[port]", "a number, or the name of a port of the pod or Service")
    .option("-n, --namespace <namespace>", "namespace of names without one", "default")
    .option("--no-nodes", "do not ask the nodes' Open vSwitch: compute it from the objects only")
    .option(
      "--packets",
      "also send three packets for each family from the pod's network namespace, and count where they arrive",
    )
    .option("--mac <mac>", "the MAC that the packet is sent to, for a gateway that OVN does not know", macAddress)
    .option("--weft-namespace <namespace>", "namespace of Weft", INSTALL_NAMESPACE)
    .addHelpText(
      "after",
      `
Examples:
  weftctl trace shop/cart shop/db tcp 5432
  weftctl trace -n shop cart svc/db tcp postgres
  weftctl trace shop/web 198.51.100.1 udp 53
  weftctl trace shop/web www.example.com tcp 443
  weftctl trace shop/web other/api tcp 443 --packets
  weftctl trace shop/web other/api tcp 443 -o yaml --no-nodes

The logical steps are computed from the objects, as the controller does. The steps on the nodes are the answers of Open vSwitch (ofproto/trace) for such a packet, from the
flows that it has at this moment; nothing is sent, except with --packets. The account needs to list the objects that Weft reads (the role cluster-reader, or get and list of
them), and for the nodes ${EXEC_RIGHTS}; without it a warning says so.

Exit codes: 0 delivered, or leaves the cluster, 1 dropped, or a node or tunnel on the way is not known to work, or nodes or packets differ from the objects, 2 the command failed.`,
    )
    .action((from: string, to: string, protocol: string | undefined, port: string | undefined, _, command: Command) => {
      const options = command.optsWithGlobals<TraceVerbOptions>();
      const { namespace, packets = false } = options;
      return report(options, (connection) =>
        traceCommand(connection.kube, namespace, [from, to, protocol, port], {
          ...((options.nodes || packets) && { nodes: nodeAnswers(connection, options) }),
          packets,
        }),
      );
    });
}

function nodeAnswers(connection: KubeConnection, { weftNamespace, mac }: TraceVerbOptions): NodeAnswers {
  const { kube } = connection;
  return {
    kube,
    namespace: weftNamespace,
    ...(mac !== undefined && { mac }),
    ...podCommands(connection, weftNamespace),
  };
}

/** Throws commander's `InvalidArgumentError`. */
function macAddress(text: string): string {
  const mac = parseMac(text);
  if (mac === undefined) throw new InvalidArgumentError("must be a MAC address such as 0a:58:0a:10:00:02");
  return mac;
}

// SPDX-License-Identifier: Apache-2.0

import { NODE_INTERFACE } from "../../../api/names.ts";
import { probeDuplicates } from "./duplicates.ts";
import type { EchoView, LinkView, NodeLookQuestion, SeenNode, SeenPod } from "./node-view.ts";
import { type PodPortRow, readPodPorts } from "./pod-ports.ts";
import { eachOf, leavesChecksums, type Run, readChecksums, readLinks, readRoutes } from "./programs.ts";
import { readTracked } from "./tracked.ts";

/**
 * Looks at the node on which it runs, in a container with the node's network, and at its pods' network namespaces. Besides reading, it sends echo requests to the `peers` through
 * the tunnels and address probes (RFC 5227, RFC 4861) for the `own` and `probed` addresses. Never rejects because of a program: what failed is in `problems`.
 */
export async function lookAtNode(run: Run, { peers, probed, own }: NodeLookQuestion): Promise<SeenNode> {
  const problems: string[] = [];
  const ask = async (...command: readonly [string, ...string[]]): Promise<string> => {
    const { code, stdout, stderr } = await run(command);
    if (code !== 0) problems.push(`${command.join(" ")}: ${stderr.trim().split("\n").at(-1) ?? `exit code ${code}`}`);
    return code === 0 ? stdout : "";
  };
  const get = (row: string, column: string): Promise<string> =>
    ask("ovs-vsctl", "--if-exists", "get", ...row.split(" "), column).then((text) => text.trim().replaceAll('"', ""));
  const [links, routes, checksums, interfaces, datapath, encapIp, encapType, tracked] = await Promise.all([
    ask("ip", "-j", "address", "show").then(readLinks),
    routesBy((family) => ask("ip", "-j", family, "route", "show")),
    ask("cat", "/proc/net/snmp", "/proc/net/snmp6").then(readChecksums),
    ask("ovs-vsctl", "--format=json", "--columns=name,external_ids", "list", "Interface").then(readPodPorts),
    get("Bridge br-int", "datapath_type"),
    get("Open_vSwitch .", "external_ids:ovn-encap-ip"),
    get("Open_vSwitch .", "external_ids:ovn-encap-type"),
    trackedFlows(run),
  ]);
  const address = encapIp.split(",")[0] ?? "";
  const link = links.find(({ addresses }) => addresses.includes(address));
  const gateway = links.find(({ name }) => name === NODE_INTERFACE);
  const [pods, echoes, duplicates, offload] = await Promise.all([
    eachOf(interfaces, (one) => viewPod(run, one)),
    gateway === undefined
      ? []
      : eachOf(
          peers.flatMap(({ node, addresses }) => addresses.map((to) => ({ node, to }))),
          ({ node, to }) => echo(run, node, to, gateway.mtu),
        ),
    probeDuplicates(run, {
      own: own.flatMap((each) => {
        const on = links.find(({ addresses }) => addresses.includes(each));
        return on === undefined ? [] : [{ address: each, interface: on.name }];
      }),
      pods: interfaces.filter(({ port }) => probed.includes(port)),
    }),
    link === undefined ? "" : ask("ethtool", "-k", link.name),
  ]);
  return {
    ...{ links: links.filter(({ name }) => !interfaces.some((one) => one.interface === name)), routes, checksums },
    userspace: datapath === "netdev",
    ...(link !== undefined && {
      tunnel: { type: encapType, address, link: link.name, mtu: link.mtu, offload: leavesChecksums(offload) },
    }),
    ...{ pods: pods.flatMap((pod) => pod ?? []), echoes, duplicates, tracked, problems },
  };
}

/** All that is read inside of a pod, in one process; separated by lines of `=`. */
const IN_POD = `ip -j address show dev "$1"; echo =; ip -j -4 route show; echo =; ip -j -6 route show; echo =; cat /proc/net/snmp /proc/net/snmp6; echo =; ethtool -k "$1"`;

async function viewPod(run: Run, { port, pod, interface: name, netns }: PodPortRow): Promise<SeenPod | undefined> {
  const { stdout } = await run(["nsenter", `--net=${netns}`, "sh", "-c", IN_POD, "pod", name]);
  const [links, v4, v6, counters, features] = stdout.split(/^=\n/m);
  // The pod may have ended since.
  if (features === undefined) return undefined;
  const link: LinkView | undefined = readLinks(links ?? "")[0];
  return {
    ...{ port, pod, interface: name },
    ...(link !== undefined && { link }),
    routes: [...readRoutes(v4 ?? "", 4), ...readRoutes(v6 ?? "", 6)],
    checksums: readChecksums(counters ?? ""),
    offload: leavesChecksums(features),
  };
}

async function routesBy(read: (option: string) => Promise<string>): Promise<SeenNode["routes"]> {
  const [four, six] = await Promise.all([read("-4"), read("-6")]);
  return [...readRoutes(four, 4), ...readRoutes(six, 6)];
}

/** IP and ICMP headers (RFC 792, RFC 4443), in bytes. */
const HEADERS = { 4: 28, 6: 48 } as const;

async function echo(run: Run, node: string, address: string, mtu: number): Promise<EchoView> {
  const family = address.includes(":") ? 6 : 4;
  const answers = async (payload: number): Promise<boolean> => {
    const size = ["-M", "do", "-s", String(payload)];
    const { code } = await run([
      "ping",
      "-n",
      "-q",
      "-c",
      "3",
      "-i",
      "0.2",
      "-W",
      "1",
      "-I",
      NODE_INTERFACE,
      ...size,
      address,
    ]);
    // It ends with 0 if there was an answer.
    return code === 0;
  };
  const [small, full] = [await answers(8), await answers(mtu - HEADERS[family])];
  return { node, address, small, full, size: mtu };
}

/** Of Open vSwitch, and of the kernel if it tracks connections. */
async function trackedFlows(run: Run): Promise<SeenNode["tracked"]> {
  const [ovs, kernel] = await Promise.all([
    run(["ovs-appctl", "dpctl/dump-conntrack"]),
    run(["conntrack", "-L", "-p", "udp"]),
  ]);
  return readTracked(`${ovs.stdout}\n${kernel.stdout}`);
}
